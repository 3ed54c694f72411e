//! Workloads: what the clients of a scenario do, again and again, and how they enter it into the history.
//!
//! Every written value is unique (it is the operation's number), so a history can tell which write a read saw.
//! A *register* is a string key that is set and read; a *counter* is incremented; a *pair* is two counters that are
//! incremented, and read, in one transaction. A *ledger* is a string to which each writer appends, a *list* and a
//! *set* are grown likewise, so that at the end every acknowledged write is either there or lost. A *lock* is taken
//! for a lease, held for half of it, and given back.

use rand_chacha::ChaCha8Rng;
use rand_core::Rng;
use serde::{Deserialize, Serialize};
use squall_clock::{Mono, Nanos};
use squall_net::{Address, Host};
use squall_resp::Value;

use crate::checkers::Hold;
use crate::client::{CallError, Client};
use crate::entropy::{below, chance, stream, unit};
use crate::history::{Action, Answer, History, OpId, Outcome};
use crate::host::SimHost;
use crate::quantity::{Size, Span};

/// What one group of clients does. Each client sits on a machine of its own.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Workload {
    pub kind: Kind,
    /// Operations a second of each client; it begins one only when the one before is over.
    pub rate: f64,
    /// The nodes that writes turn to, in this order: a client goes on to the next when one does not serve it.
    pub write_to: Vec<String>,
    /// The nodes that reads turn to; where it is empty, reads go where writes go.
    #[serde(default)]
    pub read_from: Vec<String>,
    /// The share of reads among the operations.
    #[serde(default)]
    pub reads: f64,
    /// How many keys there are; ledgers, lists and sets have one for each client.
    #[serde(default = "one")]
    pub keys: u64,
    /// How much some keys are liked better than others: Zipf's exponent. 0 likes all alike, 1 is usual on the web.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub skew: f64,
    /// Whether operations come at their times however long those before them take (an open loop). What could not
    /// begin in time begins as soon as its client is free, and counts from when it was due.
    #[serde(default, skip_serializing_if = "is_false")]
    pub open: bool,
    /// For how long a lock is taken.
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
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    Registers,
    Counters,
    Pairs,
    Ledgers,
    Lists,
    Sets,
    Locks,
}

/// How long a client waits before it tries the next node, so that a refusing list does not make it spin.
const TURN_AWAY_WAIT: Nanos = Nanos::from_millis(20);

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

/// One client at work.
pub struct Worker {
    host: SimHost,
    name: String,
    number: u64,
    workload: Workload,
    history: History,
    rng: ChaCha8Rng,
    letters: ChaCha8Rng,
    writer: Client,
    reader: Option<Client>,
    /// Where keys are not all alike: the sum of the weights up to each.
    weights: Vec<f64>,
}

/// What there is to say about an operation after one attempt.
enum Attempt {
    Over(Outcome),
    /// It surely did not happen, and another node may serve it.
    Elsewhere(String),
}

impl Workload {
    /// Clients that write now and then, to begin from.
    pub fn writing(kind: Kind, nodes: Vec<String>, timeout_ms: u64) -> Workload {
        Workload {
            kind,
            rate: 20.0,
            write_to: nodes,
            read_from: Vec::new(),
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
        if self.write_to.is_empty() {
            return Err("write_to names no node".to_owned());
        }
        if self.wait.is_some_and(|wait| wait.within >= self.timeout) {
            return Err("wait gives up within the timeout, or the client does not hear of it".to_owned());
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
        if self.lease.0.as_millis() < 2 {
            return Err(format!("a lease of {} is over before it is granted", self.lease));
        }
        Ok(())
    }
}

impl Kind {
    /// Whether each client has a key of its own, to which it adds and which is read at the end.
    fn grows(self) -> bool {
        matches!(self, Kind::Ledgers | Kind::Lists | Kind::Sets)
    }

    /// What its keys begin with; whoever reads what is left knows by it what a key is.
    fn prefix(self) -> &'static str {
        match self {
            Kind::Registers => "register",
            Kind::Counters => "counter",
            Kind::Pairs => "pair",
            Kind::Ledgers => "ledger",
            Kind::Lists => "list",
            Kind::Sets => "set",
            Kind::Locks => "lock",
        }
    }
}

impl Worker {
    /// The client `number` of its world.
    pub fn on(host: &SimHost, number: u64, workload: &Workload, history: &History) -> Worker {
        let seed = host.world().seed();
        let client = |names: &[String]| {
            let nodes = names.iter().map(|name| Address { host: name.clone(), port: 6379 }).collect();
            Client::to(host, nodes, workload.timeout.0)
        };
        let reader = (!workload.read_from.is_empty()).then(|| {
            // Readers spread over the nodes that they may read from.
            let mut names = workload.read_from.clone();
            names.rotate_left(number as usize % workload.read_from.len());
            client(&names)
        });
        Worker {
            name: host.name(),
            number,
            workload: workload.clone(),
            history: history.clone(),
            rng: stream(seed, "worker", number),
            letters: stream(seed, "letters", number),
            writer: client(&workload.write_to),
            reader,
            weights: weights_of(workload),
            host: host.clone(),
        }
    }

