//! The hash family. The rows are in `rows.rs`; here is what its files share.
//!
//! `field.rs` reads and writes fields.

mod field;
mod rows;

pub use rows::ROWS;

use squall_resp::Reply;
use squall_store::packed::Item;

/// Replies with one element of a collection.
#[inline]
pub(crate) fn reply_item(reply: &mut Reply<'_>, item: Item<'_>) {
    match item {
        Item::Int(number) => reply.bulk_integer(number),
        Item::Bytes(bytes) => reply.bulk(bytes),
    }
}
