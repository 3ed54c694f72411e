//! The following side: the link from this server to its primary, from the first PING to the stream.
//!
//! ```text
//!   Idle --Connect--> Connecting --> Handshake --+CONTINUE-----------------> Streaming
//!    ^                                   \--+FULLRESYNC--> Transfer --loaded--^
//!    +------------- every failure, every silence, every refusal --------------+
//! ```
//!
//! What has been applied survives failures: the position changes when the node says that it applied a unit
//! of the stream or has loaded a whole dataset, and at no other time. A primary that does not answer has
//! not refused anything, so a position is given up only when the primary itself names another.
//!
//! A primary that hands its role over becomes a replica with one more word to say: `PSYNC ... FAILOVER` makes
//! the server that it follows from now on a primary first ([`Replica::take_over`]).
//!
//! The machine never holds stream bytes. They stay in the connection's input buffer until the node has
//! applied them, so what was received and not applied dies with the connection, and the primary sends it
//! again.
//!
//! Not spoken here: SYNC without PSYNC, which only servers older than Redis 2.8 need.

mod handshake;
mod transfer;

use std::collections::VecDeque;

use bytes::{Bytes, BytesMut};
use squall_clock::{Mono, Nanos};
use squall_resp::encode_command;

use self::handshake::{Answer, Handshake};
use self::transfer::{Found, Transfer};
use crate::{Position, ReplId, ReplOffset};

/// Acknowledgements, and newlines while a dataset is being received.
const BEAT_PERIOD: Nanos = Nanos::from_secs(1);
/// How soon an acknowledgement follows what was applied: the primary knows how far behind this server is to
/// that precision, and a dozen small packets a second are nothing beside a stream.
const ACKNOWLEDGE_WITHIN: Nanos = Nanos::from_millis(100);
/// How long a failed link rests before the next attempt.
const RETRY_DELAY: Nanos = Nanos::from_secs(1);
/// How long it rests when the primary's data cannot be used. The next attempt will cost the primary a whole
/// dataset, and may well end the same way.
const RETRY_DELAY_AFTER_REFUSAL: Nanos = Nanos::from_secs(10);

/// What a server that is a primary already says to PSYNC FAILOVER; no other words tell that case apart.
const ALREADY_PRIMARY: &str = "can't be sent to a master";

/// Settings of redis.conf, by their meaning.
#[derive(Clone, Debug)]
pub struct ReplicaOptions {
    /// `replicaof`.
    pub host: String,
    pub port: u16,
    /// `masteruser` and `masterauth`.
    pub user: Option<String>,
    pub password: Option<String>,
    /// `replica-announce-port`, or the port that this server listens on.
    pub listening_port: u16,
    /// `replica-announce-ip`.
    pub announced_host: Option<String>,
    /// What `REPLCONF version` says.
    pub version: String,
    /// `repl-timeout`.
    pub timeout: Nanos,
}

/// What the node is to do, in order.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ReplicaEvent {
    /// Open a connection; the answer is `connected` or `connect_failed`.
    Connect {
        host: String,
        port: u16,
    },
    Send(Bytes),
    /// End the connection and forget what it had sent. Not followed by `closed`.
    Disconnect,
    /// The stream goes on where it was applied to; `id`, if given, is the history's name from here on.
    Continued {
        id: Option<ReplId>,
    },
    /// A dataset follows, which will be that of `position`.
    SnapshotBegins {
        position: Position,
        length_bytes: Option<u64>,
    },
    SnapshotBytes(Bytes),
    /// The dataset is complete. Nothing more happens until `loaded` or `refused`.
    SnapshotEnds,
    /// The server that was to take over has done so: from here on this is an ordinary replica of it.
    TakenOver,
    /// It will not take over; the connection has ended.
    TakeOverRefused(String),
    Log {
        warning: bool,
        message: String,
    },
}

/// As INFO and ROLE name it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LinkState {
    Connect,
    Connecting,
    Handshake,
    Sync,
    Connected,
}

