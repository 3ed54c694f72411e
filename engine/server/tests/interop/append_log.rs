//! The append-only file: between this server and redis-server, each of which reads what the other wrote; and
//! after a kill at any moment.

use std::fs;

use squall_resp::Value;

use crate::client::Client;
use crate::dataset::{await_equal, contents, digest};
use crate::harness::{Program, Server, eventually, installed, path_text, run};
use crate::load::WriteLoad;

const ON: [&str; 2] = ["--appendonly", "yes"];
const ALWAYS: [&str; 4] = ["--appendonly", "yes", "--appendfsync", "always"];
const NEVER: [&str; 4] = ["--appendonly", "yes", "--appendfsync", "no"];

/// A base, a rewrite in the middle, an increment, several databases, a transaction, expiry times.
fn write_history(server: &Server) {
    let mut client = server.client();
    for number in 0..300 {
        client.done(&["SET", &format!("key:{number}"), &format!("value {number}")]);
    }
    client.done(&["BGREWRITEAOF"]);
    for number in 0..300 {
        client.done(&["APPEND", &format!("key:{number}"), " and more"]);
    }
    client.done(&["SELECT", "1"]);
    client.done(&["MULTI"]);
    client.done(&["INCRBY", "counter", "41"]);
    client.done(&["INCR", "counter"]);
    client.done(&["EXEC"]);
    client.done(&["SET", "late", "v", "EX", "10000"]);
    eventually("the rewrite has ended", || client.info("aof_rewrite_in_progress") == Some("0".into()));
    client.done(&["DEL", "nothing"]);
    client.done(&["SETRANGE", "counter", "3", "tail"]);
}

fn exchange(writer: Program, reader: Program) {
    let mut server = Server::start(writer, &ON);
    write_history(&server);
    let mut client = server.client();
    let (before, held) = (digest(&mut client), contents(&mut client));
    server.signal("TERM");
    server.await_exit();
    let second = Server::start_in(&server.directory(), reader, &ON);
    let mut client = second.client();
    assert_eq!(digest(&mut client), before);
    assert_eq!(contents(&mut client), held);
    client.done(&["SET", "by the second", "1"]);
    let after = digest(&mut client);
    drop(client);
    stop(second, &server, writer, &after);
}

/// Ends the second server, and lets the first one's program read what both have written.
fn stop(mut second: Server, first: &Server, program: Program, expected: &str) {
    second.signal("TERM");
    second.await_exit();
    let third = Server::start_in(&first.directory(), program, &ON);
    assert_eq!(digest(&mut third.client()), expected);
}

#[test]
fn redis_reads_and_continues_our_log() {
    if installed("redis-server") {
        exchange(Program::Squall, Program::Redis);
    }
}

#[test]
fn we_read_and_continue_the_log_of_redis() {
    if installed("redis-server") {
        exchange(Program::Redis, Program::Squall);
    }
}

/// Whatever was acknowledged before a kill is there after it, also while rewrites come and go.
#[test]
fn a_killed_server_has_all_that_it_acknowledged() {
    for settings in [&ON[..], &ALWAYS[..], &NEVER[..]] {
        let mut server = Server::squall(settings);
        for round in 0..3_u64 {
            let acknowledged = count_until_killed(&mut server, round);
            let restarted = Server::start_in(&server.directory(), Program::Squall, settings);
            let found = restarted.client().integer(&["INCRBY", "counter", "0"].map(str::as_bytes));
            assert!(found >= acknowledged, "{found} of {acknowledged}");
            server = restarted;
        }
    }
}

/// Counts up, with a rewrite under way, until the server is gone; returns what was acknowledged.
fn count_until_killed(server: &mut Server, round: u64) -> i64 {
    let mut client = server.client();
    let mut acknowledged = client.integer(&["INCR", "counter"].map(str::as_bytes));
    client.done(&["BGREWRITEAOF"]);
    for _ in 0..200 + 150 * round {
        acknowledged = client.integer(&["INCR", "counter"].map(str::as_bytes));
    }
    server.signal("KILL");
    // What still comes was acknowledged, too.
    while let Some(Value::Integer(value)) = client.try_ask(&["INCR", "counter"]) {
        acknowledged = value;
    }
    server.await_exit();
    acknowledged
}

#[test]
fn a_load_survives_a_polite_end_and_a_switch_at_run_time() {
    let mut server = Server::squall(&[]);
    let load = WriteLoad::start(&server, 11);
    load.advance(500);
    server.client().done(&["CONFIG", "SET", "appendonly", "yes"]);
    load.advance(1_000);
    let mut client = server.client();
    eventually("the first base is written", || client.info("aof_pending_rewrite") == Some("0".into()));
    client.done(&["BGREWRITEAOF"]);
    load.advance(1_000);
    load.stop();
    client.done(&["FLUSHALL"]);
    for number in 0..100 {
        client.done(&["SET", &format!("key:{number}"), "v"]);
    }
    let before = digest(&mut client);
    server.signal("TERM");
    assert!(server.await_exit().success(), "{}", server.log_text());
    let restarted = Server::start_in(&server.directory(), Program::Squall, &ON);
    assert_eq!(digest(&mut restarted.client()), before);
}

