//! Slots that move as a whole: nothing acknowledged is lost, and no two shards serve a slot, wherever source and
//! target crash, fail over or lose each other.

use proptest::prelude::*;
use squall_cluster::{FailoverKind, JobState, Slot, SlotSet};
use squall_message_world::{World, holders};

use crate::chance::chosen_cases;

const SOURCE: usize = 0;
const TARGET: usize = 1;

fn slots(first: u64, last: u64) -> SlotSet {
    (first..=last).filter_map(Slot::checked).collect()
}

fn slot(number: u64) -> Slot {
    Slot::checked(number).expect("a slot")
}

/// Three shards of two nodes with something in the slots that are to move.
fn world_with_data(seed: u64) -> World {
    let mut world = World::formed(seed, 3, 1);
    world.run_ms(3_000);
    for number in 0..10 {
        assert!(world.write(SOURCE, slot(number)));
    }
    world
}

fn begin(world: &mut World) {
    let target = world.id(TARGET);
    world.order(SOURCE, |cluster, now| cluster.migrate_slots(vec![(slots(0, 9), target)], now).unwrap());
}

fn state(world: &World, machine: usize) -> Option<JobState> {
    world.cluster(machine).migration_facts(100).last().map(|facts| facts.state)
}

#[test]
fn slots_move_whole_and_at_once() {
    let mut world = world_with_data(1);
    begin(&mut world);
    let took = world.until("it is done", 2_000, |world| state(world, SOURCE) == Some(JobState::Success));
    assert!(took < 200, "{took} ms");
    world.until("all know", 2_000, World::converged);
    for number in 0..10 {
        assert_eq!(world.servers_of(slot(number)), [TARGET]);
        // The target and its replica.
        assert_eq!(holders(&world, slot(number)).into_iter().collect::<Vec<_>>(), [(1, 1), (4, 1)]);
    }
    world.check_invariants();
}

#[test]
fn a_migration_is_read_line_by_line() {
    let mut world = world_with_data(1);
    world.settings.keeps_transcript = true;
    begin(&mut world);
    world.until("it is done", 2_000, |world| state(world, SOURCE) == Some(JobState::Success));
    let lines: Vec<&str> = world
        .messages
        .iter()
        .map(|line| line.split_once("ms  ").expect("a time and what happened").1)
        .filter(|line| line.contains("=>"))
        .collect();
    insta::assert_snapshot!(lines.join("\n"));
}

#[test]
fn an_import_is_asked_for_by_the_target() {
    let mut world = world_with_data(2);
    world.order(TARGET, |cluster, now| cluster.import_slots(slots(0, 9), now).unwrap());
    world.until("it is done", 2_000, |world| state(world, TARGET) == Some(JobState::Success));
    world.until("all know", 2_000, World::converged);
    assert_eq!(world.servers_of(slot(3)), [TARGET]);
    world.check_invariants();
}

#[test]
fn a_cancelled_migration_leaves_nothing_behind() {
    let mut world = world_with_data(3);
    begin(&mut world);
    world.run_ms(8);
    assert_eq!(world.order(SOURCE, |cluster, now| cluster.cancel_exports(now)), 1);
    world.run_ms(1_000);
    assert_eq!(state(&world, SOURCE), Some(JobState::Cancelled));
    assert_eq!(world.servers_of(slot(0)), [SOURCE]);
    assert_eq!(holders(&world, slot(0)).len(), 2, "the source and its replica");
}

#[derive(Clone, Debug)]
enum Blow {
    Kill(usize),
    Start(usize),
    Part(usize, usize),
    Heal,
    Failover(usize),
    Cancel,
    Wait(u64),
}

fn blow() -> impl Strategy<Value = Blow> {
    // The nodes of the two shards that it is about.
    let machine = prop::sample::select(vec![0usize, 1, 3, 4]);
    prop_oneof![
        3 => machine.clone().prop_map(Blow::Kill),
        3 => machine.clone().prop_map(Blow::Start),
        2 => (machine.clone(), machine.clone()).prop_map(|(one, other)| Blow::Part(one, other)),
        1 => Just(Blow::Heal),
        2 => machine.prop_map(Blow::Failover),
        1 => Just(Blow::Cancel),
        6 => prop_oneof![3 => 1..40u64, 1 => 40..4_000u64].prop_map(Blow::Wait),
    ]
}

/// What clients and operators see while it goes on.
struct Watch {
    acknowledged: [u64; 10],
}

impl Watch {
    /// For so long, with somebody who writes all the time.
    fn run(&mut self, world: &mut World, ms: u64) {
        for step in 0..ms {
            world.run_ms(1);
            world.break_migrations_over_cuts();
            let number = step % 10;
            let servers = world.servers_of(slot(number));
            let shards: Vec<_> =
                servers.iter().filter_map(|machine| world.cluster(*machine).my_shard()).collect();
            assert!(
                shards.windows(2).all(|pair| pair[0] == pair[1]),
                "slot {number} is served by {servers:?}\n{}",
                world.describe()
            );
            // A primary that was replaced and does not know it loses what it takes: that is replication's matter.
            if let [server] = servers[..]
                && !is_cut_off(world, server)
                && world.write(server, slot(number))
            {
                self.acknowledged[number as usize] += 1;
            }
        }
    }
}

/// Its replica may be elected without it.
fn is_cut_off(world: &World, machine: usize) -> bool {
    let sibling = (machine + 3) % 6;
    world.machines[sibling].cluster.is_some() && world.machines[sibling].follows != world.machines[machine].id
}

