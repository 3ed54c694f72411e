//! Several nodes and the wires between them, in a test's own hands: every byte moves when the test says
//! so, in pieces as small as it likes, and a wire can be cut at any of them.
#![allow(dead_code, reason = "each test file uses its own part")]

use std::collections::{BTreeMap, VecDeque};
use std::io::IoSlice;

use bytes::BytesMut;
use squall_clock::{Mono, Nanos, Now};
use squall_node::{ClientId, Config, DiskDone, DiskRequest, Effect, Environment, LinkId, Node, NodeOptions};
use squall_resp::{Value, decode, encode_command};

use crate::common::{MemoryDisk, START};

pub struct Mesh {
    pub now: Now,
    pub servers: Vec<Server>,
    /// Connections from replicas to their primaries, by number in order of their opening.
    pub wires: BTreeMap<usize, Wire>,
    opened: usize,
}

pub struct Server {
    pub node: Node,
    pub disk: MemoryDisk,
    pub logs: Vec<String>,
    /// Takes no connections.
    pub deaf: bool,
    /// Disk requests wait.
    pub hold_disk: bool,
    settings: Vec<String>,
    starts: u8,
    client: ClientId,
    /// Requests that the server did not want yet.
    client_input: BytesMut,
    client_output: BytesMut,
    pending: VecDeque<DiskRequest>,
}

pub struct Wire {
    pub replica: usize,
    pub primary: usize,
    link: LinkId,
    client: ClientId,
    up_input: BytesMut,
    down_input: BytesMut,
    /// Bytes that went down in all.
    pub down_bytes: usize,
    /// Nothing moves.
    pub stalled: bool,
}

pub const A: usize = 0;
pub const B: usize = 1;
pub const C: usize = 2;

pub fn seconds(count: u64) -> Nanos {
    Nanos::from_secs(count)
}

pub fn assert_in_step(mesh: &mut Mesh, servers: &[usize]) {
    let (position, digest) = (mesh.position(servers[0]), mesh.digest(servers[0]));
    for &at in &servers[1..] {
        assert_eq!(mesh.position(at), position, "server {at} has the same history");
        assert_eq!(mesh.digest(at), digest, "server {at} has the same dataset");
    }
}

/// B follows A, and has all of it.
pub fn pair(settings: &[&str]) -> Mesh {
    let mut mesh = Mesh::of(2, settings);
    mesh.call(A, &["SET", "first", "1"]);
    mesh.replica_of(B, A);
    mesh.run(seconds(2));
    assert_eq!(mesh.info(B, "master_link_status"), "up");
    mesh
}

/// The port that server `at` is known by.
pub fn port(at: usize) -> String {
    (7000 + at).to_string()
}

impl Mesh {
    /// So many servers, alike but for their ports. Datasets are sent at once, and nothing is saved unasked.
    pub fn of(count: usize, settings: &[&str]) -> Mesh {
        let mut mesh = Mesh { now: START, servers: Vec::new(), wires: BTreeMap::new(), opened: 0 };
        for at in 0..count {
            let own = port(at);
            let common = [
                ("--port", own.as_str()),
                ("--save", ""),
                ("--repl-diskless-sync-delay", "0"),
                ("--protected-mode", "no"),
                ("--enable-debug-command", "yes"),
                // So that a dataset is as large as it looks.
                ("--rdbcompression", "no"),
            ];
            let common = common.iter().flat_map(|(name, value)| [name, value]);
            let words = common.chain(settings).map(|word| word.to_string()).collect();
            mesh.servers.push(Server::start(words, MemoryDisk::default(), at as u8, mesh.now));
        }
        mesh.run(Nanos::ZERO);
        mesh
    }

    /// The process ends without a word and starts on its disk, with more settings.
    pub fn restart(&mut self, at: usize, more: &[&str]) {
        for number in self.wires_of(at) {
            self.cut(number);
        }
        let server = &mut self.servers[at];
        let mut settings = server.settings.clone();
        settings.extend(more.iter().map(|word| word.to_string()));
        let starts = server.starts;
        let mut disk = server.disk.clone();
        disk.fail_at = None;
        let mut again = Server::start(settings.clone(), disk, starts.wrapping_add(50), self.now);
        again.settings = server.settings.clone();
        self.servers[at] = again;
        self.run(Nanos::ZERO);
    }

    // --- Clients ---

    /// Sends a command and returns its reply, if one has come when everything has been delivered.
    pub fn try_call(&mut self, at: usize, words: &[&str]) -> Option<Value> {
        self.servers[at].client_output.clear();
        self.send(at, words);
        self.run(Nanos::ZERO);
        self.reply(at)
    }

