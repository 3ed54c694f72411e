//! The dense form: six bits a register, the lowest bits of a byte first.
//!
//! ```text
//! byte 0: 11000000   byte 1: 22221111   byte 2: 33333322   ...
//! ```

use super::{HEADER_BYTES, REGISTERS, Registers};

const BITS: usize = 6;
pub(super) const BYTES: usize = REGISTERS * BITS / 8;

/// Raises one register to at least `count`; true if it was lower.
pub(super) fn raise_one(bytes: &mut [u8], index: usize, count: u8) -> bool {
    // Four registers share three bytes.
    let group = &mut bytes[HEADER_BYTES + index / 4 * 3..][..3];
    let shift = index % 4 * BITS;
    let bits = u32::from_le_bytes([group[0], group[1], group[2], 0]);
    if (bits >> shift & 0x3f) as u8 >= count {
        return false;
    }
    let bits = bits & !(0x3f << shift) | u32::from(count) << shift;
    group.copy_from_slice(&bits.to_le_bytes()[..3]);
    true
}

/// Raises every register of `registers` to what the string has there.
pub(super) fn raise(registers: &mut Registers, bytes: &[u8]) {
    let (groups, _) = bytes[HEADER_BYTES..].as_chunks::<3>();
    let (targets, _) = registers.as_chunks_mut::<4>();
    for (group, targets) in groups.iter().zip(targets) {
        let bits = u32::from_le_bytes([group[0], group[1], group[2], 0]);
        for (place, target) in targets.iter_mut().enumerate() {
            *target = (*target).max((bits >> (place * BITS) & 0x3f) as u8);
        }
    }
}
