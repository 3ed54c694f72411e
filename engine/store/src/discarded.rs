//! Content that was flushed and waits to be freed, a little at a time.

use crate::dict::{BoxedSegment, Dict};

/// The content of flushed databases.
#[must_use = "dropping it frees everything at once"]
#[derive(Default)]
pub struct Discarded {
    /// The segments of each partition.
    partitions: Vec<Vec<BoxedSegment>>,
    entries: usize,
}

impl Discarded {
    pub(crate) fn of(partitions: Vec<Dict>, entries: usize) -> Discarded {
        Discarded { partitions: partitions.into_iter().map(Dict::into_segments).collect(), entries }
    }

    /// How many entries are waiting.
    pub fn len(&self) -> usize {
        self.entries
    }

    pub fn is_empty(&self) -> bool {
        self.partitions.is_empty()
    }

    /// Adds what was discarded elsewhere.
    pub fn append(&mut self, mut other: Discarded) {
        self.partitions.append(&mut other.partitions);
        self.entries += other.entries;
    }

    /// Frees about `budget` entries; true when nothing is left.
    pub fn free_step(&mut self, mut budget: usize) -> bool {
        while budget > 0 {
            match self.pop() {
                Some(segment) => budget = budget.saturating_sub(segment.len() + 1),
                None => return true,
            }
        }
        self.is_empty()
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
