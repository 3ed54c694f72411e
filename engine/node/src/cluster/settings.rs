//! redis.conf's parameters in the machine's terms.

use squall_clock::Nanos;
use squall_cluster::Options;
use squall_cluster::wire::Ports;
use squall_commands::config::Config;

use crate::listening::bus_port;

pub(super) fn options(config: &Config) -> Options {
    let or = |announced: u16, actual: u16| if announced == 0 { actual } else { announced };
    let plain = or(config.cluster_announce_port, config.port);
    let encrypted = or(config.cluster_announce_tls_port, config.tls_port);
    Options {
        node_timeout: Nanos::from_millis(config.cluster_node_timeout_ms),
        require_full_coverage: config.cluster_require_full_coverage,
        migration_barrier: config.cluster_migration_barrier as usize,
        allow_replica_migration: config.cluster_allow_replica_migration,
        replica_validity_factor: u64::from(config.cluster_replica_validity_factor),
        replica_ping_period: Nanos::from_secs(config.repl_ping_replica_period_seconds),
        election_delay: u64::try_from(config.cluster_election_delay_ms).ok().map(Nanos::from_millis),
        hand_over_timeout: Nanos::from_millis(u64::from(config.cluster_manual_failover_timeout_ms)),
        forgotten_for: Nanos::from_secs(config.cluster_blacklist_ttl_seconds),
        no_failover: config.cluster_replica_no_failover,
        quick_failover: config.cluster_quick_failover,
        full_gossip_nodes_max: config.cluster_full_gossip_nodes_max as usize,
        announced_host: config.cluster_announce_ip.clone(),
        ports: Ports {
            client: if config.tls_cluster { encrypted } else { plain },
            bus: or(config.cluster_announce_bus_port, bus_port(config)),
            plain: if config.tls_cluster { plain } else { 0 },
        },
        hostname: config.cluster_announce_hostname.clone(),
        human_name: config.cluster_announce_human_nodename.clone(),
    }
}
