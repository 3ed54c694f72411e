//! A small world to test the two machines in: nodes that keep a dataset as the list of writes that made
//! it, and connections that carry bytes as slowly and in pieces as small as a test likes. What the real
//! node does between the machines, this one does in the fewest words.

#![allow(dead_code, reason = "each test file uses its own part of the world")]

use std::collections::BTreeMap;
use std::io::IoSlice;

use bytes::{Buf, Bytes, BytesMut};
use squall_clock::{Mono, Nanos};
use squall_replication::*;
use squall_resp::{Args, Limits, Parsed, RequestParser, encode_command};

pub struct World {
    pub now: Mono,
    pub nodes: Vec<Node>,
    pub connections: BTreeMap<u64, Connection>,
    pub options: PrimaryOptions,
    /// Who said what, when; filled where `talkative`.
    pub transcript: String,
    pub talkative: bool,
    last_connection: u64,
    last_id: u32,
}

pub struct Node {
    pub name: &'static str,
    pub primary: Primary,
    pub replica: Option<Replica>,
    /// All writes that made the dataset, as commands; PING and REPLCONF are stream, but no writes.
    pub dataset: Vec<u8>,
    /// Refuses connections.
    pub is_deaf: bool,
    uplink: Option<u64>,
    loading: Option<(Position, Vec<u8>)>,
    snapshot: Option<Bytes>,
    parser: RequestParser,
    /// How much of the uplink's input belongs to a transaction that is not complete.
    parsed: usize,
    in_transaction: bool,
}

/// From a replica to its primary; `up` is what the replica says.
pub struct Connection {
    pub replica: usize,
    pub primary: usize,
    up: Pipe,
    down: Pipe,
    parser: RequestParser,
}

#[derive(Default)]
struct Pipe {
    output: BytesMut,
    input: BytesMut,
}

