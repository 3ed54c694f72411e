//! What is seen from outside: whether all machines agree, and what must hold whether they do or not.

use std::collections::BTreeMap;

use squall_cluster::{Cluster, NodeId, Slot};

use crate::world::{MS, World};

impl World {
    /// All live machines agree on the owner of each slot, which is one of them, and find the cluster ok.
    pub fn converged(&self) -> bool {
        let mut first: Option<Vec<Option<NodeId>>> = None;
        self.live().all(Cluster::is_ok)
            && self.live().all(|cluster| {
                let owners = owners(cluster);
                let known = owners.iter().flatten().all(|id| self.is_live(*id));
                first.get_or_insert_with(|| owners.clone()) == &owners && known
            })
    }

    pub fn is_live(&self, id: NodeId) -> bool {
        self.machine_of(id).is_some_and(|machine| self.machines[machine].cluster.is_some())
    }

    /// One owner per slot at rest, votes once per epoch, epochs of owners unique, nobody follows a replica.
    pub fn check_invariants(&self) {
        for machine in &self.machines {
            let mut seen: BTreeMap<u64, NodeId> = BTreeMap::new();
            for (epoch, candidate) in &machine.votes {
                let first = *seen.entry(*epoch).or_insert(*candidate);
                assert_eq!(first, *candidate, "{:?} voted twice in epoch {epoch}", machine.id);
            }
        }
        let mut epochs = BTreeMap::new();
        for cluster in self.live() {
            let me = cluster.my_node();
            if me.is_voter()
                && let Some(other) = epochs.insert(me.config_epoch, me.id)
            {
                panic!("{other} and {} share the epoch {}\n{}", me.id, me.config_epoch, self.describe());
            }
            if let Some(primary) = me.primary {
                let primary = self.machine_of(primary).expect("one of this world");
                if let Some(primary) = &self.machines[primary].cluster {
                    assert!(primary.my_node().is_primary(), "a replica is followed\n{}", self.describe());
                }
            }
        }
        assert!(self.converged(), "views differ\n{}", self.describe());
    }

    pub fn name(&self, id: NodeId) -> String {
        self.machine_of(id).map_or("?".to_owned(), |machine| machine.to_string())
    }

    pub fn describe(&self) -> String {
        let mut text = String::new();
        for line in &self.messages {
            text += line;
            text.push('\n');
        }
        text += &format!("at {} ms\n", self.now / MS);
        for (number, machine) in self.machines.iter().enumerate() {
            let Some(cluster) = &machine.cluster else {
                text += &format!("{number}: down\n");
                continue;
            };
            text += &format!("{number}: ok {}, epoch {}\n", cluster.is_ok(), cluster.current_epoch());
            for node in cluster.nodes() {
                text += &format!("   {}\n", cluster.node_line(node));
            }
        }
        text
    }
}

pub fn owners(cluster: &Cluster) -> Vec<Option<NodeId>> {
    (0..16_384).filter_map(Slot::checked).map(|slot| cluster.owner(slot).map(|node| node.id)).collect()
}
