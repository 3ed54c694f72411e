//! redis-cli in all the ways that it is used: one command, a script, a person at a terminal, its reports,
//! mass insertion, and as a replica that only wants the RDB file.

use std::fmt::Write;
use std::process::Command;

use crate::dataset;
use crate::harness::{Program, Server, installed, path_text, run, words};

fn redis_cli(server: &Server, arguments: &[&str], input: &str) -> String {
    words("redis-cli", &[&["-p", &server.port().to_string()], arguments].concat(), input.as_bytes())
}

#[test]
fn single_commands_and_scripts() {
    if !installed("redis-cli") {
        return;
    }
    let server = Server::squall(&[]);
    assert_eq!(redis_cli(&server, &["SET", "greeting", "hello world"], ""), "OK\n");
    assert_eq!(redis_cli(&server, &["GET", "greeting"], ""), "hello world\n");
    assert_eq!(redis_cli(&server, &["--no-raw", "GET", "greeting"], ""), "\"hello world\"\n");
    assert_eq!(redis_cli(&server, &["--no-raw", "GET", "nothing"], ""), "(nil)\n");
    assert_eq!(redis_cli(&server, &["--no-raw", "INCR", "n"], ""), "(integer) 1\n");
    assert_eq!(redis_cli(&server, &["-3", "--no-raw", "MGET", "n", "x"], ""), "1) \"1\"\n2) (nil)\n");
    assert_eq!(redis_cli(&server, &["-n", "3", "SET", "elsewhere", "1"], ""), "OK\n");
    assert_eq!(redis_cli(&server, &["DBSIZE"], ""), "2\n");
    assert_eq!(redis_cli(&server, &["-x", "SET", "from-input"], "\x01binary\x02"), "OK\n");
    assert_eq!(redis_cli(&server, &["STRLEN", "from-input"], ""), "8\n");
    assert_eq!(redis_cli(&server, &[], "MULTI\nINCR n\nINCR n\nEXEC\n"), "OK\nQUEUED\nQUEUED\n2\n3\n");
    assert_eq!(redis_cli(&server, &["-r", "3", "INCR", "repeated"], ""), "1\n2\n3\n");
    let unknown = run("redis-cli", &["-p", &server.port().to_string(), "-e", "nosuch", "x"], b"");
    let complaint = String::from_utf8_lossy(&unknown.stderr).into_owned();
    assert_eq!(unknown.status.code(), Some(1), "-e makes an error reply an exit code");
    assert_eq!(complaint.trim(), "ERR unknown command 'nosuch', with args beginning with: 'x'");
    assert!(redis_cli(&server, &["INFO", "server"], "").contains("redis_version:"));
}

/// A person types, and sees the prompt change with the database and the transaction.
#[test]
fn a_session_at_a_terminal() {
    if !installed("redis-cli") || !installed("python3") {
        return;
    }
    let server = Server::squall(&[]);
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/interop/terminal.py");
    let said = words("python3", &[script, &server.port().to_string()], b"");
    assert!(said.ends_with("all is well\n"), "{said}");
}

#[test]
fn reports_about_the_server() {
    if !installed("redis-cli") {
        return;
    }
    let server = Server::squall(&[]);
    server.client().done(&["MSET", "small", "x", "big", &"x".repeat(5_000)]);
    let report = redis_cli(&server, &["--bigkeys"], "");
    let biggest = report.lines().find(|line| line.starts_with("Biggest string found")).unwrap_or_default();
    assert!(biggest.contains("big") && biggest.ends_with("has 5000 bytes"), "{report}");
    assert!(report.contains("Sampled 2 keys in the keyspace!"), "{report}");
    assert!(report.contains("2 strings with 5001 bytes"), "{report}");

    let latency = redis_cli(&server, &["--latency", "--raw"], "");
    let figures: Vec<f64> = latency.split_whitespace().map(|word| word.parse().expect("a number")).collect();
    assert!(matches!(figures[..], [min, max, _, samples] if min <= max && samples > 0.0), "{latency}");

    // It never ends by itself, so it is given the time for some lines; it would hold them back in a pipe.
    let port = server.port().to_string();
    let stat = Command::new("timeout")
        .args(["1", "stdbuf", "-oL", "redis-cli", "-p", &port, "--stat", "-i", "0.05"])
        .output()
        .expect("timeout, from coreutils");
    let table = String::from_utf8_lossy(&stat.stdout).into_owned();
    let rows = table.lines().filter(|line| line.split_whitespace().next() == Some("2"));
    assert!(table.contains("keys       mem      clients"), "{table}");
    assert!(rows.count() >= 2, "{table}");
}

#[test]
fn mass_insertion() {
    if !installed("redis-cli") {
        return;
    }
    let server = Server::squall(&[]);
    let mut commands = String::new();
    for number in 0..50_000 {
        let key = format!("key:{number}");
        write!(commands, "*3\r\n$3\r\nSET\r\n${}\r\n{key}\r\n$5\r\nvalue\r\n", key.len()).expect("a string");
    }
    let said = redis_cli(&server, &["--pipe"], &commands);
    assert!(said.contains("errors: 0, replies: 50000"), "{said}");
    assert_eq!(server.client().integer(&["DBSIZE"]), 50_000);
}

/// `--rdb` poses as a replica; the real server must be able to load what it receives.
#[test]
fn a_backup_that_redis_server_loads() {
    if !installed("redis-cli") || !installed("redis-server") {
        return;
    }
    let server = Server::squall(&[]);
    let mut client = server.client();
    for number in 0..2_000 {
        client.done(&["SET", &format!("key:{number}"), &"value ".repeat(number % 50)]);
    }
    client.done(&["SET", "number", "12345", "EX", "1000"]);
    let directory = std::sync::Arc::new(tempfile::tempdir().expect("a directory"));
    let backup = directory.path().join("dump.rdb");
    redis_cli(&server, &["--rdb", path_text(&backup)], "");
    let restored = Server::start_in(&directory, Program::Redis, &[]);
    assert_eq!(restored.client().integer(&["DBSIZE"]), 2_001);
    dataset::await_equal(&server, &restored);
}
