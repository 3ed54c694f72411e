//! Messages between clients, and what listening does to a conversation: byte for byte as redis-server does.

use crate::party::Party;
use crate::world::World;
use squall_store::slot_of;

fn converse(script: &str) {
    Party::converse(3, script);
}

#[test]
fn messages_reach_those_who_listen() {
    converse(
        "0: SUBSCRIBE news weather news
         0: PSUBSCRIBE n* [nw]ews w*
         1: HELLO 3
         1: SUBSCRIBE news
         1: SSUBSCRIBE news shard
         2: PUBLISH news hello
         2: PUBLISH weather rain
         2: PUBLISH nothing x
         2: SPUBLISH news only-shards
         2: SPUBLISH other x
         2: PUBSUB CHANNELS w*
         2: PUBSUB CHANNELS n*
         2: PUBSUB NUMSUB news weather nobody
         2: PUBSUB NUMSUB
         2: PUBSUB NUMPAT
         2: PUBSUB SHARDCHANNELS s*
         2: PUBSUB SHARDNUMSUB news shard none
         2: PUBSUB CHANNELS a b
         2: PUBSUB NUMPAT x
         2: PUBSUB WHAT
         1: PUBSUB NUMSUB news
         0: UNSUBSCRIBE news absent
         0: PUNSUBSCRIBE w*
         2: PUBLISH news again
         2: PUBLISH weather snow
         0: UNSUBSCRIBE
         0: UNSUBSCRIBE
         0: PUNSUBSCRIBE n* [nw]ews
         0: SUNSUBSCRIBE
         0: GET k
         1: SUNSUBSCRIBE shard nothing
         1: UNSUBSCRIBE
         1: UNSUBSCRIBE
         2: SPUBLISH news x
         1: RESET
         2: SPUBLISH news x
         2: PUBSUB SHARDCHANNELS",
    );
}

#[test]
fn a_subscriber_of_resp2_may_do_little_else() {
    converse(
        "0: SUBSCRIBE a
         0: GET k
         0: MULTI
         0: CLIENT LIST
         0: HELLO 3
         0: PUBLISH a x
         0: PING
         0: PING hello
         0: PING too many
         0: NOSUCH
         0: GET
         0: SUBSCRIBE
         0: SSUBSCRIBE s
         0: UNSUBSCRIBE
         0: GET k
         0: SUNSUBSCRIBE
         0: GET k
         0: MULTI
         0: SUBSCRIBE b
         0: SET k v
         0: EXEC
         0: GET k
         0: RESET
         0: GET k",
    );
}

#[test]
fn messages_go_between_the_replies_of_resp3() {
    converse(
        "0: HELLO 3
         0: SUBSCRIBE a
         0: PSUBSCRIBE a*
         0: PUBLISH a me
         0: GET k
         0: MULTI
         0: SUBSCRIBE b
         0: EXEC
         1: PUBLISH b you
         0: CLIENT REPLY OFF
         1: PUBLISH b you",
    );
}

#[test]
fn what_happens_to_keys_is_told() {
    converse(
        "0: CONFIG SET notify-keyspace-events KEAm
         1: PSUBSCRIBE __key*__:*
         0: SET k v
         0: SET k v EX 100
         0: SET k v KEEPTTL GET
         0: SETNX k v
         0: SETNX n v
         0: SETEX k 100 v
         0: PSETEX k 100000 v
         0: GETSET k w
         0: GETSET absent w
         0: MSET a 1 b 2
         0: MSETNX a 1 c 2
         0: MSETNX c 1 d 2
         0: APPEND a x
         0: APPEND created x
         0: SETRANGE a 1 zz
         0: SETRANGE a 1 ''
         0: INCR i
         0: DECRBY i 5
         0: INCRBYFLOAT i 1.5
         0: GETEX k EX 100
         0: GETEX k PERSIST
         0: GETEX k
         0: GETEX k PXAT 1
         0: GETDEL b
         0: GETDEL b
         0: DEL c absent d
         0: UNLINK created
         0: RENAME n m
         0: RENAMENX m i
         0: RENAMENX m o
         0: COPY o p
         0: COPY o p REPLACE
         0: MOVE p 1
         0: EXPIRE o 100
         0: EXPIRE o 100 NX
         0: PERSIST o
         0: PERSIST o
         0: EXPIREAT o 1
         0: SETBIT bits 3 1
         0: SETBIT bits 3 1
         0: BITFIELD bits SET u8 0 255 GET u8 0
         0: BITOP AND combined bits bits
         0: BITOP AND combined absent absent
         0: GET absent
         0: MGET absent i
         0: EXISTS absent
         0: TTL absent
         0: TYPE absent
         0: OBJECT ENCODING absent
         0: STRLEN absent
         0: SELECT 3
         0: SET k v
         0: MULTI
         0: SET k w
         0: DEL k
         0: EXEC
         0: SWAPDB 3 4
         0: FLUSHALL
         0: CONFIG SET notify-keyspace-events Kg$
         0: SET k v EX 100
         0: CONFIG SET notify-keyspace-events Ex
         0: SET k v EX 100
         0: CONFIG SET notify-keyspace-events ''
         0: DEL k",
    );
}

