//! Slots that move from one shard to another as a whole, driven by the servers themselves: nobody asks two
//! nodes for a key, and at every moment one shard alone serves it.
//!
//! ```text
//!   source (owns the slots)                         target
//!   ESTABLISH job slots        ->     deletes what it may hold of them; tells its replicas: importing
//!                              <-     ACCEPTED
//!   keys, and what changes in them ->
//!   holds all requests for the slots
//!   COMPLETE                   ->     has applied everything; tells its replicas: taking
//!                              <-     READY, when they have acknowledged that
//!   claims the slots no longer: nodes.conf says so, and its replicas know to whom they are granted
//!   GRANT                      ->     takes the slots under an epoch of its own; nodes.conf says so
//!                              <-     OWNED
//!   sends clients to the target; drops the keys, and then tells its replicas that it is over
//! ```
//!
//! Until GRANT the source decides alone: whatever goes wrong, it keeps the slots, and the target deletes its
//! copy. After it only the target's shard can tell what became of them, so the source, or the replica that took
//! its place, holds the slots and asks (`OUTCOME`). The target's shard takes the slots when it is asked, or has
//! not got them and never will. A replica that took the target's place knows from its history that its copy is
//! complete, and asks the source's shard. So nobody has to be believed dead, and a clock decides nothing.
//!
//! - `words`: what the two ends say to each other; `job`: what is shown of a migration;
//! - `export`: the source's part; `import`: the target's;
//! - `outcome`: who asks what became of slots, and what is answered;
//! - `orders`: what operators order.
//!
//! The keys themselves are the node's business: it copies, applies, deletes and reports when it has.
//! Names and states follow the documentation of Valkey 9 and Redis 8.4; the words are Squall's own.

mod export;
mod import;
mod job;
mod orders;
mod outcome;
mod words;

use std::collections::BTreeMap;

use squall_clock::{Mono, Nanos};

pub use job::{JobFacts, JobState, Operation};
pub use words::{Words, parse_slots};

use crate::cluster::Cluster;
use crate::event::Event;
use crate::slots::SlotSet;
use crate::{JobName, NodeId};

use self::export::Export;
use self::import::Import;
use self::job::History;

/// Between two attempts, and between two questions.
const RETRY_DELAY: Nanos = Nanos::from_millis(500);
/// How long a source may keep its clients waiting before it gives the attempt up.
const HOLD_MAX: Nanos = Nanos::from_secs(5);
/// How long nothing may come of a migration, at least, before it has failed.
const PATIENCE_MIN: Nanos = Nanos::from_secs(30);

/// A connection between source and target, in either direction; never used twice.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Hash)]
pub struct MigrationLink(pub u64);

/// What a migration wants done.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum MigrationOrder {
    /// Dial a node's port for clients; the answer is `migration_opened` or `migration_closed`.
    Dial { link: MigrationLink, host: String, port: u16 },
    /// Drop the connection; `migration_closed` is not called for it.
    HangUp { link: MigrationLink },
    /// After all that was sent before on that link.
    Say { link: MigrationLink, words: Words },
    /// Send all keys of the slots and go on with what changes in them; call `migration_copied` when little waits.
    Copy { link: MigrationLink, slots: SlotSet },
    /// Delete the keys of these slots, then call `migration_cleared`.
    Clear { job: JobName, slots: SlotSet },
    /// Put this into the shard's history, behind all that is there; call `migration_recorded` when the replicas
    /// that are in step have acknowledged it.
    Record { job: JobName, record: Option<Record> },
}

/// What a shard's replicas know of a migration, in their place among the writes: enough to go on in their
/// primary's place.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Record {
    pub kind: RecordKind,
    /// The primary at the other end.
    pub peer: NodeId,
    pub slots: SlotSet,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RecordKind {
    /// A part of the slots' keys is here, and nobody's.
    Importing,
    /// All of them are here, and the source may have granted the slots.
    Taking,
    /// The slots are no longer claimed here; the target may have taken them.
    Granted,
}

/// All migrations that this node takes part in.
#[derive(Default)]
pub(crate) struct SlotMigrations {
    exports: BTreeMap<JobName, Export>,
    imports: BTreeMap<JobName, Import>,
    /// What the shard's history says, for the day on which this node is its primary.
    records: BTreeMap<JobName, Record>,
    links: BTreeMap<MigrationLink, Option<JobName>>,
    last_link: u64,
    history: History,
}

impl Cluster {
    // --- What the node reports ---

    /// Somebody has come as the other end of a migration.
    pub fn migration_accepted(&mut self) -> MigrationLink {
        self.migrations.add_link(None)
    }

    pub fn migration_opened(&mut self, link: MigrationLink, now: squall_clock::Now) {
        self.now = now;
        match self.migrations.job_of(link) {
            Some(Job::Export(name)) => self.export_opened(name, link),
            Some(Job::Import(name)) => self.import_opened(name, link),
            None => self.hang_up(link),
        }
        self.migration_turn_ends();
    }

