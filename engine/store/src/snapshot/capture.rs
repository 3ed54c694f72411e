//! What one database owes a running snapshot: the content that it had when the snapshot began.
//!
//! Whoever comes first to a segment, the snapshot's cursor or a write, captures it: encodes its entries and marks
//! it with the snapshot's epoch. Values that take long to encode are only held on to, and encoded when
//! the snapshot gets to them; so a write never waits for more than a segment of small values.

use super::SnapshotOptions;
use crate::dict::Segment;
use crate::entry::{Entry, Value};
use crate::rdb::{put_entry_head, put_value};
use bytes::{Bytes, BytesMut};

/// Strings and collections larger than this are encoded later.
const PROMPT_BYTES_MAX: usize = 1024;

pub(crate) struct Capture {
    /// The number that the database had when the snapshot began.
    pub(super) number: usize,
    /// How many keys it held then, and how many of them with an expiry time.
    pub(super) keys: usize,
    pub(super) volatile: usize,
    /// Marks the segments that are captured.
    epoch: u32,
    options: SnapshotOptions,
    /// Entries in RDB form.
    pub(super) encoded: BytesMut,
    /// Entries whose values are still to be encoded.
    pub(super) held: Vec<Held>,
    /// The cursor: everything at lower positions is captured.
    position: u64,
}

/// An entry with a large value.
pub(super) struct Held {
    /// Everything up to the value, in RDB form.
    pub head: BytesMut,
    pub value: HeldValue,
}

pub(super) enum HeldValue {
    String(Bytes),
    /// A frozen copy.
    Collection(Value),
}

impl Capture {
    pub fn of(number: usize, keys: usize, volatile: usize, epoch: u32, options: SnapshotOptions) -> Capture {
        let (encoded, held) = (BytesMut::new(), Vec::new());
        Capture { number, keys, volatile, epoch, options, encoded, held, position: 0 }
    }

    pub fn position(&self) -> u64 {
        self.position
    }

    pub fn advance_to(&mut self, position: u64) {
        self.position = position;
    }

    /// Captures a segment unless that has been done. To be called before anything in it changes.
    pub fn segment(&mut self, segment: &mut Segment) {
        if segment.epoch() != self.epoch {
            segment.set_epoch(self.epoch);
            segment.glance_at_entries();
            segment.entries().iter().for_each(|entry| self.entry(entry));
        }
    }

    fn entry(&mut self, entry: &Entry) {
        let value = match (entry.string(), entry.rich()) {
            (Some(string), _) if string.len() > PROMPT_BYTES_MAX => HeldValue::String(string.to_bytes()),
            (None, Some(value)) if value.heap_bytes() > PROMPT_BYTES_MAX => {
                HeldValue::Collection(value.clone())
            }
            _ => {
                put_entry_head(&mut self.encoded, entry, self.options.recency);
                put_value(&mut self.encoded, entry, self.options.compress);
                return;
            }
        };
        let mut head = BytesMut::new();
        put_entry_head(&mut head, entry, self.options.recency);
        self.held.push(Held { head, value });
    }
}
