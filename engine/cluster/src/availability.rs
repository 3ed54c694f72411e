//! Whether the cluster works, seen from this node: every slot has an owner that lives, and the majority of
//! primaries can be reached. A primary that starts again shows first that it is still one: it serves when it
//! has heard the majority, and a while after.

use squall_clock::{Mono, Nanos};

use crate::cluster::Cluster;
use crate::event::{Event, Severity};
use crate::turns::Turn;

/// After a start a primary serves nobody for at least that long.
const START_DELAY: Nanos = Nanos::from_secs(2);
/// After it was in the minority: a node timeout, within these bounds.
const REJOIN_DELAY_MIN: Nanos = Nanos::from_millis(500);
const REJOIN_DELAY_MAX: Nanos = Nanos::from_secs(5);

#[derive(Debug)]
pub(crate) struct Availability {
    ok: bool,
    in_minority_until: Option<Mono>,
    /// Since the start, a majority of primaries has been heard.
    heard_majority: bool,
}

impl Availability {
    pub fn at_start() -> Availability {
        Availability { ok: false, in_minority_until: None, heard_majority: false }
    }

    pub fn is_ok(&self) -> bool {
        self.ok
    }

    /// It is in the minority, or has not been back for long.
    fn is_rejoining(&self, now: Mono) -> bool {
        self.in_minority_until.is_some_and(|until| now < until)
    }
}

impl Cluster {
    /// Whether a majority may have put another in this node's place, of which it has not heard yet: it was without the
    /// majority, hands over, or has voted for one of its own replicas.
    pub(crate) fn may_have_been_replaced(&self) -> bool {
        let now = self.now.mono;
        let me = self.nodes.me();
        let has_voted = me.voted.is_some_and(|(_, when)| now.since(when) < self.vote_lease());
        let resigns = self.hand_over.is_some() || has_voted;
        !me.slots.is_empty() && (resigns || self.availability.is_rejoining(now))
    }

    pub(crate) fn assess(&mut self) {
        let now = self.now.mono;
        let myself = self.my_id();
        let (mut voters, mut reachable, mut heard, mut failed_owners) = (0, 0, 0, 0);
        for owner in self.nodes.owners() {
            failed_owners += usize::from(owner.is_failed());
            if owner.is_voter() {
                voters += 1;
                reachable += usize::from(owner.is_well());
                heard += usize::from(owner.id == myself || owner.data_received.is_some());
            }
        }
        voters += self.nodes.vacant_seats();
        let is_majority = |count: usize| count > voters / 2;
        self.availability.heard_majority |= is_majority(heard);
        let covered = !self.options.require_full_coverage
            || (self.nodes.bound_slots() == crate::slots::SLOT_COUNT && failed_owners == 0);
        let is_minority = !is_majority(reachable);
        if is_minority {
            let delay = self.options.node_timeout.max(REJOIN_DELAY_MIN).min(REJOIN_DELAY_MAX);
            self.availability.in_minority_until = Some(now + delay);
        }
        let mut ok = covered && !is_minority;
        if ok && !self.availability.ok && self.nodes.me().is_primary() {
            let starting = now.since(self.started) < START_DELAY || !self.availability.heard_majority;
            ok = !self.availability.is_rejoining(now) && !starting;
        }
        if ok != self.availability.ok {
            self.availability.ok = ok;
            if !ok {
                self.took(Turn::Unavailable);
            }
            let state = if ok { "ok" } else { "fail" };
            self.log(Severity::Notice, format!("Cluster state changed: {state}"));
            self.push(Event::Availability { ok });
        }
    }

    pub fn is_ok(&self) -> bool {
        self.availability.is_ok()
    }
}
