//! Many runs in one process, one after another and side by side: none remembers another, and memory stays flat. This
//! is what a hunt through thousands of seeds stands on. A binary apart from the suite, because it measures its own process;
//! so its tests go one after another.

use std::rc::Rc;
use std::sync::{Mutex, MutexGuard, PoisonError};

use squall_clock::{Mono, Nanos};
use squall_scenarios::catalog::{find, source};
use squall_scenarios::{RunOptions, play};
use squall_sim::{Process, SimHost, World, WorldOptions, run};

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

static TURN: Mutex<()> = Mutex::new(());

fn turn() -> MutexGuard<'static, ()> {
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

fn hash_of(name: &str, seed: u64) -> u64 {
    let found = find(name).unwrap_or_else(|error| panic!("{error}"));
    let options = RunOptions { seed, ..RunOptions::default() };
    play(name, &found.scenario, options).unwrap_or_else(|failure| panic!("{failure}")).trace_hash
}

#[test]
fn runs_side_by_side_do_not_disturb_each_other() {
    let _turn = turn();
    let alone = hash_of("chained-replicas", 3);
    let together: Vec<u64> = std::thread::scope(|scope| {
        let threads: Vec<_> =
            (0..4).map(|n| scope.spawn(move || hash_of("chained-replicas", 3 + n % 2))).collect();
        threads.into_iter().map(|thread| thread.join().expect("a run ends")).collect()
    });
    assert_eq!((together[0], together[2]), (alone, alone));
    assert_eq!(together[1], together[3]);
    assert_ne!(together[1], alone);
}

/// Worlds of every kind: what is played in them, and what a seed draws, differs from seed to seed.
#[test]
fn nothing_is_left_of_a_run_in_memory() {
    let _turn = turn();
    for name in ["chained-replicas", "cluster-failover", "swarm", "cluster-swarm"] {
        let source = source(name).unwrap_or_else(|error| panic!("{error}"));
        does_not_grow(name, &|seed| {
            let found = source.at(seed);
            play(name, &found.scenario, RunOptions::verdict(seed))
                .unwrap_or_else(|failure| panic!("{failure}"));
        });
    }
}

/// A hunt that finds panics goes on for hours, too.
#[test]
fn nothing_is_left_of_a_run_that_panicked() {
    let _turn = turn();
    // What is printed of them would be kept until the test has ended, and more of it with backtraces.
    let usual = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        let is_planned = panic.payload_as_str().is_some_and(|message| message.contains("as planned"));
        if !is_planned {
            usual(panic);
        }
    }));
    does_not_grow("a panic", &|seed| {
        let outcome = run(seed, WorldOptions::default(), async |world: World| {
            let machine = world.add_machine("a");
            let holds_the_world = |host: SimHost| {
                Box::pin(async move {
                    let kept = vec![1_u8; HELD_BYTES];
                    host.world().sleep(Nanos::from_secs(9)).await;
                    drop(kept);
                }) as Process
            };
            world.start(machine, Rc::new(holds_the_world));
            let kept = vec![1_u8; HELD_BYTES];
            let doomed = world.clone();
            world.at(Mono(5_000_000), move |_| panic!("as planned, at {:?}", doomed.now()));
            world.sleep(Nanos::from_secs(9)).await;
            drop(kept);
        });
        assert!(outcome.is_err_and(|failure| failure.message.contains("as planned")));
    });
}

const HELD_BYTES: usize = 1 << 20;
const WARM_UP_RUNS: u64 = 5;
const RUNS: u64 = 8;
/// A world of the smallest kind holds a megabyte while it goes on, a single task some kilobytes.
const GROWTH_BYTES_MAX: usize = 8 << 10;

fn does_not_grow(what: &str, one: &(dyn Fn(u64) + Sync)) {
    // On a thread that ends: what it keeps for allocations to come is no part of what a run leaves behind.
    let apart = |seed| std::thread::scope(|scope| scope.spawn(move || one(seed)).join().expect("a run ends"));
    (1..=WARM_UP_RUNS).for_each(apart);
    let before = live_bytes();
    (WARM_UP_RUNS + 1..=WARM_UP_RUNS + RUNS).for_each(apart);
    let after = live_bytes();
    println!("{what}: {before} bytes, and {after} after {RUNS} runs");
    assert!(after <= before + GROWTH_BYTES_MAX, "{what}: {before} bytes grew to {after} in {RUNS} runs");
}

/// What the process has allocated and not given back.
fn live_bytes() -> usize {
    tikv_jemalloc_ctl::epoch::advance().expect("the allocator counts");
    tikv_jemalloc_ctl::stats::allocated::read().expect("the allocator counts")
}
