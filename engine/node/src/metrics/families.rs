//! What is exposed: nearly all of it is a field of INFO under the name that redis_exporter gives it, so the
//! two can't contradict each other. Names that begin with `squall_` are this server's own.

use std::collections::BTreeMap;
use std::ops::Bound;

use squall_commands::Engine;

use super::exposition::{Exposition, Family, Kind};

/// A field of INFO that is a number, and the metric that it becomes.
type Field = (&'static str, &'static str);

const GAUGES: &[Field] = &[
    ("uptime_in_seconds", "uptime_in_seconds"),
    ("process_id", "process_id"),
    ("io_threads_active", "io_threads_active"),
    ("connected_clients", "connected_clients"),
    ("cluster_connections", "cluster_connections"),
    ("maxclients", "max_clients"),
    ("client_recent_max_input_buffer", "client_recent_max_input_buffer_bytes"),
    ("client_recent_max_output_buffer", "client_recent_max_output_buffer_bytes"),
    ("blocked_clients", "blocked_clients"),
    ("tracking_clients", "tracking_clients"),
    ("pubsub_clients", "pubsub_clients"),
    ("watching_clients", "watching_clients"),
    ("clients_in_timeout_table", "clients_in_timeout_table"),
    ("total_watched_keys", "total_watched_keys"),
    ("total_blocking_keys", "total_blocking_keys"),
    ("total_blocking_keys_on_nokey", "total_blocking_keys_on_nokey"),
    ("allocator_active", "allocator_active_bytes"),
    ("allocator_allocated", "allocator_allocated_bytes"),
    ("allocator_resident", "allocator_resident_bytes"),
    ("allocator_frag_ratio", "allocator_frag_ratio"),
    ("allocator_frag_bytes", "allocator_frag_bytes"),
    ("allocator_rss_ratio", "allocator_rss_ratio"),
    ("allocator_rss_bytes", "allocator_rss_bytes"),
    ("used_memory", "memory_used_bytes"),
    ("used_memory_rss", "memory_used_rss_bytes"),
    ("used_memory_peak", "memory_used_peak_bytes"),
    ("used_memory_lua", "memory_used_lua_bytes"),
    ("used_memory_vm_eval", "memory_used_vm_eval_bytes"),
    ("used_memory_scripts_eval", "memory_used_scripts_eval_bytes"),
    ("used_memory_overhead", "memory_used_overhead_bytes"),
    ("used_memory_startup", "memory_used_startup_bytes"),
    ("used_memory_dataset", "memory_used_dataset_bytes"),
    ("used_memory_vm_functions", "memory_used_vm_functions"),
    ("used_memory_scripts", "memory_used_scripts_bytes"),
    ("used_memory_functions", "memory_used_functions"),
    ("used_memory_vm_total", "memory_used_vm_total"),
    ("number_of_cached_scripts", "number_of_cached_scripts"),
    ("number_of_functions", "number_of_functions"),
    ("number_of_libraries", "number_of_libraries"),
    ("maxmemory", "memory_max_bytes"),
    ("mem_fragmentation_ratio", "mem_fragmentation_ratio"),
    ("mem_fragmentation_bytes", "mem_fragmentation_bytes"),
    ("mem_clients_slaves", "mem_clients_slaves"),
    ("mem_clients_normal", "mem_clients_normal"),
    ("mem_cluster_links", "mem_cluster_links_bytes"),
    ("mem_aof_buffer", "mem_aof_buffer_bytes"),
    ("mem_replication_backlog", "mem_replication_backlog_bytes"),
    ("mem_total_replication_buffers", "mem_total_replication_buffers_bytes"),
    ("mem_not_counted_for_evict", "mem_not_counted_for_eviction_bytes"),
    ("lazyfree_pending_objects", "lazyfree_pending_objects"),
    ("lazyfreed_objects", "lazyfreed_objects"),
    ("active_defrag_running", "active_defrag_running"),
    ("migrate_cached_sockets", "migrate_cached_sockets_total"),
    ("loading", "loading_dump_file"),
    ("async_loading", "async_loading"),
    ("rdb_changes_since_last_save", "rdb_changes_since_last_save"),
    ("rdb_bgsave_in_progress", "rdb_bgsave_in_progress"),
    ("rdb_last_save_time", "rdb_last_save_timestamp_seconds"),
    ("rdb_last_bgsave_status", "rdb_last_bgsave_status"),
    ("rdb_last_bgsave_time_sec", "rdb_last_bgsave_duration_sec"),
    ("rdb_current_bgsave_time_sec", "rdb_current_bgsave_duration_sec"),
    ("rdb_saves", "rdb_saves_total"),
    ("rdb_last_cow_size", "rdb_last_cow_size_bytes"),
    ("rdb_last_load_keys_expired", "rdb_last_load_expired_keys"),
    ("rdb_last_load_keys_loaded", "rdb_last_load_loaded_keys"),
    ("aof_enabled", "aof_enabled"),
    ("aof_rewrite_in_progress", "aof_rewrite_in_progress"),
    ("aof_rewrite_scheduled", "aof_rewrite_scheduled"),
    ("aof_last_rewrite_time_sec", "aof_last_rewrite_duration_sec"),
    ("aof_current_rewrite_time_sec", "aof_current_rewrite_duration_sec"),
    ("aof_last_bgrewrite_status", "aof_last_bgrewrite_status"),
    ("aof_last_write_status", "aof_last_write_status"),
    ("aof_last_cow_size", "aof_last_cow_size_bytes"),
    ("aof_current_size", "aof_current_size_bytes"),
    ("aof_base_size", "aof_base_size_bytes"),
    ("aof_pending_rewrite", "aof_pending_rewrite"),
    ("aof_buffer_length", "aof_buffer_length"),
    ("aof_rewrite_buffer_length", "aof_rewrite_buffer_length"),
    ("aof_pending_bio_fsync", "aof_pending_bio_fsync"),
    ("aof_delayed_fsync", "aof_delayed_fsync"),
    ("instantaneous_ops_per_sec", "instantaneous_ops_per_sec"),
    ("instantaneous_input_kbps", "instantaneous_input_kbps"),
    ("instantaneous_output_kbps", "instantaneous_output_kbps"),
    ("pubsub_channels", "pubsub_channels"),
    ("pubsub_patterns", "pubsub_patterns"),
    ("pubsubshard_channels", "pubsubshard_channels"),
    ("latest_fork_usec", "latest_fork_usec"),
    ("tracking_total_keys", "tracking_total_keys"),
    ("tracking_total_items", "tracking_total_items"),
    ("tracking_total_prefixes", "tracking_total_prefixes"),
    ("expired_stale_perc", "expired_stale_percentage"),
    ("current_eviction_exceeded_time", "current_eviction_exceeded_time_ms"),
    ("connected_slaves", "connected_slaves"),
    ("min_slaves_good_slaves", "min_slaves_good_slaves"),
    ("master_repl_offset", "master_repl_offset"),
    ("second_repl_offset", "second_repl_offset"),
    ("slave_expires_tracked_keys", "slave_expires_tracked_keys"),
    ("slave_priority", "slave_priority"),
    ("repl_backlog_active", "repl_backlog_is_active"),
    ("repl_backlog_size", "replication_backlog_bytes"),
    ("repl_backlog_first_byte_offset", "repl_backlog_first_byte_offset"),
    ("repl_backlog_histlen", "repl_backlog_history_bytes"),
    ("sync_full", "replica_resyncs_full"),
    ("sync_partial_ok", "replica_partial_resync_accepted"),
    ("sync_partial_err", "replica_partial_resync_denied"),
    ("unexpected_error_replies", "unexpected_error_replies"),
    ("total_error_replies", "total_error_replies"),
    ("dump_payload_sanitizations", "dump_payload_sanitizations"),
    ("total_reads_processed", "total_reads_processed"),
    ("total_writes_processed", "total_writes_processed"),
    ("cluster_enabled", "cluster_enabled"),
];

