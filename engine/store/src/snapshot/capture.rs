//! What one database owes a running snapshot: the content that it had when the snapshot began.
//!
//! Whoever comes first to an entry, the snapshot's cursor or a write, captures it: encodes it and marks that in its
//! segment. Values that take long to encode are only held on to, and encoded when the snapshot gets to them; so
//! a write waits for one small value, or for a segment of them when it makes that split.

use super::SnapshotOptions;
use crate::dict::{SEGMENT_ENTRIES_MAX, Segment};
use crate::entry::{Entry, Value};
use crate::rdb::{put_entry_head, put_value};
use bytes::{Bytes, BytesMut};
use std::collections::VecDeque;

/// Strings and collections larger than this are encoded later.
const PROMPT_BYTES_MAX: usize = 1024;
/// What is encoded lies in chunks of this size and one more entry: one that grew as a whole would be copied while
/// clients wait, and leave its former places behind.
const CHUNK_BYTES: usize = 64 * 1024;

pub(crate) struct Capture {
    /// The number that the database had when the snapshot began.
    pub(super) number: usize,
    /// How many keys it held then, and how many of them with an expiry time.
    pub(super) keys: usize,
    pub(super) volatile: usize,
    /// Marks the entries that are captured.
    epoch: u32,
    options: SnapshotOptions,
    /// Entries in RDB form.
    pub(super) encoded: Encoded,
    /// Entries whose values are still to be encoded.
    pub(super) held: Vec<Held>,
    /// The cursor: everything at lower positions is captured.
    position: u64,
}

/// Bytes in their order, in chunks.
#[derive(Default)]
pub(super) struct Encoded {
    full: VecDeque<BytesMut>,
    tail: BytesMut,
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
        let (encoded, held) = (Encoded::default(), Vec::new());
        Capture { number, keys, volatile, epoch, options, encoded, held, position: 0 }
    }

    pub fn position(&self) -> u64 {
        self.position
    }

    pub fn advance_to(&mut self, position: u64) {
        self.position = position;
    }

    /// Captures what is left of a segment.
    pub fn segment(&mut self, segment: &mut Segment) {
        let compress = self.options.compress;
        segment.capture_rest(self.epoch).for_each(|entry| self.entry(entry, compress));
    }

    /// The same, before its entries come to lie elsewhere. A client waits for that, so nothing is compressed.
    pub fn segment_before_reshaping(&mut self, segment: &mut Segment) {
        segment.capture_rest(self.epoch).for_each(|entry| self.entry(entry, false));
    }

    /// Captures an entry before it changes. A client waits for that too.
    pub fn before_change(&mut self, segment: &mut Segment, index: usize) {
        if segment.len() > SEGMENT_ENTRIES_MAX {
            self.segment_before_reshaping(segment);
        } else if let Some(entry) = segment.capture(self.epoch, index) {
            self.entry(entry, false);
        }
    }

    /// To be called before an entry is added: it was not there when the snapshot began.
    pub fn before_push(&mut self, segment: &mut Segment) {
        if segment.len() >= SEGMENT_ENTRIES_MAX {
            self.segment_before_reshaping(segment);
        } else {
            segment.spare_next(self.epoch);
        }
    }

    fn entry(&mut self, entry: &Entry, compress: bool) {
        let value = match (entry.string(), entry.rich()) {
            (Some(string), _) if string.len() > PROMPT_BYTES_MAX => HeldValue::String(string.to_bytes()),
            (None, Some(value)) if value.heap_bytes() > PROMPT_BYTES_MAX => {
                HeldValue::Collection(value.clone())
            }
            _ => {
                let tail = self.encoded.tail();
                put_entry_head(tail, entry, self.options.recency);
                put_value(tail, entry, compress);
                return;
            }
        };
        let mut head = BytesMut::new();
        put_entry_head(&mut head, entry, self.options.recency);
        self.held.push(Held { head, value });
    }
}

impl Encoded {
    pub fn is_empty(&self) -> bool {
        self.full.is_empty() && self.tail.is_empty()
    }

    /// About how many bytes there are.
    pub fn len(&self) -> usize {
        self.full.len() * CHUNK_BYTES + self.tail.len()
    }

    /// The first chunk.
    pub fn first(&mut self) -> &mut BytesMut {
        self.full.front_mut().unwrap_or(&mut self.tail)
    }

    /// The first chunk has been taken.
    pub fn forget_first(&mut self) {
        self.full.pop_front();
    }

    /// Where to write what comes next.
    fn tail(&mut self) -> &mut BytesMut {
        if self.tail.len() >= CHUNK_BYTES {
            self.full.push_back(std::mem::take(&mut self.tail));
        }
        if self.tail.capacity() == 0 {
            self.tail.reserve(CHUNK_BYTES + 2 * PROMPT_BYTES_MAX);
        }
        &mut self.tail
    }
}
