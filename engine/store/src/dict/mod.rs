//! An extendible hash table: a directory, indexed by the top bits of the hash, of [`Segment`]s.
//!
//! A segment that is full is split in two; only when it already uses all the bits of the directory
//! does the directory double, which copies small integers. So no insertion ever moves more than one
//! segment's entries. Neighbours that have become nearly empty are merged again.

mod captured;
mod segment;

pub(crate) use segment::{Expiries, NEVER, SEGMENT_ENTRIES_MAX, Segment};

use squall_clock::UnixMs;

/// The directory stops doubling here: 2^24 segments hold more than a billion entries in one dictionary.
/// Beyond, and for keys that no further bit tells apart, segments grow longer instead.
const DEPTH_MAX: u8 = 24;

/// Two neighbours are merged when both together fill at most half a segment, so that a key that comes
/// and goes does not split and merge them for ever.
const MERGED_ENTRIES_MAX: usize = SEGMENT_ENTRIES_MAX / 2;

/// Segments lie apart, so that little is copied when their list grows.
pub(crate) type BoxedSegment = Box<Segment>;

/// Segments are empty until the first entry, so an unused dictionary holds no memory.
pub(crate) struct Dict {
    /// Indices into `segments`: 2^depth of them, or none while one segment covers all.
    directory: Vec<u32>,
    segments: Vec<BoxedSegment>,
    /// No entry expires before this. It may be too early, never too late.
    pub earliest_expiry: UnixMs,
    depth: u8,
}

impl Dict {
    pub const fn empty() -> Dict {
        Dict { directory: Vec::new(), segments: Vec::new(), earliest_expiry: NEVER, depth: 0 }
    }

    /// How many top bits of the hash the directory uses.
    pub fn depth(&self) -> u8 {
        self.depth
    }

    /// The number of the segment that `hash` belongs to. There is none in a dictionary without segments.
    pub fn segment_number(&self, hash: u64) -> usize {
        match self.depth {
            0 => 0,
            depth => self.directory[(hash >> (64 - depth)) as usize] as usize,
        }
    }

    pub fn segment_of(&self, hash: u64) -> Option<&Segment> {
        self.segments.get(self.segment_number(hash)).map(|segment| &**segment)
    }

    pub fn segment_mut(&mut self, number: usize) -> &mut Segment {
        &mut self.segments[number]
    }

    /// A segment to be changed, and the lower bound of all of them.
    #[inline]
    pub fn segment_and_earliest_expiry(&mut self, number: usize) -> (&mut Segment, &mut UnixMs) {
        (&mut self.segments[number], &mut self.earliest_expiry)
    }

    /// All segments, in the order in which they were made.
    pub fn segments(&self) -> impl Iterator<Item = &Segment> {
        self.segments.iter().map(|segment| &**segment)
    }

    pub fn segments_len(&self) -> usize {
        self.segments.len()
    }

    /// How many bytes the tables take that find the entries, beside a pointer for each entry.
    pub fn table_bytes(&self) -> usize {
        let per_segment = size_of::<BoxedSegment>() + size_of::<Segment>();
        self.directory.capacity() * size_of::<u32>() + self.segments.len() * per_segment
    }

    /// Makes sure that there is a segment.
    pub fn ensure_segment(&mut self) {
        if self.segments.is_empty() {
            self.segments.push(Box::new(Segment::covering_all()));
        }
    }

    /// Lays out as many segments as will be needed, so that none has to be split on the way: 2^`depth` of them, in
    /// a dictionary that has none.
    pub fn lay_out(&mut self, depth: u8) {
        assert!(
            self.segments.is_empty() && depth <= DEPTH_MAX,
            "segments are laid out once, before all others"
        );
        if depth > 0 {
            self.directory = (0..1 << depth).collect();
        }
        self.depth = depth;
        let segment = |number: u64| Box::new(Segment::covering(number, depth));
        self.segments = (0..1 << depth).map(segment).collect();
    }

