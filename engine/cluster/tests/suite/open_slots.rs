//! Slots on their way by an operator's word, while a primary that has to do with it is replaced: its replicas were
//! told before the operator was answered.

use squall_cluster::{FailoverKind, Slot, SlotStep};
use squall_message_world::World;

/// Enough that a majority decides without the two that the slot moves between.
const SHARDS: usize = 5;
const SOURCE: usize = 0;
const TARGET: usize = 1;

fn slot() -> Slot {
    Slot::checked(7).expect("a slot")
}

/// Slot 7 is open between two of the shards, of two nodes each.
fn world_with_open_slot(seed: u64) -> World {
    let mut world = World::formed(seed, SHARDS, 1);
    world.run_ms(3_000);
    let (source, target) = (world.id(SOURCE), world.id(TARGET));
    world.set_slot(TARGET, slot(), SlotStep::Importing(source)).unwrap();
    world.set_slot(SOURCE, slot(), SlotStep::Migrating(target)).unwrap();
    world
}

/// The node loses power at once, and its replica takes its place.
fn replace(world: &mut World, machine: usize) -> usize {
    let heir = machine + SHARDS;
    world.power_off(machine);
    world.until("the replica stands in", 20_000, |world| world.cluster(heir).my_node().is_primary());
    heir
}

/// The node loses power, and its replica takes its place before any other word of it has come.
fn replace_at_once(world: &mut World, machine: usize) -> usize {
    let heir = machine + SHARDS;
    world.power_off(machine);
    world.order(heir, |cluster, now| cluster.failover(FailoverKind::Takeover, now).unwrap());
    heir
}

#[test]
fn a_source_that_is_replaced_goes_on_giving_the_slot_away() {
    let mut world = world_with_open_slot(1);
    let heir = replace(&mut world, SOURCE);
    assert_eq!(world.cluster(heir).migrating_to(slot()).map(|node| node.id), Some(world.id(TARGET)));
    world.until("the target hears of the new source", 10_000, |world| {
        world.cluster(TARGET).importing_from(slot()).map(|node| node.id) == Some(world.id(heir))
    });
    // The operator goes on where it was.
    let target = world.id(TARGET);
    world.set_slot(TARGET, slot(), SlotStep::Owner(target)).unwrap();
    world.set_slot(heir, slot(), SlotStep::Owner(target)).unwrap();
    world.start(SOURCE);
    world.until("the views are one", 20_000, World::converged);
    assert_eq!(world.cluster(SOURCE).owner(slot()).map(|node| node.id), Some(target));
    world.check_invariants();
}

#[test]
fn a_target_that_is_replaced_goes_on_taking_the_slot_in() {
    let mut world = world_with_open_slot(2);
    let heir = replace(&mut world, TARGET);
    assert_eq!(world.cluster(heir).importing_from(slot()).map(|node| node.id), Some(world.id(SOURCE)));
}

/// Its claim has reached nobody, and the source has given the slot up.
#[test]
fn a_target_that_dies_when_it_has_answered_leaves_the_slot_to_its_heir() {
    let mut world = world_with_open_slot(3);
    let target = world.id(TARGET);
    world.set_slot(TARGET, slot(), SlotStep::Owner(target)).unwrap();
    world.set_slot(SOURCE, slot(), SlotStep::Owner(target)).unwrap();
    let heir = replace_at_once(&mut world, TARGET);
    assert_eq!(world.cluster(heir).owner(slot()).map(|node| node.id), Some(world.id(heir)));
    world.until("the views are one", 20_000, |world| {
        world.live().all(|cluster| cluster.owner(slot()).map(|node| node.id) == Some(world.id(heir)))
    });
}

/// The source has given the slot up, and the new owner's claim has not come to the source's replica.
#[test]
fn the_heir_of_a_source_does_not_take_back_what_was_given() {
    let mut world = world_with_open_slot(5);
    let target = world.id(TARGET);
    world.set_slot(TARGET, slot(), SlotStep::Owner(target)).unwrap();
    world.set_slot(SOURCE, slot(), SlotStep::Owner(target)).unwrap();
    let heir = replace_at_once(&mut world, SOURCE);
    assert_eq!(world.cluster(heir).owner(slot()).map(|node| node.id), Some(target));
    world.until("the views are one", 20_000, |world| {
        world.live().all(|cluster| cluster.owner(slot()).map(|node| node.id) == Some(target))
    });
}

