//! Every parameter: its field, type and default, its name in redis.conf, how it is read and written, and
//! who may change it. Names and defaults are Redis 8.2's. Parameters of features that do not exist here
//! are accepted, checked, kept and shown, so that configuration files and tools work unchanged.

use super::choices::*;
use super::events::*;
use super::kinds::*;
use super::values::*;
use super::{Parameter, Trait, Traits};

/// Declares the `Config` struct, its defaults and the table of parameters from one row each:
/// `field: Type = default, "name" ("alias"), KIND, Trait Trait;`
macro_rules! parameters {
    ($( $field:ident : $type:ty = $default:expr, $name:literal $( ($alias:literal) )*, $kind:expr $(, $($trait:ident)+ )? ; )*) => {
        /// Every parameter as a typed value.
        #[derive(Clone, Debug, PartialEq)]
        pub struct Config {
            $( pub $field: $type, )*
            /// The absolute path of the file that the configuration was read from; empty: none.
            pub config_file: String,
            /// The `user` lines: each a name and its rules.
            pub users: Vec<String>,
            /// The `rename-command` lines: a command, and the name that it has instead; empty: none.
            pub renamed_commands: Vec<(String, String)>,
        }

        impl Default for Config {
            fn default() -> Config {
                Config { $( $field: $default, )* config_file: String::new(), users: Vec::new(), renamed_commands: Vec::new() }
            }
        }

        pub(super) static PARAMETERS: &[Parameter] = &[$(
            Parameter {
                name: $name,
                aliases: &[$($alias),*],
                traits: Traits::of(&[$( $(Trait::$trait),+ )?]),
                many_words: many_words::<$type, _>(&$kind),
                set: |config, words| $kind.parse_onto(&mut config.$field, words),
                show: |config| $kind.show(&config.$field),
            },
        )*];
    };
}

const fn many_words<T, K: Kind<T>>(_kind: &K) -> bool {
    K::MANY_WORDS
}

const COUNT: Integer = Integer::from(0);
const PORT: Integer = Integer::within(0, 65535);
const LONG: Integer = Integer::long_from(0);
const BYTES: Memory = Memory::from(0);
const APPEND_FILE_NAME: FileName = FileName { refusal: "appendfilename can't be a path, just a filename" };
const APPEND_DIR_NAME: FileName = FileName { refusal: "appenddirname can't be a path, just a dirname" };
const DB_FILE_NAME: FileName = FileName { refusal: "dbfilename can't be a path, just a filename" };

