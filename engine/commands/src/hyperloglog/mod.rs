//! The HyperLogLog family: strings that estimate how many different elements they were shown. The rows are in
//! `rows.rs`, the commands in `commands.rs`; here is the string's layout.
//!
//! ```text
//! "HYLL" | form: 0 dense, 1 sparse | 3 bytes | cardinality: u64 LE | registers ...
//! ```
//! The cardinality is the last one computed; its highest bit says that the registers have changed since. Of the
//! 16384 registers each holds a number up to 51: `dense.rs` keeps all of them in six bits each, `sparse.rs` as
//! runs. Which of both, and the bytes of either, are those of Redis, so that strings can be exchanged with it.
//! `estimate.rs` has the mathematics.

mod commands;
mod dense;
mod estimate;
mod rows;
mod sparse;

pub use rows::ROWS;

use crate::CommandError;

/// How many registers there are: as many as 14 bits of an element's hash can choose from.
const REGISTERS: usize = 1 << INDEX_BITS;
const INDEX_BITS: u32 = 14;
const HEADER_BYTES: usize = 16;
const MAGIC: &[u8] = b"HYLL";
const FORM_AT: usize = 4;
const CARDINALITY: std::ops::Range<usize> = 8..16;
const DENSE: u8 = 0;
const SPARSE: u8 = 1;
const STALE: u64 = 1 << 63;

/// The greatest number in each register.
type Registers = [u8; REGISTERS];

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Form {
    Dense,
    Sparse,
}

/// A sparse string whose runs are not what they should be.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Corrupt;

impl From<Corrupt> for CommandError {
    fn from(_: Corrupt) -> CommandError {
        CommandError::line("INVALIDOBJ Corrupted HLL object detected")
    }
}

/// A string that has seen nothing.
fn empty() -> Vec<u8> {
    let mut bytes = MAGIC.to_vec();
    bytes.push(SPARSE);
    bytes.resize(HEADER_BYTES, 0);
    sparse::push_zeros(&mut bytes, REGISTERS);
    bytes
}

/// The form of a string, if it is one of these at all.
fn form_of(bytes: &[u8]) -> Result<Form, CommandError> {
    let refused = CommandError::line("WRONGTYPE Key is not a valid HyperLogLog string value.");
    if bytes.len() < HEADER_BYTES || !bytes.starts_with(MAGIC) {
        return Err(refused);
    }
    match bytes[FORM_AT] {
        DENSE if bytes.len() == HEADER_BYTES + dense::BYTES => Ok(Form::Dense),
        SPARSE => Ok(Form::Sparse),
        _ => Err(refused),
    }
}

/// The cardinality that is remembered, unless the registers have changed since.
fn remembered(bytes: &[u8]) -> Option<u64> {
    let number = u64::from_le_bytes(bytes[CARDINALITY].try_into().expect("eight bytes"));
    (number & STALE == 0).then_some(number)
}

fn remember(bytes: &mut [u8], cardinality: u64) {
    bytes[CARDINALITY].copy_from_slice(&cardinality.to_le_bytes());
}

/// The registers have changed.
fn forget(bytes: &mut [u8]) {
    bytes[CARDINALITY.end - 1] |= (STALE >> 56) as u8;
}

/// Raises every register of `registers` to what the string has there.
fn raise(registers: &mut Registers, bytes: &[u8]) -> Result<(), CommandError> {
    match form_of(bytes)? {
        Form::Dense => dense::raise(registers, bytes),
        Form::Sparse => sparse::raise(registers, bytes)?,
    }
    Ok(())
}

/// Raises one register to at least `count`; true if it was lower. A sparse string becomes dense where it would
/// be longer than `sparse_bytes_max`, or `count` too large for it.
fn raise_one(
    bytes: &mut Vec<u8>,
    index: usize,
    count: u8,
    sparse_bytes_max: usize,
) -> Result<bool, CommandError> {
    if form_of(bytes)? == Form::Sparse {
        match sparse::raise_one(bytes, index, count, sparse_bytes_max)? {
            sparse::Raised::Yes => return Ok(true),
            sparse::Raised::No => return Ok(false),
            sparse::Raised::HasNoRoom => make_dense(bytes)?,
        }
    }
    Ok(dense::raise_one(bytes, index, count))
}

fn make_dense(bytes: &mut Vec<u8>) -> Result<(), Corrupt> {
    let mut registers = [0; REGISTERS];
    sparse::raise(&mut registers, bytes)?;
    bytes.truncate(HEADER_BYTES);
    bytes[FORM_AT] = DENSE;
    bytes.resize(HEADER_BYTES + dense::BYTES, 0);
    for (index, count) in registers.into_iter().enumerate().filter(|(_, count)| *count > 0) {
        dense::raise_one(bytes, index, count);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// Whatever the form, and however it came about, the registers are those of a plain array.
        #[test]
        fn registers_are_those_of_an_array(steps in prop::collection::vec((0..REGISTERS, 1..40u8), 0..400),
                                           near in prop::collection::vec((0..60usize, 1..5u8), 0..400),
                                           sparse_bytes_max in prop_oneof![Just(3_000usize), Just(60)]) {
            let (mut bytes, mut expected) = (empty(), [0u8; REGISTERS]);
            for (index, count) in steps.into_iter().chain(near) {
                let was_lower = raise_one(&mut bytes, index, count, sparse_bytes_max).expect("a string of ours");
                prop_assert_eq!(was_lower, expected[index] < count);
                expected[index] = expected[index].max(count);
            }
            let mut registers = [0; REGISTERS];
            raise(&mut registers, &bytes).expect("a string of ours");
            prop_assert!(registers == expected);
        }

        #[test]
        fn strings_of_strangers_are_refused_or_read(tail in prop::collection::vec(any::<u8>(), 0..40), index in 0..REGISTERS, count in 1..52u8) {
            let mut bytes = [&empty()[..HEADER_BYTES], &tail].concat();
            let _ = raise(&mut [0; REGISTERS], &bytes);
            let _ = raise_one(&mut bytes, index, count, 3_000);
        }
    }
}
