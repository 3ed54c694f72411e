//! FAILOVER between Squall and the real redis-server, there and back under load, and servers that are killed
//! in the middle of it all.

use crate::dataset::await_equal;
use crate::harness::{Program, Server, eventually, installed};
use crate::load::WriteLoad;

use Program::{Redis, Squall};

/// Holds all that a load writes while a link is down.
const LARGE_BACKLOG: [&str; 2] = ["--repl-backlog-size", "256mb"];

fn follow(replica: &Server, primary: &Server) {
    replica.client().done(&["REPLICAOF", "127.0.0.1", &primary.port().to_string()]);
    eventually("the replica is online", || link_is_up(replica));
}

fn link_is_up(replica: &Server) -> bool {
    replica.info("role") == "slave" && replica.info("master_link_status") == "up"
}

fn count(server: &Server, field: &str) -> u64 {
    server.info(field).parse().unwrap_or_else(|_| panic!("{field} must be a number"))
}

fn fail_over(from: &Server, to: &Server) {
    let port = to.port().to_string();
    eventually("the order is accepted", || {
        let reply = from.client().ask(&["FAILOVER", "TO", "127.0.0.1", &port, "TIMEOUT", "20000"]);
        !matches!(reply, squall_resp::Value::Error(_))
    });
    eventually("the target is a primary", || to.info("role") == "master");
    eventually("the old primary is its replica", || link_is_up(from));
    assert_eq!(from.info("master_failover_state"), "no-failover");
}

/// The role goes from one to the other and back while writes come in. Nobody needs the dataset twice, so no
/// write can have been lost on the way.
fn there_and_back(one: Program, other: Program) {
    if !installed("redis-server") {
        return;
    }
    let (one, other) = (Server::start(one, &LARGE_BACKLOG), Server::start(other, &LARGE_BACKLOG));
    one.client().done(&["SET", "first", "1"]);
    follow(&other, &one);
    for (seed, from, to) in [(3, &one, &other), (5, &other, &one)] {
        let load = WriteLoad::start(from, seed);
        load.advance(500);
        let before = from.info("master_replid");
        fail_over(from, to);
        load.stop();
        assert_eq!(to.info("master_replid2"), before, "the history goes on under another name");
        await_equal(from, to);
    }
    assert_eq!(count(&one, "sync_full") + count(&other, "sync_full"), 1);
}

#[test]
fn squall_hands_over_to_redis_and_back() {
    there_and_back(Squall, Redis);
}

#[test]
fn redis_hands_over_to_squall_and_back() {
    there_and_back(Redis, Squall);
}

#[test]
fn squall_hands_over_to_squall_and_back() {
    there_and_back(Squall, Squall);
}

/// The replica is killed under load and started again on what it had saved; then the primary is, and comes
/// back with a history of its own, which the replica joins.
fn kills(primary: Program, replica: Program) {
    if !installed("redis-server") {
        return;
    }
    let first = Server::start(primary, &LARGE_BACKLOG);
    let second = Server::start(replica, &LARGE_BACKLOG);
    let (first_files, second_files) = (first.directory(), second.directory());
    let load = WriteLoad::start(&first, 7);
    follow(&second, &first);
    load.advance(500);
    second.client().done(&["SAVE"]);
    load.advance(300);
    second.signal("KILL");
    drop(second);
    load.advance(300);

    let port = first.port().to_string();
    let options = [&LARGE_BACKLOG[..], &["--replicaof", "127.0.0.1", &port]].concat();
    let second = Server::start_in(&second_files, replica, &options);
    eventually("the replica is online", || link_is_up(&second));
    load.advance(300);
    first.client().done(&["SAVE"]);
    load.advance(300);
    first.signal("KILL");
    drop(load);
    drop(first);

    let first = Server::start_in(&first_files, primary, &LARGE_BACKLOG);
    let load = WriteLoad::start(&first, 9);
    follow(&second, &first);
    load.advance(300);
    load.stop();
    await_equal(&first, &second);
}

#[test]
fn squall_and_its_redis_replica_are_killed() {
    kills(Squall, Redis);
}

#[test]
fn redis_and_its_squall_replica_are_killed() {
    kills(Redis, Squall);
}
