//! Snapshots without a fork: the content of the keyspace at one moment, produced in small steps while
//! commands go on changing it.
//!
//! Beginning marks nothing but a new epoch. From then on every entry is captured once (`capture.rs`),
//! by this cursor or before the first write to it; what databases had captured flows into one stream
//! (`stream.rs`) that is a complete RDB file. Databases that are flushed meanwhile are moved here and
//! freed when they are captured; swapped ones keep the number that they had.

mod capture;
mod stream;
#[cfg(test)]
mod tests;

pub(crate) use capture::Capture;

use crate::db::Db;
use crate::discarded::Discarded;
use crate::entry::Value;
use crate::rdb::{
    Aux, is_compressible, put_file_end, put_file_start, put_piece, put_plain_start, put_resize, put_select,
    put_string,
};
use crate::recency::Recency;
use bytes::Bytes;
use capture::{Held, HeldValue};
use std::collections::VecDeque;
use stream::Stream;

/// How much of a long string goes into the stream at once.
const SLICE_BYTES: usize = 64 * 1024;
/// What visiting a segment counts for, whatever it holds.
const SEGMENT_VISIT_BYTES: usize = 64;
/// How much of a collection that has been written is freed at once, in entries.
const WRITTEN_FREED_ENTRIES: usize = 256;
/// A database whose turn has not come is relieved of what writes made it capture when it is this much.
const WAITING_BYTES_MAX: usize = 256 * 1024;

/// How a snapshot is written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SnapshotOptions {
    pub compress: bool,
    pub checksum: bool,
    /// Which of the entries' use is told.
    pub recency: Recency,
}

/// There can be one snapshot at a time.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SnapshotRunning;

/// Where a snapshot stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SnapshotState {
    Running,
    /// All of it is there to be taken.
    Done,
}

/// A running snapshot, apart from what each database has captured for it.
pub(crate) struct Snapshot {
    options: SnapshotOptions,
    stream: Stream,
    /// The database that the stream has selected.
    selected: Option<usize>,
    /// The databases that the stream has announced with their sizes.
    announced: Vec<bool>,
    /// The rest of a long string: nothing else may come between.
    slicing: Bytes,
    /// The rest of a large collection, from this piece on.
    collection: Option<(Value, usize)>,
    /// Collections that have been written, to be freed in slices.
    written: Discarded,
    /// Databases that were flushed.
    flushed: VecDeque<Flushed>,
    done: bool,
}

/// A flushed database: what it had captured, and the segments that remain.
struct Flushed {
    capture: Capture,
    remains: Discarded,
}

impl Snapshot {
    pub fn begin(options: SnapshotOptions, dbs: &[Db], aux: &Aux) -> Snapshot {
        let mut stream = Stream::starting(options.checksum);
        let timed = dbs.iter().any(|db| db.expiring_hashes_len() > 0);
        put_file_start(stream.tail(), aux, timed);
        Snapshot {
            options,
            stream,
            selected: None,
            announced: vec![false; dbs.len()],
            slicing: Bytes::new(),
            collection: None,
            written: Discarded::default(),
            flushed: VecDeque::new(),
            done: false,
        }
    }

    /// Goes on by about `budget_bytes`.
    pub fn step(&mut self, dbs: &mut [Db], budget_bytes: usize) -> SnapshotState {
        let mut budget = i64::try_from(budget_bytes).unwrap_or(i64::MAX);
        while budget > 0 && !self.done {
            budget -= self.advance(dbs) as i64;
        }
        if self.done { SnapshotState::Done } else { SnapshotState::Running }
    }

    pub fn take(&mut self) -> Bytes {
        self.stream.take()
    }

    pub fn take_full(&mut self) -> Option<Bytes> {
        self.stream.take_full()
    }

    /// Whether it is complete. What has not been taken then is all that is left of it.
    pub fn is_done(&self) -> bool {
        self.done
    }

    /// Keeps a database that is being flushed, if it owes something.
    pub fn keep_flushed(&mut self, capture: Capture, remains: Discarded) {
        self.flushed.push_back(Flushed { capture, remains });
    }

