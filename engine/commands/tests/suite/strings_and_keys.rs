//! What a comparison with Redis 7.0 cannot show: commands that are younger, the deletion of expired keys on a
//! primary and on a replica, whole walks, random draws.

use std::collections::BTreeSet;

use crate::oracle::subject::Subject;
use crate::oracle::value;
use squall_commands::Role;
use squall_resp::{Protocol, Value};

/// The reply to a request written as one writes it to redis-cli, without its last line break.
fn ask(subject: &mut Subject, line: &str) -> String {
    let reply = subject.ask(&line.split(' ').map(|word| word.as_bytes().to_vec()).collect::<Vec<_>>());
    String::from_utf8(reply).expect("readable data").trim_end().replace("\r\n", " ")
}

/// The commands that replicas receive, one a line, points in time left out.
fn propagated(subject: &mut Subject) -> String {
    let line = |command: Vec<Vec<u8>>| {
        let words = command.into_iter().map(|word| String::from_utf8(word).expect("readable data"));
        words
            .map(|word| if word.len() == 13 { "TIME".to_owned() } else { word })
            .collect::<Vec<_>>()
            .join(" ")
    };
    let commands = subject.propagated().into_iter().map(line);
    commands.filter(|line| !line.starts_with("SELECT")).collect::<Vec<_>>().join("; ")
}

fn check(dialogue: &[(&str, &str, &str)]) {
    let mut subject = Subject::start(Protocol::Resp2);
    for (request, reply, effect) in dialogue {
        assert_eq!(ask(&mut subject, request), *reply, "{request}");
        assert_eq!(propagated(&mut subject), *effect, "{request}");
    }
}

#[test]
fn compare_and_set() {
    check(&[
        ("SET k v IFEQ v", "$-1", ""),
        ("SET k v IFNE v", "+OK", "SET k v"),
        ("SET k w IFNE v", "$-1", ""),
        ("SET k w IFEQ v EX 100", "+OK", "SET k w PXAT TIME"),
        ("SET k 5 IFEQ w KEEPTTL GET", "$1 w", "SET k 5 KEEPTTL"),
        ("SET k 6 GET IFEQ 7", "$1 5", ""),
        ("SET k abc IFEQ 5 NX", "-ERR syntax error", ""),
        ("SET k abc IFEQ 5 IFEQ 5", "-ERR syntax error", ""),
        ("SET k abc IFEQ", "-ERR syntax error", ""),
        ("SET k abc IFEQ 5", "+OK", "SET k abc"),
        ("DIGEST k", "$16 78af5f94892f3950", ""),
        ("DIGEST missing", "$-1", ""),
        ("SET k v IFDEQ 0000000000000000", "$-1", ""),
        ("SET k v IFDEQ 78", "-ERR digest must be exactly 16 hexadecimal characters", ""),
        ("SET k v IFDEQ 78AF5F94892F3950", "+OK", "SET k v"),
        ("SET k w IFDNE 78af5f94892f3950", "+OK", "SET k w"),
    ]);
}

#[test]
fn compare_and_delete() {
    check(&[
        ("DELIFEQ k v", ":0", ""),
        ("MSET k v l 12", "+OK", "MSET k v l 12"),
        ("DELIFEQ k w", ":0", ""),
        ("DELIFEQ k v", ":1", "DEL k"),
        ("DELIFEQ l 12", ":1", "DEL l"),
        ("MSET k abc l v", "+OK", "MSET k abc l v"),
        ("DELEX k IFNE abc", ":0", ""),
        ("DELEX k IFDEQ 78af5f94892f3950", ":1", "DEL k"),
        ("DELEX k IFNE abc", ":0", ""),
        ("DELEX l NX v", "-ERR syntax error", ""),
        ("DELEX l IFEQ", "-ERR wrong number of arguments for 'delex' command", ""),
        ("DELEX l", ":1", "DEL l"),
    ]);
}

