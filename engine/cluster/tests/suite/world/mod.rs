//! Many machines on one event heap: connections with latency and order, partitions, crashes, disks that take
//! their time and may lose what was not synced. Everything follows from the seed.

#![allow(dead_code, reason = "each test file uses a part of the world")]

pub mod picture;

use std::collections::{BTreeMap, BTreeSet};

use bytes::{Bytes, BytesMut};
use rand_chacha::ChaCha8Rng;
use rand_core::{Rng, SeedableRng};
use squall_clock::{Mono, Nanos, Now};
use squall_cluster::wire::{Message, Ports, decode};
use squall_cluster::{BusLink, Closed, Cluster, Event, NodeId, Options, ReplicationFacts, Slot, SlotSet};

pub const MS: u64 = 1_000_000;
const HOST: &str = "10.0.0.1";
const FIRST_PORT: u16 = 7_000;
const BUS_OFFSET: u16 = 10_000;
const UNIX_START_US: u64 = 1_700_000_000_000_000;

pub struct World {
    pub now: u64,
    agenda: BTreeMap<(u64, u64), Action>,
    sequence: u64,
    pub machines: Vec<Machine>,
    connections: BTreeMap<u64, Connection>,
    rng: ChaCha8Rng,
    /// Directions in which nothing arrives.
    cut: BTreeSet<(usize, usize)>,
    pub options: Options,
    pub settings: Settings,
    pub log: Vec<String>,
    pub messages: Vec<String>,
    pub bytes_sent: u64,
    pub messages_sent: u64,
}

#[derive(Clone, Debug)]
pub struct Settings {
    pub latency_min: u64,
    pub latency_spread: u64,
    pub disk_latency: u64,
    /// Write what is said, and what is logged.
    pub keeps_transcript: bool,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            latency_min: MS / 4,
            latency_spread: MS / 4,
            disk_latency: 2 * MS,
            keeps_transcript: false,
        }
    }
}

pub struct Machine {
    pub cluster: Option<Cluster>,
    pub id: Option<NodeId>,
    pub conf: Option<String>,
    links: BTreeMap<BusLink, u64>,
    /// Counts starts: what was meant for an earlier life does not arrive.
    life: u64,
    pub follows: Option<NodeId>,
    pub facts: ReplicationFacts,
    pub votes: Vec<(u64, NodeId)>,
    pub lost_slots: usize,
    pub promotions: usize,
    wakes_at: u64,
}

struct Connection {
    /// The dialling side, then the other.
    ends: [(usize, BusLink); 2],
    input: [BytesMut; 2],
    arrives: [u64; 2],
    /// Something was lost: nothing arrives any more.
    stalled: bool,
}

enum Action {
    Wake { machine: usize, life: u64 },
    Dial { machine: usize, life: u64, link: BusLink, port: u16 },
    Arrive { connection: u64, side: usize, bytes: Bytes },
    Close { machine: usize, life: u64, link: BusLink, how: Closed },
    Persisted { machine: usize, life: u64, generation: u64, text: String },
}

impl World {
    pub fn new(seed: u64, machines: usize) -> World {
        let mut world = World::empty(seed, machines);
        (0..machines).for_each(|machine| world.start(machine));
        world
    }

    pub fn empty(seed: u64, machines: usize) -> World {
        let machine = || Machine {
            cluster: None,
            id: None,
            conf: None,
            links: BTreeMap::new(),
            life: 0,
            follows: None,
            facts: ReplicationFacts::default(),
            votes: Vec::new(),
            lost_slots: 0,
            promotions: 0,
            wakes_at: 0,
        };
        World {
            now: MS,
            agenda: BTreeMap::new(),
            sequence: 0,
            machines: (0..machines).map(|_| machine()).collect(),
            connections: BTreeMap::new(),
            rng: ChaCha8Rng::seed_from_u64(seed),
            cut: BTreeSet::new(),
            options: Options { node_timeout: Nanos::from_millis(2_000), ..Options::default() },
            settings: Settings::default(),
            log: Vec::new(),
            messages: Vec::new(),
            bytes_sent: 0,
            messages_sent: 0,
        }
    }

    // --- What an operator does ---