#[test]
fn expired_new_and_overwritten_keys_are_told_too() {
    let mut world = World::start();
    let (writer, listener) = (world.connect(), world.connect());
    world.ask(writer, "CONFIG SET notify-keyspace-events Exnoc");
    world.ask(listener, "PSUBSCRIBE __keyevent@0__:*");
    let told = |world: &mut World| {
        let received = world.received(listener);
        let events = received
            .lines()
            .filter_map(|line| line.strip_prefix("__keyevent@0__:"))
            .filter(|event| *event != "*");
        events.collect::<Vec<_>>().join(" ")
    };
    world.ask(writer, "SET k v PX 5");
    assert_eq!(told(&mut world), "new");
    world.ask(writer, "SET k w PX 5");
    assert_eq!(told(&mut world), "overwritten");
    world.pass(6);
    world.ask(writer, "GET k");
    assert_eq!(told(&mut world), "expired");
    world.ask(writer, "SET k v PX 5");
    world.pass(6);
    world.engine.expire_step(100);
    assert_eq!(told(&mut world), "new expired");
    assert_eq!(world.ask(writer, "CONFIG GET notify-keyspace-events").lines().last(), Some("xEnoc"));
}

/// Within the reply to EXEC, they would be taken for the answers of its commands.
#[test]
fn messages_to_oneself_follow_the_reply() {
    let mut world = World::start();
    let client = world.connect();
    world.ask(client, "SUBSCRIBE a");
    world.session(client).protocol = squall_resp::Protocol::Resp3;
    world.ask(client, "MULTI");
    world.ask(client, "PUBLISH a me");
    world.ask(client, "INCR n");
    assert_eq!(world.ask(client, "EXEC"), "*2\r\n:1\r\n:1\r\n>3\r\n$7\r\nmessage\r\n$1\r\na\r\n$2\r\nme\r\n");
}

#[test]
fn a_message_is_propagated_to_replicas_alone_by_its_own_words() {
    let mut world = World::start();
    world.engine.propagation.enabled = true;
    let client = world.connect();
    world.ask(client, "PUBLISH channel message");
    world.ask(client, "SPUBLISH shard message");
    world.ask(client, "SUBSCRIBE channel");
    assert_eq!(world.propagated(), "SELECT 0\nPUBLISH channel message\nSPUBLISH shard message");
}

#[test]
fn a_slot_that_goes_elsewhere_takes_its_channels_along() {
    let mut world = World::start();
    let (one, other) = (world.connect(), world.connect());
    world.ask(one, "SSUBSCRIBE {a}1 {a}2 b");
    world.ask(other, "SSUBSCRIBE {a}1");
    world.engine.dismiss_shard_listeners(slot_of(b"a"));
    assert_eq!(
        world.received(one),
        "*3\r\n$12\r\nsunsubscribe\r\n$4\r\n{a}1\r\n:1\r\n*3\r\n$12\r\nsunsubscribe\r\n$4\r\n{a}2\r\n:1\r\n"
    );
    assert_eq!(world.received(other), "*3\r\n$12\r\nsunsubscribe\r\n$4\r\n{a}1\r\n:0\r\n");
    assert!(world.ask(one, "GET k").starts_with("-ERR Can't execute"), "it still listens to another slot");
    assert_eq!(world.ask(other, "GET k"), "$-1\r\n");
}

#[test]
fn client_list_and_info_count_listeners() {
    let mut world = World::start();
    let (listener, other) = (world.connect(), world.connect());
    world.ask(listener, "SUBSCRIBE a b");
    world.ask(listener, "PSUBSCRIBE a*");
    world.ask(listener, "SSUBSCRIBE a b c");
    let listed = world.ask(other, "CLIENT LIST TYPE pubsub");
    assert!(listed.contains(" flags=P ") && listed.contains(" sub=2 psub=1 ssub=3 "), "{listed}");
    assert_eq!(listed.lines().filter(|line| line.starts_with("id=")).count(), 1);
    let info = world.ask(other, "INFO");
    for line in ["pubsub_clients:1", "pubsub_channels:2", "pubsub_patterns:1", "pubsubshard_channels:3"] {
        assert!(info.lines().any(|known| known == line), "{line}");
    }
}
