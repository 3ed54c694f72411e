//! Reading by ids: XLEN, XRANGE, XREVRANGE.

use squall_store::parse_i64;
use squall_store::stream::{Stream, StreamEntry};

use super::{ids, reply_entry};
use crate::{CommandError, CommandResult, Context};

pub(super) fn xlen(context: &mut Context<'_>) -> CommandResult {
    let stream = context.engine.read::<Stream>(context.session.db, context.args.at(1))?;
    let len = stream.map_or(0, Stream::len);
    context.reply.integer(len as i64);
    Ok(())
}

pub(super) fn xrange(context: &mut Context<'_>) -> CommandResult {
    range(context, false)
}

pub(super) fn xrevrange(context: &mut Context<'_>) -> CommandResult {
    range(context, true)
}

fn range(context: &mut Context<'_>, backwards: bool) -> CommandResult {
    let (start, end) = if backwards { (3, 2) } else { (2, 3) };
    let (start, end) = (ids::parse_start(context.arg(start))?, ids::parse_end(context.arg(end))?);
    let mut count = None;
    let mut words = context.args.skip(4).iter();
    while let Some(word) = words.next() {
        let value =
            words.next().filter(|_| word.eq_ignore_ascii_case(b"COUNT")).ok_or(CommandError::Syntax)?;
        count = Some(parse_i64(value).ok_or(CommandError::NotAnInteger)?.max(0) as usize);
    }
    let Some(stream) = context.engine.read::<Stream>(context.session.db, context.args.at(1))? else {
        context.reply.array(0);
        return Ok(());
    };
    if count == Some(0) {
        context.reply.null_array();
        return Ok(());
    }
    let count = count.unwrap_or(usize::MAX);
    let reply = &mut context.reply;
    let mark = reply.deferred_array();
    let mut written = 0;
    let mut write = |entry: StreamEntry<'_>| {
        reply_entry(reply, &entry);
        written += 1;
    };
    match backwards {
        false => stream.range(start, end).take(count).for_each(&mut write),
        true => stream.range_back(end, start).take(count).for_each(&mut write),
    }
    context.reply.set_length(mark, written);
    Ok(())
}
