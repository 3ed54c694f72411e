//! What is known of one node of the cluster, this one included.

use std::collections::BTreeMap;

use squall_clock::Mono;

use crate::event::BusLink;
use crate::slots::SlotSet;
use crate::wire::{NodeFlags, Ports};
use crate::{Epoch, NodeId, ShardId};

/// Whether a node answers, as far as is known here.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Health {
    Ok,
    /// PFAIL: silent, seen from here.
    Suspected,
    /// FAIL: the majority of primaries finds so.
    Failed {
        since: Mono,
    },
}

/// How far a node belongs to the cluster.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Stage {
    /// An address whose name is not known yet. `meet`: an operator asked for it.
    Handshake {
        since: Mono,
        meet: bool,
    },
    Member,
}

#[derive(Clone, Debug)]
pub struct Node {
    pub id: NodeId,
    pub stage: Stage,
    /// Known, not guessed: said by the node itself, or by nodes.conf.
    pub shard: Option<ShardId>,
    /// Whom it follows; none: it is a primary.
    pub primary: Option<NodeId>,
    pub health: Health,
    /// Empty: nobody knows where it is.
    pub host: String,
    pub ports: Ports,
    /// Where gossip says that it is now: believed when it is said again.
    pub rumoured: Option<(String, Ports)>,
    pub hostname: String,
    pub human_name: String,
    pub no_failover: bool,
    /// Replicas may come to it when it has none left.
    pub migrate_to: bool,
    pub config_epoch: Epoch,
    /// The cluster's epoch in its latest message: one that says less is older.
    pub seen_epoch: Epoch,
    pub repl_offset: u64,
    /// When it last said its offset itself.
    pub offset_heard: Option<Mono>,
    pub slots: SlotSet,
    /// The ping that waits for its answer.
    pub ping_sent: Option<Mono>,
    pub pong_received: Option<Mono>,
    pub data_received: Option<Mono>,
    /// Primaries that find it silent, and when they last said so.
    pub reports: BTreeMap<NodeId, Mono>,
    /// The link that this node dialled.
    pub link: Option<BusLink>,
    pub link_is_open: bool,
    /// The link that it dialled.
    pub inbound: Option<BusLink>,
    /// Since when its machine refuses connections: the process is not there.
    pub refused_since: Option<Mono>,
    pub is_squall: bool,
    /// Since when its messages show that it sees the cluster otherwise than this node.
    pub view_differs_since: Option<Mono>,
    pub reads_extensions: bool,
    /// What is published need not carry a whole header to it.
    pub reads_light: bool,
    /// Whose candidature in its place this node has voted for last, and when.
    pub voted: Option<(NodeId, Mono)>,
    /// Since when it has no replica that works.
    pub orphaned_since: Option<Mono>,
}

impl Node {
    pub fn unknown(id: NodeId, stage: Stage) -> Node {
        Node {
            id,
            stage,
            shard: None,
            primary: None,
            health: Health::Ok,
            host: String::new(),
            ports: Ports::default(),
            rumoured: None,
            hostname: String::new(),
            human_name: String::new(),
            no_failover: false,
            migrate_to: false,
            config_epoch: Epoch::ZERO,
            seen_epoch: Epoch::ZERO,
            repl_offset: 0,
            offset_heard: None,
            slots: SlotSet::default(),
            ping_sent: None,
            pong_received: None,
            data_received: None,
            reports: BTreeMap::new(),
            link: None,
            link_is_open: false,
            inbound: None,
            refused_since: None,
            is_squall: false,
            view_differs_since: None,
            reads_extensions: false,
            reads_light: false,
            voted: None,
            orphaned_since: None,
        }
    }

    pub fn is_member(&self) -> bool {
        self.stage == Stage::Member
    }

    pub fn is_primary(&self) -> bool {
        self.primary.is_none()
    }

    /// Primaries that own slots decide what the cluster decides.
    pub fn is_voter(&self) -> bool {
        self.is_member() && self.is_primary() && !self.slots.is_empty()
    }

    pub fn is_failed(&self) -> bool {
        matches!(self.health, Health::Failed { .. })
    }

    /// Neither suspected nor failed.
    pub fn is_well(&self) -> bool {
        self.health == Health::Ok
    }

    /// As other nodes are told.
    pub fn flags(&self, is_myself: bool) -> NodeFlags {
        let (handshake, meet) = match self.stage {
            Stage::Handshake { meet, .. } => (true, meet),
            Stage::Member => (false, false),
        };
        NodeFlags::default()
            .with(NodeFlags::PRIMARY, self.is_primary())
            .with(NodeFlags::REPLICA, !self.is_primary())
            .with(NodeFlags::SUSPECTED, self.health == Health::Suspected)
            .with(NodeFlags::FAILED, self.is_failed())
            .with(NodeFlags::MYSELF, is_myself)
            .with(NodeFlags::HANDSHAKE, handshake)
            .with(NodeFlags::MEET, meet)
            .with(NodeFlags::NO_ADDRESS, self.host.is_empty() && !is_myself)
            .with(NodeFlags::MIGRATE_TO, self.migrate_to)
            .with(NodeFlags::NO_FAILOVER, self.no_failover)
            .with(NodeFlags::READS_LIGHT, is_myself)
    }
}
