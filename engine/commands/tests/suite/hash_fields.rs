//! Fields that expire: newer than the installed redis-server, so what they do is written down here; and what a
//! replica is told of them, so that it holds the same.

use crate::world::World;
use squall_commands::ClientId;
use squall_commands::engine::Role;

/// A world and a client of it, with a hash of three fields.
fn start() -> (World, ClientId) {
    let mut world = World::start();
    world.engine.propagation.enabled = true;
    let client = world.connect();
    world.ask(client, "HSET h a 1 b 2 c 3");
    world.propagated();
    (world, client)
}

/// What a replica holds that was told what the world has propagated since its start.
fn replica_of(told: &str) -> World {
    let mut replica = World::start();
    let client = replica.connect();
    replica.session(client).is_primary_link = true;
    replica.engine.role = Role::Replica;
    for line in told.lines().filter(|line| !["MULTI", "EXEC"].contains(line)) {
        let words: Vec<String> = line.split(' ').map(|word| format!("\"{word}\"")).collect();
        replica.ask(client, &words.join(" "));
    }
    replica
}

#[test]
fn fields_expire_apart_from_each_other() {
    let (mut world, client) = start();
    assert_eq!(world.ask(client, "HEXPIRE h 10 FIELDS 3 a b nosuch"), "*3\r\n:1\r\n:1\r\n:-2\r\n");
    assert_eq!(world.ask(client, "OBJECT ENCODING h"), "$10\r\nlistpackex\r\n");
    assert!(world.ask(client, "INFO keyspace").contains("subexpiry=1\r\n"));
    assert_eq!(world.ask(client, "HTTL h FIELDS 4 a b c d"), "*4\r\n:10\r\n:10\r\n:-1\r\n:-2\r\n");
    assert_eq!(world.ask(client, "HPEXPIRETIME h FIELDS 1 a"), "*1\r\n:1893456010000\r\n");
    assert_eq!(world.ask(client, "HEXPIRETIME h FIELDS 1 a"), "*1\r\n:1893456010\r\n");
    assert_eq!(world.ask(client, "HPERSIST h FIELDS 3 b c d"), "*3\r\n:1\r\n:-1\r\n:-2\r\n");
    world.pass(9_999);
    assert_eq!(world.ask(client, "HPTTL h FIELDS 2 a b"), "*2\r\n:1\r\n:-1\r\n");
    assert_eq!(world.ask(client, "HGET h a"), "$1\r\n1\r\n");
    world.pass(1);
    assert_eq!(world.ask(client, "HGET h a"), "$-1\r\n");
    assert_eq!(world.ask(client, "HLEN h"), ":2\r\n");
    assert_eq!(
        world.propagated(),
        "HPEXPIREAT h 1893456010000 FIELDS 2 a b\nHPERSIST h FIELDS 3 b c d\nHDEL h a"
    );
}

#[test]
fn conditions_compare_with_what_is_there() {
    let (mut world, client) = start();
    let mut set = |condition: &str, seconds: u32| {
        world.ask(client, &format!("HEXPIRE h {seconds} {condition} FIELDS 1 a"))
    };
    assert_eq!(set("XX", 10), "*1\r\n:0\r\n");
    assert_eq!(set("GT", 10), "*1\r\n:0\r\n");
    assert_eq!(set("LT", 50), "*1\r\n:1\r\n");
    assert_eq!(set("NX", 10), "*1\r\n:0\r\n");
    assert_eq!(set("GT", 40), "*1\r\n:0\r\n");
    assert_eq!(set("gt", 60), "*1\r\n:1\r\n");
    assert_eq!(set("LT", 50), "*1\r\n:1\r\n");
    assert_eq!(set("XX", 70), "*1\r\n:1\r\n");
    assert_eq!(world.ask(client, "HTTL h FIELDS 1 a"), "*1\r\n:70\r\n");
}

#[test]
fn a_time_that_is_past_deletes() {
    let (mut world, client) = start();
    assert_eq!(world.ask(client, "HPEXPIREAT h 1 FIELDS 2 a x"), "*2\r\n:2\r\n:-2\r\n");
    assert_eq!(world.ask(client, "HGETEX h PXAT 1 FIELDS 1 b"), "*1\r\n$1\r\n2\r\n");
    assert_eq!(world.ask(client, "HSETEX h PXAT 1 FIELDS 1 c 4"), ":1\r\n");
    assert_eq!(world.ask(client, "EXISTS h"), ":0\r\n");
    assert_eq!(world.propagated(), "HDEL h a\nHDEL h b\nHDEL h c");
}

