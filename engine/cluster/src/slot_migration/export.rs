//! The source's part of a migration: it copies, holds, grants, and lets go; or keeps everything.

use std::collections::BTreeMap;

use squall_clock::{Mono, Now};

use super::job::{JobFacts, JobState, Operation};
use super::{HOLD_MAX, Job, MigrationLink, MigrationOrder, RETRY_DELAY, Record, RecordKind, Words};
use crate::cluster::Cluster;
use crate::durability::Deferred;
use crate::event::Severity;
use crate::slots::SlotSet;
use crate::turns::Turn;
use crate::{Epoch, JobName, NodeId};

pub(crate) struct Export {
    pub slots: SlotSet,
    /// The primary that gets them, as far as is known.
    pub target: NodeId,
    pub link: Option<MigrationLink>,
    pub facts: JobFacts,
    state: State,
    /// Since when nothing has come of it.
    stuck_since: Mono,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum State {
    Waiting {
        until: Mono,
    },
    Connecting,
    Establishing,
    Copying,
    /// Requests wait; everything has been said.
    Complete {
        since: Mono,
    },
    /// The target is ready. The slots are no longer claimed, which must be known to the disk and the replicas.
    Disowning {
        since: Mono,
        durable: bool,
        recorded: bool,
    },
    /// The target may have taken the slots.
    Granted {
        since: Mono,
    },
    /// The connection broke then: the target's shard is asked.
    Asking {
        since: Mono,
        next: Mono,
    },
}

impl Export {
    pub fn holds(&self) -> bool {
        matches!(self.state, State::Complete { .. }) || self.is_disowned()
    }

    /// The slots are not claimed while this is so.
    pub fn is_disowned(&self) -> bool {
        matches!(self.state, State::Disowning { .. }) || self.may_be_taken()
    }

    /// The target's shard alone knows whose the slots are.
    pub fn may_be_taken(&self) -> bool {
        matches!(self.state, State::Granted { .. } | State::Asking { .. })
    }

    pub fn deadline(&self) -> Option<Mono> {
        match self.state {
            State::Waiting { until } => Some(until),
            State::Complete { since } | State::Disowning { since, .. } => Some(since + HOLD_MAX),
            State::Asking { next, .. } if self.link.is_none() => Some(next),
            _ => None,
        }
    }

    fn enter(&mut self, state: State, now: Now) {
        let (before, shown) = (self.held_since(), shown(state));
        self.state = state;
        if self.facts.state != shown {
            self.facts.enter(shown, now);
        }
        if let Some(since) = before.filter(|_| self.held_since().is_none()) {
            self.facts.waited(since, now);
        }
    }

    fn held_since(&self) -> Option<Mono> {
        match self.state {
            State::Complete { since }
            | State::Disowning { since, .. }
            | State::Granted { since }
            | State::Asking { since, .. } => Some(since),
            _ => None,
        }
    }
}

fn shown(state: State) -> JobState {
    match state {
        State::Waiting { .. } => JobState::Waiting,
        State::Connecting => JobState::Connecting,
        State::Establishing => JobState::Establishing,
        State::Copying => JobState::Copying,
        State::Complete { .. } | State::Disowning { .. } => JobState::HandingOver,
        State::Granted { .. } | State::Asking { .. } => JobState::Granted,
    }
}

impl Cluster {
    /// A migration begins, with the next tick at the latest.
    pub(super) fn begin_export(&mut self, name: JobName, slots: SlotSet, target: NodeId) {
        let now = self.now;
        let facts = JobFacts::begun(name, Operation::Export, slots.clone(), self.my_id(), target, now);
        let state = State::Waiting { until: now.mono };
        let export = Export { slots, target, link: None, facts, state, stuck_since: now.mono };
        self.took(Turn::MigrationBegun);
        self.log(Severity::Notice, format!("Slot migration {name}: {} to {target}", export.slots));
        self.migrations.exports.insert(name, export);
        self.tend_exports();
    }

    /// The grant that this shard made is this node's to see to from now on.
    pub(super) fn resume_grant(&mut self, name: JobName, record: Record) {
        let (myself, now) = (self.my_id(), self.now);
        let is_mine = record.slots.iter().all(|slot| self.nodes.owner(slot) == Some(myself));
        if !is_mine || self.migrations.is_busy_with(&record.slots, None) {
            // It was settled, or never made.
            return self.drop_granted(name, &record.slots);
        }
        let (slots, target) = (record.slots, record.peer);
        let facts = JobFacts::begun(name, Operation::Export, slots.clone(), myself, target, now);
        let state = State::Asking { since: now.mono, next: now.mono };
        let export = Export { slots, target, link: None, facts, state, stuck_since: now.mono };
        self.migrations.exports.insert(name, export);
        self.durability.want_now();
    }

