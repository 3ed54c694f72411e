//! Taking the members with the least or the greatest scores: ZPOPMIN, ZPOPMAX, ZMPOP, and [`Engine::pop_members`],
//! which the commands that wait for members use as well.

use squall_resp::Args;
use squall_store::packed::Item;
use squall_store::{ZSet, parse_i64};

use super::reply_members;
use crate::config::EventClass;
use crate::{CommandError, CommandResult, Context, Engine};

/// Members that were taken, with their scores.
pub(crate) type Popped = Vec<(Vec<u8>, f64)>;

/// Which members are taken first.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Extreme {
    Least,
    Greatest,
}

impl Extreme {
    /// `MIN` or `MAX`.
    pub(crate) fn parse(word: &[u8]) -> Result<Extreme, CommandError> {
        match word.to_ascii_uppercase().as_slice() {
            b"MIN" => Ok(Extreme::Least),
            b"MAX" => Ok(Extreme::Greatest),
            _ => Err(CommandError::Syntax),
        }
    }

    /// The command that pops them.
    pub(crate) fn command(self) -> &'static str {
        match self {
            Extreme::Least => "zpopmin",
            Extreme::Greatest => "zpopmax",
        }
    }
}

impl Engine {
    /// Takes up to `count` members with their scores; `None` for a missing key. The change is counted and told of; what
    /// is propagated is the command's business.
    pub(crate) fn pop_members(
        &mut self,
        db: usize,
        key: &[u8],
        extreme: Extreme,
        count: usize,
    ) -> Result<Option<Popped>, CommandError> {
        let popped = self.edit(db, key, |zset: &mut ZSet, _| {
            let count = count.min(zset.len());
            let ranks = match extreme {
                Extreme::Least => 0..count,
                Extreme::Greatest => zset.len() - count..zset.len(),
            };
            let members = zset.range(ranks.clone(), extreme == Extreme::Greatest);
            let popped = members.map(|(member, score)| (member.to_vec(), score)).collect::<Popped>();
            zset.remove_range(ranks);
            popped
        })?;
        let taken = popped.as_ref().map_or(0, Vec::len);
        self.wrote(db, key, taken as u64, EventClass::ZSet, extreme.command());
        Ok(popped)
    }

    /// Replicas are told how many members to pop from which key.
    pub(crate) fn propagate_pop(&mut self, key: &[u8], extreme: Extreme, count: usize) {
        let name: &[u8] = if extreme == Extreme::Least { b"ZPOPMIN" } else { b"ZPOPMAX" };
        self.propagation.replace(&[name, key, itoa::Buffer::new().format(count).as_bytes()]);
    }
}

pub(super) fn zpopmin(context: &mut Context<'_>) -> CommandResult {
    pop(context, Extreme::Least)
}

pub(super) fn zpopmax(context: &mut Context<'_>) -> CommandResult {
    pop(context, Extreme::Greatest)
}

/// ZMPOP numkeys key [key ...] MIN | MAX [COUNT count]
pub(super) fn zmpop(context: &mut Context<'_>) -> CommandResult {
    let (keys, extreme, count) = parse_zmpop(context.args, 1)?;
    for key in keys {
        if let Some(popped) = context.engine.pop_members(context.session.db, key, extreme, count)? {
            context.engine.propagate_pop(key, extreme, popped.len());
            reply_popped_from(context, key, &popped);
            return Ok(());
        }
    }
    context.reply.null_array();
    Ok(())
}

/// Reads what ZMPOP and BZMPOP say from the word with the number of keys on: keys, which end, how many.
pub(crate) fn parse_zmpop<'a>(
    args: Args<'a>,
    first: usize,
) -> Result<(Args<'a>, Extreme, usize), CommandError> {
    let positive = |text: &[u8]| {
        parse_i64(text).and_then(|number| usize::try_from(number).ok()).filter(|number| *number > 0)
    };
    let keys = positive(args.at(first)).ok_or(CommandError::line("ERR numkeys should be greater than 0"))?;
    let at = keys.saturating_add(first + 1);
    let extreme = Extreme::parse(args.get(at).ok_or(CommandError::Syntax)?)?;
    let count = match (args.get(at + 1), args.get(at + 2)) {
        (None, _) => 1,
        (Some(word), Some(count)) if word.eq_ignore_ascii_case(b"COUNT") => {
            let count = positive(count).ok_or(CommandError::line("ERR count should be greater than 0"))?;
            if args.len() > at + 3 {
                return Err(CommandError::Syntax);
            }
            count
        }
        _ => return Err(CommandError::Syntax),
    };
    Ok((args.skip(first + 1).first(keys), extreme, count))
}

/// The reply of ZMPOP: the key, and a pair for each member.
pub(crate) fn reply_popped_from(context: &mut Context<'_>, key: &[u8], popped: &Popped) {
    context.reply.array(2);
    context.reply.bulk(key);
    context.reply.array(popped.len());
    for (member, score) in popped {
        context.reply.array(2);
        context.reply.bulk(member);
        context.reply.double(*score);
    }
}

fn pop(context: &mut Context<'_>, extreme: Extreme) -> CommandResult {
    let (db, key) = (context.session.db, context.arg(1));
    let count = match context.args.len() {
        2 => None,
        3 => {
            let count = parse_i64(context.arg(2)).and_then(|count| usize::try_from(count).ok());
            Some(count.ok_or(CommandError::line("ERR value is out of range, must be positive"))?)
        }
        _ => return Err(CommandError::Syntax),
    };
    let popped = context.engine.pop_members(db, key, extreme, count.unwrap_or(1))?.unwrap_or_default();
    if count.is_none() {
        context.reply.array(2 * popped.len());
        for (member, score) in &popped {
            context.reply.bulk(member);
            context.reply.double(*score);
        }
        return Ok(());
    }
    let pairs = popped.iter().map(|(member, score)| (Item::Bytes(member), *score));
    reply_members(&mut context.reply, pairs, true);
    Ok(())
}
