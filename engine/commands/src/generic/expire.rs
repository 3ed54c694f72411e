//! When keys expire: EXPIRE and its kin, TTL and its kin, PERSIST.

use squall_clock::UnixMs;
use squall_resp::Args;

use crate::config::EventClass;
use crate::expiration::{Deadline, Unit};
use crate::{CommandError, CommandResult, Context};

/// Which old expiry times EXPIRE may replace. A key without one lives for ever.
#[derive(Clone, Copy, Default)]
struct Replaces {
    /// NX: none.
    none: bool,
    /// XX: any, but not none.
    any: bool,
    /// GT: an earlier one.
    earlier: bool,
    /// LT: a later one.
    later: bool,
}

pub(super) fn expire(context: &mut Context<'_>) -> CommandResult {
    expire_at(context, Unit::Seconds, false, "expire")
}

pub(super) fn pexpire(context: &mut Context<'_>) -> CommandResult {
    expire_at(context, Unit::Milliseconds, false, "pexpire")
}

pub(super) fn expireat(context: &mut Context<'_>) -> CommandResult {
    expire_at(context, Unit::Seconds, true, "expireat")
}

pub(super) fn pexpireat(context: &mut Context<'_>) -> CommandResult {
    expire_at(context, Unit::Milliseconds, true, "pexpireat")
}

fn expire_at(context: &mut Context<'_>, unit: Unit, absolute: bool, command: &'static str) -> CommandResult {
    let replaces = Replaces::parse(context.args)?;
    let deadline = Deadline { text: context.arg(2), unit, absolute };
    let at = deadline.milliseconds(context.engine.now.unix_ms(), command)?;
    let (db, key) = (context.session.db, context.arg(1));
    let old = context.engine.lookup_write(db, key).map(|entry| entry.expire_at());
    if !old.is_some_and(|old| replaces.allow(old, at)) {
        context.reply.integer(0);
        return Ok(());
    }
    if context.is_past(at) {
        context.engine.delete(db, key);
        context.engine.notify(EventClass::Generic, "del", db, key);
        let verb = context.expiry_verb();
        context.engine.propagation.replace(&[verb, key]);
    } else {
        context.engine.set_expire(db, key, Some(UnixMs(at.max(0) as u64)));
        context.engine.notify(EventClass::Generic, "expire", db, key);
        // Whether the time may be replaced was decided here, and holds for every replica.
        let mut digits = itoa::Buffer::new();
        context.engine.propagation.replace(&[b"PEXPIREAT", key, digits.format(at).as_bytes()]);
    }
    context.reply.integer(1);
    Ok(())
}

pub(super) fn ttl(context: &mut Context<'_>) -> CommandResult {
    reply_expiry(context, |at, now| (at.0.saturating_sub(now.0) + 500) / 1_000)
}

pub(super) fn pttl(context: &mut Context<'_>) -> CommandResult {
    reply_expiry(context, |at, now| at.0.saturating_sub(now.0))
}

pub(super) fn expiretime(context: &mut Context<'_>) -> CommandResult {
    reply_expiry(context, |at, _| at.0.saturating_add(500) / 1_000)
}

pub(super) fn pexpiretime(context: &mut Context<'_>) -> CommandResult {
    reply_expiry(context, |at, _| at.0)
}

pub(super) fn persist(context: &mut Context<'_>) -> CommandResult {
    let (db, key) = (context.session.db, context.arg(1));
    let expires = context.engine.lookup_write(db, key).is_some_and(|entry| entry.expire_at().is_some());
    if expires {
        context.engine.set_expire(db, key, None);
        context.engine.notify(EventClass::Generic, "persist", db, key);
    }
    context.reply.integer(i64::from(expires));
    Ok(())
}

/// Replies -2 for a missing key, -1 for one that never expires.
fn reply_expiry(context: &mut Context<'_>, show: fn(UnixMs, UnixMs) -> u64) -> CommandResult {
    let now = context.engine.now.unix_ms();
    let entry = context.engine.lookup_untouched(context.session.db, context.args.at(1));
    context.reply.integer(match entry.map(|entry| entry.expire_at()) {
        None => -2,
        Some(None) => -1,
        Some(Some(at)) => show(at, now) as i64,
    });
    Ok(())
}

impl Replaces {
    fn parse(args: Args<'_>) -> Result<Replaces, CommandError> {
        let mut replaces = Replaces::default();
        for word in args.skip(3) {
            let flag = match word.to_ascii_uppercase().as_slice() {
                b"NX" => &mut replaces.none,
                b"XX" => &mut replaces.any,
                b"GT" => &mut replaces.earlier,
                b"LT" => &mut replaces.later,
                _ => return Err(CommandError::Bytes([b"ERR Unsupported option ", word].concat())),
            };
            *flag = true;
        }
        if replaces.none && (replaces.any || replaces.earlier || replaces.later) {
            let text = "ERR NX and XX, GT or LT options at the same time are not compatible";
            return Err(CommandError::line(text));
        }
        if replaces.earlier && replaces.later {
            return Err(CommandError::line("ERR GT and LT options at the same time are not compatible"));
        }
        Ok(replaces)
    }

    fn allow(self, old: Option<UnixMs>, at: i64) -> bool {
        let Some(UnixMs(old)) = old else { return !self.any && !self.earlier };
        let old = old as i64;
        !self.none && (!self.earlier || at > old) && (!self.later || at < old)
    }
}