parameters! {
    // Network and clients.
    bind: Vec<String> = vec!["*".into(), "-::*".into()], "bind", WordList;
    bind_source_addr: String = String::new(), "bind-source-addr", Text;
    port: u16 = 6379, "port", PORT;
    protected_mode: bool = true, "protected-mode", YesNo;
    tcp_backlog: u32 = 511, "tcp-backlog", COUNT, Immutable;
    tcp_keepalive_seconds: u64 = 300, "tcp-keepalive", COUNT;
    timeout_seconds: u64 = 0, "timeout", COUNT;
    unixsocket: String = String::new(), "unixsocket", Text, Immutable;
    unixsocketperm: u32 = 0, "unixsocketperm", Octal, Immutable;
    socket_mark_id: u32 = 0, "socket-mark-id", Integer::within(0, u32::MAX as i64), Immutable;
    maxclients: u32 = 10000, "maxclients", Integer::within(1, u32::MAX as i64);
    maxmemory_clients: MemoryShare = MemoryShare::Bytes(0), "maxmemory-clients", MemoryOrPercent;
    max_new_connections_per_cycle: u32 = 10, "max-new-connections-per-cycle", Integer::within(1, 1000);
    max_new_tls_connections_per_cycle: u32 = 1, "max-new-tls-connections-per-cycle", Integer::within(1, 1000);
    client_query_buffer_bytes_max: u64 = 1 << 30, "client-query-buffer-limit", Memory::from(1 << 20);
    proto_bulk_bytes_max: u64 = 512 << 20, "proto-max-bulk-len", Memory::from(1 << 20);
    client_output_buffer_limit: OutputLimits = OutputLimits::DEFAULT, "client-output-buffer-limit", OutputLimitClasses;
    tracking_table_max_keys: u64 = 1_000_000, "tracking-table-max-keys", LONG;
    requirepass: String = String::new(), "requirepass", Text, Sensitive;

    // Process and log.
    daemonize: bool = false, "daemonize", YesNo, Immutable;
    supervised: Supervision = Supervision::No, "supervised", OneOf, Immutable;
    pidfile: String = String::new(), "pidfile", Text, Immutable;
    loglevel: LogLevelChoice = LogLevelChoice::Notice, "loglevel", OneOf;
    logfile: String = String::new(), "logfile", Text, Immutable;
    syslog_enabled: bool = false, "syslog-enabled", YesNo, Immutable;
    syslog_ident: String = "redis".into(), "syslog-ident", Text, Immutable;
    syslog_facility: SyslogFacility = SyslogFacility::Local0, "syslog-facility", OneOf, Immutable;
    hide_user_data_from_log: bool = false, "hide-user-data-from-log", YesNo;
    always_show_logo: bool = false, "always-show-logo", YesNo, Immutable;
    set_proc_title: bool = true, "set-proc-title", YesNo, Immutable;
    proc_title_template: String = "{title} {listen-addr} {server-mode}".into(), "proc-title-template", Text;
    locale_collate: String = String::new(), "locale-collate", Text;
    crash_log_enabled: bool = true, "crash-log-enabled", YesNo;
    crash_memcheck_enabled: bool = true, "crash-memcheck-enabled", YesNo;
    disable_thp: bool = true, "disable-thp", YesNo, Immutable;
    oom_score_adj: OomScoreAdjust = OomScoreAdjust::No, "oom-score-adj", OneOf;
    oom_score_adj_values: [i32; 3] = [0, 200, 800], "oom-score-adj-values", OomScores;
    ignore_warnings: String = String::new(), "ignore-warnings", Text;
    io_threads: u32 = 1, "io-threads", Integer::within(1, 128), Immutable;
    jemalloc_bg_thread: bool = true, "jemalloc-bg-thread", YesNo;
    server_cpulist: String = String::new(), "server-cpulist" ("server_cpulist"), Text, Immutable;
    bio_cpulist: String = String::new(), "bio-cpulist" ("bio_cpulist"), Text, Immutable;
    aof_rewrite_cpulist: String = String::new(), "aof-rewrite-cpulist" ("aof_rewrite_cpulist"), Text, Immutable;
    bgsave_cpulist: String = String::new(), "bgsave-cpulist" ("bgsave_cpulist"), Text, Immutable;
    shutdown_timeout_seconds: u64 = 10, "shutdown-timeout", COUNT;
    shutdown_on_sigint: ShutdownWish = ShutdownWish::default(), "shutdown-on-sigint", ShutdownWords;
    shutdown_on_sigterm: ShutdownWish = ShutdownWish::default(), "shutdown-on-sigterm", ShutdownWords;
    enable_protected_configs: Protection = Protection::No, "enable-protected-configs", OneOf, Immutable;
    enable_debug_command: Protection = Protection::No, "enable-debug-command", OneOf, Immutable;
    enable_module_command: Protection = Protection::No, "enable-module-command", OneOf, Immutable;

    // Keyspace.
    databases: u32 = 16, "databases", Integer::from(1), Immutable;
    hz: u32 = 10, "hz", COUNT.clamped(1, 500);
    dynamic_hz: bool = true, "dynamic-hz", YesNo;
    activerehashing: bool = true, "activerehashing", YesNo;
    active_expire_effort: u32 = 1, "active-expire-effort", Integer::within(1, 10);
    notify_keyspace_events: EventClasses = EventClasses::default(), "notify-keyspace-events", EventLetters;
    maxmemory_bytes: u64 = 0, "maxmemory", Memory::any();
    maxmemory_policy: EvictionPolicy = EvictionPolicy::NoEviction, "maxmemory-policy", OneOf;
    maxmemory_samples: u32 = 5, "maxmemory-samples", Integer::from(1);
    maxmemory_eviction_tenacity: u32 = 10, "maxmemory-eviction-tenacity", Integer::within(0, 100);
    lfu_log_factor: u32 = 10, "lfu-log-factor", COUNT;
    lfu_decay_time_minutes: u32 = 1, "lfu-decay-time", COUNT;
    lazyfree_lazy_eviction: bool = false, "lazyfree-lazy-eviction", YesNo;
    import_mode: bool = false, "import-mode", YesNo;
    lazyfree_lazy_expire: bool = false, "lazyfree-lazy-expire", YesNo;
    lazyfree_lazy_server_del: bool = false, "lazyfree-lazy-server-del", YesNo;
    lazyfree_lazy_user_del: bool = false, "lazyfree-lazy-user-del", YesNo;
    lazyfree_lazy_user_flush: bool = false, "lazyfree-lazy-user-flush", YesNo;
    activedefrag: bool = false, "activedefrag", YesNo;
    active_defrag_cycle_min: u32 = 1, "active-defrag-cycle-min", Integer::within(1, 99);
    active_defrag_cycle_max: u32 = 25, "active-defrag-cycle-max", Integer::within(1, 99);
    active_defrag_ignore_bytes: u64 = 100 << 20, "active-defrag-ignore-bytes", Memory::from(1);
    active_defrag_max_scan_fields: u64 = 1000, "active-defrag-max-scan-fields", Integer::long_from(1);
    active_defrag_threshold_lower: u32 = 10, "active-defrag-threshold-lower", Integer::within(0, 1000);
    active_defrag_threshold_upper: u32 = 100, "active-defrag-threshold-upper", Integer::within(0, 1000);
    hash_max_listpack_entries: u64 = 512, "hash-max-listpack-entries" ("hash-max-ziplist-entries"), LONG;
    hash_max_listpack_value_bytes: u64 = 64, "hash-max-listpack-value" ("hash-max-ziplist-value"), BYTES;
    list_max_listpack_size: i32 = -2, "list-max-listpack-size" ("list-max-ziplist-size"),
        Integer::within(i32::MIN as i64, i32::MAX as i64);
    list_compress_depth: u32 = 0, "list-compress-depth", COUNT;
    set_max_intset_entries: u64 = 512, "set-max-intset-entries", LONG;
    set_max_listpack_entries: u64 = 128, "set-max-listpack-entries", LONG;
    set_max_listpack_value_bytes: u64 = 64, "set-max-listpack-value", BYTES;
    zset_max_listpack_entries: u64 = 128, "zset-max-listpack-entries" ("zset-max-ziplist-entries"), LONG;
    zset_max_listpack_value_bytes: u64 = 64, "zset-max-listpack-value" ("zset-max-ziplist-value"), BYTES;
    hll_sparse_bytes_max: u64 = 3000, "hll-sparse-max-bytes", BYTES;
    stream_node_bytes_max: u64 = 4096, "stream-node-max-bytes", BYTES;
    stream_node_max_entries: u64 = 100, "stream-node-max-entries", LONG;
    vset_force_single_threaded_execution: bool = false, "vset-force-single-threaded-execution", YesNo;
    sanitize_dump_payload: SanitizeDump = SanitizeDump::No, "sanitize-dump-payload", OneOf;
    busy_reply_threshold_ms: u64 = 5000, "busy-reply-threshold" ("lua-time-limit"), LONG;

    // Persistence.
    dir: String = ".".into(), "dir", Text, Protected;
    dbfilename: String = "dump.rdb".into(), "dbfilename", DB_FILE_NAME, Protected;
    save: Vec<SavePoint> = DEFAULT_SAVE_POINTS.to_vec(), "save", SavePoints;
    stop_writes_on_bgsave_error: bool = true, "stop-writes-on-bgsave-error", YesNo;
    rdbcompression: bool = true, "rdbcompression", YesNo;
    rdbchecksum: bool = true, "rdbchecksum", YesNo, Immutable;
    rdb_del_sync_files: bool = false, "rdb-del-sync-files", YesNo;
    rdb_save_incremental_fsync: bool = true, "rdb-save-incremental-fsync", YesNo;
    appendonly: bool = false, "appendonly", YesNo;
    appendfilename: String = "appendonly.aof".into(), "appendfilename", APPEND_FILE_NAME, Immutable;
    appenddirname: String = "appendonlydir".into(), "appenddirname", APPEND_DIR_NAME, Immutable;
    appendfsync: AppendFsync = AppendFsync::Everysec, "appendfsync", OneOf;
    no_appendfsync_on_rewrite: bool = false, "no-appendfsync-on-rewrite", YesNo;
    auto_aof_rewrite_percentage: u32 = 100, "auto-aof-rewrite-percentage", COUNT;
    auto_aof_rewrite_min_size_bytes: u64 = 64 << 20, "auto-aof-rewrite-min-size", BYTES;
    aof_load_truncated: bool = true, "aof-load-truncated", YesNo;
    aof_load_corrupt_tail_bytes_max: u64 = 0, "aof-load-corrupt-tail-max-size", BYTES;
    aof_use_rdb_preamble: bool = true, "aof-use-rdb-preamble", YesNo;
    aof_rewrite_incremental_fsync: bool = true, "aof-rewrite-incremental-fsync", YesNo;
    aof_timestamp_enabled: bool = false, "aof-timestamp-enabled", YesNo;

    // Replication.
    replicaof: Option<(String, u16)> = None, "replicaof" ("slaveof"), PrimaryAddress, Immutable;
    masteruser: String = String::new(), "masteruser", Text, Sensitive;
    masterauth: String = String::new(), "masterauth", Text, Sensitive;
    replica_serve_stale_data: bool = true, "replica-serve-stale-data" ("slave-serve-stale-data"), YesNo;
    replica_read_only: bool = true, "replica-read-only" ("slave-read-only"), YesNo;
    replica_ignore_maxmemory: bool = true, "replica-ignore-maxmemory" ("slave-ignore-maxmemory"), YesNo;
    replica_ignore_disk_write_errors: bool = false, "replica-ignore-disk-write-errors", YesNo;
    replica_lazy_flush: bool = false, "replica-lazy-flush" ("slave-lazy-flush"), YesNo;
    replica_priority: u32 = 100, "replica-priority" ("slave-priority"), COUNT;
    replica_announced: bool = true, "replica-announced", YesNo;
    replica_announce_ip: String = String::new(), "replica-announce-ip" ("slave-announce-ip"), Text;
    replica_announce_port: u16 = 0, "replica-announce-port" ("slave-announce-port"), PORT;
    replica_full_sync_buffer_bytes_max: u64 = 0, "replica-full-sync-buffer-limit", BYTES;
    repl_ping_replica_period_seconds: u64 = 10, "repl-ping-replica-period" ("repl-ping-slave-period"), Integer::from(1);
    repl_timeout_seconds: u64 = 60, "repl-timeout", Integer::from(1);
    repl_disable_tcp_nodelay: bool = false, "repl-disable-tcp-nodelay", YesNo;
    repl_backlog_bytes_max: u64 = 1 << 20, "repl-backlog-size", Memory::from(1);
    repl_backlog_ttl_seconds: u64 = 3600, "repl-backlog-ttl", LONG;
    repl_diskless_sync: bool = true, "repl-diskless-sync", YesNo;
    repl_diskless_sync_delay_seconds: u64 = 5, "repl-diskless-sync-delay", COUNT;
    repl_diskless_sync_max_replicas: u32 = 0, "repl-diskless-sync-max-replicas", COUNT;
    replica_keep_dataset: bool = true, "replica-keep-dataset", YesNo;
    repl_diskless_load: DisklessLoad = DisklessLoad::Disabled, "repl-diskless-load", OneOf;
    min_replicas_to_write: u32 = 0, "min-replicas-to-write" ("min-slaves-to-write"), COUNT;
    min_replicas_max_lag_seconds: u64 = 10, "min-replicas-max-lag" ("min-slaves-max-lag"), COUNT;
    propagation_error_behavior: PropagationError = PropagationError::Ignore, "propagation-error-behavior", OneOf;

    // Cluster.
    cluster_enabled: bool = false, "cluster-enabled", YesNo, Immutable;
    cluster_config_file: String = "nodes.conf".into(), "cluster-config-file", Text, Immutable;
    cluster_databases: u32 = 1, "cluster-databases", Integer::from(1), Immutable;
    cluster_slot_migration_log_max: u32 = 1_000, "cluster-slot-migration-log-max-len", COUNT;
    cluster_port: u16 = 0, "cluster-port", PORT, Immutable;
    cluster_node_timeout_ms: u64 = 15000, "cluster-node-timeout", LONG;
    cluster_replica_validity_factor: u32 = 10,
        "cluster-replica-validity-factor" ("cluster-slave-validity-factor"), COUNT;
    cluster_replica_no_failover: bool = false, "cluster-replica-no-failover" ("cluster-slave-no-failover"), YesNo;
    cluster_election_delay_ms: i64 = -1, "cluster-election-delay", Integer::within(-1, 60_000);
    cluster_manual_failover_timeout_ms: u32 = 5_000, "cluster-manual-failover-timeout", Integer::from(1);
    cluster_blacklist_ttl_seconds: u64 = 60, "cluster-blacklist-ttl", LONG;
    cluster_migration_barrier: u32 = 1, "cluster-migration-barrier", COUNT;
    cluster_allow_replica_migration: bool = true, "cluster-allow-replica-migration", YesNo;
    cluster_require_full_coverage: bool = true, "cluster-require-full-coverage", YesNo;
    cluster_allow_reads_when_down: bool = false, "cluster-allow-reads-when-down", YesNo;
    cluster_allow_pubsubshard_when_down: bool = true, "cluster-allow-pubsubshard-when-down", YesNo;
    cluster_link_sendbuf_bytes_max: u64 = 0, "cluster-link-sendbuf-limit", Memory::any();
    cluster_quick_failover: bool = true, "cluster-quick-failover", YesNo;
    cluster_full_gossip_nodes_max: u32 = 32, "cluster-full-gossip-nodes-max", COUNT;
    cluster_announce_ip: String = String::new(), "cluster-announce-ip", Text;
    cluster_announce_port: u16 = 0, "cluster-announce-port", PORT;
    cluster_announce_tls_port: u16 = 0, "cluster-announce-tls-port", PORT;
    cluster_announce_bus_port: u16 = 0, "cluster-announce-bus-port", PORT;
    cluster_announce_hostname: String = String::new(), "cluster-announce-hostname", Text;
    cluster_announce_human_nodename: String = String::new(), "cluster-announce-human-nodename", Text;
    cluster_preferred_endpoint_type: PreferredEndpoint = PreferredEndpoint::Ip,
        "cluster-preferred-endpoint-type", OneOf;
    cluster_compatibility_sample_ratio: u32 = 0, "cluster-compatibility-sample-ratio", Integer::within(0, 100);
    cluster_slot_stats_enabled: bool = false, "cluster-slot-stats-enabled", YesNo;

    // Access control.
    aclfile: String = String::new(), "aclfile", Text, Immutable;
    acllog_max_len: u64 = 128, "acllog-max-len", LONG;
    acl_pubsub_default: PubSubDefault = PubSubDefault::ResetChannels, "acl-pubsub-default", OneOf;

    // Latency and slow commands.
    slowlog_log_slower_than_us: i64 = 10000, "slowlog-log-slower-than" ("commandlog-execution-slower-than"),
        Integer::long_from(-1);
    slowlog_max_len: u64 = 128, "slowlog-max-len" ("commandlog-slow-execution-max-len"), LONG;
    commandlog_request_larger_than_bytes: i64 = 1 << 20, "commandlog-request-larger-than", Integer::long_from(-1);
    commandlog_large_request_max_len: u64 = 128, "commandlog-large-request-max-len", LONG;
    commandlog_reply_larger_than_bytes: i64 = 1 << 20, "commandlog-reply-larger-than", Integer::long_from(-1);
    commandlog_large_reply_max_len: u64 = 128, "commandlog-large-reply-max-len", LONG;
    latency_monitor_threshold_ms: u64 = 0, "latency-monitor-threshold", LONG;
    latency_tracking: bool = true, "latency-tracking", YesNo;
    latency_tracking_info_percentiles: Vec<f64> = vec![50.0, 99.0, 99.9],
        "latency-tracking-info-percentiles", Percentiles;

    // The page for Prometheus: on this machine, unless other addresses are given.
    metrics_port: u16 = 0, "metrics-port", PORT;
    metrics_bind: Vec<String> = vec!["127.0.0.1".into(), "-::1".into()], "metrics-bind", WordList;

    // TLS.
    tls_port: u16 = 0, "tls-port", PORT;
    tls_cert_file: String = String::new(), "tls-cert-file", Text;
    tls_key_file: String = String::new(), "tls-key-file", Text;
    tls_key_file_pass: String = String::new(), "tls-key-file-pass", Text, Sensitive;
    tls_client_cert_file: String = String::new(), "tls-client-cert-file", Text;
    tls_client_key_file: String = String::new(), "tls-client-key-file", Text;
    tls_client_key_file_pass: String = String::new(), "tls-client-key-file-pass", Text, Sensitive;
    tls_dh_params_file: String = String::new(), "tls-dh-params-file", Text;
    tls_ca_cert_file: String = String::new(), "tls-ca-cert-file", Text;
    tls_ca_cert_dir: String = String::new(), "tls-ca-cert-dir", Text;
    tls_auth_clients: TlsAuthClients = TlsAuthClients::Yes, "tls-auth-clients", OneOf;
    tls_replication: bool = false, "tls-replication", YesNo;
    tls_cluster: bool = false, "tls-cluster", YesNo;
    tls_protocols: String = String::new(), "tls-protocols", Text;
    tls_ciphers: String = String::new(), "tls-ciphers", Text;
    tls_ciphersuites: String = String::new(), "tls-ciphersuites", Text;
    tls_prefer_server_ciphers: bool = false, "tls-prefer-server-ciphers", YesNo;
    tls_session_caching: bool = true, "tls-session-caching", YesNo;
    tls_session_cache_size: u32 = 20480, "tls-session-cache-size", COUNT;
    tls_session_cache_timeout_seconds: u64 = 300, "tls-session-cache-timeout", COUNT;
}

const DEFAULT_SAVE_POINTS: [SavePoint; 3] = [
    SavePoint { seconds: 3600, changes: 1 },
    SavePoint { seconds: 300, changes: 100 },
    SavePoint { seconds: 60, changes: 10000 },
];
