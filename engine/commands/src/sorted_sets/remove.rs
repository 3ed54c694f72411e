//! ZREM, and the removal of ranges.

use squall_store::ZSet;

use super::bounds::{Bounds, By};
use crate::config::EventClass;
use crate::{CommandResult, Context};

pub(super) fn zrem(context: &mut Context<'_>) -> CommandResult {
    let (db, key, members) = (context.session.db, context.arg(1), context.args.skip(2));
    let removed = context.engine.edit(db, key, |zset: &mut ZSet, _| {
        members.iter().filter(|member| zset.remove(member).is_some()).count()
    })?;
    let removed = removed.unwrap_or(0);
    context.engine.wrote(db, key, removed as u64, EventClass::ZSet, "zrem");
    context.reply.integer(removed as i64);
    Ok(())
}

pub(super) fn zremrangebyrank(context: &mut Context<'_>) -> CommandResult {
    remove_range(context, By::Rank, "zremrangebyrank")
}

pub(super) fn zremrangebyscore(context: &mut Context<'_>) -> CommandResult {
    remove_range(context, By::Score, "zremrangebyscore")
}

pub(super) fn zremrangebylex(context: &mut Context<'_>) -> CommandResult {
    remove_range(context, By::Text, "zremrangebylex")
}

fn remove_range(context: &mut Context<'_>, by: By, event: &str) -> CommandResult {
    let bounds = Bounds::parse(by, context.arg(2), context.arg(3))?;
    let (db, key) = (context.session.db, context.arg(1));
    let removed = context.engine.edit(db, key, |zset: &mut ZSet, _| {
        let ranks = bounds.ranks(zset, false);
        zset.remove_range(ranks.clone());
        ranks.len()
    })?;
    let removed = removed.unwrap_or(0);
    context.engine.wrote(db, key, removed as u64, EventClass::ZSet, event);
    context.reply.integer(removed as i64);
    Ok(())
}