#[derive(Debug)]
pub struct Replica {
    options: ReplicaOptions,
    /// What this server's dataset is, as far as it is anybody's history.
    position: Option<Position>,
    state: State,
    take_over: TakeOver,
    /// When the primary last said anything, on this connection.
    heard: Mono,
    /// How much of the input has been looked at, and waits for what is still missing of it.
    unfinished_bytes: usize,
    next_beat: Mono,
    /// When the end of what has been applied came; the dataset, or the last unit of the stream.
    applied_at: Mono,
    /// How far this server's own log is durable.
    durable: Option<ReplOffset>,
    /// Since when the link has not been streaming.
    down_since: Mono,
    events: VecDeque<ReplicaEvent>,
}

/// Whether the primary is one only after we have asked it to be.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum TakeOver {
    Unneeded,
    Wanted,
    Asked,
    /// The connection ended before the answer: nobody knows whether the wish arrived.
    Unanswered,
}

#[derive(Debug)]
enum State {
    Idle { retry_at: Mono },
    Connecting { since: Mono },
    Handshake(Handshake),
    Transfer(Transfer),
    Streaming,
}

impl Replica {
    /// A replica that holds the dataset of `position`, or one that is nobody's history.
    pub fn new(options: ReplicaOptions, position: Option<Position>, now: Mono) -> Replica {
        Replica {
            options,
            position,
            state: State::Idle { retry_at: now },
            take_over: TakeOver::Unneeded,
            heard: now,
            unfinished_bytes: 0,
            next_beat: now,
            applied_at: now,
            durable: None,
            down_since: now,
            events: VecDeque::new(),
        }
    }

    /// A primary that has become a replica of one of its own replicas, and asks that one to take over.
    pub fn handing_over(options: ReplicaOptions, position: Option<Position>, now: Mono) -> Replica {
        Replica { take_over: TakeOver::Wanted, ..Replica::new(options, position, now) }
    }

    pub fn options(&self) -> &ReplicaOptions {
        &self.options
    }

    /// Passwords and announcements change from the next connection on.
    pub fn set_options(&mut self, options: ReplicaOptions) {
        self.options = options;
    }

    pub fn poll_event(&mut self) -> Option<ReplicaEvent> {
        self.events.pop_front()
    }

    // --- The connection ---

    pub fn connected(&mut self, now: Mono) {
        assert!(matches!(self.state, State::Connecting { .. }), "only a connection that was wanted succeeds");
        self.heard = now;
        self.unfinished_bytes = 0;
        self.state = State::Handshake(Handshake::begin());
        self.send_command(&[b"PING"]);
    }

    pub fn connect_failed(&mut self, reason: &str, now: Mono) {
        assert!(matches!(self.state, State::Connecting { .. }), "only a connection that was wanted fails");
        self.log(true, format!("cannot connect to the primary {}: {reason}", self.primary_name()));
        self.state = State::Idle { retry_at: now + RETRY_DELAY };
    }

    /// Bytes from the primary. Takes what belongs to the handshake and to the dataset; once the link is
    /// streaming everything stays in `input` for the node to apply. Half a word that is shown again, because
    /// output of ours has left, is no sign of life.
    pub fn data(&mut self, input: &mut BytesMut, now: Mono) {
        if input.len() > self.unfinished_bytes {
            self.heard = now;
        }
        loop {
            let proceeded = match &self.state {
                State::Handshake(_) => self.handshake_data(input, now),
                State::Transfer(_) => self.transfer_data(input, now),
                State::Streaming => false,
                State::Idle { .. } | State::Connecting { .. } => panic!("bytes without a connection"),
            };
            let has_connection = !matches!(self.state, State::Idle { .. } | State::Connecting { .. });
            if !proceeded || !has_connection {
                break;
            }
        }
        self.unfinished_bytes = input.len();
    }

    /// The primary ended the connection, or the network did.
    pub fn closed(&mut self, now: Mono) {
        let was_streaming = self.is_streaming();
        self.log(true, format!("the connection to the primary {} is lost", self.primary_name()));
        // A link that worked is tried again at once; one that never did could be refused for ever.
        let retry_at = if was_streaming { now } else { now + RETRY_DELAY };
        self.rest(retry_at, now);
    }

