//! Several clients at once, of Squall and of a real redis-server: after each request, what every client has
//! received by then is compared, and so is who still waits.
//!
//! As many frames are read as Squall has sent; one too many fails the next comparison. Those who wait have
//! received nothing: the server is asked how many there are.

use squall_commands::ClientId;
use squall_resp::decode;

use crate::oracle::{Connection, Oracle};
use crate::world::World;

/// How often the server is asked before its answer counts.
const QUESTIONS_MAX: usize = 10_000;

pub struct Party {
    pub world: World,
    ids: Vec<ClientId>,
    connections: Vec<Connection>,
    /// Asks redis-server about its clients.
    observer: Connection,
    steps: Vec<String>,
}

impl Party {
    pub fn of(clients: usize, oracle: &mut Oracle) -> Party {
        let mut world = World::start();
        let ids = (0..clients).map(|_| world.connect()).collect();
        let connections = (0..clients).map(|_| oracle.connect()).collect();
        let mut observer = oracle.connect();
        observer.ask_words("FLUSHALL");
        Party { world, ids, connections, observer, steps: Vec::new() }
    }

    /// Runs a conversation, `client: request` a line, where a redis-server is there to be compared with.
    pub fn converse(clients: usize, script: &str) {
        let Some(mut oracle) = Oracle::start(&[]) else { return };
        let mut party = Party::of(clients, &mut oracle);
        for line in script.lines().map(str::trim).filter(|line| !line.is_empty()) {
            let (client, request) = line.split_once(": ").expect("client: request");
            party.step(client.parse().expect("a client's number"), request);
        }
    }

    /// One client sends a request, to both servers.
    pub fn step(&mut self, client: usize, line: &str) {
        self.steps.push(format!("{client}: {line}"));
        let words: Vec<&str> = line.split(' ').map(|word| if word == "''" { "" } else { word }).collect();
        let request: Vec<Vec<u8>> = words.iter().map(|word| word.as_bytes().to_vec()).collect();
        let (_, reply) = self.world.send(self.ids[client], line);
        self.connections[client].send_request(&request);
        if line.starts_with("HELLO 3") {
            // It tells the version, and numbers that differ.
            self.connections[client].read_frames(1);
            return;
        }
        self.compare(client, &reply);
    }

    /// What every client has received since the last time, on both sides. A client's own messages may come
    /// before or after the reply, and those of several patterns in any order.
    fn compare(&mut self, client: usize, reply: &str) {
        let mut waiting = 0;
        for index in 0..self.ids.len() {
            let mut ours = if index == client { reply.to_owned() } else { String::new() };
            ours.push_str(&self.world.received(self.ids[index]));
            if self.world.session(self.ids[index]).blocked.is_some() {
                waiting += 1;
                assert_eq!(ours, "", "client {index} waits after\n{}", self.steps.join("\n"));
                continue;
            }
            let ours = sorted(ours.as_bytes());
            let theirs = self.connections[index].read_frames(ours.len());
            assert_eq!(ours, theirs, "client {index} after\n{}", self.steps.join("\n"));
        }
        let line = format!("blocked_clients:{waiting}\r\n");
        // The observer's request may arrive before another's that was sent earlier.
        let agrees = (0..QUESTIONS_MAX).any(|_| {
            let info = self.observer.ask_words("INFO clients");
            String::from_utf8_lossy(&info).contains(&line)
        });
        assert!(agrees, "not {waiting} clients wait after\n{}", self.steps.join("\n"));
    }
}

/// The frames of what was received.
fn sorted(mut bytes: &[u8]) -> Vec<String> {
    let mut frames = Vec::new();
    while let Some((_, len)) = decode(bytes).expect("replies") {
        frames.push(bytes[..len].escape_ascii().to_string());
        bytes = &bytes[len..];
    }
    frames.sort();
    frames
}

impl Connection {
    fn read_frames(&mut self, count: usize) -> Vec<String> {
        let mut frames: Vec<String> = (0..count).map(|_| self.reply().escape_ascii().to_string()).collect();
        frames.sort();
        frames
    }
}
