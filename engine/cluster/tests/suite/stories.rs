//! What has gone wrong in real clusters, played again: each story with the link at which it was told. Each
//! ends as it should have ended then.

use squall_cluster::{FailoverKind, NodeId, Slot, SlotStep};
use squall_message_world::{MS, World};

fn slot(number: u64) -> Slot {
    Slot::checked(number).unwrap()
}

fn owner_everywhere(world: &World, number: u64) -> Option<NodeId> {
    let mut owners: Vec<Option<NodeId>> =
        world.live().map(|cluster| cluster.owner(slot(number)).map(|node| node.id)).collect();
    owners.dedup();
    if owners.len() == 1 { owners[0] } else { None }
}

/// The `replica-of` chains of all views end after one step.
fn assert_forest(world: &World) {
    for cluster in world.live() {
        for node in cluster.nodes() {
            let mut at = node.primary;
            for _ in 0..3 {
                at = at.and_then(|id| cluster.node(id)).and_then(|node| node.primary);
            }
            assert_eq!(at, None, "a cycle\n{}", world.describe());
        }
    }
}

/// C01, valkey#753: during a hand-over the old primary hears of it first from another replica's ping, which
/// carries the new primary's slots.
#[test]
fn replicaof_cycle_by_replica_ping() {
    let mut world = World::formed(11, 3, 2);
    world.run_ms(3_000);
    let (old, heir, sibling) = (0, 3, 6);
    world.settings.latency_spread = MS;
    world.order(heir, |cluster, now| cluster.failover(FailoverKind::Agreed, now).unwrap());
    world.run_ms(2);
    // The old primary hears nothing of the new one for a second, but of its sibling.
    for _ in 0..100 {
        world.cut(heir, old);
        world.run_ms(10);
        assert_forest(&world);
    }
    world.heal();
    world.until("the old primary follows", 10_000, |world| {
        world.cluster(old).my_node().primary == Some(world.id(heir)) && world.converged()
    });
    assert_eq!(world.cluster(sibling).my_node().primary, Some(world.id(heir)));
    assert_forest(&world);
    world.check_invariants();
}

/// C07, valkey#2169: a primary raises its epoch, tells the voters but not its replica, and dies. The replica
/// asks with the old epoch, is refused, and must be told.
#[test]
fn epoch_bumped_then_died() {
    let mut world = World::formed(12, 3, 1);
    world.run_ms(3_000);
    world.cut(0, 3);
    world.order(0, |cluster, now| cluster.bump_epoch(now));
    world.run_ms(500);
    world.kill(0);
    world.heal();
    let heir = world.id(3);
    world.until("the replica takes over", 10_000, |world| owner_everywhere(world, 0) == Some(heir));
    world.check_invariants();
}

/// C09, redis#5857: several primaries die at once, and their replicas compete for the same voters.
#[test]
fn same_epoch_split_vote() {
    let mut world = World::formed(13, 7, 1);
    world.run_ms(3_000);
    for primary in 0..3 {
        world.kill(primary);
    }
    let healed = world.until("all three are replaced", 10_000, World::converged);
    // Twice that a vote is split and asked for again, at most.
    assert!(healed < 5_000, "{healed} ms");
    world.check_invariants();
}

/// C10, valkey#782: the winner of an election dies at once; the other replica starts afresh.
#[test]
fn second_failover_inherits_old_timer() {
    let mut world = World::formed(14, 3, 2);
    world.run_ms(3_000);
    world.kill(0);
    let first = world.until("one of the replicas takes over", 10_000, |world| {
        owner_everywhere(world, 0).is_some_and(|id| world.is_live(id))
    });
    assert!(first < 3_000);
    let winner = owner_everywhere(&world, 0).and_then(|id| world.machine_of(id)).expect("seen above");
    world.kill(winner);
    let second = world.until("the last replica takes over", 10_000, |world| {
        owner_everywhere(world, 0).is_some_and(|id| world.is_live(id))
    });
    assert!(second < 3_000, "{second} ms");
    world.check_invariants();
}

/// Half of the voters hear from a former primary that it follows somebody, and nothing of that one: its seat is not
/// gone, and they are no majority of the rest.
#[test]
fn half_is_no_majority_of_fewer_seats() {
    let mut world = World::formed(18, 4, 1);
    world.run_ms(3_000);
    let (messenger, heir, bystanders) = (0, 4, [2, 3, 6, 7]);
    world.part(&[0, 1, 4, 5], &bystanders);
    world.order(heir, |cluster, now| cluster.failover(FailoverKind::Takeover, now).unwrap());
    world.run_ms(4_000);
    let before: Vec<usize> = world.machines.iter().map(|machine| machine.promotions).collect();
    world.heal();
    world.part(&[1, 4, 5], &bystanders);
    world.run_ms(10_000);
    let told = world.cluster(2).node(world.id(messenger)).and_then(|node| node.primary);
    assert_eq!(told, Some(world.id(heir)), "the news has come");
    for bystander in bystanders {
        assert!(!world.cluster(bystander).is_ok(), "{bystander} takes two of four for a majority");
    }
    world.heal();
    world.until("all agree", 10_000, World::converged);
    let after: Vec<usize> = world.machines.iter().map(|machine| machine.promotions).collect();
    assert_eq!(before, after, "nobody had to be replaced");
    world.check_invariants();
}