fn moves_through(seed: u64, blows: Vec<Blow>, disk_ms: u64, imports: bool) {
    let mut world = world_with_data(seed);
    world.settings.disk_latency = disk_ms * squall_message_world::MS;
    let mut watch = Watch { acknowledged: [1; 10] };
    match imports {
        true => drop(world.order(TARGET, |cluster, now| cluster.import_slots(slots(0, 9), now).unwrap())),
        false => begin(&mut world),
    }
    for blow in blows {
        let runs = |world: &World, machine: usize| world.machines[machine].cluster.is_some();
        match blow {
            Blow::Kill(machine) if runs(&world, machine) => world.kill(machine),
            Blow::Start(machine) if !runs(&world, machine) => world.start(machine),
            Blow::Part(one, other) if one != other => world.part(&[one], &[other]),
            Blow::Heal => world.heal(),
            Blow::Failover(machine) if runs(&world, machine) => {
                let _ = world.order(machine, |cluster, now| cluster.failover(FailoverKind::Agreed, now));
            }
            Blow::Cancel => {
                for machine in 0..6 {
                    if runs(&world, machine) {
                        world.order(machine, |cluster, now| cluster.cancel_migrations(None, now));
                    }
                }
            }
            Blow::Wait(ms) => watch.run(&mut world, ms),
            _ => {}
        }
        watch.run(&mut world, 1);
    }
    world.heal();
    for machine in 0..6 {
        if world.machines[machine].cluster.is_none() {
            world.start(machine);
        }
    }
    let settled = |world: &World| {
        let is_over = |cluster: &squall_cluster::Cluster| {
            cluster.migration_facts(0).is_empty() && cluster.held_slots().is_empty()
        };
        world.converged() && world.live().all(is_over)
    };
    world.until("the views are one and no migration runs", 90_000, settled);
    world.run_ms(5_000);
    world.check_invariants();
    for number in 0..10u64 {
        let servers = world.servers_of(slot(number));
        assert_eq!(servers.len(), 1, "one serves slot {number}\n{}", world.describe());
        let kept = world.machines[servers[0]].migration.writes.get(&slot(number)).copied().unwrap_or(0);
        let acknowledged = watch.acknowledged[number as usize];
        assert!(
            kept >= acknowledged,
            "slot {number} has {kept} of {acknowledged} writes: {:?}\n{}",
            holders(&world, slot(number)),
            world.describe()
        );
        // Replicas follow with the next write.
        let is_stray =
            |machine: &usize| world.cluster(*machine).my_node().is_primary() && *machine != servers[0];
        let holding = holders(&world, slot(number)).into_iter().map(|(machine, _)| machine);
        let strays: Vec<usize> = holding.filter(is_stray).collect();
        assert!(strays.is_empty(), "slot {number} is still at {strays:?}\n{}", world.describe());
    }
}

proptest! {
    #![proptest_config(chosen_cases(8))]

    #[test]
    fn whatever_happens_nothing_is_lost_and_nobody_serves_twice(
        seed in any::<u64>(), blows in prop::collection::vec(blow(), 1..12), disk_ms in 0..20u64, imports: bool,
    ) {
        moves_through(seed, blows, disk_ms, imports);
    }

    /// One blow at each moment of an undisturbed migration.
    #[test]
    fn one_crash_at_any_step_is_survived(
        seed in any::<u64>(), at_ms in 0..45u64, target: bool, back_ms in 0..3_000u64, imports: bool,
    ) {
        let machine = if target { TARGET } else { SOURCE };
        moves_through(seed, vec![Blow::Wait(at_ms), Blow::Kill(machine), Blow::Wait(back_ms), Blow::Start(machine)], 3, imports);
    }
}

/// The source is replaced between READY and GRANT, and its heir asks what became of the slots: the target, which has
/// not heard of the heir yet, still takes them for the old source's.
#[test]
fn an_heir_that_asks_for_its_own_slots_takes_them_back() {
    let blows = [Blow::Failover(3), Blow::Wait(19), Blow::Wait(37), Blow::Heal, Blow::Kill(0), Blow::Cancel];
    moves_through(9130285501493981750, blows.to_vec(), 8, false);
}

/// A replica that cannot hear its primary may be elected all the same: slots do not come to it unheard of.
#[test]
fn a_target_whose_replica_is_out_of_step_takes_nothing() {
    moves_through(0, vec![Blow::Part(4, 1), Blow::Wait(21), Blow::Kill(1), Blow::Wait(1_682)], 0, false);
}

/// An operator puts a replica in the place of the target, by force, while slots come to it. Who has voted for its own
/// successor takes nothing under an epoch of its own: it would be the one that the successor takes, or a higher one,
/// and undo the election.
#[test]
fn a_target_that_is_replaced_takes_nothing_under_its_successors_epoch() {
    for at_ms in 0..60 {
        let mut world = world_with_data(5);
        begin(&mut world);
        world.run_ms(at_ms);
        world.order(4, |cluster, now| cluster.failover(FailoverKind::Force, now).unwrap());
        for _ in 0..2_000 {
            world.run_ms(1);
            let claims = [1, 4].map(|machine| world.cluster(machine).my_node());
            let collide = claims.iter().all(|node| node.is_primary() && node.slots.iter().count() > 0)
                && claims[0].config_epoch == claims[1].config_epoch;
            assert!(!collide, "begun after {at_ms} ms\n{}", world.describe());
        }
        world.until("no migration runs", 10_000, |world| {
            world.converged() && world.live().all(|cluster| cluster.migration_facts(0).is_empty())
        });
        assert!(world.cluster(4).my_node().is_primary(), "it was elected\n{}", world.describe());
        assert_eq!(world.servers_of(slot(3)).len(), 1);
        world.check_invariants();
    }
}
