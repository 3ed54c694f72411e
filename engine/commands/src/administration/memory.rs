//! MEMORY: what keys and the server as a whole weigh.

use squall_resp::Reply;

use super::info_memory::{Figures, fraction};
use super::{PLAIN, server};
use crate::table::{Argument, Category, Command, Flag, Group, KeyFlag, KeySpec};
use crate::{CommandError, CommandResult, Context, catalog};

const SPECIAL: &[&str] = &["nondeterministic_output", "request_policy:all_shards", "response_policy:special"];

pub(super) const MEMORY: Command = Command::container("memory", SUBCOMMANDS)
    .group(Group::Server)
    .since("4.0.0")
    .summary("What the server's memory is used for.");

const SUBCOMMANDS: &[Command] = &[
    server("doctor", 2, doctor, &[]).since("4.0.0").tips(SPECIAL).summary("What the figures may mean."),
    server("help", 2, catalog::help, PLAIN).since("4.0.0").summary("Tells what MEMORY can do."),
    server("malloc-stats", 2, malloc_stats, &[])
        .since("4.0.0")
        .tips(SPECIAL)
        .summary("The allocator's own figures."),
    server("purge", 2, purge, &[])
        .since("4.0.0")
        .tips(&["request_policy:all_shards", "response_policy:all_succeeded"])
        .summary("Asks the allocator to give memory back."),
    server("stats", 2, stats, &[]).since("4.0.0").tips(SPECIAL).summary("What memory is used for."),
    server("usage", -3, usage, &[Flag::ReadOnly])
        .keys(&[KeySpec::one(2, &[KeyFlag::Ro])])
        .acl(&[Category::Read])
        .since("4.0.0")
        .complexity("O(N) where N is the number of samples.")
        .summary("How many bytes a key and its value take.")
        .arguments(&[Argument::key("key", 0), Argument::integer("count").token("SAMPLES").optional()]),
];

fn usage(context: &mut Context<'_>) -> CommandResult {
    match context.args.len() {
        3 => {}
        5 if context.arg(3).eq_ignore_ascii_case(b"samples") => {
            if context.integer(4)? < 0 {
                return Err(CommandError::Syntax);
            }
        }
        _ => return Err(CommandError::Syntax),
    }
    let entry = context.engine.inspect(context.session.db, context.arg(2));
    match entry.map(|entry| entry.memory_bytes()) {
        Some(bytes) => context.reply.integer(bytes as i64),
        None => context.reply.null(),
    }
    Ok(())
}

/// A figure of MEMORY STATS.
enum Figure {
    Count(u64),
    Share(f64),
}