    pub fn call(&mut self, at: usize, words: &[&str]) -> Value {
        self.try_call(at, words).unwrap_or_else(|| panic!("no reply to {words:?}"))
    }

    /// Sends a command and delivers nothing else. Its reply is forgotten with the next `call`.
    pub fn send(&mut self, at: usize, words: &[&str]) {
        let mut request = BytesMut::new();
        encode_command(&mut request, words.iter().map(|word| word.as_bytes()));
        self.send_raw(at, &request);
    }

    pub fn send_raw(&mut self, at: usize, bytes: &[u8]) {
        self.servers[at].client_input.extend_from_slice(bytes);
        self.servers[at].give_own_input(self.now);
        self.settle();
    }

    /// Sends a command and returns its reply, while nothing moves between the servers.
    pub fn ask(&mut self, at: usize, words: &[&str]) -> Option<Value> {
        self.servers[at].client_output.clear();
        self.send(at, words);
        self.reply(at)
    }

    pub fn reply(&mut self, at: usize) -> Option<Value> {
        let output = &mut self.servers[at].client_output;
        let (value, used) = decode(output).expect("replies are well-formed")?;
        let _ = output.split_to(used);
        Some(value)
    }

    /// The next commands to this server come over another connection; what waits on the one before, waits on.
    pub fn another_client(&mut self, at: usize) {
        let server = &mut self.servers[at];
        server.client = server.node.client_opened("127.0.0.1:3".into(), "127.0.0.1:2".into(), self.now);
        server.client_input.clear();
    }

