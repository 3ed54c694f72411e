//! When fields expire: HEXPIRE and its kin set it, HTTL and its kin tell it, HPERSIST takes it back.

use squall_clock::UnixMs;
use squall_store::{FIELD_EXPIRY_MAX, Hash};

use super::{MISPLACED, NO_FIELDS, NO_FIELDS_TO_EXPIRE, listed_fields};
use crate::config::EventClass;
use crate::expiration::Unit;
use crate::{CommandError, CommandResult, Context};

/// What is told of a field.
const NO_FIELD: i64 = -2;
const NO_EXPIRY: i64 = -1;
const CONDITION_NOT_MET: i64 = 0;
const DONE: i64 = 1;
const DELETED: i64 = 2;

pub(super) fn hexpire(context: &mut Context<'_>) -> CommandResult {
    expire(context, "hexpire", Unit::Seconds, false)
}

pub(super) fn hpexpire(context: &mut Context<'_>) -> CommandResult {
    expire(context, "hpexpire", Unit::Milliseconds, false)
}

pub(super) fn hexpireat(context: &mut Context<'_>) -> CommandResult {
    expire(context, "hexpireat", Unit::Seconds, true)
}

pub(super) fn hpexpireat(context: &mut Context<'_>) -> CommandResult {
    expire(context, "hpexpireat", Unit::Milliseconds, true)
}

/// On what an expiry time that a field has already depends whether it gets another.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Condition {
    None,
    HasNone,
    HasOne,
    IsLater,
    IsEarlier,
}

impl Condition {
    fn named(word: &[u8]) -> Option<Condition> {
        const NAMES: [(&[u8], Condition); 4] = [
            (b"NX", Condition::HasNone),
            (b"XX", Condition::HasOne),
            (b"GT", Condition::IsLater),
            (b"LT", Condition::IsEarlier),
        ];
        NAMES.into_iter().find(|(name, _)| name.eq_ignore_ascii_case(word)).map(|(_, condition)| condition)
    }

    /// A field that never expires does so later than any other.
    fn holds(self, old: Option<UnixMs>, at: UnixMs) -> bool {
        match self {
            Condition::None => true,
            Condition::HasNone => old.is_none(),
            Condition::HasOne => old.is_some(),
            Condition::IsLater => old.is_some_and(|old| at > old),
            Condition::IsEarlier => old.is_none_or(|old| at < old),
        }
    }
}

/// A point in time at which fields may expire.
pub(super) fn field_deadline(
    number: i64,
    unit: Unit,
    absolute: bool,
    now: UnixMs,
    command: &'static str,
) -> Result<UnixMs, CommandError> {
    let number =
        u64::try_from(number).map_err(|_| CommandError::line("ERR invalid expire time, must be >= 0"))?;
    let scale = if unit == Unit::Seconds { 1_000 } else { 1 };
    let base = if absolute { 0 } else { now.0 };
    let at = number.checked_mul(scale).and_then(|ms| ms.checked_add(base)).map(UnixMs);
    at.filter(|at| *at <= FIELD_EXPIRY_MAX).ok_or(CommandError::InvalidExpire { command })
}

fn expire(context: &mut Context<'_>, command: &'static str, unit: Unit, absolute: bool) -> CommandResult {
    let (db, key, now) = (context.session.db, context.arg(1), context.engine.now.unix_ms());
    context.engine.read_hash(db, key)?;
    let number = context.integer(2)?;
    let at = field_deadline(number, unit, absolute, now, command)?;
    let condition = Condition::named(context.arg(3));
    let fields = fields_at(context, 3 + usize::from(condition.is_some()), NO_FIELDS_TO_EXPIRE)?;
    let condition = condition.unwrap_or(Condition::None);
    let is_past = context.is_past(at.0 as i64);
    let done = context.engine.edit_hash(db, key, |hash, limits| {
        let each = |field: &[u8]| match hash.contains(field) {
            false => NO_FIELD,
            true if !condition.holds(hash.expiry(field), at) => CONDITION_NOT_MET,
            true if is_past => {
                hash.remove(field);
                DELETED
            }
            true => {
                hash.set_expiry(field, Some(at), limits);
                DONE
            }
        };
        fields.iter().map(each).collect::<Vec<i64>>()
    })?;
    let done = done.unwrap_or_else(|| vec![NO_FIELD; fields.len()]);
    let those = |outcome: i64| -> Vec<&[u8]> {
        fields.iter().zip(&done).filter(|(_, done)| **done == outcome).map(|(field, _)| field).collect()
    };
    let (set, deleted) = (those(DONE), those(DELETED));
    if !set.is_empty() {
        let mut digits = itoa::Buffer::new();
        context.propagate_fields(&[b"HPEXPIREAT", key, digits.format(at.0).as_bytes()], &set);
        context.engine.wrote(db, key, set.len() as u64, EventClass::Hash, "hexpire");
    }
    if !deleted.is_empty() {
        context.propagate_removal(key, &deleted);
    }
    context.reply.array(done.len());
    done.iter().for_each(|&outcome| context.reply.integer(outcome));
    Ok(())
}

