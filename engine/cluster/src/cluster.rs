//! The machine itself: what it holds, and the calls by which the world reaches it. Each concern's decisions
//! are in its own folder; here they are only called, in order.

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;
use rand_chacha::ChaCha8Rng;
use rand_core::SeedableRng;
use squall_clock::{Mono, Nanos, Now};

use crate::availability::Availability;
use crate::conf::{self, ConfError};
use crate::durability::{Claims, Deferred, Durability};
use crate::election::{Election, HandOver, ManualFailover};
use crate::event::{Event, ReplicationFacts, Severity};
use crate::gossip::Watch;
use crate::links::Links;
use crate::node::{Node, Stage};
use crate::nodes::Nodes;
use crate::options::Options;
use crate::slot_migration::SlotMigrations;
use crate::slots::{Promise, Slot, SlotSet};
use crate::turns::{Turn, Turns};
use crate::wire::Kind;
use crate::{Epoch, NodeId, ShardId};

/// How often the machine looks at what ages without an event.
const TICK: Nanos = Nanos::from_millis(100);

pub struct Cluster {
    pub(crate) options: Options,
    pub(crate) rng: ChaCha8Rng,
    pub(crate) now: Now,
    pub(crate) started: Mono,
    pub(crate) nodes: Nodes,
    pub(crate) current_epoch: Epoch,
    pub(crate) last_vote_epoch: Epoch,
    pub(crate) durability: Durability,
    pub(crate) links: Links,
    pub(crate) replication: ReplicationFacts,
    pub(crate) availability: Availability,
    pub(crate) election: Option<Election>,
    /// No election before that: the last one found no majority.
    pub(crate) next_election: Mono,
    /// This replica takes over by an operator's word.
    pub(crate) manual: Option<ManualFailover>,
    /// This primary hands over to a replica.
    pub(crate) hand_over: Option<HandOver>,
    /// Slots that this node gives away, and to whom; that it takes in, and from whom.
    pub(crate) migrating: BTreeMap<Slot, NodeId>,
    pub(crate) importing: BTreeMap<Slot, NodeId>,
    /// What the primary of this replica has said that it is about to do with a slot, until it is seen done or is old.
    pub(crate) promised: BTreeMap<Slot, Promise>,
    pub(crate) migrations: SlotMigrations,
    /// Nodes that were forgotten, until gossip may bring them back.
    pub(crate) forgotten: BTreeMap<NodeId, Mono>,
    pub(crate) sent: BTreeMap<Kind, u64>,
    pub(crate) received: BTreeMap<Kind, u64>,
    pub(crate) next_tick: Mono,
    pub(crate) ticks: u64,
    /// Whether every node that decides is one of Squall's, which keep a quicker time among themselves, where the
    /// operator lets them.
    pub(crate) is_quick: bool,
    pub(crate) watch: Watch,
    pub(crate) turns: Turns,
    events: VecDeque<Event>,
}

impl Cluster {
    /// A node that nobody knows yet, under a new name.
    pub fn create(options: Options, seed: [u8; 32], now: Now) -> Cluster {
        let mut rng = ChaCha8Rng::from_seed(seed);
        let mut me = Node::unknown(NodeId::random(&mut rng), Stage::Member);
        me.shard = Some(ShardId::random(&mut rng));
        let mut cluster = Cluster::around(options, rng, Nodes::of(me), now);
        cluster.log(Severity::Notice, format!("No cluster configuration found, I'm {}", cluster.my_id()));
        cluster.durability.want_now();
        cluster.finish(false);
        cluster
    }

