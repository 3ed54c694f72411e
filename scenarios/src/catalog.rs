//! The scenarios that come with the binary, and how a name or a path is turned into one.

use crate::check::{ScenarioError, nearest};
use crate::file::Scenario;
use crate::hunt::{cluster_swarm, swarm};

/// A scenario that comes with the binary.
#[derive(Clone, Copy, Debug)]
pub struct Entry {
    pub name: &'static str,
    pub text: &'static str,
}

macro_rules! entries {
    ($($name:literal),* $(,)?) => {
        &[$(Entry { name: $name, text: include_str!(concat!("../files/", $name, ".toml")) }),*]
    };
}

/// In the order in which they are listed.
pub const ENTRIES: &[Entry] = entries![
    "primary-partition",
    "primary-crash",
    "replica-lag",
    "backlog-overflow",
    "crash-during-full-sync",
    "chained-replicas",
    "drawn-faults",
    "consumers-through-a-failover",
    "fullresync-offset-too-new",
    "half-command-in-the-backlog",
    "multi-without-exec-when-demoted-inside-a-transaction",
    "restart-forgets-database-or-history",
    "meaningful-offset",
    "newline-keepalive-eats-a-star",
    "paused-replica-advances-its-offset",
    "one-big-value-makes-a-partial-sync-loop",
    "full-sync-loop-by-buffer-limit",
    "primary-reborn-empty",
    "offset-inferred-from-the-log",
    "restarting-cluster-replica-thinks-it-is-primary",
    "wait-and-waitaof-answer-wrongly",
    "silent-master-treated-as-full-sync",
    "notification-effects-before-the-cause",
    "failover-command-bounces-clients",
    "dragonfly-omitted-writes-in-full-sync",
    "dragonfly-counts-records-it-did-not-run",
    "dragonfly-takeover-gap",
    "dragonfly-full-sync-deadlock",
    "keydb-deleted-keys-return",
    "keydb-counters-and-lww-diverge",
    "never-synced-replica-is-the-only-candidate",
    "replica-loses-both-copies-during-full-sync",
    "eviction-feeds-itself",
    "script-replayed-instead-of-effects",
    "hash-field-ttl-propagates-ghosts",
    "reply-before-fsync",
    "last-second-never-synced",
    "rename-is-not-durable",
    "half-transaction-at-the-tail",
    "manifest-names-a-log-without-its-base",
    "no-space-found-only-at-close",
    "garbage-tail-blocks-start",
    "appendonly-on-with-no-log-and-slaveof-self",
    "cluster-failover",
    "cluster-split-votes",
    "cluster-minority",
    "cluster-one-way",
    "cluster-epoch-collision",
    "cluster-replica-migration",
    "cluster-migration-crashes",
    "cluster-rolling-restart",
    "cluster-half-dies",
    "cluster-drawn-faults",
    "replicaof-cycle-by-replica-ping",
    "stale-pong-undoes-failover",
    "stale-inbound-ping-makes-empty-primary",
    "two-primaries-one-shard",
    "epoch-bumped-then-died",
    "same-epoch-split-vote",
    "second-failover-inherits-old-timer",
    "two-winners-in-successive-epochs",
    "shard-id-updated-too-early",
    "never-synced-replica-in-a-cluster",
    "collision-bump-hides-a-migrated-slot",
    "setslot-node-without-importing",
    "importer-dies-before-telling-anyone",
    "atomic-migration-stream-corrupt-under-writes",
    "source-fails-before-trimming",
    "old-snapshot-against-newer-nodes-conf",
    "two-clusters-merge-by-address-reuse",
    "forgotten-node-comes-back",
    "forget-before-the-election",
    "whole-cluster-restart-on-new-addresses",
    "address-learned-by-gossip-not-used-by-replication",
    "two-node-ids-at-one-address",
    "reports-expire-before-quorum",
    "replica-knows-fail-first",
    "link-down-clock-never-reset",
    "vote-sent-before-it-is-durable",
    "nodes-conf-torn-or-unwritable",
    "clients-stay-paused-after-handover",
    "duplicate-failover-orders",
    "exactly-half-is-not-a-majority",
    "rebooted-primary-serves-stale-clients",
    "bus-link-buffer-blow-up",
    "big-key-migrate-triggers-failover",
    "replica-migration-misfires",
    "stale-my-primary-failed-flag",
    "sharded-pubsub-subscriber-left-behind",
    "acknowledged-then-crashed",
    "minority-primary-keeps-accepting",
    "wait-is-not-consensus",
    "stale-and-backward-replica-reads",
    "lock-lost-on-failover",
    "full-coverage-outage",
    "full-coverage-not-required",
    "replica-clock-ahead",
    "publish-is-at-most-once",
];

