//! Fields by their names: HSET, HMSET, HSETNX, HGET, HMGET, HEXISTS, HSTRLEN, HDEL.

use squall_resp::Args;

use super::reply_item;
use crate::config::EventClass;
use crate::{CommandError, CommandResult, Context};

pub(super) fn hset(context: &mut Context<'_>) -> CommandResult {
    let added = set_pairs(context, "hset")?;
    context.reply.integer(added as i64);
    Ok(())
}

pub(super) fn hmset(context: &mut Context<'_>) -> CommandResult {
    set_pairs(context, "hmset")?;
    context.reply.ok();
    Ok(())
}

/// Sets the fields that a command names; how many were not there before.
fn set_pairs(context: &mut Context<'_>, command: &str) -> Result<usize, CommandError> {
    let (db, key, pairs) = (context.session.db, context.arg(1), context.args.skip(2));
    if !pairs.len().is_multiple_of(2) {
        return Err(CommandError::Arity { command: command.into() });
    }
    let added = context.engine.edit_or_create_hash(db, key, |hash, limits| {
        (0..pairs.len()).step_by(2).filter(|&at| hash.set(pairs.at(at), pairs.at(at + 1), limits)).count()
    })?;
    context.engine.wrote(db, key, pairs.len() as u64 / 2, EventClass::Hash, "hset");
    Ok(added)
}

pub(super) fn hsetnx(context: &mut Context<'_>) -> CommandResult {
    let (db, key, field, value) = (context.session.db, context.arg(1), context.arg(2), context.arg(3));
    let added = context.engine.edit_or_create_hash(db, key, |hash, limits| {
        !hash.contains(field) && hash.set(field, value, limits)
    })?;
    context.engine.wrote(db, key, u64::from(added), EventClass::Hash, "hset");
    context.reply.integer(i64::from(added));
    Ok(())
}

pub(super) fn hget(context: &mut Context<'_>) -> CommandResult {
    let field = context.arg(2);
    let hash = context.engine.read_hash(context.session.db, context.args.at(1))?;
    match hash.and_then(|hash| hash.get(field)) {
        Some(value) => reply_item(&mut context.reply, value),
        None => context.reply.null(),
    }
    Ok(())
}

pub(super) fn hmget(context: &mut Context<'_>) -> CommandResult {
    reply_values(context, context.args.at(1), context.args.skip(2))
}

/// Replies with the values of these fields, null where there is none.
pub(super) fn reply_values(context: &mut Context<'_>, key: &[u8], fields: Args<'_>) -> CommandResult {
    let hash = context.engine.read_hash(context.session.db, key)?;
    context.reply.array(fields.len());
    for field in fields {
        match hash.and_then(|hash| hash.get(field)) {
            Some(value) => reply_item(&mut context.reply, value),
            None => context.reply.null(),
        }
    }
    Ok(())
}

pub(super) fn hexists(context: &mut Context<'_>) -> CommandResult {
    let field = context.arg(2);
    let hash = context.engine.read_hash(context.session.db, context.args.at(1))?;
    let exists = hash.is_some_and(|hash| hash.get(field).is_some());
    context.reply.integer(i64::from(exists));
    Ok(())
}

pub(super) fn hstrlen(context: &mut Context<'_>) -> CommandResult {
    let field = context.arg(2);
    let hash = context.engine.read_hash(context.session.db, context.args.at(1))?;
    let len = hash.and_then(|hash| hash.get(field)).map_or(0, |value| value.text_len());
    context.reply.integer(len as i64);
    Ok(())
}

pub(super) fn hdel(context: &mut Context<'_>) -> CommandResult {
    let (db, key, fields) = (context.session.db, context.arg(1), context.args.skip(2));
    let removed = context
        .engine
        .edit_hash(db, key, |hash, _| fields.iter().filter(|field| hash.remove(field)).count())?
        .unwrap_or(0);
    context.engine.wrote(db, key, removed as u64, EventClass::Hash, "hdel");
    context.reply.integer(removed as i64);
    Ok(())
}