    pub fn migration_closed(&mut self, link: MigrationLink, now: squall_clock::Now) {
        self.now = now;
        match self.migrations.job_of(link) {
            Some(Job::Export(name)) => self.export_link_lost(name, link),
            Some(Job::Import(name)) => self.import_link_lost(name, link),
            None => {}
        }
        self.migrations.links.remove(&link);
        self.migration_turn_ends();
    }

    pub fn migration_said(&mut self, link: MigrationLink, words: Words, now: squall_clock::Now) {
        self.now = now;
        match words {
            Words::Establish { job, source, slots } => self.import_established(link, job, source, slots),
            Words::Complete => self.import_complete(link),
            Words::Grant => self.import_granted(link),
            Words::Request { job, target, slots } => self.export_requested(link, job, target, slots),
            Words::Outcome { asker, slots } => self.asked_for_outcome(link, asker, &slots),
            Words::Accepted | Words::Ready | Words::Owned { .. } | Words::Yours | Words::NotMine => {
                self.migration_answered(link, words);
            }
            Words::Refused(reason) => self.migration_refused(link, &reason),
        }
        self.migration_turn_ends();
    }

    /// Everything has been sent, but for little that waits on its way.
    pub fn migration_copied(&mut self, link: MigrationLink, now: squall_clock::Now) {
        self.now = now;
        if let Some(Job::Export(name)) = self.migrations.job_of(link) {
            self.export_copied(name, link);
        }
        self.migration_turn_ends();
    }

    pub fn migration_cleared(&mut self, job: JobName, now: squall_clock::Now) {
        self.now = now;
        self.import_cleared(job);
        self.export_cleared(job);
        self.migration_turn_ends();
    }

    pub fn migration_recorded(&mut self, job: JobName, now: squall_clock::Now) {
        self.now = now;
        self.export_recorded(job);
        self.import_recorded(job);
        self.migration_turn_ends();
    }

    /// All keys were deleted at once, or replaced: what was copied is not what is here.
    pub fn dataset_replaced(&mut self, now: squall_clock::Now) {
        self.now = now;
        self.restart_exports("the dataset was replaced");
        self.drop_imports("the dataset was replaced");
        self.migration_turn_ends();
    }

    /// What the shard's history says of migrations, whenever that changes.
    pub fn set_migration_records(&mut self, records: BTreeMap<JobName, Record>) {
        self.migrations.records = records;
        self.durability.note_change();
    }

    /// Slots of which the shard's history says that they are on their way: what is here of them is seen to.
    pub fn noted_slots(&self) -> SlotSet {
        self.migrations.records.values().flat_map(|record| record.slots.iter()).collect()
    }

    /// The dataset is in memory, and this node what nodes.conf says.
    pub fn dataset_loaded(&mut self, now: squall_clock::Now) {
        self.now = now;
        if self.nodes.me().is_primary() {
            self.resume_migrations();
        }
        self.migration_turn_ends();
    }

    /// Slots whose requests wait: who serves them will be known soon.
    pub fn held_slots(&self) -> SlotSet {
        let exports = self.migrations.exports.values().filter(|export| export.holds());
        let imports = self.migrations.imports.values().filter(|import| import.holds());
        let held = exports.map(|export| &export.slots).chain(imports.map(|import| &import.slots));
        held.flat_map(SlotSet::iter).collect()
    }

    /// Whether requests for the slot wait.
    pub fn holds_slot(&self, slot: crate::Slot) -> bool {
        let migrations = &self.migrations;
        migrations.exports.values().any(|export| export.holds() && export.slots.contains(slot))
            || migrations.imports.values().any(|import| import.holds() && import.slots.contains(slot))
    }

    /// Slots of which a part is here that nobody may see: of this node's imports, or of its primary's.
    pub fn hidden_slots(&self) -> SlotSet {
        let imports = self.migrations.imports.values().filter(|import| import.is_active());
        let imported = imports.flat_map(|import| import.slots.iter());
        let primary = self.nodes.my_shard_primary();
        let noted = self.migrations.records.values().filter(|record| record.kind != RecordKind::Granted);
        let noted = noted.flat_map(|record| record.slots.iter());
        imported.chain(noted.filter(|slot| self.nodes.owner(*slot) != Some(primary))).collect()
    }

    // --- Within ---

    /// The slots that this node claims: its own but for those that it has granted to somebody.
    pub(crate) fn claimed_slots(&self) -> SlotSet {
        let mut slots = self.nodes.me().slots.clone();
        for slot in self.granted_slots().map(|(slot, _)| slot) {
            slots.remove(slot);
        }
        slots
    }

