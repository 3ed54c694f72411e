//! Fields by their names: HSET, HGET, HDEL and what resembles them; and all of them: HGETALL.

use squall_store::Hash;

use super::reply_item;
use crate::config::EventClass;
use crate::{CommandError, CommandResult, Context};

pub(super) fn hset(context: &mut Context<'_>) -> CommandResult {
    let (db, key, pairs) = (context.session.db, context.arg(1), context.args.skip(2));
    if !pairs.len().is_multiple_of(2) {
        return Err(CommandError::Arity { command: "hset".into() });
    }
    let added = context.engine.edit_or_create(db, key, |hash: &mut Hash, limits| {
        (0..pairs.len()).step_by(2).filter(|&at| hash.set(pairs.at(at), pairs.at(at + 1), limits)).count()
    })?;
    context.engine.wrote(db, key, pairs.len() as u64 / 2, EventClass::Hash, "hset");
    context.reply.integer(added as i64);
    Ok(())
}

pub(super) fn hget(context: &mut Context<'_>) -> CommandResult {
    let (db, key, field) = (context.session.db, context.arg(1), context.arg(2));
    match context.engine.read::<Hash>(db, key)?.and_then(|hash| hash.get(field)) {
        Some(value) => reply_item(&mut context.reply, value),
        None => context.reply.null(),
    }
    Ok(())
}

pub(super) fn hdel(context: &mut Context<'_>) -> CommandResult {
    let (db, key, fields) = (context.session.db, context.arg(1), context.args.skip(2));
    let removed = context
        .engine
        .edit(db, key, |hash: &mut Hash, _| fields.iter().filter(|field| hash.remove(field)).count())?
        .unwrap_or(0);
    context.engine.wrote(db, key, removed as u64, EventClass::Hash, "hdel");
    context.reply.integer(removed as i64);
    Ok(())
}

pub(super) fn hlen(context: &mut Context<'_>) -> CommandResult {
    let len = context.engine.read::<Hash>(context.session.db, context.args.at(1))?.map_or(0, Hash::len);
    context.reply.integer(len as i64);
    Ok(())
}

pub(super) fn hgetall(context: &mut Context<'_>) -> CommandResult {
    let Some(hash) = context.engine.read::<Hash>(context.session.db, context.args.at(1))? else {
        context.reply.map(0);
        return Ok(());
    };
    context.reply.map(hash.len());
    for (field, value) in hash.iter() {
        reply_item(&mut context.reply, field);
        reply_item(&mut context.reply, value);
    }
    Ok(())
}
