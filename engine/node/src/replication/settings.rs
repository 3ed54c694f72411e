//! redis.conf's parameters in the terms of the protocol machines.

use squall_clock::Nanos;
use squall_commands::config::Config;
use squall_replication::{OutputLimit, PrimaryOptions, ReplicaOptions};
use squall_store::rdb::VALKEY_RELEASE;

pub(super) fn primary_options(config: &Config) -> PrimaryOptions {
    let limit = config.client_output_buffer_limit.replica;
    PrimaryOptions {
        backlog_bytes: config.repl_backlog_bytes_max,
        backlog_ttl: Nanos::from_secs(config.repl_backlog_ttl_seconds),
        ping_period: Nanos::from_secs(config.repl_ping_replica_period_seconds),
        replica_timeout: Nanos::from_secs(config.repl_timeout_seconds),
        output_limit: OutputLimit {
            hard_bytes: limit.hard_bytes_max,
            soft_bytes: limit.soft_bytes_max,
            soft_duration: Nanos::from_secs(limit.soft_seconds_max),
        },
        diskless: config.repl_diskless_sync,
        diskless_delay: Nanos::from_secs(config.repl_diskless_sync_delay_seconds),
        diskless_replicas_max: config.repl_diskless_sync_max_replicas as usize,
    }
}

pub(super) fn replica_options(config: &Config, host: String, port: u16) -> ReplicaOptions {
    ReplicaOptions {
        host,
        port,
        user: non_empty(&config.masteruser),
        password: non_empty(&config.masterauth),
        listening_port: listening_port(config),
        announced_host: non_empty(&config.replica_announce_ip),
        version: VALKEY_RELEASE.to_owned(),
        timeout: Nanos::from_secs(config.repl_timeout_seconds),
    }
}

/// Where others reach this server, in the way in which it reaches them.
fn listening_port(config: &Config) -> u16 {
    match config.replica_announce_port {
        0 if config.tls_replication && config.tls_port != 0 => config.tls_port,
        0 => config.port,
        announced => announced,
    }
}

fn non_empty(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| text.to_owned())
}
