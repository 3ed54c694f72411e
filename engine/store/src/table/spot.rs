//! Where a key's record is, or would be: for those who read ahead what several look-ups will wait for. Each step
//! reads what the next one follows, so that all look-ups take a step before any takes the next.

use super::Table;
use super::chunk::Chunk;

/// A table smaller than this stays in the caches by itself.
const TABLE_RECORDS_MIN: usize = 10_000;

#[derive(Clone, Copy)]
pub(crate) struct Spot<'a> {
    chunk: &'a Chunk,
    hash: u64,
}

impl Table {
    /// None where reading ahead would be no use.
    pub(crate) fn spot(&self, key: &[u8]) -> Option<Spot<'_>> {
        if self.len < TABLE_RECORDS_MIN {
            return None;
        }
        let hash = self.hashing.hash(key);
        Some(Spot { chunk: self.chunk(self.number(hash)), hash })
    }
}

impl Spot<'_> {
    /// Reads the chunk.
    pub fn glance(&self) -> u64 {
        self.chunk.len() as u64
    }

    /// Reads what the chunk's records are found by.
    pub fn glance_at_heads(&self) -> u64 {
        self.chunk.glance_at_heads()
    }

    /// Reads the record that is likely to be the key's.
    pub fn glance_at_record(&self) -> u64 {
        self.chunk.likely(self.hash).map_or(0, |record| record.key.len() as u64)
    }
}
