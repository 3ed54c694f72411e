//! What a message changes. A message that is older than what its sender has said since is dropped whole
//! (the two links of a pair do not share an order); of the rest, first the sender's own facts count, then
//! what it says of others.

use crate::cluster::Cluster;
use crate::event::{BusLink, Event, Severity};
use crate::node::{Health, Node, Stage};
use crate::wire::{Body, Extension, GossipEntry, GossipKind, Header, Message, NodeFlags};
use crate::{Epoch, NodeId};
use squall_clock::{Mono, Nanos};

/// Another clock may be a little ahead of this one's; one that is more so is not believed.
const CLOCK_AHEAD_MAX: Nanos = Nanos::from_millis(500);

impl Cluster {
    pub(crate) fn receive(&mut self, link: BusLink, message: Message) {
        let (header, body) = match message {
            Message::Full { header, body } => (header, body),
            Message::Light(published) => {
                *self.received.entry(published.kind()).or_default() += 1;
                let now = self.now.mono;
                let known = self.links.get(link).and_then(|link| link.node);
                let known = known.and_then(|node| self.nodes.get_mut(node));
                if let Some(node) = known.filter(|node| node.is_member()) {
                    node.data_received = Some(now);
                    self.push(Event::Published(published));
                }
                return;
            }
        };
        *self.received.entry(body.kind()).or_default() += 1;
        if header.sender == self.my_id() {
            return self.met_myself(link);
        }
        if self.nodes.member(header.sender).is_some() && !self.take_header(link, &header) {
            // Old news; but whoever asks with it hears what is true now.
            if matches!(body, Body::Gossip { kind: GossipKind::Ping, .. }) {
                self.answer(link, header.sender);
            }
            return;
        }
        let is_member = self.nodes.member(header.sender).is_some();
        match body {
            Body::Gossip { kind, entries, extensions } => {
                self.gossip(link, &header, kind, &entries, &extensions);
            }
            _ if !is_member => {
                let kind = body.kind().name();
                self.log(Severity::Debug, format!("Ignoring {kind} from unknown node {}", header.sender));
            }
            Body::Fail(node) => self.told_of_failure(header.sender, node),
            Body::Publish(published) => self.push(Event::Published(published)),
            Body::VoteRequest => self.consider_vote(&header),
            Body::Vote => self.count_vote(&header),
            Body::Update { config_epoch, node, slots } => self.take_update(config_epoch, node, &slots),
            Body::ManualFailoverStart => self.take_hand_over_message(header.sender),
            Body::Module | Body::Unknown(_) => {}
        }
    }

    /// The sender's own facts. False: this message is older than others of the same sender.
    fn take_header(&mut self, link: BusLink, header: &Header) -> bool {
        let now = self.now.mono;
        self.note_inbound(link, header.sender);
        if self.contradicts_newer(header) {
            return false;
        }
        let node = self.nodes.get_mut(header.sender).expect("only of members");
        if header.current_epoch < node.seen_epoch {
            return false;
        }
        node.seen_epoch = header.current_epoch;
        node.data_received = Some(now);
        node.refused_since = None;
        node.repl_offset = header.repl_offset;
        node.offset_heard = Some(now);
        node.is_squall = header.is_squall;
        node.reads_extensions = header.message.extensions;
        node.reads_light = header.flags.has(NodeFlags::READS_LIGHT);
        node.no_failover = header.flags.has(NodeFlags::NO_FAILOVER);
        node.migrate_to |= header.primary.is_none() && header.flags.has(NodeFlags::MIGRATE_TO);
        let raised = header.config_epoch > node.config_epoch;
        if raised {
            node.config_epoch = header.config_epoch;
        }
        // That it had failed was found of what it was before: a winner of an election lives, in its new role.
        let turned = raised || node.primary != header.primary;
        if turned && node.is_failed() {
            node.health = Health::Ok;
            node.reports.clear();
        }
        self.raise_epoch(header.current_epoch.max(header.config_epoch));
        if raised {
            self.durability.want_soon();
        }
        self.note_pause(header);
        true
    }

