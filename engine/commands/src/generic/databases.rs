//! Whole databases: SELECT, SWAPDB, FLUSHDB, FLUSHALL.

use squall_resp::Args;
use squall_store::parse_i64;

use crate::{CommandError, CommandResult, Context};

pub(super) fn select(context: &mut Context<'_>) -> CommandResult {
    let number = database_number(context.arg(1))?;
    let has_one = context.engine.config.cluster_enabled && context.engine.keyspace.databases() == 1;
    if has_one && number != 0 {
        return Err(CommandError::line("ERR SELECT is not allowed in cluster mode"));
    }
    context.session.db = database(context, number)?;
    context.reply.ok();
    Ok(())
}

pub(super) fn swapdb(context: &mut Context<'_>) -> CommandResult {
    if context.engine.config.cluster_enabled {
        return Err(CommandError::line("ERR SWAPDB is not allowed in cluster mode"));
    }
    let number = |text, which| match database_number(text) {
        Ok(number) => Ok(number),
        Err(_) => Err(CommandError::line(format!("ERR invalid {which} DB index"))),
    };
    let (one, other) = (number(context.arg(1), "first")?, number(context.arg(2), "second")?);
    let (one, other) = (database(context, one)?, database(context, other)?);
    // Those who watch a key see it change when either side of the swap has it.
    let engine = &mut *context.engine;
    for db in [one, other] {
        engine.touched_where(db, |keyspace, key| {
            keyspace.db(one).contains(key) || keyspace.db(other).contains(key)
        });
    }
    engine.keyspace.swap(one, other);
    engine.invalidate_everything();
    engine.dirty += 1;
    context.reply.ok();
    Ok(())
}

pub(super) fn flushdb(context: &mut Context<'_>) -> CommandResult {
    check_flush_options(context)?;
    let db = context.session.db;
    flush(context, db..db + 1);
    Ok(())
}

pub(super) fn flushall(context: &mut Context<'_>) -> CommandResult {
    check_flush_options(context)?;
    let databases = context.engine.keyspace.databases();
    flush(context, 0..databases);
    Ok(())
}

fn flush(context: &mut Context<'_>, databases: std::ops::Range<usize>) {
    let engine = &mut *context.engine;
    for db in databases {
        engine.dirty += engine.keyspace.db(db).len() as u64;
        engine.touched_where(db, |keyspace, key| keyspace.db(db).contains(key));
        engine.discard(db);
    }
    engine.invalidate_everything();
    // Propagated even where nothing was there: a replica may hold what its primary has forgotten.
    let words: Vec<&[u8]> = context.args.iter().collect();
    engine.propagation.replace(&words);
    context.reply.ok();
}

/// `ASYNC` and `SYNC` are accepted and change nothing: freeing is always spread over later turns.
fn check_flush_options(context: &Context<'_>) -> CommandResult {
    match is_flush_mode(context.args.skip(1)) {
        true => Ok(()),
        false => Err(CommandError::Syntax),
    }
}

/// Whether this is all that may be said of how to flush: nothing, `ASYNC` or `SYNC`.
pub(crate) fn is_flush_mode(words: Args<'_>) -> bool {
    let known = |word: &[u8]| word.eq_ignore_ascii_case(b"ASYNC") || word.eq_ignore_ascii_case(b"SYNC");
    words.len() <= 1 && words.iter().all(known)
}

/// The number of a database as a client writes it, which need not exist.
pub(super) fn database_number(text: &[u8]) -> Result<i32, CommandError> {
    let number = parse_i64(text).ok_or(CommandError::NotAnInteger)?;
    i32::try_from(number).map_err(|_| {
        CommandError::line("ERR value is out of range, value must between -2147483648 and 2147483647")
    })
}

/// The database of that number, which must exist.
pub(super) fn database(context: &Context<'_>, number: i32) -> Result<usize, CommandError> {
    usize::try_from(number)
        .ok()
        .filter(|db| *db < context.engine.keyspace.databases())
        .ok_or_else(|| CommandError::line("ERR DB index is out of range"))
}