#[test]
fn values_and_times_in_one() {
    let (mut world, client) = start();
    assert_eq!(world.ask(client, "HGETEX h EX 5 FIELDS 2 a x"), "*2\r\n$1\r\n1\r\n$-1\r\n");
    assert_eq!(world.ask(client, "HGETEX h PERSIST FIELDS 2 a b"), "*2\r\n$1\r\n1\r\n$1\r\n2\r\n");
    assert_eq!(world.ask(client, "HGETEX h FIELDS 1 a"), "*1\r\n$1\r\n1\r\n");
    assert_eq!(world.ask(client, "HSETEX h FNX FIELDS 2 a 7 z 8"), ":0\r\n");
    assert_eq!(world.ask(client, "HSETEX h FXX EX 9 FIELDS 2 a 7 b 8"), ":1\r\n");
    assert_eq!(world.ask(client, "HSETEX h KEEPTTL FIELDS 1 a 9"), ":1\r\n");
    assert_eq!(world.ask(client, "HTTL h FIELDS 2 a b"), "*2\r\n:9\r\n:9\r\n");
    assert_eq!(world.ask(client, "HSET h a 1"), ":0\r\n");
    assert_eq!(world.ask(client, "HTTL h FIELDS 2 a b"), "*2\r\n:-1\r\n:9\r\n");
    assert_eq!(world.ask(client, "HGETDEL h FIELDS 2 b x"), "*2\r\n$1\r\n8\r\n$-1\r\n");
    assert_eq!(
        world.propagated(),
        "HPEXPIREAT h 1893456005000 FIELDS 1 a\nHPERSIST h FIELDS 1 a\nHSETEX h PXAT 1893456009000 FIELDS 2 a 7 b 8\n\
         HSETEX h KEEPTTL FIELDS 1 a 9\nHSET h a 1\nHDEL h b"
    );
}

#[test]
fn refusals() {
    let (mut world, client) = start();
    for (request, refusal) in [
        ("HEXPIRE h -1 FIELDS 1 a", "invalid expire time, must be >= 0"),
        ("HEXPIRE h x FIELDS 1 a", "value is not an integer or out of range"),
        ("HEXPIRE h 9223372036854775807 FIELDS 1 a", "invalid expire time in 'hexpire' command"),
        ("HPEXPIREAT h 281474976710656 FIELDS 1 a", "invalid expire time in 'hpexpireat' command"),
        ("HEXPIRE h 1 FIELDS 0 a", "Parameter `numFields` should be greater than 0"),
        ("HEXPIRE h 1 FIELDS 2 a", "The `numfields` parameter must match the number of arguments"),
        ("HEXPIRE h 1 WHAT 1 a", "Mandatory argument FIELDS is missing or not at the right position"),
        (
            "HTTL h FIELDS 9223372036854775807 a",
            "The `numfields` parameter must match the number of arguments",
        ),
        ("HGETEX h EX -1 FIELDS 1 a", "invalid expire time, must be >= 0"),
        (
            "HGETEX h EX 1 PX 1 FIELDS 1 a",
            "Mandatory argument FIELDS is missing or not at the right position",
        ),
        ("HSETEX h EX 1 FIELDS 1 a", "wrong number of arguments for 'hsetex' command"),
    ] {
        assert_eq!(world.ask(client, request), format!("-ERR {refusal}\r\n"), "{request}");
    }
    world.ask(client, "SET s 1");
    assert!(world.ask(client, "HTTL s FIELDS 1 a").starts_with("-WRONGTYPE"));
    assert!(world.ask(client, "HEXPIRE s 1 FIELDS 1 a").starts_with("-WRONGTYPE"));
    assert_eq!(world.ask(client, "HTTL nosuch FIELDS 2 a b"), "*2\r\n:-2\r\n:-2\r\n");
    assert_eq!(world.ask(client, "HGETDEL nosuch FIELDS 1 a"), "*1\r\n$-1\r\n");
}

