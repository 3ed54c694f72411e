//! Failures that other servers had, played on this one: each scenario is named after its story, tells it with a link
//! to where it was reported, and fails when the guard that it is about is taken out of the server.

use squall_scenarios::catalog::find;

use crate::told;

fn plays(name: &str) {
    let found = find(name).unwrap_or_else(|error| panic!("{error}"));
    let about = &found.scenario.about;
    assert!(about.contains("https://"), "{name} does not say where its story is told");
    told::plays(name);
}

stories! {
    fullresync_offset_too_new: "fullresync-offset-too-new",
    half_command_in_the_backlog: "half-command-in-the-backlog",
    multi_without_exec_when_demoted_inside_a_transaction: "multi-without-exec-when-demoted-inside-a-transaction",
    restart_forgets_database_or_history: "restart-forgets-database-or-history",
    meaningful_offset: "meaningful-offset",
    newline_keepalive_eats_a_star: "newline-keepalive-eats-a-star",
    paused_replica_advances_its_offset: "paused-replica-advances-its-offset",
    one_big_value_makes_a_partial_sync_loop: "one-big-value-makes-a-partial-sync-loop",
    full_sync_loop_by_buffer_limit: "full-sync-loop-by-buffer-limit",
    primary_reborn_empty: "primary-reborn-empty",
    offset_inferred_from_the_log: "offset-inferred-from-the-log",
    restarting_cluster_replica_thinks_it_is_primary: "restarting-cluster-replica-thinks-it-is-primary",
    wait_and_waitaof_answer_wrongly: "wait-and-waitaof-answer-wrongly",
    silent_master_treated_as_full_sync: "silent-master-treated-as-full-sync",
    notification_effects_before_the_cause: "notification-effects-before-the-cause",
    failover_command_bounces_clients: "failover-command-bounces-clients",
    dragonfly_omitted_writes_in_full_sync: "dragonfly-omitted-writes-in-full-sync",
    dragonfly_counts_records_it_did_not_run: "dragonfly-counts-records-it-did-not-run",
    dragonfly_takeover_gap: "dragonfly-takeover-gap",
    dragonfly_full_sync_deadlock: "dragonfly-full-sync-deadlock",
    keydb_deleted_keys_return: "keydb-deleted-keys-return",
    keydb_counters_and_lww_diverge: "keydb-counters-and-lww-diverge",
    never_synced_replica_is_the_only_candidate: "never-synced-replica-is-the-only-candidate",
    eviction_feeds_itself: "eviction-feeds-itself",
    script_replayed_instead_of_effects: "script-replayed-instead-of-effects",
    hash_field_ttl_propagates_ghosts: "hash-field-ttl-propagates-ghosts",
    replica_loses_both_copies_during_full_sync: "replica-loses-both-copies-during-full-sync",
    reply_before_fsync: "reply-before-fsync",
    last_second_never_synced: "last-second-never-synced",
    rename_is_not_durable: "rename-is-not-durable",
    half_transaction_at_the_tail: "half-transaction-at-the-tail",
    manifest_names_a_log_without_its_base: "manifest-names-a-log-without-its-base",
    no_space_found_only_at_close: "no-space-found-only-at-close",
    garbage_tail_blocks_start: "garbage-tail-blocks-start",
    appendonly_on_with_no_log_and_slaveof_self: "appendonly-on-with-no-log-and-slaveof-self",
}
