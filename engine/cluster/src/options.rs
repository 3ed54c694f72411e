//! Settings of redis.conf, by their meaning.

use squall_clock::Nanos;

use crate::wire::Ports;

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Options {
    /// `cluster-node-timeout`: how long a node may be silent before it is suspected.
    pub node_timeout: Nanos,
    /// `cluster-require-full-coverage`.
    pub require_full_coverage: bool,
    /// `cluster-migration-barrier`: a primary keeps so many replicas when one leaves for an orphan.
    pub migration_barrier: usize,
    /// `cluster-allow-replica-migration`.
    pub allow_replica_migration: bool,
    /// `cluster-replica-validity-factor`; zero: any age will do.
    pub replica_validity_factor: u64,
    /// `repl-ping-replica-period`, part of the age at which a replica is too old.
    pub replica_ping_period: Nanos,
    /// `cluster-election-delay`, for tests: the part of an election's delay that is drawn otherwise.
    pub election_delay: Option<Nanos>,
    /// `cluster-manual-failover-timeout`: how long a hand-over may take.
    pub hand_over_timeout: Nanos,
    /// `cluster-blacklist-ttl`: so long a node that was forgotten is not learnt of again from those who know it.
    pub forgotten_for: Nanos,
    /// `cluster-replica-no-failover`.
    pub no_failover: bool,
    /// `cluster-quick-failover`: where all primaries are Squall's, they need not wait for what they can know.
    pub quick_failover: bool,
    /// `cluster-full-gossip-nodes-max`: in larger clusters, where all nodes are Squall's, each is asked by a
    /// few instead of by all.
    pub full_gossip_nodes_max: usize,
    /// `cluster-announce-ip`; empty: the address that others reach this node by.
    pub announced_host: String,
    pub ports: Ports,
    /// `cluster-announce-hostname` and `cluster-announce-human-nodename`.
    pub hostname: String,
    pub human_name: String,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            node_timeout: Nanos::from_secs(15),
            require_full_coverage: true,
            migration_barrier: 1,
            allow_replica_migration: true,
            replica_validity_factor: 10,
            replica_ping_period: Nanos::from_secs(10),
            election_delay: None,
            hand_over_timeout: Nanos::from_secs(5),
            forgotten_for: Nanos::from_secs(60),
            no_failover: false,
            quick_failover: true,
            full_gossip_nodes_max: 32,
            announced_host: String::new(),
            ports: Ports { client: 6379, bus: 16_379, plain: 0 },
            hostname: String::new(),
            human_name: String::new(),
        }
    }
}