    /// `primaries` shards with `replicas` each, formed by orders: machine `i` is primary of shard `i`, and
    /// machine `primaries + i` a replica of shard `i % primaries`.
    pub fn formed(seed: u64, primaries: usize, replicas: usize) -> World {
        let mut world = World::new(seed, primaries * (replicas + 1));
        world.form(primaries);
        world
    }

    /// Starts all machines with the nodes.conf of a cluster that has been formed before.
    pub fn preform(&mut self, primaries: usize) {
        let all = self.machines.len();
        let ids: Vec<NodeId> = (0..all).map(|_| NodeId::random(&mut self.rng)).collect();
        let line = |machine: usize, reader: usize| {
            let (id, port) = (ids[machine], FIRST_PORT + machine as u16);
            let myself = if machine == reader { "myself," } else { "" };
            let shard = machine % primaries;
            let (role, slots) = match machine < primaries {
                true => ("master -".to_owned(), format!(" {}", share(machine, primaries))),
                false => (format!("slave {}", ids[shard]), String::new()),
            };
            let (bus, epoch, shard) = (port + BUS_OFFSET, shard + 1, ids[shard]);
            format!(
                "{id} {HOST}:{port}@{bus},,shard-id={shard} {myself}{role} 0 0 {epoch} connected{slots}\n"
            )
        };
        for reader in 0..all {
            let lines: String = (0..all).map(|machine| line(machine, reader)).collect();
            let vars = format!("vars currentEpoch {primaries} lastVoteEpoch 0\n");
            self.machines[reader].conf = Some(lines + &vars);
            self.machines[reader].facts.has_synced = true;
            self.start(reader);
        }
    }

    pub fn form(&mut self, primaries: usize) {
        for machine in 0..primaries {
            let slots = share(machine, primaries);
            self.order(machine, |cluster, now| cluster.add_slots(&slots, now).unwrap());
        }
        for machine in 0..self.machines.len() {
            let epoch = squall_cluster::Epoch(machine as u64 + 1);
            self.order(machine, |cluster, now| cluster.set_config_epoch(epoch, now).unwrap());
        }
        for machine in 1..self.machines.len() {
            let port = FIRST_PORT + machine as u16;
            self.order(0, |cluster, now| cluster.meet(HOST, port, port + BUS_OFFSET, now).unwrap());
        }
        self.until("all have met", 30_000, |world| {
            let all = world.machines.len();
            world.live().all(|cluster| cluster.nodes().filter(|node| node.is_member()).count() == all)
        });
        for machine in primaries..self.machines.len() {
            let primary = self.id(machine % primaries);
            self.order(machine, |cluster, now| cluster.replicate(primary, true, now).unwrap());
        }
        self.until("the cluster is formed", 30_000, |world| world.converged());
    }

    pub fn order<T>(&mut self, machine: usize, order: impl FnOnce(&mut Cluster, Now) -> T) -> T {
        let now = self.time();
        let result = order(self.machines[machine].cluster.as_mut().expect("it runs"), now);
        self.settle(machine);
        result
    }

    pub fn cluster(&self, machine: usize) -> &Cluster {
        self.machines[machine].cluster.as_ref().expect("it runs")
    }

    pub fn id(&self, machine: usize) -> NodeId {
        self.machines[machine].id.expect("it has run")
    }

    pub fn machine_of(&self, id: NodeId) -> Option<usize> {
        self.machines.iter().position(|machine| machine.id == Some(id))
    }

    pub fn live(&self) -> impl Iterator<Item = &Cluster> {
        self.machines.iter().filter_map(|machine| machine.cluster.as_ref())
    }

    // --- Faults ---

    /// The process ends: its connections are closed, new ones refused.
    pub fn kill(&mut self, machine: usize) {
        self.end_life(machine);
        let ended: Vec<u64> = self.machines[machine].links.values().copied().collect();
        for id in ended {
            self.drop_connection(id, machine, Closed::Lost);
        }
        self.machines[machine].links.clear();
    }

    /// The machine is gone: nobody hears anything.
    pub fn power_off(&mut self, machine: usize) {
        self.end_life(machine);
        let ended: Vec<u64> = std::mem::take(&mut self.machines[machine].links).into_values().collect();
        for id in ended {
            if let Some(connection) = self.connections.get_mut(&id) {
                connection.stalled = true;
            }
        }
        for other in 0..self.machines.len() {
            self.cut.insert((machine, other));
            self.cut.insert((other, machine));
        }
    }