/// Cut anywhere or with a bit turned, a log that was synced is refused with a word about which file and where, and
/// kept; or its end is cut off where that is allowed.
#[test]
fn a_damaged_log_is_refused_and_kept() {
    let source = Server::squall(&ALWAYS);
    write_history(&source);
    let increment = source.file("appendonlydir/appendonly.aof.2.incr.aof");
    drop(source.client());
    let directory = source.directory();
    drop(source);
    let whole = fs::read(&increment).expect("the log");
    let turned = |position: usize| {
        let mut bytes = whole.clone();
        bytes[position] ^= 4;
        bytes
    };
    let strict = [&ON[..], &["--aof-load-truncated", "no"]].concat();
    for (what, bytes, settings) in [
        ("a bit in the middle", turned(whole.len() / 2), &ON[..]),
        ("a bit at the front", turned(1), &ON[..]),
        ("cut short", whole[..whole.len() - 30].to_vec(), &strict[..]),
        ("garbage behind", [&whole[..], b"garbage"].concat(), &strict[..]),
    ] {
        fs::write(&increment, &bytes).expect("a file");
        let (status, log) = Server::fail_to_start(&directory, Program::Squall, settings);
        assert_eq!(status.code(), Some(1), "{what}: {log}");
        assert!(log.contains("appendonly.aof.2.incr.aof") && log.contains("at byte"), "{what}: {log}");
        assert_eq!(fs::read(&increment).expect("the file"), bytes, "{what}: the file was changed");
    }
    fs::write(&increment, [&whole[..], b"garbage", &[0; 4096]].concat()).expect("a file");
    let server = Server::start_in(&directory, Program::Squall, &ON);
    let mut client: Client = server.client();
    client.done(&["SELECT", "1"]);
    assert_eq!(client.text(&["GET", "counter"]), Some("42\0tail".into()));
}

/// `--check-aof` and `--check-rdb` say what a server would say, and `--fix` cuts off what it would refuse.
#[test]
fn files_are_checked_without_a_server() {
    let server = Server::squall(&ON);
    write_history(&server);
    server.client().done(&["SAVE"]);
    let directory = server.directory();
    let (manifest, rdb) = (server.file("appendonlydir/appendonly.aof.manifest"), server.file("dump.rdb"));
    let increment = server.file("appendonlydir/appendonly.aof.2.incr.aof");
    drop(server);
    let check = |arguments: &[&str]| run(env!("CARGO_BIN_EXE_squall-server"), arguments, b"");
    let said = |output: &std::process::Output| String::from_utf8_lossy(&output.stdout).into_owned();
    for arguments in [["--check-aof", path_text(&manifest)], ["--check-rdb", path_text(&rdb)]] {
        let output = check(&arguments);
        assert!(output.status.success() && said(&output).contains("whole"), "{}", said(&output));
    }
    let whole = fs::read(&increment).expect("the log");
    fs::write(&increment, [&whole[..], b"*2\r\n$3\r\nDE"].concat()).expect("a file");
    let output = check(&["--check-aof", path_text(&manifest)]);
    let place = format!("it ends within the command at byte {}", whole.len());
    assert!(!output.status.success() && said(&output).contains(&place), "{}", said(&output));
    let output = check(&["--check-aof", "--fix", path_text(&manifest)]);
    assert!(output.status.success(), "{}", said(&output));
    assert_eq!(fs::read(&increment).expect("the log"), whole);
    let kept = format!("{}.cut-at-{}", path_text(&increment), whole.len());
    assert_eq!(fs::read(kept).expect("what was cut off"), b"*2\r\n$3\r\nDE");
    let mut short = fs::read(&rdb).expect("the snapshot");
    short.truncate(short.len() / 2);
    fs::write(&rdb, short).expect("a file");
    let output = check(&["--check-rdb", path_text(&rdb)]);
    assert!(
        !output.status.success() && said(&output).contains("unexpected end at byte"),
        "{}",
        said(&output)
    );
    drop(directory);
}

/// The log knows the position in the history, PINGs and all: after a kill a replica goes on where it was, and
/// a primary that was ended politely takes its replicas back without another full synchronisation.
#[test]
fn a_restart_from_the_log_resumes_replication() {
    let mut primary = Server::squall(&[&ON[..], &["--repl-ping-replica-period", "1"]].concat());
    let address = ["--replicaof", "127.0.0.1", &primary.port().to_string()].map(str::to_owned);
    let settings: Vec<&str> = ON.iter().copied().chain(address.iter().map(String::as_str)).collect();
    let mut replica = Server::start(Program::Squall, &settings);
    let load = WriteLoad::start(&primary, 3);
    load.advance(500);
    eventually("the replica's log has its base", || {
        replica.info("aof_pending_rewrite") == "0" && replica.info("master_link_status") == "up"
    });
    load.advance(500);
    replica.signal("KILL");
    replica.await_exit();
    load.advance(500);
    let replica = Server::start_in(&replica.directory(), Program::Squall, &settings);
    load.advance(200);
    load.stop();
    await_equal(&primary, &replica);
    assert_eq!((primary.info("sync_full"), primary.info("sync_partial_ok")), ("1".into(), "1".into()));
    let mut client = primary.client();
    client.done(&["SET", "on two", "disks"]);
    let both = Value::Array(vec![Value::Integer(1), Value::Integer(1)]);
    assert_eq!(client.ask(&["WAITAOF", "1", "1", "20000"]), both);

    let offset = |server: &Server| server.info("master_repl_offset");
    let before = offset(&primary);
    eventually("a PING has moved the history", || offset(&primary) != before);
    primary.signal("TERM");
    assert!(primary.await_exit().success(), "{}", primary.log_text());
    let again = Server::start_in(&primary.directory(), Program::Squall, &ON);
    replica.client().done(&["REPLICAOF", "127.0.0.1", &again.port().to_string()]);
    again.client().done(&["SET", "after", "the restart"]);
    await_equal(&again, &replica);
    assert_eq!((again.info("sync_full"), again.info("sync_partial_ok")), ("0".into(), "1".into()));
}
