//! MULTI, EXEC, DISCARD, WATCH: all or nothing, for those who read and for those who replicate.

use crate::world::World;
use proptest::prelude::*;

#[test]
fn exec_runs_what_was_queued_and_replicas_receive_it_as_one() {
    let mut world = World::start();
    world.engine.propagation.enabled = true;
    let client = world.connect();
    assert_eq!(world.ask(client, "MULTI"), "+OK\r\n");
    assert_eq!(world.ask(client, "SET a 1"), "+QUEUED\r\n");
    assert_eq!(world.ask(client, "INCR a"), "+QUEUED\r\n");
    assert_eq!(world.ask(client, "GET a"), "+QUEUED\r\n");
    assert_eq!(world.propagated(), "", "nothing has happened yet");
    assert_eq!(world.ask(client, "EXEC"), "*3\r\n+OK\r\n:2\r\n$1\r\n2\r\n");
    assert_eq!(world.propagated(), "SELECT 0\nMULTI\nSET a 1\nINCR a\nEXEC");
    world.ask(client, "MULTI");
    world.ask(client, "GET a");
    world.ask(client, "SET b 1");
    world.ask(client, "EXEC");
    assert_eq!(world.propagated(), "SET b 1", "one effect needs no frame");
    assert_eq!(world.ask(client, "EXEC"), "-ERR EXEC without MULTI\r\n");
    assert_eq!(world.ask(client, "DISCARD"), "-ERR DISCARD without MULTI\r\n");
}

#[test]
fn an_error_inside_changes_nothing_for_the_others() {
    let mut world = World::start();
    let client = world.connect();
    world.ask(client, "SET a word");
    world.ask(client, "MULTI");
    world.ask(client, "INCR a");
    world.ask(client, "SET b 1");
    assert_eq!(world.ask(client, "EXEC"), "*2\r\n-ERR value is not an integer or out of range\r\n+OK\r\n");
    assert_eq!(world.ask(client, "GET b"), "$1\r\n1\r\n");
}

#[test]
fn a_refusal_while_queueing_aborts_the_whole() {
    let mut world = World::start();
    let client = world.connect();
    for refused in ["NOSUCH", "GET", "CLIENT NOSUCH", "SAVE"] {
        world.ask(client, "MULTI");
        world.ask(client, "SET a 1");
        assert!(world.ask(client, refused).starts_with("-ERR"), "{refused}");
        assert_eq!(
            world.ask(client, "EXEC"),
            "-EXECABORT Transaction discarded because of previous errors.\r\n"
        );
        assert_eq!(world.ask(client, "GET a"), "$-1\r\n");
    }
    world.ask(client, "MULTI");
    assert_eq!(world.ask(client, "MULTI"), "-ERR MULTI calls can not be nested\r\n");
    assert_eq!(world.ask(client, "WATCH a"), "-ERR WATCH inside MULTI is not allowed\r\n");
    assert_eq!(world.ask(client, "EXEC"), "*0\r\n");
}

#[test]
fn a_transaction_does_not_outgrow_the_query_buffer() {
    let mut world = World::start();
    world.engine.config.client_query_buffer_bytes_max = 1 << 20;
    let client = world.connect();
    world.ask(client, "MULTI");
    let line = format!("SET k {}", "x".repeat(100_000));
    let queued = (0..20).take_while(|_| world.ask(client, &line) == "+QUEUED\r\n").count();
    assert_eq!(queued, 10);
    assert!(world.session(client).close_after_reply);
    assert!(world.ask(client, "EXEC").starts_with("-EXECABORT"));
}

#[test]
fn a_watched_key_that_changes_breaks_the_transaction() {
    for (change, breaks) in [
        ("SET k other", true),
        ("APPEND k x", true),
        ("DEL k", true),
        ("EXPIRE k 100", true),
        ("FLUSHALL", true),
        ("FLUSHDB", true),
        ("SWAPDB 0 1", true),
        ("RENAME k j", true),
        ("RENAME other k", true),
        ("GET k", false),
        ("SET other x", false),
        ("DEL nosuch", false),
        ("SETNX k x", false),
        ("SWAPDB 2 3", false),
        ("SELECT 1", false),
    ] {
        let mut world = World::start();
        let (client, rival) = (world.connect(), world.connect());
        world.ask(client, "MSET k v other w");
        world.ask(client, "WATCH k");
        world.ask(rival, change);
        world.ask(client, "MULTI");
        world.ask(client, "SET result 1");
        let expected = if breaks { "*-1\r\n" } else { "*1\r\n+OK\r\n" };
        assert_eq!(world.ask(client, "EXEC"), expected, "{change}");
        assert_eq!(world.engine.watches.counts(), (0, 0), "EXEC ends the watch");
    }
}

#[test]
fn a_watched_key_that_expires_breaks_the_transaction_unless_it_had_before() {
    let mut world = World::start();
    let client = world.connect();
    world.ask(client, "SET k v PX 100");
    world.ask(client, "WATCH k");
    world.pass(200);
    world.ask(client, "MULTI");
    world.ask(client, "PING");
    assert_eq!(world.ask(client, "EXEC"), "*-1\r\n");

    world.engine.active_expire = false;
    world.ask(client, "SET k v PX 100");
    world.pass(200);
    world.ask(client, "WATCH k");
    world.ask(client, "MULTI");
    world.ask(client, "PING");
    assert_eq!(world.ask(client, "EXEC"), "*1\r\n+PONG\r\n", "it had expired when WATCH was called");
}

