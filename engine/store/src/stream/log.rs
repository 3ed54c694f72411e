//! The entries of a stream: packed blocks in an ordered spine. New entries go to the last block; what is trimmed
//! goes from the first, by whole blocks where it can.

use std::sync::Arc;

use super::StreamId;
use super::block::{Block, Entry};
use super::ordered::Ordered;
use crate::limits::Limits;
use crate::packed::Malformed;

/// What an entry takes up beside its fields and values: numbers, and their frames.
const ENTRY_ELEMENTS: usize = 5;

/// How far a stream is trimmed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Bound {
    /// So many of the newest entries stay.
    Len(u64),
    /// Entries from this id on stay.
    Id(StreamId),
}

/// How a stream is trimmed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Trim {
    pub bound: Bound,
    /// Only whole blocks go, and so some entries more may stay.
    pub approximate: bool,
    /// No more entries go than this; zero is no limit.
    pub entries_max: u64,
}

/// Entries in the order of their ids.
#[derive(Clone, Default, Debug)]
pub(super) struct Log {
    /// By the id that each block's first entry had.
    blocks: Ordered<StreamId, Arc<Block>>,
    len: u64,
    block_bytes: usize,
}

impl Log {
    pub fn len(&self) -> u64 {
        self.len
    }

    pub fn heap_bytes(&self) -> usize {
        self.block_bytes + self.blocks.heap_bytes()
    }

