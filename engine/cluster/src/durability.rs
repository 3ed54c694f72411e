//! Persist before you promise. What a node says of itself on the bus (its epochs, its role, its slots) is
//! what its nodes.conf holds durably; votes, candidatures and new claims wait until they are written. Pings
//! do not: while the disk is slow the node goes on to say what it said before, so a slow disk is no death.

use std::collections::VecDeque;

use squall_clock::{Mono, Nanos};

use crate::slots::SlotSet;
use crate::{Epoch, JobName, NodeId};

/// After a failed write, the next attempt waits that long.
const RETRY_DELAY: Nanos = Nanos::from_millis(500);

/// What a node asserts of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Claims {
    pub current_epoch: Epoch,
    pub config_epoch: Epoch,
    pub primary: Option<NodeId>,
    pub slots: SlotSet,
}

/// What happens when the state that it rests on is durable.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Deferred {
    Vote {
        candidate: NodeId,
        epoch: Epoch,
    },
    RequestVotes {
        epoch: Epoch,
    },
    /// The role and the slots that were won: said to everybody, and acted on.
    Promote,
    /// Everybody is told at once instead of with the next ping.
    Announce,
    /// Slots are no longer claimed, and may be granted.
    Grant(JobName),
    /// Slots that were granted are claimed.
    Taken(JobName),
}

/// How urgently the state wants to be written.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Wanted {
    Nothing,
    /// With the next tick: news of others.
    Soon,
    Now,
}

#[derive(Debug)]
pub(crate) struct Durability {
    wanted: Wanted,
    /// The number of the last text that was handed out.
    generation: u64,
    /// How often anything that the file holds has changed.
    pub changes: u64,
    in_flight: Option<Claims>,
    retry_at: Mono,
    /// What others may be told.
    pub announced: Claims,
    waiting: VecDeque<(u64, Deferred)>,
}

impl Durability {
    /// `announced` is what the file holds already.
    pub fn of(announced: Claims) -> Durability {
        Durability {
            wanted: Wanted::Nothing,
            generation: 0,
            changes: 0,
            in_flight: None,
            retry_at: Mono(0),
            announced,
            waiting: VecDeque::new(),
        }
    }

    pub fn want_soon(&mut self) {
        self.wanted = self.wanted.max(Wanted::Soon);
        self.changes += 1;
    }

    pub fn want_now(&mut self) {
        self.wanted = Wanted::Now;
        self.changes += 1;
    }

    /// Something has changed that clients may have to be told, and that the file does not hold.
    pub fn note_change(&mut self) {
        self.changes += 1;
    }

    /// The number of the text that holds all that was promised, where it is not durable yet.
    pub fn pending(&self) -> Option<u64> {
        match (self.wanted, &self.in_flight) {
            (Wanted::Now, _) => Some(self.generation + 1),
            (_, Some(_)) => Some(self.generation),
            (_, None) => None,
        }
    }

    /// `then` happens when the state as it is at the end of this call is durable.
    pub fn defer(&mut self, then: Deferred) {
        self.want_now();
        self.waiting.push_back((self.generation + 1, then));
    }

    /// The number of the text to be written now, if it is time for one.
    pub fn begin(&mut self, claims: Claims, is_tick: bool, now: Mono) -> Option<u64> {
        let due = self.wanted == Wanted::Now || (self.wanted == Wanted::Soon && is_tick);
        if !due || self.in_flight.is_some() || now < self.retry_at {
            return None;
        }
        self.wanted = Wanted::Nothing;
        self.generation += 1;
        self.in_flight = Some(claims);
        Some(self.generation)
    }

    /// The text with this number is durable: what has waited for it, in order.
    pub fn persisted(&mut self, generation: u64) -> Vec<Deferred> {
        assert_eq!(generation, self.generation, "one text is written at a time");
        self.announced = self.in_flight.take().expect("a text was handed out");
        let mut ready = Vec::new();
        while let Some((needed, deferred)) = self.waiting.front() {
            if *needed > generation {
                break;
            }
            ready.push(*deferred);
            self.waiting.pop_front();
        }
        ready
    }

    /// The text could not be written: promises go on waiting, and the next attempt comes after a rest.
    pub fn failed(&mut self, generation: u64, now: Mono) {
        assert_eq!(generation, self.generation, "one text is written at a time");
        self.in_flight = None;
        self.wanted = Wanted::Now;
        self.retry_at = now + RETRY_DELAY;
        // What waited for the failed text waits for the next, which holds the same and more.
        for (needed, _) in &mut self.waiting {
            *needed = (*needed).max(generation + 1);
        }
    }

    pub fn next_timeout(&self, now: Mono) -> Option<Mono> {
        (self.wanted == Wanted::Now && self.in_flight.is_none()).then_some(self.retry_at.max(now))
    }

    /// Promises of a past that is over: a node that was reset, or follows somebody else now.
    pub fn forget_waiting(&mut self) {
        self.waiting.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_promise_waits_for_the_text_that_holds_it() {
        let mut durability = Durability::of(Claims::default());
        let claims = |epoch| Claims { current_epoch: Epoch(epoch), ..Claims::default() };
        durability.want_now();
        assert_eq!(durability.begin(claims(1), false, Mono(0)), Some(1));
        // Promised while the first text is on its way: that text does not hold it.
        durability.defer(Deferred::RequestVotes { epoch: Epoch(2) });
        assert_eq!(durability.begin(claims(2), false, Mono(0)), None, "one at a time");
        assert_eq!(durability.persisted(1), []);
        assert_eq!(durability.announced, claims(1));
        assert_eq!(durability.begin(claims(2), false, Mono(0)), Some(2));
        durability.failed(2, Mono(0));
        assert_eq!(durability.begin(claims(2), true, Mono(0)), None, "a rest after a failure");
        assert_eq!(durability.begin(claims(2), true, Mono(0) + RETRY_DELAY), Some(3));
        assert_eq!(durability.persisted(3), [Deferred::RequestVotes { epoch: Epoch(2) }]);
    }
}