    /// Splits the segment that `hash` belongs to until it has room, and returns its number. `place`
    /// computes the hash and tag of a key.
    pub fn make_room(&mut self, hash: u64, place: impl Fn(&[u8]) -> (u64, u16)) -> usize {
        loop {
            let number = self.segment_number(hash);
            let segment = &mut self.segments[number];
            if segment.len() < SEGMENT_ENTRIES_MAX || segment.depth() == DEPTH_MAX {
                return number;
            }
            if segment.depth() == self.depth {
                self.double_directory();
            }
            let upper = self.segments[number].split(&place);
            self.point_directory_at(&upper, self.segments.len());
            self.segments.push(Box::new(upper));
        }
    }

    /// The number of the segment that `number` could be merged with now, if both are that empty.
    pub fn merge_candidate(&self, number: usize) -> Option<usize> {
        let segment = &self.segments[number];
        if segment.depth() == 0 || segment.len() > MERGED_ENTRIES_MAX / 2 {
            return None;
        }
        let neighbour_number = self.segment_number(segment.start() ^ 1 << (64 - segment.depth()));
        let neighbour = &self.segments[neighbour_number];
        (neighbour.depth() == segment.depth() && segment.len() + neighbour.len() <= MERGED_ENTRIES_MAX)
            .then_some(neighbour_number)
    }

    /// Merges two segments that `merge_candidate` named, and returns the number of the merged one.
    pub fn merge(&mut self, one: usize, other: usize) -> usize {
        let (kept, gone) = (one.min(other), one.max(other));
        let absorbed = self.segments.swap_remove(gone);
        if gone < self.segments.len() {
            self.redirect(gone);
        }
        self.segments[kept].absorb(*absorbed);
        self.redirect(kept);
        self.shrink_directory();
        kept
    }

    /// Forgets the only segment if it is empty.
    pub fn release_if_empty(&mut self) {
        if let [only] = self.segments.as_slice()
            && only.len() == 0
        {
            *self = Dict::empty();
        }
    }

    pub fn into_segments(self) -> Vec<BoxedSegment> {
        self.segments
    }

    fn double_directory(&mut self) {
        self.directory = match self.depth {
            0 => vec![0, 0],
            _ => self.directory.iter().flat_map(|&number| [number, number]).collect(),
        };
        self.depth += 1;
    }

    /// Halves the directory as often as no segment needs its last bit.
    fn shrink_directory(&mut self) {
        // A segment that uses every bit of the directory has a slot to itself, and so its neighbour differs.
        while self.depth > 0 && self.directory.chunks_exact(2).all(|pair| pair[0] == pair[1]) {
            self.depth -= 1;
            self.directory = match self.depth {
                0 => Vec::new(),
                _ => self.directory.iter().step_by(2).copied().collect(),
            };
        }
    }

    fn redirect(&mut self, number: usize) {
        let (start, depth) = (self.segments[number].start(), self.segments[number].depth());
        self.point_slots_at(start, depth, number);
    }

    fn point_directory_at(&mut self, segment: &Segment, number: usize) {
        self.point_slots_at(segment.start(), segment.depth(), number);
    }

