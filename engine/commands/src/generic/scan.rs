//! SCAN: walking over the keys of a database, a part at each call.

use squall_resp::Args;
use squall_store::{Cursor, glob_match, parse_i64};

use crate::{CommandError, CommandResult, Context};

const COUNT_DEFAULT: usize = 10;

/// Which keys SCAN returns, and how many it looks at.
pub(crate) struct ScanOptions<'a> {
    pub count: usize,
    pub pattern: Option<&'a [u8]>,
    pub type_name: Option<&'a [u8]>,
}

pub(super) fn scan(context: &mut Context<'_>) -> CommandResult {
    let cursor = parse_cursor(context.arg(1))?;
    let options = ScanOptions::parse(context.args.skip(2), true)?;
    let (db, now) = (context.session.db, context.engine.now.unix_ms());
    let (mut found, mut expired) = (Vec::new(), Vec::new());
    let next = context.engine.keyspace.db(db).scan(Cursor(cursor), options.count, |entry| {
        let key = entry.key();
        if !options.pattern.is_none_or(|pattern| glob_match(pattern, key)) {
            return;
        }
        if entry.is_expired(now) {
            expired.push(key.to_vec());
        } else if options
            .type_name
            .is_none_or(|name| name.eq_ignore_ascii_case(entry.kind().name().as_bytes()))
        {
            found.push(key.to_vec());
        }
    });
    if context.engine.deletes_expired() {
        expired.iter().for_each(|key| context.engine.expire(db, key));
    }
    context.reply.array(2);
    context.reply.bulk(itoa::Buffer::new().format(next.0).as_bytes());
    context.reply.array(found.len());
    found.iter().for_each(|key| context.reply.bulk(key));
    Ok(())
}

/// A cursor as C's `strtoul` reads it, without leading blanks.
pub(crate) fn parse_cursor(text: &[u8]) -> Result<u64, CommandError> {
    let (negative, digits) = match text {
        [b'-', digits @ ..] => (true, digits),
        [b'+', digits @ ..] => (false, digits),
        digits => (false, digits),
    };
    let number = match digits {
        [] if text.is_empty() => Some(0),
        [] => None,
        _ => digits.iter().try_fold(0u64, |number, digit| match digit {
            b'0'..=b'9' => number.checked_mul(10)?.checked_add(u64::from(digit - b'0')),
            _ => None,
        }),
    };
    let number = number.ok_or_else(|| CommandError::line("ERR invalid cursor"))?;
    Ok(if negative { number.wrapping_neg() } else { number })
}

impl<'a> ScanOptions<'a> {
    /// Reads `COUNT`, `MATCH` and, where `typed`, `TYPE`.
    pub(crate) fn parse(args: Args<'a>, typed: bool) -> Result<ScanOptions<'a>, CommandError> {
        let mut options = ScanOptions { count: COUNT_DEFAULT, pattern: None, type_name: None };
        let mut words = args.iter();
        while let (Some(word), value) = (words.next(), words.next()) {
            let value = value.ok_or(CommandError::Syntax)?;
            if word.eq_ignore_ascii_case(b"COUNT") {
                let count = parse_i64(value).ok_or(CommandError::NotAnInteger)?;
                options.count =
                    usize::try_from(count).ok().filter(|count| *count > 0).ok_or(CommandError::Syntax)?;
            } else if word.eq_ignore_ascii_case(b"MATCH") {
                options.pattern = Some(value);
            } else if word.eq_ignore_ascii_case(b"TYPE") && typed {
                options.type_name = Some(value);
            } else {
                return Err(CommandError::Syntax);
            }
        }
        Ok(options)
    }
}
