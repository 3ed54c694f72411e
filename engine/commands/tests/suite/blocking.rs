//! Clients that wait for keys: who is answered, in which order, with what, and what replicas hear of it.

use crate::party::Party;
use crate::world::World;
use squall_commands::config::Config;

fn converse(script: &str) {
    Party::converse(5, script);
}

#[test]
fn lists_serve_those_who_wait() {
    converse(
        "0: BLPOP a b 0
         1: BLPOP a 0
         2: BRPOP b a 0
         4: RPUSH a 1
         4: RPUSH a 2 3
         0: BLPOP a b 0
         4: LPUSH b x y
         4: LRANGE b 0 -1
         0: BRPOP b 0
         0: BLPOP a 0
         1: BLMOVE a c LEFT RIGHT 0
         2: BRPOPLPUSH c d 0
         3: BLPOP d 0
         4: RPUSH a first second
         4: EXISTS a c d
         0: BLMPOP 0 2 a b LEFT COUNT 2
         4: RPUSH b 1 2 3
         4: LRANGE b 0 -1
         0: BLMPOP 0 1 b RIGHT
         0: BLPOP e 0
         4: SET e string
         4: DEL e
         4: ZADD e 1 x
         4: RENAME e f
         4: RPUSH g moved
         4: RENAME g e
         0: BLPOP e 0
         4: MULTI
         4: RPUSH e 1
         4: DEL e
         4: RPUSH e 2 3
         4: EXEC
         4: LRANGE e 0 -1
         0: SELECT 1
         0: BLPOP e 0
         4: LPUSH e 4
         4: COPY e e DB 1
         0: SELECT 0
         4: DEL e
         0: BLMOVE a s LEFT LEFT 0
         4: SET s string
         4: RPUSH a 1
         4: LRANGE a 0 -1
         0: BLPOP a s 0
         0: BLPOP s a 0
         0: BLPOP nothing 0.01x
         0: BLPOP nothing -1
         0: BLMOVE a b LEFT UP 0
         0: BLMPOP 0 0 a LEFT
         0: BLMPOP x 1 a LEFT
         0: BLMPOP 0 1 a LEFT COUNT 0",
    );
}

#[test]
fn sorted_sets_serve_those_who_wait() {
    converse(
        "0: BZPOPMIN z y 0
         1: BZPOPMAX z 0
         2: BZMPOP 0 2 y z MIN COUNT 2
         4: ZADD z 1 a 2 b 3 c 4 d
         4: ZRANGE z 0 -1
         0: HELLO 3
         0: BZPOPMIN z 0
         4: ZADD z 1.5 e
         0: BZPOPMAX z 0
         4: RPUSH z x
         4: DEL z
         4: ZADD other 7 seven
         4: ZUNIONSTORE z 1 other
         1: BZMPOP 0 1 z MAX
         4: MULTI
         4: ZADD z 1 a
         4: ZREM z a
         4: EXEC
         4: ZADD z 5 e
         1: BZPOPMIN other 0
         1: BZPOPMIN z x
         1: BZMPOP 0 1 z UP",
    );
}

#[test]
fn transactions_do_not_wait() {
    converse(
        "0: MULTI
         0: BLPOP a 0
         0: BRPOP a 0
         0: BLMOVE a b LEFT LEFT 0
         0: BRPOPLPUSH a b 0
         0: BLMPOP 0 1 a LEFT
         0: BZPOPMIN a 0
         0: BZMPOP 0 1 a MIN
         0: XREAD BLOCK 0 STREAMS a $
         0: RPUSH a 1
         0: BLPOP a 0
         0: EXEC",
    );
}

#[test]
fn streams_tell_those_who_wait_what_is_new() {
    converse(
        "0: XADD s 1-1 a 1
         0: XREAD BLOCK 0 STREAMS s t $ 0
         1: XREAD BLOCK 0 COUNT 1 STREAMS s 1-1
         2: HELLO 3
         2: XREAD BLOCK 0 STREAMS t 5
         4: XADD s 2-1 b 2
         4: XADD t 4-1 c 3
         4: XADD t 6-1 d 4
         0: XREAD BLOCK 0 STREAMS s $
         4: MULTI
         4: XADD s 3-1 a 1
         4: XADD s 4-1 a 1
         4: EXEC
         4: XGROUP CREATE s g $
         0: XREADGROUP GROUP g c BLOCK 0 STREAMS s >
         1: XREADGROUP GROUP g d BLOCK 0 COUNT 1 STREAMS s >
         2: XREADGROUP GROUP g c NOACK BLOCK 0 STREAMS s >
         4: XADD s 5-1 a 1
         4: XADD s 6-1 a 1
         4: XADD s 7-1 a 1
         4: XPENDING s g
         0: XREADGROUP GROUP g c BLOCK 0 STREAMS s 0
         0: XREAD BLOCK 0 STREAMS s 7
         4: DEL s
         4: XADD s 8-1 a 1",
    );
}

