//! The rows against the facts: what Redis 8.2 says of its commands (`facts/commands-redis-8.2.tsv`), what Valkey 9.1
//! says of its own (`facts/commands-valkey-9.1.tsv`), and what a redis-server on this machine says of those that it has.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::oracle::Oracle;
use squall_commands::table::{BeginSearch, FindKeys, KeySpec, Row, Table};
use squall_resp::Value;

const FACTS: &str = include_str!("facts/commands-redis-8.2.tsv");

/// Where a row differs on purpose, and why.
/// What Valkey 9.1 says of those that it alone has, or has otherwise.
const FACTS_OF_VALKEY: &str = include_str!("facts/commands-valkey-9.1.tsv");

/// Where neither says what the row says, and why.
const OWN: [(&str, &str); 3] = [
    ("cluster|migration", "a subcommand of Redis 8.4"),
    ("delex", "a command of later versions of Redis"),
    ("digest", "a command of later versions of Redis"),
];

#[test]
fn rows_say_what_redis_says() {
    // Of those that both have, what comes last counts.
    let facts: BTreeMap<&str, &str> = FACTS
        .lines()
        .chain(FACTS_OF_VALKEY.lines())
        .filter(|line| !line.starts_with('#'))
        .map(|line| line.split_once('\t').expect("a name and facts"))
        .collect();
    let mut wrong = String::new();
    for row in Table::shared().rows() {
        let name = row.full_name.as_str();
        if OWN.iter().any(|(own, _)| *own == name) {
            continue;
        }
        match facts.get(name) {
            None => writeln!(wrong, "{name}: Redis has no such command").unwrap(),
            Some(facts) if *facts == in_words(row) => {}
            Some(facts) => writeln!(wrong, "{name}\n  redis  {facts}\n  squall {}", in_words(row)).unwrap(),
        }
    }
    assert!(wrong.is_empty(), "rows differ from the facts:\n{wrong}");
}

/// The row in the form of the facts' lines.
fn in_words(row: &Row) -> String {
    let command = row.command;
    let mut flags: Vec<&str> = command.all_flags().shown().map(|flag| flag.name()).collect();
    let mut categories: Vec<&str> = command.all_categories().iter().map(|category| category.name()).collect();
    flags.sort_unstable();
    categories.sort_unstable();
    let (first, last, step) = command.key_triple();
    let specs: Vec<String> = command.key_specs.iter().map(spec_in_words).collect();
    [
        command.arity.to_string(),
        flags.join(" "),
        categories.join(" "),
        format!("{first} {last} {step}"),
        command.tips.join(" "),
        specs.join("; "),
    ]
    .join("\t")
}

fn spec_in_words(spec: &KeySpec) -> String {
    let mut flags: Vec<&str> = spec.flags.iter().map(|flag| flag.name()).collect();
    flags.sort_unstable();
    let begin = match spec.begin {
        BeginSearch::Index(index) => format!("index {index}"),
        BeginSearch::Keyword { keyword, start_from } => format!("keyword {keyword} {start_from}"),
        BeginSearch::Unknown => "unknown".into(),
    };
    let find = match spec.find {
        FindKeys::Range { last, step, limit } => format!("range {last} {step} {limit}"),
        FindKeys::Counted { count_index, first, step } => format!("keynum {count_index} {first} {step}"),
        FindKeys::Unknown => "unknown".into(),
    };
    format!("{} @ {begin} / {find}", flags.join(" "))
}

/// The keys that `COMMAND GETKEYS` finds, for requests of every shape of key spec.
#[test]
fn getkeys_finds_what_redis_finds() {
    let Some(mut oracle) = Oracle::start(&[]) else { return };
    let mut connection = oracle.connect();
    let mut subject = crate::oracle::subject::Subject::start(squall_resp::Protocol::Resp2);
    for request in [
        "get k",
        "GET k",
        "mset a 1 b 2 c 3",
        "mset a 1 b",
        "mget a b c",
        "set k v",
        "set k v get",
        "set k v EX 10 GET",
        "del a b",
        "copy a b",
        "copy a b DB 1 REPLACE",
        "rename a b",
        "object encoding k",
        "memory usage k",
        "lcs a b",
        "watch a b",
        "ping a",
        "select 1",
        "nosuch a",
        "get a b",
        "object nosuch k",
        "client list",
        "msetnx a 1",
        "getset a b",
        "touch a b c",
        "restore k 0 v",
        "zadd k 1 a",
        "sort k",
        "sort k by w_* limit 0 store get store store d",
        "sort_ro k by w_*",
        "zunionstore d 2 a b weights 1 2",
        "zunion 2 a b withscores",
        "zmpop 2 a b min",
        "zrangestore d k 0 1",
        "bitop and d a b",
        "pfmerge d a b",
        "georadius k 1 2 3 m store d",
        "georadius k 1 2 3 m store d storedist e",
        "georadiusbymember k m 3 m storedist e",
        "georadiusbymember k m 3 m",
        "geosearchstore d k fromlonlat 1 2 byradius 3 m",
        "xread streams a b 0 0",
        "xread count 1 block 2 streams",
        "eval script 0",
    ] {
        for command in ["command getkeys ", "command getkeysandflags "] {
            let words = format!("{command}{request}");
            let ours =
                subject.ask(&words.split(' ').map(|word| word.as_bytes().to_vec()).collect::<Vec<_>>());
            let theirs = connection.ask_words(&words);
            assert_eq!(sorted(&ours), sorted(&theirs), "{words}");
        }
    }
}

/// Flags come in any order.
fn sorted(reply: &[u8]) -> Value {
    fn sort(value: &mut Value) {
        if let Value::Array(items) = value {
            items.iter_mut().for_each(sort);
            if items.iter().all(|item| matches!(item, Value::Simple(_))) {
                items.sort_by_key(|item| format!("{item:?}"));
            }
        }
    }
    let mut value = crate::oracle::value(reply);
    sort(&mut value);
    value
}
