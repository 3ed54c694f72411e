//! Where a key lives: its partition and its hash within the partition, and the one-dimensional order
//! of all places that SCAN walks.
//!
//! ```text
//! position (63 bits, what a cursor holds):   | partition | top bits of the hash |
//! hash within the partition (64 bits):       | directory bits ... | tag (16) | 8 |
//! ```
//! A key's place depends on the key and the seed alone, never on what else is stored: so a position
//! stays meaningful whatever grows, shrinks or is deleted around it.

use crate::slot::{SLOT_COUNT, slot_of};
use foldhash::SharedSeed;
use foldhash::quality::FoldHasher;
use std::hash::Hasher;

/// How a database divides its keys into partitions.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Partitioning {
    /// 256 partitions by hash: for a server alone.
    ByHash,
    /// A partition for each cluster slot, so that a slot can be counted, listed, moved or dropped at once.
    BySlot,
}

impl Partitioning {
    pub(crate) fn bits(self) -> u32 {
        match self {
            Partitioning::ByHash => 8,
            Partitioning::BySlot => SLOT_COUNT.ilog2(),
        }
    }

    pub(crate) fn count(self) -> usize {
        1 << self.bits()
    }
}

/// The place of one key.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Place {
    pub partition: usize,
    /// Its top bits choose the segment.
    pub hash: u64,
}

impl Place {
    /// What a segment compares before it compares keys. These bits are below those that any directory uses.
    pub fn tag(self) -> u16 {
        (self.hash >> 8) as u16
    }

    pub fn hash_and_tag(self) -> (u64, u16) {
        (self.hash, self.tag())
    }
}

/// Computes places: the seeded hasher and the partitioning.
#[derive(Clone)]
pub(crate) struct Placement {
    partitioning: Partitioning,
    seed: u64,
    shared: SharedSeed,
}

impl Placement {
    pub fn seeded(partitioning: Partitioning, seed: u64) -> Placement {
        Placement { partitioning, seed, shared: SharedSeed::from_u64(seed) }
    }

    pub fn partitioning(&self) -> Partitioning {
        self.partitioning
    }

    #[inline]
    pub fn place(&self, key: &[u8]) -> Place {
        let mut hasher = FoldHasher::with_seed(self.seed, &self.shared);
        hasher.write(key);
        let hash = hasher.finish();
        match self.partitioning {
            Partitioning::ByHash => Place { partition: (hash >> 56) as usize, hash: hash.rotate_left(8) },
            Partitioning::BySlot => Place { partition: slot_of(key).index(), hash },
        }
    }

    /// The position of a place, below 2^63.
    pub fn position(&self, partition: usize, hash: u64) -> u64 {
        let bits = self.partitioning.bits();
        (partition as u64) << (63 - bits) | hash >> (bits + 1)
    }

    /// The partition and the lowest hash at `position`.
    pub fn at_position(&self, position: u64) -> (usize, u64) {
        let bits = self.partitioning.bits();
        ((position >> (63 - bits)) as usize, position << (bits + 1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_position_names_its_place(key: Vec<u8>, seed: u64, by_slot: bool) {
            let partitioning = if by_slot { Partitioning::BySlot } else { Partitioning::ByHash };
            let placement = Placement::seeded(partitioning, seed);
            let place = placement.place(&key);
            prop_assert!(place.partition < partitioning.count());
            let position = placement.position(place.partition, place.hash);
            prop_assert!(position < 1 << 63);
            let (partition, hash) = placement.at_position(position);
            prop_assert_eq!(partition, place.partition);
            prop_assert_eq!(placement.position(partition, hash), position);
            prop_assert!(hash <= place.hash);
        }
    }
}
