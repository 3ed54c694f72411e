//! INFO's memory section, and the figures that MEMORY STATS shares with it.

use std::fmt::Write as _;

use super::info::Source;
use crate::config::Choice;
use crate::engine::Engine;

/// What the server holds, in bytes. The shell knows the allocator's view; where it says nothing (in a
/// simulated world) the keyspace's own count stands in.
pub(super) struct Figures {
    pub used: u64,
    pub peak: u64,
    pub dataset: u64,
    pub overhead: u64,
    /// What conversations take: those with clients, and those with replicas beside the stream.
    pub clients: u64,
    pub replicas: u64,
    pub keys: u64,
}

impl Figures {
    pub fn of(engine: &Engine) -> Figures {
        let dataset = engine.keyspace.memory_bytes() as u64;
        let used = engine.environment.used_memory_bytes.max(dataset);
        Figures {
            used,
            peak: engine.environment.used_memory_peak_bytes.max(used),
            dataset,
            overhead: used - dataset,
            // And the one that asks, who is not in the table.
            clients: engine.clients.memory_bytes(|session| !session.is_replica)
                + size_of::<crate::Client>() as u64,
            replicas: engine.clients.memory_bytes(|session| session.is_replica),
            keys: engine.keyspace.len() as u64,
        }
    }
}

pub(super) fn memory_section(source: &Source<'_>, text: &mut String) {
    let (environment, config) = (&source.engine.environment, &source.engine.config);
    let figures = Figures::of(source.engine);
    let resident = environment.resident_bytes;
    let allocated = environment.allocator_allocated_bytes;
    let active = environment.allocator_active_bytes;
    let allocator_resident = environment.allocator_resident_bytes;
    let mut line = |name: &str, value: &dyn std::fmt::Display| {
        let _ = write!(text, "{name}:{value}\r\n");
    };
    let sizes =
        [("used_memory", figures.used), ("used_memory_rss", resident), ("used_memory_peak", figures.peak)];
    for (name, bytes) in sizes {
        line(name, &bytes);
        line(&format!("{name}_human"), &human(bytes));
    }
    line("used_memory_peak_time", &environment.used_memory_peak_unix_seconds);
    line("used_memory_peak_perc", &percent(figures.used, figures.peak));
    line("used_memory_overhead", &figures.overhead);
    line("used_memory_startup", &environment.startup_memory_bytes);
    line("used_memory_dataset", &figures.dataset);
    line("used_memory_dataset_perc", &percent(figures.dataset, figures.used));
    line("allocator_allocated", &allocated);
    line("allocator_active", &active);
    line("allocator_resident", &allocator_resident);
    line("allocator_muzzy", &0);
    line("total_system_memory", &environment.total_system_memory_bytes);
    line("total_system_memory_human", &human(environment.total_system_memory_bytes));
    let scripts = source.engine.scripts.figures(&source.engine.environment);
    let vms = scripts.eval_vm_bytes + scripts.functions_vm_bytes;
    line("used_memory_lua", &scripts.eval_vm_bytes);
    line("used_memory_vm_eval", &scripts.eval_vm_bytes);
    line("used_memory_lua_human", &human(scripts.eval_vm_bytes as u64));
    line("used_memory_scripts_eval", &scripts.text_bytes);
    line("number_of_cached_scripts", &scripts.scripts);
    line("number_of_functions", &scripts.functions);
    line("number_of_libraries", &scripts.libraries);
    line("used_memory_vm_functions", &scripts.functions_vm_bytes);
    line("used_memory_vm_total", &vms);
    line("used_memory_vm_total_human", &human(vms as u64));
    line("used_memory_functions", &scripts.functions_text_bytes);
    line("used_memory_scripts", &(scripts.text_bytes + scripts.functions_text_bytes));
    line("used_memory_scripts_human", &human((scripts.text_bytes + scripts.functions_text_bytes) as u64));
    line("maxmemory", &config.maxmemory_bytes);
    line("maxmemory_human", &human(config.maxmemory_bytes));
    line("maxmemory_policy", &config.maxmemory_policy.name());
    line("allocator_frag_ratio", &ratio(active, allocated));
    line("allocator_frag_bytes", &active.saturating_sub(allocated));
    line("allocator_rss_ratio", &ratio(allocator_resident, active));
    line("allocator_rss_bytes", &allocator_resident.saturating_sub(active));
    line("rss_overhead_ratio", &ratio(resident, allocator_resident));
    line("rss_overhead_bytes", &resident.saturating_sub(allocator_resident));
    line("mem_fragmentation_ratio", &ratio(resident, figures.used));
    line("mem_fragmentation_bytes", &resident.saturating_sub(figures.used));
    let buffers = source.engine.replication_buffers;
    line("mem_not_counted_for_evict", &buffers.uncounted());
    line("mem_replication_backlog", &buffers.held_bytes.min(buffers.backlog_bytes_max));
    line("mem_total_replication_buffers", &buffers.held_bytes);
    // The stream comes behind the dataset, over the same link: nothing is kept aside for it.
    line("mem_replica_full_sync_buffer", &0);
    line("mem_clients_slaves", &figures.replicas);
    line("mem_clients_normal", &figures.clients);
    let pending = source.server.pending_bytes();
    line("mem_cluster_links", &pending.cluster_links);
    line("mem_aof_buffer", &pending.log);
    line("mem_allocator", &environment.allocator);
    line("mem_overhead_db_hashtable_rehashing", &0);
    line("active_defrag_running", &0);
    line("lazyfree_pending_objects", &source.engine.discarded_len());
    line("lazyfreed_objects", &source.engine.stats.freed_later);
}

/// `1.50M`.
fn human(bytes: u64) -> String {
    const UNITS: [(u64, &str); 4] = [(1 << 40, "T"), (1 << 30, "G"), (1 << 20, "M"), (1 << 10, "K")];
    match UNITS.iter().find(|(size, _)| bytes >= *size) {
        Some((size, unit)) => format!("{:.2}{unit}", bytes as f64 / *size as f64),
        None => format!("{bytes}B"),
    }
}

/// `97.50%`.
fn percent(part: u64, whole: u64) -> String {
    format!("{:.2}%", fraction(part, whole) * 100.0)
}

fn ratio(one: u64, other: u64) -> String {
    format!("{:.2}", fraction(one, other))
}

/// Zero where there is nothing to divide by.
pub(super) fn fraction(one: u64, other: u64) -> f64 {
    if other == 0 { 0.0 } else { one as f64 / other as f64 }
}
