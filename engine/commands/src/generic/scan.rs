//! SCAN: walking over the keys of a database, a part at each call; and what HSCAN, SSCAN and ZSCAN have in common with it.

use squall_resp::{Args, Reply};
use squall_store::{Cursor, Slot, glob_match, parse_i64};

use crate::{CommandError, CommandResult, Context};

const COUNT_DEFAULT: usize = 10;

/// What is walked over.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum ScanOf {
    /// `TYPE` chooses among them.
    Keys,
    /// Those of a cluster: `SLOT` chooses among them, too.
    ClusterKeys,
    Members,
    /// `NOVALUES` leaves out what they hold.
    Fields,
    /// `NOSCORES` leaves out what they are ordered by.
    Scored,
}

/// What a scan returns, and how much it looks at.
pub(crate) struct ScanOptions<'a> {
    pub count: usize,
    pub pattern: Option<&'a [u8]>,
    pub type_name: Option<&'a [u8]>,
    pub without_values: bool,
    pub slot: Option<Slot>,
}

pub(super) fn scan(context: &mut Context<'_>) -> CommandResult {
    let cursor = parse_cursor(context.arg(1))?;
    let options = ScanOptions::parse(context.args.skip(2), ScanOf::Keys)?;
    let (db, now) = (context.session.db, context.engine.now.unix_ms());
    let (mut found, mut expired) = (Vec::new(), Vec::new());
    let next = context.engine.keyspace.db(db).scan(Cursor(cursor), options.count, |entry| {
        let key = entry.key();
        if !options.pattern.is_none_or(|pattern| glob_match(pattern, key)) || context.engine.is_hidden(key) {
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
    reply_page(&mut context.reply, next.0, &found);
    Ok(())
}

/// The reply of every scan: where to continue, and what was found.
pub(crate) fn reply_page(reply: &mut Reply<'_>, next: u64, found: &[Vec<u8>]) {
    reply.array(2);
    reply.bulk(itoa::Buffer::new().format(next).as_bytes());
    reply.array(found.len());
    found.iter().for_each(|text| reply.bulk(text));
}

/// A cursor: blanks and a plus may stand before it.
pub(crate) fn parse_cursor(text: &[u8]) -> Result<u64, CommandError> {
    let blanks = text.iter().take_while(|byte| matches!(byte, b' ' | 9..=13)).count();
    let digits = text[blanks..].strip_prefix(b"+").unwrap_or(&text[blanks..]);
    let number = match digits {
        [] => None,
        _ => digits.iter().try_fold(0u64, |number, digit| match digit {
            b'0'..=b'9' => number.checked_mul(10)?.checked_add(u64::from(digit - b'0')),
            _ => None,
        }),
    };
    number.ok_or_else(|| CommandError::line("ERR invalid cursor"))
}

impl<'a> ScanOptions<'a> {
    /// Reads `COUNT`, `MATCH` and what this kind of scan has beside them.
    pub(crate) fn parse(args: Args<'a>, of: ScanOf) -> Result<ScanOptions<'a>, CommandError> {
        let mut options = ScanOptions {
            count: COUNT_DEFAULT,
            pattern: None,
            type_name: None,
            without_values: false,
            slot: None,
        };
        let of_keys = matches!(of, ScanOf::Keys | ScanOf::ClusterKeys);
        let mut words = args.iter();
        while let Some(word) = words.next() {
            if let Some((option, command, among)) = bare_option(word) {
                if of != among {
                    let line = format!("ERR {option} option can only be used in {command}");
                    return Err(CommandError::line(line));
                }
                options.without_values = true;
                continue;
            }
            let value = words.next().ok_or(CommandError::Syntax)?;
            if word.eq_ignore_ascii_case(b"COUNT") {
                let count = parse_i64(value).ok_or(CommandError::NotAnInteger)?;
                options.count =
                    usize::try_from(count).ok().filter(|count| *count > 0).ok_or(CommandError::Syntax)?;
            } else if word.eq_ignore_ascii_case(b"MATCH") {
                options.pattern = Some(value).filter(|pattern| *pattern != b"*");
            } else if word.eq_ignore_ascii_case(b"TYPE") && of_keys {
                options.type_name = Some(value);
            } else if word.eq_ignore_ascii_case(b"SLOT") && of == ScanOf::ClusterKeys {
                options.slot = Some(crate::cluster::parse_slot(value)?);
            } else {
                return Err(CommandError::Syntax);
            }
        }
        Ok(options)
    }
}

/// The words that stand for themselves, with the command that has them.
fn bare_option(word: &[u8]) -> Option<(&'static str, &'static str, ScanOf)> {
    let options = [("NOVALUES", "HSCAN", ScanOf::Fields), ("NOSCORES", "ZSCAN", ScanOf::Scored)];
    options.into_iter().find(|(option, ..)| word.eq_ignore_ascii_case(option.as_bytes()))
}
