//! CLUSTER FAILOVER: what the old primary has acknowledged, the one in its place has, however slow the disks are
//! on which votes and roles are written, and whoever cannot hear whom meanwhile.

use proptest::prelude::*;
use squall_clock::Nanos;
use squall_cluster::{FailoverKind, Slot};
use squall_message_world::{MS, World};

use crate::chance::chosen_cases;

const OLD: usize = 0;
const HEIR: usize = 3;

fn slot() -> Slot {
    Slot::checked(0).expect("a slot")
}

/// Clients write at the old primary, wherever it takes their writes.
fn write_for(world: &mut World, ms: u64, acknowledged: &mut u64) {
    for _ in 0..ms {
        world.run_ms(1);
        *acknowledged += u64::from(world.write(OLD, slot()));
    }
}

fn kept(world: &World) -> u64 {
    let owner = world.cluster(1).owner(slot()).expect("it has an owner").id;
    let machine = world.machine_of(owner).expect("a machine of this world");
    world.machines[machine].migration.writes.get(&slot()).copied().unwrap_or(0)
}

/// `stall`: after how long the heir's process stands still, and for how long.
fn hands_over(
    seed: u64,
    is_quick: bool,
    parted_after_ms: Option<u64>,
    stall: Option<(u64, u64)>,
    disk_ms: u64,
) -> World {
    let mut world = World::empty(seed, 6);
    world.options.quick_failover = is_quick;
    world.options.node_timeout = Nanos::from_millis(6_000);
    (0..6).for_each(|machine| world.start(machine));
    world.form(3);
    world.run_ms(3_000);
    let mut acknowledged = 0;
    write_for(&mut world, 100, &mut acknowledged);
    world.settings.disk_latency = disk_ms * MS;
    world.order(HEIR, |cluster, now| cluster.failover(FailoverKind::Agreed, now).unwrap());
    if let Some(after_ms) = parted_after_ms {
        write_for(&mut world, after_ms, &mut acknowledged);
        world.part(&[HEIR], &[OLD]);
    }
    if let Some((after_ms, ms)) = stall {
        write_for(&mut world, after_ms, &mut acknowledged);
        world.pause(HEIR, ms);
    }
    write_for(&mut world, 12_000, &mut acknowledged);
    world.heal();
    world.settings.disk_latency = MS;
    world.until("the views are one", 60_000, World::converged);
    write_for(&mut world, 3_000, &mut acknowledged);
    assert!(kept(&world) >= acknowledged, "{} of {acknowledged}\n{}", kept(&world), world.describe());
    world.check_invariants();
    world
}

/// The votes come within the time of the hand-over, and the winner's new role is on its disk after it.
#[test]
fn a_late_winner_finds_the_old_primary_waiting() {
    let world = hands_over(1, false, None, None, 2_000);
    assert_eq!(world.machines[HEIR].promotions, 1, "the hand-over came off");
}

/// A primary that is about to end says so to its replica, which asks for what an operator would have it ask.
#[test]
fn a_primary_that_resigns_is_replaced_and_loses_nothing() {
    let mut world = World::formed(4, 3, 1);
    world.run_ms(3_000);
    let mut acknowledged = 0;
    write_for(&mut world, 100, &mut acknowledged);
    let name = world.cluster(HEIR).my_node().id;
    world.order(OLD, |cluster, now| assert_eq!(cluster.resign(now), Some(name)));
    world.until("it is replaced", 1_000, |world| !world.cluster(OLD).my_node().is_primary());
    assert_eq!(world.machines[HEIR].promotions, 1);
    assert!(kept(&world) >= acknowledged, "{} of {acknowledged}", kept(&world));
    world.check_invariants();
    world.order(OLD, |cluster, now| {
        assert_eq!(cluster.resign(now), None, "a replica has nothing to give away")
    });
}

/// A hand-over has been ordered a moment ago.
fn handing_over(seed: u64, disk_ms: u64) -> World {
    let mut world = World::formed(seed, 3, 1);
    world.run_ms(3_000);
    world.settings.disk_latency = disk_ms * MS;
    world.order(HEIR, |cluster, now| cluster.failover(FailoverKind::Agreed, now).unwrap());
    world.run_ms(100);
    world
}

fn holds_clients_back_for_its_time(world: &mut World) {
    let held = world.until("clients go on", 30_000, |world| !world.cluster(OLD).holds_writes());
    assert!((4_800..6_500).contains(&held), "{held} ms");
}

/// A disk so slow that no vote can come in time: the replica says that it is over, and clients go on.
#[test]
fn a_hand_over_that_fails_holds_clients_back_no_longer_than_it_is_uncertain() {
    let mut world = handing_over(2, 10_000);
    assert!(world.cluster(OLD).holds_writes());
    holds_clients_back_for_its_time(&mut world);
}

/// It dies before it has asked anybody: the voters tell that they have voted for nobody.
#[test]
fn a_replica_that_dies_during_its_hand_over_holds_nobody_up() {
    let mut world = handing_over(3, 1_000);
    world.kill(HEIR);
    holds_clients_back_for_its_time(&mut world);
}

proptest! {
    #![proptest_config(chosen_cases(8))]

    #[test]
    fn whoever_is_cut_off_nothing_acknowledged_is_lost(
        seed in any::<u64>(), is_quick: bool, parted_after_ms in prop::option::of(0..30u64),
        stall in prop::option::of((0..6_000u64, 0..4_000u64)), disk_ms in 0..3_000u64,
    ) {
        hands_over(seed, is_quick, parted_after_ms, stall, disk_ms);
    }
}

/// `cluster-manual-failover-timeout`: the heir has asked, and stands still; the primary goes on when that
/// time is over, since nobody has voted.
#[test]
fn a_hand_over_takes_no_longer_than_it_may() {
    for timeout_ms in [1_000, 8_000] {
        let mut world = World::empty(31, 6);
        world.options.node_timeout = Nanos::from_millis(15_000);
        world.options.hand_over_timeout = Nanos::from_millis(timeout_ms);
        (0..6).for_each(|machine| world.start(machine));
        world.form(3);
        world.run_ms(3_000);
        world.order(HEIR, |cluster, now| cluster.failover(FailoverKind::Agreed, now).unwrap());
        world.pause(HEIR, 30_000);
        world.until("the primary holds its clients back", 100, |world| world.cluster(OLD).holds_writes());
        let held = world.until("it goes on", 20_000, |world| !world.cluster(OLD).holds_writes());
        assert!(held.abs_diff(timeout_ms) < 1_000, "{held} ms of {timeout_ms}");
    }
}
