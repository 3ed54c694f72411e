//! Walking a database: SCAN's cursor, iteration over all of it or one slot, and random choice.
//!
//! A cursor is a position in hash space (see `place.rs`). A call returns the entries at and after it,
//! in order, so a key that is present throughout a scan is returned exactly once: its position never
//! changes, whatever is split, merged, added or removed meanwhile.

use super::Db;
use crate::chance::below;
use crate::dict::{Dict, SEGMENT_ENTRIES_MAX, Segment};
use crate::entry::Entry;
use crate::slot::Slot;
use rand_core::Rng;

/// Where a scan continues. Zero starts one and says that it is complete. Always below 2^63.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub struct Cursor(pub u64);

impl Cursor {
    pub const START: Cursor = Cursor(0);
}

/// One past the last position.
const POSITION_END: u64 = 1 << 63;

/// How often a random draw is repeated before the entries are counted off instead.
const DRAWS_MAX: usize = 64;

impl Db {
    /// Passes about `count` entries from `cursor` on to `visit`, and returns where to continue. Any
    /// number is fine as a cursor; one that no scan returned starts somewhere.
    pub fn scan(&self, cursor: Cursor, count: usize, visit: impl FnMut(&Entry)) -> Cursor {
        let position = self.scan_between(cursor.0, POSITION_END, count, visit);
        Cursor(if position < POSITION_END { position } else { 0 })
    }

    /// As [`Db::scan`], within one slot: the cursor counts from the slot's beginning. Only a database
    /// partitioned by slot knows.
    pub fn scan_slot(&self, slot: Slot, cursor: Cursor, count: usize, visit: impl FnMut(&Entry)) -> Cursor {
        self.assert_by_slot();
        let (start, end) =
            (self.placement.position(slot.index(), 0), self.placement.position(slot.index() + 1, 0));
        let position = self.scan_between(start.saturating_add(cursor.0).min(end), end, count, visit);
        Cursor(if position < end { position - start } else { 0 })
    }

    /// Visits about `count` entries from `position` on, before `end`; returns where to continue.
    fn scan_between(&self, mut position: u64, end: u64, count: usize, mut visit: impl FnMut(&Entry)) -> u64 {
        let mut wanted = count.max(1);
        while position < end && wanted > 0 {
            let found = self.segment_at_or_after(position);
            let found = found.filter(|(_, _, partition)| self.placement.position(*partition, 0) < end);
            let Some((segment, from, partition)) = found else { return end };
            let next = if from <= segment.start() && segment.len() <= wanted {
                wanted -= segment.len();
                self.in_order(segment, from).for_each(|(_, entry)| visit(entry));
                None
            } else {
                self.scan_within(segment, from, &mut wanted, &mut visit)
            };
            position = match next {
                Some(hash) => self.placement.position(partition, hash),
                None => self.placement.position(partition, segment.last()) + 1,
            };
        }
        position
    }

    /// All entries, in no meaningful order.
    pub fn iter(&self) -> impl Iterator<Item = &Entry> {
        self.partitions.iter().flat_map(Dict::segments).flat_map(Segment::entries)
    }

    /// How many keys belong to a slot. Only a database partitioned by slot knows.
    pub fn slot_len(&self, slot: Slot) -> usize {
        self.assert_by_slot();
        self.partition_lens.get(slot.index()).map_or(0, |&len| len as usize)
    }

    /// The entries of a slot, in no meaningful order. Only a database partitioned by slot knows.
    pub fn slot_iter(&self, slot: Slot) -> impl Iterator<Item = &Entry> {
        self.assert_by_slot();
        self.partitions.get(slot.index()).into_iter().flat_map(Dict::segments).flat_map(Segment::entries)
    }

    /// An entry chosen at random, each with the same chance.
    pub fn random(&self, rng: &mut impl Rng) -> Option<&Entry> {
        let mut index = below(rng, self.len())?;
        for (partition, &len) in self.partition_lens.iter().enumerate() {
            match index.checked_sub(len as usize) {
                Some(rest) => index = rest,
                None => return Some(random_in(&self.partitions[partition], index, rng)),
            }
        }
        unreachable!("the partitions' lengths add up to the database's")
    }

    fn assert_by_slot(&self) {
        assert_eq!(
            self.placement.partitioning(),
            crate::Partitioning::BySlot,
            "slots are asked of a database that is partitioned by slot"
        );
    }

    /// The first segment with a position at or after `position`, the hash to start from, and its partition.
    fn segment_at_or_after(&self, position: u64) -> Option<(&Segment, u64, usize)> {
        let (first, hash) = self.placement.at_position(position);
        let rest = self.partition_lens.get(first..)?;
        let skipped = rest.iter().position(|&len| len > 0)?;
        let from = if skipped == 0 { hash } else { 0 };
        let segment = self.partitions[first + skipped].segment_of(from)?;
        Some((segment, from, first + skipped))
    }

    /// Visits entries of one segment up to the wanted count; returns the hash to continue from, unless
    /// the segment is exhausted. Entries at one position are never divided between two calls.
    fn scan_within(
        &self,
        segment: &Segment,
        from: u64,
        wanted: &mut usize,
        visit: &mut impl FnMut(&Entry),
    ) -> Option<u64> {
        let mut last = None;
        for (hash, entry) in self.in_order(segment, from) {
            let position = self.placement.position(0, hash);
            if *wanted == 0 && last != Some(position) {
                return Some(hash);
            }
            *wanted = wanted.saturating_sub(1);
            last = Some(position);
            visit(entry);
        }
        None
    }

    /// The segment's entries from `from` on by hash.
    fn in_order<'a>(&self, segment: &'a Segment, from: u64) -> impl Iterator<Item = (u64, &'a Entry)> {
        let mut entries: Vec<(u64, &Entry)> = segment
            .entries()
            .iter()
            .map(|entry| (self.placement.place(entry.key()).hash, entry))
            .filter(|&(hash, _)| hash >= from)
            .collect();
        entries.sort_unstable_by(|(a, x), (b, y)| (a, x.key()).cmp(&(b, y.key())));
        entries.into_iter()
    }
}

/// An entry of `dict` with equal chances, given a random `index` into it. A random hash leads to a
/// segment in proportion to its share of hash space; refusing some draws evens that out.
fn random_in<'a>(dict: &'a Dict, index: usize, rng: &mut impl Rng) -> &'a Entry {
    for _ in 0..DRAWS_MAX {
        let segment = dict.segment_of(rng.next_u64()).expect("a partition with entries has segments");
        if segment.len() > SEGMENT_ENTRIES_MAX {
            break;
        }
        // A segment of depth d is met in 2^-d of the draws, so one bit less deep is refused half as often.
        let draw = below(rng, SEGMENT_ENTRIES_MAX << (dict.depth() - segment.depth()));
        if let Some(entry) = draw.and_then(|draw| segment.entries().get(draw)) {
            return entry;
        }
    }
    dict.segments().flat_map(Segment::entries).nth(index).expect("the index is below the length")
}
