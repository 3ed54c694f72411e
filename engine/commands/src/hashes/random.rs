//! HRANDFIELD: fields chosen at random.

use rand_chacha::ChaCha8Rng;
use rand_core::Rng;
use squall_resp::Reply;
use squall_store::packed::Item;

use super::reply_item;
use crate::sets::{Draws, draws};
use crate::{CommandError, CommandResult, Context};

pub(super) fn hrandfield(context: &mut Context<'_>) -> CommandResult {
    let args = context.args;
    let count = args.get(2).map(draws).transpose()?;
    let with_values = match args.get(3) {
        None => false,
        Some(word) if word.eq_ignore_ascii_case(b"WITHVALUES") && args.len() == 4 => true,
        Some(_) => return Err(CommandError::Syntax),
    };
    if with_values && matches!(count, Some(Draws::Different(count)) if count > usize::MAX / 4) {
        return Err(CommandError::line("ERR value is out of range"));
    }
    let mut rng = context.engine.rng.clone();
    let Some(hash) = context.engine.read_hash(context.session.db, args.at(1))? else {
        match count {
            Some(_) => context.reply.array(0),
            None => context.reply.null(),
        }
        return Ok(());
    };
    let reply = &mut context.reply;
    // On a replica, fields may have expired that are not removed yet; then those left are drawn from.
    let live: Option<Vec<(Item<'_>, Item<'_>)>> =
        hash.hash.next_expiry().filter(|at| *at <= hash.now).map(|_| hash.iter().collect());
    let draw = |rng: &mut ChaCha8Rng| match &live {
        None => hash.hash.random(rng),
        Some(live) => live.get(below(rng, live.len())).copied(),
    };
    match count {
        None => match draw(&mut rng) {
            Some((field, _)) => reply_item(reply, field),
            None => reply.null(),
        },
        Some(Draws::Repeated(count)) => {
            let count = if draw(&mut rng).is_some() { count } else { 0 };
            let drawn = (0..count).map(|_| draw(&mut rng).expect("there is one to draw"));
            reply_pairs(reply, drawn, with_values);
        }
        Some(Draws::Different(count)) => {
            let sample = match live {
                None => hash.hash.sample(count, &mut rng),
                Some(live) => live.into_iter().take(count).collect(),
            };
            reply_pairs(reply, sample.into_iter(), with_values);
        }
    }
    context.engine.rng = rng;
    Ok(())
}

/// Replies with fields, or with pairs: nested in RESP3, one after the other in RESP2.
fn reply_pairs<'h>(
    reply: &mut Reply<'_>,
    pairs: impl ExactSizeIterator<Item = (Item<'h>, Item<'h>)>,
    with_values: bool,
) {
    let nested = with_values && reply.is_resp3();
    reply.array(if with_values && !nested { pairs.len() * 2 } else { pairs.len() });
    for (field, value) in pairs {
        if nested {
            reply.array(2);
        }
        reply_item(reply, field);
        if with_values {
            reply_item(reply, value);
        }
    }
}

/// A number below `bound`; zero if there is none.
fn below(rng: &mut impl Rng, bound: usize) -> usize {
    ((u128::from(rng.next_u64()) * bound as u128) >> 64) as usize
}