    /// Slots that nodes.conf says to be on their way out and not this node's: they were granted.
    pub(crate) fn restore_grants(&mut self) {
        let myself = self.my_id();
        let granted: Vec<_> = self
            .migrating
            .iter()
            .map(|(slot, to)| (*slot, *to))
            .filter(|(slot, _)| self.nodes.owner(*slot) != Some(myself))
            .collect();
        let mut by_target: BTreeMap<NodeId, SlotSet> = BTreeMap::new();
        for (slot, to) in granted {
            self.migrating.remove(&slot);
            if self.nodes.owner(slot).is_none() && self.nodes.me().is_primary() {
                by_target.entry(to).or_default().insert(slot);
            }
        }
        for (peer, slots) in by_target {
            slots.iter().for_each(|slot| self.nodes.set_owner(slot, Some(myself)));
            let name = JobName::random(&mut self.rng);
            self.resume_grant(name, Record { kind: RecordKind::Granted, peer, slots });
        }
    }

    pub(super) fn export_opened(&mut self, name: JobName, link: MigrationLink) {
        let (myself, now) = (self.my_id(), self.now);
        let export = self.export_mut(name);
        let slots = export.slots.clone();
        match export.state {
            State::Connecting => {
                export.enter(State::Establishing, now);
                self.say(link, Words::Establish { job: name, source: myself, slots });
            }
            State::Asking { .. } => self.say(link, Words::Outcome { asker: myself, slots }),
            _ => self.export_link_lost(name, link),
        }
    }

    pub(super) fn export_link_lost(&mut self, name: JobName, link: MigrationLink) {
        let now = self.now;
        self.migrations.links.remove(&link);
        let export = self.export_mut(name);
        export.link = None;
        match export.state {
            State::Granted { since } | State::Asking { since, .. } => {
                export.enter(State::Asking { since, next: now.mono + RETRY_DELAY }, now);
            }
            State::Connecting => self.attempt_failed(name, "the target cannot be reached"),
            _ => self.attempt_failed(name, "the connection to the target is lost"),
        }
    }

    pub(super) fn export_copied(&mut self, name: JobName, link: MigrationLink) {
        let now = self.now;
        let export = self.export_mut(name);
        if export.state == State::Copying {
            export.enter(State::Complete { since: now.mono }, now);
            self.durability.note_change();
            self.say(link, Words::Complete);
        }
    }

    /// The target has answered.
    pub(super) fn export_answered(&mut self, name: JobName, link: MigrationLink, words: Words) {
        let now = self.now;
        let export = self.export_mut(name);
        export.facts.heard = now;
        export.stuck_since = now.mono;
        match (export.state, words) {
            (State::Establishing, Words::Accepted) => {
                let slots = export.slots.clone();
                export.enter(State::Copying, now);
                self.order(MigrationOrder::Copy { link, slots });
            }
            (State::Complete { since }, Words::Ready) => {
                export.enter(State::Disowning { since, durable: false, recorded: false }, now);
                let record =
                    Record { kind: RecordKind::Granted, peer: export.target, slots: export.slots.clone() };
                self.order(MigrationOrder::Record { job: name, record: Some(record) });
                self.durability.defer(Deferred::Grant(name));
            }
            (State::Granted { .. } | State::Asking { .. }, Words::Owned { owner, epoch }) => {
                self.let_go(name, owner, epoch);
            }
            // Whom the other shard names as the owner is of this one, and this node has taken its place.
            (State::Asking { .. }, Words::NotMine | Words::Yours) => {
                self.hang_up(link);
                self.export_mut(name).link = None;
                self.attempt_failed(name, "the target did not take the slots");
            }
            (State::Asking { .. }, _) => {
                self.hang_up(link);
                self.export_link_lost(name, link);
            }
            (_, Words::Refused(reason)) => {
                self.hang_up(link);
                self.attempt_failed(name, &reason);
            }
            _ => {
                self.hang_up(link);
                self.export_link_lost(name, link);
            }
        }
    }

