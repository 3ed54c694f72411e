//! A hash table of small records for collections that have outgrown one packed block: fields of a hash, members of
//! a set or a sorted set.
//!
//! ```text
//! Table -> pages: Arc<Page>, ... -> chunks: Arc<Chunk>, ... -> records of a few dozen keys in one buffer
//! ```
//! Linear hashing: with `n` chunks a key's chunk is given by the low bits of its hash. When chunks become full, one
//! of them (the next in turn) is split; when they become empty, the last one is merged into the one that it
//! was split from. So no insertion ever moves more than one chunk's records.
//!
//! **A clone is a frozen copy** that costs a pointer a page (some thousand records): chunks are shared until either
//! side writes to one, which then copies that chunk alone. That is how a snapshot or a slow reader keeps
//! the old content.
//!
//! A scan walks hashes in the order of their reversed bits; there each chunk is a range, split in place, so a
//! cursor keeps its meaning whatever is split and merged meanwhile.

mod chunk;
mod hashing;
mod spot;
#[cfg(test)]
mod tests;

pub use chunk::Record;
pub use hashing::Hashing;
pub(crate) use spot::Spot;

use crate::chance::below;
use chunk::Chunk;
use rand_core::Rng;
use std::sync::Arc;

/// When there are more records than this for each chunk on average, one is split.
const CHUNK_RECORDS_MAX: usize = 24;
/// When there are fewer, two are merged.
const CHUNK_RECORDS_MIN: usize = 10;
const PAGE_CHUNKS: usize = 64;
/// One past the last position of a scan.
const POSITION_END: u64 = 1 << 63;
/// What a chunk costs beside its buffers: itself with the counts of its owners, and its place in a page.
const CHUNK_FRAME_BYTES: usize = size_of::<Chunk>() + 2 * size_of::<usize>() + size_of::<usize>();

/// Keys with values.
#[derive(Clone)]
pub struct Table {
    hashing: Hashing,
    /// All full but the last.
    pages: Vec<Arc<Page>>,
    chunks: usize,
    len: usize,
    heap_bytes: usize,
}

#[derive(Clone, Default)]
struct Page {
    chunks: Vec<Arc<Chunk>>,
}

impl Table {
    pub fn empty(hashing: &Hashing) -> Table {
        let page = Page { chunks: vec![Arc::default()] };
        Table {
            hashing: hashing.clone(),
            pages: vec![Arc::new(page)],
            chunks: 1,
            len: 0,
            heap_bytes: CHUNK_FRAME_BYTES,
        }
    }

    pub fn len(&self) -> usize {
        self.len
    }

    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// How many bytes it holds on the heap; shared ones count for every holder.
    pub fn heap_bytes(&self) -> usize {
        self.heap_bytes
    }

    /// The value under a key.
    #[inline]
    pub fn get(&self, key: &[u8]) -> Option<&[u8]> {
        let hash = self.hashing.hash(key);
        let chunk = self.chunk(self.number(hash));
        chunk.find(hash, key).map(|index| chunk.record(index).value)
    }

    pub fn contains(&self, key: &[u8]) -> bool {
        self.get(key).is_some()
    }

    /// Puts a value under a key; true if the key was not there.
    pub fn insert(&mut self, key: &[u8], value: &[u8]) -> bool {
        let hash = self.hashing.hash(key);
        let number = self.number(hash);
        let is_added = self.change(number, |chunk| match chunk.find(hash, key) {
            Some(index) => {
                chunk.set_value(index, value);
                false
            }
            None => {
                chunk.push(hash, key, value);
                true
            }
        });
        if is_added {
            self.len += 1;
            if self.len > self.chunks * CHUNK_RECORDS_MAX {
                self.split();
            }
        }
        is_added
    }

    /// Adds a key that is not to be replaced: false, and nothing changed, where it is there.
    pub fn insert_absent(&mut self, key: &[u8], value: &[u8]) -> bool {
        let hash = self.hashing.hash(key);
        let number = self.number(hash);
        if self.chunk(number).find(hash, key).is_some() {
            return false;
        }
        self.change(number, |chunk| chunk.push(hash, key, value));
        self.len += 1;
        if self.len > self.chunks * CHUNK_RECORDS_MAX {
            self.split();
        }
        true
    }

    /// Removes a key; false if it was not there.
    pub fn remove(&mut self, key: &[u8]) -> bool {
        let hash = self.hashing.hash(key);
        let number = self.number(hash);
        let Some(index) = self.chunk(number).find(hash, key) else { return false };
        self.change(number, |chunk| chunk.remove(index));
        self.len -= 1;
        if self.chunks > 1 && self.len < self.chunks * CHUNK_RECORDS_MIN {
            self.merge();
        }
        true
    }

