//! The string family. The rows are in `rows.rs`; here is what its files share.
//!
//! `get.rs` reads, `set.rs` and `many.rs` replace, `change.rs` changes in place, `condition.rs`
//! decides by what a key holds, `lcs.rs` compares.

mod alignment;
mod change;
mod condition;
pub(crate) mod extended;
mod get;
mod lcs;
mod many;
mod rows;
mod set;

pub use rows::ROWS;

use squall_resp::Reply;
use squall_store::{Entry, StringRef};

use crate::{CommandError, CommandResult};

/// The string that an entry holds.
pub(crate) fn text_of(entry: &Entry) -> Result<StringRef<'_>, CommandError> {
    entry.string().ok_or(CommandError::WrongType)
}

/// Replies with what a key holds: a string, or null.
fn reply_value(reply: &mut Reply<'_>, entry: Option<&Entry>) -> CommandResult {
    match entry {
        Some(entry) => reply_string(reply, text_of(entry)?),
        None => reply.null(),
    }
    Ok(())
}

/// Replies with a string; a large one is not copied.
#[inline]
pub(crate) fn reply_string(reply: &mut Reply<'_>, value: StringRef<'_>) {
    match value {
        StringRef::Bytes(bytes) => reply.bulk(bytes),
        StringRef::Int(number) => reply.bulk_integer(number),
        StringRef::Shared(bytes) => reply.bulk_bytes(bytes.clone()),
    }
}
