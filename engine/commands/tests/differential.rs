//! Generated commands, sent to Squall and to a real redis-server: the replies are compared byte for byte, and
//! what each sends to its replicas command by command.
//!
//! Where two right servers may differ, the comparison says how: in the order of keys, in times that both read
//! from a clock.

mod oracle;

use oracle::subject::Subject;
use oracle::{Connection, Oracle, Stream, value};
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestError, TestRng, TestRunner};
use squall_resp::{Protocol, Value};

type Command = Vec<Vec<u8>>;

/// The commands: a word in lower case stands for a value of a kind (see `word`), the rest is sent as it is.
/// What follows `|` are options; up to four of them are appended, each as often as chance has it.
const GRAMMAR: &[&str] = &[
    "SET k v",
    "SET k v | NX | XX | GET | KEEPTTL | EX i | PX m | EXAT t | PXAT t | i",
    "GET k",
    "SETNX k v",
    "SETEX k i v",
    "PSETEX k m v",
    "GETSET k v",
    "GETDEL k",
    "GETEX k | EX i | PX m | EXAT t | PXAT t | PERSIST | i",
    "MGET k k k",
    "MSET k v k v",
    "MSETNX k v k v",
    "APPEND k v",
    "STRLEN k",
    "SETRANGE k i v",
    "GETRANGE k i i",
    "SUBSTR k i i",
    "INCR k",
    "DECR k",
    "INCRBY k i",
    "DECRBY k i",
    "INCRBYFLOAT k f",
    "LCS k k | LEN | IDX | WITHMATCHLEN | MINMATCHLEN i",
    "DEL k k",
    "UNLINK k k",
    "EXISTS k k k",
    "TYPE k",
    "KEYS p",
    "SCAN c COUNT 1000 | MATCH p | TYPE y | COUNT 500 | i",
    "RENAME k k",
    "RENAMENX k k",
    "COPY k k | DB d | REPLACE | i",
    "MOVE k d",
    "DUMP k",
    "RESTORE k r x | REPLACE | ABSTTL | IDLETIME i | FREQ i | i",
    "RESTORE k 0 x REPLACE",
    "OBJECT ENCODING k",
    "OBJECT REFCOUNT k",
    "OBJECT FREQ k",
    "OBJECT IDLETIME k",
    "OBJECT i",
    "TOUCH k k",
    "EXPIRE k i | NX | XX | GT | LT | i",
    "PEXPIRE k m | NX | XX | GT | LT",
    "EXPIREAT k t | NX | XX | GT | LT",
    "PEXPIREAT k t | NX | XX | GT | LT",
    "TTL k",
    "PTTL k",
    "EXPIRETIME k",
    "PEXPIRETIME k",
    "PERSIST k",
    "DBSIZE",
    "FLUSHDB | ASYNC | SYNC",
    "FLUSHALL | ASYNC | SYNC",
    "SWAPDB d d",
    "SELECT d",
];

fn choose(words: &'static [&'static str]) -> BoxedStrategy<Vec<u8>> {
    prop::sample::select(words).prop_map(|word| word.as_bytes().to_vec()).boxed()
}

/// A word of the grammar: a value of a kind, or itself.
fn word(kind: &'static str) -> BoxedStrategy<Vec<u8>> {
    const INTEGERS: &[&str] = &[
        "0",
        "1",
        "2",
        "3",
        "-1",
        "-2",
        "7",
        "10",
        "100",
        "1000",
        "100000",
        "-100",
        "9223372036854775807",
        "-9223372036854775808",
        "9223372036854775808",
        "9223372036854775",
        "01",
        "+1",
        " 1",
        "1.5",
        "abc",
        "",
    ];
    match kind {
        "k" => choose(&["a", "b", "c", "{a}d", "key:with:a:longer:name:than:most:others", ""]),
        "i" => choose(INTEGERS),
        "v" => prop_oneof![
            2 => choose(INTEGERS),
            2 => choose(&["abc", "ohmytext", "mynewtext", "foobarfoobarfoobarfoobarfoobarfoobarfoobarfoo", "3.25", "inf", "-0"]),
            1 => prop::collection::vec(any::<u8>(), 0..60),
            1 => "[ab]{0,100}".prop_map(String::into_bytes),
            1 => (16_000..17_000usize).prop_map(|len| vec![b'z'; len]),
        ]
        .boxed(),
        "f" => prop_oneof![
            2 => choose(&["1.5", "-1.5", "0.1", "1e3", "1e400", "-inf", "nan", "5.0e-3", "x", "0x1p-2", "1e-30", "-0.0"]),
            2 => (-1e6..1e6f64).prop_map(|number| number.to_string().into_bytes()),
        ]
        .boxed(),
        "t" => choose(&["1", "0", "-5", "1999999999", "2000000000", "1999999999999", "2000000000001", "abc", "9223372036854775807"]),
        "m" => choose(&["100000", "2000000", "0", "-1", "x", "9223372036854775807", "-9223372036854775808"]),
        "r" => choose(&["0", "0", "1000000", "2000000000000", "-1", "x", ""]),
        "d" => choose(&["0", "1", "2", "15", "16", "-1", "x", "4294967296"]),
        "p" => choose(&["*", "a", "[a-c]", "?", "*:*", "k*s", "nothing", "\\a", "[^b]", "**a**", "[", ""]),
        "c" => choose(&["0", "0", "0", "0", "x", "00", "", "-", "+0", "18446744073709551616", " 0"]),
        "y" => choose(&["string", "STRING", "list", "zset", "what"]),
        "x" => prop_oneof![
            5 => prop::sample::select(PAYLOADS).prop_map(<[u8]>::to_vec),
            1 => (prop::sample::select(PAYLOADS), any::<prop::sample::Index>(), any::<u8>()).prop_map(|(payload, at, byte)| {
                let mut payload = payload.to_vec();
                let at = at.index(payload.len());
                payload[at] = byte;
                payload
            }),
            1 => prop::collection::vec(any::<u8>(), 0..30),
        ]
        .boxed(),
        literal => Just(literal.as_bytes().to_vec()).boxed(),
    }
}

