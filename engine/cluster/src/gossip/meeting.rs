//! Strangers, addresses and names. A cluster grows by an operator's MEET, and by what its own members say of
//! one another; never by an address alone. Whoever answers at an address proves who it is by its name.

use squall_clock::{Mono, Nanos};

use crate::NodeId;
use crate::cluster::Cluster;
use crate::event::{BusLink, Severity};
use crate::links::Direction;
use crate::node::{Node, Stage};
use crate::turns::Turn;
use crate::wire::{GossipEntry, GossipKind, Header, NodeFlags, Ports};

/// At most so many nodes: a gossiper cannot make the table grow without bound.
pub(crate) const NODES_MAX: usize = 16_384;

impl Cluster {
    /// Somebody at the other end of a link bears my own name: it is me.
    pub(crate) fn met_myself(&mut self, link: BusLink) {
        let Some(dialled) = self.links.get(link).filter(|link| link.direction == Direction::To) else {
            return;
        };
        let node = dialled.node;
        self.close(link);
        match node.and_then(|node| self.nodes.get_mut(node)) {
            Some(node) if node.is_member() => node.host.clear(),
            Some(node) => {
                let id = node.id;
                self.nodes.remove(id);
            }
            None => {}
        }
    }

    /// Somebody means me: the address to which it came is mine.
    pub(crate) fn learn_my_address(&mut self, link: BusLink) {
        let Some(host) = self.links.get(link).map(|link| link.local_host.clone()) else { return };
        let me = self.nodes.me_mut();
        if self.options.announced_host.is_empty() && !host.is_empty() && me.host != host {
            me.host = host;
            self.durability.want_soon();
        }
    }

    /// Somebody wants me in its cluster: it is dialled, and proves its name by its answer.
    pub(crate) fn meet_back(&mut self, link: BusLink, header: &Header) {
        let host = self.host_of(link, header);
        self.start_handshake(host, header.ports, false);
    }

    /// Dials an address whose node is not known by name. False: there is one on its way already.
    pub(crate) fn start_handshake(&mut self, host: String, ports: Ports, meet: bool) -> bool {
        let pending = |node: &Node| !node.is_member() && node.host == host && node.ports.bus == ports.bus;
        if host.is_empty()
            || ports.bus == 0
            || self.nodes.len() >= NODES_MAX
            || self.nodes.iter().any(pending)
        {
            return false;
        }
        let id = NodeId::random(&mut self.rng);
        let mut node = Node::unknown(id, Stage::Handshake { since: self.now.mono, meet });
        node.host = host;
        node.ports = ports;
        self.nodes.insert(node);
        self.dial(id);
        true
    }

    /// A message over a link that this node dialled shows who is there. False: not who should be.
    pub(crate) fn check_identity(&mut self, link: BusLink, header: &Header, kind: GossipKind) -> bool {
        let Some(dialled) = self.links.get(link).filter(|link| link.direction == Direction::To) else {
            return true;
        };
        let Some(node) = dialled.node.and_then(|node| self.nodes.get(node)) else { return false };
        let (id, is_member) = (node.id, node.is_member());
        if id == header.sender {
            return true;
        }
        if is_member {
            let theirs = header.sender;
            self.log(Severity::Debug, format!("{theirs} answers at the address of {id}: dropping the link"));
            self.nodes.get_mut(id).expect("looked up above").host.clear();
            self.close(link);
            return false;
        }
        if kind != GossipKind::Pong {
            return true;
        }
        if let Some(known) = self.nodes.get(header.sender) {
            // A member, met again: at most its address is news.
            let (host, ports) = (self.nodes.get(id).expect("it is there").host.clone(), header.ports);
            let elsewhere = known.host != host || known.ports != ports;
            self.close_links_of(id);
            self.nodes.remove(id);
            if elsewhere {
                self.move_node(header.sender, host, ports);
            }
            return false;
        }
        self.complete_handshake(link, id, header);
        true
    }

    fn complete_handshake(&mut self, link: BusLink, provisional: NodeId, header: &Header) {
        self.nodes.rename(provisional, header.sender);
        self.rename_link(link, header.sender);
        let node = self.nodes.get_mut(header.sender).expect("renamed a line above");
        node.stage = Stage::Member;
        node.primary = header.primary;
        node.ports = header.ports;
        self.forgotten.remove(&header.sender);
        self.durability.want_soon();
        self.log(Severity::Notice, format!("Handshake with node {} completed", header.sender));
    }

