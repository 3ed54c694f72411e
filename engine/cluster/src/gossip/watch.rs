//! Whom a node watches. Other servers' nodes ask everybody, twice in a node timeout, so a cluster's traffic
//! grows with the square of its size. Where all members are Squall's and there are many of them, each node
//! asks those few whose names follow its own, and its shard, but sooner; the traffic grows with the number
//! of nodes. (That few watch and many are asked only in doubt is the idea of SWIM: Das, Gupta and Motivala,
//! 2002.) What asking everybody gives is kept:
//!
//! - **Every voter judges by what it has seen itself.** A watched node that is slow to answer is in doubt.
//!   Its watcher raises the alarm: it asks everybody, and its pings name the node in doubt, which everybody
//!   then asks. Whoever gets no answer for the node timeout suspects it, and tells its watchers and its
//!   replicas, who count.
//! - **A minority notices that it is one.** Whoever raises the alarm asks everybody; whoever hears of two
//!   nodes in doubt raises it too.
//! - **Views become one.** Each message carries a digest of how its sender sees the cluster. Two nodes that
//!   see it differently for long raise the alarm, and hear from everybody what everybody is.

use std::collections::BTreeSet;

use squall_clock::{Mono, Nanos};

use crate::NodeId;
use crate::cluster::Cluster;
use crate::node::{Health, Node};
use crate::nodes::Nodes;
use crate::wire::{GossipEntry, GossipKind, Header, NodeFlags};

/// How many that follow by name a node watches.
const WATCHED: usize = 3;
/// Watched nodes are asked when this share of the node timeout has passed since they were heard.
const ASK_SHARE: u64 = 8;
/// A ping that is not answered for this share of it puts a node in doubt.
const DOUBT_SHARE: u64 = 4;
/// For so many node timeouts after its last reason an alarm lasts.
const ALARM: u64 = 2;
/// So many nodes in doubt are no single failure.
const DOUBTS_OF_MANY: usize = 2;
/// Views may differ for half a node timeout, and for that long at least: news travel.
const DIFFERENCE_MIN: Nanos = Nanos::from_secs(2);
/// The own view is looked at each so many ticks.
const TICKS_PER_VIEW: u64 = 10;

#[derive(Default)]
pub(crate) struct Watch {
    /// The cluster is one in which few watch each.
    is_sparse: bool,
    alarmed_until: Mono,
    /// Nodes whose silence every message tells: suspected, and in a sparse cluster those in doubt.
    doubted: Vec<NodeId>,
    /// The digest of this node's view.
    view: u64,
    reported: Mono,
}

impl Watch {
    pub fn view(&self) -> u64 {
        self.view
    }

    pub fn doubted(&self) -> &[NodeId] {
        &self.doubted
    }
}

impl Cluster {
    /// Whether everybody is asked who has been silent for long.
    pub(crate) fn asks_everybody(&self) -> bool {
        !self.watch.is_sparse || self.now.mono < self.watch.alarmed_until
    }

    /// Those whom this node asks in any case, and how long after it has heard them; none where it asks
    /// everybody alike.
    pub(crate) fn watched(&self) -> (BTreeSet<NodeId>, Nanos) {
        let after = Nanos(self.options.node_timeout.0 / ASK_SHARE);
        if !self.watch.is_sparse {
            return (BTreeSet::new(), after);
        }
        let next = self.nodes.after(self.my_id()).filter(|node| is_watchable(node)).take(WATCHED);
        let shard = self.nodes.my_shard_primary();
        let mates = self.nodes.replicas_of(shard).chain(self.nodes.get(shard));
        let mates = mates.filter(|node| node.id != self.my_id() && is_watchable(node));
        (next.chain(mates).map(|node| node.id).collect(), after)
    }

    pub(crate) fn tend_watch(&mut self) {
        let is_large = self.nodes.len() > self.options.full_gossip_nodes_max;
        // Who has not said a word yet may be one; a start is no reason to tell everybody of everybody.
        let is_other = |node: &Node| {
            node.is_member() && !node.is_failed() && node.data_received.is_some() && !node.is_squall
        };
        self.watch.is_sparse = is_large && !self.nodes.others().any(is_other);
        self.note_doubts();
        if self.ticks.is_multiple_of(TICKS_PER_VIEW) || self.watch.view == 0 {
            self.watch.view = view_digest(&self.nodes);
        }
        let (watched, _) = self.watched();
        if self.watch.doubted.iter().any(|id| watched.contains(id)) {
            self.raise_alarm();
        }
        let half = Nanos(self.options.node_timeout.0 / 2);
        if self.now.mono.since(self.watch.reported) > half {
            self.report_suspects();
        }
    }