/// A client that waits for a group is told what became of it, by the words that its request would earn now.
#[test]
fn a_group_that_goes_is_told() {
    let mut world = World::start();
    let (reader, other) = (world.connect(), world.connect());
    let gone = "-NOGROUP No such key 's' or consumer group 'g' in XREADGROUP with GROUP option\r\n";
    let wrong = "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n";
    for (end, told) in [
        ("DEL s", gone),
        ("XGROUP DESTROY s g", gone),
        ("SET s x", wrong),
        ("FLUSHALL", gone),
        ("SWAPDB 0 1", gone),
        ("RENAME s t", gone),
        ("PEXPIREAT s 1", gone),
    ] {
        world.ask(other, "FLUSHALL");
        world.ask(other, "XGROUP CREATE s g $ MKSTREAM");
        assert_eq!(world.ask(reader, "XREADGROUP GROUP g c BLOCK 0 STREAMS s >"), "");
        world.ask(other, "XACK s g 1-1");
        assert_eq!(world.received(reader), "", "{end}");
        world.ask(other, end);
        assert_eq!(world.received(reader), told, "{end}");
    }
}

#[test]
fn who_waits_too_long_is_told_that_there_is_nothing() {
    let mut world = World::start();
    let (first, second, third) = (world.connect(), world.connect(), world.connect());
    world.ask(first, "BLPOP a 0.5");
    world.ask(second, "XREAD BLOCK 200 STREAMS s $");
    world.ask(third, "BZPOPMIN z 0");
    world.pass(199);
    world.engine.give_up_waiting();
    assert_eq!((world.received(first), world.received(second)), (String::new(), String::new()));
    world.pass(1);
    world.engine.give_up_waiting();
    assert_eq!((world.received(first), world.received(second)), (String::new(), "*-1\r\n".into()));
    world.pass(10_000);
    world.engine.give_up_waiting();
    assert_eq!((world.received(first), world.received(third)), ("*-1\r\n".into(), String::new()));
    assert_eq!(world.engine.waiting.next_deadline(), None);
    world.ask(first, "ZADD z 1 a");
    assert!(world.received(third).starts_with("*3\r\n"));
}

#[test]
fn a_client_is_unblocked_by_another_or_by_a_change_of_role() {
    let mut world = World::start();
    let (waiter, other) = (world.connect(), world.connect());
    let unblock =
        |world: &mut World, how: &str| world.ask(other, &format!("CLIENT UNBLOCK {} {how}", waiter.0));
    world.ask(waiter, "BLPOP a 0");
    assert!(world.ask(other, "CLIENT LIST").contains(" flags=b "));
    let info = world.ask(other, "INFO clients");
    assert!(info.contains("blocked_clients:1\r\n") && info.contains("total_blocking_keys:1\r\n"), "{info}");
    assert_eq!(unblock(&mut world, "TIMEOUT"), ":1\r\n");
    assert_eq!(world.received(waiter), "*-1\r\n");
    world.ask(waiter, "BLPOP a 0");
    assert_eq!(unblock(&mut world, "ERROR"), ":1\r\n");
    assert_eq!(world.received(waiter), "-UNBLOCKED client unblocked via CLIENT UNBLOCK\r\n");
    world.ask(waiter, "BLPOP a 0");
    world.engine.dismiss_waiting();
    assert!(world.received(waiter).starts_with("-UNBLOCKED force unblock from blocking operation"));
    assert!(world.session(waiter).close_after_reply, "it has to look for the new primary");
}

/// What is done for those who wait is told to replicas after what made it possible, each as a unit of its own.
#[test]
fn replicas_hear_what_was_done_for_those_who_wait() {
    let mut world = World::with(Config::default());
    world.engine.propagation.enabled = true;
    let (first, second, other) = (world.connect(), world.connect(), world.connect());
    world.ask(first, "BLMOVE a b LEFT RIGHT 0");
    world.ask(second, "BLMPOP 0 1 b LEFT COUNT 5");
    world.ask(other, "RPUSH a 1 2");
    assert_eq!(world.propagated(), "SELECT 0\nRPUSH a 1 2\nLMOVE a b LEFT RIGHT\nLPOP b 1");
    world.ask(first, "BRPOP a x 0");
    assert_eq!(world.propagated(), "RPOP a");
    world.ask(first, "BZPOPMAX z 0");
    world.ask(second, "BZMPOP 0 1 z MIN COUNT 5");
    world.ask(other, "ZADD z 1 a 2 b 3 c");
    assert_eq!(world.propagated(), "ZADD z 1 a 2 b 3 c\nZPOPMAX z\nZPOPMIN z 2");
    world.ask(other, "XGROUP CREATE s g $ MKSTREAM");
    world.ask(first, "XREADGROUP GROUP g c BLOCK 0 STREAMS s >");
    world.ask(other, "XADD s 1-1 a 1");
    let propagated = world.propagated();
    let expected = "XGROUP CREATE s g $ MKSTREAM\nXGROUP CREATECONSUMER s g c\nXADD s 1-1 a 1\nMULTI\nXCLAIM s g c 0 1-1 TIME";
    assert!(propagated.starts_with(expected), "{propagated}");
    assert!(propagated.ends_with("XGROUP SETID s g 1-1 ENTRIESREAD 1\nEXEC"), "{propagated}");
}
