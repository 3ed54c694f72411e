//! All fields of a hash: HLEN, HGETALL, HKEYS, HVALS.

use squall_store::Hash;

use super::reply_item;
use crate::{CommandResult, Context};

/// Fields that have expired and are not removed yet are counted, as Redis does.
pub(super) fn hlen(context: &mut Context<'_>) -> CommandResult {
    let len = context.engine.read::<Hash>(context.session.db, context.args.at(1))?.map_or(0, Hash::len);
    context.reply.integer(len as i64);
    Ok(())
}

pub(super) fn hgetall(context: &mut Context<'_>) -> CommandResult {
    let Some(hash) = context.engine.read_hash(context.session.db, context.args.at(1))? else {
        context.reply.map(0);
        return Ok(());
    };
    let (reply, mut len) = (&mut context.reply, 0);
    let mark = reply.deferred_map();
    for (field, value) in hash.iter() {
        reply_item(reply, field);
        reply_item(reply, value);
        len += 1;
    }
    reply.set_length(mark, len);
    Ok(())
}

pub(super) fn hkeys(context: &mut Context<'_>) -> CommandResult {
    reply_half(context, true)
}

pub(super) fn hvals(context: &mut Context<'_>) -> CommandResult {
    reply_half(context, false)
}

fn reply_half(context: &mut Context<'_>, fields: bool) -> CommandResult {
    let Some(hash) = context.engine.read_hash(context.session.db, context.args.at(1))? else {
        context.reply.array(0);
        return Ok(());
    };
    let (reply, mut len) = (&mut context.reply, 0);
    let mark = reply.deferred_array();
    for (field, value) in hash.iter() {
        reply_item(reply, if fields { field } else { value });
        len += 1;
    }
    reply.set_length(mark, len);
    Ok(())
}
