//! Bitmaps where the installed redis-server is no oracle: what is newer than it, and where Squall does otherwise.

use crate::world::World;

#[test]
fn operations_of_redis_8_2() {
    let mut world = World::start();
    let client = world.connect();
    world.ask(client, r#"MSET x "\xf0" y "\xcc\x01" z "\xaa""#);
    for (operation, bytes) in
        [("DIFF", "\\x10\\0"), ("DIFF1", "\\x0e\\x01"), ("ANDOR", "\\xe0\\0"), ("one", "\\x16\\x01")]
    {
        assert_eq!(world.ask(client, &format!("BITOP {operation} d x y z")), ":2\r\n");
        world.ask(client, &format!("SET expected \"{}\"", bytes.replace("\\0", "\\x00")));
        assert_eq!(world.ask(client, "DIGEST d"), world.ask(client, "DIGEST expected"), "{operation}");
    }
    assert_eq!(
        world.ask(client, "BITOP diff1 d x"),
        "-ERR BITOP DIFF1 must be called with at least two source keys.\r\n"
    );
    assert_eq!(world.ask(client, "BITOP ONE d x"), ":1\r\n");
}

#[test]
fn words_are_looked_at_before_the_key() {
    let mut world = World::start();
    let client = world.connect();
    assert_eq!(world.ask(client, "BITCOUNT missing 0 x"), "-ERR value is not an integer or out of range\r\n");
    assert_eq!(world.ask(client, "BITPOS missing 1 0 -1 NIBBLE"), "-ERR syntax error\r\n");
}

/// Redis makes the string longer without telling its replicas, which are then shorter for ever.
#[test]
fn a_string_that_only_grows_is_propagated() {
    let mut world = World::start();
    world.engine.propagation.enabled = true;
    let client = world.connect();
    world.ask(client, "BITFIELD k OVERFLOW FAIL SET u8 100 300");
    assert_eq!(world.ask(client, "STRLEN k"), ":14\r\n");
    assert_eq!(world.propagated(), "SELECT 0\nBITFIELD k OVERFLOW FAIL SET u8 100 300");
}
