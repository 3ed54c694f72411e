//! Many runs in one process, one after another and side by side: none remembers another, and memory stays flat. This
//! is what a hunt through thousands of seeds stands on. A binary apart from the suite, because it measures its own process.

use squall_scenarios::catalog::find;
use squall_scenarios::{RunOptions, play};

fn hash_of(name: &str, seed: u64) -> u64 {
    let found = find(name).unwrap_or_else(|error| panic!("{error}"));
    let options = RunOptions { seed, ..RunOptions::default() };
    play(name, &found.scenario, options).unwrap_or_else(|failure| panic!("{failure}")).trace_hash
}

#[test]
fn runs_side_by_side_do_not_disturb_each_other() {
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

#[test]
fn a_process_does_not_grow_with_its_runs() {
    const WARM_UP_RUNS: u64 = 10;
    const RUNS: u64 = 20;
    const GROWTH_KB_MAX: u64 = 4 << 10;
    let play_all = |seeds: u64| (0..seeds).map(|seed| hash_of("chained-replicas", seed)).max();
    play_all(WARM_UP_RUNS);
    let before = resident_kb();
    play_all(RUNS);
    let after = resident_kb();
    // One world alone takes more than a megabyte: a run that leaked its world would be seen.
    assert!(after < before + GROWTH_KB_MAX, "{before} kb grew to {after} kb in {RUNS} runs");
}

#[allow(clippy::disallowed_methods, reason = "the kernel tells a process its size in a file")]
fn resident_kb() -> u64 {
    let text = String::from_utf8(std::fs::read("/proc/self/statm").expect("Linux")).expect("text");
    let pages: u64 = text.split(' ').nth(1).and_then(|pages| pages.parse().ok()).expect("a number of pages");
    pages * 4
}
