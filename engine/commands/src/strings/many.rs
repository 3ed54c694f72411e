//! Setting several strings at once: MSET, MSETNX, MSETEX.

use squall_clock::UnixMs;
use squall_resp::Args;
use squall_store::parse_i64;

use crate::config::EventClass;
use crate::expiration::{Deadline, Expiration};
use crate::{CommandError, CommandResult, Context};

pub(super) fn mset(context: &mut Context<'_>) -> CommandResult {
    let pairs = pairs(context.args, "mset")?;
    set_all(context, pairs);
    context.reply.ok();
    Ok(())
}

pub(super) fn msetnx(context: &mut Context<'_>) -> CommandResult {
    let pairs = pairs(context.args, "msetnx")?;
    let none_exists = count_existing(context, pairs) == 0;
    if none_exists {
        set_all(context, pairs);
    }
    context.reply.integer(i64::from(none_exists));
    Ok(())
}

/// `MSETEX numkeys key value [key value ...] [NX | XX] [EX ... | KEEPTTL]`.
pub(super) fn msetex(context: &mut Context<'_>) -> CommandResult {
    let count = parse_i64(context.arg(1)).filter(|count| (1..=i64::from(i32::MAX)).contains(count));
    let count = count.ok_or_else(|| CommandError::line("ERR invalid numkeys value"))? as usize;
    let options_at = count.saturating_mul(2).saturating_add(2);
    if options_at > context.args.len() {
        return Err(CommandError::line("ERR wrong number of key-value pairs"));
    }
    let (exist, expiration) = options(context.args, options_at)?;
    let expire_at = match expiration {
        Expiration::At(deadline) => Some(deadline.resolve(context.engine.now.unix_ms(), "msetex")?),
        Expiration::Clear | Expiration::Keep => None,
    };
    let pairs = context.args.skip(2).first(count * 2);
    let holds = match exist {
        None => true,
        Some(exist) => count_existing(context, pairs) == if exist { count } else { 0 },
    };
    if holds {
        for index in (0..pairs.len()).step_by(2) {
            set_one(context, pairs.at(index), pairs.at(index + 1), expiration, expire_at);
        }
    }
    context.reply.integer(i64::from(holds));
    Ok(())
}

/// Sets one of MSETEX's keys. Replicas receive SETs, which the oldest of them know.
fn set_one(
    context: &mut Context<'_>,
    key: &[u8],
    value: &[u8],
    expiration: Expiration<'_>,
    expire_at: Option<UnixMs>,
) {
    let db = context.session.db;
    let engine = &mut *context.engine;
    let mut digits = itoa::Buffer::new();
    match (expiration, expire_at) {
        (_, Some(at)) => {
            engine.set_string(db, key, value, expire_at);
            engine.notify(EventClass::String, "set", db, key);
            engine.notify(EventClass::Generic, "expire", db, key);
            engine.propagation.replace(&[b"SET", key, value, b"PXAT", digits.format(at.0).as_bytes()]);
        }
        (Expiration::Keep, None) => {
            let kept = engine.lookup_write(db, key).and_then(|entry| entry.expire_at());
            engine.set_string(db, key, value, kept);
            engine.notify(EventClass::String, "set", db, key);
            engine.propagation.replace(&[b"SET", key, value, b"KEEPTTL"]);
        }
        (_, None) => {
            engine.set_string(db, key, value, None);
            engine.notify(EventClass::String, "set", db, key);
            engine.propagation.replace(&[b"SET", key, value]);
        }
    }
}

/// Whether all keys must exist (or none), and what becomes of their expiry times.
fn options<'a>(args: Args<'a>, from: usize) -> Result<(Option<bool>, Expiration<'a>), CommandError> {
    let (mut exist, mut expiration) = (None, Expiration::Clear);
    let mut index = from;
    while index < args.len() {
        let word = args.at(index);
        let first_expiration = matches!(expiration, Expiration::Clear);
        if word.eq_ignore_ascii_case(b"NX") && exist != Some(true) {
            exist = Some(false);
        } else if word.eq_ignore_ascii_case(b"XX") && exist != Some(false) {
            exist = Some(true);
        } else if word.eq_ignore_ascii_case(b"KEEPTTL") && first_expiration {
            expiration = Expiration::Keep;
        } else if let Some(deadline) = Deadline::at(args, index).filter(|_| first_expiration) {
            expiration = Expiration::At(deadline);
            index += 1;
        } else {
            return Err(CommandError::Syntax);
        }
        index += 1;
    }
    Ok((exist, expiration))
}

fn pairs<'a>(args: Args<'a>, command: &str) -> Result<Args<'a>, CommandError> {
    match args.len() % 2 {
        1 => Ok(args.skip(1)),
        _ => Err(CommandError::Arity { command: command.to_owned() }),
    }
}

fn count_existing(context: &mut Context<'_>, pairs: Args<'_>) -> usize {
    let db = context.session.db;
    pairs.iter().step_by(2).filter(|key| context.engine.lookup_write(db, key).is_some()).count()
}

fn set_all(context: &mut Context<'_>, pairs: Args<'_>) {
    for index in (0..pairs.len()).step_by(2) {
        let (db, key) = (context.session.db, pairs.at(index));
        context.engine.set_string(db, key, pairs.at(index + 1), None);
        context.engine.notify(EventClass::String, "set", db, key);
    }
}
