//! The stream family. The rows are in `rows.rs`; here is what its files share.
//!
//! `ids.rs` reads ids; `add.rs` appends and trims (`trimming.rs` has the words for it); `range.rs` and `read.rs`
//! read, the latter for groups too; `group.rs` manages groups, `pending.rs` and `claim.rs` what their
//! consumers have not acknowledged; `delete.rs` deletes; `info.rs` tells.

mod add;
mod claim;
mod delete;
mod group;
mod ids;
mod info;
mod pending;
mod range;
mod read;
mod rows;
mod trimming;

pub use rows::ROWS;

use squall_resp::Reply;
use squall_store::stream::{Group, Stream, StreamEntry, StreamId};

use crate::hashes::reply_item;
use crate::{CommandError, Context, Engine};

fn reply_id(reply: &mut Reply<'_>, id: StreamId) {
    reply.bulk_str(&id.to_string());
}

/// An entry: its id, and its fields with their values in one array.
fn reply_entry(reply: &mut Reply<'_>, entry: &StreamEntry<'_>) {
    reply.array(2);
    reply_id(reply, entry.id);
    reply.array(2 * entry.len());
    for (field, value) in entry.fields() {
        reply_item(reply, field);
        reply_item(reply, value);
    }
}

fn reply_entry_or_null(reply: &mut Reply<'_>, entry: Option<StreamEntry<'_>>) {
    match entry {
        Some(entry) => reply_entry(reply, &entry),
        None => reply.null(),
    }
}

/// The mistake of naming a group that a key does not have, or a key that does not exist.
fn no_group(key: &[u8], group: &[u8], tail: &str) -> CommandError {
    let head: &[u8] = b"NOGROUP No such key '";
    CommandError::Bytes([head, key, b"' or consumer group '", group, b"'", tail.as_bytes()].concat())
}

/// As [`no_group`], where the key is known to exist.
fn no_group_of_key(key: &[u8], group: &[u8]) -> CommandError {
    let head: &[u8] = b"NOGROUP No such consumer group '";
    CommandError::Bytes([head, group, b"' for key name '", key, b"'"].concat())
}

/// The stream under `key` and its group of that name.
fn find_group<'e>(
    engine: &'e mut Engine,
    db: usize,
    key: &[u8],
    name: &[u8],
) -> Result<(&'e Stream, &'e Group), CommandError> {
    let stream = engine.read::<Stream>(db, key)?;
    let found = stream.and_then(|stream| Some((stream, stream.group(name)?)));
    found.ok_or_else(|| no_group(key, name, ""))
}

impl Context<'_> {
    fn now_ms(&self) -> u64 {
        self.engine.now.unix_ms().0
    }
}