    fn point_slots_at(&mut self, start: u64, depth: u8, number: usize) {
        if self.depth == 0 {
            return;
        }
        let first = (start >> (64 - self.depth)) as usize;
        let count = 1 << (self.depth - depth);
        self.directory[first..first + count].fill(number as u32);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entry::{Content, Entry};
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    impl Dict {
        /// What must be true between any two operations.
        fn assert_sound(&self, hash: impl Fn(&[u8]) -> u64) {
            let slots = if self.depth == 0 { 0 } else { 1 << self.depth };
            assert_eq!(self.directory.len(), slots);
            let mut covered = 0u128;
            for (number, segment) in self.segments.iter().enumerate() {
                assert!(segment.depth() <= self.depth);
                assert_eq!(self.segment_number(segment.start()), number);
                assert_eq!(self.segment_number(segment.last()), number);
                covered += u128::from(segment.last() - segment.start()) + 1;
                for entry in segment.entries() {
                    assert!((segment.start()..=segment.last()).contains(&hash(entry.key())));
                }
            }
            assert!(covered == 1 << 64 || self.segments.is_empty(), "the segments share out all hashes");
            let deepest = self.segments.iter().map(|segment| segment.depth()).max().unwrap_or(0);
            assert_eq!(self.depth, deepest, "the directory is no longer than it must be");
        }
    }

    proptest! {
        /// Keys are their own hashes; in small ranges, so that some segments are much deeper than others.
        #[test]
        fn splits_and_merges_keep_the_directory_sound(
            waves in proptest::collection::vec((any::<bool>(), any::<u64>(), 0u32..8, 1u64..400), 1..20),
        ) {
            let place = |key: &[u8]| {
                let hash = u64::from_le_bytes(key.try_into().unwrap());
                (hash, (hash >> 8) as u16)
            };
            let (mut dict, mut model) = (Dict::empty(), BTreeSet::new());
            for (insert, start, shift, count) in waves {
                let hashes = (0..count).map(|n| start.wrapping_add(n.wrapping_mul(u64::MAX >> shift) / count));
                let victims: Vec<u64> = model.range(start..).take(count as usize).copied().collect();
                for hash in if insert { hashes.collect() } else { victims } {
                    let tag = place(&hash.to_le_bytes()).1;
                    if insert && model.insert(hash) {
                        dict.ensure_segment();
                        let number = dict.make_room(hash, place);
                        let entry = Entry::create(&hash.to_le_bytes(), Content::Int(0), None);
                        dict.segment_mut(number).push(tag, entry);
                    } else if !insert {
                        model.remove(&hash);
                        let mut number = dict.segment_number(hash);
                        let index = dict.segments[number].find(tag, &hash.to_le_bytes()).unwrap();
                        dict.segment_mut(number).swap_remove(index, |key| place(key).1);
                        while let Some(neighbour) = dict.merge_candidate(number) {
                            number = dict.merge(number, neighbour);
                        }
                        dict.release_if_empty();
                    }
                }
                dict.assert_sound(|key| place(key).0);
                let mut found: Vec<u64> =
                    dict.segments().flat_map(Segment::entries).map(|entry| place(entry.key()).0).collect();
                found.sort_unstable();
                prop_assert!(found.iter().eq(model.iter()));
            }
        }
    }

    /// Keys that no hash bit tells apart, as only someone who knew the seed could make them.
    #[test]
    fn keys_that_collide_are_kept_in_a_longer_segment() {
        let mut dict = Dict::empty();
        let place = |_: &[u8]| (0x1234_5678_9abc_def0, 7);
        let (hash, tag) = place(b"");
        dict.ensure_segment();
        let count = SEGMENT_ENTRIES_MAX as i64 * 3;
        for n in 0..count {
            let number = dict.make_room(hash, place);
            dict.segment_mut(number).push(tag, Entry::create(&n.to_le_bytes(), Content::Int(n), None));
        }
        // From the middle, the front and the end by turns.
        let mut left: Vec<i64> = (0..count).collect();
        while !left.is_empty() {
            let number = dict.segment_number(hash);
            for n in &left {
                let index = dict.segments[number].find(tag, &n.to_le_bytes()).expect("it is there");
                assert_eq!(dict.segments[number].entries()[index].key(), n.to_le_bytes());
            }
            let gone = left.swap_remove(left.len() * (left.len() % 3) / 3);
            let index = dict.segments[number].find(tag, &gone.to_le_bytes()).expect("it is there");
            dict.segment_mut(number).swap_remove(index, |key| place(key).1);
            assert!(dict.segments[number].find(tag, &gone.to_le_bytes()).is_none());
        }
    }
}
