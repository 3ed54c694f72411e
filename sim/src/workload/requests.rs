//! What an operation says to a server: one request, or several at once of which the last one's reply counts.

use squall_clock::Nanos;

use super::Kind;
use super::values::twin_of;
use crate::history::Action;

/// The consumer group of every stream.
pub const GROUP: &str = "readers";

/// Both halves at once; between them the script may be long enough to be laid aside.
const INCREMENT_BOTH: &str = "local one = redis.call('INCR', KEYS[1]) for i = 1, tonumber(ARGV[1]) do end \
                              return {one, redis.call('INCR', KEYS[2])}";
const READ_BOTH: &str =
    "return {tonumber(redis.call('GET', KEYS[1]) or 0), tonumber(redis.call('GET', KEYS[2]) or 0)}";
/// Rounds of a script that ends at once, and of one that takes several slices.
const ROUNDS: [&str; 2] = ["0", "150000"];

/// What is needed to word a request.
pub(super) struct Wish<'a> {
    pub kind: Kind,
    pub action: Action,
    pub key: &'a str,
    /// Who asks.
    pub client: &'a str,
    /// What is written; of a confirmation, what was claimed.
    pub value: &'a [u8],
    pub lease: Nanos,
    /// How long the server may wait until there is something to take.
    pub block: Nanos,
    /// Whether it shall be the rarer form: a claim of what another was given, a script that takes long.
    pub rarely: bool,
}

pub(super) type Request = Vec<Vec<u8>>;

/// Where a client keeps the jobs that it has not done yet; in a cluster it lies in the slot of their queue.
pub fn taken_by(key: &str, client: &str) -> String {
    match key.contains('{') {
        true => format!("{key}:taken:{client}"),
        false => format!("{{{key}}}:taken:{client}"),
    }
}

impl Wish<'_> {
    pub(super) fn requests(&self) -> Vec<Request> {
        let key = self.key;
        match (self.action, self.kind) {
            (Action::Read | Action::Increment, Kind::Pairs) => {
                let word = if self.action == Action::Read { "GET" } else { "INCR" };
                vec![words(&["MULTI"]), words(&[word, key]), words(&[word, &twin_of(key)]), words(&["EXEC"])]
            }
            (Action::Read, Kind::Scripts) => vec![words(&["EVAL_RO", READ_BOTH, "2", key, &twin_of(key)])],
            (Action::Increment, Kind::Scripts) => {
                let rounds = ROUNDS[usize::from(self.rarely)];
                vec![words(&["EVAL", INCREMENT_BOTH, "2", key, &twin_of(key), rounds])]
            }
            (Action::Read, _) => vec![words(&["GET", key])],
            (Action::Write, _) => vec![self.with_value(&["SET", key])],
            (Action::Increment, _) => vec![words(&["INCR", key])],
            (Action::Append, Kind::Lists) | (Action::Put, _) => vec![self.with_value(&["RPUSH", key])],
            (Action::Append, Kind::Sets) => vec![self.with_value(&["SADD", key])],
            (Action::Append, Kind::Streams) => vec![self.with_value(&["XADD", key, "*", "v"])],
            (Action::Append, _) => vec![self.with_value(&["APPEND", key])],
            (Action::Acquire, _) => {
                vec![words(&["SET", key, self.client, "NX", "PX", &self.lease.as_millis().to_string()])]
            }
            (Action::Release, _) => vec![words(&["DEL", key])],
            (Action::Publish, Kind::ShardChannels) => vec![self.with_value(&["SPUBLISH", key])],
            (Action::Publish, _) => vec![self.with_value(&["PUBLISH", key])],
            (Action::Pop, _) => vec![words(&["BLPOP", key, &self.block_seconds()])],
            (Action::Claim, Kind::Streams) => self.claim_of_stream(),
            (Action::Claim, _) => {
                let own = taken_by(key, self.client);
                vec![words(&["BLMOVE", key, &own, "LEFT", "RIGHT", &self.block_seconds()])]
            }
            (Action::Confirm, Kind::Streams) => vec![self.with_value(&["XACK", key, GROUP])],
            (Action::Confirm, _) => vec![self.with_value(&["LREM", &taken_by(key, self.client), "1"])],
        }
    }

    /// The group may be new to the node that is asked: it is created each time, which mostly is refused.
    fn claim_of_stream(&self) -> Vec<Request> {
        let create = words(&["XGROUP", "CREATE", self.key, GROUP, "0", "MKSTREAM"]);
        let idle = self.lease.as_millis().to_string();
        let block = self.block.as_millis().to_string();
        let claim = match self.rarely {
            true => words(&["XAUTOCLAIM", self.key, GROUP, self.client, &idle, "0", "COUNT", "1"]),
            false => words(&[
                "XREADGROUP",
                "GROUP",
                GROUP,
                self.client,
                "COUNT",
                "1",
                "BLOCK",
                &block,
                "STREAMS",
                self.key,
                ">",
            ]),
        };
        vec![create, claim]
    }

    fn with_value(&self, first: &[&str]) -> Request {
        let mut request = words(first);
        request.push(self.value.to_vec());
        request
    }

    fn block_seconds(&self) -> String {
        format!("{}.{:03}", self.block.as_secs(), self.block.as_millis() % 1_000)
    }
}

fn words(words: &[&str]) -> Request {
    words.iter().map(|word| word.as_bytes().to_vec()).collect()
}
