//! Both ends of a list: LPUSH, RPUSH, LPUSHX, RPUSHX, LPOP, RPOP, LMPOP, LLEN.

use squall_store::{End, List, parse_i64};

use super::{end_named, pop_event, positive, push_event, reply_item};
use crate::config::EventClass;
use crate::{CommandError, CommandResult, Context};

pub(super) fn lpush(context: &mut Context<'_>) -> CommandResult {
    push(context, End::Head, false)
}

pub(super) fn rpush(context: &mut Context<'_>) -> CommandResult {
    push(context, End::Tail, false)
}

pub(super) fn lpushx(context: &mut Context<'_>) -> CommandResult {
    push(context, End::Head, true)
}

pub(super) fn rpushx(context: &mut Context<'_>) -> CommandResult {
    push(context, End::Tail, true)
}

fn push(context: &mut Context<'_>, end: End, only_existing: bool) -> CommandResult {
    let (db, key, elements) = (context.session.db, context.arg(1), context.args.skip(2));
    let push = |list: &mut List, limits: &squall_store::Limits| {
        elements.iter().for_each(|element| list.push(end, element, limits));
        list.len()
    };
    let len = match only_existing {
        true => context.engine.edit(db, key, push)?,
        false => Some(context.engine.edit_or_create(db, key, push)?),
    };
    if len.is_some() {
        context.engine.wrote(db, key, elements.len() as u64, EventClass::List, push_event(end));
    }
    context.reply.integer(len.unwrap_or(0) as i64);
    Ok(())
}

pub(super) fn lpop(context: &mut Context<'_>) -> CommandResult {
    pop(context, End::Head, "lpop")
}

pub(super) fn rpop(context: &mut Context<'_>) -> CommandResult {
    pop(context, End::Tail, "rpop")
}

fn pop(context: &mut Context<'_>, end: End, command: &str) -> CommandResult {
    let key = context.arg(1);
    match context.args.len() {
        2 => pop_one(context, key, end),
        3 => {
            let count = positive(context.arg(2))?;
            if context.pop_elements(key, end, count, |_| ())?.is_none() {
                context.reply.null_array();
            }
            Ok(())
        }
        _ => Err(CommandError::Arity { command: command.into() }),
    }
}

fn pop_one(context: &mut Context<'_>, key: &[u8], end: End) -> CommandResult {
    let (db, reply) = (context.session.db, &mut context.reply);
    let popped = context.engine.edit(db, key, |list: &mut List, limits| {
        reply_item(reply, list.end(end).expect("no list is empty"));
        list.drop_end(end, 1, limits);
    })?;
    match popped {
        Some(()) => context.engine.wrote(db, key, 1, EventClass::List, pop_event(end)),
        None => context.reply.null(),
    }
    Ok(())
}

pub(super) fn lmpop(context: &mut Context<'_>) -> CommandResult {
    let (keys, end, count) = multiple_pop(context, 1)?;
    for index in keys {
        let key = context.arg(index);
        let before = |reply: &mut squall_resp::Reply<'_>| {
            reply.array(2);
            reply.bulk(key);
        };
        if let Some(popped) = context.pop_elements(key, end, count, before)? {
            let verb: &[u8] = if end == End::Head { b"LPOP" } else { b"RPOP" };
            context.engine.propagation.replace(&[verb, key, itoa::Buffer::new().format(popped).as_bytes()]);
            return Ok(());
        }
    }
    context.reply.null_array();
    Ok(())
}

/// Reads `numkeys key [key ...] LEFT|RIGHT [COUNT count]` from word `at` on: which words are keys, where to pop, how
/// many.
pub(crate) fn multiple_pop(
    context: &Context<'_>,
    at: usize,
) -> Result<(std::ops::Range<usize>, End, usize), CommandError> {
    let number = |text: &[u8], refusal: &'static str| {
        let number = parse_i64(text).filter(|&number| number > 0).ok_or(CommandError::line(refusal))?;
        Ok::<_, CommandError>(number as usize)
    };
    let keys = number(context.arg(at), "ERR numkeys should be greater than 0")?;
    let side = (at + 1).saturating_add(keys);
    let end = end_named(context.args.get(side).ok_or(CommandError::Syntax)?)?;
    let mut count = None;
    let mut words = context.args.skip(side + 1).iter();
    while let Some(word) = words.next() {
        match words.next() {
            Some(text) if word.eq_ignore_ascii_case(b"COUNT") && count.is_none() => {
                count = Some(number(text, "ERR count should be greater than 0")?);
            }
            _ => return Err(CommandError::Syntax),
        }
    }
    Ok((at + 1..side, end, count.unwrap_or(1)))
}

pub(super) fn llen(context: &mut Context<'_>) -> CommandResult {
    let len = context.engine.read::<List>(context.session.db, context.args.at(1))?.map_or(0, List::len);
    context.reply.integer(len as i64);
    Ok(())
}
