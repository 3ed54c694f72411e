//! INFO's stats, commandstats, errorstats and latencystats sections.

use std::fmt::Write as _;

use super::info::Source;
use super::info_memory::fraction;

pub(super) fn stats_section(source: &Source<'_>, text: &mut String) {
    let stats = &source.engine.stats;
    let rates = &stats.rates;
    let mut line = |name: &str, value: &dyn std::fmt::Display| {
        let _ = write!(text, "{name}:{value}\r\n");
    };
    let kbps = |rate: &crate::stats::Rate| format!("{:.2}", rate.per_second() as f64 / 1024.0);
    line("total_connections_received", &stats.connections_received);
    line("total_commands_processed", &stats.commands_processed);
    line("instantaneous_ops_per_sec", &rates.commands.per_second());
    line("total_net_input_bytes", &stats.input_bytes);
    line("total_net_output_bytes", &stats.output_bytes);
    line("total_net_repl_input_bytes", &stats.replication_input_bytes);
    line("total_net_repl_output_bytes", &stats.replication_output_bytes);
    line("instantaneous_input_kbps", &kbps(&rates.input_bytes));
    line("instantaneous_output_kbps", &kbps(&rates.output_bytes));
    line("instantaneous_input_repl_kbps", &kbps(&rates.replication_input_bytes));
    line("instantaneous_output_repl_kbps", &kbps(&rates.replication_output_bytes));
    line("rejected_connections", &stats.connections_rejected);
    source.server.info(source.engine, "stats", text);
    let mut line = |name: &str, value: &dyn std::fmt::Display| {
        let _ = write!(text, "{name}:{value}\r\n");
    };
    line("expired_subkeys", &stats.expired_fields);
    line("expired_keys", &stats.expired_keys);
    line("expired_stale_perc", &format!("{:.2}", stats.stale_share * 100.0));
    line("expired_time_cap_reached_count", &stats.expire_cycle_time_caps);
    line("expire_cycle_cpu_milliseconds", &(stats.expire_cycle_nanos / 1_000_000));
    line("evicted_keys", &stats.evicted_keys);
    line("evicted_clients", &stats.evicted_clients);
    line("evicted_scripts", &source.engine.scripts.evicted());
    let exceeded_ms = source.engine.memory_exceeded_for().as_millis();
    line("total_eviction_exceeded_time", &(stats.eviction_exceeded_ms + exceeded_ms));
    line("current_eviction_exceeded_time", &exceeded_ms);
    line("keyspace_hits", &stats.keyspace_hits);
    line("keyspace_misses", &stats.keyspace_misses);
    let subscriptions = source.engine.subscriptions.counts();
    line("pubsub_channels", &subscriptions.channels);
    line("pubsub_patterns", &subscriptions.patterns);
    line("pubsubshard_channels", &subscriptions.shard_channels);
    let (tracked_keys, tracked_items, prefixes) = source.engine.tracking.counts();
    line("tracking_total_keys", &tracked_keys);
    line("tracking_total_items", &tracked_items);
    line("tracking_total_prefixes", &prefixes);
    line("eventloop_cycles", &stats.turns);
    line("eventloop_duration_sum", &(stats.turn_nanos / 1_000));
    line("eventloop_duration_cmd_sum", &(stats.command_nanos() / 1_000));
    line("instantaneous_eventloop_cycles_per_sec", &rates.turns.per_second());
    let turn_us = rates.turn_nanos.per_second() / rates.turns.per_second().max(1) / 1_000;
    line("instantaneous_eventloop_duration_usec", &turn_us);
    // What does not exist here stands still, for the tools that look for it: no process is forked, nothing is moved
    // to undo fragmentation, and one thread does all.
    const ABSENT: [&str; 12] = [
        "latest_fork_usec",
        "total_forks",
        "migrate_cached_sockets",
        "slave_expires_tracked_keys",
        "active_defrag_hits",
        "active_defrag_misses",
        "active_defrag_key_hits",
        "active_defrag_key_misses",
        "total_active_defrag_time",
        "current_active_defrag_time",
        "io_threaded_total_prefetch_batches",
        "io_threaded_total_prefetch_entries",
    ];
    for name in ABSENT {
        line(name, &0);
    }
    line("unexpected_error_replies", &stats.unexpected_errors);
    line("total_error_replies", &stats.total_errors);
    // Every payload is checked as it is read, and not once more before.
    line("dump_payload_sanitizations", &0);
    line("total_reads_processed", &stats.reads_processed);
    line("total_writes_processed", &stats.writes_processed);
    line("io_threaded_reads_processed", &0);
    line("io_threaded_writes_processed", &0);
    line("client_query_buffer_limit_disconnections", &stats.query_buffer_disconnections);
    line("client_output_buffer_limit_disconnections", &stats.output_buffer_disconnections);
    // A client's output has no buffer of a fixed size.
    line("reply_buffer_shrinks", &0);
    line("reply_buffer_expands", &0);
    line("acl_access_denied_auth", &stats.auth_denied);
    line("acl_access_denied_cmd", &stats.commands_denied);
    line("acl_access_denied_key", &stats.keys_denied);
    line("acl_access_denied_channel", &stats.channels_denied);
}

pub(super) fn command_section(source: &Source<'_>, text: &mut String) {
    for row in source.engine.table.rows() {
        let counters = source.engine.stats.command(row.id);
        if counters.calls + counters.rejected + counters.failed > 0 {
            let _ = write!(
                text,
                "cmdstat_{}:calls={},usec={},usec_per_call={:.2},rejected_calls={},failed_calls={}\r\n",
                row.full_name,
                counters.calls,
                counters.nanos / 1000,
                fraction(counters.nanos, counters.calls) / 1000.0,
                counters.rejected,
                counters.failed,
            );
        }
    }
}

pub(super) fn error_section(source: &Source<'_>, text: &mut String) {
    for (code, count) in source.engine.stats.errors() {
        let _ = write!(text, "errorstat_{code}:count={count}\r\n");
    }
}

pub(super) fn latency_section(source: &Source<'_>, text: &mut String) {
    let engine = source.engine;
    for (id, histogram) in engine.latencies.histograms() {
        let _ = write!(text, "latency_percentiles_usec_{}:", engine.table.row(id).full_name);
        for (index, percentile) in engine.config.latency_tracking_info_percentiles.iter().enumerate() {
            let separator = if index == 0 { "" } else { "," };
            let usec = histogram.percentile(*percentile);
            let _ = write!(text, "{separator}p{percentile}={usec}.000");
        }
        text.push_str("\r\n");
    }
}
