//! Replication between Squall and the real redis-server, both ways, while writes go on: whatever happens to
//! the link, in the end all servers hold the same data, and no full synchronisation happened that a partial
//! one could have replaced.

use squall_resp::Value;

use crate::dataset::{await_equal, digest};
use crate::harness::{Program, Server, eventually, installed};
use crate::load::WriteLoad;
use crate::proxy::Proxy;

use Program::{Redis, Squall};

/// Holds all that a load writes while a link is down.
const LARGE_BACKLOG: [&str; 2] = ["--repl-backlog-size", "256mb"];

fn follow(replica: &Server, port: u16) {
    replica.client().done(&["REPLICAOF", "127.0.0.1", &port.to_string()]);
    eventually("the replica is online", || link_is_up(replica));
}

fn link_is_up(replica: &Server) -> bool {
    replica.info("master_link_status") == "up"
}

fn counter(server: &Server, field: &str) -> u64 {
    server.info(field).parse().unwrap_or_else(|_| panic!("{field} must be a number"))
}

/// So many keys that a full synchronisation is not over in an instant.
fn fill(server: &Server) {
    let mut client = server.client();
    for chunk in 0..40 {
        let mut words = vec!["MSET".to_owned()];
        for number in chunk * 100..(chunk + 1) * 100 {
            words.extend([format!("filler:{number}"), format!("{number} ").repeat(100)]);
        }
        client.done(&words);
    }
    client.done(&["SET", "integer", "-77"]);
    client.done(&["SET", "volatile", "x", "EX", "1000"]);
}

/// A full synchronisation under load, then links cut from the primary's side and from the replica's, each
/// healed by a partial one.
fn full_then_partial(primary: Program, replica: Program, options: &[&str]) {
    if !installed("redis-server") {
        return;
    }
    let options = [&LARGE_BACKLOG, options].concat();
    let (primary, replica) = (Server::start(primary, &options), Server::start(replica, &options));
    fill(&primary);
    let load = WriteLoad::start(&primary, 11);
    load.advance(200);
    follow(&replica, primary.port());
    load.advance(1_000);
    assert_eq!(counter(&primary, "sync_full"), 1);

    for (server, kind, resumed) in [(&primary, "REPLICA", 1), (&replica, "MASTER", 2)] {
        server.client().done(&["CLIENT", "KILL", "TYPE", kind]);
        eventually("the replica resumes", || counter(&primary, "sync_partial_ok") == resumed);
        eventually("the replica is online", || link_is_up(&replica));
        load.advance(1_000);
    }
    load.stop();
    assert!(await_equal(&primary, &replica) > 4_000);
    assert_eq!(counter(&primary, "sync_full"), 1, "the later ones were partial");
}

#[test]
fn redis_follows_squall() {
    full_then_partial(Squall, Redis, &[]);
}

#[test]
fn squall_follows_redis() {
    full_then_partial(Redis, Squall, &[]);
}

/// The file with its length before it, rather than the stream with a mark at its end.
#[test]
fn squall_follows_redis_that_sends_a_file() {
    full_then_partial(Redis, Squall, &["--repl-diskless-sync", "no"]);
}

#[test]
fn squall_follows_squall() {
    full_then_partial(Squall, Squall, &[]);
}

/// What a replica missed is gone from a small backlog: only everything anew can help.
fn overflow(primary: Program, replica: Program) {
    if !installed("redis-server") {
        return;
    }
    let primary = Server::start(primary, &["--repl-backlog-size", "16kb"]);
    let replica = Server::start(replica, &[]);
    let proxy = Proxy::to(&primary);
    primary.client().done(&["SET", "before", "1"]);
    follow(&replica, proxy.port());
    await_equal(&primary, &replica);
    let refused = counter(&primary, "sync_partial_err");
    proxy.cut();
    eventually("the replica notices", || !link_is_up(&replica));
    fill(&primary);
    proxy.plug();
    eventually("the replica synchronises anew", || counter(&primary, "sync_full") == 2);
    eventually("the replica is online", || link_is_up(&replica));
    await_equal(&primary, &replica);
    assert_eq!(counter(&primary, "sync_partial_err"), refused + 1, "it asked for a partial one first");
}

#[test]
fn a_backlog_overflows_under_a_redis_replica() {
    overflow(Squall, Redis);
}

#[test]
fn a_backlog_overflows_under_a_squall_replica() {
    overflow(Redis, Squall);
}

/// Each server follows the one before it; the link in the middle breaks and heals, and the last server
/// never needs more than its first full synchronisation.
fn chain(programs: [Program; 3]) {
    if !installed("redis-server") {
        return;
    }
    let [head, middle, tail] = programs.map(|program| Server::start(program, &LARGE_BACKLOG));
    fill(&head);
    let cable = Proxy::to(&head);
    let load = WriteLoad::start(&head, 23);
    follow(&middle, cable.port());
    follow(&tail, middle.port());
    load.advance(500);
    cable.cut();
    load.advance(100);
    cable.plug();
    eventually("the middle resumes", || counter(&head, "sync_partial_ok") == 1 && link_is_up(&middle));
    load.advance(500);
    load.stop();
    await_equal(&head, &middle);
    await_equal(&head, &tail);
    assert_eq!(counter(&head, "sync_full"), 1);
    assert_eq!(counter(&middle, "sync_full"), 1);
    assert_eq!(head.info("master_replid"), tail.info("master_replid"), "one history along the whole chain");
}

