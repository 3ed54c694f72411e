//! `maxmemory`: which keys go under each policy, what replicas hear of it, and when nothing may go.

use crate::world::World;
use squall_commands::ClientId;

/// A server with `count` keys of a kilobyte, half of them with an expiry time, and a limit that they fill.
fn full(policy: &str, count: usize) -> (World, ClientId) {
    let mut world = World::start();
    world.engine.propagation.enabled = true;
    let client = world.connect();
    world.ask(client, &format!("CONFIG SET maxmemory-policy {policy} maxmemory-samples 10"));
    for number in 0..count {
        let ttl = if number % 2 == 0 { format!("PX {}", 1_000_000 + number * 1_000) } else { String::new() };
        world.ask(client, &format!("SET key:{number} {} {ttl}", "x".repeat(1_000)));
        world.pass(1_000);
    }
    let bytes = world.engine.keyspace.memory_bytes();
    world.ask(client, &format!("CONFIG SET maxmemory {bytes}"));
    world.propagated();
    (world, client)
}

fn is_there(world: &mut World, client: ClientId, number: usize) -> bool {
    world.ask(client, &format!("EXISTS key:{number}")) == ":1\r\n"
}

/// Fills in `count` more keys; how many of the old ones are left, those with an expiry time apart.
fn churn(world: &mut World, client: ClientId, old: usize, count: usize) -> (usize, usize) {
    for number in 0..count {
        let reply = world.ask(client, &format!("SET fresh:{number} {}", "y".repeat(1_000)));
        assert_eq!(reply, "+OK\r\n");
        let limit = world.engine.config.maxmemory_bytes as usize;
        assert!(world.engine.keyspace.memory_bytes() <= limit + 4_096, "the limit holds");
    }
    let left = |world: &mut World, parity| {
        (0..old)
            .filter(|number| number % 2 == parity)
            .filter(|&number| is_there(world, client, number))
            .count()
    };
    (left(world, 0), left(world, 1))
}

#[test]
fn least_recently_used_keys_go_first() {
    let (mut world, client) = full("allkeys-lru", 200);
    (0..50).for_each(|number| drop(world.ask(client, &format!("GET key:{number}"))));
    churn(&mut world, client, 200, 60);
    let touched = (0..50).filter(|&number| is_there(&mut world, client, number)).count();
    let oldest = (50..110).filter(|&number| is_there(&mut world, client, number)).count();
    assert!(touched >= 45 && oldest <= 25, "{touched} of 50 used keys, {oldest} of the 60 oldest");
}

#[test]
fn least_frequently_used_keys_go_first() {
    let (mut world, client) = full("allkeys-lfu", 200);
    for _ in 0..30 {
        (0..50).for_each(|number| drop(world.ask(client, &format!("GET key:{number}"))));
    }
    churn(&mut world, client, 200, 60);
    let used = (0..50).filter(|&number| is_there(&mut world, client, number)).count();
    assert!(used >= 48, "{used} of 50 frequently used keys");
}

#[test]
fn volatile_policies_spare_what_does_not_expire() {
    for policy in ["volatile-lru", "volatile-lfu", "volatile-random", "volatile-ttl"] {
        let (mut world, client) = full(policy, 200);
        let (volatile, lasting) = churn(&mut world, client, 200, 60);
        assert_eq!(lasting, 100, "{policy}");
        assert!(volatile < 60, "{policy}: {volatile}");
    }
}

#[test]
fn the_shortest_time_to_live_goes_first() {
    let (mut world, client) = full("volatile-ttl", 200);
    churn(&mut world, client, 200, 40);
    let soon = (0..80).step_by(2).filter(|&number| is_there(&mut world, client, number)).count();
    let late = (100..200).step_by(2).filter(|&number| is_there(&mut world, client, number)).count();
    assert!(soon <= 20 && late >= 45, "{soon} of 40 soon, {late} of 50 late");
}

#[test]
fn writes_are_refused_when_nothing_may_go() {
    for (policy, lasting) in [("noeviction", true), ("volatile-lru", false)] {
        let mut world = World::start();
        let client = world.connect();
        world.ask(client, &format!("CONFIG SET maxmemory-policy {policy}"));
        world.ask(client, "SET k v");
        world.ask(client, "CONFIG SET maxmemory 1");
        let oom = "-OOM command not allowed when used memory > 'maxmemory'.\r\n";
        assert_eq!(world.ask(client, "SET other v"), oom, "{policy} {lasting}");
        assert_eq!(world.ask(client, "GET k"), "$1\r\nv\r\n");
        assert_eq!(world.ask(client, "DEL k"), ":1\r\n");
    }
}

/// Each key that goes is a deletion in the stream, before the write that it made room for, and apart from it.
#[test]
fn replicas_hear_of_evictions() {
    let (mut world, client) = full("allkeys-random", 20);
    world.ask(client, &format!("SET large {}", "z".repeat(3_000)));
    let stream = world.propagated();
    world.ask(client, "SET small v");
    let more = world.propagated();
    let evicted = stream.matches("DEL key:").count() + more.matches("DEL ").count();
    assert_eq!(evicted as u64, world.engine.stats.evicted_keys);
    assert!(evicted >= 3, "{stream}\n{more}");
    assert!(more.ends_with("SET small v") && !more.contains("MULTI"), "{more}");
}