    /// The node that nodes.conf describes.
    pub fn restore(options: Options, seed: [u8; 32], text: &str, now: Now) -> Result<Cluster, ConfError> {
        let mut rng = ChaCha8Rng::from_seed(seed);
        let saved = conf::parse(text, now)?;
        let mut cluster = Cluster::around(options, ChaCha8Rng::from_rng(&mut rng), saved.nodes, now);
        cluster.current_epoch = saved.current_epoch;
        cluster.last_vote_epoch = saved.last_vote_epoch;
        cluster.migrating = saved.migrating;
        cluster.restore_grants();
        cluster.importing = saved.importing;
        if cluster.nodes.me().shard.is_none() {
            cluster.nodes.me_mut().shard = Some(ShardId::random(&mut rng));
        }
        // Who has replicas has had some: when they are gone, others may come.
        let followed: Vec<NodeId> = cluster.nodes.iter().filter_map(|node| node.primary).collect();
        for id in followed {
            if let Some(primary) = cluster.nodes.get_mut(id) {
                primary.migrate_to = true;
            }
        }
        // An epoch that is not in `vars` may still be in a node's line, where an operator wrote the file.
        let highest = cluster.nodes.iter().map(|node| node.config_epoch).max().unwrap_or_default();
        cluster.current_epoch = cluster.current_epoch.max(highest);
        cluster.durability = Durability::of(cluster.claims());
        cluster.log(Severity::Notice, format!("Node configuration loaded, I'm {}", cluster.my_id()));
        let primary = cluster.nodes.me().primary;
        if let Some(primary) = primary {
            cluster.push_follow(primary, true);
        }
        cluster.finish(false);
        Ok(cluster)
    }

    fn around(options: Options, rng: ChaCha8Rng, nodes: Nodes, now: Now) -> Cluster {
        let mut cluster = Cluster {
            rng,
            now,
            started: now.mono,
            nodes,
            current_epoch: Epoch::ZERO,
            last_vote_epoch: Epoch::ZERO,
            durability: Durability::of(Claims::default()),
            links: Links::default(),
            replication: ReplicationFacts::default(),
            availability: Availability::at_start(),
            election: None,
            next_election: Mono(0),
            manual: None,
            hand_over: None,
            migrating: BTreeMap::new(),
            importing: BTreeMap::new(),
            promised: BTreeMap::new(),
            migrations: SlotMigrations::default(),
            forgotten: BTreeMap::new(),
            sent: BTreeMap::new(),
            received: BTreeMap::new(),
            next_tick: now.mono,
            ticks: 0,
            is_quick: options.quick_failover,
            watch: Watch::default(),
            turns: Turns::default(),
            events: VecDeque::new(),
            options,
        };
        cluster.describe_myself();
        cluster
    }

    // --- The calling contract: after any call, poll events until there are none ---

    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    pub fn poll_timeout(&self) -> Mono {
        let deadlines = [
            self.election_deadline(),
            self.durability.next_timeout(self.now.mono),
            self.manual.as_ref().map(|manual| manual.until),
            self.migrations_deadline(),
        ];
        deadlines.into_iter().flatten().fold(self.next_tick, Mono::min)
    }

    pub fn timeout(&mut self, now: Now) {
        self.now = now;
        let is_tick = now.mono >= self.next_tick;
        if is_tick {
            self.next_tick = now.mono + TICK;
            self.ticks += 1;
            self.tick();
        }
        self.tend_manual_failover();
        self.tend_hand_over();
        self.tend_election();
        self.tend_migrations();
        self.finish(is_tick);
    }

    /// nodes.conf with that number is durable.
    pub fn persisted(&mut self, generation: u64, now: Now) {
        self.now = now;
        for deferred in self.durability.persisted(generation) {
            match deferred {
                Deferred::Vote { candidate, epoch } => self.send_vote(candidate, epoch),
                Deferred::RequestVotes { epoch } => self.request_votes(epoch),
                Deferred::Promote => self.promoted(),
                Deferred::Announce => self.announce(),
                Deferred::Grant(job) => self.grant_is_durable(job),
                Deferred::Taken(job) => self.claim_is_durable(job),
            }
        }
        self.finish(false);
    }

    /// It could not be written. The node goes on serving, and promises nothing meanwhile.
    pub fn persist_failed(&mut self, generation: u64, reason: &str, now: Now) {
        self.now = now;
        self.took(Turn::ConfigurationUnsaved);
        self.log(Severity::Warning, format!("Cannot save the cluster configuration: {reason}"));
        self.durability.failed(generation, now.mono);
        self.finish(false);
    }

    /// What replication does, as often as the node likes; before `timeout` at least.
    pub fn set_replication(&mut self, facts: ReplicationFacts) {
        self.replication = facts;
        self.nodes.me_mut().repl_offset = facts.offset;
    }

