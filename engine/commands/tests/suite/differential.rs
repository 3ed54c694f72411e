//! Generated commands, sent to Squall and to a real redis-server: the replies are compared byte for byte, and
//! what each sends to its replicas command by command.
//!
//! Where two right servers may differ, the comparison says how: in the order of keys, in times that both read
//! from a clock.

use crate::families::{
    BITMAPS, Command, Family, GEO, HASHES, HYPERLOGLOG, LISTS, SETS, SORTED_SETS, SORTING, STREAMS, STRINGS,
};
use crate::oracle::subject::Subject;
use crate::oracle::{Connection, Oracle, Stream, value};
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestError, TestRng, TestRunner};
use squall_resp::{Protocol, Value};

/// A key that no generated command names.
const PROBE: &[u8] = b"restored from the other";

/// Both servers, in the same state.
struct Pair {
    squall: Subject,
    redis: Connection,
    replica: Stream,
    marker: u64,
}

impl Pair {
    fn start(oracle: &mut Oracle, protocol: Protocol) -> Pair {
        let mut redis = oracle.connect();
        redis.ask_words("DEBUG SET-ACTIVE-EXPIRE 0");
        if protocol == Protocol::Resp3 {
            redis.ask_words("HELLO 3");
        }
        Pair { squall: Subject::start(protocol), redis, replica: oracle.connect().replicate(), marker: 0 }
    }

    fn run(&mut self, commands: &[Command]) -> Result<(), TestCaseError> {
        for start in ["SELECT 0", "FLUSHALL"] {
            let start: Command = start.split(' ').map(|word| word.as_bytes().to_vec()).collect();
            self.redis.ask(&start);
            self.squall.ask(&start);
        }
        self.received();
        self.squall.propagated();
        let changes_before = (self.changes_of_redis(), self.squall.engine.dirty);
        let commands = commands.iter().flat_map(|command| {
            [vec![command.clone()], crate::families::streams::companions(command)].concat()
        });
        for command in &commands.collect::<Vec<_>>() {
            let (theirs, ours) = (self.redis.ask(command), self.squall.ask(command));
            let same = match command[0].eq_ignore_ascii_case(b"DUMP") {
                true => self.exchange(&theirs, &ours),
                false => alike(&command[0], &theirs, &ours),
            };
            if !same {
                let [command, theirs, ours] = [&shown(command), &text(&theirs), &text(&ours)];
                return Err(TestCaseError::fail(format!("{command}\n  Redis:  {theirs}\n  Squall: {ours}")));
            }
        }
        let digest = [b"DEBUG".to_vec(), b"DIGEST".to_vec()];
        prop_assert_eq!(
            text(&self.redis.ask(&digest)),
            text(&self.squall.ask(&digest)),
            "digests of the data"
        );
        let digest: Command = vec![b"DEBUG".to_vec(), b"DIGEST".to_vec()];
        prop_assert_eq!(self.redis.ask(&digest), self.squall.ask(&digest), "digests");
        let theirs = self.changes_of_redis() - changes_before.0;
        prop_assert_eq!(
            theirs,
            self.squall.engine.dirty - changes_before.1,
            "changes that save points count"
        );
        let (theirs, ours) = (normal(self.received()), normal(self.squall.propagated()));
        for (theirs, ours) in theirs.iter().zip(&ours) {
            if !same_effect(theirs, ours) {
                let [theirs, ours] = [theirs, ours].map(shown);
                return Err(TestCaseError::fail(format!(
                    "replicas of Redis get {theirs}\n  of Squall: {ours}"
                )));
            }
        }
        let further = theirs.get(ours.len()).or(ours.get(theirs.len()));
        prop_assert!(
            further.is_none(),
            "only one of them propagates {}",
            shown(further.unwrap_or(&Vec::new()))
        );
        Ok(())
    }

