//! What must hold however connections are cut, bytes delayed, primaries changed and servers restarted:
//! equal positions mean equal datasets, a replica is a prefix of its primary, an acknowledgement is never
//! ahead of what was applied, and in the end all agree.

use std::collections::BTreeMap;

use crate::world::{Direction, Disk, World, options};
use proptest::prelude::*;
use squall_clock::Nanos;
use squall_replication::{OutputLimit, PrimaryOptions, ReplId, ReplicaKey};

const NODES: usize = 3;

#[derive(Clone, Debug)]
enum Step {
    Write { at: usize, big: bool },
    Transaction { at: usize },
    ReplicaOf { at: usize, primary: usize },
    Promote { at: usize },
    Cut { which: usize },
    Deliver { which: usize, direction: Direction, count: usize },
    DeliverAll,
    Advance { millis: u64 },
    AskForAcknowledgements { at: usize },
    Save { at: usize },
    Restart { at: usize, primary: Option<usize> },
    Deafen { at: usize, deaf: bool },
}

/// Which dataset each position was seen with.
type Ledger = BTreeMap<(ReplId, u64), Vec<u8>>;

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

    #[test]
    fn histories_never_disagree(
        steps in prop::collection::vec(step(), 1..150),
        diskless in any::<bool>(),
        backlog_bytes in prop_oneof![Just(1u64), 50u64..300, Just(2000u64)],
        delay_ms in prop_oneof![Just(0u64), 500u64..3000],
    ) {
        let options = PrimaryOptions {
            backlog_bytes,
            diskless,
            diskless_delay: Nanos::from_millis(delay_ms),
            backlog_ttl: Nanos::from_secs(20),
            output_limit: OutputLimit { hard_bytes: 2500, soft_bytes: 900, soft_duration: Nanos::from_secs(5) },
            ..options()
        };
        let mut world = World::of(&["A", "B", "C"], options);
        let mut disks = vec![Disk::default(); NODES];
        let mut ledger = Ledger::new();
        for (number, step) in steps.into_iter().enumerate() {
            perform(&mut world, &mut disks, step, number);
            check(&world, &mut ledger)?;
        }
        repair(&mut world);
        check(&world, &mut ledger)?;
        for node in &world.nodes {
            prop_assert_eq!(&node.dataset, &world.nodes[0].dataset, "{} has not converged", node.name);
            prop_assert_eq!(node.position(), world.nodes[0].position());
        }
    }
}

fn step() -> impl Strategy<Value = Step> {
    let at = || 0..NODES;
    let direction = prop_oneof![Just(Direction::Up), Just(Direction::Down)];
    let count = prop_oneof![1usize..8, 1usize..200, Just(usize::MAX)];
    prop_oneof![
        6 => (at(), prop::bool::weighted(0.1)).prop_map(|(at, big)| Step::Write { at, big }),
        3 => at().prop_map(|at| Step::Transaction { at }),
        3 => (at(), at()).prop_map(|(at, primary)| Step::ReplicaOf { at, primary }),
        1 => at().prop_map(|at| Step::Promote { at }),
        2 => (0usize..4).prop_map(|which| Step::Cut { which }),
        16 => (0usize..4, direction, count)
            .prop_map(|(which, direction, count)| Step::Deliver { which, direction, count }),
        4 => Just(Step::DeliverAll),
        5 => prop_oneof![1u64..100, 500u64..1500, 5_000u64..25_000].prop_map(|millis| Step::Advance { millis }),
        1 => at().prop_map(|at| Step::AskForAcknowledgements { at }),
        1 => at().prop_map(|at| Step::Save { at }),
        1 => (at(), prop::option::of(at())).prop_map(|(at, primary)| Step::Restart { at, primary }),
        1 => (at(), any::<bool>()).prop_map(|(at, deaf)| Step::Deafen { at, deaf }),
    ]
}

fn perform(world: &mut World, disks: &mut [Disk], step: Step, number: usize) {
    let connection = |world: &World, which| world.connections.keys().nth(which).copied();
    match step {
        Step::Write { at, big: false } => world.write(at, &[&format!("SET key {number}")]),
        Step::Write { at, big: true } => world.write(at, &[&format!("SET key {}", "x".repeat(1200))]),
        Step::Transaction { at } => world.write(at, &[&format!("INCRBY a {number}"), "INCR b"]),
        Step::ReplicaOf { at, primary } if at != primary => world.replica_of(at, primary),
        Step::ReplicaOf { .. } => {}
        Step::Promote { at } => world.replica_of_no_one(at),
        Step::Cut { which } => _ = connection(world, which).map(|id| world.cut(id)),
        Step::Deliver { which, direction, count } => {
            _ = connection(world, which).map(|id| world.deliver(id, direction, count));
        }
        Step::DeliverAll => world.deliver_all(),
        Step::Advance { millis } => world.advance(Nanos::from_millis(millis)),
        Step::AskForAcknowledgements { at } => world.request_acknowledgements(at),
        Step::Save { at } => {
            let node = &world.nodes[at];
            disks[at] = Disk { dataset: node.dataset.clone(), position: node.position() };
        }
        Step::Restart { at, primary } => {
            world.restart(at, disks[at].clone(), primary.filter(|primary| *primary != at));
        }
        Step::Deafen { at, deaf } => world.nodes[at].is_deaf = deaf,
    }
}

fn check(world: &World, ledger: &mut Ledger) -> Result<(), TestCaseError> {
    for node in &world.nodes {
        let Some(position) = node.position() else { continue };
        let seen = ledger.entry((position.id, position.offset.0)).or_insert_with(|| node.dataset.clone());
        prop_assert_eq!(&*seen, &node.dataset, "{} has another dataset at {}", node.name, position);

        let backlog = node.primary.backlog().expect("a position has a backlog");
        let most = world.options.backlog_bytes.max(2500) + 1300;
        prop_assert!(backlog.len() <= most, "the backlog of {} holds {} bytes", node.name, backlog.len());
    }
    for (id, connection) in &world.connections {
        let (primary, replica) = (&world.nodes[connection.primary], &world.nodes[connection.replica]);
        let Some((_, facts)) = primary.primary.replicas(world.now).find(|(key, _)| *key == ReplicaKey(*id))
        else {
            continue;
        };
        prop_assert!(facts.acknowledged <= replica.primary.history().offset, "promised more than applied");
        let streaming = replica.replica.as_ref().is_some_and(|link| link.is_streaming());
        if facts.state == "online" && streaming {
            prop_assert_eq!(primary.primary.history().id, replica.primary.history().id);
            prop_assert!(
                primary.dataset.starts_with(&replica.dataset),
                "a replica is a prefix of its primary"
            );
        }
    }
    Ok(())
}

/// The faults end, the first node is the primary, and everybody follows it in a chain.
fn repair(world: &mut World) {
    world.nodes.iter_mut().for_each(|node| node.is_deaf = false);
    world.replica_of_no_one(0);
    world.replica_of(1, 0);
    world.replica_of(2, 1);
    world.run(Nanos::from_secs(20));
    world.write(0, &["SET key last"]);
    world.run(Nanos::from_secs(2));
}