    pub fn timeout(&mut self, now: Mono) {
        match &self.state {
            State::Idle { retry_at } if *retry_at <= now => self.connect(now),
            State::Idle { .. } => {}
            _ if self.silence_ends() <= now => {
                self.fail("it has been silent for longer than repl-timeout", now)
            }
            State::Connecting { .. } | State::Handshake(_) => {}
            State::Transfer(_) if self.next_beat <= now => {
                self.next_beat = now + BEAT_PERIOD;
                self.events.push_back(ReplicaEvent::Send(Bytes::from_static(b"\n")));
            }
            State::Streaming if self.next_beat <= now => self.acknowledge(now),
            State::Transfer(_) | State::Streaming => {}
        }
    }

    pub fn poll_timeout(&self) -> Option<Mono> {
        Some(match &self.state {
            State::Idle { retry_at } => *retry_at,
            State::Connecting { .. } | State::Handshake(_) => self.silence_ends(),
            State::Transfer(_) | State::Streaming => self.silence_ends().min(self.next_beat),
        })
    }

    // --- What the node applied ---

    /// The dataset of `SnapshotBegins` has taken the place of the old one.
    pub fn loaded(&mut self, now: Mono) {
        let State::Transfer(transfer) = &self.state else { panic!("only a dataset in transfer is loaded") };
        self.position = Some(transfer.position());
        self.start_streaming(now);
    }

    /// The dataset cannot be taken. The old one is still there, and so is its position.
    pub fn refused(&mut self, reason: &str, now: Mono) {
        assert!(matches!(self.state, State::Transfer(_)), "only a dataset in transfer is refused");
        self.fail_for(reason, RETRY_DELAY_AFTER_REFUSAL, now);
    }

    /// The dataset of the position is gone, in favour of the one in transfer.
    pub fn forget_position(&mut self) {
        assert!(matches!(self.state, State::Transfer(_)), "only a dataset in transfer makes another one go");
        self.position = None;
    }

    /// Whoever rests after a failure tries again at once.
    pub fn hurry(&mut self, now: Mono) {
        if let State::Idle { retry_at } = &mut self.state {
            *retry_at = now.min(*retry_at);
        }
    }

    /// The first `len` bytes of `input` have been applied, as whole units: a command, or MULTI to EXEC. They
    /// are given back for this server's own backlog, being its history from now on.
    pub fn applied(&mut self, input: &mut BytesMut, len: usize, now: Mono) -> Bytes {
        assert!(self.is_streaming(), "only a stream is applied");
        self.next_beat = self.next_beat.min(now + ACKNOWLEDGE_WITHIN);
        self.applied_at = now;
        let position = self.position.as_mut().expect("a stream goes on from a position");
        position.offset.0 += len as u64;
        let unit = input.split_to(len).freeze();
        self.unfinished_bytes = input.len();
        unit
    }

    /// Says how far this server has applied the stream: each second, and when the primary wants to know.
    pub fn acknowledge(&mut self, now: Mono) {
        assert!(self.is_streaming(), "only a stream is acknowledged");
        self.next_beat = now + BEAT_PERIOD;
        let offset = self.position.expect("a stream goes on from a position").offset;
        let applied = offset.to_string();
        match self.durable.map(|durable| durable.min(offset).to_string()) {
            None => self.send_command(&[b"REPLCONF", b"ACK", applied.as_bytes()]),
            Some(durable) => {
                self.send_command(&[b"REPLCONF", b"ACK", applied.as_bytes(), b"FACK", durable.as_bytes()])
            }
        }
    }

    /// This server's log has made the stream durable up to this offset; none where it has no log.
    pub fn log_is_durable(&mut self, durable: Option<ReplOffset>, now: Mono) {
        if std::mem::replace(&mut self.durable, durable) != durable {
            self.next_beat = self.next_beat.min(now + ACKNOWLEDGE_WITHIN);
        }
    }