/// What is drawn anew from every seed.
pub const SWARM: &str = "swarm";
pub const SWARM_TITLE: &str =
    "Every seed draws nodes, configuration, links, clients, faults and failovers anew";

pub const CLUSTER_SWARM: &str = "cluster-swarm";
pub const CLUSTER_SWARM_TITLE: &str =
    "Every seed draws a cluster, its configuration, clients, faults, hand-overs and slots that move";

/// Where the scenario of a seed comes from.
pub enum Source {
    File(Box<Found>),
    Swarm,
    ClusterSwarm,
}

/// A scenario and what it is called: the name of an entry, or the path of a file.
#[derive(Clone)]
pub struct Found {
    pub name: String,
    pub text: String,
    pub scenario: Scenario,
}

/// Finds what `name` stands for: the swarm, an entry or a file.
pub fn source(name: &str) -> Result<Source, ScenarioError> {
    match name {
        SWARM => Ok(Source::Swarm),
        CLUSTER_SWARM => Ok(Source::ClusterSwarm),
        name => find(name).map(|found| Source::File(Box::new(found))),
    }
}

impl Source {
    pub fn name(&self) -> &str {
        match self {
            Source::File(found) => &found.name,
            Source::Swarm => SWARM,
            Source::ClusterSwarm => CLUSTER_SWARM,
        }
    }

    /// Whether it is about a cluster.
    pub fn is_clustered(&self) -> bool {
        match self {
            Source::File(found) => found.scenario.cluster.is_some(),
            Source::Swarm => false,
            Source::ClusterSwarm => true,
        }
    }

    /// The scenario that is played with this seed.
    pub fn at(&self, seed: u64) -> Found {
        match self {
            Source::File(found) => (**found).clone(),
            Source::Swarm => Found::drawn(SWARM, swarm::draw(seed)),
            Source::ClusterSwarm => Found::drawn(CLUSTER_SWARM, cluster_swarm::draw(seed)),
        }
    }
}

impl Found {
    fn drawn(name: &str, scenario: Scenario) -> Found {
        Found { name: name.to_owned(), text: scenario.to_text(), scenario }
    }
}

/// Finds the entry `name`, or reads the file at that path.
pub fn find(name: &str) -> Result<Found, ScenarioError> {
    let (file, text) = match ENTRIES.iter().find(|entry| entry.name == name) {
        Some(entry) => (format!("{name}.toml"), entry.text.to_owned()),
        None => (name.to_owned(), read_file(name)?),
    };
    let scenario = Scenario::read(&file, &text)?;
    Ok(Found { name: name.to_owned(), text, scenario })
}

#[allow(clippy::disallowed_methods, reason = "the file of a scenario is read before any world begins")]
fn read_file(path: &str) -> Result<String, ScenarioError> {
    let refuse =
        |message: String, suggestion| ScenarioError { file: path.to_owned(), line: 0, message, suggestion };
    if !path.ends_with(".toml") && !path.contains('/') {
        let suggestion = nearest(path, ENTRIES.iter().map(|entry| entry.name).chain([SWARM, CLUSTER_SWARM]));
        return Err(refuse(
            "there is no scenario of this name; `squall list` shows them".to_owned(),
            suggestion,
        ));
    }
    let bytes = std::fs::read(path).map_err(|error| refuse(error.to_string(), None))?;
    String::from_utf8(bytes).map_err(|_| refuse("the file is not UTF-8 text".to_owned(), None))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_entry_can_be_played_as_it_is() {
        for entry in ENTRIES {
            let found = find(entry.name).unwrap_or_else(|error| panic!("{error}"));
            assert!(!found.scenario.expectations.is_empty(), "{} can never fail", entry.name);
            assert!(!found.scenario.about.is_empty(), "{} does not say what it is about", entry.name);
        }
    }

    #[test]
    fn a_mistyped_name_is_refused_with_the_right_one() {
        let error = find("primary-partiton").err().unwrap();
        assert_eq!(error.suggestion.as_deref(), Some("primary-partition"));
    }
}