    fn end_life(&mut self, machine: usize) {
        self.machines[machine].cluster = None;
        self.machines[machine].life += 1;
        self.note(format!("{machine} ends"));
    }

    /// Starts with what its disk holds.
    pub fn start(&mut self, machine: usize) {
        let now = self.time();
        let others: Vec<usize> = (0..self.machines.len()).collect();
        for other in others {
            self.cut.remove(&(machine, other));
            self.cut.remove(&(other, machine));
        }
        let port = FIRST_PORT + machine as u16;
        let options = Options {
            ports: Ports { client: port, bus: port + BUS_OFFSET, plain: 0 },
            announced_host: HOST.to_owned(),
            ..self.options.clone()
        };
        let mut seed = [0; 32];
        self.rng.fill_bytes(&mut seed);
        let subject = &mut self.machines[machine];
        let cluster = match &subject.conf {
            Some(text) => Cluster::restore(options, seed, text, now).expect("what was written can be read"),
            None => Cluster::create(options, seed, now),
        };
        subject.id = Some(cluster.my_node().id);
        subject.cluster = Some(cluster);
        subject.follows = None;
        subject.wakes_at = u64::MAX;
        self.note(format!("{machine} starts"));
        self.settle(machine);
    }

    pub fn cut(&mut self, from: usize, to: usize) {
        self.cut.insert((from, to));
    }

    /// Nothing passes between the two groups.
    pub fn part(&mut self, one: &[usize], other: &[usize]) {
        for a in one {
            for b in other {
                self.cut.insert((*a, *b));
                self.cut.insert((*b, *a));
            }
        }
        self.note(format!("parted: {one:?} | {other:?}"));
    }

    pub fn heal(&mut self) {
        self.cut.clear();
        self.note("healed".to_owned());
    }

    // --- Time ---

    pub fn run_ms(&mut self, duration_ms: u64) {
        let end = self.now + duration_ms * MS;
        while self.step(end) {}
        self.now = end;
    }

    /// Runs until it is so; returns after how many milliseconds.
    pub fn until(&mut self, what: &str, limit_ms: u64, is_so: impl Fn(&World) -> bool) -> u64 {
        let start = self.now;
        while !is_so(self) {
            let elapsed = (self.now - start) / MS;
            assert!(elapsed < limit_ms, "not within {limit_ms} ms: {what}\n{}", self.describe());
            self.run_ms(10);
        }
        (self.now - start) / MS
    }

    fn step(&mut self, end: u64) -> bool {
        let Some(entry) = self.agenda.first_entry().filter(|entry| entry.key().0 <= end) else {
            return false;
        };
        let ((at, _), action) = entry.remove_entry();
        self.now = at;
        match action {
            Action::Wake { machine, life }
                if self.lives(machine, life) && self.machines[machine].wakes_at == at =>
            {
                self.machines[machine].wakes_at = u64::MAX;
                self.replicate(machine);
                let now = self.time();
                self.machines[machine].cluster.as_mut().expect("it lives").timeout(now);
                self.settle(machine);
            }
            Action::Dial { machine, life, link, port } if self.lives(machine, life) => {
                self.dial(machine, link, port);
            }
            Action::Arrive { connection, side, bytes } => self.arrive(connection, side, &bytes),
            Action::Close { machine, life, link, how } if self.lives(machine, life) => {
                self.machines[machine].links.remove(&link);
                let now = self.time();
                self.machines[machine].cluster.as_mut().expect("it lives").link_closed(link, how, now);
                self.settle(machine);
            }
            Action::Persisted { machine, life, generation, text } if self.lives(machine, life) => {
                self.machines[machine].conf = Some(text);
                let now = self.time();
                self.machines[machine].cluster.as_mut().expect("it lives").persisted(generation, now);
                self.settle(machine);
            }
            _ => {}
        }
        true
    }

    pub fn time(&self) -> Now {
        Now { mono: Mono(self.now), unix_us: UNIX_START_US + self.now / 1_000 }
    }