    /// The stream makes no sense. What was applied cannot be trusted to be the primary's history either:
    /// the next synchronisation is a full one.
    pub fn stream_broken(&mut self, reason: &str, now: Mono) {
        assert!(self.is_streaming(), "only a stream breaks");
        self.position = None;
        self.fail_for(reason, RETRY_DELAY_AFTER_REFUSAL, now);
    }

    // --- Facts ---

    pub fn position(&self) -> Option<Position> {
        self.position
    }

    pub fn is_streaming(&self) -> bool {
        matches!(self.state, State::Streaming)
    }

    pub fn link_state(&self) -> LinkState {
        match self.state {
            State::Idle { .. } => LinkState::Connect,
            State::Connecting { .. } => LinkState::Connecting,
            State::Handshake(_) => LinkState::Handshake,
            State::Transfer(_) => LinkState::Sync,
            State::Streaming => LinkState::Connected,
        }
    }

    /// `master_last_io_seconds_ago`; none while there is no conversation.
    pub fn quiet_for(&self, now: Mono) -> Option<Nanos> {
        matches!(self.state, State::Transfer(_) | State::Streaming).then(|| now.since(self.heard))
    }

    /// How long nothing of the stream has been applied, PING included; none while there is no stream.
    pub fn applied_ago(&self, now: Mono) -> Option<Nanos> {
        self.is_streaming().then(|| now.since(self.applied_at))
    }

    /// `master_link_down_since_seconds`.
    pub fn down_for(&self, now: Mono) -> Option<Nanos> {
        (!self.is_streaming()).then(|| now.since(self.down_since))
    }

    /// How much of the dataset has arrived, and its length where that is known.
    pub fn transfer_progress(&self) -> Option<(u64, Option<u64>)> {
        match &self.state {
            State::Transfer(transfer) => Some(transfer.progress()),
            _ => None,
        }
    }

    // --- Transitions ---

    fn connect(&mut self, now: Mono) {
        self.state = State::Connecting { since: now };
        self.log(false, format!("connecting to the primary {}", self.primary_name()));
        let ReplicaOptions { host, port, .. } = &self.options;
        self.events.push_back(ReplicaEvent::Connect { host: host.clone(), port: *port });
    }

    fn handshake_data(&mut self, input: &mut BytesMut, now: Mono) -> bool {
        let State::Handshake(handshake) = &mut self.state else { unreachable!("checked by the caller") };
        match handshake.read(input) {
            Ok(None) => false,
            Ok(Some(answer)) => {
                self.proceed(answer, now);
                true
            }
            Err(reason) => {
                self.fail(&reason, now);
                false
            }
        }
    }

    fn proceed(&mut self, answer: Answer, now: Mono) {
        match answer {
            Answer::Alive => {
                let State::Handshake(handshake) = &mut self.state else {
                    unreachable!("it answers a handshake")
                };
                let introduction = handshake.introduce(&self.options);
                self.events.push_back(ReplicaEvent::Send(introduction));
            }
            Answer::Noted { remark, last } => {
                if let Some(remark) = remark {
                    self.log(false, remark);
                }
                if last {
                    self.ask_for_the_stream();
                }
            }
            Answer::Declined(reason) => self.take_over_declined(reason, now),
            Answer::FullResync(position) => {
                self.taken_over();
                self.log(false, format!("the primary sends its dataset of {position}"));
                self.next_beat = now + BEAT_PERIOD;
                self.state = State::Transfer(Transfer::of(position));
            }
            Answer::Continue(id) => {
                self.taken_over();
                let held = self.position.as_mut().expect("only a position can be continued");
                let renamed = id.filter(|id| *id != held.id);
                held.id = renamed.unwrap_or(held.id);
                let held = *held;
                self.log(false, format!("the primary goes on from {held}"));
                self.events.push_back(ReplicaEvent::Continued { id: renamed });
                self.start_streaming(now);
            }
        }
    }

