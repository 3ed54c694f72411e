//! The mathematics of HyperLogLog: which register an element's hash raises, and how many elements the registers
//! speak of. The estimator is that of Otmar Ertl, "New cardinality estimation algorithms for HyperLogLog
//! sketches", 2017; the hash is Austin Appleby's MurmurHash64A.

use super::{INDEX_BITS, REGISTERS, Registers};

/// The bits of the hash that do not choose the register.
const COUNTED_BITS: u32 = 64 - INDEX_BITS;
const HASH_SEED: u64 = 0xadc8_3b19;
/// 1 / (2 ln 2)
const ALPHA: f64 = 0.721_347_520_444_481_7;

/// The register that an element belongs to, and what it raises it to: one more than the zeros at the end of
/// the rest of its hash.
pub(super) fn place(element: &[u8]) -> (usize, u8) {
    let hash = murmur_64a(element);
    let rest = hash >> INDEX_BITS | 1 << COUNTED_BITS;
    (hash as usize % REGISTERS, rest.trailing_zeros() as u8 + 1)
}

/// How many different elements have raised these registers, about.
pub(super) fn cardinality(registers: &Registers) -> u64 {
    // How many registers hold each number; a register of six bits may hold more than any element raises it to.
    let mut held = [0u32; 64];
    registers.iter().for_each(|count| held[usize::from(*count) % 64] += 1);
    let all = REGISTERS as f64;
    let full = held[COUNTED_BITS as usize + 1];
    let mut sum = all * tau((all - f64::from(full)) / all);
    for count in (1..=COUNTED_BITS as usize).rev() {
        sum = (sum + f64::from(held[count])) * 0.5;
    }
    sum += all * sigma(f64::from(held[0]) / all);
    (ALPHA * all * all / sum).round() as u64
}

fn sigma(mut x: f64) -> f64 {
    if x == 1.0 {
        return f64::INFINITY;
    }
    let (mut y, mut sum) = (1.0, x);
    loop {
        x *= x;
        let before = sum;
        sum += x * y;
        y += y;
        if sum == before {
            return sum;
        }
    }
}

fn tau(mut x: f64) -> f64 {
    if x == 0.0 || x == 1.0 {
        return 0.0;
    }
    let (mut y, mut sum) = (1.0, 1.0 - x);
    loop {
        x = x.sqrt();
        let before = sum;
        y *= 0.5;
        sum -= (1.0 - x) * (1.0 - x) * y;
        if sum == before {
            return sum / 3.0;
        }
    }
}

fn murmur_64a(bytes: &[u8]) -> u64 {
    const FACTOR: u64 = 0xc6a4_a793_5bd1_e995;
    const SHIFT: u32 = 47;
    let mut hash = HASH_SEED ^ (bytes.len() as u64).wrapping_mul(FACTOR);
    let (words, rest) = bytes.as_chunks::<8>();
    for word in words {
        let word = u64::from_le_bytes(*word).wrapping_mul(FACTOR);
        hash = (hash ^ (word ^ word >> SHIFT).wrapping_mul(FACTOR)).wrapping_mul(FACTOR);
    }
    if !rest.is_empty() {
        let mut word = [0; 8];
        word[..rest.len()].copy_from_slice(rest);
        hash = (hash ^ u64::from_le_bytes(word)).wrapping_mul(FACTOR);
    }
    hash = (hash ^ hash >> SHIFT).wrapping_mul(FACTOR);
    hash ^ hash >> SHIFT
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn estimates_are_near() {
        let mut registers = [0; REGISTERS];
        assert_eq!(cardinality(&registers), 0);
        let mut seen = 0u32;
        for target in [1u32, 10, 100, 1_000, 10_000, 100_000, 1_000_000] {
            while seen < target {
                let (index, count) = place(&seen.to_le_bytes());
                registers[index] = count.max(registers[index]);
                seen += 1;
            }
            let error = (cardinality(&registers) as f64 - f64::from(target)).abs() / f64::from(target);
            assert!(error < 0.03, "{target}: off by {error}");
        }
    }
}
