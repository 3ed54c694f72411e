//! What operators order of migrations, and what they are told: CLUSTER MIGRATESLOTS, CANCELSLOTMIGRATIONS and
//! GETSLOTMIGRATIONS as Valkey 9 has them, CLUSTER MIGRATION as Redis 8.4 has it.

use squall_clock::Now;

use super::import::Then;
use super::job::{JobFacts, JobState};
use super::{MigrationLink, Words};
use crate::admin::OrderResult;
use crate::cluster::Cluster;
use crate::slots::SlotSet;
use crate::{JobName, NodeId};

impl Cluster {
    /// CLUSTER MIGRATESLOTS: all of these migrations, or none.
    pub fn migrate_slots(&mut self, wishes: Vec<(SlotSet, NodeId)>, now: Now) -> OrderResult {
        self.now = now;
        let mut all = SlotSet::default();
        for (slots, target) in &wishes {
            self.check_wish(slots, *target)?;
            if slots.iter().any(|slot| !all.insert(slot)) {
                return Err("ERR Slot ranges in CLUSTER MIGRATESLOTS overlap".into());
            }
        }
        for (slots, target) in wishes {
            let name = JobName::random(&mut self.rng);
            self.begin_export(name, slots, target);
        }
        self.finish(false);
        Ok(())
    }

    fn check_wish(&self, slots: &SlotSet, target: NodeId) -> OrderResult {
        if !self.nodes.me().is_primary() {
            return Err("ERR Slot migration can only be used on primary nodes.".into());
        }
        let Some(node) = self.nodes.member(target) else {
            return Err(format!("ERR Unknown node name: {target}").into());
        };
        if target == self.my_id() {
            return Err("ERR Target node can not be this node itself".into());
        }
        if !node.is_primary() {
            return Err("ERR Target node is not a primary".into());
        }
        if !node.is_squall {
            return Err("ERR Target node does not know how to take slots over from this one".into());
        }
        if self.owner_of_all(slots) != Some(self.my_id()) {
            return Err("ERR Slots are not served by this node".into());
        }
        self.check_free(slots)
    }

    fn check_free(&self, slots: &SlotSet) -> OrderResult {
        let by_hand = |slot| self.migrating.contains_key(&slot) || self.importing.contains_key(&slot);
        if slots.iter().any(by_hand) {
            return Err("ERR I am already migrating or importing slots by CLUSTER SETSLOT".into());
        }
        match self.migrations.is_busy_with(slots, None) {
            true => Err("ERR I am already migrating or importing one of these slots".into()),
            false => Ok(()),
        }
    }

    /// CLUSTER MIGRATION IMPORT: the name of the migration.
    pub fn import_slots(
        &mut self,
        slots: SlotSet,
        now: Now,
    ) -> Result<JobName, std::borrow::Cow<'static, str>> {
        self.now = now;
        if !self.nodes.me().is_primary() {
            return Err("ERR Slot migration can only be used on master nodes.".into());
        }
        let Some(source) = self.owner_of_all(&slots) else {
            return Err("ERR Slots belong to different source nodes, or to none".into());
        };
        if source == self.my_id() {
            return Err("ERR This node is already the owner of the slots".into());
        }
        if !self.nodes.get(source).is_some_and(|node| node.is_squall) {
            return Err("ERR The source node does not know how to give slots to this one".into());
        }
        self.check_free(&slots)?;
        let name = JobName::random(&mut self.rng);
        self.begin_import(name, slots, source);
        self.finish(false);
        Ok(name)
    }

    /// CLUSTER CANCELSLOTMIGRATIONS: those that this node gives away, unless they are granted already.
    pub fn cancel_exports(&mut self, now: Now) -> usize {
        self.now = now;
        let names: Vec<JobName> = self.migrations.exports.keys().copied().collect();
        let cancelled = names.into_iter().filter(|name| self.cancel_export(*name)).count();
        self.finish(false);
        cancelled
    }

    /// CLUSTER MIGRATION CANCEL: one, or all; how many.
    pub fn cancel_migrations(&mut self, only: Option<JobName>, now: Now) -> usize {
        self.now = now;
        let wanted = |name: &JobName| only.is_none_or(|only| only == *name);
        let exports: Vec<JobName> = self.migrations.exports.keys().copied().filter(wanted).collect();
        let imports: Vec<JobName> = self.migrations.imports.keys().copied().filter(wanted).collect();
        let mut cancelled = exports.into_iter().filter(|name| self.cancel_export(*name)).count();
        for name in imports {
            if !self.migrations.imports[&name].holds() {
                self.drop_copy(name, Then::End(JobState::Cancelled), "");
                cancelled += 1;
            }
        }
        self.finish(false);
        cancelled
    }

    fn cancel_export(&mut self, name: JobName) -> bool {
        if self.migrations.exports[&name].may_be_taken() {
            return false;
        }
        self.give_up_attempt(name, "");
        self.end_export(name, JobState::Cancelled, "");
        true
    }

    /// Migrations that run, and at most so many of those that are over.
    pub fn migration_facts(&self, over_max: usize) -> Vec<JobFacts> {
        let exports = self.migrations.exports.values().map(|export| &export.facts);
        let imports = self.migrations.imports.values().map(|import| &import.facts);
        let mut facts: Vec<JobFacts> =
            self.migrations.history.newest(over_max).chain(exports).chain(imports).cloned().collect();
        facts.sort_by_key(|facts| (facts.created.mono, facts.name));
        facts
    }

    /// A target wants slots that this node owns.
    pub(super) fn export_requested(
        &mut self,
        link: MigrationLink,
        name: JobName,
        target: NodeId,
        slots: SlotSet,
    ) {
        let has_it = self.migrations.exports.get(&name).is_some_and(|export| export.slots == slots);
        let checked = if has_it { Ok(()) } else { self.check_wish(&slots, target) };
        match checked {
            Ok(()) => {
                self.say(link, Words::Accepted);
                if !has_it {
                    self.begin_export(name, slots, target);
                }
            }
            Err(reason) => self.say(link, Words::Refused(reason.into_owned())),
        }
    }
}
