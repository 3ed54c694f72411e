//! The bitmap family: strings as rows of bits, the highest bit of the first byte first. The rows are in
//! `rows.rs`; here is what its files share.
//!
//! `bit.rs` has single bits, `count.rs` looks for bits and counts them, `combine.rs` is BITOP, `field.rs`
//! is BITFIELD.

mod bit;
mod combine;
mod count;
mod field;
mod rows;

pub use rows::ROWS;

use squall_store::parse_i64;

use crate::strings::text_of;
use crate::{CommandError, Context};

/// The number of the bit that a word names; with a width, `#n` names the `n`th field of that width.
fn bit_offset(context: &Context<'_>, word: &[u8], width: Option<u64>) -> Result<u64, CommandError> {
    let refused = || CommandError::line("ERR bit offset is not an integer or out of range");
    let (digits, scale) = match (word, width) {
        ([b'#', digits @ ..], Some(width)) => (digits, width),
        (digits, _) => (digits, 1),
    };
    let number = parse_i64(digits).and_then(|number| u64::try_from(number).ok());
    let offset = number.and_then(|number| number.checked_mul(scale)).ok_or_else(refused)?;
    let bytes_max = context.engine.config.proto_bulk_bytes_max;
    if offset / 8 >= bytes_max && !context.session.is_primary_link {
        return Err(refused());
    }
    Ok(offset)
}

/// Reads the string at the command's first key; a missing one is empty.
fn read<R>(context: &mut Context<'_>, look: impl FnOnce(&[u8]) -> R) -> Result<R, CommandError> {
    let key = context.arg(1);
    match context.engine.lookup_read(context.session.db, key) {
        Some(entry) => Ok(look(text_of(entry)?.as_bytes(&mut itoa::Buffer::new()))),
        None => Ok(look(&[])),
    }
}