    /// Slots that another shard may have taken, and whose.
    pub(crate) fn granted_slots(&self) -> impl Iterator<Item = (crate::Slot, NodeId)> + '_ {
        let exports = self.migrations.exports.values().filter(|export| export.is_disowned());
        exports.flat_map(|export| export.slots.iter().map(|slot| (slot, export.target)))
    }

    pub(crate) fn tend_migrations(&mut self) {
        self.tend_exports();
        self.tend_imports();
    }

    pub(crate) fn migrations_deadline(&self) -> Option<Mono> {
        let exports = self.migrations.exports.values().filter_map(Export::deadline);
        exports.chain(self.migrations.imports.values().filter_map(Import::deadline)).min()
    }

    /// This node is a primary from now on, or again: it goes on where the shard's history says.
    pub(crate) fn resume_migrations(&mut self) {
        for (job, record) in self.migrations.records.clone() {
            match record.kind {
                RecordKind::Granted => self.resume_grant(job, record),
                RecordKind::Importing | RecordKind::Taking => self.resume_import(job, record),
            }
        }
    }

    /// This node follows somebody from now on, whose business this is.
    pub(crate) fn leave_migrations(&mut self) {
        let links: Vec<MigrationLink> = self.migrations.links.keys().copied().collect();
        links.into_iter().for_each(|link| self.hang_up(link));
        for name in self.migrations.exports.keys().copied().collect::<Vec<_>>() {
            self.end_export(name, JobState::Failed, "this node is no primary any more");
        }
        for name in self.migrations.imports.keys().copied().collect::<Vec<_>>() {
            self.end_import(name, JobState::Failed, "this node is no primary any more");
        }
    }

    fn migration_turn_ends(&mut self) {
        self.finish(false);
    }

    fn order(&mut self, order: MigrationOrder) {
        self.push(Event::Migration(order));
    }

    fn say(&mut self, link: MigrationLink, words: Words) {
        self.order(MigrationOrder::Say { link, words });
    }

    fn hang_up(&mut self, link: MigrationLink) {
        if self.migrations.links.remove(&link).is_some() {
            self.order(MigrationOrder::HangUp { link });
        }
    }

    /// Dials the primary of the shard that `node` belongs, or belonged, to; none where nobody is that.
    fn dial_shard_of(&mut self, node: NodeId, job: JobName) -> Option<(MigrationLink, NodeId)> {
        let primary = self.shard_primary_of(node)?;
        let node = self.nodes.get(primary).filter(|node| !node.host.is_empty())?;
        let (host, port) = (node.host.clone(), node.ports.client);
        let link = self.migrations.add_link(Some(job));
        self.order(MigrationOrder::Dial { link, host, port });
        Some((link, primary))
    }

    /// Who is the primary of that node's shard now: itself, whom it follows, or who took its place.
    pub(crate) fn shard_primary_of(&self, node: NodeId) -> Option<NodeId> {
        let known = self.nodes.member(node)?;
        let heir = || {
            let of_shard = |other: &&crate::Node| {
                other.is_member() && other.is_primary() && known.shard.is_some() && other.shard == known.shard
            };
            self.nodes.iter().filter(of_shard).max_by_key(|other| (other.is_well(), other.config_epoch))
        };
        let primary = match known.primary {
            Some(primary) => self.nodes.member(primary)?,
            None if known.is_well() && !known.slots.is_empty() => known,
            None => heir().unwrap_or(known),
        };
        (primary.is_primary() && !primary.is_failed()).then_some(primary.id)
    }

    fn same_shard(&self, one: NodeId, other: NodeId) -> bool {
        let shard = |id| self.nodes.get(id).and_then(|node| node.shard);
        one == other || (shard(one).is_some() && shard(one) == shard(other))
    }

    /// Who owns all of these slots, as far as is known here.
    fn owner_of_all(&self, slots: &SlotSet) -> Option<NodeId> {
        let mut owners = slots.iter().map(|slot| self.nodes.owner(slot));
        let first = owners.next()??;
        owners.all(|owner| owner == Some(first)).then_some(first)
    }

    fn patience(&self) -> Nanos {
        Nanos(self.options.node_timeout.0.saturating_mul(4)).max(PATIENCE_MIN)
    }
}

enum Job {
    Export(JobName),
    Import(JobName),
}

impl SlotMigrations {
    /// At a replica: whether its primary has all of some slots, and will take them when they are granted.
    pub fn is_about_to_take(&self) -> bool {
        self.records.values().any(|record| record.kind == RecordKind::Taking)
    }

    fn add_link(&mut self, job: Option<JobName>) -> MigrationLink {
        self.last_link += 1;
        let link = MigrationLink(self.last_link);
        self.links.insert(link, job);
        link
    }

    /// The job whose connection at present this is.
    fn job_of(&self, link: MigrationLink) -> Option<Job> {
        let name = (*self.links.get(&link)?)?;
        if self.exports.get(&name).is_some_and(|export| export.link == Some(link)) {
            return Some(Job::Export(name));
        }
        let import = self.imports.get(&name).filter(|import| import.link == Some(link));
        import.map(|_| Job::Import(name))
    }

    /// Another migration that is busy with some of these slots.
    fn is_busy_with(&self, slots: &SlotSet, but: Option<JobName>) -> bool {
        let overlaps = |other: &SlotSet| slots.iter().any(|slot| other.contains(slot));
        self.exports.iter().any(|(name, export)| Some(*name) != but && overlaps(&export.slots))
            || self.imports.iter().any(|(name, import)| Some(*name) != but && overlaps(&import.slots))
    }
}