    /// Whether each restores what the other has dumped. The bytes may differ: there are many ways to compress.
    fn exchange(&mut self, theirs: &[u8], ours: &[u8]) -> bool {
        let (Value::Bulk(theirs), Value::Bulk(ours)) = (value(theirs), value(ours)) else {
            return theirs == ours;
        };
        let [probe, zero, replace] = [PROBE, b"0".as_slice(), b"REPLACE".as_slice()].map(<[u8]>::to_vec);
        let restore = |payload: &[u8]| {
            vec![b"RESTORE".to_vec(), probe.clone(), zero.clone(), payload.to_vec(), replace.clone()]
        };
        self.redis.ask(&restore(&ours));
        self.squall.ask(&restore(&theirs));
        let digest = vec![b"DEBUG".to_vec(), b"DIGEST-VALUE".to_vec(), probe.clone()];
        let same = self.redis.ask(&digest) == self.squall.ask(&digest);
        let del = vec![b"DEL".to_vec(), probe];
        same && self.redis.ask(&del) == self.squall.ask(&del)
    }

    fn changes_of_redis(&mut self) -> u64 {
        let reply = self.redis.ask_words("INFO persistence");
        let text = String::from_utf8(reply).expect("INFO is text");
        let field = text.split("rdb_changes_since_last_save:").nth(1).expect("INFO counts changes");
        field.lines().next().and_then(|count| count.parse().ok()).expect("a number")
    }

    /// What Redis has sent to its replica.
    fn received(&mut self) -> Vec<Command> {
        self.marker += 1;
        let marker = self.marker.to_string().into_bytes();
        self.redis.ask(&[b"PUBLISH".to_vec(), b"marker".to_vec(), marker.clone()]);
        let mut received = Vec::new();
        loop {
            let command = self.replica.next();
            if command[0] == b"PUBLISH" && command[2] == marker {
                return received;
            }
            received.push(command);
        }
    }
}

fn alike(name: &[u8], theirs: &[u8], ours: &[u8]) -> bool {
    if theirs == ours {
        return true;
    }
    match (name.to_ascii_uppercase().as_slice(), value(theirs), value(ours)) {
        (b"TTL" | b"EXPIRETIME", Value::Integer(one), Value::Integer(other)) => (one - other).abs() <= 1,
        // The oracle reads its clock for IDLETIME once a second.
        (b"OBJECT", Value::Integer(one), Value::Integer(other)) => (one - other).abs() <= 3,
        (b"PTTL" | b"PEXPIRETIME", Value::Integer(one), Value::Integer(other)) => {
            (one - other).abs() <= 1_000
        }
        (b"XREAD" | b"XREADGROUP", Value::Error(one), Value::Error(other)) => {
            one.starts_with("ERR Unbalanced") && other.starts_with("ERR Unbalanced")
        }
        (b"XINFO" | b"XPENDING", one, other) => timeless(one) == timeless(other),
        // Redis 7.2 and later look at the words first, 7.0 finds that there is no key.
        (b"BITCOUNT" | b"BITPOS", Value::Integer(-1..=0), Value::Error(_)) => true,
        // Since Redis 7.2 small lists and sets are packed; SORT unpacks a sorted set there.
        (b"OBJECT", Value::Bulk(one), Value::Bulk(other)) => {
            other == "listpack" && (one == "quicklist" || one == "hashtable" || one == "skiplist")
        }
        (b"KEYS", Value::Array(one), Value::Array(other)) => sorted(&one) == sorted(&other),
        (name, one, other) if ORDERLESS.contains(&name) => sorted(&leaves(one)) == sorted(&leaves(other)),
        // Since Redis 7.2 they may have a fourth word.
        (b"ZRANK" | b"ZREVRANK", Value::Error(_), Value::Error(_)) => true,
        (b"ZRANDMEMBER" | b"ZSCAN", one, other) => {
            regardless_of_order(&leaves(one)) == regardless_of_order(&leaves(other))
        }
        // Where no order is asked for, any is right.
        ([b'G', b'E', b'O', b'S' | b'R', ..], one, other) => {
            regardless_of_order(&leaves(one)) == regardless_of_order(&leaves(other))
        }
        ([b'Z', ..] | [b'G', b'E', b'O', ..], one, other) => same_numbers(&one, &other),
        (b"SCAN", Value::Array(one), Value::Array(other)) => match (&one[..], &other[..]) {
            ([next, Value::Array(one)], [other_next, Value::Array(other)]) => {
                next == other_next && sorted(one) == sorted(other)
            }
            _ => false,
        },
        _ => false,
    }
}

