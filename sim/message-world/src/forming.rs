//! Clusters: made by an operator's orders, or running already.

use squall_clock::Now;
use squall_cluster::{Cluster, NodeId, Slot, SlotSet};

use crate::world::World;

pub(crate) const HOST: &str = "10.0.0.1";
pub(crate) const FIRST_PORT: u16 = 7_000;
pub(crate) const BUS_OFFSET: u16 = 10_000;

impl World {
    /// `primaries` shards with `replicas` each, formed by orders: machine `i` is primary of shard `i`, and
    /// machine `primaries + i` a replica of shard `i % primaries`.
    pub fn formed(seed: u64, primaries: usize, replicas: usize) -> World {
        let mut world = World::new(seed, primaries * (replicas + 1));
        world.form(primaries);
        world
    }

    /// Starts all machines with the nodes.conf of a cluster that has been formed before.
    pub fn preform(&mut self, primaries: usize) {
        let all = self.machines.len();
        let ids: Vec<NodeId> = (0..all).map(|_| NodeId::random(&mut self.rng)).collect();
        let line = |machine: usize, reader: usize| {
            let (id, port) = (ids[machine], FIRST_PORT + machine as u16);
            let myself = if machine == reader { "myself," } else { "" };
            let shard = machine % primaries;
            let (role, slots) = match machine < primaries {
                true => ("master -".to_owned(), format!(" {}", share(machine, primaries))),
                false => (format!("slave {}", ids[shard]), String::new()),
            };
            let (bus, epoch, shard) = (port + BUS_OFFSET, shard + 1, ids[shard]);
            format!(
                "{id} {HOST}:{port}@{bus},,shard-id={shard} {myself}{role} 0 0 {epoch} connected{slots}\n"
            )
        };
        for reader in 0..all {
            let lines: String = (0..all).map(|machine| line(machine, reader)).collect();
            let vars = format!("vars currentEpoch {primaries} lastVoteEpoch 0\n");
            self.machines[reader].conf = Some(lines + &vars);
            self.machines[reader].facts.has_synced = true;
            self.start(reader);
        }
    }

    pub fn form(&mut self, primaries: usize) {
        for machine in 0..primaries {
            let slots = share(machine, primaries);
            self.order(machine, |cluster, now| cluster.add_slots(&slots, now).unwrap());
        }
        for machine in 0..self.machines.len() {
            let epoch = squall_cluster::Epoch(machine as u64 + 1);
            self.order(machine, |cluster, now| cluster.set_config_epoch(epoch, now).unwrap());
        }
        for machine in 1..self.machines.len() {
            let port = FIRST_PORT + machine as u16;
            self.order(0, |cluster, now| cluster.meet(HOST, port, port + BUS_OFFSET, now).unwrap());
        }
        self.until("all have met", 30_000, |world| {
            let all = world.machines.len();
            world.live().all(|cluster| cluster.nodes().filter(|node| node.is_member()).count() == all)
        });
        for machine in primaries..self.machines.len() {
            let primary = self.id(machine % primaries);
            self.order(machine, |cluster, now| cluster.replicate(primary, true, now).unwrap());
        }
        self.until("the cluster is formed", 30_000, |world| world.converged());
    }

    pub fn order<T>(&mut self, machine: usize, order: impl FnOnce(&mut Cluster, Now) -> T) -> T {
        let now = self.time();
        let result = order(self.machines[machine].cluster.as_mut().expect("it runs"), now);
        self.settle(machine);
        result
    }

    pub fn cluster(&self, machine: usize) -> &Cluster {
        self.machines[machine].cluster.as_ref().expect("it runs")
    }

    pub fn id(&self, machine: usize) -> NodeId {
        self.machines[machine].id.expect("it has run")
    }

    pub fn machine_of(&self, id: NodeId) -> Option<usize> {
        self.machines.iter().position(|machine| machine.id == Some(id))
    }

    pub fn live(&self) -> impl Iterator<Item = &Cluster> {
        self.machines.iter().filter_map(|machine| machine.cluster.as_ref())
    }
}

/// The slots of one of so many equal shards.
pub fn share(shard: usize, shards: usize) -> SlotSet {
    let bound = |shard: usize| (16_384 * shard / shards) as u64;
    (bound(shard)..bound(shard + 1)).filter_map(Slot::checked).collect()
}
