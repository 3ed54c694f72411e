//! Finding entries whose time has come, a little at a time. Segments, partitions and the database each
//! know a lower bound of their earliest expiry, so whatever holds nothing due is passed over at once.
//!
//! Nothing is removed here: expiring a key has consequences (a DEL to the replicas, a notification) that
//! the caller knows.

use super::Db;
use crate::dict::{NEVER, Segment};
use crate::entry::Entry;
use squall_clock::UnixMs;

/// How far a step came.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Sweep {
    /// The whole database has been passed over since the last time that this was said.
    Complete,
    /// The budget was used up first.
    Partial,
}

/// Where the sweep is.
#[derive(Clone, Copy, Debug)]
pub(super) struct SweepState {
    partition: usize,
    segment: usize,
    /// No entry expires before this. It may be too early, never too late.
    earliest: UnixMs,
}

impl Default for SweepState {
    fn default() -> SweepState {
        SweepState { partition: 0, segment: 0, earliest: NEVER }
    }
}

impl SweepState {
    pub fn note(&mut self, at: UnixMs) {
        self.earliest = self.earliest.min(at);
    }
}

impl Db {
    /// A time before which no entry expires, or `None` if none ever does. It may be too early.
    pub fn earliest_expiry(&self) -> Option<UnixMs> {
        (self.books.expiry_sweep.earliest != NEVER).then_some(self.books.expiry_sweep.earliest)
    }

    /// Goes on looking for expired entries and passes each to `expired`, which has to note its key for removal.
    /// Looks at no more than `budget` entries and segments, or a segment's worth more.
    pub fn expired_step(&mut self, now: UnixMs, mut budget: usize, mut expired: impl FnMut(&Entry)) -> Sweep {
        if self.books.expiry_sweep.earliest > now {
            return Sweep::Complete;
        }
        while self.books.expiry_sweep.partition < self.partitions.len() {
            let dict = &mut self.partitions[self.books.expiry_sweep.partition];
            if dict.earliest_expiry <= now {
                while self.books.expiry_sweep.segment < dict.segments_len() {
                    if budget == 0 {
                        return Sweep::Partial;
                    }
                    let segment = dict.segment_mut(self.books.expiry_sweep.segment);
                    self.books.expiry_sweep.segment += 1;
                    budget -= 1;
                    if segment.earliest_expiry() <= now {
                        budget = budget.saturating_sub(segment.len());
                        segment.entries().iter().filter(|entry| entry.is_expired(now)).for_each(&mut expired);
                        segment.refresh_earliest_expiry();
                    }
                }
                let bounds = dict.segments().map(Segment::earliest_expiry);
                dict.earliest_expiry = bounds.min().unwrap_or(NEVER);
            }
            self.books.expiry_sweep.partition += 1;
            self.books.expiry_sweep.segment = 0;
        }
        self.books.expiry_sweep.partition = 0;
        self.books.expiry_sweep.earliest =
            self.partitions.iter().map(|dict| dict.earliest_expiry).min().unwrap_or(NEVER);
        Sweep::Complete
    }
}