    /// Gives up, and gives back what was kept of flushed databases.
    pub fn into_flushed(self) -> impl Iterator<Item = Discarded> {
        self.flushed.into_iter().map(|flushed| flushed.remains).chain([self.written])
    }

    /// Does one small piece of work and returns about how many bytes it was.
    fn advance(&mut self, dbs: &mut [Db]) -> usize {
        if !self.slicing.is_empty() {
            let slice = self.slicing.split_to(SLICE_BYTES.min(self.slicing.len()));
            let len = slice.len();
            self.stream.push(slice);
            return len;
        }
        if let Some((value, number)) = self.collection.take() {
            return self.put_piece(value, number);
        }
        if !self.written.is_empty() {
            self.written.free_step(WRITTEN_FREED_ENTRIES);
            return SEGMENT_VISIT_BYTES;
        }
        if let Some(flushed) = self.flushed.front_mut() {
            match flushed.advance() {
                Some(visited) => return visited + self.relieve_flushed(),
                None => {
                    let more = self.relieve_flushed();
                    if more == 0 {
                        self.flushed.pop_front();
                    }
                    return more;
                }
            }
        }
        let mut captures = dbs.iter_mut().filter_map(Db::capture_mut);
        if let Some(waiting) = captures.find(|capture| capture.encoded.len() > WAITING_BYTES_MAX) {
            return self.relieve(waiting);
        }
        if let Some(db) = dbs.iter_mut().find(|db| db.has_capture()) {
            let visited = db.capture_step();
            let written = self.relieve(db.capture_mut().expect("found because it has one"));
            if visited == 0 && written == 0 {
                db.take_capture();
            }
            return visited * SEGMENT_VISIT_BYTES + written;
        }
        put_file_end(self.stream.tail());
        self.stream.finish();
        self.done = true;
        0
    }

    fn relieve_flushed(&mut self) -> usize {
        let mut flushed = self.flushed.pop_front().expect("there is one in front");
        let written = self.relieve(&mut flushed.capture);
        self.flushed.push_front(flushed);
        written
    }

    /// Moves a chunk of what was captured into the stream, or one of the long strings; returns how many bytes.
    fn relieve(&mut self, capture: &mut Capture) -> usize {
        if capture.encoded.is_empty() && capture.held.is_empty() {
            return 0;
        }
        self.select(capture);
        if !capture.encoded.is_empty() {
            let chunk = capture.encoded.first();
            let len = chunk.len();
            self.stream.push_gathered(chunk);
            capture.encoded.forget_first();
            return len;
        }
        let Held { head, value } = capture.held.pop().expect("nothing is encoded, so something is held");
        let tail = self.stream.tail();
        tail.extend_from_slice(&head);
        let string = match value {
            HeldValue::String(string) => string,
            HeldValue::Collection(value) => {
                self.collection = Some((value, 0));
                return head.len();
            }
        };
        if self.options.compress && is_compressible(string.len()) {
            put_string(tail, &string, true);
            head.len() + string.len()
        } else {
            put_plain_start(tail, string.len());
            self.slicing = string;
            head.len()
        }
    }

    /// Writes a piece of a large collection; returns how many bytes that was.
    fn put_piece(&mut self, value: Value, number: usize) -> usize {
        let tail = self.stream.tail();
        let before = tail.len();
        let more = put_piece(&value, number, tail, self.options.compress);
        let written = tail.len() - before;
        match more {
            true => self.collection = Some((value, number + 1)),
            false => self.written.push(value),
        }
        written
    }

    /// Makes the stream speak of the database that this capture is of.
    fn select(&mut self, capture: &Capture) {
        if self.selected != Some(capture.number) {
            self.selected = Some(capture.number);
            put_select(self.stream.tail(), capture.number);
            if !std::mem::replace(&mut self.announced[capture.number], true) {
                put_resize(self.stream.tail(), capture.keys, capture.volatile);
            }
        }
    }
}

impl Flushed {
    /// Captures and frees one more segment; returns what that counts for, or `None` if none is left.
    fn advance(&mut self) -> Option<usize> {
        let mut segment = self.remains.pop()?;
        self.capture.segment(&mut segment);
        Some(SEGMENT_VISIT_BYTES)
    }
}
