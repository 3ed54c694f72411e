//! Random choice.

use rand_core::Rng;

/// A random number below `bound`, or `None` if there is no such number.
pub(crate) fn below(rng: &mut impl Rng, bound: usize) -> Option<usize> {
    // The high half of the product: as even as 64 bits allow.
    (bound > 0).then(|| ((u128::from(rng.next_u64()) * bound as u128) >> 64) as usize)
}
