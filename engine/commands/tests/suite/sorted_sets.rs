//! Sorted sets where the installed redis-server is no oracle: what is newer than it, and how doubles are written.

use crate::world::World;

#[test]
fn ranks_with_scores() {
    let mut world = World::start();
    let client = world.connect();
    world.ask(client, "ZADD k 1.5 a 2 b");
    assert_eq!(world.ask(client, "ZRANK k a WITHSCORE"), "*2\r\n:0\r\n$3\r\n1.5\r\n");
    assert_eq!(world.ask(client, "ZREVRANK k a withscore"), "*2\r\n:1\r\n$3\r\n1.5\r\n");
    assert_eq!(world.ask(client, "ZRANK k x WITHSCORE"), "*-1\r\n");
    assert_eq!(world.ask(client, "ZRANK k x"), "$-1\r\n");
    assert_eq!(world.ask(client, "ZRANK k a SCORE"), "-ERR syntax error\r\n");
    assert_eq!(
        world.ask(client, "ZRANK k a WITHSCORE x"),
        "-ERR wrong number of arguments for 'zrank' command\r\n"
    );
    world.ask(client, "HELLO 3");
    assert_eq!(world.ask(client, "ZRANK k b WITHSCORE"), "*2\r\n:1\r\n,2\r\n");
    assert_eq!(world.ask(client, "ZRANK k x WITHSCORE"), "_\r\n");
}

#[test]
fn scores_have_as_few_digits_as_redis_8_writes() {
    let mut world = World::start();
    let client = world.connect();
    for (score, text) in
        [("0.1", "0.1"), ("1e20", "1e+20"), ("3.0", "3"), ("-0.000001", "-0.000001"), ("inf", "inf")]
    {
        world.ask(client, &format!("ZADD k {score} m"));
        assert_eq!(world.ask(client, "ZSCORE k m"), format!("${}\r\n{text}\r\n", text.len()));
    }
}

#[test]
fn too_many_repetitions_are_refused() {
    let mut world = World::start();
    let client = world.connect();
    world.ask(client, "ZADD k 1 a");
    assert_eq!(
        world.ask(client, "ZRANDMEMBER k -2 WITHSCORES"),
        "*4\r\n$1\r\na\r\n$1\r\n1\r\n$1\r\na\r\n$1\r\n1\r\n"
    );
    assert_eq!(world.ask(client, "ZRANDMEMBER k -9223372036854775807"), "-ERR value is out of range\r\n");
}

#[test]
fn pops_are_propagated_with_their_key() {
    let mut world = World::start();
    world.engine.propagation.enabled = true;
    let client = world.connect();
    world.ask(client, "ZADD k 1 a 2 b 3 c");
    assert_eq!(
        world.ask(client, "ZMPOP 2 missing k MAX COUNT 9"),
        "*2\r\n$1\r\nk\r\n*3\r\n*2\r\n$1\r\nc\r\n$1\r\n3\r\n*2\r\n$1\r\nb\r\n$1\r\n2\r\n*2\r\n$1\r\na\r\n$1\r\n1\r\n"
    );
    assert_eq!(world.propagated(), "SELECT 0\nZADD k 1 a 2 b 3 c\nZPOPMAX k 3");
    assert_eq!(world.ask(client, "EXISTS k"), ":0\r\n");
}
