//! Deleting single entries: XDEL, XDELEX, XACKDEL.

use squall_resp::Args;
use squall_store::parse_i64;
use squall_store::stream::{References, Removal, Stream, StreamId};

use super::{ids, trimming};
use crate::config::EventClass;
use crate::{CommandError, CommandResult, Context};

pub(super) fn xdel(context: &mut Context<'_>) -> CommandResult {
    let (db, key) = (context.session.db, context.arg(1));
    if context.engine.read::<Stream>(db, key)?.is_none() {
        context.reply.integer(0);
        return Ok(());
    }
    let ids = parse_ids(context.args.skip(2))?;
    let deleted = context.engine.edit(db, key, |stream: &mut Stream, _| {
        ids.iter().filter(|id| stream.delete(**id, References::Keep) == Removal::Removed).count()
    })?;
    let deleted = deleted.unwrap_or(0);
    context.engine.wrote(db, key, deleted as u64, EventClass::Stream, "xdel");
    context.reply.integer(deleted as i64);
    Ok(())
}

/// What XDELEX and XACKDEL say of an entry.
const MISSING: i64 = -1;
const DONE: i64 = 1;
const REFERENCED: i64 = 2;

pub(super) fn xdelex(context: &mut Context<'_>) -> CommandResult {
    let (references, words) = parse_choice(context.args, 2)?;
    let (db, key) = (context.session.db, context.arg(1));
    // Nobody looks at the ids where there is nothing that they could name.
    let ids = match context.engine.read::<Stream>(db, key)? {
        Some(_) => parse_ids(words)?,
        None => return reply_all_missing(context, words.len()),
    };
    let outcomes = context.engine.edit(db, key, |stream: &mut Stream, _| {
        ids.iter().map(|id| outcome(stream.delete(*id, references))).collect::<Vec<_>>()
    })?;
    reply_outcomes(context, outcomes.unwrap_or_default());
    Ok(())
}

pub(super) fn xackdel(context: &mut Context<'_>) -> CommandResult {
    let (references, words) = parse_choice(context.args, 3)?;
    let (db, key, group) = (context.session.db, context.arg(1), context.arg(2));
    let ids = match context.engine.read::<Stream>(db, key)?.and_then(|stream| stream.group(group)) {
        Some(_) => parse_ids(words)?,
        None => return reply_all_missing(context, words.len()),
    };
    let outcomes = context.engine.edit(db, key, |stream: &mut Stream, _| {
        let acknowledge_and_delete = |id: &StreamId| {
            let acknowledged = stream.edit_group(group, |group| group.acknowledge(*id)) == Some(true);
            match (acknowledged, acknowledged.then(|| stream.delete(*id, references))) {
                (_, Some(Removal::Referenced)) => REFERENCED,
                (true, _) => DONE,
                (false, _) => MISSING,
            }
        };
        ids.iter().map(acknowledge_and_delete).collect::<Vec<_>>()
    })?;
    reply_outcomes(context, outcomes.unwrap_or_default());
    Ok(())
}

fn outcome(removal: Removal) -> i64 {
    match removal {
        Removal::Missing => MISSING,
        Removal::Removed => DONE,
        Removal::Referenced => REFERENCED,
    }
}

fn reply_all_missing(context: &mut Context<'_>, count: usize) -> CommandResult {
    reply_outcomes(context, vec![MISSING; count]);
    Ok(())
}

/// Replies with what became of each entry.
fn reply_outcomes(context: &mut Context<'_>, outcomes: Vec<i64>) {
    let (db, key) = (context.session.db, context.arg(1));
    let changes = outcomes.iter().filter(|outcome| **outcome != MISSING).count();
    let deleted = outcomes.contains(&DONE);
    if deleted {
        context.engine.wrote(db, key, changes as u64, EventClass::Stream, "xdel");
    } else if changes > 0 {
        context.engine.changed(db, key);
    }
    context.reply.array(outcomes.len());
    outcomes.into_iter().for_each(|outcome| context.reply.integer(outcome));
}

/// `[KEEPREF | DELREF | ACKED] IDS count id ...`, from word `index` on.
fn parse_choice(args: Args<'_>, mut index: usize) -> Result<(References, Args<'_>), CommandError> {
    let mut references = References::Keep;
    let mut ids = None;
    while let Some(word) = args.get(index) {
        if let Some(choice) = trimming::references(&word.to_ascii_uppercase()) {
            references = choice;
            index += 1;
        } else if word.eq_ignore_ascii_case(b"IDS") && index + 1 < args.len() {
            let count = parse_i64(args.at(index + 1))
                .and_then(|count| usize::try_from(count).ok())
                .filter(|&count| count > 0)
                .ok_or(CommandError::line("ERR Number of IDs must be a positive integer"))?;
            let words = args.skip(index + 2);
            if count > words.len() {
                return Err(CommandError::line(
                    "ERR The `numids` parameter must match the number of arguments",
                ));
            }
            ids = Some(words.first(count));
            index += 2 + count;
        } else {
            return Err(CommandError::Syntax);
        }
    }
    Ok((references, ids.ok_or(CommandError::Syntax)?))
}

pub(super) fn parse_ids(words: Args<'_>) -> Result<Vec<StreamId>, CommandError> {
    words.iter().map(|word| ids::parse(word, 0)).collect()
}
