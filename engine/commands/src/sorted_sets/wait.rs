//! Waiting for members: BZPOPMIN, BZPOPMAX, BZMPOP.

use squall_clock::Mono;
use squall_resp::Args;
use squall_store::Kind;

use super::pop::{Extreme, parse_zmpop, reply_popped_from};
use crate::blocking::Wish;
use crate::{CommandResult, Context};

pub(super) fn bzpopmin(context: &mut Context<'_>) -> CommandResult {
    pop_one(context, Extreme::Least)
}

pub(super) fn bzpopmax(context: &mut Context<'_>) -> CommandResult {
    pop_one(context, Extreme::Greatest)
}

/// BZMPOP timeout numkeys key [key ...] MIN | MAX [COUNT count]
pub(super) fn bzmpop(context: &mut Context<'_>) -> CommandResult {
    let deadline = context.deadline_from_seconds(context.arg(1))?;
    let (keys, extreme, count) = parse_zmpop(context.args, 2)?;
    for key in keys {
        if let Some(popped) = context.engine.pop_members(context.session.db, key, extreme, count)? {
            context.engine.propagate_pop(key, extreme, Some(popped.len()));
            reply_popped_from(context, key, &popped);
            return Ok(());
        }
    }
    wait(context, keys, deadline);
    Ok(())
}

/// BZPOPMIN key [key ...] timeout
fn pop_one(context: &mut Context<'_>, extreme: Extreme) -> CommandResult {
    let last = context.args.len() - 1;
    let deadline = context.deadline_from_seconds(context.arg(last))?;
    let keys = context.args.first(last).skip(1);
    for key in keys {
        let popped = context.engine.pop_members(context.session.db, key, extreme, 1)?;
        if let Some([(member, score)]) = popped.as_deref() {
            context.engine.propagate_pop(key, extreme, None);
            context.reply.array(3);
            context.reply.bulk(key);
            context.reply.bulk(member);
            context.reply.double(*score);
            return Ok(());
        }
    }
    wait(context, keys, deadline);
    Ok(())
}

fn wait(context: &mut Context<'_>, keys: Args<'_>, deadline: Option<Mono>) {
    let wish = Wish { kind: Kind::ZSet, needs_key: false, deadline };
    if !context.wait_for(keys.iter(), wish) {
        context.reply.null_array();
    }
}
