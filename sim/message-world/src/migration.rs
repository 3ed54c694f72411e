//! The data of slots, as much of it as a migration needs: how many writes each slot has seen. Connections between
//! source and target, copying, clearing, a history that replicas follow, and clients who write.

use std::collections::{BTreeMap, BTreeSet};

use squall_cluster::{
    Cluster, JobName, MigrationLink, MigrationOrder, NodeId, OrderResult, Record, Slot, SlotSet, SlotStep,
    Words,
};

use crate::forming::FIRST_PORT;
use crate::world::{Action, MS, World};

/// How long one step of the node's work takes.
const WORK: u64 = 2 * MS;

/// What a machine's memory holds.
#[derive(Default)]
pub struct Side {
    /// Writes that each slot has seen.
    pub writes: BTreeMap<Slot, u64>,
    pub records: BTreeMap<JobName, Record>,
    /// Changes of either, for replicas to follow.
    version: u64,
    /// What is on the disk is what was in memory: the log is synced at once.
    links: BTreeMap<MigrationLink, u64>,
    /// Jobs whose record waits until replicas have it.
    unacknowledged: Vec<(JobName, u64)>,
    copying: Option<(MigrationLink, SlotSet)>,
}

/// A connection: the dialling end, then the other.
pub(crate) struct Wire {
    ends: [(usize, Option<MigrationLink>); 2],
    arrives: [u64; 2],
}

pub(crate) enum Step {
    Dial { link: MigrationLink, port: u16 },
    Arrive { wire: u64, side: usize, words: Words },
    Data { wire: u64, writes: BTreeMap<Slot, u64> },
    Closed { link: MigrationLink },
    Copied { link: MigrationLink },
    Cleared { job: JobName, slots: SlotSet },
    Acknowledged,
}

impl World {
    /// A client writes to a slot, at the node that it takes for its server: true where it was acknowledged.
    pub fn write(&mut self, machine: usize, slot: Slot) -> bool {
        let Some(cluster) = &self.machines[machine].cluster else { return false };
        if !serves(cluster, slot) || cluster.holds_writes() {
            return false;
        }
        let side = &mut self.machines[machine].migration;
        *side.writes.entry(slot).or_default() += 1;
        side.version += 1;
        // Replicas that are reached follow at once: what asynchronous replication may lose is not the matter here.
        for replica in 0..self.machines.len() {
            if self.machines[replica].follows == self.machines[machine].id {
                self.replicate_data(machine, replica);
            }
        }
        self.forward(machine);
        true
    }

    /// All machines that would answer a request for the slot.
    pub fn servers_of(&self, slot: Slot) -> Vec<usize> {
        let serving = |machine: &usize| {
            self.machines[*machine].cluster.as_ref().is_some_and(|cluster| serves(cluster, slot))
        };
        (0..self.machines.len()).filter(serving).collect()
    }

    pub(crate) fn migration_life_ends(&mut self, machine: usize) {
        let wires: Vec<u64> =
            std::mem::take(&mut self.machines[machine].migration.links).into_values().collect();
        wires.into_iter().for_each(|wire| self.cut_wire(wire, machine));
        self.machines[machine].migration.copying = None;
        self.machines[machine].migration.unacknowledged.clear();
    }

    pub(crate) fn migration_life_begins(&mut self, machine: usize) {
        let (now, records) = (self.time(), self.machines[machine].migration.records.clone());
        let cluster = self.machines[machine].cluster.as_mut().expect("it starts");
        cluster.set_migration_records(records);
        cluster.dataset_loaded(now);
    }

    pub(crate) fn replicate_data(&mut self, primary: usize, replica: usize) {
        let cut = self.cut.contains(&(primary, replica)) || self.cut.contains(&(replica, primary));
        if cut || self.machines[replica].cluster.is_none() || self.machines[primary].cluster.is_none() {
            return;
        }
        let side = &self.machines[primary].migration;
        let (writes, records, version) = (side.writes.clone(), side.records.clone(), side.version);
        let copy = &mut self.machines[replica].migration;
        (copy.writes, copy.version) = (writes, version);
        copy.records.clone_from(&records);
        let cluster = self.machines[replica].cluster.as_mut().expect("looked at above");
        cluster.set_migration_records(records);
    }

    pub(crate) fn drop_data(&mut self, machine: usize, slots: &SlotSet) {
        let side = &mut self.machines[machine].migration;
        side.writes.retain(|slot, _| !slots.contains(*slot));
        side.version += 1;
    }

