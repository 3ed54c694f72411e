//! Replicas that move: a primary with slots and without a replica that works gets one from the shard that
//! has the most, if enough stay there.

use std::collections::BTreeMap;

use squall_clock::Nanos;

use crate::NodeId;
use crate::cluster::Cluster;
use crate::event::Severity;
use crate::node::Node;
use crate::turns::Turn;

/// How long a primary is without replicas before somebody comes.
const ORPHAN_DELAY: Nanos = Nanos::from_secs(5);
const TICKS_PER_LOOK: u64 = 10;

impl Cluster {
    pub(crate) fn note_orphans(&mut self) {
        if self.nodes.me().is_primary() || !self.ticks.is_multiple_of(TICKS_PER_LOOK) {
            return;
        }
        let now = self.now.mono;
        let working = self.working_replicas();
        let primaries = self.nodes.owners().filter(|node| node.is_voter() && node.is_well());
        let found: Vec<(NodeId, bool)> =
            primaries.map(|node| (node.id, !working.contains_key(&node.id))).collect();
        for (id, is_bare) in found {
            let node = self.nodes.get_mut(id).expect("listed above");
            match is_bare && node.migrate_to {
                true => _ = node.orphaned_since.get_or_insert(now),
                false => node.orphaned_since = None,
            }
        }
    }

    pub(crate) fn consider_migration(&mut self) {
        let Some(mine) = self.nodes.me().primary else { return };
        let may = self.options.allow_replica_migration && self.availability.is_ok();
        if !may || !self.ticks.is_multiple_of(TICKS_PER_LOOK) || self.manual.is_some() {
            return;
        }
        let working = self.working_replicas();
        let own = working.get(&mine).copied().unwrap_or(0);
        if own <= self.options.migration_barrier {
            return;
        }
        // The shard with the most replicas gives one: that with the smallest name.
        let of_owners = self.nodes.owners().filter_map(|node| working.get(&node.id));
        let most = of_owners.copied().max().unwrap_or(0);
        let myself = self.my_id();
        let first = self.nodes.replicas_of(mine).filter(|node| !node.is_failed()).map(|node| node.id).min();
        if own < most || first != Some(myself) {
            return;
        }
        let now = self.now.mono;
        let long = |node: &&Node| {
            node.is_well() && node.orphaned_since.is_some_and(|since| now.since(since) > ORPHAN_DELAY)
        };
        let orphan =
            self.nodes.owners().filter(|node| node.is_voter()).filter(long).map(|node| node.id).min();
        if let Some(orphan) = orphan {
            self.took(Turn::ReplicaMigrated);
            self.log(Severity::Notice, format!("Migrating to orphaned master {orphan}"));
            self.follow(orphan);
        }
    }

    /// How many replicas that have not failed each primary has, of those that have any.
    fn working_replicas(&self) -> BTreeMap<NodeId, usize> {
        let mut working = BTreeMap::new();
        for node in self.nodes.iter().filter(|node| node.is_member() && !node.is_failed()) {
            if let Some(primary) = node.primary {
                *working.entry(primary).or_default() += 1;
            }
        }
        working
    }
}
