//! OBJECT: how a value is kept and used.

use squall_store::{Entry, StringRef};

use crate::config::EvictionPolicy;
use crate::{CommandError, CommandResult, Context, recency};

/// Redis keeps one object for each of the smallest integers, and says so by this count.
const SHARED_INTEGERS: std::ops::Range<i64> = 0..10_000;
const SHARED_REFERENCES: i64 = i32::MAX as i64;

const HELP: &[&str] = &[
    "OBJECT <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
    "ENCODING <key>",
    "    Return how the value at <key> is encoded.",
    "FREQ <key>",
    "    Return how often <key> is accessed, on a logarithmic scale.",
    "IDLETIME <key>",
    "    Return how many seconds ago <key> was last accessed.",
    "REFCOUNT <key>",
    "    Return how many references the value at <key> has.",
    "HELP",
    "    Print this help.",
];

pub(super) fn encoding(context: &mut Context<'_>) -> CommandResult {
    match lookup(context) {
        Some(entry) => {
            let name = entry.encoding();
            context.reply.bulk_str(name);
        }
        None => context.reply.null(),
    }
    Ok(())
}

pub(super) fn reference_count(context: &mut Context<'_>) -> CommandResult {
    // Under a policy that looks at single accesses, even small integers are kept apart.
    let shares = matches!(
        context.engine.config.maxmemory_policy,
        EvictionPolicy::NoEviction
            | EvictionPolicy::AllKeysRandom
            | EvictionPolicy::VolatileRandom
            | EvictionPolicy::VolatileTtl
    ) || context.engine.config.maxmemory_bytes == 0;
    match lookup(context) {
        Some(entry) => {
            let shared = shares
                && matches!(entry.string(), Some(StringRef::Int(number)) if SHARED_INTEGERS.contains(&number));
            context.reply.integer(if shared { SHARED_REFERENCES } else { 1 });
        }
        None => context.reply.null(),
    }
    Ok(())
}

pub(super) fn idle_time(context: &mut Context<'_>) -> CommandResult {
    let (now, is_lfu) = (context.engine.now, context.engine.is_lfu());
    match lookup(context) {
        Some(_) if is_lfu => Err(CommandError::line(
            "ERR An LFU maxmemory policy is selected, idle time not tracked. Please note that when switching \
             between policies at runtime LRU and LFU data will take some time to adjust.",
        )),
        Some(entry) => {
            let idle = recency::idle_seconds(entry.access(), now);
            context.reply.integer(idle as i64);
            Ok(())
        }
        None => {
            context.reply.null();
            Ok(())
        }
    }
}

pub(super) fn frequency(context: &mut Context<'_>) -> CommandResult {
    let (now, is_lfu) = (context.engine.now, context.engine.is_lfu());
    let Some(access) = lookup(context).map(|entry| entry.access()) else {
        context.reply.null();
        return Ok(());
    };
    if !is_lfu {
        return Err(CommandError::line(
            "ERR An LFU maxmemory policy is not selected, access frequency not tracked. Please note that when \
             switching between policies at runtime LRU and LFU data will take some time to adjust.",
        ));
    }
    let frequency = recency::frequency(access, &context.engine.config, now);
    context.reply.integer(i64::from(frequency));
    Ok(())
}

pub(super) fn help(context: &mut Context<'_>) -> CommandResult {
    context.reply.array(HELP.len());
    HELP.iter().for_each(|line| context.reply.simple(line));
    Ok(())
}

fn lookup<'c>(context: &'c mut Context<'_>) -> Option<&'c Entry> {
    context.engine.inspect(context.session.db, context.args.at(2))
}