const COUNTERS: &[Field] = &[
    ("total_connections_received", "connections_received_total"),
    ("total_commands_processed", "commands_processed_total"),
    ("rejected_connections", "rejected_connections_total"),
    ("total_net_input_bytes", "net_input_bytes_total"),
    ("total_net_output_bytes", "net_output_bytes_total"),
    ("total_net_repl_input_bytes", "net_repl_input_bytes_total"),
    ("total_net_repl_output_bytes", "net_repl_output_bytes_total"),
    ("expired_subkeys", "expired_subkeys_total"),
    ("expired_keys", "expired_keys_total"),
    ("expired_time_cap_reached_count", "expired_time_cap_reached_total"),
    ("expire_cycle_cpu_milliseconds", "expire_cycle_cpu_time_ms_total"),
    ("evicted_keys", "evicted_keys_total"),
    ("evicted_clients", "evicted_clients_total"),
    ("evicted_scripts", "evicted_scripts_total"),
    ("total_eviction_exceeded_time", "eviction_exceeded_time_ms_total"),
    ("keyspace_hits", "keyspace_hits_total"),
    ("keyspace_misses", "keyspace_misses_total"),
    ("used_cpu_sys", "cpu_sys_seconds_total"),
    ("used_cpu_user", "cpu_user_seconds_total"),
    ("used_cpu_sys_children", "cpu_sys_children_seconds_total"),
    ("used_cpu_user_children", "cpu_user_children_seconds_total"),
    ("used_cpu_sys_main_thread", "cpu_sys_main_thread_seconds_total"),
    ("used_cpu_user_main_thread", "cpu_user_main_thread_seconds_total"),
    ("acl_access_denied_auth", "acl_access_denied_auth_total"),
    ("acl_access_denied_cmd", "acl_access_denied_cmd_total"),
    ("acl_access_denied_key", "acl_access_denied_key_total"),
    ("acl_access_denied_channel", "acl_access_denied_channel_total"),
];

