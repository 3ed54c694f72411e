//! The connections of the bus. Each pair of nodes has two: each side dials one, over which it asks, and the
//! other answers on the same. What a stranger may send at once is little.

use std::collections::BTreeMap;

use bytes::{Bytes, BytesMut};
use squall_clock::{Mono, Nanos, Now};

use crate::cluster::Cluster;
use crate::event::{BusLink, Event, Severity};
use crate::node::{Node, Stage};
use crate::wire::{
    Body, HEADER_BYTES, Header, Kind, MESSAGE_BYTES_MAX, Published, WireError, decode, encode, encode_light,
    frame_bytes,
};
use crate::{NodeId, wire};

/// What somebody may say at once who has not yet said anything that a member says: gossip about everybody.
const STRANGERS_MESSAGE_BYTES_MAX: usize = 8 * 1024 * 1024;
/// A handshake that is not answered for that long is given up, at least.
const HANDSHAKE_TIMEOUT_MIN: Nanos = Nanos::from_secs(1);

#[derive(Debug)]
pub struct Link {
    /// Dialled by this node, to the one under that name; or taken from somebody.
    pub direction: Direction,
    /// Who is at the other end, as far as it has shown itself.
    pub node: Option<NodeId>,
    pub created: Now,
    /// The addresses of both ends, of an inbound link.
    pub peer_host: String,
    pub local_host: String,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Direction {
    To,
    From,
}

/// Why a connection ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Closed {
    /// The machine is there, and nobody listens on it.
    Refused,
    /// By the peer or the network; a reset is one of these.
    Lost,
}

#[derive(Default)]
pub(crate) struct Links {
    by_id: BTreeMap<BusLink, Link>,
    last: u64,
}

impl Links {
    fn add(&mut self, link: Link) -> BusLink {
        self.last += 1;
        self.by_id.insert(BusLink(self.last), link);
        BusLink(self.last)
    }

    pub fn get(&self, id: BusLink) -> Option<&Link> {
        self.by_id.get(&id)
    }

    pub fn iter(&self) -> impl Iterator<Item = (BusLink, &Link)> {
        self.by_id.iter().map(|(id, link)| (*id, link))
    }
}

impl Cluster {
    /// A connection came in on the bus's port.
    pub fn link_accepted(&mut self, peer_host: String, local_host: String, now: Now) -> BusLink {
        self.now = now;
        self.links.add(Link { direction: Direction::From, node: None, created: now, peer_host, local_host })
    }

    /// A connection that was asked for is there.
    pub fn link_opened(&mut self, id: BusLink, now: Now) {
        self.now = now;
        let Some(node) = self.links.get(id).and_then(|link| link.node) else { return };
        let Some(node) = self.nodes.get_mut(node) else { return };
        node.link_is_open = true;
        node.refused_since = None;
        let (node_id, unanswered) = (node.id, node.ping_sent);
        let meet = matches!(node.stage, Stage::Handshake { meet: true, .. });
        self.ping(node_id, if meet { wire::GossipKind::Meet } else { wire::GossipKind::Ping });
        // A ping that was lost with an older connection still waits: the silence began then.
        if let (Some(before), Some(node)) = (unanswered, self.nodes.get_mut(node_id)) {
            node.ping_sent = Some(before);
        }
        self.finish(false);
    }

    pub fn link_closed(&mut self, id: BusLink, how: Closed, now: Now) {
        self.now = now;
        let Some(link) = self.links.by_id.remove(&id) else { return };
        let Some(node) = link.node.and_then(|node| self.nodes.get_mut(node)) else { return };
        if node.inbound == Some(id) {
            node.inbound = None;
        }
        if node.link == Some(id) {
            let was_open = node.link_is_open;
            node.link = None;
            node.link_is_open = false;
            node.ping_sent.get_or_insert(now.mono);
            if how == Closed::Refused {
                node.refused_since.get_or_insert(now.mono);
            } else if was_open {
                // Whether the process is still there is asked at once.
                let node = node.id;
                self.dial(node);
            }
        }
        self.finish(false);
    }

    /// Bytes of the bus: takes the whole messages from `input`, and leaves the rest there.
    pub fn data(&mut self, id: BusLink, input: &mut BytesMut, now: Now) {
        self.now = now;
        while let Some(link) = self.links.get(id) {
            let is_member = link.node.is_some_and(|node| self.nodes.member(node).is_some());
            let bytes_max = if is_member { MESSAGE_BYTES_MAX } else { STRANGERS_MESSAGE_BYTES_MAX };
            let len = match frame_bytes(input, bytes_max) {
                Ok(Some(len)) if len <= input.len() => len,
                Ok(_) => break,
                Err(error) => {
                    self.refuse(id, error);
                    break;
                }
            };
            match decode(&input.split_to(len).freeze()) {
                Ok(message) => self.receive(id, message),
                Err(error) => self.refuse(id, error),
            }
        }
        // It may have said that the primary has failed, or how far another replica is.
        self.tend_election();
        self.finish(false);
    }

    fn refuse(&mut self, id: BusLink, error: WireError) {
        let link = &self.links.by_id[&id];
        let from = match link.node {
            Some(node) => node.to_string(),
            None => link.peer_host.clone(),
        };
        self.log(Severity::Warning, format!("Bad message on the cluster bus from {from}: {error}"));
        self.close(id);
    }

    // --- Within ---

