//! A sequence, played on both servers at once: after each step the replies are compared, and who waits; in the
//! end what was heard, what replicas were sent, and what the datasets hold.

use std::io;

use squall_commands::table::{Flag, Found, Table};
use squall_resp::OwnedArgs;

use crate::connection::Words;
use crate::effects::Leeway;
use crate::sequence::{ASKING, LISTENER, Sequence, Step};
use crate::server::{Identity, Place, Server};
use crate::side::{Outcome, Side};
use crate::verdict::{alike, alike_in_transaction};
use crate::{effects, show, state};

/// The longest of the short time-outs, which are waited for.
const SHORT_TIMEOUT_S: f64 = 3.0;

/// Where two servers part ways.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Difference {
    /// What differs: a difference that is made smaller should stay the same one.
    pub about: String,
    pub theirs: String,
    pub ours: String,
}

impl Difference {
    pub fn of(about: &str, theirs: String, ours: String) -> Difference {
        Difference { about: about.to_owned(), theirs, ours }
    }

    /// What it looks like from afar: one of a kind is enough to read.
    pub fn signature(&self) -> String {
        let start = |text: &str| text.chars().take(48).filter(|c| !c.is_ascii_digit()).collect::<String>();
        format!("{} | {} | {}", self.kind(), start(&self.theirs), start(&self.ours))
    }

    /// Roughly what it is about: its first two words.
    pub fn kind(&self) -> String {
        self.about.split(' ').take(2).collect::<Vec<_>>().join(" ").to_ascii_uppercase()
    }
}

/// Both servers, ready to be compared.
pub struct Duel {
    pub reference: Identity,
    places: [Place; 2],
    parameters: [Vec<String>; 2],
    theirs: Side,
    ours: Side,
    queued: [Vec<Words>; ASKING + 1],
    /// What those who wait have asked for.
    wishes: [Words; ASKING],
}

impl Duel {
    /// Starts the reference and Squall, each with further parameters.
    pub fn start(reference: Place, squall: Place, parameters: [Vec<String>; 2]) -> io::Result<Duel> {
        let theirs = Side::of(Server::start(&reference, &parameters[0])?)?;
        let ours = Side::of(Server::start(&squall, &parameters[1])?)?;
        let identity = Identity::of(&theirs.server)?;
        Ok(Duel {
            reference: identity,
            places: [reference, squall],
            parameters,
            theirs,
            ours,
            queued: Default::default(),
            wishes: Default::default(),
        })
    }

    /// Plays a sequence from an empty dataset; the first difference, if there is one.
    pub fn play(&mut self, sequence: &Sequence) -> io::Result<Option<Difference>> {
        let mut asked = String::from("the first of it");
        match self.try_play(sequence, &mut asked) {
            Ok(found) => Ok(found),
            Err(error) => {
                // Whoever broke off may have ended.
                let found =
                    Difference::of(&format!("broke off at {asked}"), error.to_string(), error.to_string());
                self.restart()?;
                Ok(Some(found))
            }
        }
    }

    /// What the other server has that Squall has not: commands, and words of commands.
    pub fn missing(&self) -> io::Result<Vec<String>> {
        Ok(self.reference.beyond(&Identity::of(&self.ours.server)?))
    }

    fn restart(&mut self) -> io::Result<()> {
        self.theirs = Side::of(Server::start(&self.places[0], &self.parameters[0])?)?;
        self.ours = Side::of(Server::start(&self.places[1], &self.parameters[1])?)?;
        Ok(())
    }

