//! Conditions on what a key holds: `NX`, `XX`, and the comparisons with a string or with its digest that make
//! SET a compare-and-set and DELEX a compare-and-delete. DIGEST tells the digest.

use squall_resp::Args;
use squall_store::{Entry, StringRef};
use xxhash_rust::xxh3::xxh3_64;

use super::text_of;
use crate::config::EventClass;
use crate::{CommandError, CommandResult, Context};

/// When a command is to do anything.
#[derive(Clone, Copy)]
pub(super) enum Condition<'a> {
    Missing,
    Exists,
    Equals(&'a [u8]),
    Differs(&'a [u8]),
    DigestEquals(&'a [u8]),
    DigestDiffers(&'a [u8]),
}

/// A digest is spelled in so many hexadecimal digits.
const DIGEST_DIGITS: usize = 16;

pub(super) fn digest(context: &mut Context<'_>) -> CommandResult {
    match context.engine.lookup_read(context.session.db, context.args.at(1)) {
        Some(entry) => context.reply.bulk_str(&digest_of(text_of(entry)?)),
        None => context.reply.null(),
    }
    Ok(())
}

/// Deletes a key if it holds the given string.
pub(super) fn delifeq(context: &mut Context<'_>) -> CommandResult {
    delete_if(context, Some(Condition::Equals(context.args.at(2))))
}

pub(super) fn delex(context: &mut Context<'_>) -> CommandResult {
    let condition = match context.args.len() {
        2 => None,
        4 => Some(Condition::comparison(context.args, 2)?.ok_or(CommandError::Syntax)?),
        _ => return Err(CommandError::Arity { command: "delex".to_owned() }),
    };
    delete_if(context, condition)
}

/// Replicas receive a DEL: the condition was judged here.
fn delete_if(context: &mut Context<'_>, condition: Option<Condition<'_>>) -> CommandResult {
    let (db, key) = (context.session.db, context.arg(1));
    let deletes = match (context.engine.lookup_write(db, key), condition) {
        (None, _) => false,
        (Some(_), None) => true,
        (Some(entry), Some(condition)) => condition.holds(Some(&entry))?,
    };
    if deletes {
        context.engine.delete(db, key);
        context.engine.notify(EventClass::Generic, "del", db, key);
        context.engine.propagation.replace(&[b"DEL", key]);
    }
    context.reply.integer(i64::from(deletes));
    Ok(())
}

impl<'a> Condition<'a> {
    /// The condition at `index`, and how many words it takes.
    pub(super) fn at(args: Args<'a>, index: usize) -> Result<Option<(Condition<'a>, usize)>, CommandError> {
        let word = args.at(index);
        if word.eq_ignore_ascii_case(b"NX") {
            return Ok(Some((Condition::Missing, 1)));
        }
        if word.eq_ignore_ascii_case(b"XX") {
            return Ok(Some((Condition::Exists, 1)));
        }
        Ok(Condition::comparison(args, index)?.map(|condition| (condition, 2)))
    }

    /// `IFEQ`, `IFNE`, `IFDEQ` or `IFDNE` and its operand, if that is what stands at `index`.
    fn comparison(args: Args<'a>, index: usize) -> Result<Option<Condition<'a>>, CommandError> {
        const WORDS: [&[u8]; 4] = [b"IFEQ", b"IFNE", b"IFDEQ", b"IFDNE"];
        let word = args.at(index);
        let Some(operand) = args.get(index + 1) else { return Ok(None) };
        let condition = match WORDS.into_iter().position(|name| name.eq_ignore_ascii_case(word)) {
            Some(0) => Condition::Equals(operand),
            Some(1) => Condition::Differs(operand),
            Some(2) => Condition::DigestEquals(operand),
            Some(_) => Condition::DigestDiffers(operand),
            None => return Ok(None),
        };
        let compares_digests = matches!(condition, Condition::DigestEquals(_) | Condition::DigestDiffers(_));
        if compares_digests && operand.len() != DIGEST_DIGITS {
            return Err(CommandError::line("ERR digest must be exactly 16 hexadecimal characters"));
        }
        Ok(Some(condition))
    }

    /// Whether an old server knows the condition too.
    pub(super) fn is_classic(self) -> bool {
        matches!(self, Condition::Missing | Condition::Exists)
    }

    /// A missing key equals nothing. Comparing something other than a string is a mistake.
    pub(super) fn holds(self, entry: Option<&Entry>) -> Result<bool, CommandError> {
        let holds = |compare: &dyn Fn(StringRef<'_>) -> bool| match entry {
            None => Ok(false),
            Some(entry) => Ok(compare(text_of(entry)?)),
        };
        let equals = |operand: &[u8]| {
            holds(&|value: StringRef<'_>| value.as_bytes(&mut itoa::Buffer::new()) == operand)
        };
        let digest_equals =
            |operand: &[u8]| holds(&|value| digest_of(value).as_bytes().eq_ignore_ascii_case(operand));
        match self {
            Condition::Missing => Ok(entry.is_none()),
            Condition::Exists => Ok(entry.is_some()),
            Condition::Equals(operand) => equals(operand),
            Condition::Differs(operand) => Ok(!equals(operand)?),
            Condition::DigestEquals(operand) => digest_equals(operand),
            Condition::DigestDiffers(operand) => Ok(!digest_equals(operand)?),
        }
    }
}

/// The digest that clients compute as well: XXH3 of 64 bits, unseeded, in hexadecimal.
fn digest_of(value: StringRef<'_>) -> String {
    format!("{:016x}", xxh3_64(value.as_bytes(&mut itoa::Buffer::new())))
}