    /// All records, in no meaningful order.
    pub fn iter(&self) -> impl Iterator<Item = Record<'_>> {
        self.pages.iter().flat_map(|page| page.chunks.iter()).flat_map(|chunk| chunk.iter())
    }

    /// Passes at least `count` records from `cursor` on to `visit`, if there are so many, and returns where to
    /// continue; zero starts and ends. A record that is there throughout a scan is visited once. Cursors are
    /// below 2^63, and any number is fine as one.
    pub fn scan(&self, cursor: u64, count: usize, mut visit: impl FnMut(Record<'_>)) -> u64 {
        let (mut position, mut visited) = (cursor & (POSITION_END - 1), 0);
        loop {
            let number = self.number((position << 1).reverse_bits());
            for record in self.chunk(number).iter() {
                // A cursor may stand within a chunk, if two were merged since it was given out.
                if self.position(record.key) >= position {
                    visit(record);
                    visited += 1;
                }
            }
            position = (position | (POSITION_END - 1) >> self.bits(number)) + 1;
            if position == POSITION_END {
                return 0;
            }
            if visited >= count {
                return position;
            }
        }
    }

    /// A record chosen at random, each with the same chance.
    pub fn random(&self, rng: &mut impl Rng) -> Option<Record<'_>> {
        if self.chunks == 1 {
            let chunk = self.chunk(0);
            return below(rng, chunk.len()).map(|index| chunk.record(index));
        }
        loop {
            let chunk = self.chunk(below(rng, self.chunks)?);
            // As many slots in each, of which some are free, so that all records have the same chance.
            let slot = below(rng, chunk.len().max(CHUNK_RECORDS_MAX * 3))?;
            if slot < chunk.len() {
                return Some(chunk.record(slot));
            }
        }
    }

    /// How many chunks there are: what [`Table::chunk_records`] counts through, in a frozen copy.
    pub fn chunks_len(&self) -> usize {
        self.chunks
    }

    /// The records of one chunk.
    pub fn chunk_records(&self, number: usize) -> impl Iterator<Item = Record<'_>> {
        self.chunk(number).iter()
    }

    /// Takes a few thousand records away, to free a large table in slices; how many, or `None` at the end.
    pub fn pop_page(&mut self) -> Option<usize> {
        let page = self.pages.pop()?;
        Some(page.chunks.iter().map(|chunk| chunk.len()).sum())
    }

    /// The number of the chunk that a hash belongs to.
    #[inline]
    fn number(&self, hash: u64) -> usize {
        let floor = self.floor();
        let low = hash as usize & (2 * floor - 1);
        if low < self.chunks { low } else { low - floor }
    }

    /// How many low bits of the hash all records of a chunk share.
    fn bits(&self, number: usize) -> u32 {
        let floor = self.floor();
        let is_split = number >= floor || number < self.chunks - floor;
        floor.ilog2() + u32::from(is_split)
    }

    /// Where a key stands in a scan.
    fn position(&self, key: &[u8]) -> u64 {
        self.hashing.hash(key).reverse_bits() >> 1
    }

    /// The largest power of two that is not larger than the number of chunks.
    #[inline]
    fn floor(&self) -> usize {
        1 << self.chunks.ilog2()
    }

    #[inline]
    fn chunk(&self, number: usize) -> &Chunk {
        &self.pages[number / PAGE_CHUNKS].chunks[number % PAGE_CHUNKS]
    }

    /// Changes a chunk, of which a frozen copy keeps the old content, and counts the memory.
    #[inline]
    fn change<R>(&mut self, number: usize, change: impl FnOnce(&mut Chunk) -> R) -> R {
        let page = Arc::make_mut(&mut self.pages[number / PAGE_CHUNKS]);
        let chunk = &mut page.chunks[number % PAGE_CHUNKS];
        // Before it is made this table's own: a copy may be shorter.
        let before = chunk.heap_bytes();
        let chunk = Arc::make_mut(chunk);
        let result = change(chunk);
        self.heap_bytes = self.heap_bytes + chunk.heap_bytes() - before;
        result
    }

    /// Splits the next chunk in turn.
    fn split(&mut self) {
        let bit = self.floor();
        let number = self.chunks - bit;
        let old = self.take_chunk(number);
        let (mut lower, mut upper) = (Chunk::default(), Chunk::default());
        for record in old.iter() {
            let hash = self.hashing.hash(record.key);
            let half = if hash as usize & bit == 0 { &mut lower } else { &mut upper };
            half.push(hash, record.key, record.value);
        }
        self.heap_bytes += lower.heap_bytes() + upper.heap_bytes() + CHUNK_FRAME_BYTES;
        self.put_chunk(number, lower);
        if self.chunks.is_multiple_of(PAGE_CHUNKS) {
            self.pages.push(Arc::default());
        }
        let page = Arc::make_mut(self.pages.last_mut().expect("there is a page"));
        page.chunks.push(Arc::new(upper));
        self.chunks += 1;
    }

    /// Merges the last chunk into the one that it was split from.
    fn merge(&mut self) {
        let page = Arc::make_mut(self.pages.last_mut().expect("there is a page"));
        let last = page.chunks.pop().expect("the last page is not empty");
        if page.chunks.is_empty() {
            self.pages.pop();
        }
        self.chunks -= 1;
        self.heap_bytes -= last.heap_bytes() + CHUNK_FRAME_BYTES;
        let number = self.chunks - self.floor();
        let hashing = self.hashing.clone();
        self.change(number, |chunk| {
            last.iter().for_each(|record| chunk.push(hashing.hash(record.key), record.key, record.value));
        });
    }

    fn take_chunk(&mut self, number: usize) -> Arc<Chunk> {
        let page = Arc::make_mut(&mut self.pages[number / PAGE_CHUNKS]);
        let chunk = std::mem::take(&mut page.chunks[number % PAGE_CHUNKS]);
        self.heap_bytes -= chunk.heap_bytes();
        chunk
    }

    fn put_chunk(&mut self, number: usize, chunk: Chunk) {
        let page = Arc::make_mut(&mut self.pages[number / PAGE_CHUNKS]);
        page.chunks[number % PAGE_CHUNKS] = Arc::new(chunk);
    }
}

impl std::fmt::Debug for Table {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}