    /// It says that it follows somebody who is known to follow it: roles are not swapped without a new configuration
    /// epoch, and this node knows best whom it follows itself.
    fn contradicts_newer(&self, header: &Header) -> bool {
        let primary = header.primary.and_then(|id| self.nodes.get(id));
        let follows_it = primary.filter(|node| node.primary == Some(header.sender));
        let known = self.nodes.get(header.sender).map(|node| node.config_epoch);
        follows_it.is_some_and(|node| node.id == self.my_id() || Some(header.config_epoch) <= known)
    }

    fn gossip(
        &mut self,
        link: BusLink,
        header: &Header,
        kind: GossipKind,
        entries: &[GossipEntry],
        extensions: &[Extension],
    ) {
        if kind == GossipKind::Meet || (kind == GossipKind::Ping && self.nodes.me().host.is_empty()) {
            self.learn_my_address(link);
        }
        let was_member = self.nodes.member(header.sender).is_some();
        if !was_member && kind == GossipKind::Meet {
            self.meet_back(link, header);
        }
        if kind != GossipKind::Pong {
            self.answer(link, header.sender);
        }
        if !self.check_identity(link, header, kind) {
            return;
        }
        if self.nodes.member(header.sender).is_none() {
            return;
        }
        if !was_member && !self.take_header(link, header) {
            return;
        }
        if kind == GossipKind::Ping {
            self.note_address(link, header);
        }
        if kind == GossipKind::Pong {
            self.pong(link, header.sender);
        }
        self.take_extensions(header.sender, extensions);
        self.take_role(header);
        if header.primary.is_none() {
            self.take_claims(header);
            self.resolve_collision(header);
        }
        self.note_view(header);
        if kind == GossipKind::Pong {
            self.hear_of_hand_over(header);
        }
        self.take_entries(header.sender, entries);
        self.heed_doubts(entries);
    }

    fn answer(&mut self, link: BusLink, to: NodeId) {
        let Some(header) = self.header() else { return };
        let body = self.gossip_for(Some(to), GossipKind::Pong);
        self.send_on(link, &header, &body);
    }

    /// An answer on the link that this node dialled.
    fn pong(&mut self, link: BusLink, sender: NodeId) {
        let now = self.now.mono;
        let Some(node) = self.nodes.get_mut(sender) else { return };
        if node.link != Some(link) {
            return;
        }
        node.pong_received = Some(now);
        node.ping_sent = None;
        match node.health {
            Health::Ok => {}
            Health::Suspected => {
                node.health = Health::Ok;
                self.assess();
            }
            Health::Failed { .. } => self.clear_failure(sender),
        }
    }

    fn take_extensions(&mut self, sender: NodeId, extensions: &[Extension]) {
        let mut named = false;
        let (mut hostname, mut human_name) = (String::new(), String::new());
        for extension in extensions {
            named = true;
            match extension {
                Extension::Hostname(text) => hostname.clone_from(text),
                Extension::HumanName(text) => human_name.clone_from(text),
                Extension::Forgotten { node, seconds } => self.told_to_forget(*node, *seconds),
                Extension::Shard(shard) => {
                    let node = self.nodes.get_mut(sender).expect("a member");
                    if node.shard != Some(*shard) {
                        node.shard = Some(*shard);
                        self.durability.want_soon();
                        self.shard_became_known(sender);
                    }
                }
                Extension::ClientIpv4(_) | Extension::ClientIpv6(_) | Extension::Unknown(_) => {}
            }
        }
        let node = self.nodes.get_mut(sender).expect("a member");
        if named && (node.hostname != hostname || node.human_name != human_name) {
            node.hostname = hostname;
            node.human_name = human_name;
            self.durability.want_soon();
        }
    }

