//! Popping what may not be there yet: BLPOP, BRPOP, BLMPOP, BLMOVE, BRPOPLPUSH, BZPOPMIN, BZPOPMAX, BZMPOP. Each does
//! what its cousin that does not wait does, for the first of its keys that has something, and propagates the same.

use squall_clock::Mono;
use squall_resp::{Args, OwnedArgs};
use squall_store::{End, Kind, List};

use super::Wish;
use crate::collections::{parse_multiple_pop, reply_item};
use crate::config::EventClass;
use crate::lists::{end_named, pop_event, pop_name};
use crate::sorted_sets::pop::Extreme;
use crate::{CommandResult, Context};

pub(super) fn blpop(context: &mut Context<'_>) -> CommandResult {
    pop_first(context, End::Head)
}

pub(super) fn brpop(context: &mut Context<'_>) -> CommandResult {
    pop_first(context, End::Tail)
}

fn pop_first(context: &mut Context<'_>, end: End) -> CommandResult {
    let (keys, deadline) = keys_and_deadline(context)?;
    let db = context.session.db;
    for key in keys {
        let reply = &mut context.reply;
        let popped = context.engine.edit(db, key, |list: &mut List, limits| {
            reply.array(2);
            reply.bulk(key);
            reply_item(reply, list.end(end).expect("no list is empty"));
            list.drop_end(end, 1, limits);
        })?;
        if popped.is_some() {
            context.engine.wrote(db, key, 1, EventClass::List, pop_event(end));
            context.engine.propagation.replace(&[pop_name(end), key]);
            return Ok(());
        }
    }
    wait(context, keys.iter(), Kind::List, deadline);
    Ok(())
}

/// BLMPOP timeout numkeys key [key ...] LEFT | RIGHT [COUNT count]
pub(super) fn blmpop(context: &mut Context<'_>) -> CommandResult {
    let (keys, end, count) = parse_multiple_pop(context.args, 2, end_named)?;
    let deadline = context.deadline_from_seconds(context.arg(1))?;
    if !context.pop_from_first(keys, end, count)? {
        wait(context, keys.iter(), Kind::List, deadline);
    }
    Ok(())
}

pub(super) fn blmove(context: &mut Context<'_>) -> CommandResult {
    let (from, to) = (end_named(context.arg(3))?, end_named(context.arg(4))?);
    let deadline = context.deadline_from_seconds(context.arg(5))?;
    move_or_wait(context, from, to, deadline, b"LMOVE")
}

pub(super) fn brpoplpush(context: &mut Context<'_>) -> CommandResult {
    let deadline = context.deadline_from_seconds(context.arg(3))?;
    move_or_wait(context, End::Tail, End::Head, deadline, b"RPOPLPUSH")
}

/// Waits for the source alone. The last word, the timeout, means nothing to replicas.
fn move_or_wait(
    context: &mut Context<'_>,
    from: End,
    to: End,
    deadline: Option<Mono>,
    name: &[u8],
) -> CommandResult {
    let args = context.args;
    if context.move_element(from, to)? {
        let rest = args.first(args.len() - 1).iter().skip(1);
        let words: Vec<&[u8]> = std::iter::once(name).chain(rest).collect();
        context.engine.propagation.replace(&words);
        return Ok(());
    }
    let wish = Wish { kind: Kind::List, needs_key: false, deadline };
    if !context.wait_for(std::iter::once(args.at(1)), wish, OwnedArgs::from_args(args)) {
        context.reply.null();
    }
    Ok(())
}

pub(super) fn bzpopmin(context: &mut Context<'_>) -> CommandResult {
    pop_first_member(context, Extreme::Least)
}

pub(super) fn bzpopmax(context: &mut Context<'_>) -> CommandResult {
    pop_first_member(context, Extreme::Greatest)
}

fn pop_first_member(context: &mut Context<'_>, extreme: Extreme) -> CommandResult {
    let (keys, deadline) = keys_and_deadline(context)?;
    for key in keys {
        let popped = context.engine.pop_members(context.session.db, key, extreme, 1)?.unwrap_or_default();
        if let Some((member, score)) = popped.first() {
            context.reply.array(3);
            context.reply.bulk(key);
            context.reply.bulk(member);
            context.reply.double(*score);
            context.engine.propagation.replace(&[extreme.pop_name(), key]);
            return Ok(());
        }
    }
    wait(context, keys.iter(), Kind::ZSet, deadline);
    Ok(())
}

/// BZMPOP timeout numkeys key [key ...] MIN | MAX [COUNT count]
pub(super) fn bzmpop(context: &mut Context<'_>) -> CommandResult {
    let (keys, extreme, count) = parse_multiple_pop(context.args, 2, Extreme::parse)?;
    let deadline = context.deadline_from_seconds(context.arg(1))?;
    if !context.pop_members_from_first(keys, extreme, count)? {
        wait(context, keys.iter(), Kind::ZSet, deadline);
    }
    Ok(())
}

/// `key [key ...] timeout`
fn keys_and_deadline<'a>(context: &Context<'a>) -> Result<(Args<'a>, Option<Mono>), crate::CommandError> {
    let last = context.args.len() - 1;
    let deadline = context.deadline_from_seconds(context.arg(last))?;
    Ok((context.args.skip(1).first(last - 1), deadline))
}

fn wait<'k>(
    context: &mut Context<'_>,
    keys: impl Iterator<Item = &'k [u8]>,
    kind: Kind,
    deadline: Option<Mono>,
) {
    let request = OwnedArgs::from_args(context.args);
    if !context.wait_for(keys, Wish { kind, needs_key: false, deadline }, request) {
        context.reply.null_array();
    }
}