/// The fields of INFO, by name; the page of metrics draws from them.
struct Info<'a> {
    fields: BTreeMap<&'a str, &'a str>,
}

/// The page, drawn from the text of INFO with all its sections and from what INFO does not show.
pub(super) fn expose(engine: &Engine, info: &str) -> String {
    let info = Info::of(info);
    let mut page = Exposition::default();
    page.family("redis_up", Kind::Gauge, "Whether the server answers.").sample(&[], 1);
    expose_instance(engine, &info, &mut page);
    for (fields, kind) in [(GAUGES, Kind::Gauge), (COUNTERS, Kind::Counter)] {
        for (field, name) in fields {
            if let Some(value) = info.number(field) {
                let name = format!("redis_{name}");
                page.family(&name, kind, &format!("INFO's {field}.")).sample(&[], value);
            }
        }
    }
    expose_databases(&info, &mut page);
    expose_primary(&info, &mut page);
    expose_replicas(&info, &mut page);
    expose_commands(&info, &mut page);
    expose_percentiles(&info, &mut page);
    expose_histograms(engine, &mut page);
    expose_delays(engine, &mut page);
    page.into_text()
}

impl<'a> Info<'a> {
    fn of(text: &'a str) -> Info<'a> {
        Info { fields: text.lines().filter_map(|line| line.split_once(':')).collect() }
    }

    fn text(&self, field: &str) -> &'a str {
        self.fields.get(field).copied().unwrap_or_default()
    }

    /// A field's number; `ok` and `err` are 1 and 0, `up` and `down` too.
    fn number(&self, field: &str) -> Option<f64> {
        match *self.fields.get(field)? {
            "ok" | "up" | "yes" => Some(1.0),
            "err" | "down" | "no" => Some(0.0),
            value => value.parse().ok(),
        }
    }

    /// The fields whose names begin with `prefix`: the rest of the name, and the parts of the value.
    fn with_prefix<'b>(&'b self, prefix: &'b str) -> impl Iterator<Item = (&'a str, Parts<'a>)> + 'b {
        let from = (Bound::Included(prefix), Bound::Unbounded);
        let named = self.fields.range::<str, _>(from).take_while(move |(name, _)| name.starts_with(prefix));
        named.map(move |(name, value)| (&name[prefix.len()..], Parts(value)))
    }

    /// The same where the rest of the name is a number.
    fn numbered<'b>(&'b self, prefix: &'b str) -> impl Iterator<Item = Parts<'a>> + 'b {
        let numbered = |rest: &str| !rest.is_empty() && rest.bytes().all(|byte| byte.is_ascii_digit());
        self.with_prefix(prefix).filter(move |(rest, _)| numbered(rest)).map(|(_, parts)| parts)
    }
}