    /// Works until `stop` says so.
    pub async fn work(mut self, stop: impl Fn() -> bool) {
        let period = Nanos((1e9 / self.workload.rate) as u64);
        // Clients that begin together would go on in step for ever.
        let mut due = self.host.now().mono + Nanos(below(&mut self.rng, period.0));
        loop {
            self.host.sleep_until(due).await;
            if stop() {
                return;
            }
            let since = if self.workload.open { due } else { self.host.now().mono };
            self.operate(since).await;
            due = if self.workload.open { due + period } else { (due + period).max(self.host.now().mono) };
        }
    }

    async fn operate(&mut self, since: Mono) {
        let reads = chance(&mut self.rng, self.workload.reads);
        let action = match self.workload.kind {
            Kind::Locks => Action::Acquire,
            _ if reads => Action::Read,
            Kind::Registers => Action::Write,
            Kind::Counters | Kind::Pairs => Action::Increment,
            Kind::Ledgers | Kind::Lists | Kind::Sets => Action::Append,
        };
        let number = match self.workload.kind {
            kind if kind.grows() => self.number,
            _ => self.draw_key(),
        };
        let key = format!("{}:{number}", self.workload.kind.prefix());
        if action != Action::Acquire {
            self.perform(action, &key, since).await;
            return;
        }
        let sent = self.host.now().mono;
        let (_, outcome) = self.perform(Action::Acquire, &key, since).await;
        if matches!(outcome, Outcome::Done(_)) {
            self.hold(key, sent).await;
        }
    }

    /// Holds a lock that was granted for a request sent at `sent`, and gives it back.
    async fn hold(&mut self, key: String, sent: Mono) {
        let lease = self.workload.lease.0;
        let (from, ends) = (self.host.now().mono, sent + lease);
        let release = from + Nanos(lease.0 / 2);
        if release >= ends {
            // It took so long to be granted that hardly anything is left: it runs out by itself.
            self.history.hold(Hold { lock: key, from, until: ends, holder: self.name.clone() });
            return;
        }
        self.host.sleep_until(release).await;
        self.history.hold(Hold { lock: key.clone(), from, until: release, holder: self.name.clone() });
        self.perform(Action::Release, &key, release).await;
    }

    fn draw_key(&mut self) -> u64 {
        match self.weights.last() {
            None => below(&mut self.rng, self.workload.keys),
            Some(sum) => {
                let at = unit(&mut self.rng) * sum;
                self.weights.partition_point(|weight| *weight <= at) as u64
            }
        }
    }

    /// One operation, tried at one node after another, and entered into the history.
    async fn perform(&mut self, action: Action, key: &str, since: Mono) -> (OpId, Outcome) {
        let node = self.client(action).node().to_owned();
        let id = self.history.invoke(&self.name, &node, key, action, since);
        self.host.world().note(&self.name, format_args!("op {} {action:?} {key} at {node}", id.0));
        let value = value_of(id.0, &self.workload, &mut self.letters);
        let mut retries = self.workload.retries;
        let mut turns = self.nodes(action);
        let mut sent_before = false;
        let outcome = loop {
            match self.attempt(action, key, &value).await {
                Attempt::Over(Outcome::Unknown(_)) if retries > 0 => {
                    retries -= 1;
                    sent_before = true;
                }
                Attempt::Over(outcome) => break outcome,
                Attempt::Elsewhere(reason) => {
                    turns -= 1;
                    if turns == 0 {
                        // The last attempt did not happen; an earlier one may have.
                        break if sent_before { Outcome::Unknown(reason) } else { Outcome::Refused(reason) };
                    }
                }
            }
            self.host.sleep_until(self.host.now().mono + TURN_AWAY_WAIT).await;
            let node = self.client(action).node().to_owned();
            self.history.redirect(id, &node);
        };
        self.host.world().note(&self.name, format_args!("op {} {outcome}", id.0));
        self.history.complete(id, outcome.clone(), self.host.now().mono);
        (id, outcome)
    }