    pub(crate) fn carry_out_migration(&mut self, machine: usize, order: MigrationOrder) {
        let life = self.machines[machine].life;
        let plan = |world: &mut World, step| {
            let at = world.now + WORK;
            world.plan(at, Action::Migration { machine, life, step });
        };
        match order {
            MigrationOrder::Dial { link, port, .. } => plan(self, Step::Dial { link, port }),
            MigrationOrder::HangUp { link } => {
                let side = &mut self.machines[machine].migration;
                if side.copying.as_ref().is_some_and(|(copying, _)| *copying == link) {
                    side.copying = None;
                }
                if let Some(wire) = side.links.remove(&link) {
                    self.cut_wire(wire, machine);
                }
            }
            MigrationOrder::Say { link, words } => {
                if self.settings.keeps_transcript {
                    self.note_words(machine, link, &words);
                }
                if words == Words::Complete {
                    self.forward(machine);
                    self.machines[machine].migration.copying = None;
                }
                self.transmit(machine, link, |wire, side| Step::Arrive { wire, side, words });
            }
            MigrationOrder::Copy { link, slots } => {
                self.machines[machine].migration.copying = Some((link, slots));
                self.forward(machine);
                plan(self, Step::Copied { link });
            }
            MigrationOrder::Clear { job, slots } => plan(self, Step::Cleared { job, slots }),
            MigrationOrder::Record { job, record } => {
                let side = &mut self.machines[machine].migration;
                match record {
                    Some(record) => drop(side.records.insert(job, record)),
                    None => drop(side.records.remove(&job)),
                }
                side.version += 1;
                let (version, records) = (side.version, side.records.clone());
                side.unacknowledged.push((job, version));
                self.machines[machine].cluster.as_mut().expect("it orders").set_migration_records(records);
                plan(self, Step::Acknowledged);
            }
        }
    }

    pub(crate) fn migration_step(&mut self, machine: usize, step: Step) {
        let now = self.time();
        match step {
            Step::Dial { link, port } => self.dial_target(machine, link, port),
            Step::Arrive { wire, side, words } => {
                let Some(to) = self.migration_wires.get(&wire).map(|wire| wire.ends[side]) else { return };
                if let (true, Some(link)) = (to.0 == machine, to.1) {
                    self.tell(machine, |cluster| cluster.migration_said(link, words, now));
                }
            }
            Step::Data { wire, writes } => {
                if self.migration_wires.contains_key(&wire) {
                    let side = &mut self.machines[machine].migration;
                    side.writes.extend(writes);
                    side.version += 1;
                }
            }
            Step::Closed { link } => {
                self.machines[machine].migration.links.remove(&link);
                self.tell(machine, |cluster| cluster.migration_closed(link, now));
            }
            Step::Copied { link } => self.tell(machine, |cluster| cluster.migration_copied(link, now)),
            Step::Cleared { job, slots } => {
                self.drop_data(machine, &slots);
                self.tell(machine, |cluster| cluster.migration_cleared(job, now));
            }
            Step::Acknowledged => self.acknowledge(machine),
        }
    }

    fn tell(&mut self, machine: usize, what: impl FnOnce(&mut Cluster)) {
        if self.machines[machine].cluster.is_some() {
            self.replicate(machine);
            what(self.machines[machine].cluster.as_mut().expect("looked at above"));
        }
        self.settle(machine);
    }

    /// CLUSTER SETSLOT at a primary: its replicas that are in step are told first.
    pub fn set_slot(&mut self, machine: usize, slot: Slot, step: SlotStep) -> OrderResult {
        self.cluster(machine).may_set_slot(slot, step, false)?;
        for replica in self.followers_reached(machine) {
            self.order(replica, |cluster, now| cluster.primary_sets_slot(slot, step, now));
        }
        self.order(machine, |cluster, now| cluster.set_slot(slot, step, false, now))
    }

    pub fn followers_reached(&self, machine: usize) -> Vec<usize> {
        let id = self.machines[machine].id;
        let is_cut =
            |other: usize| self.cut.contains(&(machine, other)) || self.cut.contains(&(other, machine));
        let follows = |other: &usize| {
            let follower = &self.machines[*other];
            follower.follows.is_some() && follower.follows == id && follower.cluster.is_some()
        };
        (0..self.machines.len()).filter(follows).filter(|other| !is_cut(*other)).collect()
    }

    /// Records that every replica that is reached has.
    fn acknowledge(&mut self, machine: usize) {
        let replicas = self.followers_reached(machine);
        replicas.iter().for_each(|replica| self.replicate_data(machine, *replica));
        let now = self.time();
        for (job, _) in std::mem::take(&mut self.machines[machine].migration.unacknowledged) {
            self.tell(machine, |cluster| cluster.migration_recorded(job, now));
        }
    }

    /// What has changed in the slots that are copied.
    fn forward(&mut self, machine: usize) {
        let side = &self.machines[machine].migration;
        let Some((link, slots)) = side.copying.clone() else { return };
        let writes = side.writes.iter().filter(|(slot, _)| slots.contains(**slot));
        let writes = writes.map(|(slot, count)| (*slot, *count)).collect();
        self.transmit(machine, link, |wire, _| Step::Data { wire, writes });
    }