/// What `FIELDS` at word `at` lists.
fn fields_at<'a>(
    context: &Context<'a>,
    at: usize,
    none: &'static str,
) -> Result<squall_resp::Args<'a>, CommandError> {
    match context.args.get(at) {
        Some(word) if word.eq_ignore_ascii_case(b"FIELDS") => listed_fields(context.args.skip(at + 1), none),
        _ => Err(CommandError::line(MISPLACED)),
    }
}

impl Context<'_> {
    /// Counts, tells and propagates that fields have been removed.
    pub(super) fn propagate_removal(&mut self, key: &[u8], fields: &[&[u8]]) {
        let db = self.session.db;
        self.engine.propagation.replace(&[&[b"HDEL".as_slice(), key], fields].concat());
        self.engine.wrote(db, key, fields.len() as u64, EventClass::Hash, "hdel");
    }
}

pub(super) fn httl(context: &mut Context<'_>) -> CommandResult {
    tell(context, |at, now| (at.0.saturating_sub(now.0) as i64 + 999) / 1_000)
}

pub(super) fn hpttl(context: &mut Context<'_>) -> CommandResult {
    tell(context, |at, now| at.0.saturating_sub(now.0) as i64)
}

pub(super) fn hexpiretime(context: &mut Context<'_>) -> CommandResult {
    tell(context, |at, _| (at.0 as i64 + 999) / 1_000)
}

pub(super) fn hpexpiretime(context: &mut Context<'_>) -> CommandResult {
    tell(context, |at, _| at.0 as i64)
}

fn tell(context: &mut Context<'_>, number: impl Fn(UnixMs, UnixMs) -> i64) -> CommandResult {
    context.engine.read_hash(context.session.db, context.args.at(1))?;
    let fields = fields_at(context, 2, NO_FIELDS)?;
    let now = context.engine.now.unix_ms();
    let hash = context.engine.read_hash(context.session.db, context.args.at(1))?;
    context.reply.array(fields.len());
    for field in fields.iter() {
        let seen = hash.filter(|hash| hash.get(field).is_some());
        context.reply.integer(match seen.map(|hash| hash.expiry(field)) {
            None => NO_FIELD,
            Some(None) => NO_EXPIRY,
            Some(Some(at)) => number(at, now),
        });
    }
    Ok(())
}

pub(super) fn hpersist(context: &mut Context<'_>) -> CommandResult {
    let (db, key) = (context.session.db, context.arg(1));
    context.engine.read_hash(db, key)?;
    let fields = fields_at(context, 2, NO_FIELDS)?;
    let done = context.engine.edit_hash(db, key, |hash: &mut Hash, limits| {
        let each = |field: &[u8]| match (hash.contains(field), hash.expiry(field)) {
            (false, _) => NO_FIELD,
            (true, None) => NO_EXPIRY,
            (true, Some(_)) => {
                hash.set_expiry(field, None, limits);
                DONE
            }
        };
        fields.iter().map(each).collect::<Vec<i64>>()
    })?;
    let done = done.unwrap_or_else(|| vec![NO_FIELD; fields.len()]);
    let persisted = done.iter().filter(|outcome| **outcome == DONE).count();
    context.engine.wrote(db, key, persisted as u64, EventClass::Hash, "hpersist");
    context.reply.array(done.len());
    done.iter().for_each(|&outcome| context.reply.integer(outcome));
    Ok(())
}
