//! What nodes say to one another, line by line, when they meet, when a primary dies, when it hands over, and
//! when a slot moves. Pings and their answers are shown where somebody's role or slots are new in them.

use insta::assert_snapshot;
use squall_cluster::{Epoch, FailoverKind, Slot, SlotStep};
use squall_message_world::{World, share};

/// From here on everything of note is written down.
fn listen(world: &mut World) {
    world.messages.clear();
    world.settings.keeps_transcript = true;
    // One latency for all, so that what is said can be read in order.
    world.settings.latency_min = squall_message_world::MS;
    world.settings.latency_spread = 0;
}

/// The lines but for pings and answers that repeat what was said before on the same link.
fn heard(world: &World) -> String {
    let mut known = std::collections::BTreeSet::new();
    let mut lines = Vec::new();
    for line in &world.messages {
        let said = line.split_once("ms  ").map_or("", |(_, said)| said);
        let is_gossip = said.contains("  PING  ") || said.contains("  PONG  ");
        // Who speaks, and what it says of itself: the kind and the receiver do not matter.
        let speaker = said.split(' ').next().unwrap_or_default();
        let facts = said.split_once('(').map_or("", |(_, facts)| facts);
        if !is_gossip || known.insert(format!("{speaker} {facts}")) {
            lines.push(line.clone());
        }
    }
    lines.join("\n")
}

#[test]
fn two_nodes_meet() {
    let mut world = World::new(7, 2);
    listen(&mut world);
    world.order(0, |cluster, now| cluster.add_slots(&share(0, 1), now).unwrap());
    world.order(0, |cluster, now| cluster.set_config_epoch(Epoch(1), now).unwrap());
    world.order(0, |cluster, now| cluster.meet("10.0.0.1", 7001, 17001, now).unwrap());
    world.run_ms(3_000);
    assert_snapshot!(heard(&world));
}

#[test]
fn a_primary_dies_and_its_replica_takes_its_place() {
    let mut world = World::formed(7, 3, 1);
    world.run_ms(3_000);
    listen(&mut world);
    world.kill(0);
    let heir = world.id(3);
    world.until("it is replaced", 5_000, |world| {
        world.live().all(|cluster| cluster.owner(slot(0)).map(|node| node.id) == Some(heir))
    });
    world.start(0);
    world.run_ms(300);
    assert_snapshot!(heard(&world));
}

#[test]
fn a_primary_hands_over() {
    let mut world = World::formed(7, 3, 1);
    world.run_ms(3_000);
    listen(&mut world);
    world.order(3, |cluster, now| cluster.failover(FailoverKind::Agreed, now).unwrap());
    world.run_ms(500);
    assert_snapshot!(heard(&world));
}

#[test]
fn a_slot_moves() {
    let mut world = World::formed(7, 3, 0);
    world.run_ms(3_000);
    listen(&mut world);
    let (source, target) = (world.id(0), world.id(1));
    world.set_slot(1, slot(0), SlotStep::Importing(source)).unwrap();
    world.set_slot(0, slot(0), SlotStep::Migrating(target)).unwrap();
    world.run_ms(200);
    world.set_slot(1, slot(0), SlotStep::Owner(target)).unwrap();
    world.set_slot(0, slot(0), SlotStep::Owner(target)).unwrap();
    world.run_ms(300);
    assert_snapshot!(heard(&world));
}

fn slot(number: u64) -> Slot {
    Slot::checked(number).unwrap()
}
