//! Taking the members with the least or the greatest scores: ZPOPMIN, ZPOPMAX, ZMPOP, and [`Engine::pop_members`],
//! which the commands that wait for members use as well.

use squall_resp::Args;
use squall_store::packed::Item;
use squall_store::{ZSet, parse_i64};

use super::reply_members;
use crate::collections::parse_multiple_pop;
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

    /// The same, as replicas are told.
    pub(crate) fn pop_name(self) -> &'static [u8] {
        match self {
            Extreme::Least => b"ZPOPMIN",
            Extreme::Greatest => b"ZPOPMAX",
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
}

pub(super) fn zpopmin(context: &mut Context<'_>) -> CommandResult {
    pop(context, Extreme::Least)
}

pub(super) fn zpopmax(context: &mut Context<'_>) -> CommandResult {
    pop(context, Extreme::Greatest)
}

/// ZMPOP numkeys key [key ...] MIN | MAX [COUNT count]
pub(super) fn zmpop(context: &mut Context<'_>) -> CommandResult {
    let (keys, extreme, count) = parse_multiple_pop(context.args, 1, Extreme::parse)?;
    if !context.pop_members_from_first(keys, extreme, count)? {
        context.reply.null_array();
    }
    Ok(())
}

impl Context<'_> {
    /// ZMPOP of the first of `keys` that is there; false, and nothing replied, where none is. Replicas are told how many
    /// members to pop from which key.
    pub(crate) fn pop_members_from_first(
        &mut self,
        keys: Args<'_>,
        extreme: Extreme,
        count: usize,
    ) -> Result<bool, CommandError> {
        for key in keys {
            if let Some(popped) = self.engine.pop_members(self.session.db, key, extreme, count)? {
                let mut digits = itoa::Buffer::new();
                let words = [extreme.pop_name(), key, digits.format(popped.len()).as_bytes()];
                self.engine.propagation.replace(&words);
                reply_popped_from(self, key, &popped);
                return Ok(true);
            }
        }
        Ok(false)
    }
}

/// The reply of ZMPOP: the key, and a pair for each member.
fn reply_popped_from(context: &mut Context<'_>, key: &[u8], popped: &Popped) {
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
