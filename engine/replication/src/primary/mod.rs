//! The serving side: this server's history, the backlog that holds its end, and the replicas attached to
//! it. Every server has one `Primary`, also while it follows another: then its history is its primary's,
//! the bytes come from there, and replicas of its own read the same stream.
//!
//! It leaves to the node: making the dataset's bytes, moving bytes to and from sockets, and answering the
//! commands. `replconf` and `psync` say what REPLCONF and PSYNC look like, `full_sync` decides who gets
//! what, `pacing` sees to it that they get there, `schedule` does what time asks for.

mod attached;
mod full_sync;
mod pacing;
mod replconf;
mod schedule;

use std::collections::{BTreeMap, VecDeque};
use std::io::IoSlice;

use bytes::Bytes;
use squall_clock::{Mono, Nanos};
use squall_resp::Args;

use self::attached::{Attached, Phase};
use self::full_sync::Transfer;
use self::replconf::Setting;
use crate::timeline::Timeline;
use crate::{Backlog, History, Position, ReplId, ReplOffset};

pub use self::attached::{Address, ReplicaFacts};
pub use self::full_sync::{Form, Psync, SyncCounts, TransferMark, Wanted};
pub use self::replconf::{ReplconfError, Request};

/// The number that the node gives to a replica's connection.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Hash)]
pub struct ReplicaKey(pub u64);

/// Settings of redis.conf, by their meaning.
#[derive(Clone, Debug)]
pub struct PrimaryOptions {
    /// `repl-backlog-size`.
    pub backlog_bytes: u64,
    /// `repl-backlog-ttl`; zero keeps the backlog for ever.
    pub backlog_ttl: Nanos,
    /// `repl-ping-replica-period`.
    pub ping_period: Nanos,
    /// `repl-timeout`.
    pub replica_timeout: Nanos,
    /// `client-output-buffer-limit replica`.
    pub output_limit: OutputLimit,
    /// `repl-diskless-sync`.
    pub diskless: bool,
    /// `repl-diskless-sync-delay`.
    pub diskless_delay: Nanos,
    /// `repl-diskless-sync-max-replicas`; zero never cuts the delay short.
    pub diskless_replicas_max: usize,
}

/// How much may wait for one replica. Zero bytes mean no limit. A limit below the backlog's size counts as
/// the backlog's size: a replica that may continue must not be cut off for what it continues with.
#[derive(Clone, Copy, Debug)]
pub struct OutputLimit {
    pub hard_bytes: u64,
    pub soft_bytes: u64,
    pub soft_duration: Nanos,
}

/// What the node is to do, in order.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum PrimaryEvent {
    /// Write to this replica's connection. Whatever is sent so precedes the stream that it reads.
    Send {
        replica: ReplicaKey,
        bytes: Bytes,
    },
    /// End this replica's connection; it is no longer attached.
    Close {
        replica: ReplicaKey,
        reason: String,
    },
    Log {
        warning: bool,
        message: String,
    },
}

/// What a REPLCONF command is answered.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Replconf {
    Ok,
    /// Nothing: an acknowledgement.
    Silent,
    /// Nothing, but the sender, if it is my primary, wants to know how far I am.
    AcknowledgementWanted,
}

#[derive(Debug)]
pub struct Primary {
    options: PrimaryOptions,
    history: History,
    /// None until somebody asked for a synchronisation: till then nobody counts the bytes of history.
    backlog: Option<Backlog>,
    timeline: Timeline,
    /// The end and the length of the last write that the backlog alone cannot hold.
    long_write: Option<(ReplOffset, u64)>,
    replicas: BTreeMap<ReplicaKey, Attached>,
    /// The dataset that is being sent, if any.
    transfer: Option<Transfer>,
    /// True while the history comes from my own primary.
    following: bool,
    /// True while the history's end must not move by itself: somebody is to reach it and take over.
    quiet: bool,
    clock: Mono,
    next_ping: Mono,
    next_newline: Mono,
    /// Since when nobody has been attached.
    alone_since: Mono,
    counts: SyncCounts,
    events: VecDeque<PrimaryEvent>,
}

impl Primary {
    pub fn new(options: PrimaryOptions, id: ReplId, now: Mono) -> Primary {
        Primary {
            options,
            history: History::starting(id),
            backlog: None,
            timeline: Timeline::default(),
            long_write: None,
            replicas: BTreeMap::new(),
            transfer: None,
            following: false,
            quiet: false,
            clock: now,
            next_ping: now,
            next_newline: now,
            alone_since: now,
            counts: SyncCounts::default(),
            events: VecDeque::new(),
        }
    }

