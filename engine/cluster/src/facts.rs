//! What can be asked: the facts behind CLUSTER NODES, SLOTS, SHARDS, INFO and LINKS, and where a slot's
//! requests go.

use std::collections::BTreeMap;

use crate::cluster::Cluster;
use crate::conf;
use crate::event::BusLink;
use crate::links::Link;
use crate::node::{Health, Node};
use crate::slots::Slot;
use crate::wire::Kind;
use crate::{Epoch, NodeId, ShardId};

/// CLUSTER INFO.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct ClusterInfo {
    pub ok: bool,
    pub slots_assigned: usize,
    pub slots_ok: usize,
    pub slots_pfail: usize,
    pub slots_fail: usize,
    pub known_nodes: usize,
    pub size: usize,
    pub current_epoch: Epoch,
    pub my_epoch: Epoch,
    pub sent: BTreeMap<Kind, u64>,
    pub received: BTreeMap<Kind, u64>,
}

impl Cluster {
    pub fn my_node(&self) -> &Node {
        self.nodes.me()
    }

    pub fn node(&self, id: NodeId) -> Option<&Node> {
        self.nodes.get(id)
    }

    /// All nodes, by name; those whose name is not known yet as well.
    pub fn nodes(&self) -> impl Iterator<Item = &Node> {
        self.nodes.iter()
    }

    pub fn replicas_of(&self, primary: NodeId) -> impl Iterator<Item = &Node> {
        self.nodes.replicas_of(primary)
    }

    pub fn current_epoch(&self) -> Epoch {
        self.current_epoch
    }

    pub fn last_vote_epoch(&self) -> Epoch {
        self.last_vote_epoch
    }

    pub fn owner(&self, slot: Slot) -> Option<&Node> {
        self.nodes.owner(slot).and_then(|id| self.nodes.get(id))
    }

    /// To whom this slot is being given.
    pub fn migrating_to(&self, slot: Slot) -> Option<&Node> {
        self.migrating.get(&slot).and_then(|id| self.nodes.get(*id))
    }

    /// From whom this slot is being taken.
    pub fn importing_from(&self, slot: Slot) -> Option<&Node> {
        self.importing.get(&slot).and_then(|id| self.nodes.get(*id))
    }

    /// This primary hands over, and its clients' writes wait.
    pub fn holds_writes(&self) -> bool {
        self.hand_over.is_some()
    }

    pub fn links(&self) -> impl Iterator<Item = (BusLink, &Link)> {
        self.links.iter()
    }

    pub fn my_shard(&self) -> Option<ShardId> {
        self.nodes.me().shard
    }

    /// Primaries with their replicas: first those of one shard name, then, where a node has not said to
    /// which shard it belongs, by whom it follows.
    pub fn shards(&self) -> Vec<(ShardId, Vec<&Node>)> {
        let mut shards: BTreeMap<ShardId, Vec<&Node>> = BTreeMap::new();
        for node in self.nodes.iter().filter(|node| node.is_member()) {
            let head = node.primary.and_then(|primary| self.nodes.get(primary)).unwrap_or(node);
            let shard = head.shard.or(node.shard).or_else(|| ShardId::parse(&head.id.text()));
            shards.entry(shard.expect("a node's name is a shard's too")).or_default().push(node);
        }
        shards.into_iter().collect()
    }

    /// A line of CLUSTER NODES.
    pub fn node_line(&self, node: &Node) -> String {
        conf::line(self, node)
    }

    /// Changes whenever anything does that clients may have to be told: owners, addresses, roles.
    pub fn version(&self) -> u64 {
        self.durability.changes
    }

    /// The number of the nodes.conf that will hold what was ordered; none: that is durable, or need not be.
    pub fn pending_save(&self) -> Option<u64> {
        self.durability.pending()
    }

    /// Slots on their way out, and to whom; and on their way in, and from whom.
    pub fn transfers(&self) -> (&BTreeMap<Slot, NodeId>, &BTreeMap<Slot, NodeId>) {
        (&self.migrating, &self.importing)
    }

    pub fn conf_text(&self) -> String {
        conf::text(self)
    }

    pub fn info(&self) -> ClusterInfo {
        let mut info = ClusterInfo {
            ok: self.is_ok(),
            slots_assigned: self.nodes.bound_slots(),
            known_nodes: self.nodes.len(),
            size: self.nodes.voters(),
            current_epoch: self.current_epoch,
            my_epoch: match self.nodes.me().primary.and_then(|primary| self.nodes.get(primary)) {
                Some(primary) => primary.config_epoch,
                None => self.nodes.me().config_epoch,
            },
            sent: self.sent.clone(),
            received: self.received.clone(),
            ..ClusterInfo::default()
        };
        for owner in self.nodes.owners() {
            let count = match owner.health {
                Health::Ok => &mut info.slots_ok,
                Health::Suspected => &mut info.slots_pfail,
                Health::Failed { .. } => &mut info.slots_fail,
            };
            *count += owner.slots.len();
        }
        info
    }

    /// CLUSTER COUNT-FAILURE-REPORTS.
    pub fn failure_reports(&self, id: NodeId) -> Option<usize> {
        let validity = 2 * self.options.node_timeout.0;
        let now = self.now.mono;
        let node = self.nodes.get(id)?;
        Some(node.reports.values().filter(|said| now.since(**said).0 <= validity).count())
    }
}
