//! GEOADD: a ZADD whose scores are places.

use squall_store::{Limits, ZSet};

use super::place_at;
use crate::config::EventClass;
use crate::{CommandError, CommandResult, Context};

pub(super) fn geoadd(context: &mut Context<'_>) -> CommandResult {
    let (db, key, args) = (context.session.db, context.arg(1), context.args);
    let (mut only_new, mut only_present, mut reply_changed) = (false, false, false);
    let mut first = 2;
    while let Some(word) = args.get(first) {
        match word.to_ascii_uppercase().as_slice() {
            b"NX" => only_new = true,
            b"XX" => only_present = true,
            b"CH" => reply_changed = true,
            _ => break,
        }
        first += 1;
    }
    let places = args.skip(first);
    if !places.len().is_multiple_of(3) || (only_new && only_present) {
        return Err(CommandError::Syntax);
    }
    let indexes = || (0..places.len()).step_by(3);
    let scores: Vec<f64> =
        indexes().map(|index| Ok(place_at(places, index)?.score())).collect::<Result<_, CommandError>>()?;
    let (mut new, mut changed) = (0, 0);
    context.engine.edit_or_create(db, key, |zset: &mut ZSet, limits: &Limits| {
        zset.expect(scores.len(), limits);
        for (index, score) in indexes().zip(&scores) {
            let member = places.at(index + 2);
            let old = if only_new || only_present { zset.score(member) } else { None };
            if (only_new && old.is_some()) || (only_present && old.is_none()) {
                continue;
            }
            match zset.insert(member, *score, limits) {
                None => new += 1,
                Some(old) => changed += u64::from(old != *score),
            }
        }
    })?;
    context.engine.wrote(db, key, new + changed, EventClass::ZSet, "zadd");
    // Replicas receive the scores, so that they need not compute them.
    let mut command: Vec<&[u8]> = vec![b"ZADD", key];
    command.extend((2..first).map(|index| args.at(index)));
    let texts: Vec<String> = scores.iter().map(|score| format!("{score:.0}")).collect();
    for (index, text) in indexes().zip(&texts) {
        command.extend([text.as_bytes(), places.at(index + 2)]);
    }
    if new + changed > 0 {
        context.engine.propagation.replace(&command);
    }
    context.reply.integer((new + if reply_changed { changed } else { 0 }) as i64);
    Ok(())
}
