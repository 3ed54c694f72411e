//! The scenarios that come with the binary: each passes, and its summary is the one that was read and accepted.
//!
//! A change of the server's behaviour changes numbers here. Look at the difference, and if it is what you meant:
//! `INSTA_UPDATE=always cargo test -p squall-scenarios --test summaries`.

use squall_scenarios::catalog::find;
use squall_scenarios::{Report, RunOptions, play};

fn summary_of(name: &str) -> Report {
    let found = find(name).unwrap_or_else(|error| panic!("{error}"));
    let options = RunOptions { seed: 7, ..RunOptions::default() };
    play(name, &found.scenario, options).unwrap_or_else(|failure| panic!("{failure}"))
}

fn check(name: &str) {
    let report = summary_of(name);
    // How many events it took, and the hash of them, change with every byte that nodes say to each other.
    let stable = |line: &&str| !line.starts_with("  events") && !line.starts_with("  trace");
    let text: String = report.to_string().lines().filter(stable).map(|line| format!("{line}\n")).collect();
    assert!(report.passed(), "{text}");
    insta::assert_snapshot!(name, text);
}

#[test]
fn primary_partition() {
    check("primary-partition");
}

#[test]
fn replica_lag() {
    check("replica-lag");
}

#[test]
fn backlog_overflow() {
    check("backlog-overflow");
}

#[test]
fn crash_during_full_sync() {
    check("crash-during-full-sync");
}

#[test]
fn chained_replicas() {
    check("chained-replicas");
}

#[test]
fn drawn_faults() {
    check("drawn-faults");
}

#[test]
fn cluster_failover() {
    check("cluster-failover");
}

#[test]
fn cluster_split_votes() {
    check("cluster-split-votes");
}

#[test]
fn cluster_minority() {
    check("cluster-minority");
}

#[test]
fn cluster_one_way() {
    check("cluster-one-way");
}

#[test]
fn cluster_epoch_collision() {
    check("cluster-epoch-collision");
}

#[test]
fn cluster_replica_migration() {
    check("cluster-replica-migration");
}

#[test]
fn cluster_migration_crashes() {
    check("cluster-migration-crashes");
}

#[test]
fn cluster_rolling_restart() {
    check("cluster-rolling-restart");
}

#[test]
fn cluster_half_dies() {
    check("cluster-half-dies");
}