#[test]
fn what_ends_a_transaction_ends_the_watch() {
    for end in ["UNWATCH", "DISCARD", "RESET"] {
        let mut world = World::start();
        let (client, rival) = (world.connect(), world.connect());
        world.ask(client, "WATCH k");
        world.ask(rival, "SET k v");
        if end == "DISCARD" {
            world.ask(client, "MULTI");
        }
        world.ask(client, end);
        world.ask(client, "MULTI");
        world.ask(client, "PING");
        assert_eq!(world.ask(client, "EXEC"), "*1\r\n+PONG\r\n", "{end}");
    }
    let mut world = World::start();
    let client = world.connect();
    world.ask(client, "WATCH k");
    world.engine.forget_client(client);
    assert!(world.engine.watches.is_empty());
}

#[test]
fn an_expired_key_is_deleted_for_replicas_before_what_replaces_it() {
    let mut world = World::start();
    world.engine.propagation.enabled = true;
    let client = world.connect();
    world.ask(client, "SET k v PX 100");
    world.pass(200);
    world.propagated();
    world.ask(client, "APPEND k x");
    assert_eq!(world.propagated(), "MULTI\nDEL k\nAPPEND k x\nEXEC");
    world.ask(client, "SET k v PX 100");
    world.ask(client, "SELECT 3");
    world.ask(client, "SET j v");
    world.pass(200);
    world.propagated();
    assert_eq!(world.ask(client, "GET j"), "$1\r\nv\r\n");
    assert_eq!(world.propagated(), "");
    while !world.engine.expire_step(100) {}
    assert_eq!(world.propagated(), "SELECT 0\nDEL k");
}

#[test]
fn monitors_see_a_script_before_what_it_calls() {
    let mut world = World::start();
    let (client, monitor) = (world.connect(), world.connect());
    world.ask(monitor, "MONITOR");
    world.ask(client, "EVAL \"return redis.call('SET', 'k', 'v')\" 0");
    let seen = world.received(monitor);
    let script = seen.find("\"EVAL\"").expect("the script is shown");
    assert!(seen.find("lua] \"SET\" \"k\" \"v\"").is_some_and(|call| call > script), "{seen}");
}

#[test]
fn monitors_see_a_transaction_as_it_runs_and_no_passwords() {
    let mut world = World::start();
    let (client, monitor) = (world.connect(), world.connect());
    assert_eq!(world.ask(monitor, "MONITOR"), "+OK\r\n");
    for line in ["AUTH secret", "HELLO 2 AUTH default secret SETNAME me", "CONFIG GET port"] {
        world.ask(client, line);
    }
    for line in ["MULTI", "SET k \"a\\x00\\n\"", "EXEC"] {
        world.ask(client, line);
    }
    let seen = world.received(monitor);
    assert_eq!(
        seen,
        "+1893456000.000000 [0 127.0.0.1:50001] \"AUTH\" \"(redacted)\"\r\n\
         +1893456000.000000 [0 127.0.0.1:50001] \"HELLO\" \"2\" \"AUTH\" \"(redacted)\" \"(redacted)\" \"SETNAME\" \"me\"\r\n\
         +1893456000.000000 [0 127.0.0.1:50001] \"MULTI\"\r\n\
         +1893456000.000000 [0 127.0.0.1:50001] \"SET\" \"k\" \"a\\x00\\n\"\r\n\
         +1893456000.000000 [0 127.0.0.1:50001] \"EXEC\"\r\n"
    );
    assert_eq!(world.engine.clients.take_written(), [monitor]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    /// Whatever two clients do, replaying the propagated stream gives the same data: nothing is left out,
    /// nothing is propagated twice, and databases do not mix.
    #[test]
    fn the_stream_gives_the_same_data(
        steps in prop::collection::vec((0..2usize, 0..24usize, 0..4u8), 1..60)
    ) {
        let mut world = World::start();
        world.engine.propagation.enabled = true;
        let clients = [world.connect(), world.connect()];
        let mut stream = String::new();
        for (who, what, key) in steps {
            let line = match what {
                0 => "MULTI".to_string(),
                1 | 2 => "EXEC".to_string(),
                3 => "DISCARD".to_string(),
                4 => format!("WATCH k{key}"),
                5 => format!("SELECT {key}"),
                6 => format!("SET k{key} v PX 50"),
                7 => format!("DEL k{key} k0"),
                8 => format!("APPEND k{key} x"),
                9 => format!("SWAPDB 0 {key}"),
                10 => "FLUSHDB".to_string(),
                11 => format!("RENAME k{key} k1"),
                12 => format!("GET k{key}"),
                13 => format!("MSET k{key} a k2 b"),
                14 => format!("COPY k{key} k3 DB 1"),
                15 => format!("GETDEL k{key}"),
                16 => format!("EXPIRE k{key} 100"),
                17 => format!("MOVE k{key} 2"),
                18 => "NOSUCH".to_string(),
                19 => format!("SET k{key} {who} NX"),
                20 => {
                    world.pass(30);
                    world.engine.expire_step(1000);
                    "PING".to_string()
                }
                _ => format!("INCR k{key}"),
            };
            world.ask(clients[who], &line);
            let part = world.propagated();
            if !part.is_empty() {
                stream.push_str(&part);
                stream.push('\n');
            }
        }
        let mut replica = World::start();
        replica.engine.role = squall_commands::Role::Replica;
        let link = replica.connect();
        replica.session(link).is_primary_link = true;
        for line in stream.lines() {
            replica.ask(link, line);
        }
        prop_assert_eq!(
            replica.engine.keyspace.digest(), world.engine.keyspace.digest(),
            "after\n{}", stream
        );
    }
}
