//! Counting in fields: HINCRBY, HINCRBYFLOAT.

use squall_store::packed::Item;
use squall_store::{Hash, Limits, parse_i64};

use crate::config::EventClass;
use crate::strings::extended::Extended;
use crate::{CommandError, CommandResult, Context};

pub(super) fn hincrby(context: &mut Context<'_>) -> CommandResult {
    const NO_INTEGER: &str = "ERR hash value is not an integer";
    const OVERFLOW: &str = "ERR increment or decrement would overflow";
    let (db, key, field, increment) =
        (context.session.db, context.arg(1), context.arg(2), context.integer(3)?);
    let sum = context.engine.edit_or_create_hash(db, key, |hash: &mut Hash, limits: &Limits| {
        let old = match hash.get(field) {
            None => 0,
            Some(Item::Int(number)) => number,
            Some(Item::Bytes(text)) => parse_i64(text).ok_or(CommandError::line(NO_INTEGER))?,
        };
        let sum = old.checked_add(increment).ok_or(CommandError::line(OVERFLOW))?;
        hash.set_keeping_expiry(field, itoa::Buffer::new().format(sum).as_bytes(), limits);
        Ok::<_, CommandError>(sum)
    })??;
    context.engine.wrote(db, key, 1, EventClass::Hash, "hincrby");
    context.reply.integer(sum);
    Ok(())
}

pub(super) fn hincrbyfloat(context: &mut Context<'_>) -> CommandResult {
    const NO_FLOAT: &str = "ERR hash value is not a float";
    let (db, key, field) = (context.session.db, context.arg(1), context.arg(2));
    let increment = Extended::parse(context.arg(3)).ok_or(CommandError::NotAFloat)?;
    if !increment.is_finite() {
        return Err(CommandError::line("ERR value is NaN or Infinity"));
    }
    let (text, expires) = context.engine.edit_or_create_hash(db, key, |hash: &mut Hash, limits| {
        let old = match hash.get(field) {
            None => Extended::ZERO,
            Some(value) => {
                let text = value.to_vec();
                Extended::parse(&text).ok_or(CommandError::line(NO_FLOAT))?
            }
        };
        let sum = old.add(increment);
        if !sum.is_finite() {
            return Err(CommandError::line("ERR increment would produce NaN or Infinity"));
        }
        let text = sum.to_text();
        hash.set_keeping_expiry(field, text.as_bytes(), limits);
        Ok((text, hash.expiry(field).is_some()))
    })??;
    // The sum itself is propagated: another machine's floats might add up to another. HSET alone would make the
    // field stay for ever.
    match expires {
        true => {
            let words: [&[u8]; 7] = [b"HSETEX", key, b"KEEPTTL", b"FIELDS", b"1", field, text.as_bytes()];
            context.engine.propagation.replace(&words);
        }
        false => context.engine.propagation.replace(&[b"HSET", key, field, text.as_bytes()]),
    }
    context.engine.wrote(db, key, 1, EventClass::Hash, "hincrbyfloat");
    context.reply.bulk_str(&text);
    Ok(())
}
