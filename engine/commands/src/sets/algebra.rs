//! Several sets: SUNION, SINTER, SDIFF, what stores their results, and SINTERCARD.

use squall_store::{Limits, Set, parse_i64};

use crate::config::EventClass;
use crate::lists::reply_item;
use crate::{CommandError, CommandResult, Context};

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Operation {
    Union,
    Intersection,
    Difference,
}

pub(super) fn sunion(context: &mut Context<'_>) -> CommandResult {
    reply_result(context, Operation::Union)
}

pub(super) fn sinter(context: &mut Context<'_>) -> CommandResult {
    reply_result(context, Operation::Intersection)
}

pub(super) fn sdiff(context: &mut Context<'_>) -> CommandResult {
    reply_result(context, Operation::Difference)
}

pub(super) fn sunionstore(context: &mut Context<'_>) -> CommandResult {
    store_result(context, Operation::Union, "sunionstore")
}

pub(super) fn sinterstore(context: &mut Context<'_>) -> CommandResult {
    store_result(context, Operation::Intersection, "sinterstore")
}

pub(super) fn sdiffstore(context: &mut Context<'_>) -> CommandResult {
    store_result(context, Operation::Difference, "sdiffstore")
}

fn reply_result(context: &mut Context<'_>, operation: Operation) -> CommandResult {
    let result = compute(context, 1..context.args.len(), operation)?;
    context.reply.set(result.len());
    result.iter().for_each(|member| reply_item(&mut context.reply, member));
    Ok(())
}

fn store_result(context: &mut Context<'_>, operation: Operation, event: &str) -> CommandResult {
    let result = compute(context, 2..context.args.len(), operation)?;
    let (db, key, len) = (context.session.db, context.arg(1), result.len());
    context.engine.store_result(db, key, result, EventClass::Set, event);
    context.reply.integer(len as i64);
    Ok(())
}

/// The result over the sets under these words; a missing one is empty.
fn compute(
    context: &mut Context<'_>,
    keys: std::ops::Range<usize>,
    operation: Operation,
) -> Result<Set, CommandError> {
    let sets = frozen_sets(context, keys)?;
    let limits = context.engine.keyspace.limits();
    let (first, others) = sets.split_first().expect("there is a key at least");
    Ok(match operation {
        Operation::Union => {
            let mut union = first.clone();
            for set in others {
                add_all(&mut union, set, limits);
            }
            union
        }
        Operation::Intersection => {
            let mut common = Set::default();
            each_common(&sets, |member| {
                common.add(member, limits);
                true
            });
            common
        }
        Operation::Difference => {
            let mut left = Set::default();
            let mut digits = itoa::Buffer::new();
            for member in first.iter() {
                let member = member.as_bytes(&mut digits);
                if !others.iter().any(|set| set.contains(member)) {
                    left.add(member, limits);
                }
            }
            left
        }
    })
}

/// Frozen copies of the sets under these words, which is cheap.
fn frozen_sets(context: &mut Context<'_>, keys: std::ops::Range<usize>) -> Result<Vec<Set>, CommandError> {
    let db = context.session.db;
    keys.map(|index| Ok(context.engine.read::<Set>(db, context.args.at(index))?.cloned().unwrap_or_default()))
        .collect()
}

fn add_all(union: &mut Set, set: &Set, limits: &Limits) {
    let mut digits = itoa::Buffer::new();
    for member in set.iter() {
        union.add(member.as_bytes(&mut digits), limits);
    }
}

/// Passes the members that all sets have to `visit`, until it has enough.
fn each_common(sets: &[Set], mut visit: impl FnMut(&[u8]) -> bool) {
    let smallest = (0..sets.len()).min_by_key(|&index| sets[index].len()).expect("there is a set at least");
    let mut digits = itoa::Buffer::new();
    for member in sets[smallest].iter() {
        let member = member.as_bytes(&mut digits);
        let everywhere =
            sets.iter().enumerate().all(|(index, set)| index == smallest || set.contains(member));
        if everywhere && !visit(member) {
            return;
        }
    }
}

pub(super) fn sintercard(context: &mut Context<'_>) -> CommandResult {
    const NO_KEYS: CommandError =
        CommandError::Line(std::borrow::Cow::Borrowed("ERR numkeys should be greater than 0"));
    let keys = parse_i64(context.arg(1)).filter(|&keys| keys > 0).ok_or(NO_KEYS)? as usize;
    if keys > context.args.len() - 2 {
        return Err(CommandError::line("ERR Number of keys can't be greater than number of args"));
    }
    let mut limit = usize::MAX;
    let mut words = context.args.skip(2 + keys).iter();
    while let Some(word) = words.next() {
        match words.next() {
            Some(text) if word.eq_ignore_ascii_case(b"LIMIT") => {
                let number = parse_i64(text).and_then(|number| usize::try_from(number).ok());
                limit = match number.ok_or(CommandError::line("ERR LIMIT can't be negative"))? {
                    0 => usize::MAX,
                    number => number,
                };
            }
            _ => return Err(CommandError::Syntax),
        }
    }
    let sets = frozen_sets(context, 2..2 + keys)?;
    let mut common = 0;
    each_common(&sets, |_| {
        common += 1;
        common < limit
    });
    context.reply.integer(common as i64);
    Ok(())
}
