//! DUMP and RESTORE: values as portable bytes (the RDB format's, with a version and a checksum behind).

use squall_clock::UnixMs;
use squall_resp::Args;
use squall_store::parse_i64;
use squall_store::rdb::{self, RdbError, RdbFault};

use crate::config::EventClass;
use crate::{CommandError, CommandResult, Context, recency};

pub(super) fn dump(context: &mut Context<'_>) -> CommandResult {
    match context.engine.lookup_read(context.session.db, context.args.at(1)) {
        Some(entry) => context.reply.bulk_bytes(rdb::dump(entry).into()),
        None => context.reply.null(),
    }
    Ok(())
}

#[derive(Clone, Copy, Default)]
struct RestoreOptions {
    replace: bool,
    absolute_ttl: bool,
    idle_seconds: Option<u64>,
    frequency: Option<u8>,
}

pub(super) fn restore(context: &mut Context<'_>) -> CommandResult {
    let options = RestoreOptions::parse(context.args)?;
    let (db, key, payload) = (context.session.db, context.arg(1), context.arg(3));
    if !options.replace && context.engine.lookup_write(db, key).is_some() {
        return Err(CommandError::line("BUSYKEY Target key name already exists."));
    }
    let ttl = context.integer(2)?;
    if ttl < 0 {
        return Err(CommandError::line("ERR Invalid TTL value, must be >= 0"));
    }
    let expire_at = restored_expiry(context, ttl, options);
    let value = rdb::restore(payload, context.engine.keyspace.limits()).map_err(refusal)?;
    if expire_at.is_some_and(|at| context.is_past(at.0 as i64)) {
        if context.engine.delete(db, key) {
            context.engine.notify(EventClass::Generic, "del", db, key);
            let verb = context.expiry_verb();
            context.engine.propagation.replace(&[verb, key]);
        }
        context.reply.ok();
        return Ok(());
    }
    context.engine.insert(db, key, value, expire_at);
    note_access(context, options);
    context.engine.notify(EventClass::Generic, "restore", db, key);
    propagate(context, expire_at, options);
    context.reply.ok();
    Ok(())
}

fn refusal(error: RdbError) -> CommandError {
    CommandError::line(match error.what {
        RdbFault::Footer => "ERR DUMP payload version or checksum are wrong",
        _ => "ERR Bad data format",
    })
}

fn restored_expiry(context: &Context<'_>, ttl: i64, options: RestoreOptions) -> Option<UnixMs> {
    let base = if options.absolute_ttl { 0 } else { context.engine.now.unix_ms().0 };
    (ttl != 0).then(|| UnixMs(base.saturating_add(ttl as u64).min(i64::MAX as u64)))
}

/// A value keeps the recency that it had where it was dumped.
fn note_access(context: &mut Context<'_>, options: RestoreOptions) {
    let engine = &mut *context.engine;
    let access = match (engine.is_lfu(), options.frequency, options.idle_seconds) {
        (true, Some(frequency), _) => recency::lfu_access(frequency, engine.now),
        (false, _, Some(idle)) => recency::lru_clock(engine.now).wrapping_sub(idle as u32),
        _ => return,
    };
    engine.restore_access(context.session.db, context.args.at(1), access);
}

/// Replicas receive the point in time; the other options as they were given.
fn propagate(context: &mut Context<'_>, expire_at: Option<UnixMs>, options: RestoreOptions) {
    let Some(at) = expire_at.filter(|_| !options.absolute_ttl) else { return };
    let mut digits = itoa::Buffer::new();
    let mut words: Vec<&[u8]> = context.args.iter().collect();
    words[2] = digits.format(at.0).as_bytes();
    words.push(b"ABSTTL");
    context.engine.propagation.replace(&words);
}

impl RestoreOptions {
    fn parse(args: Args<'_>) -> Result<RestoreOptions, CommandError> {
        let mut options = RestoreOptions::default();
        let mut words = args.skip(4).iter();
        while let Some(word) = words.next() {
            let more = words.len() > 0;
            if word.eq_ignore_ascii_case(b"REPLACE") {
                options.replace = true;
            } else if word.eq_ignore_ascii_case(b"ABSTTL") {
                options.absolute_ttl = true;
            } else if word.eq_ignore_ascii_case(b"IDLETIME") && more && options.frequency.is_none() {
                let number = number_of(words.next())?;
                let idle = u64::try_from(number)
                    .map_err(|_| CommandError::line("ERR Invalid IDLETIME value, must be >= 0"))?;
                options.idle_seconds = Some(idle);
            } else if word.eq_ignore_ascii_case(b"FREQ") && more && options.idle_seconds.is_none() {
                let number = number_of(words.next())?;
                let frequency = u8::try_from(number)
                    .map_err(|_| CommandError::line("ERR Invalid FREQ value, must be >= 0 and <= 255"))?;
                options.frequency = Some(frequency);
            } else {
                return Err(CommandError::Syntax);
            }
        }
        Ok(options)
    }
}

fn number_of(word: Option<&[u8]>) -> Result<i64, CommandError> {
    word.and_then(parse_i64).ok_or(CommandError::NotAnInteger)
}
