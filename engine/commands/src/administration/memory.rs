//! MEMORY: what keys and the server as a whole weigh.

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

fn stats(context: &mut Context<'_>) -> CommandResult {
    let engine = &*context.engine;
    let environment = &engine.environment;
    let figures = Figures::of(engine);
    let counts = [
        ("peak.allocated", figures.peak),
        ("total.allocated", figures.used),
        ("startup.allocated", 0),
        ("replication.backlog", 0),
        ("clients.slaves", 0),
        ("clients.normal", figures.clients),
        ("cluster.links", 0),
        ("aof.buffer", 0),
        ("lua.caches", 0),
        ("functions.caches", 0),
        ("overhead.total", figures.overhead),
        ("keys.count", figures.keys),
        ("keys.bytes-per-key", figures.dataset.checked_div(figures.keys).unwrap_or(0)),
        ("dataset.bytes", figures.dataset),
        ("allocator.allocated", environment.allocator_allocated_bytes),
        ("allocator.active", environment.allocator_active_bytes),
        ("allocator.resident", environment.allocator_resident_bytes),
        ("fragmentation.bytes", environment.resident_bytes.saturating_sub(figures.used)),
    ];
    let shares = [
        ("dataset.percentage", fraction(figures.dataset, figures.used) * 100.0),
        ("peak.percentage", fraction(figures.used, figures.peak) * 100.0),
        ("fragmentation", fraction(environment.resident_bytes, figures.used)),
    ];
    let reply = &mut context.reply;
    reply.map(counts.len() + shares.len());
    for (name, count) in counts {
        reply.bulk_str(name);
        reply.integer(count as i64);
    }
    for (name, share) in shares {
        reply.bulk_str(name);
        reply.double(share);
    }
    Ok(())
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

/// What was discarded is freed at once; the allocator gives pages back by itself.
fn purge(context: &mut Context<'_>) -> CommandResult {
    while !context.engine.free_step(usize::MAX) {}
    context.reply.ok();
    Ok(())
}