/// Its heir took most of its slots, and gave the last one away: whoever has that one is no kin.
#[test]
fn a_primary_that_comes_back_follows_its_heir_and_not_who_took_the_last_slot() {
    let mut world = World::formed(8, SHARDS, 1);
    world.run_ms(3_000);
    let (last, target) =
        (world.cluster(SOURCE).my_node().slots.iter().last().expect("it has slots"), world.id(TARGET));
    let heir = replace(&mut world, SOURCE);
    world.set_slot(TARGET, last, SlotStep::Owner(target)).unwrap();
    world.set_slot(heir, last, SlotStep::Owner(target)).unwrap();
    world.until("all agree", 20_000, World::converged);
    // It hears of the heir first, and of the slot that was given away last.
    world.start(SOURCE);
    let others: Vec<usize> = (0..2 * SHARDS).filter(|machine| ![SOURCE, heir].contains(machine)).collect();
    world.part(&[SOURCE], &others);
    world.until("one slot is left", 20_000, |world| world.cluster(SOURCE).my_node().slots.len() == 1);
    world.heal();
    world.until("it follows somebody", 20_000, |world| !world.cluster(SOURCE).my_node().is_primary());
    assert_eq!(world.cluster(SOURCE).my_node().primary, Some(world.id(heir)));
    world.check_invariants();
}

/// It was cut off, its replica has its slots, and the operator's last order reaches it before that news: under the
/// epoch with which it took the slot it would take back all the others too.
#[test]
fn a_target_that_was_replaced_meanwhile_takes_no_slot() {
    let mut world = world_with_open_slot(9);
    let (target, heir) = (world.id(TARGET), TARGET + SHARDS);
    let others: Vec<usize> = (0..2 * SHARDS).filter(|machine| *machine != TARGET).collect();
    world.part(&[TARGET], &others);
    world.until("the replica stands in", 20_000, |world| world.cluster(heir).my_node().is_primary());
    world.run_ms(1_000);
    let before = world.cluster(heir).my_node().slots.len();
    world.heal();
    for _ in 0..500 {
        world.run_ms(1);
        let _ = world.set_slot(TARGET, slot(), SlotStep::Owner(target));
    }
    world.until("the views are one", 20_000, World::converged);
    assert_eq!(world.cluster(heir).my_node().slots.len(), before);
    assert_eq!(world.cluster(TARGET).my_node().primary, Some(world.id(heir)));
    world.check_invariants();
}

/// Its primary was told so, never did it, and has said otherwise ever since.
#[test]
fn a_replica_does_not_insist_on_what_was_never_done() {
    let mut world = world_with_open_slot(6);
    let target = world.id(TARGET);
    let replica = SOURCE + SHARDS;
    world.order(replica, |cluster, now| cluster.primary_sets_slot(slot(), SlotStep::Owner(target), now));
    world.run_ms(60_000);
    let heir = replace(&mut world, SOURCE);
    assert_eq!(world.cluster(heir).owner(slot()).map(|node| node.id), Some(world.id(heir)));
}

/// An order that was taken back leaves nothing behind at the replicas.
#[test]
fn a_slot_that_was_made_stable_is_stable_at_the_replicas() {
    let mut world = world_with_open_slot(4);
    for machine in [SOURCE, TARGET] {
        world.set_slot(machine, slot(), SlotStep::Stable).unwrap();
    }
    for replica in [SOURCE + SHARDS, TARGET + SHARDS] {
        assert_eq!(
            world.cluster(replica).transfers().0.len() + world.cluster(replica).transfers().1.len(),
            0
        );
    }
    let heir = replace(&mut world, SOURCE);
    assert!(world.cluster(heir).migrating_to(slot()).is_none());
}

/// Of a slot that has been settled while it was away the replica hears later, and what it hears then is old.
#[test]
fn an_heir_leaves_nothing_open_that_is_settled() {
    let mut world = world_with_open_slot(7);
    let (source, target) = (world.id(SOURCE), world.id(TARGET));
    for machine in [TARGET, SOURCE] {
        world.set_slot(machine, slot(), SlotStep::Owner(target)).unwrap();
    }
    world.run_ms(3_000);
    let old =
        [(SOURCE + SHARDS, SlotStep::Migrating(target)), (TARGET + SHARDS, SlotStep::Importing(source))];
    for (replica, step) in old {
        world.order(replica, |cluster, now| cluster.primary_sets_slot(slot(), step, now));
    }
    for machine in [SOURCE, TARGET] {
        let heir = replace_at_once(&mut world, machine);
        let (migrating, importing) = world.cluster(heir).transfers();
        assert!(migrating.is_empty() && importing.is_empty());
    }
}
