//! SET and what preceded it: SETNX, SETEX, PSETEX, GETSET.

use squall_clock::UnixMs;
use squall_resp::Args;
use squall_store::Entry;

use super::condition::Condition;
use super::reply_value;
use crate::config::EventClass;
use crate::expiration::{Deadline, Expiration, Unit};
use crate::table::{FoundKey, KeyFlag, KeyFlags};
use crate::{CommandError, CommandResult, Context};

/// What SET's words beyond key and value ask for.
#[derive(Clone, Copy, Default)]
struct SetOptions<'a> {
    condition: Option<Condition<'a>>,
    expiration: Expiration<'a>,
    /// Reply with the old value.
    get: bool,
}

/// SET reads what it overwrites only where GET is among its words.
pub(super) fn keys_of_set(args: Args<'_>) -> Option<Vec<FoundKey>> {
    let reads = args.iter().skip(3).any(|word| word.eq_ignore_ascii_case(b"get"));
    let flags: &[KeyFlag] = if reads {
        &[KeyFlag::Rw, KeyFlag::Access, KeyFlag::Update]
    } else {
        &[KeyFlag::Ow, KeyFlag::Update]
    };
    Some(vec![FoundKey { index: 1, flags: KeyFlags::of(flags) }])
}

pub(super) fn set(context: &mut Context<'_>) -> CommandResult {
    if context.args.len() == 3 {
        store(context, None);
        context.reply.ok();
        return Ok(());
    }
    let options = SetOptions::parse(context.args)?;
    let expire_at = match options.expiration {
        Expiration::At(deadline) => Some(deadline.resolve(context.engine.now.unix_ms(), "set")?),
        Expiration::Clear | Expiration::Keep => None,
    };
    let (db, key) = (context.session.db, context.arg(1));
    let (holds, kept) = if options.get {
        let entry = context.engine.lookup_read(db, key);
        let holds = options.holds(entry)?;
        let kept = options.kept(entry);
        reply_value(&mut context.reply, entry)?;
        (holds, kept)
    } else {
        let entry = context.engine.lookup_write(db, key);
        (options.holds(entry.as_deref())?, options.kept(entry.as_deref()))
    };
    if holds {
        store(context, expire_at.or(kept));
        if expire_at.is_some() {
            notify_expire(context);
        }
        options.propagate(context, expire_at);
    }
    match (options.get, holds) {
        (true, _) => {}
        (false, true) => context.reply.ok(),
        (false, false) => context.reply.null(),
    }
    Ok(())
}

pub(super) fn setnx(context: &mut Context<'_>) -> CommandResult {
    let missing = context.engine.lookup_write(context.session.db, context.args.at(1)).is_none();
    if missing {
        store(context, None);
    }
    context.reply.integer(i64::from(missing));
    Ok(())
}

pub(super) fn setex(context: &mut Context<'_>) -> CommandResult {
    set_until(context, Unit::Seconds, "setex")
}

pub(super) fn psetex(context: &mut Context<'_>) -> CommandResult {
    set_until(context, Unit::Milliseconds, "psetex")
}

pub(super) fn getset(context: &mut Context<'_>) -> CommandResult {
    let (key, value) = (context.arg(1), context.arg(2));
    let entry = context.engine.lookup_read(context.session.db, key);
    reply_value(&mut context.reply, entry)?;
    store(context, None);
    context.engine.propagation.replace(&[b"SET", key, value]);
    Ok(())
}

fn set_until(context: &mut Context<'_>, unit: Unit, command: &'static str) -> CommandResult {
    let (db, key, value) = (context.session.db, context.arg(1), context.arg(3));
    let deadline = Deadline { text: context.arg(2), unit, absolute: false };
    let expire_at = deadline.resolve(context.engine.now.unix_ms(), command)?;
    context.engine.set_string(db, key, value, Some(expire_at));
    context.engine.notify(EventClass::String, "set", db, key);
    notify_expire(context);
    propagate_set(context, value, expire_at);
    context.reply.ok();
    Ok(())
}

/// Stores the command's second argument under its first.
fn store(context: &mut Context<'_>, expire_at: Option<UnixMs>) {
    let (key, value) = (context.arg(1), context.arg(2));
    let db = context.session.db;
    context.engine.set_string(db, key, value, expire_at);
    context.engine.notify(EventClass::String, "set", db, key);
}

fn notify_expire(context: &mut Context<'_>) {
    let (db, key) = (context.session.db, context.arg(1));
    context.engine.notify(EventClass::Generic, "expire", db, key);
}

/// Replicas receive the point in time, not the time to live: they read it later, by another clock.
fn propagate_set(context: &mut Context<'_>, value: &[u8], expire_at: UnixMs) {
    let mut digits = itoa::Buffer::new();
    let at = digits.format(expire_at.0).as_bytes();
    let key = context.arg(1);
    context.engine.propagation.replace(&[b"SET", key, value, b"PXAT", at]);
}

impl<'a> SetOptions<'a> {
    fn parse(args: Args<'a>) -> Result<SetOptions<'a>, CommandError> {
        let mut options = SetOptions::default();
        let mut index = 3;
        while index < args.len() {
            index += options.take(args, index)?.ok_or(CommandError::Syntax)?;
        }
        Ok(options)
    }

    /// Reads the option at `index`, and returns how many words it took; `None` where it has no place there.
    fn take(&mut self, args: Args<'a>, index: usize) -> Result<Option<usize>, CommandError> {
        let word = args.at(index);
        if word.eq_ignore_ascii_case(b"GET") {
            self.get = true;
            return Ok(Some(1));
        }
        if word.eq_ignore_ascii_case(b"KEEPTTL") {
            let alone = !matches!(self.expiration, Expiration::At(_));
            self.expiration = Expiration::Keep;
            return Ok(alone.then_some(1));
        }
        if let Some(deadline) = Deadline::at(args, index) {
            let alone = match self.expiration {
                Expiration::Clear => true,
                Expiration::Keep => false,
                Expiration::At(other) => deadline.is_alike(other),
            };
            self.expiration = Expiration::At(deadline);
            return Ok(alone.then_some(2));
        }
        let Some((condition, words)) = Condition::at(args, index)? else { return Ok(None) };
        let alone = match (self.condition.replace(condition), condition) {
            (None, _) => true,
            (Some(Condition::Missing), Condition::Missing) | (Some(Condition::Exists), Condition::Exists) => {
                true
            }
            (Some(_), _) => false,
        };
        Ok(alone.then_some(words))
    }

    fn holds(&self, entry: Option<&Entry>) -> Result<bool, CommandError> {
        self.condition.map_or(Ok(true), |condition| condition.holds(entry))
    }

    /// The expiry time that KEEPTTL keeps.
    fn kept(&self, entry: Option<&Entry>) -> Option<UnixMs> {
        matches!(self.expiration, Expiration::Keep).then(|| entry?.expire_at()).flatten()
    }

    fn propagate(&self, context: &mut Context<'_>, expire_at: Option<UnixMs>) {
        let (key, value) = (context.arg(1), context.arg(2));
        if let Some(at) = expire_at {
            return propagate_set(context, value, at);
        }
        // Conditions were judged here; a replica must not judge them again, and old ones do not know them all.
        if self.get || self.condition.is_some_and(|condition| !condition.is_classic()) {
            match self.expiration {
                Expiration::Keep => context.engine.propagation.replace(&[b"SET", key, value, b"KEEPTTL"]),
                _ => context.engine.propagation.replace(&[b"SET", key, value]),
            }
        }
    }
}