    pub fn set_options(&mut self, options: Options, now: Now) {
        self.now = now;
        self.options = options;
        self.describe_myself();
        self.durability.want_now();
        self.finish(false);
    }

    /// A message for every other node of the cluster, or of this shard.
    pub fn publish(&mut self, sharded: bool, channel: Bytes, message: Bytes, now: Now) {
        self.now = now;
        self.broadcast_published(sharded, channel, message);
        self.finish(false);
    }

    // --- Within ---

    fn tick(&mut self) {
        self.is_quick = self.options.quick_failover
            && self.nodes.others().filter(|node| node.is_voter()).all(|node| node.is_squall);
        self.drop_unanswered_handshakes();
        self.forgotten.retain(|_, until| *until > self.now.mono);
        self.dial_unlinked();
        self.ping_at_random();
        self.ping_the_silent();
        self.suspect_the_silent();
        self.tend_watch();
        self.repeat_failures();
        self.note_orphans();
        self.consider_migration();
        self.assess();
    }

    /// What every call ends with.
    pub(crate) fn finish(&mut self, is_tick: bool) {
        let claims = self.claims();
        if let Some(generation) = self.durability.begin(claims, is_tick, self.now.mono) {
            let text = conf::text(self);
            self.push(Event::Persist { generation, text });
        }
    }

    pub(crate) fn claims(&self) -> Claims {
        let me = self.nodes.me();
        Claims {
            current_epoch: self.current_epoch,
            config_epoch: me.config_epoch,
            primary: me.primary,
            slots: self.claimed_slots(),
        }
    }

    /// Puts what the configuration says into this node's own line.
    fn describe_myself(&mut self) {
        let options = self.options.clone();
        let me = self.nodes.me_mut();
        me.ports = options.ports;
        me.hostname = options.hostname;
        me.human_name = options.human_name;
        me.no_failover = options.no_failover;
        me.is_squall = true;
        me.reads_extensions = true;
        if !options.announced_host.is_empty() {
            me.host = options.announced_host;
        }
    }

    pub(crate) fn my_id(&self) -> NodeId {
        self.nodes.my_id()
    }

    pub(crate) fn push(&mut self, event: Event) {
        self.events.push_back(event);
    }

    pub(crate) fn log(&mut self, severity: Severity, message: impl Into<String>) {
        self.push(Event::Log { severity, message: message.into() });
    }

    /// The cluster's clock never goes back.
    pub(crate) fn raise_epoch(&mut self, to: Epoch) {
        if to > self.current_epoch {
            self.current_epoch = to;
            self.durability.want_soon();
        }
    }

    pub(crate) fn push_follow(&mut self, primary: NodeId, same_shard: bool) {
        if let Some(node) = self.nodes.get(primary).filter(|node| !node.host.is_empty()) {
            let (host, port) = (node.host.clone(), node.ports.client);
            self.push(Event::Follow { primary, host, port, same_shard });
        }
    }

    /// From now on a replica of `primary`. What belonged to the old role ends: elections, hand-overs, slots.
    pub(crate) fn follow(&mut self, primary: NodeId) {
        assert_ne!(primary, self.my_id(), "nobody follows itself");
        self.election = None;
        self.next_election = Mono(0);
        self.manual = None;
        self.end_hand_over();
        self.durability.forget_waiting();
        self.leave_migrations();
        self.give_up_slots();
        let shard = self.nodes.get(primary).and_then(|node| node.shard);
        let me = self.nodes.me_mut();
        me.primary = Some(primary);
        me.migrate_to = false;
        // Decided with the identity before the change: what is here came from that shard.
        let same_shard = shard.is_some() && shard == me.shard;
        if shard.is_some() {
            me.shard = shard;
        }
        self.durability.want_now();
        self.push_follow(primary, same_shard);
    }

    /// From now on this node owns no slot, and moves none.
    pub(crate) fn give_up_slots(&mut self) {
        let myself = self.my_id();
        self.nodes.drop_slots_of(myself);
        self.migrating.clear();
        self.importing.clear();
        self.promised.clear();
    }

    /// Slots that went to others, whose keys are stale here.
    pub(crate) fn push_lost(&mut self, slots: SlotSet) {
        if !slots.is_empty() {
            self.push(Event::SlotsLost(slots));
        }
    }
}