#[test]
fn a_chain_with_redis_in_the_middle() {
    chain([Squall, Redis, Squall]);
}

#[test]
fn a_chain_with_squall_in_the_middle() {
    chain([Redis, Squall, Redis]);
}

/// The primary dies; one replica is promoted, and the other joins it without a full synchronisation,
/// because both know the history they shared.
fn promotion(first: Program, promoted: Program, other: Program) {
    if !installed("redis-server") {
        return;
    }
    let [first, promoted, other] =
        [first, promoted, other].map(|program| Server::start(program, &LARGE_BACKLOG));
    fill(&first);
    follow(&promoted, first.port());
    follow(&other, first.port());
    let load = WriteLoad::start(&first, 37);
    load.advance(1_000);
    load.stop();
    await_equal(&first, &promoted);
    await_equal(&first, &other);
    drop(first);

    promoted.client().done(&["REPLICAOF", "NO", "ONE"]);
    assert_eq!(promoted.info("role"), "master");
    let load = WriteLoad::start(&promoted, 41);
    load.advance(100);
    follow(&other, promoted.port());
    load.advance(500);
    load.stop();
    await_equal(&promoted, &other);
    assert_eq!(counter(&promoted, "sync_full"), 0, "the other replica had the same history");
    assert_eq!(counter(&promoted, "sync_partial_ok"), 1);
}

#[test]
fn redis_is_promoted_and_squall_joins_it() {
    promotion(Squall, Redis, Squall);
}

#[test]
fn squall_is_promoted_and_redis_joins_it() {
    promotion(Redis, Squall, Redis);
}

/// Keys expire where the primary says so; a replica refuses writes, and says whom it follows.
#[test]
fn what_clients_see_of_replication() {
    if !installed("redis-server") {
        return;
    }
    for (primary, replica) in [(Squall, Redis), (Redis, Squall)] {
        let (primary, replica) = (Server::start(primary, &[]), Server::start(replica, &[]));
        follow(&replica, primary.port());
        let (mut at_primary, mut at_replica) = (primary.client(), replica.client());
        at_primary.done(&["SET", "k", "v", "PX", "100"]);
        at_primary.done(&["SET", "stays", "v"]);
        assert_eq!(at_primary.integer(&["WAIT", "1", "10000"]), 1);
        assert_eq!(at_replica.text(&["GET", "stays"]), Some("v".into()));
        let Value::Error(refusal) = at_replica.ask(&["SET", "k", "w"]) else {
            panic!("a replica took a write")
        };
        assert_eq!(refusal, "READONLY You can't write against a read only replica.");
        eventually("the key has gone from both", || {
            at_primary.integer(&["DBSIZE"]) == 1 && at_replica.integer(&["DBSIZE"]) == 1
        });

        let Value::Array(role) = at_replica.done(&["ROLE"]) else { panic!("ROLE must be an array") };
        assert_eq!(role[0], Value::Bulk("slave".into()));
        assert_eq!(role[2], Value::Integer(i64::from(primary.port())));
        assert_eq!(role[3], Value::Bulk("connected".into()));
        let Value::Array(role) = at_primary.done(&["ROLE"]) else { panic!("ROLE must be an array") };
        assert_eq!(role[0], Value::Bulk("master".into()));
        assert!(matches!(&role[2], Value::Array(replicas) if replicas.len() == 1), "{role:?}");
        let slave = primary.info("slave0");
        assert!(slave.contains(&format!("port={},state=online", replica.port())), "{slave}");
        assert_eq!(digest(&mut at_primary), digest(&mut at_replica));
    }
}

/// FLUSHALL, SWAPDB and a switch of primaries reach the replica too.
#[test]
fn a_replica_changes_its_primary() {
    if !installed("redis-server") {
        return;
    }
    let (squall, redis) = (Server::start(Squall, &[]), Server::start(Redis, &[]));
    let replica = Server::start(Squall, &[]);
    fill(&squall);
    redis.client().done(&["SET", "only", "here"]);
    follow(&replica, squall.port());
    squall.client().done(&["SWAPDB", "0", "1"]);
    assert!(await_equal(&squall, &replica) > 4_000);
    follow(&replica, redis.port());
    assert_eq!(await_equal(&redis, &replica), 1);
    follow(&replica, squall.port());
    assert!(await_equal(&squall, &replica) > 4_000);
    squall.client().done(&["FLUSHALL"]);
    assert_eq!(await_equal(&squall, &replica), 0);
}
