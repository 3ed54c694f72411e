//! Workloads: what the clients of a scenario do, again and again, and how they enter it into the history.
//!
//! Every written value is unique (it is the operation's number), so a history can tell which write a read saw. What each
//! [`Kind`] does is said beside it. What a group does is data, in this file; [`worker`] does it, in the words of
//! [`requests`] and by the meaning that [`replies`] gives to the answers; [`listener`] hears channels.

mod keys;
mod listener;
mod replies;
mod requests;
mod values;
mod worker;

use serde::{Deserialize, Serialize};

use crate::cluster_client::SLOT_COUNT;
use crate::history::Action;
use crate::quantity::{Size, Span};

pub use requests::{GROUP, taken_by};
pub use values::{ledger_entries, twin_of};
pub use worker::Worker;

/// What one group of clients does. Each client sits on a machine of its own.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Workload {
    pub kind: Kind,
    /// Operations a second of each client; it begins one only when the one before is over.
    pub rate: f64,
    /// The nodes that writes turn to, in this order: a client goes on to the next when one does not serve it. Of a
    /// cluster: those that a client knows at first.
    #[serde(default)]
    pub write_to: Vec<String>,
    /// The nodes that reads turn to; where it is empty, reads go where writes go.
    #[serde(default)]
    pub read_from: Vec<String>,
    /// Whether the clients know what a cluster is: they keep a map of its slots and follow redirects.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cluster: Option<bool>,
    /// In a cluster: reads go to replicas, with READONLY.
    #[serde(default, skip_serializing_if = "is_false")]
    pub replica_reads: bool,
    /// In a cluster: all keys lie in these slots, the first and the last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slots: Option<[u16; 2]>,
    /// The share of reads among the operations; of queues and streams, the share of takes.
    #[serde(default)]
    pub reads: f64,
    /// How many keys (or channels) there are; ledgers, lists and sets have one for each client.
    #[serde(default = "one")]
    pub keys: u64,
    /// How much some keys are liked better than others: Zipf's exponent. 0 likes all alike, 1 is usual on the web.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub skew: f64,
    /// Whether operations come at their times however long those before them take (an open loop). What could not
    /// begin in time begins as soon as its client is free, and counts from when it was due.
    #[serde(default, skip_serializing_if = "is_false")]
    pub open: bool,
    /// For how long a lock is taken, and after how long a consumer may claim what another was given.
    #[serde(default = "two_seconds", skip_serializing_if = "is_two_seconds")]
    pub lease: Span,
    /// How long a client waits for a connection and for an answer.
    #[serde(default = "one_second")]
    pub timeout: Span,
    /// How often a write that may have happened is sent again. Sent twice, it may happen twice.
    #[serde(default)]
    pub retries: u32,
    /// How long a written value is.
    #[serde(default)]
    pub value: Size,
    /// A write counts as acknowledged when so many replicas have it.
    #[serde(default)]
    pub wait: Option<Confirmation>,
}

/// What WAIT must say after a write. A write that fewer replicas have in time may yet be lost.
#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Confirmation {
    pub replicas: u64,
    pub within: Span,
    /// It must be on their disks, and on the primary's: WAITAOF is asked.
    #[serde(default, skip_serializing_if = "is_false")]
    pub on_disks: bool,
    /// A script appends to a ledger and asks, in one.
    #[serde(default, skip_serializing_if = "is_false")]
    pub in_script: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    Registers,
    Counters,
    Pairs,
    Scripts,
    Ledgers,
    Lists,
    Sets,
    Locks,
    Queues,
    Jobs,
    Streams,
    Channels,
    ShardChannels,
}

/// A table of more keys than this would be the biggest thing in the world.
const SKEWED_KEYS_MAX: u64 = 1_000_000;

fn one() -> u64 {
    1
}

fn two_seconds() -> Span {
    Span::from_secs(2)
}

fn is_two_seconds(span: &Span) -> bool {
    *span == two_seconds()
}

fn is_zero(number: &f64) -> bool {
    *number == 0.0
}

fn is_false(flag: &bool) -> bool {
    !flag
}

fn one_second() -> Span {
    Span::from_secs(1)
}

impl Workload {
    /// Clients that write now and then, to begin from.
    pub fn writing(kind: Kind, nodes: Vec<String>, timeout_ms: u64) -> Workload {
        Workload {
            kind,
            rate: 20.0,
            write_to: nodes,
            read_from: Vec::new(),
            cluster: None,
            replica_reads: false,
            slots: None,
            reads: 0.0,
            keys: 1,
            skew: 0.0,
            open: false,
            lease: two_seconds(),
            timeout: Span::from_millis(timeout_ms),
            retries: 0,
            value: Size(0),
            wait: None,
        }
    }