/// A value such as `keys=1,expires=0`.
#[derive(Clone, Copy)]
struct Parts<'a>(&'a str);

impl<'a> Parts<'a> {
    fn each(self) -> impl Iterator<Item = (&'a str, &'a str)> {
        self.0.split(',').filter_map(|part| part.split_once('='))
    }

    fn text(self, name: &str) -> &'a str {
        self.each().find(|(known, _)| *known == name).map_or("", |(_, value)| value)
    }

    fn number(self, name: &str) -> Option<f64> {
        self.text(name).parse().ok()
    }
}

fn expose_instance(engine: &Engine, info: &Info<'_>, page: &mut Exposition) {
    let fields =
        ["role", "redis_version", "redis_build_id", "redis_mode", "os", "maxmemory_policy", "tcp_port"];
    let more = ["run_id", "process_id", "master_replid", "squall_version"];
    let labels: Vec<(&str, &str)> =
        fields.into_iter().chain(more).map(|field| (field, info.text(field))).collect();
    page.family("redis_instance_info", Kind::Gauge, "What this server is.").sample(&labels, 1);
    let mut gauge = |name: &str, help: &str, value: f64| {
        page.family(name, Kind::Gauge, help).sample(&[], value);
    };
    let config = &engine.config;
    gauge("redis_start_time_seconds", "When the server was started.", engine.started.unix_seconds() as f64);
    gauge("redis_config_maxclients", "The directive maxclients.", f64::from(config.maxclients));
    gauge("redis_config_maxmemory", "The directive maxmemory.", config.maxmemory_bytes as f64);
    gauge("redis_config_io_threads", "The directive io-threads.", f64::from(config.io_threads));
    gauge("redis_slowlog_length", "Entries of the slow log.", engine.command_log.slow.len() as f64);
    let last = engine.command_log.slow.iter().next();
    gauge(
        "redis_slowlog_last_id",
        "The number of its last entry.",
        last.map_or(0.0, |entry| entry.id as f64),
    );
    let took = last.map_or(0.0, |entry| entry.amount as f64 / 1e6);
    gauge("redis_last_slow_execution_duration_seconds", "How long the last slow command took.", took);
}

fn expose_databases(info: &Info<'_>, page: &mut Exposition) {
    let of_databases = || info.with_prefix("db").filter(|(_, parts)| parts.number("keys").is_some());
    let families = [
        ("redis_db_keys", "keys", "Keys in a database.", 1.0),
        ("redis_db_keys_expiring", "expires", "Keys in a database that expire.", 1.0),
        ("redis_db_avg_ttl_seconds", "avg_ttl", "How long those have to live, on average.", 1e-3),
        ("redis_db_keys_subexpiry", "subexpiry", "Hashes in a database with fields that expire.", 1.0),
    ];
    for (name, part, help, unit) in families {
        let mut family = page.family(name, Kind::Gauge, help);
        for (number, parts) in of_databases() {
            family.sample(&[("db", &format!("db{number}"))], parts.number(part).unwrap_or(0.0) * unit);
        }
    }
}

/// What a replica says of its primary.
fn expose_primary(info: &Info<'_>, page: &mut Exposition) {
    let (host, port) = (info.text("master_host"), info.text("master_port"));
    if host.is_empty() {
        return;
    }
    let labels = [("master_host", host), ("master_port", port)];
    let read_only = [labels[0], labels[1], ("read_only", info.text("slave_read_only"))];
    page.family("redis_slave_info", Kind::Gauge, "Whose replica this is.").sample(&read_only, 1);
    let families = [
        ("redis_master_link_up", "master_link_status"),
        ("redis_master_last_io_seconds_ago", "master_last_io_seconds_ago"),
        ("redis_master_sync_in_progress", "master_sync_in_progress"),
        ("redis_slave_repl_offset", "slave_repl_offset"),
        ("squall_master_dataset_refused", "master_dataset_refused"),
        ("squall_slave_last_applied_milliseconds_ago", "slave_last_applied_ms_ago"),
    ];
    for (name, field) in families {
        if let Some(value) = info.number(field) {
            page.family(name, Kind::Gauge, &format!("INFO's {field}.")).sample(&labels, value);
        }
    }
}