/// A field that has expired on the primary and not on the replica, which waits to be told, must not make a difference
/// to anything that is done to it.
#[test]
fn a_replica_never_sees_the_ghost_of_a_field() {
    for request in [
        "HINCRBY h a 1",
        "HINCRBYFLOAT h a 0.5",
        "HSETNX h a 5",
        "HDEL h a",
        "HPERSIST h FIELDS 1 a",
        "HEXPIRE h 100 FIELDS 2 a b",
        "HGETDEL h FIELDS 2 a b",
        "HSETEX h FNX EX 50 FIELDS 1 a 7",
        "HSET h b 3",
        "HGETALL h",
        "HSCAN h 0",
        "HRANDFIELD h 5",
    ] {
        let mut world = World::start();
        world.engine.propagation.enabled = true;
        let client = world.connect();
        world.ask(client, "HSET h b 2");
        world.ask(client, "HSETEX h PX 1 FIELDS 1 a 5");
        world.pass(20);
        world.ask(client, request);
        let replica = replica_of(&world.propagated());
        assert_eq!(replica.engine.keyspace.digest(), world.engine.keyspace.digest(), "{request}");
    }
}

#[test]
fn counting_keeps_the_time() {
    let (mut world, client) = start();
    world.ask(client, "HEXPIRE h 10 FIELDS 2 a b");
    world.ask(client, "HINCRBY h a 1");
    world.ask(client, "HINCRBYFLOAT h b 0.5");
    assert_eq!(world.ask(client, "HTTL h FIELDS 2 a b"), "*2\r\n:10\r\n:10\r\n");
    assert_eq!(
        world.propagated(),
        "HPEXPIREAT h 1893456010000 FIELDS 2 a b\nHINCRBY h a 1\nHSETEX h KEEPTTL FIELDS 1 b 2.5"
    );
}

#[test]
fn a_replica_hides_what_has_expired_and_keeps_it() {
    let (mut world, client) = start();
    world.ask(client, "HPEXPIRE h 5 FIELDS 2 a b");
    world.engine.role = Role::Replica;
    world.pass(5);
    assert_eq!(world.ask(client, "HGETALL h"), "*2\r\n$1\r\nc\r\n$1\r\n3\r\n");
    assert_eq!(world.ask(client, "HMGET h a c"), "*2\r\n$-1\r\n$1\r\n3\r\n");
    assert_eq!(world.ask(client, "HRANDFIELD h 9"), "*1\r\n$1\r\nc\r\n");
    assert_eq!(world.ask(client, "HTTL h FIELDS 2 a c"), "*2\r\n:-2\r\n:-1\r\n");
    assert_eq!(world.ask(client, "HLEN h"), ":3\r\n");
    world.engine.role = Role::Primary;
    world.propagated();
    assert!(world.engine.expire_step(1_000));
    assert_eq!(world.propagated(), "HDEL h a b");
    assert!(world.ask(client, "INFO stats").contains("expired_subkeys:2\r\n"));
    assert_eq!(world.ask(client, "HLEN h"), ":1\r\n");
}

#[test]
fn fields_that_nobody_asks_for_expire_in_slices() {
    let mut world = World::start();
    let client = world.connect();
    for key in 0..20 {
        let pairs: Vec<String> = (0..100).map(|field| format!("{field} v")).collect();
        world.ask(client, &format!("HSETEX h{key} PX {} FIELDS 100 {}", 10 + key, pairs.join(" ")));
    }
    world.pass(9);
    assert!(world.engine.expire_step(50));
    assert_eq!(world.ask(client, "DBSIZE"), ":20\r\n");
    world.pass(100);
    let mut slices = 1;
    while !world.engine.expire_step(50) {
        slices += 1;
    }
    assert!(slices >= 20, "{slices}");
    assert_eq!(world.ask(client, "DBSIZE"), ":0\r\n");
}

/// NOVALUES is an option where an option stands, and a pattern behind MATCH.
#[test]
fn a_scan_may_leave_out_the_values() {
    let (mut world, client) = start();
    world.ask(client, "HSET named novalues 1 other 2");
    let scan = |world: &mut World, words: &str| world.ask(client, &format!("HSCAN named 0 {words}"));
    assert_eq!(scan(&mut world, "NOVALUES MATCH o*"), "*2\r\n$1\r\n0\r\n*1\r\n$5\r\nother\r\n");
    assert_eq!(scan(&mut world, "MATCH novalues"), "*2\r\n$1\r\n0\r\n*2\r\n$8\r\nnovalues\r\n$1\r\n1\r\n");
    assert_eq!(world.ask(client, "SSCAN absent 0 NOVALUES"), "*2\r\n$1\r\n0\r\n*0\r\n");
    world.ask(client, "SADD members m");
    let refused = "-ERR NOVALUES option can only be used in HSCAN\r\n";
    assert_eq!(world.ask(client, "SSCAN members 0 NOVALUES"), refused);
}
