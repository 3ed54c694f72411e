//! A segment: up to [`SEGMENT_ENTRIES_MAX`] entries whose hashes share their top bits.
//!
//! Entries lie densely beside an array of 16-bit tags. A probe compares all tags (a few vector
//! instructions) and dereferences an entry only where a tag matches, which for an absent key happens
//! once in a thousand probes. Compared with an open-addressed table this costs no empty slots, grows
//! in steps that fit the allocator, and lets sampling and scanning address an entry by number.
//!
//! The tags lie in the segment itself, so a probe waits for memory three times: for the segment, for
//! the entry's pointer and for the entry.

use super::captured::Captured;
use crate::entry::Entry;
use crate::text::is_same;
use squall_clock::UnixMs;
use std::hint::black_box;

/// When a segment holds this many entries, the next one splits it.
pub(crate) const SEGMENT_ENTRIES_MAX: usize = 80;

/// For how many pointers there is room: one step for each of the allocator's size classes.
const CAPACITIES: [usize; 13] = [4, 8, 12, 16, 20, 24, 28, 32, 40, 48, 56, 64, SEGMENT_ENTRIES_MAX];

/// A lower bound of "never".
pub(crate) const NEVER: UnixMs = UnixMs(u64::MAX);

const CACHE_LINE_BYTES: usize = 64;

/// How many tags are compared in one go.
const LANES: usize = 16;

pub(crate) struct Segment {
    entries: Vec<Entry>,
    /// Of the entries with the same numbers. Should there be more entries than tags, because not even
    /// the longest directory tells them apart, those without one are compared by key.
    tags: [u16; SEGMENT_ENTRIES_MAX],
    /// The lowest hash that belongs here.
    start: u64,
    expiries: Expiries,
    captured: Captured,
    /// How many top bits of the hash all entries share.
    depth: u8,
}

/// What a segment knows of when its entries expire.
#[derive(Clone, Copy)]
pub(crate) struct Expiries {
    /// No entry expires before this. It may be too early, never too late.
    earliest: UnixMs,
    /// How many of the entries have an expiry time.
    volatile: u32,
}

impl Segment {
    pub fn covering_all() -> Segment {
        Segment {
            entries: Vec::new(),
            tags: [0; SEGMENT_ENTRIES_MAX],
            start: 0,
            expiries: Expiries::NONE,
            captured: Captured::default(),
            depth: 0,
        }
    }

    /// The `number`th of the 2^`depth` equal parts of all hashes.
    pub fn covering(number: u64, depth: u8) -> Segment {
        let start = if depth == 0 { 0 } else { number << (64 - depth) };
        Segment { start, depth, ..Segment::covering_all() }
    }

    pub fn len(&self) -> usize {
        self.entries.len()
    }

    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    pub fn into_entries(self) -> Vec<Entry> {
        self.entries
    }

