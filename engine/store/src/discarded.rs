//! Content that was flushed or removed and waits to be freed, a little at a time.

use crate::dict::{BoxedSegment, Dict, Segment};
use crate::entry::{Entry, Value};

/// A collection that holds less is freed at once.
const PROMPT_BYTES_MAX: usize = 64 * 1024;
/// What freeing a part of a large collection counts for, in entries.
const PART_ENTRIES: usize = 64;

/// The content of flushed databases, and large collections.
#[must_use = "dropping it frees everything at once"]
#[derive(Default)]
pub struct Discarded {
    /// The segments of each partition.
    partitions: Vec<Vec<BoxedSegment>>,
    entries: usize,
    /// Large collections. One of them counts as an entry.
    values: Vec<Value>,
}

impl Discarded {
    pub(crate) fn of(partitions: Vec<Dict>, entries: usize) -> Discarded {
        Discarded {
            partitions: partitions.into_iter().map(Dict::into_segments).collect(),
            entries,
            values: Vec::new(),
        }
    }

    /// Adds a value that nobody needs any more; a small one is freed here and now.
    pub fn push(&mut self, value: Value) {
        if value.heap_bytes() > PROMPT_BYTES_MAX {
            self.values.push(value);
        }
    }

    /// How many entries are waiting.
    pub fn len(&self) -> usize {
        self.entries + self.values.len()
    }

    pub fn is_empty(&self) -> bool {
        self.partitions.is_empty() && self.values.is_empty()
    }

    /// Adds what was discarded elsewhere.
    pub fn append(&mut self, mut other: Discarded) {
        self.partitions.append(&mut other.partitions);
        self.values.append(&mut other.values);
        self.entries += other.entries;
    }

    /// Frees about `budget` entries; true when nothing is left.
    pub fn free_step(&mut self, mut budget: usize) -> bool {
        while budget > 0 {
            if let Some(value) = self.values.last_mut() {
                match value.free_part() {
                    true => budget = budget.saturating_sub(PART_ENTRIES),
                    false => drop(self.values.pop()),
                }
                continue;
            }
            match self.pop() {
                Some(segment) => {
                    budget = budget.saturating_sub(segment.len() + 1);
                    self.set_large_apart(*segment);
                }
                None => return true,
            }
        }
        self.is_empty()
    }

    /// Frees the entries of a segment, but for their large collections.
    fn set_large_apart(&mut self, segment: Segment) {
        let values = segment.into_entries().into_iter().filter_map(Entry::into_rich);
        values.for_each(|value| self.push(value));
    }

    pub(crate) fn pop(&mut self) -> Option<BoxedSegment> {
        loop {
            let segment = self.partitions.last_mut()?.pop();
            if self.partitions.last().is_some_and(Vec::is_empty) {
                self.partitions.pop();
            }
            if let Some(segment) = segment {
                self.entries -= segment.len();
                return Some(segment);
            }
        }
    }
}
