//! Both ends of a list: LPUSH, RPUSH, LPUSHX, RPUSHX, LPOP, RPOP, LMPOP, LLEN.

use squall_resp::{Args, Reply};
use squall_store::{End, List};

use super::{end_named, pop_event, pop_name, positive, push_event, reply_item};
use crate::collections::parse_multiple_pop;
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
    let (keys, end, count) = parse_multiple_pop(context.args, 1, end_named)?;
    if !context.pop_from_first(keys, end, count)? {
        context.reply.null_array();
    }
    Ok(())
}

impl Context<'_> {
    /// LMPOP of the first of `keys` that is there; false, and nothing replied, where none is. Replicas are told how many
    /// elements to pop from which key.
    pub(crate) fn pop_from_first(
        &mut self,
        keys: Args<'_>,
        end: End,
        count: usize,
    ) -> Result<bool, CommandError> {
        for key in keys {
            let before = |reply: &mut Reply<'_>| {
                reply.array(2);
                reply.bulk(key);
            };
            if let Some(popped) = self.pop_elements(key, end, count, before)? {
                let mut digits = itoa::Buffer::new();
                self.engine.propagation.replace(&[pop_name(end), key, digits.format(popped).as_bytes()]);
                return Ok(true);
            }
        }
        Ok(false)
    }
}

pub(super) fn llen(context: &mut Context<'_>) -> CommandResult {
    let len = context.engine.read::<List>(context.session.db, context.args.at(1))?.map_or(0, List::len);
    context.reply.integer(len as i64);
    Ok(())
}
