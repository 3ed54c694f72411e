//! One of the two servers with its clients: those who ask, one who listens, one who observes, and a replica.

use std::io;

use squall_resp::Value;

use crate::connection::{Connection, Effects, Words, value, words_of};
use crate::sequence::{ASKING, LISTENER, SETTINGS, Sequence};
use crate::server::Server;

/// How often a server is asked whether a client waits, before something is wrong.
const QUESTIONS_MAX: usize = 20_000;

pub struct Side {
    pub server: Server,
    clients: Vec<Connection>,
    ids: Vec<i64>,
    /// Who waits for something to happen.
    pub waits: [bool; ASKING],
    pub observer: Connection,
    replica: Effects,
    markers: u64,
}

/// What came of a request.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Outcome {
    Reply(Vec<u8>),
    /// No reply yet: the client is blocked.
    Waits,
}

impl Side {
    pub fn of(server: Server) -> io::Result<Side> {
        let mut observer = server.connect()?;
        observer.ask_line("DEBUG SET-ACTIVE-EXPIRE 0")?;
        let (mut clients, mut ids) = (Vec::new(), Vec::new());
        for _ in 0..=ASKING {
            let mut client = server.connect()?;
            ids.push(match client.ask_line("CLIENT ID")? {
                Value::Integer(id) => id,
                other => return Err(io::Error::other(format!("CLIENT ID says {other:?}"))),
            });
            clients.push(client);
        }
        let replica = server.connect()?.replicate()?;
        Ok(Side { server, clients, ids, waits: [false; ASKING], observer, replica, markers: 0 })
    }

    /// An empty dataset, clients without a past.
    pub fn reset(&mut self, sequence: &Sequence) -> io::Result<()> {
        for client in 0..ASKING {
            if self.waits[client] {
                self.unblock(client)?;
                self.clients[client].frame()?;
                self.waits[client] = false;
            }
        }
        for (client, protocol) in sequence.protocols.iter().enumerate() {
            self.clients[client].send(&words_of("RESET"))?;
            while self.clients[client].frame()? != b"+RESET\r\n" {}
            self.clients[client].ask_line(&format!("HELLO {protocol}"))?;
        }
        for line in ["FLUSHALL", "FUNCTION FLUSH", "SCRIPT FLUSH", "ACL LOG RESET"] {
            self.observer.ask_line(line)?;
        }
        for (name, values) in SETTINGS {
            let chosen = sequence.settings.iter().find(|(chosen, _)| chosen == name);
            let value = chosen.map_or(values[0], |(_, value)| value);
            self.observer.ask_line(&format!("CONFIG SET {name} {value}"))?;
        }
        let mut events = words_of("CONFIG SET notify-keyspace-events");
        events.push(if sequence.hears_events { b"KEA".to_vec() } else { Vec::new() });
        self.observer.ask(&events)?;
        if sequence.hears_events {
            self.clients[LISTENER].ask(&words_of("PSUBSCRIBE __key*__:*"))?;
        }
        self.effects()?;
        Ok(())
    }

    pub fn send(&mut self, client: usize, words: &[Vec<u8>]) -> io::Result<()> {
        // A client's id is its server's own: `@1` stands for that of the second client.
        let mut words = words.to_vec();
        for word in &mut words {
            if let [b'@', digit @ b'0'..=b'1'] = word[..] {
                *word = self.ids[usize::from(digit - b'0')].to_string().into_bytes();
            }
        }
        self.clients[client].send(&words)
    }

    /// What came of the request that was sent last; `may_wait` where there may be no reply.
    pub fn outcome(&mut self, client: usize, may_wait: bool) -> io::Result<Outcome> {
        if !may_wait {
            return self.reply(client).map(Outcome::Reply);
        }
        for _ in 0..QUESTIONS_MAX {
            if let Some(reply) = self.clients[client].glance()? {
                return Ok(Outcome::Reply(reply));
            }
            if self.is_blocked(client)? {
                self.waits[client] = true;
                return Ok(Outcome::Waits);
            }
        }
        Err(io::Error::other("a client neither waits nor has a reply"))
    }

    /// The reply that a waiting client has by now, if it waits no more.
    pub fn ended_wait(&mut self, client: usize) -> io::Result<Option<Vec<u8>>> {
        if self.is_blocked(client)? {
            return Ok(None);
        }
        self.waits[client] = false;
        self.reply(client).map(Some)
    }

    /// What the listener has heard up to now.
    pub fn heard(&mut self) -> io::Result<Vec<Vec<u8>>> {
        self.markers += 1;
        let marker = format!("heard-{}", self.markers);
        self.clients[LISTENER].send(&words_of(&format!("PING {marker}")))?;
        let mut heard = Vec::new();
        loop {
            let frame = self.clients[LISTENER].frame()?;
            if frame.windows(marker.len()).any(|window| window == marker.as_bytes()) {
                return Ok(heard);
            }
            heard.push(frame);
        }
    }

    /// What the replica has received since the last time.
    pub fn effects(&mut self) -> io::Result<Vec<Words>> {
        self.markers += 1;
        let marker = self.markers.to_string().into_bytes();
        self.observer.ask(&[b"PUBLISH".to_vec(), b"marker".to_vec(), marker.clone()])?;
        let mut received = Vec::new();
        loop {
            let command = self.replica.next_command()?;
            if command.len() == 3 && command[0].eq_ignore_ascii_case(b"PUBLISH") && command[2] == marker {
                return Ok(received);
            }
            received.push(command);
        }
    }

    /// Changes since the last save, as save points count them.
    pub fn changes(&mut self) -> io::Result<i64> {
        let Value::Bulk(info) = self.observer.ask_line("INFO persistence")? else {
            return Err(io::Error::other("INFO is refused"));
        };
        let info = String::from_utf8_lossy(&info);
        let field = info.lines().find_map(|line| line.strip_prefix("rdb_changes_since_last_save:"));
        field
            .and_then(|count| count.trim().parse().ok())
            .ok_or_else(|| io::Error::other("INFO does not count changes"))
    }

    fn reply(&mut self, client: usize) -> io::Result<Vec<u8>> {
        loop {
            let frame = self.clients[client].frame()?;
            // Nobody who asks has subscribed; what is pushed nevertheless is no reply.
            if !frame.starts_with(b">") {
                return Ok(frame);
            }
        }
    }

    fn is_blocked(&mut self, client: usize) -> io::Result<bool> {
        let line = self.observer.ask(&words_of(&format!("CLIENT LIST ID {}", self.ids[client])))?;
        let text = match value(&line) {
            Value::Bulk(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
            Value::Verbatim { text, .. } => text,
            other => return Err(io::Error::other(format!("CLIENT LIST says {other:?}"))),
        };
        Ok(text.split(' ').any(|field| field.strip_prefix("flags=").is_some_and(|flags| flags.contains('b'))))
    }

    fn unblock(&mut self, client: usize) -> io::Result<()> {
        self.observer.ask_line(&format!("CLIENT UNBLOCK {}", self.ids[client])).map(drop)
    }
}