    fn try_play(&mut self, sequence: &Sequence, asked: &mut String) -> io::Result<Option<Difference>> {
        self.theirs.reset(sequence)?;
        self.ours.reset(sequence)?;
        self.queued = Default::default();
        self.wishes = Default::default();
        let changes = [self.theirs.changes()?, self.ours.changes()?];
        for step in &sequence.steps {
            *asked = show::request(&step.words);
            if let Some(found) = self.take(step)? {
                return Ok(Some(found));
            }
        }
        *asked = "the end".to_owned();
        let leeway = Leeway::of(sequence);
        if let Some(found) = self.compare_heard("what was heard", leeway.time_goes_by)? {
            return Ok(Some(found));
        }
        let changes = [self.theirs.changes()? - changes[0], self.ours.changes()? - changes[1]];
        // What is done for those who wait is counted since Redis 7.2.
        let counts_all = !self.reference.is_redis_before((7, 2)) || self.wishes.iter().all(Vec::is_empty);
        let counts_all = counts_all && !leeway.time_goes_by && !leeway.bits_fail;
        if counts_all && changes[0] != changes[1] {
            let [theirs, ours] = changes.map(|count| count.to_string());
            return Ok(Some(Difference::of("changes that save points count", theirs, ours)));
        }
        let streams = [self.theirs.effects()?, self.ours.effects()?];
        let [theirs, ours] = streams;
        if let Some((theirs, ours)) = effects::first_difference(theirs, ours, leeway) {
            let shown =
                |words: Option<Words>| words.map_or("nothing".to_owned(), |words| show::request(&words));
            return Ok(Some(Difference::of("effects sent to replicas", shown(theirs), shown(ours))));
        }
        state::difference(&self.reference, &mut self.theirs.observer, &mut self.ours.observer)
    }

    fn take(&mut self, step: &Step) -> io::Result<Option<Difference>> {
        let Step { client, words } = step;
        if *client < ASKING && self.theirs.waits[*client] {
            return Ok(None);
        }
        self.theirs.send(*client, words)?;
        self.ours.send(*client, words)?;
        if *client == LISTENER {
            return self.compare_heard(&show::request(words), false);
        }
        // What is soon over is waited for; whether it is seen to wait depends on the machine.
        let may_wait = may_wait(words) && !has_short_timeout(words);
        let theirs = self.theirs.outcome(*client, may_wait)?;
        let ours = self.ours.outcome(*client, may_wait)?;
        if let Some(found) = self.compare(step, theirs, ours)? {
            return Ok(Some(found));
        }
        self.compare_waiting(step)
    }

    fn compare(&mut self, step: &Step, theirs: Outcome, ours: Outcome) -> io::Result<Option<Difference>> {
        let Step { client, words } = step;
        let same = match (&theirs, &ours) {
            (Outcome::Waits, Outcome::Waits) => true,
            (Outcome::Reply(theirs), Outcome::Reply(ours)) => self.alike(*client, words, theirs, ours)?,
            _ => false,
        };
        if same {
            if theirs == Outcome::Waits {
                self.wishes[*client] = words.clone();
            }
            return Ok(None);
        }
        // One that waits alone is let go when the next sequence begins.
        let shown = |outcome: &Outcome| match outcome {
            Outcome::Waits => "waits".to_owned(),
            Outcome::Reply(bytes) => show::reply(bytes),
        };
        Ok(Some(Difference::of(&show::request(words), shown(&theirs), shown(&ours))))
    }

    fn alike(&mut self, client: usize, words: &[Vec<u8>], theirs: &[u8], ours: &[u8]) -> io::Result<bool> {
        let is = |name: &[u8]| words[0].eq_ignore_ascii_case(name);
        if theirs == b"+QUEUED\r\n" && ours == theirs {
            self.queued[client].push(words.to_vec());
            return Ok(true);
        }
        if is(b"EXEC") || is(b"DISCARD") || is(b"MULTI") {
            let queued = std::mem::take(&mut self.queued[client]);
            return Ok(alike_in_transaction(&self.reference, &queued, theirs, ours));
        }
        if is(b"DUMP") && theirs != ours {
            let (reference, squall) = (&mut self.theirs.observer, &mut self.ours.observer);
            return state::exchange(&self.reference, theirs, ours, reference, squall);
        }
        Ok(alike(&self.reference, words, theirs, ours))
    }

