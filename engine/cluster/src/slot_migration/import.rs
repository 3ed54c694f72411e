//! The target's part of a migration: it gathers a copy, and takes the slots when they are granted; or deletes
//! the copy.

use squall_clock::{Mono, Now};

use super::job::{JobFacts, JobState, Operation};
use super::{Job, MigrationLink, MigrationOrder, RETRY_DELAY, Record, RecordKind, Words};
use crate::cluster::Cluster;
use crate::durability::Deferred;
use crate::event::Severity;
use crate::slots::SlotSet;
use crate::{JobName, NodeId};

pub(crate) struct Import {
    pub slots: SlotSet,
    /// The primary that they come from, as far as is known.
    pub source: NodeId,
    pub link: Option<MigrationLink>,
    pub facts: JobFacts,
    /// An operator has ordered it here: this node asks for it again.
    pub ordered_here: bool,
    pub(super) state: State,
    stuck_since: Mono,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum State {
    /// The source is to be asked for the slots.
    Requesting {
        next: Mono,
    },
    /// It will come.
    Awaiting {
        until: Mono,
    },
    /// What is here of the slots is deleted; then `then`.
    Clearing {
        then: Then,
    },
    Receiving,
    /// Everything has come; the replicas have to have it too.
    Securing,
    Ready,
    /// The slots are taken, when nodes.conf says so.
    Claiming,
    /// The copy is whole, and this node took the place of one to which the slots may have been granted, or may have been
    /// replaced itself.
    Asking {
        next: Mono,
    },
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Then {
    Receive,
    TryAgain,
    End(JobState),
}

impl Import {
    pub fn holds(&self) -> bool {
        matches!(self.state, State::Claiming | State::Asking { .. })
    }

    /// A copy is here, or comes.
    pub fn is_active(&self) -> bool {
        !matches!(self.state, State::Requesting { .. } | State::Awaiting { .. })
    }

    pub fn deadline(&self) -> Option<Mono> {
        match self.state {
            State::Requesting { next } | State::Asking { next } if self.link.is_none() => Some(next),
            State::Awaiting { until } => Some(until),
            _ => None,
        }
    }

    fn enter(&mut self, state: State, now: Now) {
        self.state = state;
        let shown = match state {
            State::Requesting { .. } | State::Awaiting { .. } => JobState::Waiting,
            State::Clearing { .. } => JobState::Cleaning,
            State::Receiving => JobState::Copying,
            State::Securing | State::Ready => JobState::HandingOver,
            State::Claiming | State::Asking { .. } => JobState::Granted,
        };
        if self.facts.state != shown {
            self.facts.enter(shown, now);
        }
    }
}

impl Cluster {
    /// An operator wants these slots, all of which `source` owns.
    pub(super) fn begin_import(&mut self, name: JobName, slots: SlotSet, source: NodeId) {
        let state = State::Requesting { next: self.now.mono };
        self.insert_import(name, slots, source, state);
        self.migrations.imports.get_mut(&name).expect("inserted above").ordered_here = true;
        self.tend_imports();
    }

    fn insert_import(&mut self, name: JobName, slots: SlotSet, source: NodeId, state: State) {
        let now = self.now;
        let facts = JobFacts::begun(name, Operation::Import, slots.clone(), source, self.my_id(), now);
        let mut import =
            Import { slots, source, link: None, facts, ordered_here: false, state, stuck_since: now.mono };
        import.enter(state, now);
        self.migrations.imports.insert(name, import);
        self.durability.note_change();
    }

    /// What the node before this one had of an import is this one's to see to.
    pub(super) fn resume_import(&mut self, name: JobName, record: Record) {
        let now = self.now;
        if self.owner_of_all(&record.slots) == Some(self.my_id()) {
            return self.order(MigrationOrder::Record { job: name, record: None });
        }
        let Record { kind, peer, slots } = record;
        let state = match kind {
            RecordKind::Taking => State::Asking { next: now.mono },
            _ => State::Clearing { then: Then::End(JobState::Failed) },
        };
        self.insert_import(name, slots.clone(), peer, state);
        if kind == RecordKind::Importing {
            self.order(MigrationOrder::Clear { job: name, slots });
        }
    }

    /// A source has come.
    pub(super) fn import_established(
        &mut self,
        link: MigrationLink,
        name: JobName,
        source: NodeId,
        slots: SlotSet,
    ) {
        if let Some(reason) = self.objection_to(name, source, &slots) {
            return self.say(link, Words::Refused(format!("ERR {reason}")));
        }
        let now = self.now;
        if !self.migrations.imports.contains_key(&name) {
            self.insert_import(name, slots.clone(), source, State::Receiving);
        }
        let import = self.import_mut(name);
        (import.source, import.facts.source, import.facts.heard) = (source, source, now);
        import.slots = slots.clone();
        import.enter(State::Clearing { then: Then::Receive }, now);
        let older = import.link.replace(link);
        if let Some(older) = older.filter(|older| *older != link) {
            self.hang_up(older);
        }
        self.migrations.links.insert(link, Some(name));
        let record = Record { kind: RecordKind::Importing, peer: source, slots: slots.clone() };
        self.order(MigrationOrder::Record { job: name, record: Some(record) });
        self.order(MigrationOrder::Clear { job: name, slots });
        self.durability.note_change();
    }

    /// Why slots cannot come from there.
    fn objection_to(&self, name: JobName, source: NodeId, slots: &SlotSet) -> Option<&'static str> {
        let import = self.migrations.imports.get(&name);
        if !self.nodes.me().is_primary() {
            return Some("I am no primary");
        }
        if self.nodes.member(source).is_none() {
            return Some("I don't know the source");
        }
        if self.owner_of_all(slots) != Some(source) {
            return Some("The slots are not the source's, as I see it");
        }
        if import.is_some_and(|import| import.holds() || import.slots != *slots) {
            return Some("That migration is at another point");
        }
        if self.has_heir_out_of_step() {
            return Some("A replica of mine is out of step");
        }
        self.migrations.is_busy_with(slots, Some(name)).then_some("Another migration has some of these slots")
    }

    pub(super) fn import_cleared(&mut self, name: JobName) {
        let now = self.now;
        let Some(import) = self.migrations.imports.get_mut(&name) else { return };
        let State::Clearing { then } = import.state else { return };
        match (then, import.link) {
            (Then::Receive, Some(link)) => {
                import.enter(State::Receiving, now);
                self.say(link, Words::Accepted);
            }
            (Then::End(state), _) => {
                self.order(MigrationOrder::Record { job: name, record: None });
                let message = self.import_mut(name).facts.message.clone();
                self.end_import(name, state, &message);
            }
            (Then::TryAgain | Then::Receive, _) => {
                self.order(MigrationOrder::Record { job: name, record: None });
                self.await_source(name);
            }
        }
    }

    /// The source comes again, or whoever took its place is asked.
    fn await_source(&mut self, name: JobName) {
        let (now, patience) = (self.now, self.patience());
        let import = self.import_mut(name);
        let state = match import.ordered_here {
            true => State::Requesting { next: now.mono + RETRY_DELAY },
            false => State::Awaiting { until: now.mono + patience },
        };
        import.enter(state, now);
        self.durability.note_change();
    }

    pub(super) fn import_complete(&mut self, link: MigrationLink) {
        let now = self.now;
        let Some(name) = self.import_over(link, State::Receiving) else { return };
        let import = self.import_mut(name);
        import.enter(State::Securing, now);
        let record = Record { kind: RecordKind::Taking, peer: import.source, slots: import.slots.clone() };
        self.order(MigrationOrder::Record { job: name, record: Some(record) });
    }

    pub(super) fn import_recorded(&mut self, name: JobName) {
        let now = self.now;
        let heir_lacks_it = self.has_heir_out_of_step();
        let Some(import) = self.migrations.imports.get_mut(&name) else { return };
        if let (State::Securing, Some(link)) = (import.state, import.link) {
            if heir_lacks_it {
                return self.drop_copy(name, Then::TryAgain, "a replica of this node is out of step");
            }
            import.enter(State::Ready, now);
            self.say(link, Words::Ready);
        }
    }

    /// A replica that may be elected, and would not have what is imported: its source drops all of that.
    fn has_heir_out_of_step(&self) -> bool {
        let may_stand = |node: &&crate::Node| node.is_member() && !node.is_failed() && !node.no_failover;
        let heirs = self.nodes.replicas_of(self.my_id()).filter(may_stand).count();
        heirs > self.replication.replicas_online
    }

    pub(super) fn import_granted(&mut self, link: MigrationLink) {
        if let Some(name) = self.import_over(link, State::Ready) {
            self.claim(name);
        }
    }

    /// The import whose connection this is, if it is in that state; the connection ends if not.
    fn import_over(&mut self, link: MigrationLink, state: State) -> Option<JobName> {
        let found = match self.migrations.job_of(link) {
            Some(Job::Import(name)) => (self.migrations.imports[&name].state == state).then_some(name),
            _ => None,
        };
        if found.is_none() {
            self.say(link, Words::Refused("ERR There is nothing of that kind under way".to_owned()));
        }
        found
    }

    /// Takes the slots. They are served, and the world hears of it, when that is durable. Where this node may have been
    /// replaced they are its successor's to take, or its own, when that is known.
    pub(super) fn claim(&mut self, name: JobName) {
        let (myself, now) = (self.my_id(), self.now);
        if self.may_have_been_replaced() {
            let import = self.import_mut(name);
            import.enter(State::Asking { next: now.mono + RETRY_DELAY }, now);
            if let Some(link) = import.link.take() {
                self.hang_up(link);
            }
            return;
        }
        let import = self.import_mut(name);
        import.enter(State::Claiming, now);
        let slots = import.slots.clone();
        slots.iter().for_each(|slot| self.nodes.set_owner(slot, Some(myself)));
        self.take_next_epoch();
        self.durability.defer(Deferred::Taken(name));
    }

    /// nodes.conf says that the slots are this node's.
    pub(crate) fn claim_is_durable(&mut self, name: JobName) {
        let Some(import) = self.migrations.imports.get(&name) else { return };
        if import.state != State::Claiming {
            return;
        }
        if let Some(link) = import.link {
            let (owner, epoch) = (self.my_id(), self.nodes.me().config_epoch);
            self.say(link, Words::Owned { owner, epoch });
        }
        self.migrations.imports.get_mut(&name).expect("looked at above").link = None;
        self.order(MigrationOrder::Record { job: name, record: None });
        self.end_import(name, JobState::Success, "");
        self.assess();
    }

    pub(super) fn import_link_lost(&mut self, name: JobName, link: MigrationLink) {
        self.migrations.links.remove(&link);
        let now = self.now;
        let import = self.import_mut(name);
        import.link = None;
        match import.state {
            State::Requesting { .. } => import.enter(State::Requesting { next: now.mono + RETRY_DELAY }, now),
            State::Asking { .. } => import.enter(State::Asking { next: now.mono + RETRY_DELAY }, now),
            State::Awaiting { .. } | State::Claiming => {}
            State::Clearing { then: Then::Receive } => {
                import.state = State::Clearing { then: Then::TryAgain };
            }
            State::Clearing { .. } => {}
            State::Receiving | State::Securing | State::Ready => {
                self.drop_copy(name, Then::TryAgain, "the connection to the source is lost");
            }
        }
    }

    /// What is here of the slots is nobody's.
    pub(super) fn drop_copy(&mut self, name: JobName, then: Then, reason: &str) {
        let now = self.now;
        let import = self.import_mut(name);
        import.facts.message = reason.to_owned();
        import.facts.retries += 1;
        let (was_active, slots, link) = (import.is_active(), import.slots.clone(), import.link.take());
        import.enter(State::Clearing { then }, now);
        if let Some(link) = link {
            self.hang_up(link);
        }
        self.log(Severity::Notice, format!("Slot migration {name}: {reason}"));
        match was_active {
            true => self.order(MigrationOrder::Clear { job: name, slots }),
            false => self.import_cleared(name),
        }
    }

    /// Those that have not been granted anything.
    pub(super) fn drop_imports(&mut self, reason: &str) {
        for name in self.migrations.imports.keys().copied().collect::<Vec<_>>() {
            let import = &self.migrations.imports[&name];
            if import.is_active() && !import.holds() {
                self.drop_copy(name, Then::TryAgain, reason);
            }
        }
    }

    pub(super) fn end_import(&mut self, name: JobName, state: JobState, message: &str) {
        let Some(mut import) = self.migrations.imports.remove(&name) else { return };
        if let Some(link) = import.link {
            self.hang_up(link);
        }
        import.facts.enter(state, self.now);
        import.facts.message = message.to_owned();
        self.log(Severity::Notice, format!("Slot migration {name}: {} {message}", state.name()));
        self.migrations.history.keep(import.facts);
        self.durability.note_change();
    }

    /// Whom this node has asked for slots, or for what became of them.
    pub(super) fn import_opened(&mut self, name: JobName, link: MigrationLink) {
        let myself = self.my_id();
        let import = &self.migrations.imports[&name];
        let slots = import.slots.clone();
        match import.state {
            State::Requesting { .. } => self.say(link, Words::Request { job: name, target: myself, slots }),
            State::Asking { .. } => self.say(link, Words::Outcome { asker: myself, slots }),
            _ => self.hang_up(link),
        }
    }

    pub(super) fn import_answered(&mut self, name: JobName, link: MigrationLink, words: Words) {
        let (now, patience) = (self.now, self.patience());
        self.hang_up(link);
        let import = self.import_mut(name);
        import.link = None;
        import.facts.heard = now;
        match (import.state, words) {
            (State::Requesting { .. }, Words::Accepted) => {
                import.enter(State::Awaiting { until: now.mono + patience }, now);
            }
            (State::Requesting { .. }, Words::Refused(reason)) => {
                import.facts.message = reason;
                import.enter(State::Requesting { next: now.mono + RETRY_DELAY }, now);
            }
            (State::Asking { .. }, Words::Yours) => self.claim(name),
            (State::Asking { .. }, Words::Owned { .. } | Words::NotMine) => {
                self.drop_copy(name, Then::End(JobState::Failed), "the source has kept the slots");
            }
            (State::Asking { .. }, _) => import.enter(State::Asking { next: now.mono + RETRY_DELAY }, now),
            _ => {}
        }
    }

    pub(super) fn tend_imports(&mut self) {
        for name in self.migrations.imports.keys().copied().collect::<Vec<_>>() {
            self.tend_import(name);
        }
    }

    fn tend_import(&mut self, name: JobName) {
        let now = self.now;
        let import = &self.migrations.imports[&name];
        let owner = self.owner_of_all(&import.slots);
        let elsewhere = owner.filter(|owner| *owner != import.source && *owner != self.my_id());
        match import.state {
            State::Requesting { .. } | State::Awaiting { .. } if owner == Some(self.my_id()) => {
                self.end_import(name, JobState::Success, "");
            }
            State::Requesting { .. } | State::Awaiting { .. }
                if now.mono.since(import.stuck_since) > self.patience() =>
            {
                let message = import.facts.message.clone();
                self.end_import(name, JobState::Failed, &message);
            }
            State::Awaiting { .. } if elsewhere.is_some() => {
                // The source's place was taken: its heir does not know of this.
                let import = self.import_mut(name);
                import.source = elsewhere.expect("looked at above");
                import.enter(State::Requesting { next: now.mono }, now);
            }
            State::Requesting { next } | State::Asking { next }
                if next <= now.mono && import.link.is_none() =>
            {
                let source = elsewhere.filter(|_| matches!(import.state, State::Requesting { .. }));
                self.call_source(name, source.unwrap_or(import.source));
            }
            _ => {}
        }
    }

    fn call_source(&mut self, name: JobName, source: NodeId) {
        let now = self.now;
        let dialled = self.dial_shard_of(source, name);
        let import = self.import_mut(name);
        match (dialled, import.state) {
            (Some((link, primary)), _) => {
                (import.link, import.source, import.facts.source) = (Some(link), primary, primary);
            }
            (None, State::Requesting { .. }) => {
                import.enter(State::Requesting { next: now.mono + RETRY_DELAY }, now);
            }
            (None, _) => import.enter(State::Asking { next: now.mono + RETRY_DELAY }, now),
        }
    }

    fn import_mut(&mut self, name: JobName) -> &mut Import {
        self.migrations.imports.get_mut(&name).expect("the caller has seen it")
    }
}