/// A saved dataset, and where in which history it is.
#[derive(Clone, Default)]
pub struct Disk {
    pub dataset: Vec<u8>,
    pub position: Option<Position>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Direction {
    Up,
    Down,
}

pub fn options() -> PrimaryOptions {
    PrimaryOptions {
        backlog_bytes: 1024,
        backlog_ttl: Nanos::from_secs(3600),
        ping_period: Nanos::from_secs(10),
        replica_timeout: Nanos::from_secs(60),
        output_limit: OutputLimit { hard_bytes: 4096, soft_bytes: 2048, soft_duration: Nanos::from_secs(20) },
        diskless: true,
        diskless_delay: Nanos::ZERO,
        diskless_replicas_max: 0,
    }
}

impl World {
    pub fn of(names: &[&'static str], options: PrimaryOptions) -> World {
        let mut world = World {
            now: Mono(0),
            nodes: Vec::new(),
            connections: BTreeMap::new(),
            options,
            transcript: String::new(),
            talkative: false,
            last_connection: 0,
            last_id: 0,
        };
        for name in names {
            let id = world.fresh_id();
            world.nodes.push(Node {
                name,
                primary: Primary::new(world.options.clone(), id, world.now),
                replica: None,
                dataset: Vec::new(),
                is_deaf: false,
                uplink: None,
                loading: None,
                snapshot: None,
                parser: RequestParser::new(),
                parsed: 0,
                in_transaction: false,
            });
        }
        world
    }

    pub fn fresh_id(&mut self) -> ReplId {
        self.last_id += 1;
        let mut bytes = [0; 20];
        bytes.chunks_exact_mut(4).for_each(|part| part.copy_from_slice(&self.last_id.to_be_bytes()));
        ReplId::from_random(bytes)
    }

    // --- What clients and operators do ---

    /// A client writes at a primary: one command, or several in a transaction.
    pub fn write(&mut self, at: usize, commands: &[&str]) {
        if self.nodes[at].replica.is_some() {
            return;
        }
        let mut bytes = BytesMut::new();
        let mut say = |words: &str| {
            let words: Vec<&[u8]> = words.split(' ').map(str::as_bytes).collect();
            encode_command(&mut bytes, words.into_iter());
        };
        if commands.len() > 1 {
            say("MULTI");
        }
        commands.iter().for_each(|command| say(command));
        if commands.len() > 1 {
            say("EXEC");
        }
        self.nodes[at].dataset.extend_from_slice(&bytes);
        self.nodes[at].primary.feed(bytes.freeze(), 1, self.now);
        self.settle();
    }

    pub fn replica_of(&mut self, at: usize, primary: usize) {
        let options = ReplicaOptions {
            host: self.nodes[primary].name.to_owned(),
            port: 6379,
            user: None,
            password: None,
            listening_port: 6379,
            announced_host: None,
            version: "8.2.1".to_owned(),
            timeout: Nanos::from_secs(60),
        };
        self.hang_up_uplink(at);
        let node = &mut self.nodes[at];
        node.primary.follow();
        node.replica = Some(Replica::new(options, node.primary.position(), self.now));
        self.advance(Nanos::ZERO);
    }

    pub fn replica_of_no_one(&mut self, at: usize) {
        self.hang_up_uplink(at);
        let id = self.fresh_id();
        if self.nodes[at].replica.take().is_some() {
            self.nodes[at].primary.promote(id, self.now);
        }
        self.settle();
    }

    pub fn request_acknowledgements(&mut self, at: usize) {
        if self.nodes[at].replica.is_none() {
            self.nodes[at].primary.request_acknowledgements(self.now);
            self.settle();
        }
    }

    /// The process ends and starts again with the dataset of an earlier moment: as a replica of
    /// `primary`, or as a primary.
    pub fn restart(&mut self, at: usize, disk: Disk, primary: Option<usize>) {
        for id in self.connections_of(at) {
            self.cut(id);
        }
        let id = self.fresh_id();
        let own = self.fresh_id();
        let node = &mut self.nodes[at];
        node.primary = Primary::new(self.options.clone(), id, self.now);
        (node.dataset, node.replica, node.snapshot, node.loading) = (disk.dataset, None, None, None);
        if let Some(position) = disk.position {
            node.primary.restore(position);
            if primary.is_none() {
                node.primary.promote(own, self.now);
            }
        }
        match primary {
            Some(primary) => self.replica_of(at, primary),
            None => self.settle(),
        }
    }

    // --- What the network and the clock do ---

    pub fn advance(&mut self, by: Nanos) {
        self.now = self.now + by;
        for at in 0..self.nodes.len() {
            let own = self.fresh_id();
            let node = &mut self.nodes[at];
            if node.primary.poll_timeout().is_some_and(|due| due <= self.now) {
                node.primary.timeout(own, self.now);
            }
            if let Some(replica) = &mut node.replica
                && replica.poll_timeout().is_some_and(|due| due <= self.now)
            {
                replica.timeout(self.now);
            }
        }
        self.settle();
    }

    /// Moves at most `count` bytes one way; how many there were to move.
    pub fn deliver(&mut self, id: u64, direction: Direction, count: usize) -> usize {
        let Some(connection) = self.connections.get_mut(&id) else { return 0 };
        let (replica, primary) = (connection.replica, connection.primary);
        let bytes = match direction {
            Direction::Up => take(&mut connection.up.output, count),
            Direction::Down => {
                let key = ReplicaKey(id);
                let said = take(&mut connection.down.output, count);
                match said.is_empty() {
                    false => {
                        self.nodes[primary].primary.heard(key, self.now);
                        said
                    }
                    true => take_stream(&mut self.nodes[primary].primary, key, count),
                }
            }
        };
        if bytes.is_empty() {
            return 0;
        }
        if self.talkative {
            let (from, to) = if direction == Direction::Up { (replica, primary) } else { (primary, replica) };
            self.note(from, to, &bytes);
        }
        match direction {
            Direction::Up => self.read_at_primary(id, &bytes),
            Direction::Down => self.read_at_replica(id, &bytes),
        }
        self.settle();
        bytes.len()
    }

    /// Lets everything that is under way arrive.
    pub fn deliver_all(&mut self) {
        loop {
            let ids: Vec<u64> = self.connections.keys().copied().collect();
            let mut moved = 0;
            for id in ids {
                moved += self.deliver(id, Direction::Up, usize::MAX);
                moved += self.deliver(id, Direction::Down, usize::MAX);
            }
            if moved == 0 {
                return;
            }
        }
    }

    /// Time passes and everything arrives.
    pub fn run(&mut self, duration: Nanos) {
        let end = self.now + duration;
        self.deliver_all();
        while self.now < end {
            let step = Nanos::from_millis(500).min(end - self.now);
            self.advance(step);
            self.deliver_all();
        }
    }

    pub fn cut(&mut self, id: u64) {
        let Some(connection) = self.connections.remove(&id) else { return };
        self.remark(format!(
            "{} -/- {}",
            self.nodes[connection.replica].name, self.nodes[connection.primary].name
        ));
        self.nodes[connection.primary].primary.closed(ReplicaKey(id), self.now);
        let node = &mut self.nodes[connection.replica];
        if node.uplink == Some(id) {
            node.uplink = None;
            node.loading = None;
            node.replica.as_mut().expect("an uplink is a replica's").closed(self.now);
        }
        self.settle();
    }

    pub fn connections_of(&self, at: usize) -> Vec<u64> {
        let touches = |connection: &Connection| connection.replica == at || connection.primary == at;
        self.connections.iter().filter(|(_, connection)| touches(connection)).map(|(id, _)| *id).collect()
    }

    pub fn remark(&mut self, text: String) {
        if self.talkative {
            self.transcript += &format!("{:>9.3}  {text}\n", self.now.0 as f64 / 1e9);
        }
    }

    // --- What a node does between its machines ---

    /// Acts on everything that the machines want done.
    fn settle(&mut self) {
        loop {
            let mut acted = false;
            for at in 0..self.nodes.len() {
                while let Some(event) = self.nodes[at].primary.poll_event() {
                    self.act_as_primary(at, event);
                    acted = true;
                }
                while let Some(event) = self.nodes[at].replica.as_mut().and_then(Replica::poll_event) {
                    self.act_as_replica(at, event);
                    acted = true;
                }
                acted |= self.proceed_with_snapshot(at);
            }
            if !acted {
                return;
            }
        }
    }

    fn act_as_primary(&mut self, at: usize, event: PrimaryEvent) {
        match event {
            PrimaryEvent::Send { replica, bytes } => {
                if let Some(connection) = self.connections.get_mut(&replica.0) {
                    connection.down.output.extend_from_slice(&bytes);
                }
            }
            PrimaryEvent::Close { replica, .. } => self.cut(replica.0),
            PrimaryEvent::Log { message, .. } => self.remark(format!("{}: {message}", self.nodes[at].name)),
        }
    }

    fn act_as_replica(&mut self, at: usize, event: ReplicaEvent) {
        let now = self.now;
        match event {
            ReplicaEvent::Connect { host, .. } => {
                let primary = self.nodes.iter().position(|node| node.name == host).expect("a node's name");
                let is_deaf = self.nodes[primary].is_deaf;
                let replica = self.nodes[at].replica.as_mut().expect("it speaks");
                if is_deaf {
                    return replica.connect_failed("connection refused", now);
                }
                replica.connected(now);
                self.connect(at, primary);
            }
            ReplicaEvent::Send(bytes) => {
                // Words for a connection that has just been cut from the other side are lost with it.
                if let Some(connection) = self.nodes[at].uplink.and_then(|id| self.connections.get_mut(&id)) {
                    connection.up.output.extend_from_slice(&bytes);
                }
            }
            ReplicaEvent::Disconnect => self.hang_up_uplink(at),
            ReplicaEvent::Continued { id: Some(id) } => self.nodes[at].primary.rename(id),
            ReplicaEvent::Continued { id: None } => {}
            ReplicaEvent::SnapshotBegins { position, .. } => {
                self.nodes[at].loading = Some((position, Vec::new()))
            }
            ReplicaEvent::SnapshotBytes(bytes) => {
                self.nodes[at].loading.as_mut().expect("it began").1.extend_from_slice(&bytes);
            }
            ReplicaEvent::SnapshotEnds => {
                let node = &mut self.nodes[at];
                let (position, dataset) = node.loading.take().expect("it began");
                node.dataset = dataset;
                node.primary.adopt(position, now);
                node.replica.as_mut().expect("it speaks").loaded(now);
                self.read_at_replica(self.nodes[at].uplink.expect("it is connected"), &[]);
            }
            ReplicaEvent::TakenOver | ReplicaEvent::TakeOverRefused(_) => {
                unreachable!("nobody hands over here")
            }
            ReplicaEvent::Log { message, .. } => self.remark(format!("{}: {message}", self.nodes[at].name)),
        }
    }

    fn connect(&mut self, replica: usize, primary: usize) {
        self.last_connection += 1;
        let node = &mut self.nodes[replica];
        node.uplink = Some(self.last_connection);
        node.parser.reset();
        (node.parsed, node.in_transaction) = (0, false);
        let connection = Connection {
            replica,
            primary,
            up: Pipe::default(),
            down: Pipe::default(),
            parser: RequestParser::new(),
        };
        self.connections.insert(self.last_connection, connection);
    }

    fn hang_up_uplink(&mut self, at: usize) {
        self.nodes[at].loading = None;
        if let Some(id) = self.nodes[at].uplink.take() {
            let connection = self.connections.remove(&id).expect("the uplink is open");
            self.nodes[connection.primary].primary.closed(ReplicaKey(id), self.now);
        }
    }

    /// Begins datasets, and hands over a few bytes whenever those who share one have taken the last.
    fn proceed_with_snapshot(&mut self, at: usize) -> bool {
        let mark = TransferMark(self.fresh_id());
        let now = self.now;
        let node = &mut self.nodes[at];
        if let Some(wanted) = node.primary.snapshot_wanted(now) {
            let dataset = Bytes::from(node.dataset.clone());
            node.primary.transfer_begun(wanted, 1_000, now);
            match wanted.form {
                Form::Marked => node.primary.transfer_marked(mark),
                Form::Length => node.primary.transfer_length(dataset.len() as u64),
            }
            node.snapshot = Some(dataset);
            return true;
        }
        if !node.primary.is_transferring() {
            node.snapshot = None;
        }
        let Some(rest) = &mut node.snapshot else { return false };
        let waiting = |key: ReplicaKey| !self.connections[&key.0].down.output.is_empty();
        if node.primary.transferring().any(waiting) {
            return false;
        }
        match rest.is_empty() {
            false => {
                let piece = rest.split_to(rest.len().min(100));
                node.primary.transfer_bytes(piece);
            }
            true => {
                node.snapshot = None;
                node.primary.transfer_complete(now);
            }
        }
        true
    }

    fn read_at_primary(&mut self, id: u64, bytes: &[u8]) {
        self.connections.get_mut(&id).expect("it delivers").up.input.extend_from_slice(bytes);
        let own = self.fresh_id();
        while let Some(connection) = self.connections.get_mut(&id) {
            let input = &mut connection.up.input;
            let parsed = connection.parser.parse(input, &Limits::default()).expect("replicas speak RESP");
            match parsed {
                Parsed::Incomplete => return,
                Parsed::Empty { consumed } => {
                    input.advance(consumed);
                    self.nodes[connection.primary].primary.heard(ReplicaKey(id), self.now);
                }
                Parsed::Command { consumed } => {
                    let command = input.split_to(consumed);
                    let reply = answer(
                        &mut self.nodes[connection.primary],
                        ReplicaKey(id),
                        connection.parser.args(&command),
                        own,
                        self.now,
                    );
                    connection.down.output.extend_from_slice(reply.as_bytes());
                }
            }
        }
    }

    fn read_at_replica(&mut self, id: u64, bytes: &[u8]) {
        let Some(connection) = self.connections.get_mut(&id) else { return };
        let input = &mut connection.down.input;
        input.extend_from_slice(bytes);
        let node = &mut self.nodes[connection.replica];
        if !bytes.is_empty() {
            node.replica.as_mut().expect("it has an uplink").data(input, self.now);
        }
        node.apply_stream(input, self.now);
    }

    fn note(&mut self, from: usize, to: usize, bytes: &[u8]) {
        for line in rendered(bytes) {
            self.remark(format!("{} -> {}  {line}", self.nodes[from].name, self.nodes[to].name));
        }
    }
}

impl Node {
    pub fn position(&self) -> Option<Position> {
        self.primary.position()
    }

