//! The sorted set family. The rows are in `rows.rs`; here is what its files share.
//!
//! `add.rs` gives scores, `look_up.rs` tells scores and ranks, `bounds.rs` reads ranges and `range.rs` answers them,
//! `remove.rs` removes, `pop.rs` takes the least and the greatest, `random.rs` draws, `combine.rs` has unions,
//! intersections and differences, `scan.rs` walks.

mod add;
mod bounds;
mod combine;
mod look_up;
pub(crate) mod pop;
mod random;
mod range;
mod remove;
mod rows;
mod scan;

pub use rows::ROWS;

use squall_resp::Reply;
use squall_store::ZSet;
use squall_store::packed::Item;

use crate::collections::reply_item;
use crate::config::EventClass;
use crate::{CommandResult, Context};

/// Replies with members, with their scores if those are wanted: in RESP3 a pair each, in RESP2 one after the other.
fn reply_members<'a>(
    reply: &mut Reply<'_>,
    members: impl ExactSizeIterator<Item = (Item<'a>, f64)>,
    with_scores: bool,
) {
    let in_pairs = with_scores && reply.is_resp3();
    reply.array(if with_scores && !in_pairs { 2 * members.len() } else { members.len() });
    for (member, score) in members {
        if in_pairs {
            reply.array(2);
        }
        reply_item(reply, member);
        if with_scores {
            reply.double(score);
        }
    }
}

/// Stores what a command has made under `key`, or deletes the key if that is nothing, and replies with its size.
pub(crate) fn store(context: &mut Context<'_>, key: &[u8], result: ZSet, event: &str) -> CommandResult {
    let (db, len) = (context.session.db, result.len());
    context.engine.store_result(db, key, result, EventClass::ZSet, event);
    context.reply.integer(len as i64);
    Ok(())
}
