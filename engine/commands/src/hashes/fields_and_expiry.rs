//! Fields and their expiry in one: HGETEX, HSETEX, HGETDEL.

use squall_clock::UnixMs;
use squall_resp::Args;
use squall_store::{Hash, parse_i64};

use super::expiry::field_deadline;
use super::field::reply_values;
use super::{MISPLACED, NO_FIELDS, listed_fields, reply_item};
use crate::config::EventClass;
use crate::expiration::Deadline;
use crate::{CommandError, CommandResult, Context};

/// What becomes of the fields' expiry.
#[derive(Clone, Copy)]
enum Expiry {
    /// HGETEX: as it is. HSETEX: it goes.
    Unsaid,
    Keep,
    Persist,
    At(UnixMs),
}

/// Which fields HSETEX sets, if at all.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Presence {
    Any,
    AllThere,
    NoneThere,
}

struct Options<'a> {
    expiry: Expiry,
    presence: Presence,
    /// Valkey's `NX` and `XX`: whether the hash itself must be there.
    key_exists: Option<bool>,
    fields: Args<'a>,
}

impl<'a> Options<'a> {
    /// Reads the words behind the key: options, then FIELDS, each field of so many words.
    fn parse(
        context: &Context<'a>,
        command: &'static str,
        words_each: usize,
    ) -> Result<Options<'a>, CommandError> {
        let (args, now, sets) = (context.args, context.engine.now.unix_ms(), words_each == 2);
        let (mut expiry, mut presence, mut key_exists, mut at) = (None, None, None, 2);
        while let Some(word) = args.get(at) {
            let is = |name: &[u8]| word.eq_ignore_ascii_case(name);
            if is(b"FIELDS") {
                let listed = args.skip(at + 1);
                if listed.len() <= words_each {
                    return Err(CommandError::Arity { command: command.to_owned() });
                }
                let fields = if sets { listed_pairs(listed)? } else { listed_fields(listed, NO_FIELDS)? };
                let (expiry, presence) =
                    (expiry.unwrap_or(Expiry::Unsaid), presence.unwrap_or(Presence::Any));
                return Ok(Options { expiry, presence, key_exists, fields });
            } else if let Some(deadline) = Deadline::at(args, at).filter(|_| expiry.is_none()) {
                let number = parse_i64(deadline.text).ok_or(CommandError::NotAnInteger)?;
                let time = field_deadline(number, deadline.unit, deadline.absolute, now, command)?;
                expiry = Some(Expiry::At(time));
                at += 1;
            } else if expiry.is_none() && sets && is(b"KEEPTTL") {
                expiry = Some(Expiry::Keep);
            } else if expiry.is_none() && !sets && is(b"PERSIST") {
                expiry = Some(Expiry::Persist);
            } else if presence.is_none() && sets && is(b"FNX") {
                presence = Some(Presence::NoneThere);
            } else if presence.is_none() && sets && is(b"FXX") {
                presence = Some(Presence::AllThere);
            } else if sets && (is(b"NX") || is(b"XX")) {
                if key_exists.replace(is(b"XX")).is_some_and(|exists| exists != is(b"XX")) {
                    return Err(CommandError::Syntax);
                }
            } else if sets {
                return Err(refusal(args, at));
            } else {
                break;
            }
            at += 1;
        }
        Err(CommandError::line(MISPLACED))
    }
}

