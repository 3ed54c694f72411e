//! The list family. The rows are in `rows.rs`; here is what its files share.
//!
//! `ends.rs` pushes and pops, `range.rs` reads and cuts, `position.rs` works by index or value, `transfer.rs` moves
//! elements between lists. The variants that wait for elements are in `blocking/pops.rs`.

mod ends;
mod position;
mod range;
mod rows;
mod transfer;

pub use rows::ROWS;

use squall_resp::Reply;
use squall_store::{End, List};

pub(crate) use crate::collections::reply_item;
use crate::config::EventClass;
use crate::{CommandError, Context};

/// `LEFT` or `RIGHT`.
pub(crate) fn end_named(word: &[u8]) -> Result<End, CommandError> {
    match () {
        () if word.eq_ignore_ascii_case(b"LEFT") => Ok(End::Head),
        () if word.eq_ignore_ascii_case(b"RIGHT") => Ok(End::Tail),
        () => Err(CommandError::Syntax),
    }
}

pub(crate) fn push_event(end: End) -> &'static str {
    if end == End::Head { "lpush" } else { "rpush" }
}

pub(crate) fn pop_event(end: End) -> &'static str {
    if end == End::Head { "lpop" } else { "rpop" }
}

/// The command that takes one element, or so many.
pub(crate) fn pop_name(end: End) -> &'static [u8] {
    if end == End::Head { b"LPOP" } else { b"RPOP" }
}

impl Context<'_> {
    /// Pops up to `count` elements from a list that is there and replies with them as an array; how many they were,
    /// or `None`, and nothing replied, where there is no list. `before` replies what stands in front of them.
    pub(crate) fn pop_elements(
        &mut self,
        key: &[u8],
        end: End,
        count: usize,
        before: impl FnOnce(&mut Reply<'_>),
    ) -> Result<Option<usize>, CommandError> {
        let (db, reply) = (self.session.db, &mut self.reply);
        let popped = self.engine.edit(db, key, |list: &mut List, limits| {
            let count = count.min(list.len());
            before(reply);
            reply.array(count);
            match end {
                End::Head => list.iter().take(count).for_each(|item| reply_item(reply, item)),
                End::Tail => list.iter().rev().take(count).for_each(|item| reply_item(reply, item)),
            }
            list.drop_end(end, count, limits);
            count
        })?;
        if let Some(count) = popped {
            self.engine.wrote(db, key, count as u64, EventClass::List, pop_event(end));
        }
        Ok(popped)
    }

    /// The index of an element, counted from the end where it is negative; `None` outside the list.
    fn index_within(index: i64, len: usize) -> Option<usize> {
        let index = if index < 0 { index.checked_add_unsigned(len as u64)? } else { index };
        usize::try_from(index).ok().filter(|&index| index < len)
    }
}

/// The refusal of the one number that has no opposite.
pub(crate) fn out_of_long_range() -> CommandError {
    const MAX: i64 = i64::MAX;
    CommandError::line(format!("ERR value is out of range, value must between -{MAX} and {MAX}"))
}

/// A count that may not be negative.
pub(crate) fn positive(text: &[u8]) -> Result<usize, CommandError> {
    let number = squall_store::parse_i64(text).and_then(|number| usize::try_from(number).ok());
    number.ok_or(CommandError::line("ERR value is out of range, must be positive"))
}

/// The part of `len` elements that two indexes name, which may be negative or outside: the first, and how many.
pub(crate) fn range_of(start: i64, stop: i64, len: usize) -> (usize, usize) {
    let len = len as i64;
    let from_end = |index: i64| if index < 0 { (len + index).max(0) } else { index };
    let (start, stop) = (from_end(start), if stop < 0 { len + stop } else { stop.min(len - 1) });
    if start > stop || start >= len { (0, 0) } else { (start as usize, (stop - start + 1) as usize) }
}
