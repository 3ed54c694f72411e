//! A segment: up to [`SEGMENT_ENTRIES_MAX`] entries whose hashes share their top bits.
//!
//! Entries lie densely beside an array of 16-bit tags. A probe compares all tags (a few vector
//! instructions) and dereferences an entry only where a tag matches, which for an absent key happens
//! once in a thousand probes. Compared with an open-addressed table this costs no empty slots, grows
//! in steps that fit the allocator, splits and merges without knowing what else is in it, and lets
//! sampling and scanning address an entry by number.

use crate::entry::Entry;
use squall_clock::UnixMs;

/// When a segment holds this many entries, the next one splits it.
pub(crate) const SEGMENT_ENTRIES_MAX: usize = 112;

/// A lower bound of "never".
pub(crate) const NEVER: UnixMs = UnixMs(u64::MAX);

/// How many tags are compared in one go.
const LANES: usize = 16;

pub(crate) struct Segment {
    tags: Vec<u16>,
    entries: Vec<Entry>,
    /// The lowest hash that belongs here.
    start: u64,
    /// No entry expires before this. It may be too early, never too late.
    earliest_expiry: UnixMs,
    /// How many of the entries have an expiry time.
    volatile: u32,
    /// The last snapshot that holds this segment's content of its time.
    epoch: u32,
    /// How many top bits of the hash all entries share.
    depth: u8,
}

impl Segment {
    pub fn covering_all(epoch: u32) -> Segment {
        Segment {
            tags: Vec::new(),
            entries: Vec::new(),
            start: 0,
            earliest_expiry: NEVER,
            volatile: 0,
            epoch,
            depth: 0,
        }
    }

    pub fn len(&self) -> usize {
        self.entries.len()
    }

    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    pub fn entry_mut(&mut self, index: usize) -> &mut Entry {
        &mut self.entries[index]
    }

    pub fn start(&self) -> u64 {
        self.start
    }

    /// The highest hash that belongs here.
    pub fn last(&self) -> u64 {
        match self.depth {
            0 => u64::MAX,
            depth => self.start | u64::MAX >> depth,
        }
    }

    pub fn depth(&self) -> u8 {
        self.depth
    }

    pub fn epoch(&self) -> u32 {
        self.epoch
    }

    pub fn set_epoch(&mut self, epoch: u32) {
        self.epoch = epoch;
    }

    pub fn earliest_expiry(&self) -> UnixMs {
        self.earliest_expiry
    }

    /// Where the entry with this key is.
    pub fn find(&self, tag: u16, key: &[u8]) -> Option<usize> {
        let mut base = 0;
        let mut chunks = self.tags.chunks_exact(LANES);
        for chunk in &mut chunks {
            // Without an early exit, so that it compiles to vector compares.
            if chunk.iter().fold(false, |any, &t| any | (t == tag))
                && let Some(index) = self.find_among(chunk, base, tag, key)
            {
                return Some(index);
            }
            base += LANES;
        }
        self.find_among(chunks.remainder(), base, tag, key)
    }

    fn find_among(&self, tags: &[u16], base: usize, tag: u16, key: &[u8]) -> Option<usize> {
        tags.iter()
            .zip(base..)
            .find(|&(&t, index)| t == tag && self.entries[index].key() == key)
            .map(|(_, index)| index)
    }

    pub fn push(&mut self, tag: u16, entry: Entry) {
        let capacity = self.entries.capacity();
        if self.entries.len() == capacity {
            // A quarter more: the spacing of the allocator's size classes.
            let more = (capacity / 4).max(4);
            self.tags.reserve_exact(more);
            self.entries.reserve_exact(more);
        }
        if let Some(at) = entry.expire_at() {
            self.note_expiry(at);
            self.volatile += 1;
        }
        self.tags.push(tag);
        self.entries.push(entry);
    }

    pub fn swap_remove(&mut self, index: usize) -> Entry {
        self.tags.swap_remove(index);
        let entry = self.entries.swap_remove(index);
        if entry.expire_at().is_some() {
            self.volatile -= 1;
        }
        entry
    }

    /// Changes when an entry expires.
    pub fn set_expire_at(&mut self, index: usize, at: Option<UnixMs>) {
        let entry = &mut self.entries[index];
        let had = entry.expire_at().is_some();
        entry.set_expire_at(at);
        self.volatile = self.volatile + u32::from(at.is_some()) - u32::from(had);
        if let Some(at) = at {
            self.note_expiry(at);
        }
    }

    /// Makes the lower bound of the earliest expiry exact again.
    pub fn refresh_earliest_expiry(&mut self) -> UnixMs {
        self.earliest_expiry = match self.volatile {
            0 => NEVER,
            _ => self.entries.iter().filter_map(Entry::expire_at).min().unwrap_or(NEVER),
        };
        self.earliest_expiry
    }

    /// Gives the upper half of the hash range to a segment of its own. `hash` computes a key's hash.
    pub fn split(&mut self, hash: impl Fn(&[u8]) -> u64) -> Segment {
        let bit = 1 << (63 - self.depth);
        self.depth += 1;
        let mut upper = Segment { start: self.start | bit, ..Segment::covering_all(self.epoch) };
        upper.depth = self.depth;
        let (tags, entries) = (std::mem::take(&mut self.tags), std::mem::take(&mut self.entries));
        self.volatile = 0;
        self.earliest_expiry = NEVER;
        self.reserve_half(entries.len());
        upper.reserve_half(entries.len());
        for (tag, entry) in tags.into_iter().zip(entries) {
            let half = if hash(entry.key()) & bit == 0 { &mut *self } else { &mut upper };
            half.push(tag, entry);
        }
        upper
    }

    /// Takes over the entries and the hash range of the neighbour that was split off last.
    pub fn absorb(&mut self, neighbour: Segment) {
        assert_eq!(self.depth, neighbour.depth, "only the halves of one segment can be merged");
        // While a snapshot runs, both have been captured for it before; otherwise epochs mean nothing.
        self.epoch = self.epoch.max(neighbour.epoch);
        self.start = self.start.min(neighbour.start);
        self.depth -= 1;
        for (tag, entry) in neighbour.tags.into_iter().zip(neighbour.entries) {
            self.push(tag, entry);
        }
    }

    fn note_expiry(&mut self, at: UnixMs) {
        self.earliest_expiry = self.earliest_expiry.min(at);
    }

    /// Room for half of `entries` and the likely deviation.
    fn reserve_half(&mut self, entries: usize) {
        let room = entries / 2 + entries / 16;
        self.tags.reserve_exact(room);
        self.entries.reserve_exact(room);
    }
}