    pub fn set_options(&mut self, options: PrimaryOptions) {
        if let Some(backlog) = &mut self.backlog {
            backlog.set_limit(options.backlog_bytes);
        }
        self.options = options;
        self.trim_backlog();
    }

    pub fn poll_event(&mut self) -> Option<PrimaryEvent> {
        self.events.pop_front()
    }

    // --- Whose history this is ---

    pub fn history(&self) -> &History {
        &self.history
    }

    pub fn backlog(&self) -> Option<&Backlog> {
        self.backlog.as_ref()
    }

    /// Where this server is in a history that others may share; none while nobody has counted its bytes.
    pub fn position(&self) -> Option<Position> {
        self.backlog.as_ref().map(|_| self.history.position())
    }

    /// The dataset read at the start is that of `position`, so this server can go on from there as a
    /// replica. As a primary it must be promoted before it writes anything: what it lost in a crash may
    /// live on elsewhere under the old id.
    pub fn restore(&mut self, position: Position) {
        assert!(self.backlog.is_none(), "a history is restored before it is used");
        self.history = History { id: position.id, offset: position.offset, earlier: None };
        self.following = true;
        self.start_backlog();
    }

    /// From now on the stream comes from my own primary.
    pub fn follow(&mut self) {
        self.following = true;
    }

    /// The dataset has been replaced by my primary's: its history is now mine, and what my replicas have
    /// is a part of another one.
    pub fn adopt(&mut self, position: Position, now: Mono) {
        assert!(self.following, "only a replica adopts a history");
        self.detach_all("its primary took over another history");
        self.history = History { id: position.id, offset: position.offset, earlier: None };
        self.start_backlog();
        self.alone_since = now;
    }

    /// The dataset is gone, and with it every position in its history.
    pub fn dataset_lost(&mut self, own: ReplId, now: Mono) {
        assert!(self.following, "only a replica drops its dataset for another's");
        self.detach_all("its dataset is about to be replaced");
        self.history = History { id: own, offset: self.history.offset, earlier: None };
        self.backlog = None;
        self.alone_since = now;
    }

    /// My primary goes on with the history that I have, under the id `id`. My replicas come back to learn
    /// the id: should they keep the old one, it would name two histories.
    pub fn rename(&mut self, id: ReplId) {
        assert!(self.following && self.backlog.is_some(), "only a replica's history is renamed by another");
        if id != self.history.id {
            self.detach_all("the replication id changed");
            self.history.rename(id);
        }
    }

    /// From now on this server writes the history, under a new id; the old one names its past.
    pub fn promote(&mut self, own: ReplId, now: Mono) {
        assert!(self.following, "only a replica is promoted");
        self.following = false;
        self.detach_all("this server became a primary");
        match self.backlog {
            Some(_) => self.history.rename(own),
            None => self.history = History::starting(own),
        }
        self.alone_since = now;
        self.next_ping = now + self.options.ping_period;
        self.log(false, format!("history goes on as {} after {}", self.history.id, self.history.offset));
    }

    /// While a replica is awaited at the end of the history, nothing but writes moves that end: no PING does.
    pub fn keep_quiet(&mut self, quiet: bool) {
        self.quiet = quiet;
    }

    /// `DEBUG CHANGE-REPL-ID`: as if the past were unknown.
    pub fn forget_past(&mut self, own: ReplId) {
        self.history.id = own;
        self.history.earlier = None;
    }

    // --- The stream ---

    /// True when the bytes of history are counted and kept, so that they have to be fed.
    pub fn wants_stream(&self) -> bool {
        self.backlog.is_some()
    }

    /// More of the stream: so many whole commands, in the order of execution.
    pub fn feed(&mut self, bytes: Bytes, commands: u64, now: Mono) {
        let Some(backlog) = &mut self.backlog else { return };
        self.clock = now;
        self.timeline.grow(backlog.end(), commands, now);
        let length = bytes.len() as u64;
        backlog.append(bytes);
        self.history.offset = backlog.end();
        if length >= self.options.backlog_bytes {
            self.long_write = Some((self.history.offset, length));
        }
        self.enforce_output_limits(now);
        self.trim_backlog();
    }

    /// Asks all replicas to acknowledge what they have applied; once per turn is enough for everyone who
    /// waits. Not for a replica: the stream is not its own.
    pub fn request_acknowledgements(&mut self, now: Mono) {
        assert!(!self.following, "a replica adds nothing to the stream");
        self.feed(Bytes::from_static(b"*3\r\n$8\r\nREPLCONF\r\n$6\r\nGETACK\r\n$1\r\n*\r\n"), 1, now);
    }

    /// The replicas that read the stream.
    pub fn online(&self) -> impl Iterator<Item = ReplicaKey> {
        self.replicas.iter().filter(|(_, replica)| replica.is_online()).map(|(key, _)| *key)
    }

