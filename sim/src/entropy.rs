//! Where randomness comes from: one ChaCha stream per purpose, each derived from the world's seed and a label.
//! A purpose that draws more or less leaves all the others as they were, so that taking one fault out of a plan
//! does not reshuffle the rest of the run. None of them is the executor's generator.

use rand_chacha::ChaCha8Rng;
use rand_core::{Rng, SeedableRng};
use xxhash_rust::xxh3::xxh3_64_with_seed;

/// The stream for `label` (and `number`, where several things share a label) in the world of `seed`.
pub fn stream(seed: u64, label: &str, number: u64) -> ChaCha8Rng {
    let mut input = Vec::with_capacity(label.len() + 8);
    input.extend_from_slice(label.as_bytes());
    input.extend_from_slice(&number.to_le_bytes());
    ChaCha8Rng::seed_from_u64(xxh3_64_with_seed(&input, seed))
}

/// A number in `0..bound`; 0 when `bound` is 0.
pub fn below(rng: &mut ChaCha8Rng, bound: u64) -> u64 {
    // Multiply-shift: the bias is below 2^-32 for the bounds in use, and it takes exactly one draw.
    ((u128::from(rng.next_u64()) * u128::from(bound)) >> 64) as u64
}

/// A number in `0.0..1.0`.
pub fn unit(rng: &mut ChaCha8Rng) -> f64 {
    (rng.next_u64() >> 11) as f64 * (1.0 / (1u64 << 53) as f64)
}

pub fn chance(rng: &mut ChaCha8Rng, probability: f64) -> bool {
    probability > 0.0 && unit(rng) < probability
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_differ_by_seed_label_and_number() {
        let first = |seed, label, number| stream(seed, label, number).next_u64();
        assert_eq!(first(1, "link", 2), first(1, "link", 2));
        assert_ne!(first(1, "link", 2), first(2, "link", 2));
        assert_ne!(first(1, "link", 2), first(1, "disk", 2));
        assert_ne!(first(1, "link", 2), first(1, "link", 3));
    }

    #[test]
    fn below_stays_below_and_reaches_every_number() {
        let mut rng = stream(1, "test", 0);
        let mut seen = [false; 7];
        for _ in 0..1_000 {
            seen[below(&mut rng, 7) as usize] = true;
        }
        assert_eq!(seen, [true; 7]);
        assert_eq!(below(&mut rng, 0), 0);
    }
}