fn expose_replicas(info: &Info<'_>, page: &mut Exposition) {
    let families = [
        ("redis_connected_slave_offset_bytes", "offset", "What a replica has acknowledged."),
        ("redis_connected_slave_lag_seconds", "lag", "Since when a replica has not acknowledged."),
        ("squall_replica_lag_bytes", "lag_bytes", "How much of the stream a replica has not applied."),
        ("squall_replica_lag_commands", "lag_commands", "How many commands a replica has not applied."),
        ("squall_replica_lag_milliseconds", "lag_ms", "How old the first write is that a replica lacks."),
    ];
    for (name, part, help) in families {
        let mut family = page.family(name, Kind::Gauge, help);
        for parts in info.numbered("slave") {
            let labels = [
                ("slave_ip", parts.text("ip")),
                ("slave_port", parts.text("port")),
                ("slave_state", parts.text("state")),
            ];
            if let Some(value) = parts.number(part) {
                family.sample(&labels, value);
            }
        }
    }
}

fn expose_commands(info: &Info<'_>, page: &mut Exposition) {
    let families = [
        ("redis_commands_total", "calls", "Calls of a command.", 1.0),
        ("redis_commands_duration_seconds_total", "usec", "The time that they took.", 1e-6),
        ("redis_commands_rejected_calls_total", "rejected_calls", "Those refused before they began.", 1.0),
        ("redis_commands_failed_calls_total", "failed_calls", "Those that ended with an error.", 1.0),
    ];
    for (name, part, help, unit) in families {
        let mut family = page.family(name, Kind::Counter, help);
        for (command, parts) in info.with_prefix("cmdstat_") {
            family.sample(&[("cmd", command)], parts.number(part).unwrap_or(0.0) * unit);
        }
    }
    let mut family = page.family("redis_errors_total", Kind::Counter, "Errors, by their first word.");
    for (error, parts) in info.with_prefix("errorstat_") {
        family.sample(&[("err", error)], parts.number("count").unwrap_or(0.0));
    }
}

fn expose_percentiles(info: &Info<'_>, page: &mut Exposition) {
    let help = "How long calls of a command took at most, for a share of them.";
    let mut family = page.family("redis_latency_percentiles_usec", Kind::Summary, help);
    for (command, parts) in info.with_prefix("latency_percentiles_usec_") {
        for (percentile, usec) in parts.each() {
            let percent: f64 = percentile.trim_start_matches('p').parse().unwrap_or(0.0);
            family.sample(&[("cmd", command), ("quantile", &format!("{}", percent / 100.0))], usec);
        }
        let calls = Parts(info.text(&format!("cmdstat_{command}")));
        family.part("_sum", &[("cmd", command)], calls.number("usec").unwrap_or(0.0));
        family.part("_count", &[("cmd", command)], calls.number("calls").unwrap_or(0.0));
    }
}

fn expose_histograms(engine: &Engine, page: &mut Exposition) {
    let help = "How often calls of a command took how long.";
    let mut family = page.family("redis_commands_latencies_usec", Kind::Histogram, help);
    for (id, histogram) in engine.latencies.histograms() {
        let command = engine.table.row(id).full_name.as_str();
        let bucket = |family: &mut Family<'_>, bound: &str, count: u64| {
            family.part("_bucket", &[("cmd", command), ("le", bound)], count);
        };
        for (bound, count) in histogram.cumulative() {
            bucket(&mut family, &bound.to_string(), count);
        }
        bucket(&mut family, "+Inf", histogram.count());
        let usec = engine.stats.command(id).nanos / 1_000;
        family.part("_sum", &[("cmd", command)], usec);
        family.part("_count", &[("cmd", command)], histogram.count());
    }
}

fn expose_delays(engine: &Engine, page: &mut Exposition) {
    let help = "When something last took longer than latency-monitor-threshold.";
    let mut family = page.family("redis_latency_spike_last", Kind::Gauge, help);
    for delay in engine.latencies.delays() {
        family.sample(&[("event_name", delay.event)], delay.last_second);
    }
    let help = "How long it took then.";
    let mut family = page.family("redis_latency_spike_duration_seconds", Kind::Gauge, help);
    for delay in engine.latencies.delays() {
        family.sample(&[("event_name", delay.event)], delay.last_ms as f64 / 1e3);
    }
}
