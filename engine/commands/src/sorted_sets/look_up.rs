//! What is asked of single members, and of the whole: ZSCORE, ZMSCORE, ZRANK, ZREVRANK, ZCARD.

use squall_store::ZSet;

use crate::{CommandError, CommandResult, Context};

pub(super) fn zcard(context: &mut Context<'_>) -> CommandResult {
    let len = context.engine.read::<ZSet>(context.session.db, context.args.at(1))?.map_or(0, ZSet::len);
    context.reply.integer(len as i64);
    Ok(())
}

pub(super) fn zscore(context: &mut Context<'_>) -> CommandResult {
    let (key, member) = (context.arg(1), context.arg(2));
    match context.engine.read::<ZSet>(context.session.db, key)?.and_then(|zset| zset.score(member)) {
        Some(score) => context.reply.double(score),
        None => context.reply.null(),
    }
    Ok(())
}

pub(super) fn zmscore(context: &mut Context<'_>) -> CommandResult {
    let (key, members) = (context.arg(1), context.args.skip(2));
    let zset = context.engine.read::<ZSet>(context.session.db, key)?;
    context.reply.array(members.len());
    for member in members {
        match zset.and_then(|zset| zset.score(member)) {
            Some(score) => context.reply.double(score),
            None => context.reply.null(),
        }
    }
    Ok(())
}

pub(super) fn zrank(context: &mut Context<'_>) -> CommandResult {
    rank(context, "zrank", |rank, _| rank)
}

pub(super) fn zrevrank(context: &mut Context<'_>) -> CommandResult {
    rank(context, "zrevrank", |rank, len| len - 1 - rank)
}

fn rank(context: &mut Context<'_>, command: &str, count: fn(usize, usize) -> usize) -> CommandResult {
    let (key, member) = (context.arg(1), context.arg(2));
    let with_score = match context.args.len() {
        3 => false,
        4 if context.arg(3).eq_ignore_ascii_case(b"WITHSCORE") => true,
        4 => return Err(CommandError::Syntax),
        _ => return Err(CommandError::Arity { command: command.to_owned() }),
    };
    let zset = context.engine.read::<ZSet>(context.session.db, key)?;
    let found = zset.and_then(|zset| zset.rank(member).map(|(rank, score)| (count(rank, zset.len()), score)));
    match found {
        Some((rank, score)) => {
            if with_score {
                context.reply.array(2);
            }
            context.reply.integer(rank as i64);
            if with_score {
                context.reply.double(score);
            }
        }
        None if with_score => context.reply.null_array(),
        None => context.reply.null(),
    }
    Ok(())
}