    /// Sends it once; after a failure the client has turned to the next node.
    async fn attempt(&mut self, action: Action, key: &str, value: &[u8]) -> Attempt {
        let (kind, lease, name) = (self.workload.kind, self.workload.lease.0, self.name.clone());
        let client = self.client(action);
        let (key, twin, lease) = (key.as_bytes(), format!("{key}:twin"), lease.as_millis().to_string());
        let reply = match action {
            Action::Read | Action::Increment if kind == Kind::Pairs => {
                let word: &[u8] = if action == Action::Read { b"GET" } else { b"INCR" };
                let replies =
                    client.pipeline(&[&[b"MULTI"], &[word, key], &[word, twin.as_bytes()], &[b"EXEC"]]).await;
                replies.map(|mut replies| replies.pop().expect("there is a reply to each request"))
            }
            Action::Read => client.call(&[b"GET", key]).await,
            Action::Write => client.call(&[b"SET", key, value]).await,
            Action::Increment => client.call(&[b"INCR", key]).await,
            Action::Append if kind == Kind::Lists => client.call(&[b"RPUSH", key, value]).await,
            Action::Append if kind == Kind::Sets => client.call(&[b"SADD", key, value]).await,
            Action::Append => client.call(&[b"APPEND", key, value]).await,
            Action::Acquire => {
                client.call(&[b"SET", key, name.as_bytes(), b"NX", b"PX", lease.as_bytes()]).await
            }
            Action::Release => client.call(&[b"DEL", key]).await,
        };
        match reply {
            Ok(Value::Error(message)) => {
                client.turn_away();
                Attempt::Elsewhere(message)
            }
            Ok(reply) => match understand(self.workload.kind, action, reply) {
                Outcome::Done(answer) if action != Action::Read => self.confirm(action, answer).await,
                outcome => Attempt::Over(outcome),
            },
            Err(CallError::NotSent(reason)) => {
                client.turn_away();
                Attempt::Elsewhere(reason)
            }
            Err(CallError::Unanswered(reason)) => {
                client.turn_away();
                Attempt::Over(Outcome::Unknown(reason))
            }
        }
    }

    /// Asks, over the connection of the write, how many replicas have it.
    async fn confirm(&mut self, action: Action, answer: Answer) -> Attempt {
        let Some(Confirmation { replicas, within }) = self.workload.wait else {
            return Attempt::Over(Outcome::Done(answer));
        };
        let (wanted, timeout) = (replicas.to_string(), within.0.as_millis().to_string());
        let client = self.client(action);
        let reply = client.call(&[b"WAIT", wanted.as_bytes(), timeout.as_bytes()]).await;
        match reply {
            Ok(Value::Integer(count)) if count as u64 >= replicas => Attempt::Over(Outcome::Done(answer)),
            Ok(Value::Integer(count)) => {
                Attempt::Over(Outcome::Unknown(format!("{count} replicas have it in time")))
            }
            Ok(reply) => Attempt::Over(Outcome::Unknown(format!("WAIT was answered {reply:?}"))),
            Err(error) => {
                client.turn_away();
                Attempt::Over(Outcome::Unknown(error.to_string()))
            }
        }
    }

    fn client(&mut self, action: Action) -> &mut Client {
        match &mut self.reader {
            Some(reader) if action == Action::Read => reader,
            _ => &mut self.writer,
        }
    }

