//! Pings and their answers. Every second somebody drawn at random is asked, and everybody who has not been
//! heard of for half the node timeout; each message speaks of a tenth of the nodes, and of all that are
//! suspected.

use bytes::Bytes;
use squall_clock::{Mono, Nanos};

use crate::NodeId;
use crate::cluster::Cluster;
use crate::links::Link;
use crate::node::Node;
use crate::wire::{Body, Extension, GossipEntry, GossipKind, Header, MessageFlags, NodeFlags, Published};

/// How many nodes are drawn, of which the one that was heard of longest ago is asked.
const DRAWN: usize = 5;
/// Fewest entries in a message.
const ENTRIES_MIN: usize = 3;
/// A random ping each so many ticks: once a second.
const TICKS_PER_RANDOM_PING: u64 = 10;

impl Cluster {
    /// What this node says of itself: what is durable, and nothing that it has just given up. While a won
    /// role waits for the disk it says nothing at all.
    pub(crate) fn header(&self) -> Option<Header> {
        let me = self.nodes.me();
        let announced = &self.durability.announced;
        let (config_epoch, slots) = match me.primary {
            Some(primary) => {
                let primary = self.nodes.get(primary);
                let epoch = primary.map_or(me.config_epoch, |node| node.config_epoch);
                (epoch, primary.map(|node| node.slots.clone()).unwrap_or_default())
            }
            None if announced.primary.is_some() => return None,
            None => {
                let claimed = self.claimed_slots();
                let kept = || announced.slots.iter().filter(|slot| claimed.contains(*slot)).collect();
                let slots = if announced.slots == claimed { claimed.clone() } else { kept() };
                (announced.config_epoch, slots)
            }
        };
        let stands_at = self.hand_over.as_ref().and_then(|hand_over| hand_over.offset);
        Some(Header {
            sender: me.id,
            primary: me.primary,
            current_epoch: announced.current_epoch,
            config_epoch,
            repl_offset: stands_at.unwrap_or(self.replication.offset),
            slots,
            host: self.options.announced_host.clone(),
            ports: self.options.ports,
            flags: me.flags(true),
            cluster_ok: self.availability.is_ok(),
            message: MessageFlags {
                paused: stands_at.is_some(),
                force_vote: self.manual.is_some(),
                extensions: true,
            },
            is_squall: true,
            view: self.watch.view(),
        })
    }

    pub(crate) fn ping(&mut self, to: NodeId, kind: GossipKind) {
        let Some(link) = self.nodes.get(to).filter(|node| node.link_is_open).and_then(|node| node.link)
        else {
            return;
        };
        let Some(header) = self.header() else { return };
        let body = self.gossip_for(Some(to), kind);
        self.send_on(link, &header, &body);
        let now = self.now.mono;
        if let Some(node) = self.nodes.get_mut(to) {
            node.ping_sent = Some(now);
        }
    }

    /// Tells everybody at once what this node is now.
    pub(crate) fn announce(&mut self) {
        let body = self.gossip_for(None, GossipKind::Pong);
        self.broadcast(&body, |_| true);
    }

    /// Tells the shard how far this replica is.
    pub(crate) fn announce_offset(&mut self) {
        let body = self.gossip_for(None, GossipKind::Pong);
        let primary = self.nodes.my_shard_primary();
        self.broadcast(&body, |node| node.primary == Some(primary));
    }

    pub(crate) fn gossip_for(&mut self, to: Option<NodeId>, kind: GossipKind) -> Body {
        let entries = self.entries_for(to);
        let reads_extensions = match to.and_then(|to| self.nodes.get(to)) {
            Some(node) => node.reads_extensions,
            None => self.nodes.others().all(|node| node.reads_extensions),
        };
        let extensions = if reads_extensions { self.extensions() } else { Vec::new() };
        Body::Gossip { kind, entries, extensions }
    }

    fn extensions(&self) -> Vec<Extension> {
        let me = self.nodes.me();
        let mut extensions = Vec::new();
        if !me.hostname.is_empty() {
            extensions.push(Extension::Hostname(me.hostname.clone()));
        }
        if !me.human_name.is_empty() {
            extensions.push(Extension::HumanName(me.human_name.clone()));
        }
        for (node, until) in &self.forgotten {
            let seconds = until.since(self.now.mono).as_secs();
            if seconds > 0 {
                extensions.push(Extension::Forgotten { node: *node, seconds });
            }
        }
        extensions.extend(me.shard.map(Extension::Shard));
        extensions
    }