/// What XINFO and XPENDING tell, without ages, without how the entries are kept, and without what 7.0 does not know.
fn timeless(value: Value) -> String {
    const PASSED_OVER: [&str; 5] = ["radix-tree-nodes", "idle", "inactive", "seen-time", "active-time"];
    let mut told = leaves(value).into_iter();
    let mut kept = String::new();
    while let Some(leaf) = told.next() {
        match &leaf {
            Value::Bulk(name) if PASSED_OVER.iter().any(|passed| name == passed.as_bytes()) => {
                told.next();
            }
            // How many milliseconds ago, or since 1970: the smaller numbers of these tests are counts.
            Value::Integer(100..) => {}
            _ => kept.push_str(&format!("{leaf:?} ")),
        }
    }
    kept
}

/// Commands whose elements come in any order.
const ORDERLESS: &[&[u8]] = &[
    b"SMEMBERS",
    b"SUNION",
    b"SINTER",
    b"SDIFF",
    b"SPOP",
    b"SRANDMEMBER",
    b"SSCAN",
    b"HGETALL",
    b"HKEYS",
    b"HVALS",
    b"HRANDFIELD",
    b"HSCAN",
];

/// What stands in a reply, without its aggregates.
fn leaves(value: Value) -> Vec<Value> {
    match value {
        Value::Array(items) | Value::Set(items) => items.into_iter().flat_map(leaves).collect(),
        Value::Map(pairs) => {
            pairs.into_iter().flat_map(|(key, value)| [leaves(key), leaves(value)].concat()).collect()
        }
        other => vec![other],
    }
}

/// Equal, but for the digits of doubles: Redis 8 writes as few as tell a double from its neighbours, 7.0 writes 17.
fn same_numbers(one: &Value, other: &Value) -> bool {
    let number = |bytes: &[u8]| std::str::from_utf8(bytes).ok()?.parse::<f64>().ok();
    match (one, other) {
        (Value::Array(one), Value::Array(other)) => {
            one.len() == other.len() && one.iter().zip(other).all(|(one, other)| same_numbers(one, other))
        }
        (Value::Bulk(one), Value::Bulk(other)) if one != other => {
            number(one).zip(number(other)).is_some_and(|(one, other)| one == other)
        }
        _ => one == other,
    }
}

/// What a reply holds, numbers by their value, in a common order.
fn regardless_of_order(values: &[Value]) -> Vec<String> {
    let mut texts: Vec<String> = values
        .iter()
        .map(|value| match value {
            Value::Bulk(bytes) => match std::str::from_utf8(bytes).map(str::parse::<f64>) {
                Ok(Ok(number)) => format!("{number:?}"),
                _ => format!("{bytes:?}"),
            },
            other => format!("{other:?}"),
        })
        .collect();
    texts.sort();
    texts
}

fn sorted(values: &[Value]) -> Vec<String> {
    let mut texts: Vec<String> = values.iter().map(|value| format!("{value:?}")).collect();
    texts.sort();
    texts
}

/// The stream without what only frames it, each command behind the number of its database. A key that has expired
/// and is overwritten may be deleted first, or not; overwriting it is enough.
fn normal(stream: Vec<Command>) -> Vec<Command> {
    let (mut effects, mut db) = (Vec::<Command>::new(), b"0".to_vec());
    for command in stream {
        match command[0].as_slice() {
            b"SELECT" => db = command[1].clone(),
            b"MULTI" | b"EXEC" | b"PING" => {}
            // How far a group has read, which Redis 7.0 does not tell its replicas with what it has read.
            b"XGROUP" if is_told_by_claim(effects.last(), &command) => {}
            _ if command.get(1).is_some_and(|key| key == PROBE) => {}
            _ => {
                while effects.last().is_some_and(|last| last[1] == b"DEL" && command[1..].contains(&last[2]))
                {
                    effects.pop();
                }
                effects.push([vec![db.clone()], without_conditions(command)].concat());
            }
        }
    }
    effects
}