    fn ask_for_the_stream(&mut self) {
        let (id, next) = match self.position {
            Some(position) => (position.id.to_string(), position.offset.next_byte().to_string()),
            None => ("?".to_owned(), "-1".to_owned()),
        };
        let take_over = self.take_over != TakeOver::Unneeded;
        let State::Handshake(handshake) = &mut self.state else { unreachable!("it ends a handshake") };
        handshake.expect_psync(self.position.is_some(), take_over);
        let words: [&[u8]; 4] = [b"PSYNC", id.as_bytes(), next.as_bytes(), b"FAILOVER"];
        self.send_command(if take_over { &words } else { &words[..3] });
        if self.take_over == TakeOver::Wanted {
            self.take_over = TakeOver::Asked;
        }
    }

    fn taken_over(&mut self) {
        if self.take_over != TakeOver::Unneeded {
            self.take_over = TakeOver::Unneeded;
            self.events.push_back(ReplicaEvent::TakenOver);
        }
    }

    /// An answer that got lost may have been a yes: who was asked before and is a primary now has taken over.
    fn take_over_declined(&mut self, reason: String, now: Mono) {
        let has_done_so = self.take_over == TakeOver::Unanswered && reason.contains(ALREADY_PRIMARY);
        self.fail(&format!("it answered {reason} to PSYNC FAILOVER"), now);
        match has_done_so {
            true => self.taken_over(),
            false => self.events.push_back(ReplicaEvent::TakeOverRefused(reason)),
        }
    }

    fn transfer_data(&mut self, input: &mut BytesMut, now: Mono) -> bool {
        let State::Transfer(transfer) = &mut self.state else { unreachable!("checked by the caller") };
        let event = match transfer.read(input) {
            Ok(None) => return false,
            Ok(Some(Found::Header { length_bytes })) => {
                ReplicaEvent::SnapshotBegins { position: transfer.position(), length_bytes }
            }
            Ok(Some(Found::Bytes(bytes))) => ReplicaEvent::SnapshotBytes(bytes),
            Ok(Some(Found::End)) => ReplicaEvent::SnapshotEnds,
            Err(reason) => {
                self.fail(&reason, now);
                return false;
            }
        };
        self.events.push_back(event);
        true
    }

    fn start_streaming(&mut self, now: Mono) {
        self.applied_at = now;
        self.state = State::Streaming;
        self.acknowledge(now);
    }

    /// Ends the connection from this side.
    fn fail(&mut self, reason: &str, now: Mono) {
        self.fail_for(reason, RETRY_DELAY, now);
    }

    /// Ends the connection from this side, not to try again for `delay`.
    fn fail_for(&mut self, reason: &str, delay: Nanos, now: Mono) {
        self.log(true, format!("leaving the primary {}: {reason}", self.primary_name()));
        self.events.push_back(ReplicaEvent::Disconnect);
        self.rest(now + delay, now);
    }

    fn rest(&mut self, retry_at: Mono, now: Mono) {
        if self.is_streaming() {
            self.down_since = now;
        }
        if self.take_over == TakeOver::Asked {
            self.take_over = TakeOver::Unanswered;
        }
        self.state = State::Idle { retry_at };
    }

    fn silence_ends(&self) -> Mono {
        let since = match self.state {
            State::Connecting { since } => since,
            _ => self.heard,
        };
        since + self.options.timeout
    }

    fn send_command(&mut self, words: &[&[u8]]) {
        let mut bytes = BytesMut::new();
        encode_command(&mut bytes, words.iter().copied());
        self.events.push_back(ReplicaEvent::Send(bytes.freeze()));
    }

    fn log(&mut self, warning: bool, message: String) {
        self.events.push_back(ReplicaEvent::Log { warning, message });
    }

    fn primary_name(&self) -> String {
        format!("{}:{}", self.options.host, self.options.port)
    }
}

impl LinkState {
    pub fn as_str(self) -> &'static str {
        match self {
            LinkState::Connect => "connect",
            LinkState::Connecting => "connecting",
            LinkState::Handshake => "handshake",
            LinkState::Sync => "sync",
            LinkState::Connected => "connected",
        }
    }
}