    fn entries_for(&mut self, to: Option<NodeId>) -> Vec<GossipEntry> {
        let candidates = self.nodes.len().saturating_sub(2);
        let sees_otherwise =
            to.and_then(|to| self.nodes.get(to)).is_some_and(|node| node.view_differs_since.is_some());
        let share = if self.asks_everybody() || sees_otherwise { self.nodes.len() / 10 } else { 0 };
        let wanted = ENTRIES_MIN.max(share).min(candidates);
        let mut chosen: Vec<NodeId> = Vec::with_capacity(wanted);
        for _ in 0..wanted * 3 {
            if chosen.len() == wanted {
                break;
            }
            let node = self.nodes.draw(&mut self.rng);
            let (id, spoken_of) = (node.id, self.is_spoken_of(node));
            if spoken_of && Some(id) != to && !chosen.contains(&id) {
                chosen.push(id);
            }
        }
        let doubted = self.watch.doubted().iter().filter_map(|id| self.nodes.get(*id));
        let doubted = doubted.filter(|node| self.is_in_doubt(node) && self.may_speak_of(node));
        chosen.extend(doubted.map(|node| node.id));
        chosen.iter().filter_map(|id| self.nodes.get(*id)).map(|node| self.entry(node)).collect()
    }

    /// Nodes whose silence everybody is told anyway are not drawn.
    fn is_spoken_of(&self, node: &Node) -> bool {
        let linked_or_owner = node.link_is_open || !node.slots.is_empty();
        !self.is_in_doubt(node) && self.may_speak_of(node) && linked_or_owner
    }

    fn may_speak_of(&self, node: &Node) -> bool {
        node.id != self.my_id() && node.is_member() && !node.host.is_empty()
    }

    fn entry(&self, node: &Node) -> GossipEntry {
        GossipEntry {
            node: node.id,
            ping_sent_s: (self.unix_ms_of(node.ping_sent) / 1000) as u32,
            pong_received_s: (self.unix_ms_of(node.pong_received) / 1000) as u32,
            host: node.host.clone(),
            ports: node.ports,
            flags: NodeFlags(node.flags(false).0 & !NodeFlags::MEET)
                .with(NodeFlags::DOUBTED, node.is_well() && self.is_in_doubt(node)),
        }
    }

    /// A moment as the wall clock showed it; zero: never.
    pub(crate) fn unix_ms_of(&self, moment: Option<Mono>) -> u64 {
        moment.map_or(0, |moment| {
            let age_ms = self.now.mono.since(moment).as_millis();
            self.now.unix_ms().0.saturating_sub(age_ms)
        })
    }

    // --- When ---

    pub(crate) fn ping_at_random(&mut self) {
        if !self.ticks.is_multiple_of(TICKS_PER_RANDOM_PING) || self.nodes.len() < 2 {
            return;
        }
        let mut longest: Option<(Mono, NodeId)> = None;
        for _ in 0..DRAWN {
            let node = self.nodes.draw(&mut self.rng);
            let idle = node.link_is_open && node.ping_sent.is_none() && node.is_member();
            let heard = node.pong_received.unwrap_or(Mono(0));
            if idle && longest.is_none_or(|(other, _)| heard < other) {
                longest = Some((heard, node.id));
            }
        }
        if let Some((_, id)) = longest {
            self.ping(id, GossipKind::Ping);
        }
    }

    pub(crate) fn ping_the_silent(&mut self) {
        let now = self.now.mono;
        let half = Nanos(self.options.node_timeout.0 / 2);
        let handed_to = self.hand_over.as_ref().map(|hand_over| hand_over.replica);
        let mut silent = Vec::new();
        let mut stuck = Vec::new();
        let asks_everybody = self.asks_everybody();
        let (watched, soon) = self.watched();
        for node in self.nodes.others().filter(|node| node.link_is_open) {
            let unheard = now.since(node.pong_received.unwrap_or(Mono(0)));
            // Who is taken for dead and could be reached is asked by each that takes it so: its own answer ends that.
            let is_asked = asks_everybody || node.is_failed();
            let is_due = (unheard > half && is_asked) || (unheard > soon && watched.contains(&node.id));
            if node.ping_sent.is_none() && (is_due || handed_to == Some(node.id)) {
                silent.push(node.id);
            }
            // A connection over which no answer comes is tried anew before its node is suspected. What comes
            // over the other one of the pair says nothing about this one.
            if node.ping_sent.is_some_and(|asked| now.since(asked) > half) {
                let link = node.link.and_then(|link| self.links.get(link));
                let is_old = |link: &Link| now.since(link.created.mono) > self.options.node_timeout;
                stuck.extend(node.link.filter(|_| link.is_some_and(is_old)));
            }
        }
        silent.into_iter().for_each(|id| self.ping(id, GossipKind::Ping));
        stuck.into_iter().for_each(|link| self.close(link));
    }

    pub(crate) fn broadcast_published(&mut self, sharded: bool, channel: Bytes, message: Bytes) {
        let published = Published { sharded, channel, message };
        let primary = self.nodes.my_shard_primary();
        let wanted = |node: &Node| !sharded || node.id == primary || node.primary == Some(primary);
        self.broadcast_light(&published, |node| wanted(node) && node.reads_light);
        self.broadcast(&Body::Publish(published), |node| wanted(node) && !node.reads_light);
    }
}
