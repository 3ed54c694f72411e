//! Reading strings: GET, GETEX, GETDEL, MGET, STRLEN, GETRANGE.

use squall_resp::Args;

use super::{reply_string, reply_value, text_of};
use crate::config::EventClass;
use crate::expiration::Deadline;
use crate::{CommandError, CommandResult, Context};

pub(super) fn get(context: &mut Context<'_>) -> CommandResult {
    let entry = context.engine.lookup_read(context.session.db, context.args.at(1));
    reply_value(&mut context.reply, entry)
}

pub(super) fn getdel(context: &mut Context<'_>) -> CommandResult {
    let (db, key) = (context.session.db, context.arg(1));
    let entry = context.engine.lookup_read(db, key);
    let exists = entry.is_some();
    reply_value(&mut context.reply, entry)?;
    if exists {
        context.engine.delete(db, key);
        context.engine.notify(EventClass::Generic, "del", db, key);
        context.engine.propagation.replace(&[b"DEL", key]);
    }
    Ok(())
}

/// What GETEX does to the expiry time.
#[derive(Clone, Copy)]
enum Touch<'a> {
    Nothing,
    Persist,
    At(Deadline<'a>),
}

pub(super) fn getex(context: &mut Context<'_>) -> CommandResult {
    let touch = Touch::parse(context.args)?;
    let (db, key) = (context.session.db, context.arg(1));
    let now = context.engine.now.unix_ms();
    let Some(entry) = context.engine.lookup_read(db, key) else {
        context.reply.null();
        return Ok(());
    };
    let value = text_of(entry)?;
    let volatile = entry.expire_at().is_some();
    let expire_at = match touch {
        Touch::At(deadline) => Some(deadline.resolve(now, "getex")?),
        Touch::Nothing | Touch::Persist => None,
    };
    reply_string(&mut context.reply, value);
    match (touch, expire_at) {
        (_, Some(at)) if context.is_past(at.0 as i64) => {
            context.engine.delete(db, key);
            context.engine.notify(EventClass::Generic, "del", db, key);
            let verb = context.expiry_verb();
            context.engine.propagation.replace(&[verb, key]);
        }
        (_, Some(at)) => {
            context.engine.set_expire(db, key, expire_at);
            context.engine.notify(EventClass::Generic, "expire", db, key);
            let mut digits = itoa::Buffer::new();
            let at = digits.format(at.0).as_bytes();
            context.engine.propagation.replace(&[b"PEXPIREAT", key, at]);
        }
        (Touch::Persist, None) if volatile => {
            context.engine.set_expire(db, key, None);
            context.engine.notify(EventClass::Generic, "persist", db, key);
            context.engine.propagation.replace(&[b"PERSIST", key]);
        }
        (_, None) => {}
    }
    Ok(())
}

pub(super) fn mget(context: &mut Context<'_>) -> CommandResult {
    let keys = context.args.skip(1);
    context.reply.array(keys.len());
    for key in keys {
        let entry = context.engine.lookup_read(context.session.db, key);
        match entry.and_then(|entry| entry.string()) {
            Some(value) => reply_string(&mut context.reply, value),
            None => context.reply.null(),
        }
    }
    Ok(())
}

pub(super) fn strlen(context: &mut Context<'_>) -> CommandResult {
    let len = match context.engine.lookup_read(context.session.db, context.args.at(1)) {
        Some(entry) => text_of(entry)?.len(),
        None => 0,
    };
    context.reply.integer(len as i64);
    Ok(())
}

pub(super) fn getrange(context: &mut Context<'_>) -> CommandResult {
    let (start, end) = (context.integer(2)?, context.integer(3)?);
    let Some(entry) = context.engine.lookup_read(context.session.db, context.args.at(1)) else {
        context.reply.bulk(b"");
        return Ok(());
    };
    let mut digits = itoa::Buffer::new();
    let bytes = text_of(entry)?.as_bytes(&mut digits);
    context.reply.bulk(&bytes[range_within(bytes.len(), start, end)]);
    Ok(())
}

impl<'a> Touch<'a> {
    fn parse(args: Args<'a>) -> Result<Touch<'a>, CommandError> {
        let mut touch = Touch::Nothing;
        let mut index = 2;
        while index < args.len() {
            let (next, words) = match Deadline::at(args, index) {
                Some(deadline) => (Touch::At(deadline), 2),
                None if args.at(index).eq_ignore_ascii_case(b"PERSIST") => (Touch::Persist, 1),
                None => return Err(CommandError::Syntax),
            };
            match (touch, next) {
                (Touch::Nothing, _) | (Touch::Persist, Touch::Persist) => {}
                (Touch::At(one), Touch::At(other)) if one.is_alike(other) => {}
                _ => return Err(CommandError::Syntax),
            }
            touch = next;
            index += words;
        }
        Ok(touch)
    }
}

/// The bytes from `start` to `end`, both counted from the end where negative, within `len` bytes.
fn range_within(len: usize, start: i64, end: i64) -> std::ops::Range<usize> {
    if start < 0 && end < 0 && start > end {
        return 0..0;
    }
    let from_start = |position: i64| match position {
        0.. => position.min(len as i64) as usize,
        _ => (len as i64).saturating_add(position).max(0) as usize,
    };
    let (start, end) = (from_start(start), from_start(end));
    if start > end || start >= len { 0..0 } else { start..(end + 1).min(len) }
}
