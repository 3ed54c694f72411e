//! How keys of collections are hashed: seeded, so that nobody outside can choose keys that meet.

use foldhash::SharedSeed;
use foldhash::quality::FoldHasher;
use std::hash::Hasher;

/// A seeded hash function.
#[derive(Clone, Debug)]
pub struct Hashing {
    seed: u64,
    shared: SharedSeed,
}

impl Hashing {
    pub fn seeded(seed: u64) -> Hashing {
        Hashing { seed, shared: SharedSeed::from_u64(seed) }
    }

    #[inline]
    pub fn hash(&self, bytes: &[u8]) -> u64 {
        let mut hasher = FoldHasher::with_seed(self.seed, &self.shared);
        hasher.write(bytes);
        hasher.finish()
    }
}
