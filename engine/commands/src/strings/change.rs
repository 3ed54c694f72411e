//! Changing strings in place: APPEND, SETRANGE, the counters, INCRBYFLOAT.

use squall_store::{StringRef, StringValue, Value, parse_i64};

use super::extended::Extended;
use super::text_of;
use crate::config::EventClass;
use crate::{CommandError, CommandResult, Context};

pub(super) fn append(context: &mut Context<'_>) -> CommandResult {
    let (db, key, tail) = (context.session.db, context.arg(1), context.arg(2));
    let bytes_max = context.engine.config.proto_bulk_bytes_max;
    let appended = context.engine.lookup_write(db, key).map(|mut entry| {
        let len = text_of(&entry)?.len() + tail.len();
        check_len(len, bytes_max)?;
        entry.append(tail);
        Ok::<_, CommandError>(len)
    });
    let len = match appended.transpose()? {
        Some(len) => {
            context.engine.changed(db, key);
            len
        }
        None => {
            context.engine.set_string(db, key, tail, None);
            tail.len()
        }
    };
    context.engine.notify(EventClass::String, "append", db, key);
    context.reply.integer(len as i64);
    Ok(())
}

pub(super) fn setrange(context: &mut Context<'_>) -> CommandResult {
    let (db, key, patch) = (context.session.db, context.arg(1), context.arg(3));
    let bytes_max = context.engine.config.proto_bulk_bytes_max;
    let offset =
        usize::try_from(context.integer(2)?).map_err(|_| CommandError::line("ERR offset is out of range"))?;
    let end = offset.saturating_add(patch.len());
    let old_len = context.engine.lookup_write(db, key).map(|mut entry| {
        let len = text_of(&entry)?.len();
        if !patch.is_empty() {
            check_len(end, bytes_max)?;
            entry.set_range(offset, patch);
        }
        Ok::<_, CommandError>(len)
    });
    let len = match old_len.transpose()? {
        old_len if patch.is_empty() => old_len.unwrap_or(0),
        Some(old_len) => {
            context.engine.changed(db, key);
            old_len.max(end)
        }
        None => {
            check_len(end, bytes_max)?;
            let mut bytes = vec![0; end];
            bytes[offset..].copy_from_slice(patch);
            context.engine.insert(db, key, Value::String(StringValue::Buffer(bytes)), None);
            end
        }
    };
    if !patch.is_empty() {
        context.engine.notify(EventClass::String, "setrange", db, key);
    }
    context.reply.integer(len as i64);
    Ok(())
}

pub(super) fn incr(context: &mut Context<'_>) -> CommandResult {
    add(context, 1)
}

pub(super) fn decr(context: &mut Context<'_>) -> CommandResult {
    add(context, -1)
}

pub(super) fn incrby(context: &mut Context<'_>) -> CommandResult {
    let increment = context.integer(2)?;
    add(context, increment)
}

pub(super) fn decrby(context: &mut Context<'_>) -> CommandResult {
    match context.integer(2)?.checked_neg() {
        Some(increment) => add(context, increment),
        None => Err(CommandError::line("ERR decrement would overflow")),
    }
}

pub(super) fn incrbyfloat(context: &mut Context<'_>) -> CommandResult {
    let (db, key) = (context.session.db, context.arg(1));
    let entry = context.engine.lookup_write(db, key);
    let old = match &entry {
        Some(entry) => float_of(text_of(entry)?)?,
        None => Extended::ZERO,
    };
    let expire_at = entry.and_then(|entry| entry.expire_at());
    let increment = Extended::parse(context.arg(2)).ok_or(CommandError::NotAFloat)?;
    let sum = old.add(increment);
    if !sum.is_finite() {
        return Err(CommandError::line("ERR increment would produce NaN or Infinity"));
    }
    let text = sum.to_text();
    // Kept as text even where it spells an integer, as OBJECT ENCODING shows.
    let value = StringValue::whole(bytes::Bytes::copy_from_slice(text.as_bytes()));
    context.engine.insert(db, key, Value::String(value), expire_at);
    context.engine.notify(EventClass::String, "incrbyfloat", db, key);
    // The sum itself is propagated: another machine's floats might add up to another.
    context.engine.propagation.replace(&[b"SET", key, text.as_bytes(), b"KEEPTTL"]);
    context.reply.bulk_str(&text);
    Ok(())
}

fn add(context: &mut Context<'_>, increment: i64) -> CommandResult {
    let (db, key) = (context.session.db, context.arg(1));
    let sum = context.engine.lookup_write(db, key).map(|mut entry| {
        let sum = integer_of(text_of(&entry)?)?.checked_add(increment).ok_or_else(overflow)?;
        entry.set_int(sum);
        Ok::<_, CommandError>(sum)
    });
    let sum = match sum.transpose()? {
        Some(sum) => {
            context.engine.changed(db, key);
            sum
        }
        None => {
            let mut digits = itoa::Buffer::new();
            context.engine.set_string(db, key, digits.format(increment).as_bytes(), None);
            increment
        }
    };
    context.engine.notify(EventClass::String, "incrby", db, key);
    context.reply.integer(sum);
    Ok(())
}

fn overflow() -> CommandError {
    CommandError::line("ERR increment or decrement would overflow")
}

fn integer_of(value: StringRef<'_>) -> Result<i64, CommandError> {
    match value {
        StringRef::Int(number) => Ok(number),
        other => parse_i64(other.as_bytes(&mut itoa::Buffer::new())).ok_or(CommandError::NotAnInteger),
    }
}

fn float_of(value: StringRef<'_>) -> Result<Extended, CommandError> {
    Extended::parse(value.as_bytes(&mut itoa::Buffer::new())).ok_or(CommandError::NotAFloat)
}

fn check_len(len: usize, bytes_max: u64) -> CommandResult {
    if len as u64 > bytes_max {
        return Err(CommandError::line("ERR string exceeds maximum allowed size (proto-max-bulk-len)"));
    }
    Ok(())
}
