//! What a node of a cluster does with keys: which it serves, walks over and counts, and what a script may touch.

use crate::world::World;
use squall_clock::Mono;
use squall_commands::ClientId;
use squall_commands::cluster::{Routing, SlotOwner};
use squall_commands::config::Config;
use squall_store::{SLOT_COUNT, Slot, slot_of};

/// A node that serves the slots for which `is_mine` says so; another has the rest.
fn serving(config: Config, is_mine: impl Fn(u64) -> bool) -> (World, ClientId) {
    let mut world = World::with(Config { cluster_enabled: true, ..config });
    let mut routing = Routing::default();
    routing.ok = true;
    let other = routing.add_endpoint("10.0.0.2:7002".into());
    for number in 0..SLOT_COUNT as u64 {
        let owner = if is_mine(number) { SlotOwner::Me } else { SlotOwner::Other(other) };
        routing.set_owner(Slot::checked(number).expect("one of all"), owner);
    }
    world.engine.routing = Some(Box::new(routing));
    let client = world.connect();
    (world, client)
}

/// A page of a walk: the next cursor and the keys.
fn page(world: &mut World, client: ClientId, request: &str) -> (String, Vec<String>) {
    let reply = world.ask(client, request);
    let lines: Vec<&str> = reply.split("\r\n").collect();
    assert_eq!(lines[0], "*2", "{reply}");
    (lines[2].to_owned(), lines[4..].iter().skip(1).step_by(2).map(|key| key.to_string()).collect())
}

#[test]
fn a_walk_over_the_cluster_finds_each_key_once() {
    let (mut world, client) = serving(Config::default(), |_| true);
    let mut expected: Vec<String> = (0..500).map(|number| format!("key:{number}")).collect();
    expected.extend((0..300).map(|number| format!("{{many}}{number}")));
    for key in &expected {
        world.ask(client, &format!("SET {key} v"));
    }
    let (mut cursor, mut found, mut calls) = ("0".to_owned(), Vec::new(), 0);
    loop {
        let (next, keys) = page(&mut world, client, &format!("CLUSTERSCAN {cursor} COUNT 20"));
        found.extend(keys);
        calls += 1;
        if next == "0" {
            break;
        }
        cursor = next;
    }
    found.sort();
    expected.sort();
    assert_eq!(found, expected);
    assert!(calls > SLOT_COUNT + 10, "the slot with many keys takes several: {calls}");

    // One slot alone, from the beginning to its end.
    let slot = slot_of(b"many").number();
    let (mut cursor, keys) = page(&mut world, client, &format!("CLUSTERSCAN 0 SLOT {slot}"));
    assert_eq!(keys.len(), 0);
    let mut found = 0;
    while cursor != "0" {
        let (next, keys) =
            page(&mut world, client, &format!("CLUSTERSCAN {cursor} SLOT {slot} MATCH {{many}}1*"));
        (cursor, found) = (next, found + keys.len());
    }
    assert_eq!(found, 111, "1, 10 to 19, 100 to 199");
}

#[test]
fn a_walk_is_sent_on_to_the_node_that_has_the_next_slot() {
    let (mut world, client) = serving(Config::default(), |slot| slot == 0);
    let (first, _) = page(&mut world, client, "CLUSTERSCAN 0");
    let (second, _) = page(&mut world, client, &format!("CLUSTERSCAN {first}"));
    assert!(first.starts_with("0-{") && second.starts_with("0-{") && first != second);
    assert_eq!(world.ask(client, &format!("CLUSTERSCAN {second}")), "-MOVED 1 10.0.0.2:7002\r\n");
    assert_eq!(
        world.ask(client, &format!("CLUSTERSCAN {}", first.trim_end_matches("-0"))),
        "-ERR invalid cursor\r\n"
    );
    assert_eq!(world.ask(client, "CLUSTERSCAN 0 SLOT 16384"), "-ERR Invalid or out of range slot\r\n");
    assert_eq!(world.ask(client, "SCAN 0 SLOT 1"), "-ERR syntax error\r\n");
    let mut alone = World::start();
    let client = alone.connect();
    assert_eq!(alone.ask(client, "CLUSTERSCAN 0"), "-ERR This instance has cluster support disabled\r\n");
}