    fn nodes(&self, action: Action) -> usize {
        match action {
            Action::Read if self.reader.is_some() => self.workload.read_from.len(),
            _ => self.workload.write_to.len(),
        }
    }
}

/// The number of the operation, and behind a mark as many letters as make up the length of a value. They are
/// drawn, so that no compression makes a dataset smaller than it is meant to be; a ledger is padded with blanks.
fn value_of(number: u64, workload: &Workload, letters: &mut ChaCha8Rng) -> Vec<u8> {
    let mut value = number.to_string().into_bytes();
    let (mark, filler) = (value.len(), workload.value.0 as usize);
    let end = filler.max(mark + 1);
    if workload.kind == Kind::Ledgers {
        value.resize(end, b' ');
        return value;
    }
    value.resize(end, b'.');
    letters.fill_bytes(&mut value[mark + 1..]);
    value[mark + 1..].iter_mut().for_each(|byte| *byte = b'a' + *byte % 26);
    value
}

fn understand(kind: Kind, action: Action, reply: Value) -> Outcome {
    match (kind, action, &reply) {
        (_, Action::Write | Action::Acquire, Value::Simple(ok)) if ok == "OK" => {
            Outcome::Done(Answer::Acknowledged)
        }
        (_, Action::Acquire, Value::Null) => Outcome::Refused("the lock is taken".to_owned()),
        (Kind::Pairs, Action::Increment | Action::Read, Value::Array(both)) => both_counts(both),
        (_, Action::Append | Action::Release, Value::Integer(_)) => Outcome::Done(Answer::Acknowledged),
        (_, Action::Increment, Value::Integer(count)) => Outcome::Done(Answer::Count(*count)),
        (Kind::Counters, Action::Read, Value::Null) => Outcome::Done(Answer::Count(0)),
        (Kind::Counters, Action::Read, Value::Bulk(text)) => match number(text) {
            Some(count) => Outcome::Done(Answer::Count(count as i64)),
            None => Outcome::Unknown(format!("an odd count: {text:?}")),
        },
        (_, Action::Read, Value::Null) => Outcome::Done(Answer::Value(None)),
        (_, Action::Read, Value::Bulk(text)) => Outcome::Done(Answer::Value(number(text))),
        _ => Outcome::Unknown(format!("an odd reply: {reply:?}")),
    }
}

/// What a transaction over a pair told: one count, where both of its halves agree.
fn both_counts(both: &[Value]) -> Outcome {
    let count = |value: &Value| match value {
        Value::Integer(count) => Some(*count),
        Value::Null => Some(0),
        Value::Bulk(text) => number(text).map(|count| count as i64),
        _ => None,
    };
    match both {
        [Value::Error(reason), _] | [_, Value::Error(reason)] => Outcome::Unknown(reason.clone()),
        [one, other] => match (count(one), count(other)) {
            (Some(one), Some(other)) if one == other => Outcome::Done(Answer::Count(one)),
            (Some(one), Some(other)) => Outcome::Done(Answer::Torn(one, other)),
            _ => Outcome::Unknown(format!("odd counts: {both:?}")),
        },
        _ => Outcome::Unknown(format!("an odd transaction: {both:?}")),
    }
}

/// The sums of Zipf's weights; none where all keys are alike. libm is the same on every machine.
fn weights_of(workload: &Workload) -> Vec<f64> {
    if workload.skew == 0.0 {
        return Vec::new();
    }
    let weight = |rank: u64| libm::pow(rank as f64, -workload.skew);
    let sums = (1..=workload.keys).scan(0.0, |sum, rank| {
        *sum += weight(rank);
        Some(*sum)
    });
    sums.collect()
}

/// The numbers of a ledger, in order; what is not a number is 0, which is no operation's.
pub fn ledger_entries(text: &[u8]) -> Vec<u64> {
    let entries = text.split(|byte| *byte == b' ').filter(|entry| !entry.is_empty());
    entries.map(|entry| number(entry).unwrap_or(0)).collect()
}

/// The number at the beginning of a value.
fn number(text: &[u8]) -> Option<u64> {
    let digits = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    std::str::from_utf8(&text[..digits]).ok()?.parse().ok()
}

impl std::fmt::Display for Outcome {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Outcome::Pending => f.write_str("pending"),
            Outcome::Done(Answer::Acknowledged) => f.write_str("ok"),
            Outcome::Done(Answer::Value(None)) => f.write_str("ok nil"),
            Outcome::Done(Answer::Value(Some(value))) => write!(f, "ok {value}"),
            Outcome::Done(Answer::Count(count)) => write!(f, "ok {count}"),
            Outcome::Done(Answer::Torn(one, other)) => write!(f, "torn {one} {other}"),
            Outcome::Refused(reason) => write!(f, "refused: {reason}"),
            Outcome::Unknown(reason) => write!(f, "unknown: {reason}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand_core::SeedableRng;

    /// However short values are meant to be, what is read tells which write it was.
    #[test]
    fn a_value_tells_which_operation_wrote_it() {
        let mut letters = ChaCha8Rng::seed_from_u64(1);
        for (number, value) in [(1, 0), (7, 1), (42, 2), (4222, 1), (4222, 5), (90210, 64)] {
            let workload =
                Workload { value: Size(value), ..Workload::writing(Kind::Registers, Vec::new(), 1_000) };
            let written = value_of(number, &workload, &mut letters);
            assert!(written.len() as u64 >= value);
            assert_eq!(super::number(&written), Some(number));
            let ledger = Workload { kind: Kind::Ledgers, ..workload };
            let twice =
                [value_of(number, &ledger, &mut letters), value_of(8, &ledger, &mut letters)].concat();
            assert_eq!(ledger_entries(&twice), [number, 8]);
        }
    }

    /// The first of a hundred keys gets about a fifth under Zipf's law with exponent 1, and a hundredth under none.
    #[test]
    fn skew_makes_some_keys_popular() {
        let share_of_first = |skew| {
            let keys = Workload { keys: 100, skew, ..Workload::writing(Kind::Registers, Vec::new(), 1) };
            let (weights, mut rng) = (weights_of(&keys), ChaCha8Rng::seed_from_u64(1));
            let first = |_: &u32| match weights.last() {
                None => below(&mut rng, 100) == 0,
                Some(sum) => {
                    let at = unit(&mut rng) * sum;
                    weights.partition_point(|weight| *weight <= at) == 0
                }
            };
            (0..10_000).filter(first).count()
        };
        assert!((50..150).contains(&share_of_first(0.0)));
        // 1 / (1 + 1/2 + ... + 1/100) is 0.193.
        assert!((1_800..2_060).contains(&share_of_first(1.0)), "{}", share_of_first(1.0));
    }
}