    /// nodes.conf no longer says that the slots are this node's.
    pub(crate) fn grant_is_durable(&mut self, name: JobName) {
        let Some(export) = self.migrations.exports.get_mut(&name) else { return };
        if let State::Disowning { durable, .. } = &mut export.state {
            *durable = true;
            self.grant_if_safe(name);
        }
    }

    pub(super) fn export_recorded(&mut self, name: JobName) {
        let Some(export) = self.migrations.exports.get_mut(&name) else { return };
        if let State::Disowning { recorded, .. } = &mut export.state {
            *recorded = true;
            self.grant_if_safe(name);
        }
    }

    /// From here on the target decides.
    fn grant_if_safe(&mut self, name: JobName) {
        let now = self.now;
        let export = self.export_mut(name);
        if let (State::Disowning { since, durable: true, recorded: true }, Some(link)) =
            (export.state, export.link)
        {
            export.enter(State::Granted { since }, now);
            self.say(link, Words::Grant);
        }
    }

    /// The target's shard has the slots.
    fn let_go(&mut self, name: JobName, owner: NodeId, epoch: Epoch) {
        let myself = self.my_id();
        if self.nodes.member(owner).is_none() || owner == myself {
            return;
        }
        self.raise_epoch(epoch);
        let node = self.nodes.get_mut(owner).expect("looked at above");
        node.config_epoch = node.config_epoch.max(epoch);
        let slots = self.migrations.exports[&name].slots.clone();
        let mine: SlotSet = slots.iter().filter(|slot| self.nodes.owner(*slot) == Some(myself)).collect();
        mine.iter().for_each(|slot| self.nodes.set_owner(slot, Some(owner)));
        self.durability.want_now();
        self.migrations.exports.get_mut(&name).expect("looked at above").facts.target = owner;
        self.end_export(name, JobState::Success, "");
        self.drop_granted(name, &slots);
        self.assess();
    }

    /// The grant is settled: what is here of slots that others have got goes. The shard's history says that they are
    /// granted until all of it is gone, so that whoever leads the shard by then goes on with that. Of slots that come
    /// back by now the part that is here is theirs.
    fn drop_granted(&mut self, name: JobName, slots: &SlotSet) {
        let records = self.migrations.records.values().filter(|record| record.kind != RecordKind::Granted);
        let coming: SlotSet = records.flat_map(|record| record.slots.iter()).collect();
        let is_lost = |slot: &crate::Slot| {
            let owner = self.nodes.owner(*slot);
            owner.is_some_and(|owner| owner != self.my_id()) && !coming.contains(*slot)
        };
        let lost = slots.iter().filter(is_lost).collect();
        self.order(MigrationOrder::Clear { job: name, slots: lost });
    }

    /// The keys of slots that were granted are gone.
    pub(super) fn export_cleared(&mut self, name: JobName) {
        let record = self.migrations.records.get(&name);
        let is_settled = record.is_some_and(|record| record.kind == RecordKind::Granted)
            && !self.migrations.exports.contains_key(&name);
        if is_settled {
            self.order(MigrationOrder::Record { job: name, record: None });
        }
    }

    /// The slots stay here; there may be another attempt.
    fn attempt_failed(&mut self, name: JobName, reason: &str) {
        let (now, patience) = (self.now, self.patience());
        self.take_back(name);
        let export = self.export_mut(name);
        export.facts.message = reason.to_owned();
        export.facts.retries += 1;
        export.enter(State::Waiting { until: now.mono + RETRY_DELAY }, now);
        let stuck = now.mono.since(export.stuck_since) > patience;
        self.took(Turn::MigrationRetried);
        self.log(Severity::Notice, format!("Slot migration {name}: {reason}"));
        if stuck {
            self.end_export(name, JobState::Failed, reason);
        }
    }

    /// The attempt is over, and nothing was granted, or the grant is known to be void: the slots are claimed.
    fn take_back(&mut self, name: JobName) {
        let export = self.export_mut(name);
        let (was_disowned, link) = (export.is_disowned(), export.link.take());
        if let Some(link) = link {
            self.hang_up(link);
        }
        if was_disowned {
            self.order(MigrationOrder::Record { job: name, record: None });
            self.durability.defer(Deferred::Announce);
        }
        self.durability.note_change();
    }

