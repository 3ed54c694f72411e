//! Clusters of forty nodes: what gossip costs does not grow with them, and a dead primary is replaced as soon.

use squall_message_world::census::{Death, Setting, Weather, false_alarms, replacement_ms, steady_cost};

const SPARSE: Setting = Setting { nodes: 40, node_timeout_ms: 15_000, is_sparse: true, is_quick: true };

#[test]
fn what_a_node_sends_does_not_grow_with_the_cluster() {
    let per_node = |setting: Setting| steady_cost(&mut setting.world(1), 10).bytes;
    let (forty, eighty) = (per_node(SPARSE), per_node(Setting { nodes: 80, ..SPARSE }));
    assert!(eighty < forty * 1.1, "{forty} bytes a second with 40 nodes, {eighty} with 80");
    let full = per_node(Setting { nodes: 80, is_sparse: false, ..SPARSE });
    assert!(full > eighty * 1.5, "{full} bytes a second where all ask all, {eighty} where few watch each");
}

#[test]
fn a_dead_primary_is_replaced_as_soon_as_where_all_ask_all() {
    for is_sparse in [true, false] {
        let mut world = Setting { is_sparse, ..SPARSE }.world(2);
        let killed = replacement_ms(&mut world, 0, Death::OfProcess);
        assert!(killed < 3_000, "{killed} ms after the process died");
        // A ping is due at most half a node timeout after the last answer, and may wait for a whole one.
        let lost = replacement_ms(&mut world, 1, Death::OfMachine);
        assert!(lost < 15_000 * 3 / 2 + 3_000, "{lost} ms after the machine died");
    }
}

/// Nine of twenty primaries, with replicas of others: every one stops by itself, although few of those that it
/// watches are beyond the cut.
#[test]
fn a_minority_notices_that_it_is_one() {
    let mut world = SPARSE.world(3);
    let (minority, majority): (Vec<usize>, Vec<usize>) =
        (0..40).partition(|machine| !(9..29).contains(machine));
    world.part(&minority, &majority);
    world.until("no primary of the minority serves", 15_000 * 3 / 2 + 1_000, |world| {
        minority.iter().all(|machine| !world.cluster(*machine).is_ok())
    });
    world.until("the majority has replaced them", 30_000, |world| {
        majority.iter().all(|machine| world.cluster(*machine).is_ok())
    });
    world.heal();
    world.until("all are one again", 60_000, |world| world.converged());
    world.check_invariants();
}

/// Half of the primaries at once, in different racks than their replicas.
#[test]
fn half_of_the_primaries_but_one_die_at_once() {
    let mut world = SPARSE.world(4);
    (0..9).for_each(|machine| world.kill(machine));
    world.until("all are replaced", 20_000, |world| world.converged());
    world.check_invariants();
}

/// Pauses and retransmissions are no failures.
#[test]
fn nobody_is_replaced_for_being_slow() {
    let weather = Weather {
        lost_per_million: 10_000,
        pause_every_ms: 2_000,
        pause_ms_max: 6_000,
        restart_every_ms: 0,
        restart_ms_max: 0,
    };
    assert_eq!(false_alarms(&mut SPARSE.world(5), weather, 60), 0);
}