    /// Looks anew who is silent, so that the next message tells it.
    pub(crate) fn note_doubts(&mut self) {
        let doubted = self.nodes.others().filter(|node| self.is_in_doubt(node));
        self.watch.doubted = doubted.map(|node| node.id).collect();
    }

    pub(crate) fn is_in_doubt(&self, node: &Node) -> bool {
        let limit = Nanos(self.options.node_timeout.0 / DOUBT_SHARE);
        match node.health {
            Health::Suspected => true,
            Health::Ok => self.watch.is_sparse && node.is_member() && self.silence_of(node) > limit,
            Health::Failed { .. } => false,
        }
    }

    /// What a message says of silent nodes: they are asked, and where there are many, everybody is.
    pub(crate) fn heed_doubts(&mut self, entries: &[GossipEntry]) {
        if !self.watch.is_sparse {
            return;
        }
        let silent = NodeFlags(NodeFlags::SUSPECTED | NodeFlags::DOUBTED);
        let doubted = entries.iter().filter(|entry| entry.flags.0 & silent.0 != 0);
        let doubted = doubted.filter_map(|entry| self.nodes.member(entry.node));
        let doubted: Vec<&Node> = doubted.filter(|node| is_watchable(node)).collect();
        let are_many = doubted.len() >= DOUBTS_OF_MANY;
        let (now, recently) = (self.now.mono, Nanos(self.options.node_timeout.0 / ASK_SHARE));
        let unasked = doubted.into_iter().filter(|node| {
            node.ping_sent.is_none() && now.since(node.pong_received.unwrap_or(Mono(0))) > recently
        });
        let unasked: Vec<NodeId> = unasked.map(|node| node.id).collect();
        unasked.into_iter().for_each(|id| self.ping(id, GossipKind::Ping));
        if are_many {
            self.raise_alarm();
        }
    }

    /// How the sender sees the cluster.
    pub(crate) fn note_view(&mut self, header: &Header) {
        let (now, mine) = (self.now.mono, self.watch.view);
        let Some(node) = self.nodes.get_mut(header.sender) else { return };
        if !header.is_squall || header.view == mine {
            node.view_differs_since = None;
            return;
        }
        let since = *node.view_differs_since.get_or_insert(now);
        let patience = Nanos(self.options.node_timeout.0 / 2).max(DIFFERENCE_MIN);
        if now.since(since) > patience {
            self.raise_alarm();
        }
    }

    /// Tells those who count that this voter finds nodes silent.
    pub(crate) fn report_suspects(&mut self) {
        if !(self.watch.is_sparse || self.is_quick) || !self.nodes.me().is_voter() {
            return;
        }
        let suspects = self.nodes.others().filter(|node| node.health == Health::Suspected);
        let mut counting = BTreeSet::new();
        for suspect in suspects {
            let watchers = self.nodes.before(suspect.id).filter(|node| is_watchable(node)).take(WATCHED);
            counting.extend(watchers.chain(self.nodes.replicas_of(suspect.id)).map(|node| node.id));
        }
        counting.remove(&self.my_id());
        if counting.is_empty() {
            return;
        }
        self.watch.reported = self.now.mono;
        let Some(header) = self.header() else { return };
        let body = self.gossip_for(None, GossipKind::Pong);
        counting.into_iter().for_each(|node| self.send_to(node, &header, &body));
    }

    fn raise_alarm(&mut self) {
        self.watch.alarmed_until = self.now.mono + Nanos(self.options.node_timeout.0.saturating_mul(ALARM));
    }
}

fn is_watchable(node: &Node) -> bool {
    node.is_member() && !node.is_failed() && !node.host.is_empty()
}

/// Who belongs to the cluster, who follows whom, and who owns how much under which epoch: FNV-1a, 64 bits,
/// in the order of names. Never zero.
fn view_digest(nodes: &Nodes) -> u64 {
    let mut digest: u64 = 0xcbf2_9ce4_8422_2325;
    let mut take = |bytes: &[u8]| {
        for byte in bytes {
            digest = (digest ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    };
    for node in nodes.iter().filter(|node| node.is_member()) {
        take(node.id.bytes());
        match node.primary {
            Some(primary) => take(primary.bytes()),
            None if node.slots.is_empty() => {}
            None => {
                take(&node.config_epoch.0.to_be_bytes());
                take(&(node.slots.len() as u16).to_be_bytes());
            }
        }
    }
    digest.max(1)
}