    pub(super) fn end_export(&mut self, name: JobName, state: JobState, message: &str) {
        let Some(mut export) = self.migrations.exports.remove(&name) else { return };
        if let Some(since) = export.held_since() {
            export.facts.waited(since, self.now);
        }
        if let Some(link) = export.link {
            self.hang_up(link);
        }
        export.facts.enter(state, self.now);
        if state != JobState::Success || !message.is_empty() {
            export.facts.message = message.to_owned();
        }
        match state {
            JobState::Success => self.took(Turn::MigrationDone),
            JobState::Cancelled => self.took(Turn::MigrationCancelled),
            _ => self.took(Turn::MigrationFailed),
        }
        self.log(Severity::Notice, format!("Slot migration {name}: {} {message}", state.name()));
        self.migrations.history.keep(export.facts);
        self.durability.note_change();
    }

    /// Whoever is asked by the other end: the attempt that is on its way is given up, if it can be.
    pub(super) fn give_up_attempt(&mut self, name: JobName, reason: &str) {
        if !self.migrations.exports[&name].may_be_taken() {
            self.attempt_failed(name, reason);
        }
    }

    pub(super) fn restart_exports(&mut self, reason: &str) {
        for name in self.migrations.exports.keys().copied().collect::<Vec<_>>() {
            if !matches!(self.migrations.exports[&name].state, State::Waiting { .. }) {
                self.give_up_attempt(name, reason);
            }
        }
    }

    pub(super) fn tend_exports(&mut self) {
        for name in self.migrations.exports.keys().copied().collect::<Vec<_>>() {
            self.tend_export(name);
        }
    }

    fn tend_export(&mut self, name: JobName) {
        let (myself, now) = (self.my_id(), self.now);
        let export = &self.migrations.exports[&name];
        let (state, may_be_taken) = (export.state, export.may_be_taken());
        let owners: Vec<_> = export.slots.iter().map(|slot| self.nodes.owner(slot)).collect();
        if may_be_taken && owners.iter().all(|owner| *owner != Some(myself)) {
            // The bus has told who has them.
            let slots = export.slots.clone();
            self.end_export(name, JobState::Success, "");
            return self.drop_granted(name, &slots);
        }
        if !may_be_taken && owners.iter().any(|owner| *owner != Some(myself)) {
            self.take_back(name);
            return self.end_export(name, JobState::Failed, "the slots are not this node's any more");
        }
        match state {
            State::Waiting { until } if until <= now.mono => self.attempt(name),
            State::Complete { since } | State::Disowning { since, .. }
                if now.mono.since(since) >= HOLD_MAX =>
            {
                self.attempt_failed(name, "the target did not become ready in time");
            }
            State::Asking { next, .. }
                if next <= now.mono && self.migrations.exports[&name].link.is_none() =>
            {
                self.ask_for_outcome(name);
            }
            _ => {}
        }
    }

    fn attempt(&mut self, name: JobName) {
        let now = self.now;
        let target = self.migrations.exports[&name].target;
        match self.dial_shard_of(target, name) {
            Some((link, primary)) => {
                let export = self.export_mut(name);
                (export.link, export.target, export.facts.target) = (Some(link), primary, primary);
                export.enter(State::Connecting, now);
            }
            None => self.attempt_failed(name, "the target's shard has no primary that works"),
        }
    }

    fn ask_for_outcome(&mut self, name: JobName) {
        let now = self.now;
        let target = self.migrations.exports[&name].target;
        let dialled = self.dial_shard_of(target, name);
        let export = self.export_mut(name);
        match dialled {
            Some((link, primary)) => (export.link, export.target) = (Some(link), primary),
            None => {
                let State::Asking { since, .. } = export.state else { return };
                export.enter(State::Asking { since, next: now.mono + RETRY_DELAY }, now);
            }
        }
    }

    fn export_mut(&mut self, name: JobName) -> &mut Export {
        self.migrations.exports.get_mut(&name).expect("the caller has seen it")
    }

    pub(super) fn migration_answered(&mut self, link: MigrationLink, words: Words) {
        match self.migrations.job_of(link) {
            Some(Job::Export(name)) => self.export_answered(name, link, words),
            Some(Job::Import(name)) => self.import_answered(name, link, words),
            None => self.hang_up(link),
        }
    }

    pub(super) fn migration_refused(&mut self, link: MigrationLink, reason: &str) {
        self.migration_answered(link, Words::Refused(reason.to_owned()));
    }
}