    /// Says what is impossible about it.
    pub fn check(&self) -> Result<(), String> {
        if !(self.rate > 0.0 && self.rate <= 1_000_000.0) {
            return Err(format!(
                "rate is {}; a client does between 0 and a million operations a second",
                self.rate
            ));
        }
        if !(0.0..=1.0).contains(&self.reads) {
            return Err(format!("reads is {}; it is a share between 0 and 1", self.reads));
        }
        if self.slots.is_some_and(|[first, last]| first > last || last >= SLOT_COUNT) {
            return Err("slots are the first and the last of a range, within 0 to 16383".to_owned());
        }
        if self.wait.is_some_and(|wait| wait.within >= self.timeout) {
            return Err("wait gives up within the timeout, or the client does not hear of it".to_owned());
        }
        if self.wait.is_some_and(|wait| wait.in_script) && self.kind != Kind::Ledgers {
            return Err("only ledgers are appended to by a script".to_owned());
        }
        if self.keys == 0 {
            return Err("there must be at least one key".to_owned());
        }
        if !(0.0..=10.0).contains(&self.skew) || self.skew > 0.0 && self.keys > SKEWED_KEYS_MAX {
            return Err(format!(
                "skew is {}; it lies between 0 and 10, with up to a million keys",
                self.skew
            ));
        }
        if self.kind.grows() && self.reads > 0.0 {
            return Err("ledgers, lists and sets are read at the end; reads must be 0".to_owned());
        }
        if (self.kind == Kind::Locks || self.kind.is_heard()) && self.reads > 0.0 {
            return Err("locks are not read, and channels are heard by all; reads must be 0".to_owned());
        }
        let waits = self.kind == Kind::Locks || self.kind.is_taken_from() && self.reads > 0.0;
        if self.open && waits {
            return Err("who holds a lock or waits for an element cannot keep to times; open must be false"
                .to_owned());
        }
        if self.kind.is_taken_from() && !self.read_from.is_empty() {
            return Err("what is taken is taken where it is written; read_from must be empty".to_owned());
        }
        if self.lease.0.as_millis() < 2 {
            return Err(format!("a lease of {} is over before it is granted", self.lease));
        }
        Ok(())
    }
}

impl Kind {
    /// In the order in which they are shown.
    pub const ALL: [Kind; 13] = [
        Kind::Registers,
        Kind::Counters,
        Kind::Pairs,
        Kind::Scripts,
        Kind::Ledgers,
        Kind::Lists,
        Kind::Sets,
        Kind::Locks,
        Kind::Queues,
        Kind::Jobs,
        Kind::Streams,
        Kind::Channels,
        Kind::ShardChannels,
    ];

    /// What it is called in a scenario, what its clients do, and what its history is judged by.
    pub fn told(self) -> (&'static str, &'static str) {
        match self {
            Kind::Registers => {
                ("registers", "strings that are set and read: linearizable, stale or backward reads")
            }
            Kind::Counters => {
                ("counters", "numbers that are incremented and read: lost and doubled increments")
            }
            Kind::Pairs => {
                ("pairs", "two counters that MULTI and EXEC increment, and read, together: torn transactions")
            }
            Kind::Scripts => {
                ("scripts", "two counters that a script increments, and reads, together: torn scripts")
            }
            Kind::Ledgers => {
                ("ledgers", "a string to which each client appends: lost, doubled and risen writes")
            }
            Kind::Lists => ("lists", "a list to which each client appends: the same"),
            Kind::Sets => ("sets", "a set to which each client adds: the same"),
            Kind::Locks => {
                ("locks", "SET NX PX, held for half of the lease, then given back: two holders at once")
            }
            Kind::Queues => {
                ("queues", "RPUSH, and BLPOP for the share of reads: no element is given out twice")
            }
            Kind::Jobs => {
                ("jobs", "RPUSH, and BLMOVE to a list of one's own, then LREM: no element goes missing")
            }
            Kind::Streams => (
                "streams",
                "XADD, and XREADGROUP or XAUTOCLAIM, then XACK: no entry goes missing or is skipped",
            ),
            Kind::Channels => (
                "channels",
                "PUBLISH, while each client hears all channels: no message twice or out of order",
            ),
            Kind::ShardChannels => {
                ("shard-channels", "SPUBLISH, while each client hears one of the channels: the same")
            }
        }
    }

    /// Whether each client has a key of its own, to which it adds and which is read at the end.
    pub fn grows(self) -> bool {
        matches!(self, Kind::Ledgers | Kind::Lists | Kind::Sets)
    }

    /// Whether elements that are put in are given out, each to one client.
    pub fn is_taken_from(self) -> bool {
        matches!(self, Kind::Queues | Kind::Jobs | Kind::Streams)
    }

    /// Whether what its clients do is heard and not kept.
    pub fn is_heard(self) -> bool {
        matches!(self, Kind::Channels | Kind::ShardChannels)
    }

    /// What its clients do next: the one thing, or the other.
    fn action(self, reads: bool) -> Action {
        match self {
            Kind::Locks => Action::Acquire,
            Kind::Channels | Kind::ShardChannels => Action::Publish,
            Kind::Queues if reads => Action::Pop,
            Kind::Jobs | Kind::Streams if reads => Action::Claim,
            Kind::Queues | Kind::Jobs => Action::Put,
            _ if reads => Action::Read,
            Kind::Registers => Action::Write,
            Kind::Counters | Kind::Pairs | Kind::Scripts => Action::Increment,
            Kind::Ledgers | Kind::Lists | Kind::Sets | Kind::Streams => Action::Append,
        }
    }

    /// The share of requests that are worded otherwise than most: entries are claimed from who was too slow, and a script
    /// computes for long, which costs whoever simulates it as much as a server.
    fn rare_share(self) -> f64 {
        match self {
            Kind::Streams => 1.0 / 16.0,
            Kind::Scripts => 1.0 / 128.0,
            _ => 0.0,
        }
    }

    /// What its keys begin with; whoever reads what is left knows by it what a key is.
    fn prefix(self) -> &'static str {
        match self {
            Kind::Registers => "register",
            Kind::Counters => "counter",
            Kind::Pairs => "pair",
            Kind::Scripts => "script",
            Kind::Ledgers => "ledger",
            Kind::Lists => "list",
            Kind::Sets => "set",
            Kind::Locks => "lock",
            Kind::Queues => "queue",
            Kind::Jobs => "jobs",
            Kind::Streams => "stream",
            Kind::Channels => "channel",
            Kind::ShardChannels => "shard-channel",
        }
    }
}