/// `numfields field value [field value ...]`
fn listed_pairs(args: Args<'_>) -> Result<Args<'_>, CommandError> {
    const INVALID: &str = "ERR invalid number of fields";
    let count =
        parse_i64(args.at(0)).and_then(|count| usize::try_from(count).ok()).filter(|count| *count > 0);
    let count = count.ok_or(CommandError::line(INVALID))?;
    match count.checked_mul(2) == Some(args.len() - 1) {
        true => Ok(args.skip(1)),
        false => Err(CommandError::Arity { command: "hsetex".to_owned() }),
    }
}

/// What HSETEX says of an option that it has already, or does not know.
fn refusal(args: Args<'_>, at: usize) -> CommandError {
    const ONE_TIME: &str = "ERR Only one of EX, PX, EXAT, PXAT or KEEPTTL arguments can be specified";
    const ONE_PRESENCE: &str = "ERR Only one of FXX or FNX arguments can be specified";
    let word = args.at(at);
    match word.to_ascii_uppercase().as_slice() {
        b"EX" | b"PX" | b"EXAT" | b"PXAT" | b"KEEPTTL" => CommandError::line(ONE_TIME),
        b"FNX" | b"FXX" => CommandError::line(ONE_PRESENCE),
        _ => CommandError::Bytes([b"ERR unknown argument: ", word].concat()),
    }
}

pub(super) fn hgetex(context: &mut Context<'_>) -> CommandResult {
    context.engine.read_hash(context.session.db, context.args.at(1))?;
    let options = Options::parse(context, "hgetex", 1)?;
    let (db, key, fields) = (context.session.db, context.arg(1), options.fields);
    reply_values(context, key, fields)?;
    let is_past = matches!(options.expiry, Expiry::At(at) if context.is_past(at.0 as i64));
    let mut changed: Vec<&[u8]> = Vec::new();
    context.engine.edit_hash(db, key, |hash: &mut Hash, limits| {
        for field in fields.iter().filter(|field| hash.contains(field)).collect::<Vec<_>>() {
            let has_changed = match options.expiry {
                Expiry::At(_) if is_past => hash.remove(field),
                Expiry::At(at) => {
                    hash.set_expiry(field, Some(at), limits);
                    true
                }
                Expiry::Persist => {
                    let had = hash.expiry(field).is_some();
                    hash.set_expiry(field, None, limits);
                    had
                }
                Expiry::Unsaid | Expiry::Keep => false,
            };
            if has_changed {
                changed.push(field);
            }
        }
    })?;
    if changed.is_empty() {
        return Ok(());
    }
    match options.expiry {
        Expiry::At(_) if is_past => context.propagate_removal(key, &changed),
        Expiry::At(at) => {
            let mut digits = itoa::Buffer::new();
            context.propagate_fields(&[b"HPEXPIREAT", key, digits.format(at.0).as_bytes()], &changed);
            context.engine.wrote(db, key, changed.len() as u64, EventClass::Hash, "hexpire");
        }
        _ => {
            context.propagate_fields(&[b"HPERSIST", key], &changed);
            context.engine.wrote(db, key, changed.len() as u64, EventClass::Hash, "hpersist");
        }
    }
    Ok(())
}

pub(super) fn hgetdel(context: &mut Context<'_>) -> CommandResult {
    context.engine.read_hash(context.session.db, context.args.at(1))?;
    if !context.arg(2).eq_ignore_ascii_case(b"FIELDS") {
        return Err(CommandError::line(MISPLACED));
    }
    let fields = listed_fields(context.args.skip(3), NO_FIELDS)?;
    let (db, key) = (context.session.db, context.arg(1));
    let first_time = |at: usize| !fields.first(at).iter().any(|field| field == fields.at(at));
    let hash = context.engine.read_hash(db, context.args.at(1))?;
    context.reply.array(fields.len());
    for (at, field) in fields.iter().enumerate() {
        // Named again, a field is gone already.
        match hash.and_then(|hash| hash.get(field)).filter(|_| first_time(at)) {
            Some(value) => reply_item(&mut context.reply, value),
            None => context.reply.null(),
        }
    }
    let mut removed: Vec<&[u8]> = Vec::new();
    context.engine.edit_hash(db, key, |hash: &mut Hash, _| {
        removed.extend(fields.iter().filter(|field| hash.remove(field)));
    })?;
    if !removed.is_empty() {
        context.propagate_removal(key, &removed);
    }
    Ok(())
}

pub(super) fn hsetex(context: &mut Context<'_>) -> CommandResult {
    let options = Options::parse(context, "hsetex", 2)?;
    let (db, key, pairs) = (context.session.db, context.arg(1), options.fields);
    let fields = || (0..pairs.len()).step_by(2).map(|at| (pairs.at(at), pairs.at(at + 1)));
    if let Some(wanted) = options.key_exists
        && context.engine.read_hash(db, context.args.at(1))?.is_some() != wanted
    {
        context.reply.integer(0);
        return Ok(());
    }
    let is_past = matches!(options.expiry, Expiry::At(at) if context.is_past(at.0 as i64));
    let done = context.engine.edit_or_create_hash(db, key, |hash: &mut Hash, limits| {
        let met = match options.presence {
            Presence::Any => true,
            Presence::AllThere => fields().all(|(field, _)| hash.contains(field)),
            Presence::NoneThere => fields().all(|(field, _)| !hash.contains(field)),
        };
        if !met {
            return None;
        }
        let mut removed: Vec<&[u8]> = Vec::new();
        for (field, value) in fields() {
            match options.expiry {
                Expiry::At(_) if is_past => {
                    // One that was not there has come and gone, too.
                    hash.set(field, value, limits);
                    hash.remove(field);
                    removed.push(field);
                }
                Expiry::At(at) => {
                    hash.set_keeping_expiry(field, value, limits);
                    hash.set_expiry(field, Some(at), limits);
                }
                Expiry::Keep => drop(hash.set_keeping_expiry(field, value, limits)),
                Expiry::Unsaid | Expiry::Persist => drop(hash.set(field, value, limits)),
            }
        }
        Some(removed)
    })?;
    context.reply.integer(i64::from(done.is_some()));
    let Some(removed) = done else { return Ok(()) };
    if is_past {
        // They are set, and have expired.
        context.engine.notify(EventClass::Hash, "hset", db, key);
        if !removed.is_empty() {
            context.propagate_removal(key, &removed);
        }
        return Ok(());
    }
    propagate_setting(context, key, options.expiry, pairs);
    context.engine.wrote(db, key, pairs.len() as u64 / 2, EventClass::Hash, "hset");
    if matches!(options.expiry, Expiry::At(_)) {
        context.engine.notify(EventClass::Hash, "hexpire", db, key);
    }
    Ok(())
}

/// What replicas hear of HSETEX: points in time, no conditions, and plain HSET where that says it all.
fn propagate_setting(context: &mut Context<'_>, key: &[u8], expiry: Expiry, pairs: Args<'_>) {
    let (mut time, mut count) = (itoa::Buffer::new(), itoa::Buffer::new());
    let count: [&[u8]; 2] = [b"FIELDS", count.format(pairs.len() / 2).as_bytes()];
    let head: Vec<&[u8]> = match expiry {
        Expiry::At(at) => {
            [&[b"HSETEX".as_slice(), key, b"PXAT", time.format(at.0).as_bytes()], &count[..]].concat()
        }
        Expiry::Keep => [&[b"HSETEX".as_slice(), key, b"KEEPTTL"], &count[..]].concat(),
        Expiry::Unsaid | Expiry::Persist => vec![b"HSET", key],
    };
    let words: Vec<&[u8]> = head.into_iter().chain(pairs.iter()).collect();
    context.engine.propagation.replace(&words);
}