    fn lives(&self, machine: usize, life: u64) -> bool {
        self.machines[machine].life == life && self.machines[machine].cluster.is_some()
    }

    fn plan(&mut self, at: u64, action: Action) {
        self.sequence += 1;
        self.agenda.insert((at, self.sequence), action);
    }

    fn latency(&mut self) -> u64 {
        self.settings.latency_min + self.rng.next_u64() % self.settings.latency_spread.max(1)
    }

    // --- The network ---

    fn dial(&mut self, machine: usize, link: BusLink, port: u16) {
        let life = self.machines[machine].life;
        let target = usize::from(port - BUS_OFFSET - FIRST_PORT);
        if target >= self.machines.len()
            || self.cut.contains(&(machine, target))
            || self.cut.contains(&(target, machine))
        {
            // Nobody answers; a second later the system gives up.
            return self
                .plan(self.now + 1_000 * MS, Action::Close { machine, life, link, how: Closed::Lost });
        }
        if self.machines[target].cluster.is_none() {
            let at = self.now + self.settings.latency_min;
            return self.plan(at, Action::Close { machine, life, link, how: Closed::Refused });
        }
        let now = self.time();
        let other = self.machines[target].cluster.as_mut().expect("looked at above");
        let inbound = other.link_accepted(HOST.to_owned(), HOST.to_owned(), now);
        self.sequence += 1;
        let id = self.sequence;
        self.connections.insert(
            id,
            Connection {
                ends: [(machine, link), (target, inbound)],
                input: [BytesMut::new(), BytesMut::new()],
                arrives: [self.now; 2],
                stalled: false,
            },
        );
        self.machines[machine].links.insert(link, id);
        self.machines[target].links.insert(inbound, id);
        self.machines[machine].cluster.as_mut().expect("it dials").link_opened(link, now);
        self.settle(machine);
        self.settle(target);
    }

    fn send(&mut self, machine: usize, link: BusLink, bytes: Bytes) {
        let Some(id) = self.machines[machine].links.get(&link).copied() else { return };
        self.bytes_sent += bytes.len() as u64;
        self.messages_sent += 1;
        let latency = self.latency();
        let Some(connection) = self.connections.get_mut(&id) else { return };
        let from = usize::from(connection.ends[0] != (machine, link));
        let side = 1 - from;
        let target = connection.ends[side].0;
        if connection.stalled || self.cut.contains(&(machine, target)) {
            connection.stalled = true;
            return;
        }
        let at = (self.now + latency).max(connection.arrives[side]);
        connection.arrives[side] = at;
        if self.settings.keeps_transcript {
            let line = picture::message(self, machine, target, &bytes);
            self.messages.extend(line);
        }
        self.note_vote(machine, target, &bytes);
        self.plan(at, Action::Arrive { connection: id, side, bytes });
    }

    /// What every voter has granted, as it left: the network knows.
    fn note_vote(&mut self, machine: usize, target: usize, bytes: &Bytes) {
        if bytes[12..14] == [0, 6]
            && let Ok(Message::Full { header, .. }) = decode(bytes)
        {
            let candidate = self.id(target);
            self.machines[machine].votes.push((header.current_epoch.0, candidate));
        }
    }

    fn arrive(&mut self, id: u64, side: usize, bytes: &Bytes) {
        let Some(connection) = self.connections.get_mut(&id) else { return };
        let (machine, link) = connection.ends[side];
        let from = connection.ends[1 - side].0;
        if connection.stalled || self.cut.contains(&(from, machine)) {
            connection.stalled = true;
            return;
        }
        connection.input[side].extend_from_slice(bytes);
        let mut input = std::mem::take(&mut connection.input[side]);
        let now = self.time();
        if let Some(cluster) = self.machines[machine].cluster.as_mut() {
            cluster.data(link, &mut input, now);
        }
        if let Some(connection) = self.connections.get_mut(&id) {
            connection.input[side] = input;
        }
        self.settle(machine);
    }