    /// A member speaks of a node that is not known here: it belongs to the cluster.
    pub(crate) fn heard_of_stranger(&mut self, entry: &GossipEntry) {
        let vague = NodeFlags::NO_ADDRESS | NodeFlags::HANDSHAKE;
        let usable = entry.flags.0 & vague == 0 && !entry.host.is_empty() && entry.ports.bus != 0;
        if !usable || self.forgotten.contains_key(&entry.node) || self.nodes.len() >= NODES_MAX {
            return;
        }
        let mut node = Node::unknown(entry.node, Stage::Member);
        node.host = entry.host.clone();
        node.ports = entry.ports;
        self.nodes.insert(node);
        self.durability.want_soon();
        self.dial(entry.node);
    }

    // --- Addresses ---

    /// A known node asks from somewhere: that is where it is.
    pub(crate) fn note_address(&mut self, link: BusLink, header: &Header) {
        let inbound = self.links.get(link).is_some_and(|link| link.direction == Direction::From);
        let host = self.host_of(link, header);
        let Some(node) = self.nodes.get(header.sender) else { return };
        let moved = node.host != host || node.ports != header.ports;
        if inbound && moved && !host.is_empty() && !self.is_my_address(&host, header.ports) {
            self.move_node(header.sender, host, header.ports);
        }
    }

    /// Somebody reaches a node elsewhere that cannot be reached here. What is said once may be a flipped bit.
    pub(crate) fn note_new_address(&mut self, entry: &GossipEntry) {
        let Some(node) = self.nodes.get(entry.node) else { return };
        let unreachable = !node.is_well() || node.host.is_empty();
        let moved = node.host != entry.host || node.ports.bus != entry.ports.bus;
        let usable = !entry.host.is_empty() && !entry.flags.has(NodeFlags::NO_ADDRESS);
        if unreachable && moved && usable && !self.is_my_address(&entry.host, entry.ports) {
            let said = Some((entry.host.clone(), entry.ports));
            match said == node.rumoured {
                true => self.move_node(entry.node, entry.host.clone(), entry.ports),
                false => self.nodes.get_mut(entry.node).expect("looked up above").rumoured = said,
            }
        }
    }

    fn move_node(&mut self, id: NodeId, host: String, ports: Ports) {
        let Some(node) = self.nodes.get_mut(id) else { return };
        let bus_moved = node.host != host || node.ports.bus != ports.bus;
        node.host = host;
        node.ports = ports;
        node.refused_since = None;
        node.rumoured = None;
        let outbound = node.link;
        self.took(Turn::AddressLearnt);
        self.log(Severity::Notice, format!("Address updated for node {id}"));
        self.durability.want_soon();
        if bus_moved {
            if let Some(link) = outbound {
                self.close(link);
            }
            self.dial(id);
        }
        if self.nodes.me().primary == Some(id) {
            self.push_follow(id, true);
        }
    }

    /// A proxy on this machine can make a peer seem to be here.
    fn is_my_address(&self, host: &str, ports: Ports) -> bool {
        self.options.ports.bus == ports.bus && self.nodes.me().host == host
    }

    fn host_of(&self, link: BusLink, header: &Header) -> String {
        if header.host.is_empty() {
            self.links.get(link).map(|link| link.peer_host.clone()).unwrap_or_default()
        } else {
            header.host.clone()
        }
    }

    // --- Forgetting ---

    /// A member was told to forget a node, and says so.
    pub(crate) fn told_to_forget(&mut self, id: NodeId, seconds: u64) {
        const FORGET_SECONDS_MAX: u64 = 3_600;
        let until = self.now.mono + Nanos::from_secs(seconds.min(FORGET_SECONDS_MAX));
        let is_needed = id == self.my_id() || self.nodes.me().primary == Some(id);
        if seconds == 0 || is_needed || self.nodes.member(id).is_none() {
            return;
        }
        self.forget_node(id, until);
    }

    pub(crate) fn forget_node(&mut self, id: NodeId, until: Mono) {
        self.close_links_of(id);
        self.nodes.remove(id);
        self.forgotten.insert(id, until);
        self.durability.want_now();
        self.assess();
    }
}