/// C14, valkey#4425: the only candidate has never finished its first synchronisation.
#[test]
fn never_synced_replica_is_the_only_candidate() {
    let mut world = World::formed(15, 3, 1);
    world.run_ms(3_000);
    world.machines[3].facts.has_synced = false;
    world.machines[3].follows = None;
    world.kill(0);
    world.run_ms(15_000);
    assert_eq!(world.machines[3].promotions, 0, "it would have won an empty shard");
    world.order(3, |cluster, now| cluster.failover(FailoverKind::Force, now).unwrap());
    let heir = world.id(3);
    world.until("an operator's word makes it", 10_000, |world| owner_everywhere(world, 0) == Some(heir));
}

/// C16, redis#12336: a slot moves from B to C while C is not heard by A; B's epoch rises above C's by a
/// collision, and A hears B first.
#[test]
fn collision_bump_hides_a_migrated_slot() {
    let mut world = World::formed(16, 4, 0);
    world.run_ms(3_000);
    let (a, b, c) = (0, 1, 2);
    world.cut(c, a);
    let target = world.id(c);
    let moved = 16_384 / 4;
    world.set_slot(c, slot(moved), SlotStep::Owner(target)).unwrap();
    world.set_slot(b, slot(moved), SlotStep::Owner(target)).unwrap();
    world.run_ms(200);
    world.order(b, |cluster, now| cluster.bump_epoch(now));
    world.run_ms(700);
    world.heal();
    world.until("all name the owner", 10_000, |world| owner_everywhere(world, moved) == Some(target));
    world.check_invariants();
}

/// C17, redis#10346: SETSLOT NODE at a node that was not importing, under the lowest epoch of all; the old
/// owner dies before it tells anybody that it has given the slot up.
#[test]
fn setslot_node_without_importing() {
    let mut world = World::formed(17, 3, 0);
    world.run_ms(3_000);
    let target = world.id(0);
    let moved = 16_384 / 3 + 10;
    world.power_off(1);
    world.set_slot(0, slot(moved), SlotStep::Owner(target)).unwrap();
    world
        .until("all that live name the owner", 5_000, |world| owner_everywhere(world, moved) == Some(target));
    world.start(1);
    world.until("and the old one too", 10_000, |world| owner_everywhere(world, moved) == Some(target));
    world.until("and all is well", 20_000, World::converged);
    world.check_invariants();
}

/// C24, valkey-operator#103: FORGET of the dead primary before its replica has asked for votes.
#[test]
fn forget_before_the_election() {
    let mut world = World::formed(18, 3, 1);
    world.run_ms(3_000);
    let dead = world.id(0);
    // A slow disk keeps the election waiting.
    world.settings.disk_latency = 300 * MS;
    world.kill(0);
    world.until("it has failed", 5_000, |world| {
        world.cluster(1).node(dead).is_none_or(|node| node.is_failed())
    });
    for voter in [1, 2, 4, 5] {
        let _ = world.order(voter, |cluster, now| cluster.forget(dead, now));
    }
    let heir = world.id(3);
    world.until("the replica takes over", 5_000, |world| owner_everywhere(world, 0) == Some(heir));
    world.check_invariants();
}

/// C33, redis#1479: a voter that loses power with the vote on its way to the disk has not voted.
#[test]
fn vote_sent_before_it_is_durable() {
    let mut world = World::formed(19, 3, 2);
    world.run_ms(3_000);
    world.settings.disk_latency = 50 * MS;
    world.kill(0);
    for voter in [1, 2] {
        let has_voted = |world: &World| world.cluster(voter).last_vote_epoch().0 > 0;
        world.until("it has decided to vote", 10_000, has_voted);
        let on_disk = world.machines[voter].conf.clone().unwrap_or_default();
        assert!(on_disk.ends_with("lastVoteEpoch 0\n"), "the disk is slow");
        assert_eq!(world.machines[voter].votes, [], "a vote that is not durable has left");
        world.power_off(voter);
        world.start(voter);
        assert!(!has_voted(&world));
    }
    world.settings.disk_latency = 2 * MS;
    world.until("the shard is served again", 30_000, World::converged);
    world.check_invariants();
}

/// C38: four primaries, parted two and two: neither half is a majority.
#[test]
fn exactly_half_is_not_a_majority() {
    let mut world = World::empty(20, 4);
    // Where slots that nobody serves stop everybody anyway, this rule would not be seen.
    world.options.require_full_coverage = false;
    (0..4).for_each(|machine| world.start(machine));
    world.form(4);
    world.run_ms(3_000);
    world.part(&[0, 1], &[2, 3]);
    world.until("both halves stop", 5_000, |world| world.live().all(|cluster| !cluster.is_ok()));
    world.heal();
    world.until("they serve again", 20_000, World::converged);
}

/// D02: the part of a primary that is cut off stops within a node timeout and a few ticks; when it is back,
/// it follows its successor.
#[test]
fn minority_primary_keeps_accepting() {
    let mut world = World::formed(21, 3, 1);
    world.run_ms(3_000);
    world.part(&[0], &[1, 2, 3, 4, 5]);
    let stopped = world.until("the lonely primary stops", 5_000, |world| !world.cluster(0).is_ok());
    assert!(stopped <= 3_300, "{stopped} ms");
    world.run_ms(3_000);
    world.heal();
    let heir = world.id(3);
    world.until("it follows its successor", 20_000, |world| {
        world.converged() && world.cluster(0).my_node().primary == Some(heir)
    });
    world.check_invariants();
}
