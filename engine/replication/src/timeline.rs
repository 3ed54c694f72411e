//! When the stream was where: from it follows how old the first write is that a replica lacks, and how many
//! commands it lacks.
//!
//! ```text
//!   time     t0        t1 t2              t3
//!   offset   o0--------o1-o2--------------o3-------- end
//! ```
//! A mark says that the byte after its offset was written at its time. At most one is set in a millisecond; when
//! there are more than [`MARKS_MAX`], the older ones are thinned out. So an age is exact to the millisecond for
//! what was written in the last two seconds, and to a hundredth of itself further back, up to years; it is never
//! given as younger than it is.

use std::collections::VecDeque;

use squall_clock::{Mono, Nanos};

use crate::ReplOffset;

/// About a hundred kilobytes.
const MARKS_MAX: usize = 4096;
const RESOLUTION: Nanos = Nanos::from_millis(1);
/// Younger marks are not thinned out.
const EXACT_FOR: Nanos = Nanos::from_secs(2);
/// Older ones stand this close: a gap is at most this part of its age.
const GAPS_PER_AGE: u64 = 100;

#[derive(Debug, Default)]
pub(crate) struct Timeline {
    marks: VecDeque<Mark>,
    /// Commands before the end of the stream.
    commands: u64,
}

#[derive(Clone, Copy, Debug)]
struct Mark {
    at: Mono,
    offset: ReplOffset,
    /// Commands before it.
    commands: u64,
}

/// How far behind somebody is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Lag {
    pub bytes: u64,
    /// Commands of the stream, its own PING and SELECT among them; between two marks, in proportion.
    pub commands: u64,
    /// How long ago the first byte that is missing was written; zero where none is.
    pub age: Nanos,
}

impl Timeline {
    /// So many commands were added behind `offset`.
    pub fn grow(&mut self, offset: ReplOffset, commands: u64, now: Mono) {
        if self.marks.back().is_none_or(|last| now.since(last.at) >= RESOLUTION) {
            self.marks.push_back(Mark { at: now, offset, commands: self.commands });
            if self.marks.len() > MARKS_MAX {
                self.thin_out();
            }
        }
        self.commands += commands;
    }

    /// Nobody will ask about what lies before `offset`.
    pub fn forget_before(&mut self, offset: ReplOffset) {
        while self.marks.get(1).is_some_and(|second| second.offset <= offset) {
            self.marks.pop_front();
        }
    }

    /// The lag of somebody who has all before `position`, while the stream ends at `end`.
    pub fn lag(&self, position: ReplOffset, end: ReplOffset, now: Mono) -> Lag {
        let bytes = end.bytes_since(position);
        let after = self.marks.partition_point(|mark| mark.offset <= position);
        let Some(mark) = self.marks.get(after.saturating_sub(1)).filter(|_| bytes > 0) else {
            return Lag { bytes, ..Lag::default() };
        };
        let (next_offset, next_commands) =
            self.marks.get(after).map_or((end, self.commands), |next| (next.offset, next.commands));
        let span = next_offset.bytes_since(mark.offset).max(1);
        let share = u128::from(next_commands - mark.commands) * u128::from(position.bytes_since(mark.offset));
        let before = mark.commands + (share / u128::from(span)) as u64;
        Lag { bytes, commands: self.commands.saturating_sub(before), age: now.since(mark.at) }
    }

    /// Drops marks, the newest first, wherever the gap that this leaves is small beside its age.
    fn thin_out(&mut self) {
        let Some(newest) = self.marks.back().map(|mark| mark.at) else { return };
        let mut kept: VecDeque<Mark> = VecDeque::with_capacity(self.marks.len());
        for (index, mark) in self.marks.iter().enumerate().rev() {
            let older = index.checked_sub(1).map(|older| self.marks[older].at);
            let droppable = older.zip(kept.front()).is_some_and(|(older, newer)| {
                let age = newest.since(mark.at);
                age > EXACT_FOR && newer.at.since(older).0 <= age.0 / GAPS_PER_AGE
            });
            if !droppable {
                kept.push_front(*mark);
            }
        }
        self.marks = kept;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(micros: u64) -> Mono {
        Mono(0) + Nanos::from_micros(micros)
    }

    #[test]
    fn the_first_byte_that_is_missing_tells_the_age() {
        let mut timeline = Timeline::default();
        timeline.grow(ReplOffset(0), 1, at(1_000));
        timeline.grow(ReplOffset(100), 3, at(5_000));
        timeline.grow(ReplOffset(200), 2, at(5_500));
        let lag = |position, now| timeline.lag(ReplOffset(position), ReplOffset(400), at(now));
        assert_eq!(lag(400, 9_000), Lag::default());
        assert_eq!(lag(0, 9_000), Lag { bytes: 400, commands: 6, age: Nanos::from_millis(8) });
        assert_eq!(lag(100, 9_000), Lag { bytes: 300, commands: 5, age: Nanos::from_millis(4) });
        // Within a millisecond, in proportion, and as old as its first write.
        assert_eq!(lag(250, 9_000), Lag { bytes: 150, commands: 3, age: Nanos::from_millis(4) });
    }

    /// An hour of writes, one in a millisecond: few marks, and ages as exact as promised.
    #[test]
    fn an_hour_fits_and_ages_stay_exact() {
        let mut timeline = Timeline::default();
        let end = 3_600_000;
        for number in 0..end {
            timeline.grow(ReplOffset(number * 10), 1, at(number * 1_000));
        }
        assert!(timeline.marks.len() <= MARKS_MAX);
        for behind in [1, 10, 1_000, 2_000, 5_000, 60_000, 600_000, 3_000_000] {
            let lag = timeline.lag(ReplOffset((end - behind) * 10), ReplOffset(end * 10), at(end * 1_000));
            let (exact, given) = (behind, lag.age.as_millis());
            assert!(given >= exact && given - exact <= 1 + exact / 100, "{exact} ms, given as {given} ms");
            assert!(lag.commands.abs_diff(behind) <= 1 + behind / 100, "{behind}, given as {}", lag.commands);
            if behind <= 2_000 {
                assert_eq!(given, exact);
            }
        }
    }

    #[test]
    fn what_is_forgotten_costs_nothing() {
        let mut timeline = Timeline::default();
        (0..100).for_each(|number| timeline.grow(ReplOffset(number), 1, at(number * 2_000)));
        timeline.forget_before(ReplOffset(90));
        assert_eq!(timeline.marks.len(), 10);
        let lag = timeline.lag(ReplOffset(90), ReplOffset(100), at(200_000));
        assert_eq!((lag.commands, lag.age.as_millis()), (10, 20));
    }
}
