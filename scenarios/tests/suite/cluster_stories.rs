//! Failures that clusters of other servers had, played on this one in the byte world: each scenario is named after its
//! story, tells it with a link to where it was reported, and says which invariant must hold.

use squall_scenarios::catalog::find;
use squall_scenarios::{RunOptions, play};

fn plays(name: &str) {
    let found = find(name).unwrap_or_else(|error| panic!("{error}"));
    assert!(found.scenario.about.contains("Invariant: "), "{name} says what must hold");
    let options = RunOptions { seed: 7, ..RunOptions::default() };
    let report = play(name, &found.scenario, options).unwrap_or_else(|failure| panic!("{failure}"));
    assert!(report.passed(), "{report}");
}

macro_rules! stories {
    ($($test:ident: $name:literal,)*) => {
        $(
            #[test]
            fn $test() {
                plays($name);
            }
        )*
    };
}

stories! {
    replicaof_cycle_by_replica_ping: "replicaof-cycle-by-replica-ping",
    stale_pong_undoes_failover: "stale-pong-undoes-failover",
    stale_inbound_ping_makes_empty_primary: "stale-inbound-ping-makes-empty-primary",
    two_primaries_one_shard: "two-primaries-one-shard",
    epoch_bumped_then_died: "epoch-bumped-then-died",
    second_failover_inherits_old_timer: "second-failover-inherits-old-timer",
    two_winners_in_successive_epochs: "two-winners-in-successive-epochs",
    shard_id_updated_too_early: "shard-id-updated-too-early",
    never_synced_replica_in_a_cluster: "never-synced-replica-in-a-cluster",
    collision_bump_hides_a_migrated_slot: "collision-bump-hides-a-migrated-slot",
    setslot_node_without_importing: "setslot-node-without-importing",
    importer_dies_before_telling_anyone: "importer-dies-before-telling-anyone",
    old_snapshot_against_newer_nodes_conf: "old-snapshot-against-newer-nodes-conf",
    two_clusters_merge_by_address_reuse: "two-clusters-merge-by-address-reuse",
    forgotten_node_comes_back: "forgotten-node-comes-back",
    forget_before_the_election: "forget-before-the-election",
    whole_cluster_restart_on_new_addresses: "whole-cluster-restart-on-new-addresses",
    address_learned_by_gossip_not_used_by_replication: "address-learned-by-gossip-not-used-by-replication",
    reports_expire_before_quorum: "reports-expire-before-quorum",
    replica_knows_fail_first: "replica-knows-fail-first",
    link_down_clock_never_reset: "link-down-clock-never-reset",
    vote_sent_before_it_is_durable: "vote-sent-before-it-is-durable",
    nodes_conf_torn_or_unwritable: "nodes-conf-torn-or-unwritable",
    clients_stay_paused_after_handover: "clients-stay-paused-after-handover",
    duplicate_failover_orders: "duplicate-failover-orders",
    exactly_half_is_not_a_majority: "exactly-half-is-not-a-majority",
    rebooted_primary_serves_stale_clients: "rebooted-primary-serves-stale-clients",
    big_key_migrate_triggers_failover: "big-key-migrate-triggers-failover",
    replica_migration_misfires: "replica-migration-misfires",
    stale_my_primary_failed_flag: "stale-my-primary-failed-flag",
    acknowledged_then_crashed: "acknowledged-then-crashed",
    minority_primary_keeps_accepting: "minority-primary-keeps-accepting",
    wait_is_not_consensus: "wait-is-not-consensus",
    stale_and_backward_replica_reads: "stale-and-backward-replica-reads",
    lock_lost_on_failover: "lock-lost-on-failover",
    full_coverage_outage: "full-coverage-outage",
    full_coverage_not_required: "full-coverage-not-required",
    replica_clock_ahead: "replica-clock-ahead",
}
