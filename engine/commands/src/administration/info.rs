//! INFO: the state of the server as lines of text, in sections. The statistics and memory sections are in
//! `info_stats.rs` and `info_memory.rs`; persistence and replication are told by the node.

use std::fmt::Write as _;

use super::{info_memory, info_stats, server};
use crate::config::{Choice, Config};
use crate::engine::Engine;
use crate::server::Server;
use crate::table::{Argument, Category, Command, Flag};
use crate::{CommandResult, Context, REDIS_VERSION, SQUALL_VERSION};

pub(super) const INFO: Command = server("info", -1, info, &[Flag::Loading, Flag::Stale])
    .acl(&[Category::Dangerous])
    .tips(&["nondeterministic_output", "request_policy:all_shards", "response_policy:special"])
    .summary("The state of the server, in sections.")
    .history(&[("7.0.0", "Takes several sections.")])
    .arguments(&[Argument::string("section").multiple().optional()]);

/// What the sections draw from.
pub(super) struct Source<'a> {
    pub engine: &'a Engine,
    pub server: &'a dyn Server,
}

/// A section: how it is asked for, its heading, whether INFO without arguments shows it, its lines.
struct Section {
    name: &'static str,
    heading: &'static str,
    by_default: bool,
    write: fn(&Source<'_>, &mut String),
}

const fn section(
    name: &'static str,
    heading: &'static str,
    by_default: bool,
    write: fn(&Source<'_>, &mut String),
) -> Section {
    Section { name, heading, by_default, write }
}

const SECTIONS: &[Section] = &[
    section("server", "Server", true, server_section),
    section("clients", "Clients", true, clients_section),
    section("memory", "Memory", true, info_memory::memory_section),
    section("persistence", "Persistence", true, |source, text| {
        source.server.info(source.engine, "persistence", text);
    }),
    section("threads", "Threads", true, |_, text| {
        text.push_str("io_thread_0:clients=0,reads=0,writes=0\r\n")
    }),
    section("stats", "Stats", true, info_stats::stats_section),
    section("replication", "Replication", true, |source, text| {
        source.server.info(source.engine, "replication", text);
    }),
    section("cpu", "CPU", true, cpu_section),
    section("modules", "Modules", true, |_, _| {}),
    section("commandstats", "Commandstats", false, info_stats::command_section),
    section("errorstats", "Errorstats", true, info_stats::error_section),
    section("latencystats", "Latencystats", false, info_stats::latency_section),
    section("cluster", "Cluster", true, |source, text| {
        let enabled = u8::from(source.engine.config.cluster_enabled);
        let _ = write!(text, "cluster_enabled:{enabled}\r\n");
    }),
    section("keyspace", "Keyspace", true, keyspace_section),
];

/// The text of all sections.
pub fn everything(engine: &Engine, server: &dyn Server) -> String {
    let source = Source { engine, server };
    SECTIONS.iter().fold(String::new(), |mut text, section| {
        (section.write)(&source, &mut text);
        text
    })
}

fn info(context: &mut Context<'_>) -> CommandResult {
    let wanted: Vec<Vec<u8>> = context.args.iter().skip(1).map(<[u8]>::to_ascii_lowercase).collect();
    let named = |name: &str| wanted.iter().any(|word| word == name.as_bytes());
    let every = named("all") || named("everything");
    let defaults = wanted.is_empty() || named("default");
    let source = Source { engine: context.engine, server: context.server };
    let mut text = String::new();
    for section in SECTIONS {
        if every || named(section.name) || defaults && section.by_default {
            if !text.is_empty() {
                text.push_str("\r\n");
            }
            let _ = write!(text, "# {}\r\n", section.heading);
            (section.write)(&source, &mut text);
        }
    }
    context.reply.verbatim("txt", &text);
    Ok(())
}

fn server_section(source: &Source<'_>, text: &mut String) {
    let engine = source.engine;
    let (config, environment) = (&engine.config, &engine.environment);
    let uptime = engine.now.mono.since(engine.started.mono).as_secs();
    let mode = if config.cluster_enabled { "cluster" } else { "standalone" };
    let _ = write!(
        text,
        "redis_version:{REDIS_VERSION}\r\nsquall_version:{SQUALL_VERSION}\r\nredis_git_sha1:00000000\r\n\
         redis_git_dirty:0\r\nredis_build_id:0\r\nredis_mode:{mode}\r\nos:{}\r\narch_bits:{}\r\n\
         monotonic_clock:POSIX clock_gettime\r\nmultiplexing_api:{}\r\natomicvar_api:c11-builtin\r\n\
         gcc_version:0.0.0\r\nprocess_id:{}\r\nprocess_supervised:{}\r\nrun_id:{}\r\ntcp_port:{}\r\n\
         server_time_usec:{}\r\nuptime_in_seconds:{uptime}\r\nuptime_in_days:{}\r\nhz:{}\r\nconfigured_hz:{}\r\n\
         lru_clock:{}\r\nexecutable:{}\r\nconfig_file:{}\r\nio_threads_active:0\r\n",
        environment.os,
        usize::BITS,
        environment.multiplexing_api,
        environment.process_id,
        config.supervised.name(),
        engine.run_id,
        if config.port == 0 { config.tls_port } else { config.port },
        engine.now.unix_us,
        uptime / 86_400,
        config.hz,
        config.hz,
        crate::recency::lru_clock(engine.now) & 0xff_ffff,
        environment.executable,
        config.config_file,
    );
    listeners(config, text);
}

/// What is listened on, a line for each sort of connection.
fn listeners(config: &Config, text: &mut String) {
    let addresses: String = config.bind.iter().map(|address| format!(",bind={address}")).collect();
    let mut sorts: Vec<String> = Vec::new();
    if config.port != 0 {
        sorts.push(format!("name=tcp{addresses},port={}", config.port));
    }
    if !config.unixsocket.is_empty() {
        sorts.push(format!("name=unix,bind={}", config.unixsocket));
    }
    if config.tls_port != 0 {
        sorts.push(format!("name=tls{addresses},port={}", config.tls_port));
    }
    for (index, sort) in sorts.iter().enumerate() {
        let _ = write!(text, "listener{index}:{sort}\r\n");
    }
}

fn clients_section(source: &Source<'_>, text: &mut String) {
    let engine = source.engine;
    let sessions = || engine.clients.iter().map(|client| &client.session);
    let replicas = sessions().filter(|session| session.is_replica && !session.is_monitor).count();
    let blocked = sessions().filter(|session| session.blocked.is_some()).count();
    let tracking = engine.tracking.clients();
    let (watching, watched_keys) = engine.watches.counts();
    let (keys_waited_for, keys_needed, with_deadline) = engine.waiting.counts();
    let _ = write!(
        text,
        "connected_clients:{}\r\nmaxclients:{}\r\nclient_recent_max_input_buffer:{}\r\n\
         client_recent_max_output_buffer:{}\r\nblocked_clients:{blocked}\r\ntracking_clients:{tracking}\r\n\
         pubsub_clients:{}\r\nwatching_clients:{watching}\r\nclients_in_timeout_table:{with_deadline}\r\n\
         total_watched_keys:{watched_keys}\r\ntotal_blocking_keys:{keys_waited_for}\r\ntotal_blocking_keys_on_nokey:{keys_needed}\r\n",
        engine.clients.len().saturating_sub(replicas),
        engine.config.maxclients,
        sessions().map(|session| session.pending_input_bytes).max().unwrap_or(0),
        engine.clients.iter().map(|client| client.output.len()).max().unwrap_or(0),
        engine.subscriptions.clients(),
    );
    source.server.info(engine, "clients", text);
}

fn cpu_section(source: &Source<'_>, text: &mut String) {
    let environment = &source.engine.environment;
    let seconds = |us: u64| format!("{}.{:06}", us / 1_000_000, us % 1_000_000);
    let (system, user) = (seconds(environment.cpu_system_us), seconds(environment.cpu_user_us));
    let _ = write!(
        text,
        "used_cpu_sys:{system}\r\nused_cpu_user:{user}\r\nused_cpu_sys_children:0.000000\r\n\
         used_cpu_user_children:0.000000\r\nused_cpu_sys_main_thread:{system}\r\n\
         used_cpu_user_main_thread:{user}\r\n",
    );
}

fn keyspace_section(source: &Source<'_>, text: &mut String) {
    let keyspace = &source.engine.keyspace;
    let now = source.engine.now.unix_ms();
    for number in 0..keyspace.databases() {
        let db = keyspace.db(number);
        if !db.is_empty() {
            let (keys, expires, ttl) = (db.len(), db.volatile_len(), db.average_ttl_ms(now));
            let hashes = db.expiring_hashes_len();
            let line =
                format!("db{number}:keys={keys},expires={expires},avg_ttl={ttl},subexpiry={hashes}\r\n");
            text.push_str(&line);
        }
    }
}
