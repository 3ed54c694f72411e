//! Bytes that no honest client sends: the server says what is wrong, closes that connection, and goes on
//! serving the others with the memory it had.

use std::fs;

use squall_resp::Value;

use crate::client::Client;
use crate::harness::{Program, Server, eventually};
use crate::load::Dice;

/// What the server answers to the bytes until it closes.
fn last_words(server: &Server, bytes: &[u8]) -> String {
    let mut client = server.client();
    client.send(bytes);
    client.finish_sending();
    String::from_utf8_lossy(&client.rest()).into_owned()
}

#[test]
fn malformed_requests_get_the_protocol_error_and_a_closed_connection() {
    let mut server = Server::squall(&[]);
    let cases: [(&[u8], &str); 9] = [
        (b"*x\r\n", "-ERR Protocol error: invalid multibulk length\r\n"),
        (b"*99999999999999\r\n", "-ERR Protocol error: invalid multibulk length\r\n"),
        (b"*1\r\n:1\r\n", "-ERR Protocol error: expected '$', got ':'\r\n"),
        (b"*1\r\n$-5\r\n", "-ERR Protocol error: invalid bulk length\r\n"),
        (b"*1\r\n$99999999999\r\n", "-ERR Protocol error: invalid bulk length\r\n"),
        (b"*1\r\n$536870913\r\n", "-ERR Protocol error: invalid bulk length\r\n"),
        (b"SET \"unbalanced\r\n", "-ERR Protocol error: unbalanced quotes in request\r\n"),
        (b"PING\r\n*1\r\n$x\r\n", "+PONG\r\n-ERR Protocol error: invalid bulk length\r\n"),
        (&[b'a'; 70_000], "-ERR Protocol error: too big inline request\r\n"),
    ];
    for (bytes, words) in cases {
        // It must close by itself: this client does not.
        let mut client = server.client();
        client.send(bytes);
        assert_eq!(String::from_utf8_lossy(&client.rest()), words);
    }
    server.assert_alive();
}

#[test]
fn half_commands_end_with_their_connection() {
    let mut server = Server::squall(&[]);
    let whole = b"*3\r\n$3\r\nSET\r\n$5\r\nhalf1\r\n$5\r\nvalue\r\n";
    for end in 1..whole.len() {
        assert_eq!(last_words(&server, &whole[..end]), "");
    }
    assert_eq!(server.client().integer(&["DBSIZE"]), 0, "nothing was half done");
    server.assert_alive();
}

/// A length alone must not make the server take memory for it.
#[test]
fn giant_lengths_take_no_memory_until_their_bytes_come() {
    let mut server = Server::squall(&[]);
    let before = resident_bytes(&server);
    let mut waiting: Vec<Client> = (0..100).map(|_| server.client()).collect();
    for client in &mut waiting {
        client.send(b"*1048576\r\n$536870912\r\nonly this much");
    }
    let mut other = server.client();
    eventually("the server has read them all", || other.info("connected_clients") == Some("101".into()));
    for _ in 0..100 {
        other.done(&["PING"]);
    }
    let growth = resident_bytes(&server).saturating_sub(before);
    assert!(growth < 64 << 20, "{growth} bytes for promises");
    server.assert_alive();
}

/// Neither may one in the log, which promises more than the file has.
#[test]
fn a_giant_length_in_the_log_takes_no_memory() {
    let options = ["--appendonly", "yes", "--aof-load-truncated", "yes"];
    let mut first = Server::squall(&options);
    first.client().done(&["SET", "k", "v"]);
    first.signal("TERM");
    first.await_exit();
    let log = first.file("appendonlydir/appendonly.aof.1.incr.aof");
    let mut bytes = fs::read(&log).expect("the log");
    bytes.extend_from_slice(b"*2\r\n$3700000000\r\nonly this much");
    fs::write(&log, bytes).expect("the log is ours");
    let server = Server::start_in(&first.directory(), Program::Squall, &options);
    assert_eq!(server.client().text(&["GET", "k"]), Some("v".into()));
    let peak = status_bytes(&server, "VmPeak:");
    assert!(peak < 2 << 30, "{peak} bytes for a promise");
}

#[test]
fn random_bytes_harm_nobody() {
    let mut server = Server::squall(&[]);
    let mut dice = Dice(2026);
    let mut bystander = server.client();
    bystander.done(&["SET", "k", "v"]);
    for _ in 0..300 {
        let length = dice.below(400) as usize;
        let mut bytes: Vec<u8> = (0..length).map(|_| dice.roll() as u8).collect();
        if dice.below(2) == 0 {
            bytes.splice(0..0, *b"*3\r\n$3\r\nGET\r\n");
        }
        last_words(&server, &bytes);
    }
    assert_eq!(bystander.text(&["GET", "k"]), Some("v".into()));
    server.assert_alive();
}

/// A browser led to the server's port by a malicious page must not get a command through.
#[test]
fn a_web_request_is_cut_off() {
    let mut server = Server::squall(&[]);
    let request = b"POST / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\nSET owned 1\r\n";
    let mut client = server.client();
    client.send(request);
    client.rest();
    assert_eq!(server.client().integer(&["EXISTS", "owned"]), 0);
    server.assert_alive();
}

/// A replica asks for a position that never was, and then acknowledges one: it is not believed.
#[test]
fn a_replica_that_lies_about_its_offset() {
    let mut server = Server::squall(&[]);
    let mut honest = server.client();
    honest.done(&["SET", "k", "v"]);
    let replid = server.info("master_replid");
    for (id, offset) in
        [(replid.as_str(), "999999999999"), (&replid, "-5"), (&"f".repeat(40), "1"), ("?", "x")]
    {
        let mut liar = server.client();
        liar.send(format!("PSYNC {id} {offset}\r\n").as_bytes());
        let answer = liar.try_read();
        let acceptable = match &answer {
            Some(Value::Simple(words)) => words.starts_with("FULLRESYNC "),
            Some(Value::Error(_)) | None => true,
            _ => false,
        };
        assert!(acceptable, "{id} {offset}: {answer:?}");
        liar.send(b"REPLCONF ACK 999999999999999\r\n");
    }
    honest.done(&["SET", "k", "w"]);
    assert_eq!(honest.integer(&["WAIT", "1", "50"]), 0, "a lie is no acknowledgement");
    server.assert_alive();
}

fn resident_bytes(server: &Server) -> u64 {
    status_bytes(server, "VmRSS:")
}

fn status_bytes(server: &Server, name: &str) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", server.info("process_id")));
    let status = status.expect("the server's process");
    let line = status.lines().find_map(|line| line.strip_prefix(name)).expect("the kernel tells it");
    line.trim().trim_end_matches("kB").trim().parse::<u64>().expect("a number") * 1024
}
