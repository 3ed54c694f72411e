//! The keys of slots that move as a whole: the machine of `squall-cluster` decides when, and this folder copies
//! them, sends what changes in them, applies what comes, deletes, and keeps the shard's history of it all.
//!
//! - `copier`: the source's walk over the slots, and what of the stream concerns them;
//! - `outgoing`: connections that this node has dialled, and what waits to be sent over them;
//! - `incoming`: CLUSTER SYNCSLOTS, over which another node sends its slots to this one;
//! - `notes`: what the shard's replicas have to know, as commands of the stream;
//! - `orders`: CLUSTER MIGRATESLOTS and its kin.
//!
//! A source sends RESTORE for each key, and the commands that change keys which it has sent, as words of
//! `CLUSTER SYNCSLOTS APPLY`; the target executes them, so its own replicas and log get what any of them
//! understands.

mod copier;
mod incoming;
mod notes;
mod orders;
mod outgoing;

use std::collections::{BTreeMap, VecDeque};

use squall_clock::{Mono, Nanos};
use squall_cluster::{JobName, MigrationLink, MigrationOrder, Words};
use squall_commands::{ClientId, Engine};
use squall_store::Slot;

use self::incoming::Incoming;
use self::outgoing::Outgoing;
use super::routes::store_slot;
use crate::effect::{Effect, LinkId};
use crate::persistence::LogPosition;
use crate::services::Services;

/// How often it is looked whether the replicas have acknowledged a note.
const ACKNOWLEDGEMENT_POLL: Nanos = Nanos::from_millis(2);
/// Keys that one slice deletes.
const KEYS_PER_SLICE: usize = 2_000;

#[derive(Default)]
pub(in crate::cluster) struct Mover {
    outgoing: BTreeMap<LinkId, Outgoing>,
    /// Clients that are sources or ask; away while one of their words is carried out.
    incoming: BTreeMap<ClientId, Incoming>,
    places: BTreeMap<MigrationLink, Place>,
    clearing: VecDeque<(JobName, Vec<Slot>)>,
    recording: Vec<Recording>,
    /// What is to be answered to the client whose command runs.
    answer: Option<Words>,
    /// That client.
    asking: Option<ClientId>,
    /// The database that this server's stream is in.
    stream_db: usize,
}

#[derive(Clone, Copy)]
enum Place {
    Dialled(LinkId),
    Client(ClientId),
}

/// A note that waits until replicas and, where it is always synced, the log have it.
struct Recording {
    job: JobName,
    offset: u64,
    log: LogPosition,
}

impl Mover {
    pub fn next_timeout(&self, now: Mono) -> Option<Mono> {
        let has_work = !self.clearing.is_empty() || self.outgoing.values().any(Outgoing::has_work);
        let polls = !self.recording.is_empty();
        has_work.then_some(now).or(polls.then_some(now + ACKNOWLEDGEMENT_POLL))
    }

    /// What is left to be dropped or acknowledged is another's business.
    pub fn leave(&mut self) {
        self.clearing.clear();
        self.recording.clear();
    }

    /// Whether what this server's clients change has to be looked at.
    pub fn watches_stream(&self) -> bool {
        !self.outgoing.is_empty() || !self.incoming.is_empty()
    }
}

impl Services {
    pub(super) fn carry_out_migration(&mut self, engine: &mut Engine, order: MigrationOrder) {
        match order {
            MigrationOrder::Dial { link, host, port } => self.dial_for_migration(engine, link, host, port),
            MigrationOrder::HangUp { link } => self.hang_up_migration(engine, link),
            MigrationOrder::Say { link, words } => self.say_for_migration(engine, link, &words),
            MigrationOrder::Copy { link, slots } => {
                let slots: Vec<Slot> = slots.iter().map(store_slot).collect();
                // What was done before belongs to the copy.
                self.settle(engine, None);
                let mover = self.mover();
                mover.stream_db = engine.propagation.database().unwrap_or(0);
                if let Some(Place::Dialled(id)) = mover.places.get(&link).copied() {
                    mover.outgoing.get_mut(&id).expect("it was dialled").begin_copy(slots);
                }
            }
            MigrationOrder::Clear { job, slots } => {
                let slots = slots.iter().map(store_slot).collect();
                self.mover().clearing.push_back((job, slots));
            }
            MigrationOrder::Record { job, record } => self.note_migration(engine, job, record.as_ref()),
        }
        engine.propagation.watched = self.mover().watches_stream();
    }

    pub(super) fn mover(&mut self) -> &mut Mover {
        &mut self.membership.as_mut().expect("migrations are a cluster's").mover
    }

    /// A slice of whatever is to be done.
    pub(super) fn advance_migrations(&mut self, engine: &mut Engine) {
        if self.membership.is_none() {
            return;
        }
        self.clear_slice(engine);
        self.copy_slice(engine);
        self.note_acknowledged(engine);
    }

    fn clear_slice(&mut self, engine: &mut Engine) {
        let mut budget = KEYS_PER_SLICE;
        while budget > 0
            && let Some((job, slots)) = self.mover().clearing.front_mut()
        {
            let Some(slot) = slots.last().copied() else {
                let job = *job;
                self.mover().clearing.pop_front();
                self.settle(engine, None);
                let membership = self.membership.as_mut().expect("looked at by the caller");
                membership.machine().migration_cleared(job, engine.now);
                self.settle_cluster(engine);
                continue;
            };
            let dropped = engine.drop_keys_of_slot(slot, budget);
            if dropped < budget
                && let Some((_, slots)) = self.mover().clearing.front_mut()
            {
                slots.pop();
            }
            budget -= dropped;
        }
    }

    fn note_acknowledged(&mut self, engine: &mut Engine) {
        let (ready, waiting): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.mover().recording).into_iter().partition(|recording| {
                let logged = !self.persistence.log.holds(recording.log);
                logged && self.replication.has_reached_all(recording.offset)
            });
        self.mover().recording = waiting;
        for Recording { job, .. } in ready {
            let membership = self.membership.as_mut().expect("looked at by the caller");
            membership.machine().migration_recorded(job, engine.now);
            self.settle_cluster(engine);
        }
    }

    fn hang_up_migration(&mut self, engine: &mut Engine, link: MigrationLink) {
        let mover = self.mover();
        match mover.places.remove(&link) {
            Some(Place::Dialled(id)) => {
                mover.outgoing.remove(&id);
                self.effects.push(Effect::CloseLink(id));
            }
            Some(Place::Client(id)) => {
                if let Some(incoming) = mover.incoming.get_mut(&id) {
                    incoming.link = None;
                }
                if let Some(client) = engine.clients.get_mut(id) {
                    client.session.close_after_reply = true;
                }
                self.effects.push(Effect::CloseClient(id));
            }
            None => {}
        }
    }

    fn say_for_migration(&mut self, engine: &mut Engine, link: MigrationLink, words: &Words) {
        match self.mover().places.get(&link).copied() {
            Some(Place::Dialled(id)) => {
                if *words == Words::Complete {
                    // The last of what changed goes first.
                    self.settle(engine, None);
                }
                let outgoing = self.mover().outgoing.get_mut(&id);
                outgoing.expect("it was dialled").say(words);
                self.effects.push(Effect::WakeLink(id));
            }
            Some(Place::Client(id)) if self.mover().asking == Some(id) => {
                self.mover().answer = Some(words.clone());
            }
            Some(Place::Client(id)) => {
                self.answer(engine, id, |reply| incoming::write_answer(words, reply));
            }
            None => {}
        }
    }
}
