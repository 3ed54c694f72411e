//! Parts of a list by their indexes: LRANGE, LTRIM.

use squall_store::List;

use super::{range_of, reply_item};
use crate::config::EventClass;
use crate::{CommandResult, Context};

pub(super) fn lrange(context: &mut Context<'_>) -> CommandResult {
    let (start, stop) = (context.integer(2)?, context.integer(3)?);
    let Some(list) = context.engine.read::<List>(context.session.db, context.args.at(1))? else {
        context.reply.array(0);
        return Ok(());
    };
    let (first, count) = range_of(start, stop, list.len());
    context.reply.array(count);
    list.iter_from(first).take(count).for_each(|item| reply_item(&mut context.reply, item));
    Ok(())
}

pub(super) fn ltrim(context: &mut Context<'_>) -> CommandResult {
    let (start, stop) = (context.integer(2)?, context.integer(3)?);
    let (db, key) = (context.session.db, context.arg(1));
    let removed = context.engine.edit(db, key, |list: &mut List, limits| {
        let before = list.len();
        let (first, count) = range_of(start, stop, before);
        list.remove_range(first + count, before, limits);
        list.remove_range(0, first, limits);
        before - list.len()
    })?;
    match removed {
        // Asked to keep all, it is done nevertheless.
        Some(0) => context.engine.notify(EventClass::List, "ltrim", db, key),
        Some(removed) => context.engine.wrote(db, key, removed as u64, EventClass::List, "ltrim"),
        None => {}
    }
    context.reply.ok();
    Ok(())
}