/// What DUMP of Redis 7.0 says of "abc", 12, 70000, -5 and forty times "ab" (compressed), and of a version that is
/// to come.
const PAYLOADS: &[&[u8]] = &[
    b"\x00\x03\x61\x62\x63\x0a\x00\xd9\xac\x30\x3d\x41\x72\xa2\xe2",
    b"\x00\xc0\x0c\x0a\x00\x3c\x2a\xf8\x51\x5c\x04\xbc\xd5",
    b"\x00\xc2\x70\x11\x01\x00\x0a\x00\x01\xa4\x08\xfe\x95\x30\x95\xa5",
    b"\x00\xc0\xfb\x0a\x00\x49\xc4\xc6\xf4\xd7\x26\x3f\x68",
    b"\x00\xc3\x0a\x40\x50\x02\x61\x62\x61\xe0\x42\x01\x01\x61\x62\x0a\x00\x94\x9d\x5f\x0e\xb1\xde\xa4\x45",
    b"\x00\x03\x61\x62\x63\x63\x00\xd9\xac\x30\x3d\x41\x72\xa2\xe2",
];

fn command() -> impl Strategy<Value = Command> {
    let rule = prop::sample::select(GRAMMAR).prop_flat_map(|rule| {
        let (fixed, options) = rule.split_once('|').unwrap_or((rule, ""));
        let words = |part: &'static str| part.split_whitespace().map(word).collect::<Vec<_>>();
        let options: Vec<_> = options.split('|').map(words).collect();
        let chosen = prop::collection::vec(prop::sample::select(options).prop_flat_map(|words| words), 0..4);
        (words(fixed), chosen).prop_map(|(fixed, options)| [fixed, options.concat()].concat())
    });
    (rule, 0..40u8, any::<prop::sample::Index>()).prop_map(|(mut command, slip, at)| {
        let at = at.index(command.len());
        match slip {
            0 if at > 0 => drop(command.remove(at)),
            1 if at > 0 => command.insert(at, b"extra".to_vec()),
            2..=9 => command[at].make_ascii_lowercase(),
            _ => {}
        }
        command
    })
}

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
        for command in commands {
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
        let [get, del] = [b"GET", b"DEL"].map(|name| vec![name.to_vec(), probe.clone()]);
        let same = self.redis.ask(&get) == self.squall.ask(&get);
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
        (b"KEYS", Value::Array(one), Value::Array(other)) => sorted(&one) == sorted(&other),
        (b"SCAN", Value::Array(one), Value::Array(other)) => match (&one[..], &other[..]) {
            ([next, Value::Array(one)], [other_next, Value::Array(other)]) => {
                next == other_next && sorted(one) == sorted(other)
            }
            _ => false,
        },
        _ => false,
    }
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
    let shown = &bytes[..bytes.len().min(200)];
    format!("\"{}\"", shown.escape_ascii())
}

fn compare(protocol: Protocol) {
    let Some(mut oracle) = Oracle::start(&[]) else { return };
    let pair = std::cell::RefCell::new(Pair::start(&mut oracle, protocol));
    let config = Config { failure_persistence: None, max_shrink_iters: 5_000, ..Config::default() };
    let mut runner = TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha));
    let sequences = prop::collection::vec(command(), 1..60);
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
fn as_redis_in_resp2() {
    compare(Protocol::Resp2);
}

#[test]
fn as_redis_in_resp3() {
    compare(Protocol::Resp3);
}