#[test]
fn slots_are_told_apart_by_what_they_hold_and_cost() {
    fn ticking() -> Mono {
        use std::sync::atomic::{AtomicU64, Ordering};
        static TIME: AtomicU64 = AtomicU64::new(0);
        Mono(TIME.fetch_add(5_000, Ordering::Relaxed))
    }
    let (mut world, client) = serving(Config::default(), |slot| slot < 16_000);
    world.engine.environment.stopwatch = Some(ticking);
    for key in ["{a}1", "{a}2", "{b}1"] {
        world.ask(client, &format!("SET {key} v"));
    }
    let (a, b) = (slot_of(b"a").number(), slot_of(b"b").number());
    assert_eq!((a, b), (15_495, 3_300));
    let of = |world: &mut World, request: &str| world.ask(client, request).replace("\r\n", " ");
    assert_eq!(
        of(&mut world, "CLUSTER SLOT-STATS SLOTSRANGE 15495 15495"),
        "*1 *2 :15495 *2 $9 key-count :2 "
    );
    assert_eq!(
        of(&mut world, "CLUSTER SLOT-STATS ORDERBY key-count LIMIT 3"),
        "*3 *2 :15495 *2 $9 key-count :2 *2 :3300 *2 $9 key-count :1 *2 :0 *2 $9 key-count :0 "
    );
    assert!(of(&mut world, "CLUSTER SLOT-STATS SLOTSRANGE 16000 16383").starts_with("*0"), "others' slots");
    for (request, error) in [
        ("ORDERBY cpu-usec", "ERR Unrecognized sort metric for ORDERBY."),
        (
            "ORDERBY key-count LIMIT 0",
            "ERR Limit has to lie in between 1 and 16384 (maximum number of slots).",
        ),
        ("ORDERBY key-count ASC DESC", "ERR syntax error"),
        ("SLOTSRANGE 2 1", "ERR Start slot number 2 is greater than end slot number 1"),
        ("SLOTSRANGE 0 16384", "ERR Invalid or out of range slot"),
        ("SLOTSRANGE 0 1 2", "ERR syntax error"),
    ] {
        assert_eq!(world.ask(client, &format!("CLUSTER SLOT-STATS {request}")), format!("-{error}\r\n"));
    }

    world.ask(client, "CONFIG SET cluster-slot-stats-enabled yes");
    world.ask(client, "GET {b}1");
    world.ask(client, "MULTI");
    world.ask(client, "SET {b}1 long");
    world.ask(client, "EXEC");
    let stats = of(&mut world, "CLUSTER SLOT-STATS SLOTSRANGE 3300 3300");
    // GET in 23 bytes, SET in 33, EXEC in 14; answers of 7 and of 4 and 5; a step of the clock for each.
    assert_eq!(
        stats,
        "*1 *2 :3300 *8 $9 key-count :1 $8 cpu-usec :15 $16 network-bytes-in :70 $17 network-bytes-out :16 "
    );
    assert!(of(&mut world, "CLUSTER SLOT-STATS ORDERBY network-bytes-in LIMIT 1").contains(":3300 *8"));
}

#[test]
fn several_databases_share_the_slots() {
    let (mut world, client) = serving(Config { cluster_databases: 4, ..Config::default() }, |_| true);
    world.ask(client, "SET {t}a 1");
    assert_eq!(world.ask(client, "SELECT 3"), "+OK\r\n");
    assert_eq!(world.ask(client, "SELECT 4"), "-ERR DB index is out of range\r\n");
    assert_eq!(world.ask(client, "GET {t}a"), "$-1\r\n");
    world.ask(client, "SET {t}b 2");
    assert_eq!(world.ask(client, "MOVE {t}b 0"), ":1\r\n");
    assert_eq!(world.ask(client, "COPY {t}a {t}a DB 0"), ":0\r\n");
    world.ask(client, "SELECT 0");
    assert_eq!(world.ask(client, "COPY {t}a {t}c DB 3"), ":1\r\n");
    assert_eq!(
        world.ask(client, "COPY {t}a {u}c DB 3"),
        "-CROSSSLOT Keys in request don't hash to the same slot\r\n"
    );
    assert_eq!(world.ask(client, "SWAPDB 0 1"), "-ERR SWAPDB is not allowed in cluster mode\r\n");
    let slot = slot_of(b"t");
    assert_eq!(world.engine.keys_in_slot(slot), 3);
    world.propagated();
    assert_eq!(world.ask(client, &format!("CLUSTER FLUSHSLOT {}", slot.number())), "+OK\r\n");
    assert_eq!(world.engine.keys_in_slot(slot), 0);
    let (mut one, client) = serving(Config::default(), |_| true);
    assert_eq!(one.ask(client, "SELECT 1"), "-ERR SELECT is not allowed in cluster mode\r\n");
    assert_eq!(one.ask(client, "MOVE k 1"), "-ERR MOVE is not allowed in cluster mode\r\n");
}