    /// How many replicas have been sent the whole dataset, or needed none.
    pub fn past_transfer_len(&self) -> usize {
        self.replicas.values().filter(|replica| replica.is_past_transfer()).count()
    }

    /// The stream that waits for this replica; none while it does not read it.
    pub fn stream_slices<'a>(&'a self, key: ReplicaKey, slices: &mut [IoSlice<'a>]) -> usize {
        match (self.backlog.as_ref(), self.replicas.get(&key).map(|replica| replica.phase)) {
            (Some(backlog), Some(Phase::Online { sent })) => backlog.slices(sent, slices),
            _ => 0,
        }
    }

    /// `count` bytes of what `stream_slices` showed went to the replica.
    pub fn stream_written(&mut self, key: ReplicaKey, count: usize) {
        let Some(replica) = self.replicas.get_mut(&key) else { return };
        let Phase::Online { sent } = &mut replica.phase else {
            panic!("only online replicas are sent the stream")
        };
        sent.0 += count as u64;
        assert!(*sent <= self.history.offset, "a replica was sent more than there is");
        self.took(key, count as u64);
        self.trim_backlog();
    }

    /// Bytes that are kept for this replica.
    pub fn stream_pending(&self, key: ReplicaKey) -> u64 {
        self.replicas.get(&key).map_or(0, |replica| replica.pending(self.history.offset))
    }

    // --- What replicas say ---

    /// `REPLCONF`, from a connection that may or may not be a replica's. `host` is where it comes from.
    pub fn replconf(
        &mut self,
        key: ReplicaKey,
        host: &str,
        args: Args<'_>,
        now: Mono,
    ) -> Result<Replconf, ReplconfError> {
        self.clock = now;
        let mut answer = Replconf::Ok;
        let result = replconf::read_settings(args, |setting| match setting {
            Setting::Ack { applied, durable } => {
                self.acknowledge(key, applied, durable, now);
                answer = Replconf::Silent;
            }
            Setting::GetAck => answer = Replconf::AcknowledgementWanted,
            Setting::Other => {}
            setting => self.introduce(key, host, setting, now),
        });
        result.map(|()| answer)
    }

    /// What it says about itself counts until it asks for a synchronisation, which is decided by it.
    fn introduce(&mut self, key: ReplicaKey, host: &str, setting: Setting, now: Mono) {
        let address = Address { host: host.to_owned(), port: 0 };
        let replica = self.replicas.entry(key).or_insert_with(|| Attached::announcing(address, now));
        if replica.is_attached() {
            return;
        }
        match setting {
            Setting::ListeningPort(port) => replica.address.port = port,
            Setting::IpAddress(host) => replica.address.host = host,
            Setting::CapaEof => replica.capabilities.eof = true,
            Setting::CapaPsync2 => replica.capabilities.psync2 = true,
            Setting::RdbOnly(wanted) => replica.contents.rdb_only = wanted,
            Setting::WithoutKeys(wanted) => replica.contents.without_keys = wanted,
            Setting::Ack { .. } | Setting::GetAck | Setting::Other => unreachable!("not an introduction"),
        }
    }

    fn acknowledge(
        &mut self,
        key: ReplicaKey,
        applied: Option<ReplOffset>,
        durable: Option<ReplOffset>,
        now: Mono,
    ) {
        let Some(replica) = self.replicas.get_mut(&key).filter(|replica| replica.is_attached()) else {
            return;
        };
        replica.heard = now;
        if let Phase::Settling { start } = replica.phase {
            if replica.contents.rdb_only {
                return self.detach(key, "it has the dataset, which was all it asked for");
            }
            replica.phase = Phase::Online { sent: start };
            replica.acknowledged = Some(start);
            replica.acknowledged_at = now;
            let message =
                format!("replica {} has the dataset and reads the stream from {start}", replica.address);
            self.log(false, message);
            return self.acknowledge(key, applied, durable, now);
        }
        let Phase::Online { sent } = replica.phase else { return };
        replica.acknowledged_at = now;
        let claimed = applied.max(durable);
        if claimed.is_some_and(|claimed| claimed > sent) {
            let claimed = claimed.unwrap_or_default();
            let reason =
                format!("it acknowledged offset {claimed} but was only sent the stream up to {sent}");
            return self.detach(key, &reason);
        }
        replica.acknowledged = replica.acknowledged.max(applied);
        replica.durable = replica.durable.max(durable);
        let online = self.replicas.values().filter(|replica| replica.is_online());
        if let Some(slowest) = online.map(|replica| replica.acknowledged.unwrap_or_default()).min() {
            self.timeline.forget_before(slowest);
        }
    }

