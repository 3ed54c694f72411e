//! ZADD and ZINCRBY: giving members their scores.

use squall_resp::Args;
use squall_store::{Limits, ZSet};

use crate::config::EventClass;
use crate::float::float_argument;
use crate::{CommandError, CommandResult, Context};

/// The words between ZADD's key and its first score.
#[derive(Clone, Copy, Default)]
struct AddOptions {
    only_new: bool,
    only_present: bool,
    only_greater: bool,
    only_less: bool,
    reply_changed: bool,
    increment: bool,
}

/// What became of one member.
#[derive(Clone, Copy, PartialEq, Debug)]
enum Added {
    New(f64),
    Changed(f64),
    /// It has the score already.
    Same(f64),
    /// The options forbid it.
    Refused,
    NotANumber,
}

pub(super) fn zadd(context: &mut Context<'_>) -> CommandResult {
    let (options, first) = AddOptions::parse(context.args);
    let pairs = context.args.skip(first);
    if pairs.is_empty() || !pairs.len().is_multiple_of(2) {
        return Err(CommandError::Syntax);
    }
    options.check(pairs.len() / 2)?;
    add(context, options, pairs)
}

pub(super) fn zincrby(context: &mut Context<'_>) -> CommandResult {
    add(context, AddOptions { increment: true, ..AddOptions::default() }, context.args.skip(2))
}

/// Adds score, member, score, member ...
fn add(context: &mut Context<'_>, options: AddOptions, pairs: Args<'_>) -> CommandResult {
    let scores = pairs.iter().step_by(2).map(float_argument).collect::<Result<Vec<f64>, _>>()?;
    let (db, key) = (context.session.db, context.arg(1));
    let (mut new, mut changed, mut last) = (0, 0, Added::Refused);
    let add_all = |zset: &mut ZSet, limits: &Limits| {
        zset.expect(scores.len(), limits);
        for (index, score) in scores.iter().enumerate() {
            last = options.apply(zset, pairs.at(2 * index + 1), *score, limits);
            new += u64::from(matches!(last, Added::New(_)));
            changed += u64::from(matches!(last, Added::Changed(_)));
        }
    };
    context.engine.edit_or_create(db, key, add_all)?;
    if last == Added::NotANumber {
        return Err(CommandError::line("ERR resulting score is not a number (NaN)"));
    }
    let event = if options.increment { "zincr" } else { "zadd" };
    context.engine.wrote(db, key, new + changed, EventClass::ZSet, event);
    match last {
        _ if !options.increment => {
            context.reply.integer(new as i64 + if options.reply_changed { changed as i64 } else { 0 })
        }
        Added::New(score) | Added::Changed(score) | Added::Same(score) => context.reply.double(score),
        Added::Refused | Added::NotANumber => context.reply.null(),
    }
    Ok(())
}

impl AddOptions {
    /// The options, and the index of the first score.
    fn parse(args: Args<'_>) -> (AddOptions, usize) {
        let mut options = AddOptions::default();
        for (index, word) in args.iter().enumerate().skip(2) {
            let option = match word.to_ascii_uppercase().as_slice() {
                b"NX" => &mut options.only_new,
                b"XX" => &mut options.only_present,
                b"GT" => &mut options.only_greater,
                b"LT" => &mut options.only_less,
                b"CH" => &mut options.reply_changed,
                b"INCR" => &mut options.increment,
                _ => return (options, index),
            };
            *option = true;
        }
        (options, args.len())
    }

    fn check(self, members: usize) -> CommandResult {
        if self.only_new && self.only_present {
            return Err(CommandError::line("ERR XX and NX options at the same time are not compatible"));
        }
        if [self.only_greater, self.only_less, self.only_new].into_iter().filter(|is_set| *is_set).count() > 1
        {
            return Err(CommandError::line(
                "ERR GT, LT, and/or NX options at the same time are not compatible",
            ));
        }
        if self.increment && members > 1 {
            return Err(CommandError::line("ERR INCR option supports a single increment-element pair"));
        }
        Ok(())
    }

    #[inline]
    fn is_plain(self) -> bool {
        !(self.only_new || self.only_present || self.only_greater || self.only_less || self.increment)
    }

    fn apply(self, zset: &mut ZSet, member: &[u8], score: f64, limits: &Limits) -> Added {
        if self.is_plain() {
            return match zset.insert(member, score, limits) {
                None => Added::New(score),
                Some(old) if old == score => Added::Same(score),
                Some(_) => Added::Changed(score),
            };
        }
        let Some(old) = zset.score(member) else {
            if self.only_present {
                return Added::Refused;
            }
            zset.insert(member, score, limits);
            return Added::New(score);
        };
        if self.only_new {
            return Added::Refused;
        }
        let score = if self.increment { old + score } else { score };
        if score.is_nan() {
            return Added::NotANumber;
        }
        if (self.only_greater && score <= old) || (self.only_less && score >= old) {
            return Added::Refused;
        }
        if score == old {
            return Added::Same(score);
        }
        zset.insert(member, score, limits);
        Added::Changed(score)
    }
}