    /// The link at whose other end `node` has shown itself.
    pub(crate) fn note_inbound(&mut self, id: BusLink, node: NodeId) {
        let Some(link) = self.links.by_id.get_mut(&id) else { return };
        if link.direction == Direction::From && link.node != Some(node) {
            link.node = Some(node);
            if let Some(node) = self.nodes.get_mut(node) {
                node.inbound = Some(id);
            }
        }
    }

    pub(crate) fn close(&mut self, id: BusLink) {
        let Some(link) = self.links.by_id.remove(&id) else { return };
        if let Some(node) = link.node.and_then(|node| self.nodes.get_mut(node)) {
            if node.link == Some(id) {
                node.link = None;
                node.link_is_open = false;
            }
            if node.inbound == Some(id) {
                node.inbound = None;
            }
        }
        self.push(Event::Close { link: id });
    }

    /// Drops both links of a node that is about to be forgotten, or is elsewhere now.
    pub(crate) fn close_links_of(&mut self, node: NodeId) {
        let ids = self.links.iter().filter(|(_, link)| link.node == Some(node)).map(|(id, _)| id);
        let ids: Vec<BusLink> = ids.collect();
        ids.into_iter().for_each(|id| self.close(id));
    }

    /// The link is to another name from here on.
    pub(crate) fn rename_link(&mut self, id: BusLink, node: NodeId) {
        if let Some(link) = self.links.by_id.get_mut(&id) {
            link.node = Some(node);
        }
    }

    pub(crate) fn dial(&mut self, id: NodeId) {
        let now = self.now;
        let Some(node) = self.nodes.get_mut(id) else { return };
        if node.host.is_empty() || node.link.is_some() {
            return;
        }
        // The silence of a node that cannot be reached begins when reaching it is tried.
        node.ping_sent.get_or_insert(now.mono);
        let (host, port) = (node.host.clone(), node.ports.bus);
        let link = self.links.add(Link {
            direction: Direction::To,
            node: Some(id),
            created: now,
            peer_host: host.clone(),
            local_host: String::new(),
        });
        self.nodes.get_mut(id).expect("looked up above").link = Some(link);
        self.push(Event::Connect { link, host, port });
    }

    pub(crate) fn dial_unlinked(&mut self) {
        let unlinked = self.nodes.others().filter(|node| node.link.is_none() && !node.host.is_empty());
        let unlinked: Vec<NodeId> = unlinked.map(|node| node.id).collect();
        unlinked.into_iter().for_each(|id| self.dial(id));
    }

    pub(crate) fn drop_unanswered_handshakes(&mut self) {
        let patience = self.options.node_timeout.max(HANDSHAKE_TIMEOUT_MIN);
        let now = self.now.mono;
        let overdue = self.nodes.others().filter(|node| match node.stage {
            Stage::Handshake { since, .. } => now.since(since) > patience,
            Stage::Member => false,
        });
        for id in overdue.map(|node| node.id).collect::<Vec<_>>() {
            self.close_links_of(id);
            self.nodes.remove(id);
        }
    }

    /// Sends on that link, if it is still there.
    pub(crate) fn send_on(&mut self, link: BusLink, header: &Header, body: &Body) {
        *self.sent.entry(body.kind()).or_default() += 1;
        let bytes = encode(header, body);
        debug_assert!(bytes.len() >= HEADER_BYTES);
        self.push(Event::Send { link, bytes });
    }

    /// Sends over the link that this node dialled; a node that cannot be reached misses it.
    pub(crate) fn send_to(&mut self, node: NodeId, header: &Header, body: &Body) {
        let link = self.nodes.get(node).and_then(|node| match node.link {
            Some(link) if node.link_is_open => Some(link),
            _ => node.inbound,
        });
        if let Some(link) = link {
            self.send_on(link, header, body);
        }
    }

    /// Sends the same to every member that `wanted` picks.
    pub(crate) fn broadcast(&mut self, body: &Body, wanted: impl Fn(&Node) -> bool) {
        let encoded = |cluster: &Cluster| Some(encode(&cluster.header()?, body));
        self.send_to_all(body.kind(), wanted, encoded);
    }

    /// The same, in the light form, to those that read it.
    pub(crate) fn broadcast_light(&mut self, published: &Published, wanted: impl Fn(&Node) -> bool) {
        self.send_to_all(published.kind(), wanted, |_| Some(encode_light(published)));
    }

    /// Nothing is encoded for nobody.
    fn send_to_all(
        &mut self,
        kind: Kind,
        wanted: impl Fn(&Node) -> bool,
        encoded: impl FnOnce(&Cluster) -> Option<Bytes>,
    ) {
        let reached = |node: &&Node| node.is_member() && node.link_is_open && wanted(node);
        let links: Vec<BusLink> = self.nodes.others().filter(reached).filter_map(|node| node.link).collect();
        if links.is_empty() {
            return;
        }
        let Some(bytes) = encoded(self) else { return };
        *self.sent.entry(kind).or_default() += links.len() as u64;
        for link in links {
            self.push(Event::Send { link, bytes: bytes.clone() });
        }
    }

    /// How long a message has been waited for on an open link without a word.
    pub(crate) fn silence_of(&self, node: &Node) -> Nanos {
        let Some(asked) = node.ping_sent else { return Nanos::ZERO };
        let heard = node.data_received.unwrap_or(Mono(0));
        self.now.mono.since(asked.max(heard))
    }
}
