//! What the shell owes to connections: order, fairness, big and broken input, pauses, ends.

use std::time::{Duration, Instant};

use bytes::BytesMut;
use squall_resp::{Value, encode_command};

use crate::harness::{Server, eventually, free_port, is_listening};

fn pong() -> Value {
    Value::Simple("PONG".into())
}

fn request(words: &[&[u8]]) -> BytesMut {
    let mut out = BytesMut::new();
    encode_command(&mut out, words.iter().copied());
    out
}

#[test]
fn a_deep_pipeline_is_answered_in_order() {
    let server = Server::squall(&[]);
    let mut client = server.client();
    const REQUESTS: i64 = 100_000;
    let one = request(&[b"INCR", b"counter"]);
    let all: Vec<u8> = one.iter().copied().cycle().take(one.len() * REQUESTS as usize).collect();
    client.send(&all);
    for expected in 1..=REQUESTS {
        assert_eq!(client.try_read(), Some(Value::Integer(expected)));
    }
}

#[test]
fn requests_arrive_whole_whatever_the_network_makes_of_them() {
    let server = Server::squall(&[]);
    let mut client = server.client();
    let bytes = request(&[b"ECHO", b"in pieces"]);
    for byte in bytes.iter() {
        client.send(std::slice::from_ref(byte));
    }
    assert_eq!(client.try_read(), Some(Value::Bulk("in pieces".into())));
}

#[test]
fn a_large_value_goes_in_and_comes_out() {
    let server = Server::squall(&[]);
    let mut client = server.client();
    let value: Vec<u8> = (0..32 * 1024 * 1024_u32).map(|index| (index % 251) as u8).collect();
    client.send(&request(&[b"SET", b"large", &value]));
    assert_eq!(client.try_read(), Some(Value::Simple("OK".into())));
    let Value::Bulk(back) = client.ask(&["GET", "large"]) else { panic!("a bulk reply") };
    assert!(back == value, "the value came back changed");
}

/// Serving a deep pipeline used to keep the server from looking at the network for dozens of its turns.
#[test]
fn one_that_asks_much_does_not_starve_the_others() {
    /// About eighty turns of the server's.
    const REQUESTS: usize = 100_000;
    let server = Server::squall(&[]);
    let mut greedy = server.client();
    let mut modest = server.client();
    modest.done(&["DEBUG", "POPULATE", "500"]);
    let one = request(&[b"KEYS", b"none"]);
    let flood: Vec<u8> = one.iter().copied().cycle().take(one.len() * REQUESTS).collect();
    let greedy = std::thread::spawn(move || {
        greedy.send(&flood);
        (0..REQUESTS).filter(|_| greedy.try_read() == Some(Value::Array(Vec::new()))).count()
    });
    let mut answered = 0;
    while !greedy.is_finished() {
        assert_eq!(modest.ask(&["PING"]), pong());
        answered += 1;
    }
    assert_eq!(greedy.join().expect("it ends"), REQUESTS);
    // One that starves gets one answer or two; how many more of the turns this client uses is up to the machine.
    assert!(answered >= 10, "only {answered} requests of the others were served during the flood");
}

/// The disk takes a piece at once and the node has the next one ready: that loop must let others in.
#[test]
fn a_background_save_does_not_hold_up_clients() {
    let server = Server::squall(&[]);
    let mut client = server.client();
    client.done(&["DEBUG", "POPULATE", "300000"]);
    client.done(&["BGSAVE"]);
    let mut answered = 0;
    while client.info("rdb_bgsave_in_progress").as_deref() == Some("1") {
        answered += 1;
    }
    assert!(answered >= 10, "only {answered} requests were served during the save");
}

#[test]
fn quit_and_client_kill_end_connections() {
    let server = Server::squall(&[]);
    let mut client = server.client();
    assert_eq!(client.ask(&["QUIT"]), Value::Simple("OK".into()));
    assert_eq!(client.try_read(), None);
    let mut victim = server.client();
    let id = victim.integer(&["CLIENT", "ID"]).to_string();
    let mut killer = server.client();
    assert_eq!(killer.ask(&["CLIENT", "KILL", "ID", &id]), Value::Integer(1));
    assert_eq!(victim.try_read(), None);
    eventually("only the killer is left", || killer.info("connected_clients").as_deref() == Some("1"));
}

#[test]
fn nothing_is_served_while_the_server_is_told_to_sleep() {
    let server = Server::squall(&[]);
    let mut sleeper = server.client();
    let mut other = server.client();
    assert_eq!(other.ask(&["PING"]), pong());
    let asked = Instant::now();
    sleeper.send(&request(&[b"DEBUG", b"SLEEP", b"0.3"]));
    assert_eq!(sleeper.try_read(), Some(Value::Simple("OK".into())));
    assert!(asked.elapsed() >= Duration::from_millis(300));
    sleeper.send(&request(&[b"DEBUG", b"SLEEP", b"0.3"]));
    assert_eq!(other.ask(&["PING"]), pong());
    sleeper.try_read();
    assert!(asked.elapsed() >= Duration::from_millis(600));
}

#[test]
fn a_refused_client_is_told_why() {
    let server = Server::squall(&["--maxclients", "2"]);
    let mut first = server.client();
    let mut second = server.client();
    eventually("there is room", || {
        second.try_ask(&["PING"]) == Some(pong()) || {
            second = server.client();
            false
        }
    });
    assert_eq!(first.try_ask(&["PING"]), Some(pong()));
    let mut third = server.client();
    let Some(Value::Error(message)) = third.try_read() else { panic!("an error") };
    assert_eq!(message, "ERR max number of clients reached");
    assert_eq!(third.try_read(), None);
}

#[test]
fn the_port_moves_while_it_runs() {
    let server = Server::squall(&[]);
    let mut client = server.client();
    let other = free_port();
    assert_eq!(client.ask(&["CONFIG", "SET", "port", &other.to_string()]), Value::Simple("OK".into()));
    eventually("it listens elsewhere", || is_listening(other));
    eventually("and no longer here", || !is_listening(server.port()));
    assert_eq!(client.ask(&["PING"]), pong(), "who is connected stays so");
}