    /// It took some of what precedes the stream: answers, the dataset.
    pub fn dataset_written(&mut self, key: ReplicaKey, count: usize, now: Mono) {
        self.heard(key, now);
        if self.replicas.get(&key).is_some_and(Attached::is_in_transfer) {
            self.took(key, count as u64);
        }
    }

    /// A sign of life: it said anything, such as the newlines while it loads.
    pub fn heard(&mut self, key: ReplicaKey, now: Mono) {
        if let Some(replica) = self.replicas.get_mut(&key) {
            replica.heard = now;
        }
    }

    /// The connection is gone.
    pub fn closed(&mut self, key: ReplicaKey, now: Mono) {
        self.clock = now;
        if let Some(replica) = self.replicas.remove(&key).filter(Attached::is_attached) {
            self.log(false, format!("replica {} is gone", replica.address));
            self.after_detaching(now);
        }
    }

    // --- Facts ---

    pub fn is_attached(&self, key: ReplicaKey) -> bool {
        self.replicas.get(&key).is_some_and(Attached::is_attached)
    }

    /// The replicas that have asked for a synchronisation, in order of arrival.
    pub fn replicas(&self, now: Mono) -> impl Iterator<Item = (ReplicaKey, ReplicaFacts)> {
        let attached = self.replicas.iter().filter(|(_, replica)| replica.is_attached());
        let end = self.history.offset;
        attached.map(move |(key, replica)| {
            let lag = self.timeline.lag(replica.acknowledged.unwrap_or_default(), end, now);
            (*key, replica.facts(lag, now))
        })
    }

    /// Where the replicas are that have applied all there is.
    pub fn in_step(&self) -> impl Iterator<Item = &Address> {
        let end = self.history.offset;
        self.replicas.values().filter(move |replica| replica.has_applied(end)).map(|replica| &replica.address)
    }

    /// How many replicas have applied everything before `offset`: what WAIT answers.
    pub fn acknowledged_by(&self, offset: ReplOffset) -> usize {
        self.replicas.values().filter(|replica| replica.has_applied(offset)).count()
    }

    /// How many replicas have everything before `offset` on their disks: what WAITAOF answers.
    pub fn durable_at(&self, offset: ReplOffset) -> usize {
        let has_it =
            |replica: &&Attached| replica.is_online() && replica.durable.is_some_and(|end| end >= offset);
        self.replicas.values().filter(has_it).count()
    }

    /// Replicas whose last acknowledgement is younger than `lag_max`: `min-replicas-max-lag`.
    pub fn good_replicas(&self, lag_max: Nanos, now: Mono) -> usize {
        let is_good = |replica: &&Attached| replica.has_applied(ReplOffset(0)) && replica.lag(now) <= lag_max;
        self.replicas.values().filter(is_good).count()
    }

    /// Synchronisations since the last call.
    pub fn take_sync_counts(&mut self) -> SyncCounts {
        std::mem::take(&mut self.counts)
    }

    /// Whether the history comes from somebody else, and nothing may be added to it here.
    pub fn is_following(&self) -> bool {
        self.following
    }

    // --- Leaves ---

    fn start_backlog(&mut self) {
        self.timeline = Timeline::default();
        self.backlog = Some(Backlog::new(self.history.offset, self.options.backlog_bytes));
    }

    fn trim_backlog(&mut self) {
        let slowest = self.replicas.values().filter_map(Attached::needs_stream_from).min();
        if let Some(backlog) = &mut self.backlog {
            backlog.trim(slowest);
        }
    }

    fn detach_all(&mut self, reason: &str) {
        let attached: Vec<ReplicaKey> =
            self.replicas.iter().filter(|(_, replica)| replica.is_attached()).map(|(key, _)| *key).collect();
        for key in attached {
            self.detach(key, reason);
        }
    }

    fn detach(&mut self, key: ReplicaKey, reason: &str) {
        let replica = self.replicas.remove(&key).expect("only who is attached is detached");
        self.log(true, format!("closing the connection of replica {}: {reason}", replica.address));
        self.events.push_back(PrimaryEvent::Close { replica: key, reason: reason.to_owned() });
        self.after_detaching(self.clock);
    }

    fn after_detaching(&mut self, now: Mono) {
        if !self.replicas.values().any(Attached::is_attached) {
            self.alone_since = now;
        }
        self.drop_abandoned_transfer();
        self.trim_backlog();
    }

    fn log(&mut self, warning: bool, message: String) {
        self.events.push_back(PrimaryEvent::Log { warning, message });
    }

    fn send(&mut self, replica: ReplicaKey, bytes: impl Into<Bytes>) {
        self.events.push_back(PrimaryEvent::Send { replica, bytes: bytes.into() });
    }
}
