//! A database's side of a snapshot: every change is preceded by capturing what it touches.

use super::{At, Db};
use crate::discarded::Discarded;
use crate::snapshot::{Capture, SnapshotOptions};

impl Db {
    pub(crate) fn begin_capture(&mut self, number: usize, epoch: u32, options: SnapshotOptions) {
        if !self.is_empty() {
            let (keys, volatile) = (self.len(), self.volatile_len());
            self.capture = Some(Box::new(Capture::of(number, keys, volatile, epoch, options)));
        }
    }

    /// Whether it still owes something to a running snapshot.
    pub(crate) fn has_capture(&self) -> bool {
        self.capture.is_some()
    }

    pub(crate) fn capture_mut(&mut self) -> Option<&mut Capture> {
        self.capture.as_deref_mut()
    }

    pub(crate) fn take_capture(&mut self) -> Option<Box<Capture>> {
        self.capture.take()
    }

    /// Captures the next segment in order of hash; returns how many it visited: none at the end.
    pub(crate) fn capture_step(&mut self) -> usize {
        let Some(capture) = &mut self.capture else { return 0 };
        let (first, hash) = self.placement.at_position(capture.position());
        let Some(rest) = self.partition_lens.get(first..) else { return 0 };
        let Some(skipped) = rest.iter().position(|&len| len > 0) else { return 0 };
        let (partition, from) = if skipped == 0 { (first, hash) } else { (first + skipped, 0) };
        let dict = &mut self.partitions[partition];
        let number = dict.segment_number(from);
        let segment = dict.segment_mut(number);
        capture.segment(segment);
        capture.advance_to(self.placement.position(partition, segment.last()) + 1);
        1
    }

    /// To be called before an entry is added to this segment.
    pub(super) fn before_push(&mut self, partition: usize, segment: usize) {
        if let Some(capture) = &mut self.capture {
            capture.before_push(self.partitions[partition].segment_mut(segment));
        }
    }

    /// To be called before this segment is merged with another.
    pub(super) fn before_merge(&mut self, partition: usize, segment: usize) {
        if let Some(capture) = &mut self.capture {
            capture.segment_before_reshaping(self.partitions[partition].segment_mut(segment));
        }
    }

    /// Takes the database apart when it is flushed: what it owes a running snapshot, and its content.
    pub(crate) fn into_parts(self) -> (Option<Box<Capture>>, Discarded) {
        (self.capture, Discarded::of(self.partitions, self.books.totals.entries))
    }
}

impl At {
    /// To be called before the entry changes or goes.
    pub(super) fn before_change(self, db: &mut Db) {
        if let Some(capture) = &mut db.capture {
            capture.before_change(db.partitions[self.partition].segment_mut(self.segment), self.index);
        }
    }
}