/// A replica waits for its primary's word, unless it is told to look after itself.
#[test]
fn a_replica_leaves_eviction_to_its_primary() {
    let (mut world, client) = full("allkeys-lru", 20);
    world.ask(client, "CONFIG SET maxmemory 1000");
    world.engine.role = squall_commands::Role::Replica;
    world.engine.evict_step(1_000);
    assert_eq!(world.engine.stats.evicted_keys, 0);
    world.ask(client, "CONFIG SET replica-ignore-maxmemory no");
    world.engine.evict_step(1_000);
    assert!(world.engine.stats.evicted_keys > 15);
}

/// A script that begins with room goes on without, and one that begins without is refused what takes more.
#[test]
fn scripts_are_let_finish() {
    let (mut world, client) = full("allkeys-lru", 20);
    let grow =
        "EVAL \"for i = 1, 50 do redis.call('set', 'grown:' .. i, ('x'):rep(1000)) end return 'grown'\" 0";
    assert_eq!(world.ask(client, grow), "$5\r\ngrown\r\n");
    world.ask(client, "CONFIG SET maxmemory-policy noeviction");
    assert!(world.ask(client, grow).starts_with("-OOM"));
}

/// What is imported goes neither by its time nor for want of room: its source may have more to say of it.
#[test]
fn what_is_imported_stays() {
    let (mut world, client) = full("allkeys-random", 20);
    assert_eq!(world.ask(client, "CLIENT IMPORT-SOURCE ON"), "-ERR Server is not in import mode\r\n");
    world.ask(client, "CONFIG SET import-mode yes");
    let source = world.connect();
    assert_eq!(world.ask(source, "CLIENT IMPORT-SOURCE ON"), "+OK\r\n");
    let reply = world.ask(client, &format!("SET more {}", "x".repeat(5_000)));
    assert_eq!(reply, "+OK\r\n", "it fits just so");
    assert!(world.ask(client, "SET more y").starts_with("-OOM"));
    world.ask(client, "CONFIG SET maxmemory 0");
    world.ask(source, "SET soon v PX 10");
    world.ask(source, "SET late v PXAT 1");
    world.ask(source, "HSET hash f v");
    world.ask(source, "HPEXPIRE hash 10 FIELDS 1 f");
    world.pass(20);
    world.propagated();
    assert_eq!(world.ask(client, "EXISTS soon late"), ":0\r\n");
    assert_eq!(world.ask(source, "EXISTS soon late"), ":2\r\n");
    assert_eq!(world.ask(source, "HGET hash f"), "$1\r\nv\r\n");
    assert_eq!(world.ask(client, "HGET hash f"), "$-1\r\n");
    world.ask(source, "PERSIST soon");
    assert_eq!(world.ask(client, "GET soon"), "$1\r\nv\r\n");
    assert!(!world.propagated().contains("DEL"));
    world.ask(client, "CONFIG SET import-mode no");
    assert_eq!(world.ask(source, "EXISTS late"), ":0\r\n");
    assert!(world.propagated().contains("DEL"));
}

/// The time for which nothing could go counts, and stops when there is room again.
#[test]
fn the_time_above_the_limit_is_told() {
    let (mut world, client) = full("noeviction", 20);
    let field = |world: &mut World, name: &str| {
        let stats = world.ask(client, "INFO stats");
        let line = stats.lines().find_map(|line| line.strip_prefix(name)).expect("a field");
        line.trim_start_matches(':').to_owned()
    };
    assert!(world.ask(client, "SET over the").starts_with("+OK"));
    assert!(world.ask(client, "SET limit now").starts_with("-OOM"));
    world.pass(1_500);
    assert_eq!(field(&mut world, "current_eviction_exceeded_time"), "1500");
    world.ask(client, "DEL over key:1");
    world.engine.evict_step(1);
    assert_eq!(world.ask(client, "SET room again"), "+OK\r\n");
    assert_eq!(field(&mut world, "current_eviction_exceeded_time"), "0");
    assert_eq!(field(&mut world, "total_eviction_exceeded_time"), "1500");
}

/// Half of what has an expiry time is past it: the first cycle sees that, and later ones that it is gone.
#[test]
fn the_share_of_what_had_expired_is_told() {
    let mut world = World::start();
    let client = world.connect();
    for number in 0..40 {
        world.ask(client, &format!("SET key:{number} v PX {}", if number % 2 == 0 { 10 } else { 1_000_000 }));
    }
    world.pass(20);
    while !world.engine.expire_step(1_000) {}
    let share = world.engine.stats.stale_share;
    assert!((0.0249..0.0251).contains(&share), "a twentieth of a half: {share}");
    while !world.engine.expire_step(1_000) {}
    assert!(world.engine.stats.stale_share < share);
}