    fn transmit(&mut self, machine: usize, link: MigrationLink, step: impl FnOnce(u64, usize) -> Step) {
        let Some(id) = self.machines[machine].migration.links.get(&link).copied() else { return };
        let latency = self.latency();
        let now = self.now;
        let Some(wire) = self.migration_wires.get_mut(&id) else { return };
        let side = usize::from(wire.ends[0] == (machine, Some(link)));
        let target = wire.ends[side].0;
        if self.cut.contains(&(machine, target)) {
            return;
        }
        let at = (now + latency).max(wire.arrives[side]);
        wire.arrives[side] = at;
        let life = self.machines[target].life;
        self.plan(at, Action::Migration { machine: target, life, step: step(id, side) });
    }

    fn dial_target(&mut self, machine: usize, link: MigrationLink, port: u16) {
        let now = self.time();
        let target = usize::from(port - FIRST_PORT);
        let cut = self.cut.contains(&(machine, target)) || self.cut.contains(&(target, machine));
        if cut || self.machines[target].cluster.is_none() {
            return self.tell(machine, |cluster| cluster.migration_closed(link, now));
        }
        let taken = self.machines[target].cluster.as_mut().expect("looked at above").migration_accepted();
        self.sequence += 1;
        let id = self.sequence;
        let wire = Wire { ends: [(machine, Some(link)), (target, Some(taken))], arrives: [self.now; 2] };
        self.migration_wires.insert(id, wire);
        self.machines[machine].migration.links.insert(link, id);
        self.machines[target].migration.links.insert(taken, id);
        self.tell(machine, |cluster| cluster.migration_opened(link, now));
    }

    /// The connection ends; the other side learns it after all that was sent before.
    fn cut_wire(&mut self, id: u64, by: usize) {
        let Some(mut wire) = self.migration_wires.remove(&id) else { return };
        for end in 0..2 {
            let (machine, link) = wire.ends[end];
            if machine == by {
                continue;
            }
            let (life, at) = (self.machines[machine].life, (self.now + WORK).max(wire.arrives[end]));
            if let Some(link) = link {
                self.plan(at, Action::Migration { machine, life, step: Step::Closed { link } });
            }
            // What is on its way still arrives.
            wire.ends[1 - end].1 = None;
        }
        if wire.ends.iter().any(|(_, link)| link.is_some()) {
            self.migration_wires.insert(id, wire);
        }
    }

    /// Connections between parted machines break, as keep-alives see to.
    pub fn break_migrations_over_cuts(&mut self) {
        let broken: Vec<(u64, usize, usize)> = self
            .migration_wires
            .iter()
            .map(|(id, wire)| (*id, wire.ends[0].0, wire.ends[1].0))
            .filter(|(_, one, other)| {
                self.cut.contains(&(*one, *other)) || self.cut.contains(&(*other, *one))
            })
            .collect();
        for (id, one, other) in broken {
            let now = self.time();
            self.migration_wires.remove(&id);
            for machine in [one, other] {
                let links = &self.machines[machine].migration.links;
                let link = links.iter().find(|(_, wire)| **wire == id).map(|(link, _)| *link);
                if let Some(link) = link {
                    self.machines[machine].migration.links.remove(&link);
                    self.tell(machine, |cluster| cluster.migration_closed(link, now));
                }
            }
        }
    }

    fn note_words(&mut self, machine: usize, link: MigrationLink, words: &Words) {
        let wire =
            self.machines[machine].migration.links.get(&link).and_then(|id| self.migration_wires.get(id));
        let other = wire.map(|wire| if wire.ends[0].0 == machine { wire.ends[1].0 } else { wire.ends[0].0 });
        let text: Vec<String> = words
            .to_words()
            .into_iter()
            .map(|word| match NodeId::parse(word.as_bytes()) {
                Some(id) if self.machine_of(id).is_some() => self.name(id),
                Some(_) => "job".to_owned(),
                None => word,
            })
            .collect();
        let to = other.map_or("?".to_owned(), |other| other.to_string());
        self.note(format!("{machine} => {to}  {}", text.join(" ")));
    }
}

/// Whether a node would answer a request for the slot.
fn serves(cluster: &Cluster, slot: Slot) -> bool {
    let owns = cluster.owner(slot).map(|node| node.id) == Some(cluster.my_node().id);
    owns && cluster.is_ok() && !cluster.holds_slot(slot)
}

/// Where a slot's writes are: for messages.
pub fn holders(world: &World, slot: Slot) -> BTreeSet<(usize, u64)> {
    let held = |machine: usize| Some((machine, *world.machines[machine].migration.writes.get(&slot)?));
    (0..world.machines.len()).filter_map(held).collect()
}
