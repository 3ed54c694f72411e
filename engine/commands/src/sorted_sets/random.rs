//! ZRANDMEMBER: members drawn at random.

use squall_store::{ZSet, parse_i64};

use super::reply_members;
use crate::collections::reply_item;
use crate::{CommandError, CommandResult, Context};

/// More members with repetition are not drawn at once.
const DRAWS_MAX: u64 = 1 << 27;

pub(super) fn zrandmember(context: &mut Context<'_>) -> CommandResult {
    let (db, key) = (context.session.db, context.arg(1));
    let Some(text) = context.args.get(2) else {
        match context.engine.read::<ZSet>(db, key)?.cloned() {
            Some(zset) => {
                let (member, _) = zset.random(&mut context.engine.rng).expect("it is not empty");
                reply_item(&mut context.reply, member);
            }
            None => context.reply.null(),
        }
        return Ok(());
    };
    let count = parse_i64(text).ok_or(CommandError::NotAnInteger)?;
    if count == i64::MIN {
        return Err(CommandError::line(
            "ERR value is out of range, value must between -9223372036854775807 and 9223372036854775807",
        ));
    }
    let with_scores = match context.args.len() {
        3 => false,
        4 if context.arg(3).eq_ignore_ascii_case(b"WITHSCORES") => true,
        _ => return Err(CommandError::Syntax),
    };
    if (with_scores && !(-i64::MAX / 2..=i64::MAX / 2).contains(&count))
        || (count < 0 && count.unsigned_abs() > DRAWS_MAX)
    {
        return Err(CommandError::line("ERR value is out of range"));
    }
    let Some(zset) = context.engine.read::<ZSet>(db, key)?.cloned() else {
        context.reply.array(0);
        return Ok(());
    };
    match usize::try_from(count) {
        Ok(count) => {
            let drawn = zset.sample(count, &mut context.engine.rng);
            reply_members(&mut context.reply, drawn.into_iter(), with_scores);
        }
        Err(_) => {
            let draws = 0..count.unsigned_abs() as usize;
            let drawn = draws.map(|_| zset.random(&mut context.engine.rng).expect("it is not empty"));
            reply_members(&mut context.reply, drawn, with_scores);
        }
    }
    Ok(())
}