    /// Applies the whole units of the stream in `input`.
    fn apply_stream(&mut self, input: &mut BytesMut, now: Mono) {
        let replica = self.replica.as_mut().expect("it has an uplink");
        while replica.is_streaming() {
            let consumed = match self.parser.parse(&input[self.parsed..], &Limits::default()) {
                Ok(Parsed::Incomplete) => return,
                Ok(Parsed::Empty { consumed }) => consumed,
                Err(_) => return replica.stream_broken("it sent no command", now),
                Ok(Parsed::Command { consumed }) => {
                    match &self.parser.args(&input[self.parsed..])[0].to_ascii_lowercase()[..] {
                        b"multi" => self.in_transaction = true,
                        b"exec" => self.in_transaction = false,
                        _ => {}
                    }
                    consumed
                }
            };
            self.parsed += consumed;
            if !self.in_transaction {
                let unit = replica.applied(input, std::mem::take(&mut self.parsed), now);
                let is_write = !contains(&unit, b"PING") && !contains(&unit, b"GETACK");
                if is_write {
                    self.dataset.extend_from_slice(&unit);
                }
                if contains(&unit, b"GETACK") {
                    replica.acknowledge(now);
                }
                self.primary.feed(unit, 1, now);
            }
        }
    }
}

fn answer(node: &mut Node, key: ReplicaKey, args: Args<'_>, own: ReplId, now: Mono) -> String {
    match &args[0].to_ascii_lowercase()[..] {
        b"ping" => "+PONG\r\n".to_owned(),
        b"replconf" => match node.primary.replconf(key, "replica", args, now) {
            Ok(Replconf::Ok) => "+OK\r\n".to_owned(),
            Ok(_) => String::new(),
            Err(error) => format!("-{error}\r\n"),
        },
        _ if node.replica.as_ref().is_some_and(|replica| !replica.is_streaming()) => {
            "-NOMASTERLINK Can't SYNC while not connected with my master\r\n".to_owned()
        }
        _ => {
            let request = Request::parse(args).expect("replicas say numbers");
            match node.primary.synchronise(key, "replica", request, own, now) {
                Ok(Psync::Continue(text)) => format!("+{text}\r\n"),
                Ok(Psync::Wait) => String::new(),
                Err(error) => format!("-{error}\r\n"),
            }
        }
    }
}

fn take(output: &mut BytesMut, count: usize) -> BytesMut {
    output.split_to(output.len().min(count))
}

fn take_stream(primary: &mut Primary, key: ReplicaKey, count: usize) -> BytesMut {
    let mut slices = [IoSlice::new(&[]), IoSlice::new(&[]), IoSlice::new(&[])];
    let filled = primary.stream_slices(key, &mut slices);
    let mut bytes: BytesMut = slices[..filled].iter().flat_map(|slice| slice.iter().copied()).collect();
    bytes.truncate(count);
    if !bytes.is_empty() {
        primary.stream_written(key, bytes.len());
    }
    bytes
}

fn contains(bytes: &[u8], word: &[u8]) -> bool {
    bytes.windows(word.len()).any(|window| window == word)
}

/// Bytes of a conversation as lines: a command as its words, anything else as it is.
fn rendered(mut bytes: &[u8]) -> Vec<String> {
    let mut lines = Vec::new();
    let mut parser = RequestParser::new();
    while !bytes.is_empty() {
        if bytes.starts_with(b"*")
            && let Ok(Parsed::Command { consumed }) = parser.parse(bytes, &Limits::default())
        {
            let words = parser.args(bytes);
            let words: Vec<String> = words.iter().map(|word| word.escape_ascii().to_string()).collect();
            lines.push(words.join(" "));
            bytes = &bytes[consumed..];
            continue;
        }
        let end = bytes.iter().position(|byte| *byte == b'\n').map_or(bytes.len(), |end| end + 1);
        lines.push(bytes[..end].escape_ascii().to_string());
        bytes = &bytes[end..];
        parser.reset();
    }
    lines
}