#[test]
fn a_script_touches_only_keys_that_are_here() {
    // foo is in slot 12182, b in 3300, 3 in 1584.
    let (mut world, client) = serving(Config::default(), |slot| slot < 8_192);
    let mut says = |line: &str, text: &str| {
        let reply = world.ask(client, line);
        assert!(reply.contains(text), "{line}: {reply}");
    };
    const ELSEWHERE: &str = "ERR Script attempted to access a non local key in a cluster node script: ";
    says("EVAL \"return redis.call('set', 'foo', '1')\" 0", ELSEWHERE);
    says("EVAL \"return redis.call('set', KEYS[1], '1')\" 1 foo", "MOVED 12182 ");
    says("EVAL \"return redis.call('set', KEYS[1], '1')\" 2 b 3", "CROSSSLOT ");
    says("EVAL \"return redis.call('mget', 'b', '3')\" 0", ELSEWHERE);
    // One that has said nothing of itself may go from slot to slot, as it always could.
    says("EVAL \"redis.call('set', 'b', '1') return redis.call('set', '3', '1')\" 0", "+OK");
    const MIXED: &str = "ERR Script attempted to access keys that do not hash to the same slot script: ";
    says("EVAL \"#!lua\\nredis.call('set', 'b', '1') return redis.call('set', '3', '1')\" 0", MIXED);
    says("EVAL \"#!lua\\nreturn redis.call('set', '3', '1')\" 1 b", MIXED);
    says(
        "EVAL \"#!lua flags=allow-cross-slot-keys\\nredis.call('set', 'b', '1') return redis.call('set', '3', '1')\" 0",
        "+OK",
    );
    says("EVAL \"#!lua flags=no-cluster\\nreturn 1\" 0", "ERR Can not run script on cluster");
    world.engine.routing.as_mut().expect("set above").ok = false;
    let down = world.ask(client, "EVAL \"return redis.call('get', 'b')\" 0");
    assert!(down.contains("Script attempted to execute a command while the cluster is down"), "{down}");
}

#[test]
fn who_is_busy_with_a_slot_that_leaves_is_told() {
    let (mut world, client) = serving(Config::default(), |_| true);
    let (waiting, listening) = (world.connect(), world.connect());
    assert_eq!(world.ask(waiting, "BLPOP {t}list 0"), "");
    for channel in ["{t}news", "{u}news"] {
        assert!(world.ask(listening, &format!("SSUBSCRIBE {channel}")).contains("ssubscribe"));
    }
    let mut routing = Routing::default();
    routing.ok = true;
    let other = routing.add_endpoint("10.0.0.2:7002".into());
    for number in 0..SLOT_COUNT as u64 {
        routing.set_owner(Slot::checked(number).expect("one of all"), SlotOwner::Me);
    }
    routing.set_owner(slot_of(b"t"), SlotOwner::Other(other));
    let before = world.engine.routing.replace(Box::new(routing));
    world.engine.slots_moved(before.as_deref());
    let slot = slot_of(b"t").number();
    assert_eq!(world.received(waiting), format!("-MOVED {slot} 10.0.0.2:7002\r\n"));
    assert_eq!(world.received(listening), "*3\r\n$12\r\nsunsubscribe\r\n$7\r\n{t}news\r\n:1\r\n");
    assert_eq!(world.ask(client, "SPUBLISH {t}news x"), format!("-MOVED {slot} 10.0.0.2:7002\r\n"));
}

#[test]
fn a_slot_that_comes_is_not_seen_before_it_is_here() {
    let (mut world, client) = serving(Config::default(), |_| true);
    for key in ["a{coming}", "b{coming}", "c{here}"] {
        world.ask(client, &format!("SET {key} v"));
    }
    let hide = |world: &mut World, tags: &[&str]| {
        let routing = world.engine.routing.as_mut().expect("a cluster");
        routing.hidden = tags.iter().map(|tag| slot_of(tag.as_bytes())).collect();
    };
    hide(&mut world, &["coming"]);
    assert_eq!(world.ask(client, "DBSIZE"), ":1\r\n");
    assert_eq!(world.ask(client, "KEYS *"), "*1\r\n$7\r\nc{here}\r\n");
    let (_, found) = page(&mut world, client, "SCAN 0 COUNT 100");
    assert_eq!(found, ["c{here}"]);
    for _ in 0..20 {
        assert_eq!(world.ask(client, "RANDOMKEY"), "$7\r\nc{here}\r\n");
    }
    hide(&mut world, &["coming", "here"]);
    assert_eq!(world.ask(client, "RANDOMKEY"), "$-1\r\n");
    hide(&mut world, &[]);
    assert_eq!(world.ask(client, "DBSIZE"), ":3\r\n");
}
