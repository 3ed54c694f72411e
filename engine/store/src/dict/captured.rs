//! Which entries of a segment a snapshot has already. A write makes it take the one entry that is about to
//! change, and no more, since a client waits for that; the snapshot's cursor takes the rest of the segment.

use super::SEGMENT_ENTRIES_MAX;

const WORD_BITS: usize = u32::BITS as usize;
const WORDS: usize = SEGMENT_ENTRIES_MAX.div_ceil(WORD_BITS);

/// All of a segment's entries, however many there are. More bits than it has entries while it is marked one by one.
const WHOLE: [u32; WORDS] = [u32::MAX; WORDS];
const _: () = assert!(SEGMENT_ENTRIES_MAX < WORDS * WORD_BITS);

#[derive(Clone, Copy, Default)]
pub(super) struct Captured {
    /// A bit for each entry, by its number.
    entries: [u32; WORDS],
    /// The snapshot that has them.
    epoch: u32,
}

impl Captured {
    pub fn is_whole(&self, epoch: u32) -> bool {
        self.epoch == epoch && self.entries == WHOLE
    }

    pub fn set_whole(&mut self, epoch: u32) {
        *self = Captured { entries: WHOLE, epoch };
    }

    pub fn has(&self, epoch: u32, index: usize) -> bool {
        self.epoch == epoch && self.bit(index)
    }

    /// Marks an entry; tells whether it was not marked before. Entries beyond the usual number are not marked one
    /// by one.
    pub fn mark(&mut self, epoch: u32, index: usize) -> bool {
        assert!(index < SEGMENT_ENTRIES_MAX, "a longer segment is captured whole");
        if self.epoch != epoch {
            *self = Captured { entries: [0; WORDS], epoch };
        }
        let new = !self.bit(index);
        self.entries[index / WORD_BITS] |= 1 << (index % WORD_BITS);
        new
    }

    /// The entry at `from` has moved to `to`. What stands at `from` later is marked when it comes.
    pub fn follow(&mut self, from: usize, to: usize) {
        if to >= SEGMENT_ENTRIES_MAX {
            return;
        }
        let (word, bit) = (to / WORD_BITS, 1 << (to % WORD_BITS));
        match self.bit(from) {
            true => self.entries[word] |= bit,
            false => self.entries[word] &= !bit,
        }
    }

    fn bit(&self, index: usize) -> bool {
        let word = self.entries.get(index / WORD_BITS);
        word.map_or(self.entries == WHOLE, |word| word >> (index % WORD_BITS) & 1 == 1)
    }
}
