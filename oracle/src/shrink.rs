//! A difference with less around it: steps are taken away, then words, then circumstances, as long as the two
//! servers go on to differ in the same thing.

use std::io;

use crate::play::{Difference, Duel};
use crate::sequence::Sequence;

/// How many sequences are tried at most.
const ATTEMPTS_MAX: usize = 600;
/// And where each costs the patience for a reply that does not come.
const HANGING_ATTEMPTS_MAX: usize = 12;

/// The shortest sequence found that still shows a difference of this kind, and what it shows.
pub fn shrink(
    duel: &mut Duel,
    sequence: Sequence,
    difference: Difference,
) -> io::Result<(Sequence, Difference)> {
    let kind = difference.kind();
    let mut search = Search { duel, kind, attempts: 0, best: (sequence, difference) };
    search.drop_steps()?;
    search.drop_words()?;
    search.shorten_words()?;
    search.drop_steps()?;
    search.drop_circumstances()?;
    Ok(search.best)
}

struct Search<'a> {
    duel: &'a mut Duel,
    kind: String,
    attempts: usize,
    best: (Sequence, Difference),
}

impl Search<'_> {
    /// Keeps the candidate if it still differs.
    fn holds(&mut self, candidate: Sequence) -> io::Result<bool> {
        let attempts_max =
            if self.kind.starts_with("BROKE OFF") { HANGING_ATTEMPTS_MAX } else { ATTEMPTS_MAX };
        if self.attempts == attempts_max {
            return Ok(false);
        }
        self.attempts += 1;
        match self.duel.play(&candidate)? {
            Some(found) if found.kind() == self.kind => {
                self.best = (candidate, found);
                Ok(true)
            }
            _ => Ok(false),
        }
    }

    fn drop_steps(&mut self) -> io::Result<()> {
        let mut count = self.best.0.steps.len().div_ceil(2);
        while count > 0 {
            let mut at = self.best.0.steps.len();
            while at > 0 {
                at = at.saturating_sub(count);
                let mut candidate = self.best.0.clone();
                let end = (at + count).min(candidate.steps.len());
                candidate.steps.drain(at..end);
                self.holds(candidate)?;
                at = at.min(self.best.0.steps.len());
            }
            count /= 2;
        }
        Ok(())
    }

    fn drop_words(&mut self) -> io::Result<()> {
        for step in 0..self.best.0.steps.len() {
            let mut at = self.best.0.steps[step].words.len();
            let mut count = at / 2;
            while count > 0 {
                while at > count {
                    at -= count;
                    let mut candidate = self.best.0.clone();
                    let words = &mut candidate.steps[step].words;
                    let end = (at + count).min(words.len());
                    words.drain(at..end);
                    self.holds(candidate)?;
                    at = at.min(self.best.0.steps[step].words.len());
                }
                at = self.best.0.steps[step].words.len();
                count /= 2;
            }
        }
        Ok(())
    }

    fn shorten_words(&mut self) -> io::Result<()> {
        for step in 0..self.best.0.steps.len() {
            for word in 0..self.best.0.steps[step].words.len() {
                let len = self.best.0.steps[step].words[word].len();
                for shorter in [1, 2, 8, 44, 60, 65].into_iter().filter(|shorter| *shorter < len && len > 8) {
                    let mut candidate = self.best.0.clone();
                    candidate.steps[step].words[word].truncate(shorter);
                    if self.holds(candidate)? {
                        break;
                    }
                }
            }
        }
        Ok(())
    }

    fn drop_circumstances(&mut self) -> io::Result<()> {
        let without_events = Sequence { hears_events: false, ..self.best.0.clone() };
        self.holds(without_events)?;
        let in_resp2 = Sequence { protocols: [2; 3], ..self.best.0.clone() };
        self.holds(in_resp2)?;
        for at in (0..self.best.0.settings.len()).rev() {
            let mut candidate = self.best.0.clone();
            candidate.settings.remove(at);
            self.holds(candidate)?;
        }
        let mut alone = self.best.0.clone();
        alone.steps.iter_mut().for_each(|step| step.client = step.client.saturating_sub(1));
        self.holds(alone)?;
        Ok(())
    }
}
