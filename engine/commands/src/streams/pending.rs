//! What consumers have been given: XACK, XPENDING.

use squall_resp::Args;
use squall_store::parse_i64;
use squall_store::stream::{Stream, StreamId};

use super::delete::parse_ids;
use super::{find_group, ids, reply_id};
use crate::{CommandError, CommandResult, Context};

pub(super) fn xack(context: &mut Context<'_>) -> CommandResult {
    let (db, key, name) = (context.session.db, context.arg(1), context.arg(2));
    let stream = context.engine.read::<Stream>(db, key)?;
    if stream.is_none_or(|stream| stream.group(name).is_none()) {
        context.reply.integer(0);
        return Ok(());
    }
    let ids = parse_ids(context.args.skip(3))?;
    let acknowledged = context.engine.edit(db, key, |stream: &mut Stream, _| {
        stream.edit_group(name, |group| ids.iter().filter(|id| group.acknowledge(**id)).count())
    })?;
    let acknowledged = acknowledged.flatten().unwrap_or(0);
    if acknowledged > 0 {
        context.engine.changed(db, key);
        context.engine.dirty += acknowledged as u64 - 1;
    }
    context.reply.integer(acknowledged as i64);
    Ok(())
}

/// `[IDLE ms] start end count [consumer]`
struct Question<'a> {
    idle_ms_min: u64,
    start: StreamId,
    end: StreamId,
    count: usize,
    consumer: Option<&'a [u8]>,
}

pub(super) fn xpending(context: &mut Context<'_>) -> CommandResult {
    match context.args.len() {
        3 => summary(context),
        _ => list(context),
    }
}

/// How many entries are pending, from which to which, and with whom.
fn summary(context: &mut Context<'_>) -> CommandResult {
    let (db, key, name) = (context.session.db, context.args.at(1), context.args.at(2));
    let (_, group) = find_group(context.engine, db, key, name)?;
    let reply = &mut context.reply;
    reply.array(4);
    reply.integer(group.pending_len() as i64);
    let first = group.pending_from(StreamId::MIN).next();
    let (Some((first, _)), Some(last)) = (first, group.last_pending()) else {
        reply.null();
        reply.null();
        reply.null_array();
        return Ok(());
    };
    reply_id(reply, first);
    reply_id(reply, last);
    let busy = || group.consumers().filter(|(_, consumer)| consumer.pending_len() > 0);
    reply.array(busy().count());
    for (_, consumer) in busy() {
        reply.array(2);
        reply.bulk(&consumer.name);
        reply.bulk_integer(consumer.pending_len() as i64);
    }
    Ok(())
}

fn list(context: &mut Context<'_>) -> CommandResult {
    let question = Question::parse(context.args)?;
    let now_ms = context.now_ms();
    let (db, key, name) = (context.session.db, context.args.at(1), context.args.at(2));
    let (_, group) = find_group(context.engine, db, key, name)?;
    let reply = &mut context.reply;
    let owner = match question.consumer {
        None => None,
        Some(consumer) => match group.consumer_id(consumer) {
            Some(id) => Some(group.consumer(id)),
            None => {
                reply.array(0);
                return Ok(());
            }
        },
    };
    let of_all = owner.is_none().then(|| group.pending_from(question.start).map(|(id, _)| id));
    let of_one = owner.map(|owner| owner.pending_from(question.start));
    let ids = of_all.into_iter().flatten().chain(of_one.into_iter().flatten());
    let mark = reply.deferred_array();
    let mut written = 0;
    for id in ids.take_while(|id| *id <= question.end) {
        if written == question.count {
            break;
        }
        let pending = group.pending(id).expect("what a consumer has is pending");
        let idle_ms = now_ms.saturating_sub(pending.delivered_ms);
        if idle_ms < question.idle_ms_min {
            continue;
        }
        reply.array(4);
        reply_id(reply, id);
        reply.bulk(&group.consumer(pending.consumer).name);
        reply.integer(idle_ms as i64);
        reply.integer(pending.deliveries as i64);
        written += 1;
    }
    reply.set_length(mark, written);
    Ok(())
}

impl<'a> Question<'a> {
    fn parse(args: Args<'a>) -> Result<Question<'a>, CommandError> {
        let number = |index: usize| parse_i64(args.at(index)).ok_or(CommandError::NotAnInteger);
        if args.len() < 6 || args.len() > 9 {
            return Err(CommandError::Syntax);
        }
        let (mut from, mut idle_ms_min) = (3, 0);
        if args.at(3).eq_ignore_ascii_case(b"IDLE") {
            idle_ms_min = number(4)?.max(0) as u64;
            from = 5;
            if args.len() < 8 {
                return Err(CommandError::Syntax);
            }
        }
        Ok(Question {
            idle_ms_min,
            count: number(from + 2)?.max(0) as usize,
            start: ids::parse_start(args.at(from))?,
            end: ids::parse_end(args.at(from + 1))?,
            consumer: args.get(from + 3),
        })
    }
}
