//! Members chosen at random: SPOP, SRANDMEMBER.

use squall_store::Set;
use squall_store::packed::Item;

use crate::config::EventClass;
use crate::lists::{out_of_long_range, positive, reply_item};
use crate::{CommandError, CommandResult, Context};

/// How many members one command of the stream names at most.
const PROPAGATED_MEMBERS_MAX: usize = 1024;
/// More draws with repetition than this are refused: their reply would not fit into memory.
const DRAWS_MAX: u64 = 1 << 27;

pub(super) fn spop(context: &mut Context<'_>) -> CommandResult {
    let key = context.arg(1);
    match context.args.len() {
        2 => spop_one(context, key),
        3 => spop_several(context, key),
        _ => Err(CommandError::Syntax),
    }
}

fn spop_one(context: &mut Context<'_>, key: &[u8]) -> CommandResult {
    let (db, mut rng) = (context.session.db, context.engine.rng.clone());
    let popped = context.engine.edit(db, key, |set: &mut Set, _| {
        let member = set.random(&mut rng).expect("no set is empty").to_vec();
        set.remove(&member);
        member
    })?;
    context.engine.rng = rng;
    let Some(member) = popped else {
        context.reply.null();
        return Ok(());
    };
    context.engine.propagation.replace(&[b"SREM", key, &member]);
    context.engine.wrote(db, key, 1, EventClass::Set, "spop");
    context.reply.bulk(&member);
    Ok(())
}

fn spop_several(context: &mut Context<'_>, key: &[u8]) -> CommandResult {
    let count = positive(context.arg(2))?;
    let (db, mut rng) = (context.session.db, context.engine.rng.clone());
    let popped = context.engine.edit(db, key, |set: &mut Set, limits| {
        if count >= set.len() {
            return (std::mem::take(set), true);
        }
        let members: Vec<Vec<u8>> = set.sample(count, &mut rng).iter().map(Item::to_vec).collect();
        let mut popped = Set::for_members(usize::MAX, b"", limits);
        for member in members {
            set.remove(&member);
            popped.add(&member, limits);
        }
        (popped, false)
    })?;
    context.engine.rng = rng;
    let Some((popped, all)) = popped.filter(|(popped, _)| !popped.is_empty()) else {
        context.reply.set(0);
        return Ok(());
    };
    match all {
        true => context.propagate_deletion(key),
        false => context.propagate_members(b"SREM", key, &popped),
    }
    context.engine.wrote(db, key, popped.len() as u64, EventClass::Set, "spop");
    context.reply.set(popped.len());
    popped.iter().for_each(|member| reply_item(&mut context.reply, member));
    Ok(())
}

impl Context<'_> {
    /// Propagates that a key is gone instead of the running command.
    pub(crate) fn propagate_deletion(&mut self, key: &[u8]) {
        let verb: &[u8] = if self.engine.config.lazyfree_lazy_server_del { b"UNLINK" } else { b"DEL" };
        self.engine.propagation.replace(&[verb, key]);
    }

    /// Propagates `verb key member ...` for all these members, in as many commands as it takes.
    fn propagate_members(&mut self, verb: &[u8], key: &[u8], members: &Set) {
        let texts: Vec<Vec<u8>> = members.iter().map(|member| member.to_vec()).collect();
        for part in texts.chunks(PROPAGATED_MEMBERS_MAX) {
            let words: Vec<&[u8]> = [verb, key].into_iter().chain(part.iter().map(Vec::as_slice)).collect();
            self.engine.propagation.replace(&words);
        }
    }
}

pub(super) fn srandmember(context: &mut Context<'_>) -> CommandResult {
    let count = match context.args.len() {
        2 => None,
        3 => Some(draws(context.arg(2))?),
        _ => return Err(CommandError::Syntax),
    };
    let mut rng = context.engine.rng.clone();
    let Some(set) = context.engine.read::<Set>(context.session.db, context.args.at(1))? else {
        match count {
            Some(_) => context.reply.array(0),
            None => context.reply.null(),
        }
        return Ok(());
    };
    match count {
        None => reply_item(&mut context.reply, set.random(&mut rng).expect("no set is empty")),
        Some(Draws::Repeated(count)) => {
            context.reply.array(count);
            for _ in 0..count {
                reply_item(&mut context.reply, set.random(&mut rng).expect("no set is empty"));
            }
        }
        Some(Draws::Different(count)) => {
            let sample = set.sample(count, &mut rng);
            context.reply.array(sample.len());
            sample.into_iter().for_each(|member| reply_item(&mut context.reply, member));
        }
    }
    context.engine.rng = rng;
    Ok(())
}

/// How many elements are chosen.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Draws {
    /// Each at most once.
    Different(usize),
    /// Each as often as chance has it.
    Repeated(usize),
}

/// Reads the count of SRANDMEMBER and its kin: negative for draws with repetition.
pub(crate) fn draws(text: &[u8]) -> Result<Draws, CommandError> {
    let count = squall_store::parse_i64(text).ok_or(CommandError::NotAnInteger)?;
    match count {
        0.. => Ok(Draws::Different(count as usize)),
        i64::MIN => Err(out_of_long_range()),
        _ if count.unsigned_abs() > DRAWS_MAX => Err(CommandError::line("ERR value is out of range")),
        _ => Ok(Draws::Repeated(count.unsigned_abs() as usize)),
    }
}
