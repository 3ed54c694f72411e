//! The failures that other servers' logs have had, played again: see each scenario's file for its story, and
//! `crash_points` for the sweep over all operations of the disk. A snapshot that is there without a log, and the
//! files of a dataset that are damaged, are the node's own tests.

use squall_scenarios::catalog::find;
use squall_scenarios::{RunOptions, play};

fn check(name: &str) {
    let found = find(name).unwrap_or_else(|error| panic!("{error}"));
    for seed in 1..=3 {
        let options = RunOptions { seed, ..RunOptions::default() };
        let report = play(name, &found.scenario, options).unwrap_or_else(|failure| panic!("{failure}"));
        assert!(report.passed(), "{report}");
    }
}

#[test]
fn reply_before_fsync() {
    check("reply-before-fsync");
}

#[test]
fn last_second_never_synced() {
    check("last-second-never-synced");
}

#[test]
fn rename_is_not_durable() {
    check("rename-is-not-durable");
}

#[test]
fn half_transaction_at_the_tail() {
    check("half-transaction-at-the-tail");
}

#[test]
fn manifest_names_a_log_without_its_base() {
    check("manifest-names-a-log-without-its-base");
}

#[test]
fn no_space_found_only_at_close() {
    check("no-space-found-only-at-close");
}

#[test]
fn garbage_tail_blocks_start() {
    check("garbage-tail-blocks-start");
}
