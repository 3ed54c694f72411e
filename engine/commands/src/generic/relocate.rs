//! Values under other keys: RENAME, RENAMENX, COPY, MOVE.

use super::databases::{database, database_number};
use crate::config::EventClass;
use crate::{CommandError, CommandResult, Context};

pub(super) fn rename(context: &mut Context<'_>) -> CommandResult {
    if rename_to(context, true)? {
        context.reply.ok();
    }
    Ok(())
}

pub(super) fn renamenx(context: &mut Context<'_>) -> CommandResult {
    let renamed = rename_to(context, false)?;
    context.reply.integer(i64::from(renamed));
    Ok(())
}

/// Whether the key now has its other name.
fn rename_to(context: &mut Context<'_>, replace: bool) -> Result<bool, CommandError> {
    let (db, from, to) = (context.session.db, context.arg(1), context.arg(2));
    let engine = &mut *context.engine;
    if engine.lookup_write(db, from).is_none() {
        return Err(CommandError::NoSuchKey);
    }
    if from == to {
        return Ok(replace);
    }
    if !replace && engine.lookup_write(db, to).is_some() {
        return Ok(false);
    }
    engine.relocate((db, from), (db, to));
    engine.notify(EventClass::Generic, "rename_from", db, from);
    engine.notify(EventClass::Generic, "rename_to", db, to);
    Ok(true)
}

pub(super) fn move_key(context: &mut Context<'_>) -> CommandResult {
    if context.engine.config.cluster_enabled && context.engine.keyspace.databases() == 1 {
        return Err(CommandError::line("ERR MOVE is not allowed in cluster mode"));
    }
    let (from, key) = (context.session.db, context.arg(1));
    let to = database(context, database_number(context.arg(2))?)?;
    if from == to {
        return Err(same_object());
    }
    let engine = &mut *context.engine;
    let moves = engine.lookup_write(from, key).is_some() && engine.lookup_write(to, key).is_none();
    if moves {
        engine.relocate((from, key), (to, key));
        engine.notify(EventClass::Generic, "move_from", from, key);
        engine.notify(EventClass::Generic, "move_to", to, key);
    }
    context.reply.integer(i64::from(moves));
    Ok(())
}

#[derive(Clone, Copy)]
struct CopyOptions {
    db: usize,
    replace: bool,
}

pub(super) fn copy(context: &mut Context<'_>) -> CommandResult {
    let options = CopyOptions::parse(context)?;
    let (from_db, from, to_db, to) = (context.session.db, context.arg(1), options.db, context.arg(2));
    if from_db == to_db && from == to {
        return Err(same_object());
    }
    let engine = &mut *context.engine;
    let source = engine.lookup_read(from_db, from).map(|entry| (entry.duplicate_value(), entry.expire_at()));
    let copied = match source {
        Some((value, expire_at)) if options.replace || engine.lookup_write(to_db, to).is_none() => {
            engine.insert(to_db, to, value, expire_at);
            engine.notify(EventClass::Generic, "copy_to", to_db, to);
            true
        }
        _ => false,
    };
    context.reply.integer(i64::from(copied));
    Ok(())
}

impl CopyOptions {
    fn parse(context: &Context<'_>) -> Result<CopyOptions, CommandError> {
        let mut options = CopyOptions { db: context.session.db, replace: false };
        let mut words = context.args.skip(3).iter();
        while let Some(word) = words.next() {
            if word.eq_ignore_ascii_case(b"REPLACE") {
                options.replace = true;
            } else if word.eq_ignore_ascii_case(b"DB") {
                let number = database_number(words.next().ok_or(CommandError::Syntax)?)?;
                options.db = database(context, number)?;
            } else {
                return Err(CommandError::Syntax);
            }
        }
        Ok(options)
    }
}

fn same_object() -> CommandError {
    CommandError::line("ERR source and destination objects are the same")
}