    /// A reply as text: a bulk string, an error line, a number.
    pub fn text(&mut self, at: usize, words: &[&str]) -> String {
        match self.call(at, words) {
            Value::Bulk(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
            Value::Simple(text) | Value::Error(text) => text,
            Value::Integer(number) => number.to_string(),
            other => format!("{other:?}"),
        }
    }

    /// A field of `INFO`, while nothing moves between the servers.
    pub fn info_now(&mut self, at: usize, field: &str) -> String {
        let Some(Value::Bulk(all)) = self.ask(at, &["INFO", "replication"]) else { panic!("INFO is a text") };
        let all = String::from_utf8_lossy(&all);
        let line = all.lines().find_map(|line| line.strip_prefix(&format!("{field}:")));
        line.unwrap_or_else(|| panic!("INFO has no {field}")).to_owned()
    }

    /// A field of `INFO`.
    pub fn info(&mut self, at: usize, field: &str) -> String {
        let all = self.text(at, &["INFO", "everything"]);
        let line = all.lines().find_map(|line| line.strip_prefix(&format!("{field}:")));
        line.unwrap_or_else(|| panic!("INFO has no {field}")).to_owned()
    }

    pub fn replica_of(&mut self, at: usize, primary: usize) {
        assert_eq!(self.text(at, &["REPLICAOF", "primary", &port(primary)]), "OK");
    }

    /// The operator insists.
    pub fn replica_of_again(&mut self, at: usize, primary: usize) {
        let reply = self.text(at, &["REPLICAOF", "primary", &port(primary)]);
        assert_eq!(reply, "OK Already connected to specified master");
    }

    pub fn digest(&mut self, at: usize) -> String {
        self.text(at, &["DEBUG", "DIGEST"])
    }

    /// The id and the offset of its history, as INFO has them.
    pub fn position(&mut self, at: usize) -> (String, String) {
        (self.info(at, "master_replid"), self.info(at, "master_repl_offset"))
    }

    pub fn has_logged(&self, at: usize, part: &str) -> bool {
        self.servers[at].logs.iter().any(|line| line.contains(part))
    }

    // --- The network and the clock ---

    pub fn wires_of(&self, at: usize) -> Vec<usize> {
        let touches = |wire: &Wire| wire.replica == at || wire.primary == at;
        self.wires.iter().filter(|(_, wire)| touches(wire)).map(|(number, _)| *number).collect()
    }

    /// Its wires are cut, and it takes no others.
    pub fn take_away(&mut self, at: usize) {
        self.servers[at].deaf = true;
        for number in self.wires_of(at) {
            self.cut(number);
        }
    }

    pub fn cut(&mut self, number: usize) {
        if let Some(wire) = self.wires.remove(&number) {
            self.servers[wire.primary].node.client_closed(wire.client, self.now);
            self.servers[wire.replica].node.link_closed(wire.link, "connection reset", self.now);
            self.settle();
        }
    }

    /// Time passes, and everything arrives at once.
    pub fn run(&mut self, duration: Nanos) {
        let end = self.now.mono + duration;
        loop {
            self.settle();
            while self.deliver_everything() {}
            let due = self.servers.iter().filter_map(|server| server.node.poll_timeout()).min();
            match due.filter(|due| *due <= end) {
                Some(due) => self.tick(due),
                None => break,
            }
        }
        self.tick(end);
        while self.deliver_everything() {}
    }

    /// Time passes, and nothing arrives.
    pub fn wait(&mut self, duration: Nanos) {
        let end = self.now.mono + duration;
        self.settle();
        while let Some(due) = self
            .servers
            .iter()
            .filter_map(|server| server.node.poll_timeout())
            .min()
            .filter(|due| *due <= end)
        {
            self.tick(due);
        }
        self.tick(end);
    }

    fn tick(&mut self, to: Mono) {
        let to = to.max(self.now.mono);
        let passed = to.since(self.now.mono);
        self.now = Now { mono: to, unix_us: self.now.unix_us + passed.as_micros() };
        for server in &mut self.servers {
            if server.node.poll_timeout().is_some_and(|due| due <= to) {
                server.node.timeout(self.now);
            }
        }
        self.settle();
    }

    fn deliver_everything(&mut self) -> bool {
        let numbers: Vec<usize> = self.wires.keys().copied().collect();
        let mut moved = 0;
        for number in numbers {
            moved += self.deliver_up(number, usize::MAX);
            moved += self.deliver_down(number, usize::MAX);
        }
        moved > 0
    }

    /// Moves up to `count` bytes from a primary to its replica; how many it moved.
    pub fn deliver_down(&mut self, number: usize, count: usize) -> usize {
        self.deliver_down_changed(number, count, |_| {})
    }

    /// As `deliver_down`, over a wire that changes what it carries.
    pub fn deliver_down_changed(
        &mut self,
        number: usize,
        count: usize,
        change: impl FnOnce(&mut Vec<u8>),
    ) -> usize {
        let Some(wire) = self.wires.get_mut(&number).filter(|wire| !wire.stalled) else { return 0 };
        let mut slices = [IoSlice::new(&[]); 8];
        let filled = self.servers[wire.primary].node.output_slices(wire.client, &mut slices);
        let mut bytes = gathered(&slices[..filled], count);
        if bytes.is_empty() {
            return 0;
        }
        let moved = bytes.len();
        change(&mut bytes);
        wire.down_bytes += moved;
        wire.down_input.extend_from_slice(&bytes);
        let (replica, primary, link, client) = (wire.replica, wire.primary, wire.link, wire.client);
        let mut input = std::mem::take(&mut wire.down_input);
        self.servers[primary].node.output_written(client, moved, self.now);
        self.servers[replica].node.link_data(link, &mut input, self.now);
        if let Some(wire) = self.wires.get_mut(&number) {
            wire.down_input = input;
        }
        self.settle();
        moved
    }

    /// Moves up to `count` bytes from a replica to its primary; how many it moved.
    pub fn deliver_up(&mut self, number: usize, count: usize) -> usize {
        let Some(wire) = self.wires.get_mut(&number).filter(|wire| !wire.stalled) else { return 0 };
        let mut slices = [IoSlice::new(&[]); 8];
        let filled = self.servers[wire.replica].node.link_output_slices(wire.link, &mut slices);
        let bytes = gathered(&slices[..filled], count);
        if bytes.is_empty() {
            return 0;
        }
        wire.up_input.extend_from_slice(&bytes);
        let (replica, primary, link, client) = (wire.replica, wire.primary, wire.link, wire.client);
        let mut input = std::mem::take(&mut wire.up_input);
        self.servers[replica].node.link_output_written(link, bytes.len(), self.now);
        self.servers[primary].node.client_data(client, &mut input, self.now);
        if let Some(wire) = self.wires.get_mut(&number) {
            wire.up_input = input;
        }
        self.settle();
        bytes.len()
    }

    // --- Effects ---

    /// Carries out effects until nothing is left to do but to move bytes and time.
    pub fn settle(&mut self) {
        loop {
            let mut acted = false;
            for at in 0..self.servers.len() {
                while let Some(effect) = self.servers[at].node.poll_effect() {
                    self.carry_out(at, effect);
                    acted = true;
                }
                let server = &mut self.servers[at];
                if !server.hold_disk
                    && let Some(request) = server.pending.pop_front()
                {
                    let result = server.disk.perform(request.op);
                    server.node.disk_done(DiskDone { ticket: request.ticket, result }, self.now);
                    acted = true;
                }
                server.take_own_output(self.now);
            }
            if !acted {
                return;
            }
        }
    }

    /// One disk request of a server whose disk is held.
    pub fn perform_one(&mut self, at: usize) {
        let server = &mut self.servers[at];
        if let Some(request) = server.pending.pop_front() {
            let result = server.disk.perform(request.op);
            server.node.disk_done(DiskDone { ticket: request.ticket, result }, self.now);
            self.settle();
        }
    }

    fn carry_out(&mut self, at: usize, effect: Effect) {
        match effect {
            Effect::Connect { link, port, .. } => self.connect(at, link, usize::from(port) - 7000),
            Effect::CloseClient(client) => {
                let wire = self.wires.iter().find(|(_, wire)| wire.primary == at && wire.client == client);
                match wire.map(|(number, _)| *number) {
                    Some(number) => self.cut(number),
                    None => self.servers[at].node.client_closed(client, self.now),
                }
            }
            Effect::CloseLink(link) => {
                let wire = self.wires.iter().find(|(_, wire)| wire.replica == at && wire.link == link);
                if let Some(number) = wire.map(|(number, _)| *number) {
                    let wire = self.wires.remove(&number).expect("found a line above");
                    self.servers[wire.primary].node.client_closed(wire.client, self.now);
                }
            }
            Effect::WakeClient(client) => {
                // Input that had to wait is given again.
                let wire = self.wires.values_mut().find(|wire| wire.primary == at && wire.client == client);
                if let Some(wire) = wire.filter(|wire| !wire.up_input.is_empty()) {
                    self.servers[at].node.client_data(client, &mut wire.up_input, self.now);
                }
                if self.servers[at].client == client {
                    self.servers[at].give_own_input(self.now);
                }
            }
            Effect::Disk(request) => self.servers[at].pending.push_back(request),
            Effect::Log { message, .. } => self.servers[at].logs.push(message),
            Effect::Exit { status } => self.servers[at].logs.push(format!("exit {status}")),
            Effect::WakeLink(_) | Effect::Listen(_) | Effect::Stall(_) | Effect::Secure(_) => {}
        }
    }

    fn connect(&mut self, replica: usize, link: LinkId, primary: usize) {
        if self.servers[primary].deaf {
            return self.servers[replica].node.link_closed(link, "connection refused", self.now);
        }
        let peer = format!("10.0.0.{replica}:40000");
        let local = peer.clone();
        let client = self.servers[primary].node.client_opened(peer, "10.0.0.9:7000".to_string(), self.now);
        self.opened += 1;
        let (up_input, down_input) = (BytesMut::new(), BytesMut::new());
        let wire =
            Wire { replica, primary, link, client, up_input, down_input, down_bytes: 0, stalled: false };
        self.wires.insert(self.opened, wire);
        self.servers[replica].node.link_opened(link, local, self.now);
    }
}

impl Server {
    fn start(settings: Vec<String>, disk: MemoryDisk, seed: u8, now: Now) -> Server {
        let config = Config::from_command_line(&settings, &mut |path| Err(format!("no file {path}")));
        let options = NodeOptions {
            config: config.expect("the test's settings are right"),
            seed: [seed; 32],
            environment: Environment::default(),
        };
        let mut node = Node::new(options, now);
        let client = node.client_opened("127.0.0.1:1".to_string(), "127.0.0.1:2".to_string(), now);
        Server {
            node,
            disk,
            logs: Vec::new(),
            deaf: false,
            hold_disk: false,
            settings,
            starts: seed,
            client,
            client_input: BytesMut::new(),
            client_output: BytesMut::new(),
            pending: VecDeque::new(),
        }
    }

    fn give_own_input(&mut self, now: Now) {
        if !self.client_input.is_empty() && self.node.wants_input(self.client) {
            self.node.client_data(self.client, &mut self.client_input, now);
        }
    }

    fn take_own_output(&mut self, now: Now) {
        loop {
            let mut slices = [IoSlice::new(&[]); 8];
            let filled = self.node.output_slices(self.client, &mut slices);
            let bytes = gathered(&slices[..filled], usize::MAX);
            if bytes.is_empty() {
                return;
            }
            self.client_output.extend_from_slice(&bytes);
            self.node.output_written(self.client, bytes.len(), now);
        }
    }
}

fn gathered(slices: &[IoSlice<'_>], count: usize) -> Vec<u8> {
    slices.iter().flat_map(|slice| slice.iter().copied()).take(count).collect()
}