fn stats(context: &mut Context<'_>) -> CommandResult {
    use Figure::{Count, Share};
    let pending = context.server.pending_bytes();
    let engine = &*context.engine;
    let environment = &engine.environment;
    let figures = Figures::of(engine);
    let (buffers, scripts) = (engine.replication_buffers, engine.scripts.figures(&engine.environment));
    let (allocated, active) = (environment.allocator_allocated_bytes, environment.allocator_active_bytes);
    let (held, resident) = (environment.allocator_resident_bytes, environment.resident_bytes);
    let beside_start = figures.used.saturating_sub(environment.startup_memory_bytes);
    let before = [
        ("peak.allocated", Count(figures.peak)),
        ("total.allocated", Count(figures.used)),
        ("startup.allocated", Count(environment.startup_memory_bytes)),
        ("replication.backlog", Count(buffers.held_bytes.min(buffers.backlog_bytes_max))),
        ("replica.fullsync.buffer", Count(0)),
        ("clients.slaves", Count(figures.replicas)),
        ("clients.normal", Count(figures.clients)),
        ("cluster.links", Count(pending.cluster_links)),
        ("aof.buffer", Count(pending.log)),
        ("lua.caches", Count((scripts.eval_vm_bytes + scripts.text_bytes) as u64)),
        ("functions.caches", Count((scripts.functions_vm_bytes + scripts.functions_text_bytes) as u64)),
        ("script.VMs", Count((scripts.eval_vm_bytes + scripts.functions_vm_bytes) as u64)),
    ];
    let databases = (0..engine.keyspace.databases()).filter(|&number| !engine.keyspace.db(number).is_empty());
    let tables: usize = databases.clone().map(|number| engine.keyspace.db(number).table_bytes()).sum();
    let after = [
        ("overhead.db.hashtable.lut", Count(tables as u64)),
        ("overhead.db.hashtable.rehashing", Count(0)),
        ("db.dict.rehashing.count", Count(0)),
        ("overhead.total", Count(figures.overhead)),
        ("keys.count", Count(figures.keys)),
        ("keys.bytes-per-key", Count(figures.dataset.checked_div(figures.keys).unwrap_or(0))),
        ("dataset.bytes", Count(figures.dataset)),
        ("dataset.percentage", Share(fraction(figures.dataset, beside_start) * 100.0)),
        ("peak.percentage", Share(fraction(figures.used, figures.peak) * 100.0)),
        ("allocator.allocated", Count(allocated)),
        ("allocator.active", Count(active)),
        ("allocator.resident", Count(held)),
        ("allocator.muzzy", Count(0)),
        ("allocator-fragmentation.ratio", Share(fraction(active, allocated))),
        ("allocator-fragmentation.bytes", Count(active.saturating_sub(allocated))),
        ("allocator-rss.ratio", Share(fraction(held, active))),
        ("allocator-rss.bytes", Count(held.saturating_sub(active))),
        ("rss-overhead.ratio", Share(fraction(resident, held))),
        ("rss-overhead.bytes", Count(resident.saturating_sub(held))),
        ("fragmentation", Share(fraction(resident, figures.used))),
        ("fragmentation.bytes", Count(resident.saturating_sub(figures.used))),
    ];
    let reply = &mut context.reply;
    reply.map(before.len() + databases.clone().count() + after.len());
    show(reply, &before);
    for number in databases {
        // An expiry time stands with its key, and has no table of its own.
        let table = Count(engine.keyspace.db(number).table_bytes() as u64);
        reply.bulk_str(&format!("db.{number}"));
        reply.map(2);
        show(reply, &[("overhead.hashtable.main", table), ("overhead.hashtable.expires", Count(0))]);
    }
    show(reply, &after);
    Ok(())
}

fn show(reply: &mut Reply<'_>, figures: &[(&str, Figure)]) {
    for (name, figure) in figures {
        reply.bulk_str(name);
        match figure {
            Figure::Count(count) => reply.integer(*count as i64),
            Figure::Share(share) => reply.double(*share),
        }
    }
}

fn doctor(context: &mut Context<'_>) -> CommandResult {
    let figures = Figures::of(context.engine);
    let resident = context.engine.environment.resident_bytes;
    let mut text = String::new();
    if figures.used > 0 && figures.peak > figures.used + figures.used / 2 {
        text.push_str("The peak was more than half above what is used now: memory may be slow to return.\n");
    }
    if resident > figures.used + figures.used / 2 && resident > 64 << 20 {
        text.push_str("The process holds half as much again as it uses: try MEMORY PURGE.\n");
    }
    if text.is_empty() {
        text.push_str("Nothing looks wrong.\n");
    }
    context.reply.verbatim("txt", &text);
    Ok(())
}

fn malloc_stats(context: &mut Context<'_>) -> CommandResult {
    let environment = &context.engine.environment;
    let text = format!(
        "allocator: {}\nallocated: {}\nactive: {}\nresident: {}\n",
        environment.allocator,
        environment.allocator_allocated_bytes,
        environment.allocator_active_bytes,
        environment.allocator_resident_bytes,
    );
    context.reply.verbatim("txt", &text);
    Ok(())
}

/// What was discarded is being freed, and the allocator gives pages back, both by themselves; nobody has to wait
/// for either.
fn purge(context: &mut Context<'_>) -> CommandResult {
    context.reply.ok();
    Ok(())
}