    /// Whether those who wait have been served, by this step or not.
    fn compare_waiting(&mut self, step: &Step) -> io::Result<Option<Difference>> {
        for client in 0..ASKING {
            if !self.theirs.waits[client] || client == step.client {
                continue;
            }
            let served = [self.theirs.ended_wait(client)?, self.ours.ended_wait(client)?];
            let same = match &served {
                [Some(theirs), Some(ours)] => alike(&self.reference, &self.wishes[client], theirs, ours),
                [theirs, ours] => theirs.is_none() && ours.is_none(),
            };
            if !same {
                let about = format!("{} for client {client}, who waits,", show::request(&step.words));
                let [theirs, ours] = served
                    .map(|reply| reply.map_or("goes on waiting".to_owned(), |reply| show::reply(&reply)));
                return Ok(Some(Difference::of(&about, theirs, ours)));
            }
        }
        Ok(None)
    }

    fn compare_heard(&mut self, about: &str, time_goes_by: bool) -> io::Result<Option<Difference>> {
        let [theirs, ours] = [self.theirs.heard()?, self.ours.heard()?];
        let [mut theirs, mut ours] = [without_counts(theirs), without_counts(ours)];
        // A message to several patterns comes in any order, and so does the end of several subscriptions.
        theirs.sort();
        ours.sort();
        if time_goes_by {
            // When a server notices that a key has expired is its own affair.
            let told = |frame: &Vec<u8>| {
                ["expired", "del"]
                    .iter()
                    .any(|event| frame.windows(event.len()).any(|part| part == event.as_bytes()))
            };
            theirs.retain(|frame| !told(frame));
            ours.retain(|frame| !told(frame));
        }
        if theirs == ours {
            return Ok(None);
        }
        let only = |some: &[Vec<u8>], others: &[Vec<u8>]| {
            let shown: Vec<String> =
                some.iter().filter(|frame| !others.contains(frame)).map(|frame| show::reply(frame)).collect();
            if shown.is_empty() { "the same, less often".to_owned() } else { shown.join("\n") }
        };
        Ok(Some(Difference::of(about, only(&theirs, &ours), only(&ours, &theirs))))
    }
}

/// How many subscriptions are left depends on which of them ended before.
fn without_counts(frames: Vec<Vec<u8>>) -> Vec<Vec<u8>> {
    let is_farewell = |frame: &[u8]| frame.windows(b"unsubscribe".len()).any(|part| part == b"unsubscribe");
    let cut = |mut frame: Vec<u8>| {
        if is_farewell(&frame)
            && let Some(count) = frame.iter().rposition(|byte| *byte == b':')
        {
            frame.truncate(count);
            frame.extend_from_slice(b":0\r\n");
        }
        frame
    };
    frames.into_iter().map(cut).collect()
}

fn may_wait(words: &[Vec<u8>]) -> bool {
    let slices: Vec<&[u8]> = words.iter().map(Vec::as_slice).collect();
    let args = OwnedArgs::from_slices(&slices);
    match Table::shared().find(args.as_args()) {
        Found::Row(row) => row.command.flags.has(Flag::Blocking),
        _ => false,
    }
}

/// Whether a word of a blocking command may be a time-out that is soon over.
fn has_short_timeout(words: &[Vec<u8>]) -> bool {
    let name = words[0].to_ascii_uppercase();
    let timeout = match name.as_slice() {
        b"XREAD" | b"XREADGROUP" => {
            words.iter().position(|word| word.eq_ignore_ascii_case(b"BLOCK")).map(|at| at + 1)
        }
        b"BLMPOP" | b"BZMPOP" => Some(1),
        _ => Some(words.len() - 1),
    };
    let seconds = timeout
        .and_then(|at| std::str::from_utf8(words.get(at)?).ok()?.trim_start_matches('+').parse::<f64>().ok())
        .map(|number| if name.starts_with(b"X") { number / 1e3 } else { number });
    seconds.is_some_and(|seconds| 0.0 < seconds && seconds < SHORT_TIMEOUT_S)
}
