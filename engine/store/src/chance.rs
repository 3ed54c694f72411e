//! Random choice.

use rand_core::Rng;
use std::collections::BTreeMap;

/// A random number below `bound`, or `None` if there is no such number.
pub(crate) fn below(rng: &mut impl Rng, bound: usize) -> Option<usize> {
    // The high half of the product: as even as 64 bits allow.
    (bound > 0).then(|| ((u128::from(rng.next_u64()) * bound as u128) >> 64) as usize)
}

/// Different ones of `len` things, `count` of them or all, each with the same chance. `draw` gives one at random, and
/// `all` gives them all: drawing is quicker where few of many are wanted.
pub(crate) fn sample<T: Copy, K: Ord, R: Rng>(
    rng: &mut R,
    (count, len): (usize, usize),
    mut draw: impl FnMut(&mut R) -> Option<T>,
    all: impl Iterator<Item = T>,
    key: impl Fn(T) -> K,
) -> Vec<T> {
    const FEW: usize = 3;
    if count.saturating_mul(FEW) < len {
        let mut drawn = BTreeMap::new();
        while drawn.len() < count {
            let Some(one) = draw(rng) else { break };
            drawn.insert(key(one), one);
        }
        return drawn.into_values().collect();
    }
    // Each that comes takes the place of one chosen before with the chance that it has to be among `count`.
    let mut chosen: Vec<T> = Vec::with_capacity(count.min(len));
    for (seen, one) in all.enumerate() {
        if chosen.len() < count {
            chosen.push(one);
        } else if let Some(place) = below(rng, seen + 1).filter(|&place| place < count) {
            chosen[place] = one;
        }
    }
    chosen
}