#[test]
fn several_strings_with_one_expiry() {
    check(&[
        ("MSETEX 2 a 1 b 2 EX 100", ":1", "MULTI; SET a 1 PXAT TIME; SET b 2 PXAT TIME; EXEC"),
        ("MSETEX 2 b 3 c 4 NX", ":0", ""),
        ("MSETEX 2 b 3 c 4 XX", ":0", ""),
        ("MSETEX 1 a 5 KEEPTTL XX", ":1", "SET a 5 KEEPTTL"),
        ("TTL a", ":100", ""),
        ("MSETEX 1 a 6", ":1", "SET a 6"),
        ("TTL a", ":-1", ""),
        ("MSETEX 0 a 6", "-ERR invalid numkeys value", ""),
        ("MSETEX 2 a 6 b", "-ERR wrong number of key-value pairs", ""),
        ("MSETEX 1 a 6 EX 0", "-ERR invalid expire time in 'msetex' command", ""),
        ("MSETEX 1 a 6 EX 1 PX 1", "-ERR syntax error", ""),
        ("MSETEX 1 a 6 NX XX", "-ERR syntax error", ""),
    ]);
}

/// A primary deletes what it finds expired, and says so; a replica calls it missing and waits.
#[test]
fn expired_keys() {
    let mut subject = Subject::start(Protocol::Resp2);
    ask(&mut subject, "SET k v PXAT 1");
    propagated(&mut subject);
    subject.engine.role = Role::Replica;
    for (request, reply) in [
        ("GET k", "$-1"),
        ("EXISTS k", ":0"),
        ("TTL k", ":-2"),
        ("TYPE k", "+none"),
        ("KEYS *", "*0"),
        ("SCAN 0", "*2 $1 0 *0"),
        ("DBSIZE", ":1"),
    ] {
        assert_eq!(ask(&mut subject, request), reply, "{request}");
        assert_eq!(propagated(&mut subject), "", "{request}");
    }
    subject.engine.role = Role::Primary;
    assert_eq!(ask(&mut subject, "GET k"), "$-1");
    assert_eq!(propagated(&mut subject), "DEL k");
    assert_eq!(ask(&mut subject, "DBSIZE"), ":0");
}

#[test]
fn a_walk_returns_every_key_and_a_draw_reaches_each() {
    let mut subject = Subject::start(Protocol::Resp2);
    let keys: BTreeSet<String> = (0..500).map(|number| format!("key:{number}")).collect();
    for key in &keys {
        ask(&mut subject, &format!("SET {key} v"));
    }
    ask(&mut subject, "SET expired v PXAT 1");
    let (mut walked, mut cursor) = (BTreeSet::new(), "0".to_owned());
    loop {
        let reply = subject.ask(&["SCAN", &cursor, "COUNT", "7"].map(|word| word.as_bytes().to_vec()));
        let Value::Array(parts) = value(&reply) else { panic!("SCAN answers an array") };
        let [Value::Bulk(next), Value::Array(found)] = &parts[..] else { panic!("a cursor and keys") };
        for key in found {
            let Value::Bulk(key) = key else { panic!("keys are strings") };
            assert!(
                walked.insert(String::from_utf8(key.to_vec()).unwrap()),
                "no key moves: none is seen twice"
            );
        }
        cursor = String::from_utf8(next.to_vec()).unwrap();
        if cursor == "0" {
            break;
        }
    }
    assert_eq!(walked, keys);
    let draws: BTreeSet<String> = (0..10_000).map(|_| ask(&mut subject, "RANDOMKEY")).collect();
    assert_eq!(draws.len(), keys.len());
}

/// Flushing gives the memory back in slices.
#[test]
fn a_flushed_database_is_freed_later() {
    let mut subject = Subject::start(Protocol::Resp2);
    (0..1_000).for_each(|number| drop(ask(&mut subject, &format!("SET {number} v"))));
    assert_eq!(ask(&mut subject, "FLUSHALL"), "+OK");
    assert_eq!(ask(&mut subject, "DBSIZE"), ":0");
    assert_eq!(subject.engine.discarded_len(), 1_000);
    while !subject.engine.free_step(100) {}
    assert_eq!(subject.engine.discarded_len(), 0);
}
