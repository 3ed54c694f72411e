//! One node, its disk and its clients in a test's own hands: time moves when the test says so, each disk
//! operation can be made to fail, and what would reach a socket is looked at as bytes.
#![allow(dead_code, reason = "each test file uses its own part")]

use std::collections::{BTreeMap, VecDeque};
use std::io::{ErrorKind, IoSlice};

use bytes::{Bytes, BytesMut};
use squall_clock::{Mono, Nanos, Now};
use squall_node::{
    ClientId, Config, DiskDone, DiskError, DiskOp, DiskRequest, DiskResult, Effect, Environment, FileId,
    Lane, Node, NodeOptions, OpenFor,
};
use squall_resp::{Value, decode, encode_command};

/// A disk in memory. What is not synced is told apart from what is, so that a power failure can be played.
#[derive(Clone, Default)]
pub struct MemoryDisk {
    /// What any reader sees now.
    pub files: BTreeMap<String, Vec<u8>>,
    open: BTreeMap<FileId, String>,
    /// Operations carried out so far, by name: what a test refers to.
    pub log: Vec<String>,
    /// The operation with this number (counted from zero) fails.
    pub fail_at: Option<usize>,
}

pub struct World {
    pub node: Node,
    pub disk: MemoryDisk,
    pub now: Now,
    pub logs: Vec<String>,
    pub exit: Option<i32>,
    pub closed: Vec<ClientId>,
    outputs: BTreeMap<ClientId, BytesMut>,
    inputs: BTreeMap<ClientId, BytesMut>,
    pending: VecDeque<DiskRequest>,
    pub hold_disk: bool,
    /// Requests on these lanes wait.
    pub held: Vec<Lane>,
}

pub const START: Now = Now { mono: Mono(1_000_000_000), unix_us: 1_700_000_000_000_000 };

impl World {
    /// A node with these settings on an empty disk.
    pub fn new(settings: &[&str]) -> World {
        World::on(settings, MemoryDisk::default(), START)
    }

    /// A node that starts on what another one left.
    pub fn on(settings: &[&str], disk: MemoryDisk, now: Now) -> World {
        World::holding(&[], settings, disk, now)
    }

    /// A node that starts while requests on some lanes wait.
    pub fn holding(held: &[Lane], settings: &[&str], disk: MemoryDisk, now: Now) -> World {
        let args: Vec<String> = settings.iter().map(|word| word.to_string()).collect();
        let config = Config::from_command_line(&args, &mut |path| Err(format!("no file {path}")))
            .expect("the test's settings are right");
        let options = NodeOptions { config, seed: [7; 32], environment: Environment::default() };
        let mut world = World {
            node: Node::new(options, now),
            disk,
            now,
            logs: Vec::new(),
            exit: None,
            closed: Vec::new(),
            outputs: BTreeMap::new(),
            inputs: BTreeMap::new(),
            pending: VecDeque::new(),
            hold_disk: false,
            held: held.to_vec(),
        };
        world.settle();
        world
    }

    pub fn connect(&mut self) -> ClientId {
        self.connect_from("127.0.0.1:50000")
    }

    pub fn connect_from(&mut self, peer: &str) -> ClientId {
        let id = self.node.client_opened(peer.to_string(), "127.0.0.1:6379".to_string(), self.now);
        self.outputs.insert(id, BytesMut::new());
        self.inputs.insert(id, BytesMut::new());
        self.settle();
        id
    }

    /// Sends raw bytes and lets the node do all that follows from them.
    pub fn send(&mut self, id: ClientId, bytes: &[u8]) {
        self.inputs.get_mut(&id).expect("connected").extend_from_slice(bytes);
        self.give_input(id);
        self.settle();
    }

    /// Everything that the client has received and not looked at.
    pub fn received(&mut self, id: ClientId) -> Vec<u8> {
        self.outputs.get_mut(&id).expect("connected").split().to_vec()
    }

    /// Sends a command and returns its reply, if one has come.
    pub fn try_call(&mut self, id: ClientId, words: &[&str]) -> Option<Value> {
        let mut request = BytesMut::new();
        encode_command(&mut request, words.iter().map(|word| word.as_bytes()));
        self.send(id, &request);
        self.reply(id)
    }

    pub fn call(&mut self, id: ClientId, words: &[&str]) -> Value {
        self.try_call(id, words).unwrap_or_else(|| panic!("no reply to {words:?}"))
    }

    /// The next reply that has arrived.
    pub fn reply(&mut self, id: ClientId) -> Option<Value> {
        let output = self.outputs.get_mut(&id).expect("connected");
        let (value, used) = decode(output).expect("replies are well-formed")?;
        let _ = output.split_to(used);
        Some(value)
    }

    /// Lets `duration` pass, with every timer on the way.
    pub fn advance(&mut self, duration: Nanos) {
        let end = self.now.mono + duration;
        while let Some(due) = self.node.poll_timeout().filter(|due| *due <= end) {
            self.set_time(due.max(self.now.mono));
            self.node.timeout(self.now);
            self.settle();
        }
        self.set_time(end);
        self.node.timeout(self.now);
        self.settle();
    }

    /// Carries out effects until nothing is left to do at this time.
    pub fn settle(&mut self) {
        loop {
            while let Some(effect) = self.node.poll_effect() {
                self.carry_out(effect);
            }
            if let Some(request) = self.next_request() {
                let result = self.disk.perform(request.op);
                self.node.disk_done(DiskDone { ticket: request.ticket, result }, self.now);
                continue;
            }
            if self.node.poll_timeout().is_some_and(|due| due <= self.now.mono) {
                self.node.timeout(self.now);
                continue;
            }
            return;
        }
    }