/// Whether an `XGROUP SETID key group id ENTRIESREAD n` follows the XCLAIM of that entry, `last`.
fn is_told_by_claim(last: Option<&Command>, command: &Command) -> bool {
    let Some(last) = last.filter(|last| last.len() == 15 && last[1] == b"XCLAIM") else { return false };
    command.len() == 7 && command[1] == b"SETID" && last[2..4] == command[2..4] && last[14] == command[4]
}

/// What the primary has judged need not be judged again; sometimes it is repeated nevertheless.
fn without_conditions(mut command: Command) -> Command {
    command[0].make_ascii_uppercase();
    if command[0] == b"PEXPIREAT" || command[0] == b"SET" {
        let mut options = command.split_off(3.min(command.len()));
        options.iter_mut().for_each(|word| word.make_ascii_uppercase());
        options.retain(|word| ![&b"NX"[..], b"XX", b"GT", b"LT"].contains(&&word[..]));
        options.dedup();
        command.append(&mut options);
    }
    command
}

/// Equal, but for points in time that each read from its clock.
fn same_effect(theirs: &Command, ours: &Command) -> bool {
    let number =
        |word: &Vec<u8>| std::str::from_utf8(word).ok()?.parse::<i64>().ok().filter(|time| *time > 1 << 40);
    theirs.len() == ours.len()
        && theirs.iter().zip(ours).all(|(one, other)| {
            one == other
                || number(one).zip(number(other)).is_some_and(|(one, other)| (one - other).abs() < 1_000)
        })
}

fn shown(command: &Command) -> String {
    command.iter().map(|word| text(word)).collect::<Vec<_>>().join(" ")
}

fn text(bytes: &[u8]) -> String {
    let shown = &bytes[..bytes.len().min(900)];
    format!("\"{}\"", shown.escape_ascii())
}

fn compare(family: Family, protocol: Protocol) {
    let Some(mut oracle) = Oracle::start(&[]) else { return };
    let pair = std::cell::RefCell::new(Pair::start(&mut oracle, protocol));
    let config = Config { failure_persistence: None, max_shrink_iters: 5_000, ..Config::default() };
    let mut runner = TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha));
    let sequences = prop::collection::vec(family.command(), 1..60);
    match runner.run(&sequences, |commands| pair.borrow_mut().run(&commands)) {
        Ok(()) => {}
        Err(TestError::Fail(why, commands)) => {
            let commands: Vec<String> = commands.iter().map(shown).collect();
            panic!("{why}\nafter:\n  {}", commands.join("\n  "));
        }
        Err(other) => panic!("{other}"),
    }
}

#[test]
fn strings_in_resp2() {
    compare(STRINGS, Protocol::Resp2);
}

#[test]
fn strings_in_resp3() {
    compare(STRINGS, Protocol::Resp3);
}

#[test]
fn bitmaps() {
    compare(BITMAPS, Protocol::Resp2);
}

#[test]
fn lists() {
    compare(LISTS, Protocol::Resp2);
}

#[test]
fn lists_in_resp3() {
    compare(LISTS, Protocol::Resp3);
}

#[test]
fn hashes() {
    compare(HASHES, Protocol::Resp2);
}

#[test]
fn hashes_in_resp3() {
    compare(HASHES, Protocol::Resp3);
}

#[test]
fn sorting() {
    compare(SORTING, Protocol::Resp2);
}

#[test]
fn sets() {
    compare(SETS, Protocol::Resp2);
}

#[test]
fn sets_in_resp3() {
    compare(SETS, Protocol::Resp3);
}

#[test]
fn hyperloglogs() {
    compare(HYPERLOGLOG, Protocol::Resp2);
}

#[test]
fn sorted_sets_in_resp2() {
    compare(SORTED_SETS, Protocol::Resp2);
}

#[test]
fn sorted_sets_in_resp3() {
    compare(SORTED_SETS, Protocol::Resp3);
}

#[test]
fn geo() {
    compare(GEO, Protocol::Resp2);
}

#[test]
fn geo_in_resp3() {
    compare(GEO, Protocol::Resp3);
}

#[test]
fn streams() {
    compare(STREAMS, Protocol::Resp2);
}

#[test]
fn streams_in_resp3() {
    compare(STREAMS, Protocol::Resp3);
}
