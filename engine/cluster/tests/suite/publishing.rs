//! What clients publish, on its way to the other nodes.

use squall_cluster::wire::Kind;
use squall_message_world::World;

/// Everybody hears it once, and to those that read the light form nothing else travels with it.
#[test]
fn what_is_published_travels_without_slots() {
    let mut world = World::formed(22, 3, 1);
    world.run_ms(3_000);
    let before = world.bytes_sent;
    world.order(0, |cluster, now| cluster.publish(false, "ch".into(), "message".into(), now));
    let (others, bytes) = (5, 16 + 8 + 2 + 7);
    assert_eq!(world.bytes_sent - before, others * bytes);
    let before = world.bytes_sent;
    world.order(0, |cluster, now| cluster.publish(true, "ch".into(), "message".into(), now));
    assert_eq!(world.bytes_sent - before, bytes, "only the shard's replica hears it");
    world.run_ms(50);
    for (machine, cluster) in world.live().enumerate() {
        let heard = |kind| cluster.info().received.get(&kind).copied().unwrap_or(0);
        let expected = (u64::from(machine != 0), u64::from(machine == 3));
        assert_eq!((heard(Kind::Publish), heard(Kind::PublishSharded)), expected, "at {machine}");
    }
}