    /// An entry to be changed, and what has to follow when its expiry time does.
    #[inline]
    pub fn entry_and_expiries(&mut self, index: usize) -> (&mut Entry, &mut Expiries) {
        (&mut self.entries[index], &mut self.expiries)
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

    /// The entries that the snapshot of this epoch does not have yet. From now on it has them.
    pub fn capture_rest(&mut self, epoch: u32) -> impl Iterator<Item = &Entry> {
        let before = self.captured;
        if !before.is_whole(epoch) {
            self.glance_at_entries();
            self.captured.set_whole(epoch);
        }
        let numbered = self.entries.iter().enumerate();
        numbered.filter(move |(index, _)| !before.has(epoch, *index)).map(|(_, entry)| entry)
    }

    /// The entry at `index`, unless the snapshot of this epoch has it. From now on it does.
    pub fn capture(&mut self, epoch: u32, index: usize) -> Option<&Entry> {
        self.captured.mark(epoch, index).then(|| &self.entries[index])
    }

    /// The entry that is pushed next is no part of the snapshot of this epoch.
    pub fn spare_next(&mut self, epoch: u32) {
        self.captured.mark(epoch, self.entries.len());
    }

    pub fn earliest_expiry(&self) -> UnixMs {
        self.expiries.earliest
    }

    /// Where the entry with this key is.
    #[inline]
    pub fn find(&self, tag: u16, key: &[u8]) -> Option<usize> {
        let count = self.entries.len();
        for (lanes, base) in self.tags.as_chunks::<LANES>().0.iter().zip((0..count).step_by(LANES)) {
            // Nearly all lanes differ. Without an early exit, so that it compiles to vector compares.
            if !lanes.iter().fold(false, |any, &t| any | (t == tag)) {
                continue;
            }
            let mut from = 0;
            while let Some(offset) = lanes[from..].iter().position(|&t| t == tag) {
                let index = base + from + offset;
                if self.entries.get(index).is_some_and(|entry| is_same(entry.key(), key)) {
                    return Some(index);
                }
                from += offset + 1;
            }
        }
        if count <= SEGMENT_ENTRIES_MAX {
            return None;
        }
        (SEGMENT_ENTRIES_MAX..count).find(|&index| self.entries[index].key() == key)
    }

    /// Reads something of each of the segment's cache lines.
    pub fn glance(&self) -> u64 {
        let lanes = self.tags.iter().step_by(CACHE_LINE_BYTES / size_of::<u16>());
        // Where the next entry will be put.
        let end = self.entries.last().map_or(0, Entry::address);
        lanes.fold(self.start ^ end as u64, |seen, &tag| seen ^ u64::from(tag))
    }

    /// Reads something of each entry, so that a walk over them does not wait for one after the other.
    pub fn glance_at_entries(&self) {
        black_box(self.entries.iter().fold(0, |seen, entry| seen ^ entry.access()));
    }

    /// The first entry with this tag: nearly always the one that `find` finds.
    pub fn likely(&self, tag: u16) -> Option<&Entry> {
        let index = self.tags.iter().position(|&t| t == tag)?;
        self.entries.get(index)
    }

    pub fn push(&mut self, tag: u16, entry: Entry) {
        let index = self.entries.len();
        if index == self.entries.capacity() {
            self.reserve(index + 1);
        }
        self.expiries.change(None, entry.expire_at());
        if let Some(slot) = self.tags.get_mut(index) {
            *slot = tag;
        }
        self.entries.push(entry);
    }

    /// Takes an entry out; the last one takes its place. `tag` computes a key's tag.
    pub fn swap_remove(&mut self, index: usize, tag: impl Fn(&[u8]) -> u16) -> Entry {
        let last = self.entries.len() - 1;
        let entry = self.entries.swap_remove(index);
        self.captured.follow(last, index);
        if index < SEGMENT_ENTRIES_MAX && index < last {
            self.tags[index] = match self.tags.get(last) {
                Some(&moved) => moved,
                None => tag(self.entries[index].key()),
            };
        }
        self.expiries.change(entry.expire_at(), None);
        if self.entries.capacity() > CAPACITIES[0] && last < self.entries.capacity() / 4 {
            self.entries.shrink_to(2 * last);
        }
        entry
    }

    /// Makes the lower bound of the earliest expiry exact again.
    pub fn refresh_earliest_expiry(&mut self) -> UnixMs {
        self.expiries.earliest = match self.expiries.volatile {
            0 => NEVER,
            _ => self.entries.iter().filter_map(Entry::expire_at).min().unwrap_or(NEVER),
        };
        self.expiries.earliest
    }

    /// Gives the upper half of the hash range to a segment of its own. `place` computes a key's hash and tag.
    /// A running snapshot has all entries before.
    pub fn split(&mut self, place: impl Fn(&[u8]) -> (u64, u16)) -> Segment {
        let bit = 1 << (63 - self.depth);
        self.depth += 1;
        let mut upper = Segment {
            start: self.start | bit,
            depth: self.depth,
            captured: self.captured,
            ..Segment::covering_all()
        };
        self.glance_at_entries();
        let entries = std::mem::take(&mut self.entries);
        self.expiries = Expiries::NONE;
        // Half of them, and a little more for the likely deviation.
        let room = entries.len() / 2 + entries.len() / 16;
        self.reserve(room);
        upper.reserve(room);
        for entry in entries {
            let (hash, tag) = place(entry.key());
            let half = if hash & bit == 0 { &mut *self } else { &mut upper };
            half.push(tag, entry);
        }
        upper
    }

    /// Takes over the entries and the hash range of the neighbour that was split off last. A running snapshot has
    /// all entries of both before.
    pub fn absorb(&mut self, neighbour: Segment) {
        assert_eq!(self.depth, neighbour.depth, "only the halves of one segment can be merged");
        self.start = self.start.min(neighbour.start);
        self.depth -= 1;
        self.reserve(self.entries.len() + neighbour.entries.len());
        for (tag, entry) in neighbour.tags.into_iter().zip(neighbour.entries) {
            self.push(tag, entry);
        }
    }

    /// Makes room for `count` entries in all.
    fn reserve(&mut self, count: usize) {
        let step = CAPACITIES.into_iter().find(|&step| step >= count);
        let capacity = step.unwrap_or(count.next_multiple_of(SEGMENT_ENTRIES_MAX));
        self.entries.reserve_exact(capacity.saturating_sub(self.entries.len()));
    }
}

impl Expiries {
    const NONE: Expiries = Expiries { earliest: NEVER, volatile: 0 };

    /// One entry's expiry time was this, or there was none, and now is that.
    pub fn change(&mut self, before: Option<UnixMs>, after: Option<UnixMs>) {
        self.volatile = self.volatile + u32::from(after.is_some()) - u32::from(before.is_some());
        self.earliest = self.earliest.min(after.unwrap_or(NEVER));
    }
}