    fn drop_connection(&mut self, id: u64, by: usize, how: Closed) {
        let Some(connection) = self.connections.remove(&id) else { return };
        for (machine, link) in connection.ends {
            if machine != by && !connection.stalled && !self.cut.contains(&(by, machine)) {
                let (at, life) = (self.now + self.settings.latency_min, self.machines[machine].life);
                self.plan(at.max(connection.arrives[0]), Action::Close { machine, life, link, how });
            }
        }
    }

    // --- The machines ---

    /// Carries out what a machine wants done.
    fn settle(&mut self, machine: usize) {
        let life = self.machines[machine].life;
        while let Some(event) = self.machines[machine].cluster.as_mut().and_then(Cluster::poll_event) {
            match event {
                Event::Connect { link, port, .. } => {
                    let at = self.now + self.settings.latency_min;
                    self.plan(at, Action::Dial { machine, life, link, port });
                }
                Event::Send { link, bytes } => self.send(machine, link, bytes),
                Event::Close { link } => {
                    if let Some(id) = self.machines[machine].links.remove(&link) {
                        self.drop_connection(id, machine, Closed::Lost);
                    }
                }
                Event::Persist { generation, text } => {
                    let at = self.now + self.settings.disk_latency;
                    self.plan(at, Action::Persisted { machine, life, generation, text });
                }
                Event::Promote => {
                    self.machines[machine].follows = None;
                    self.machines[machine].promotions += 1;
                    self.note(format!("{machine} is promoted"));
                }
                Event::Follow { primary, .. } => {
                    self.machines[machine].follows = Some(primary);
                    self.note(format!("{machine} follows {}", self.name(primary)));
                }
                Event::PauseWrites { .. } => {
                    let (now, offset) = (self.time(), self.machines[machine].facts.offset);
                    let cluster = self.machines[machine].cluster.as_mut().expect("it lives");
                    cluster.writes_paused(offset, now);
                    self.note(format!("{machine} pauses writes"));
                }
                Event::ResumeWrites => self.note(format!("{machine} resumes writes")),
                Event::SlotsLost(slots) => {
                    self.machines[machine].lost_slots += slots.len();
                    self.note(format!("{machine} lost {slots}"));
                }
                Event::Availability { ok } => {
                    self.note(format!("{machine} finds the cluster {}", if ok { "ok" } else { "down" }));
                }
                Event::Published(_) | Event::Flush | Event::Log { .. } => {}
            }
        }
        let Some(cluster) = &self.machines[machine].cluster else { return };
        let at = cluster.poll_timeout().0.max(self.now);
        if at < self.machines[machine].wakes_at || self.machines[machine].wakes_at < self.now {
            self.machines[machine].wakes_at = at;
            self.plan(at, Action::Wake { machine, life });
        }
    }

    /// Replication, as far as the cluster sees it: an offset that follows the primary's while it is reached.
    fn replicate(&mut self, machine: usize) {
        let followed = self.machines[machine].follows.and_then(|id| self.machine_of(id));
        let reached = followed.filter(|primary| {
            self.machines[*primary].cluster.is_some()
                && !self.cut.contains(&(*primary, machine))
                && !self.cut.contains(&(machine, *primary))
        });
        let now = Mono(self.now);
        let mut facts = self.machines[machine].facts;
        match (self.machines[machine].follows, reached) {
            (None, _) => {
                facts.offset += 10;
                facts = ReplicationFacts { link_up: false, down_since: None, ..facts };
            }
            (Some(_), Some(primary)) => {
                let offset = self.machines[primary].facts.offset;
                facts = ReplicationFacts { offset, link_up: true, down_since: None, has_synced: true };
            }
            (Some(_), None) => {
                facts.link_up = false;
                facts.down_since.get_or_insert(now);
            }
        }
        self.machines[machine].facts = facts;
        self.machines[machine].cluster.as_mut().expect("it lives").set_replication(facts);
    }

    // --- What is seen from outside ---

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

    fn note(&mut self, what: String) {
        if self.settings.keeps_transcript {
            let line = picture::at(self.now, &what);
            self.messages.push(line.clone());
            self.log.push(line);
        }
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

/// The slots of one of so many equal shards.
pub fn share(shard: usize, shards: usize) -> SlotSet {
    let bound = |shard: usize| (16_384 * shard / shards) as u64;
    (bound(shard)..bound(shard + 1)).filter_map(Slot::checked).collect()
}