    fn next_request(&mut self) -> Option<DiskRequest> {
        let may_go = |request: &DiskRequest| !self.hold_disk && !self.held.contains(&request.lane);
        let at = self.pending.iter().position(may_go)?;
        self.pending.remove(at)
    }

    /// Carries out one request of a lane that is held; false where none waits.
    pub fn perform_one(&mut self, lane: Lane) -> bool {
        let Some(at) = self.pending.iter().position(|request| request.lane == lane) else { return false };
        let request = self.pending.remove(at).expect("it was found there");
        let result = self.disk.perform(request.op);
        self.node.disk_done(DiskDone { ticket: request.ticket, result }, self.now);
        self.settle();
        true
    }

    /// A field of INFO.
    pub fn info(&mut self, id: ClientId, field: &str) -> String {
        let Value::Bulk(all) = self.call(id, &["INFO", "everything"]) else { panic!("INFO is a text") };
        let all = String::from_utf8_lossy(&all);
        let line = all.lines().find_map(|line| line.strip_prefix(&format!("{field}:")));
        line.unwrap_or_else(|| panic!("INFO has no {field}")).to_owned()
    }

    fn carry_out(&mut self, effect: Effect) {
        match effect {
            Effect::WakeClient(id) => {
                self.take_output(id);
                self.give_input(id);
            }
            Effect::CloseClient(id) => {
                self.take_output(id);
                self.closed.push(id);
                self.node.client_closed(id, self.now);
            }
            Effect::Disk(request) => self.pending.push_back(request),
            Effect::Log { message, .. } => self.logs.push(message),
            Effect::Exit { status } => self.exit = Some(status),
            Effect::Listen(_) | Effect::Stall(_) | Effect::Connect { .. } | Effect::Secure(_) => {}
            Effect::WakeLink(_) | Effect::CloseLink(_) => {}
        }
    }

    fn give_input(&mut self, id: ClientId) {
        let Some(mut input) = self.inputs.remove(&id) else { return };
        if self.node.wants_input(id) {
            self.node.client_data(id, &mut input, self.now);
            self.take_output(id);
        }
        self.inputs.insert(id, input);
    }

    fn take_output(&mut self, id: ClientId) {
        loop {
            let mut slices = [IoSlice::new(&[]); 8];
            let filled = self.node.output_slices(id, &mut slices);
            let bytes: Vec<u8> = slices[..filled].iter().flat_map(|slice| slice.to_vec()).collect();
            if bytes.is_empty() {
                return;
            }
            self.outputs.entry(id).or_default().extend_from_slice(&bytes);
            self.node.output_written(id, bytes.len(), self.now);
        }
    }

    fn set_time(&mut self, mono: Mono) {
        let passed = mono.since(self.now.mono);
        self.now = Now { mono, unix_us: self.now.unix_us + passed.as_micros() };
    }
}

impl MemoryDisk {
    pub fn perform(&mut self, op: DiskOp) -> Result<DiskResult, DiskError> {
        let number = self.log.len();
        self.log.push(name_of(&op));
        if self.fail_at == Some(number) {
            return Err(DiskError { kind: ErrorKind::Other, message: "Input/output error".to_string() });
        }
        self.carry_out(op)
    }

    fn carry_out(&mut self, op: DiskOp) -> Result<DiskResult, DiskError> {
        let missing = || DiskError { kind: ErrorKind::NotFound, message: "No such file".to_string() };
        match op {
            DiskOp::Open { file, path, mode } => {
                if mode == OpenFor::Reading && !self.files.contains_key(&path) {
                    return Err(missing());
                }
                if mode == OpenFor::Replacing {
                    self.files.insert(path.clone(), Vec::new());
                }
                self.files.entry(path.clone()).or_default();
                self.open.insert(file, path);
            }
            DiskOp::Len { file } => return Ok(DiskResult::Len(self.file(file).len() as u64)),
            DiskOp::Read { file, offset, len } => {
                let data = self.file(file);
                let from = data.len().min(offset as usize);
                let to = data.len().min(from + len);
                return Ok(DiskResult::Bytes(Bytes::copy_from_slice(&data[from..to])));
            }
            DiskOp::Append { file, data } => self.file(file).extend_from_slice(&data),
            DiskOp::Truncate { file, len } => self.file(file).truncate(len as usize),
            DiskOp::Close { file } => {
                self.open.remove(&file);
            }
            DiskOp::Rename { from, to } => {
                let data = self.files.remove(&from).ok_or_else(missing)?;
                self.files.insert(to, data);
            }
            DiskOp::Remove { path } => {
                self.files.remove(&path).ok_or_else(missing)?;
            }
            DiskOp::List { .. } => return Ok(DiskResult::Names(self.files.keys().cloned().collect())),
            DiskOp::Sync { .. } | DiskOp::CreateDir { .. } | DiskOp::SyncDir { .. } => {}
        }
        Ok(DiskResult::Unit)
    }

    fn file(&mut self, file: FileId) -> &mut Vec<u8> {
        let path = self.open.get(&file).expect("the file is open");
        self.files.get_mut(path).expect("an open file exists")
    }
}

fn name_of(op: &DiskOp) -> String {
    let text = format!("{op:?}");
    text.split([' ', '{']).next().unwrap_or_default().to_string()
}

pub fn bulk(text: &str) -> Value {
    Value::Bulk(Bytes::copy_from_slice(text.as_bytes()))
}

pub fn ok() -> Value {
    Value::Simple("OK".into())
}