    /// Primary or replica, and whose.
    fn take_role(&mut self, header: &Header) {
        let node = self.nodes.get(header.sender).expect("a member");
        let (before, named) = (node.primary, node.id);
        if before == header.primary {
            return;
        }
        if before.is_none() {
            // Whatever it owned it has given up; who owns it now says so itself.
            self.nodes.vacate(named);
        }
        // Whom it follows follows nobody, least of all it: that one has not told its new role yet.
        if let Some(primary) = header.primary.and_then(|id| self.nodes.get_mut(id))
            && primary.primary == Some(named)
        {
            primary.primary = None;
        }
        let node = self.nodes.get_mut(named).expect("a member");
        node.primary = header.primary;
        node.migrate_to = false;
        node.orphaned_since = None;
        let role = match header.primary {
            Some(primary) => format!("a replica of {primary}"),
            None => "a primary".to_owned(),
        };
        self.log(Severity::Notice, format!("Node {named} is now {role}"));
        self.durability.want_soon();
        // A primary has replicas now, so it is worth coming back to when it has none left.
        if let Some(primary) = header.primary.and_then(|id| self.nodes.get_mut(id)) {
            primary.migrate_to = true;
        }
        self.keep_depth();
        self.assess();
    }

    /// My primary follows somebody else: so do I, where that one is a primary. Nobody follows a replica.
    /// It may have said so before that one was known to be a primary.
    fn keep_depth(&mut self) {
        let mine = self.nodes.me().primary.and_then(|id| self.nodes.get(id));
        let next = mine.and_then(|node| node.primary);
        if let Some(next) = next.filter(|next| *next != self.my_id())
            && self.nodes.member(next).is_some_and(Node::is_primary)
        {
            self.log(Severity::Notice, format!("My primary follows {next}, and so do I"));
            self.follow(next);
        }
    }

    fn take_entries(&mut self, sender: NodeId, entries: &[GossipEntry]) {
        let from_voter = self.nodes.get(sender).is_some_and(Node::is_voter);
        let myself = self.my_id();
        for entry in entries.iter().filter(|entry| entry.node != myself) {
            match self.nodes.get(entry.node) {
                None => self.heard_of_stranger(entry),
                Some(node) if node.stage == Stage::Member => self.take_entry(sender, from_voter, entry),
                Some(_) => {}
            }
        }
    }

    fn take_entry(&mut self, sender: NodeId, from_voter: bool, entry: &GossipEntry) {
        let silent = entry.flags.has(NodeFlags::SUSPECTED) || entry.flags.has(NodeFlags::FAILED);
        if from_voter {
            self.note_report(sender, entry.node, silent);
        }
        let now = self.now;
        let Some(node) = self.nodes.get_mut(entry.node) else { return };
        if !silent && node.is_well() && node.ping_sent.is_none() && node.reports.is_empty() {
            // Somebody else heard it: it need not be asked so soon.
            let heard_ms = u64::from(entry.pong_received_s) * 1_000;
            let ahead_ms = heard_ms.saturating_sub(now.unix_ms().0);
            if heard_ms > 0 && Nanos::from_millis(ahead_ms) <= CLOCK_AHEAD_MAX {
                let age = Nanos::from_millis(now.unix_ms().0.saturating_sub(heard_ms));
                let heard = Mono(now.mono.0.saturating_sub(age.0));
                node.pong_received = node.pong_received.max(Some(heard));
            }
        }
        if !silent {
            self.note_new_address(entry);
        }
    }

    /// An owner of slots whose claims are newer, reported by somebody whose own claim was refused with it.
    fn take_update(&mut self, config_epoch: Epoch, id: NodeId, slots: &crate::slots::SlotSet) {
        let Some(node) = self.nodes.member(id) else { return };
        if id == self.my_id() || node.config_epoch >= config_epoch {
            return;
        }
        self.raise_epoch(config_epoch);
        let node = self.nodes.get_mut(id).expect("looked up above");
        node.config_epoch = config_epoch;
        node.primary = None;
        self.durability.want_soon();
        self.bind_claims(id, config_epoch, slots);
    }
}