    /// Appends an entry, whose id is above those of the others.
    pub fn push<'f>(
        &mut self,
        id: StreamId,
        fields: impl ExactSizeIterator<Item = (&'f [u8], &'f [u8])> + Clone,
        limits: &Limits,
    ) {
        let text_bytes = fields.clone().map(|(field, value)| field.len() + value.len()).sum();
        let elements = 2 * fields.len() + ENTRY_ELEMENTS;
        let fits = |block: &Block| {
            let (bytes_max, entries_max) = (limits.stream_node_bytes_max, limits.stream_node_entries_max);
            block.has_room_for(elements, text_bytes)
                && (bytes_max == 0 || block.byte_len() + text_bytes <= bytes_max)
                && (entries_max == 0 || block.slots() < entries_max as u64)
        };
        if !self.blocks.last().is_some_and(|(_, block)| fits(block)) {
            let block = Block::begin(id, fields.clone());
            self.block_bytes += block.heap_bytes();
            self.blocks.insert(id, Arc::new(block));
        }
        let block = self.blocks.last_mut().expect("there is a block");
        // Before it is copied, if it is shared: a copy has no room to spare.
        let before = block.heap_bytes();
        let block = Arc::make_mut(block);
        block.push(id, fields);
        self.block_bytes = self.block_bytes + block.heap_bytes() - before;
        self.len += 1;
    }

    /// Deletes an entry; false where it is not there.
    pub fn delete(&mut self, id: StreamId) -> bool {
        let Some((first, block)) = self.blocks.down_from(id).next() else { return false };
        if block.find(id).is_none() {
            return false;
        }
        self.change(first, |block| assert!(block.delete(id), "it has just been found"));
        true
    }

    pub fn find(&self, id: StreamId) -> Option<Entry<'_>> {
        self.blocks.down_from(id).next().and_then(|(_, block)| block.find(id))
    }

    /// The entries from one id to another, both included.
    pub fn range(&self, from: StreamId, to: StreamId) -> impl Iterator<Item = Entry<'_>> + Clone {
        let blocks = self.blocks.at_floor(from).take_while(move |(first, _)| *first <= to);
        let entries = blocks.flat_map(|(_, block)| block.iter());
        entries.skip_while(move |entry| entry.id < from).take_while(move |entry| entry.id <= to)
    }

    /// The entries down from one id to another, both included.
    pub fn range_back(&self, from: StreamId, to: StreamId) -> impl Iterator<Item = Entry<'_>> + Clone {
        let entries = self.blocks.down_from(from).flat_map(|(_, block)| block.iter_back());
        entries.skip_while(move |entry| entry.id > from).take_while(move |entry| entry.id >= to)
    }

    /// Removes old entries, each unless `spares` says that it has to stay; returns how many.
    pub fn trim(&mut self, trim: Trim, mut spares: Option<&mut dyn FnMut(StreamId) -> bool>) -> u64 {
        let mut removed = 0;
        let mut from = StreamId::MIN;
        while let Some((first, block)) = self.blocks.at_or_after(from) {
            let live = block.live();
            if matches!(trim.bound, Bound::Len(len) if self.len <= len)
                || (trim.entries_max > 0 && removed + live > trim.entries_max)
            {
                break;
            }
            let goes_whole = match trim.bound {
                Bound::Len(len) => self.len - live >= len,
                Bound::Id(id) => block.iter_back().next().is_some_and(|last| last.id < id),
            };
            if goes_whole && spares.is_none() {
                self.block_bytes -= block.heap_bytes();
                self.len -= live;
                self.blocks.remove(first);
                removed += live;
                continue;
            }
            if !goes_whole && trim.approximate {
                break;
            }
            let ids = block.iter().map(|entry| entry.id);
            let ids: Vec<StreamId> = match trim.bound {
                Bound::Len(len) if spares.is_none() => ids.take((self.len - len) as usize).collect(),
                Bound::Len(_) => ids.collect(),
                Bound::Id(bound) => ids.take_while(|id| *id < bound).collect(),
            };
            for id in ids {
                let is_enough = matches!(trim.bound, Bound::Len(len) if self.len <= len);
                if !is_enough && !spares.as_mut().is_some_and(|spares| spares(id)) {
                    self.change(first, |block| assert!(block.delete(id), "it has just been seen"));
                    removed += 1;
                }
            }
            if !goes_whole {
                break;
            }
            let Some(next) = first.next() else { break };
            from = next;
        }
        removed
    }

    pub fn blocks_len(&self) -> usize {
        self.blocks.len()
    }

    /// How many runs the blocks can be walked in.
    pub fn runs_len(&self) -> usize {
        self.blocks.chunks_len()
    }

    /// The blocks of a run, with the ids that they are filed under.
    pub fn run(&self, index: usize) -> impl Iterator<Item = (StreamId, &[u8])> {
        self.blocks.chunk(index).iter().map(|(first, block)| (*first, block.as_listpack()))
    }

    /// Appends a block from elsewhere; it has to follow the others.
    pub fn push_block(&mut self, first: StreamId, listpack: &[u8]) -> Result<(), Malformed> {
        let block = Block::from_listpack(first, listpack)?;
        let last = self.range_back(StreamId::MAX, StreamId::MIN).next().map(|entry| entry.id);
        let follows = block.iter().next().is_some_and(|entry| last.is_none_or(|last| last < entry.id))
            && self.blocks.last().is_none_or(|(last, _)| last < first);
        if !follows {
            return Err(Malformed);
        }
        self.len += block.live();
        self.block_bytes += block.heap_bytes();
        self.blocks.insert(first, Arc::new(block));
        Ok(())
    }

    /// What [`Log::heap_bytes`] says, added up anew.
    #[cfg(test)]
    pub fn weighed_bytes(&self) -> usize {
        self.blocks.heap_bytes() + self.blocks.iter().map(|(_, block)| block.heap_bytes()).sum::<usize>()
    }

    /// Frees some blocks; false when none is left.
    pub fn free_part(&mut self) -> bool {
        self.blocks.drop_chunk()
    }

    /// Changes a block in a way that removes one entry.
    fn change(&mut self, first: StreamId, remove: impl FnOnce(&mut Block)) {
        let block = self.blocks.get_mut(first).expect("the block is filed under this id");
        let before = block.heap_bytes();
        let block = Arc::make_mut(block);
        remove(block);
        let (after, live) = (block.heap_bytes(), block.live());
        self.block_bytes = self.block_bytes + after - before;
        self.len -= 1;
        if live == 0 {
            self.block_bytes -= after;
            self.blocks.remove(first);
        }
    }
}
