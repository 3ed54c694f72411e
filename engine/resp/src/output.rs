//! What is to be sent to one peer.
//!
//! Replies are copied into a growing tail; a value too large to copy is queued as it is, behind what came
//! before it. A tail that has grown to its bound is queued as well, and a fresh one started: a slow peer's
//! output becomes a list of blocks, and is never copied again to make one larger block.
//!
//! ```text
//! queue: [block][large value][block]   tail: [sent | waiting | room]
//! ```

use std::collections::VecDeque;
use std::io::IoSlice;

use bytes::{Buf, Bytes};

/// Values above this are sent from where they are.
pub const OUTPUT_COPY_BYTES_MAX: usize = 16 << 10;
const TAIL_BYTES_MIN: usize = 512;
const TAIL_BYTES_MAX: usize = 256 << 10;
/// An idle peer keeps at most this much room.
const IDLE_BYTES_MAX: usize = 16 << 10;

/// Bytes waiting to be sent, in order.
#[derive(Default)]
pub struct Output {
    /// Blocks before the tail; none of them is empty.
    queue: VecDeque<Bytes>,
    queue_bytes: usize,
    tail: Vec<u8>,
    /// How much of the tail is sent. Not zero only while the queue is empty.
    tail_sent: usize,
}

impl Output {
    pub fn new() -> Output {
        Output::default()
    }

    /// The bytes that wait to be sent.
    #[inline]
    pub fn len(&self) -> usize {
        self.queue_bytes + self.tail.len() - self.tail_sent
    }

    #[inline]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    #[inline]
    pub fn extend(&mut self, bytes: &[u8]) {
        if self.tail.capacity() - self.tail.len() < bytes.len() {
            self.grow(bytes.len());
        }
        self.tail.extend_from_slice(bytes);
    }

    /// Appends a line that begins with `kind`.
    #[inline]
    pub(crate) fn extend_line(&mut self, kind: u8, text: &[u8]) {
        let len = text.len() + 3;
        if self.tail.capacity() - self.tail.len() < len {
            self.grow(len);
        }
        self.tail.push(kind);
        self.tail.extend_from_slice(text);
        self.tail.extend_from_slice(b"\r\n");
    }

    /// Appends `bytes`, without a copy when they are many.
    pub fn push_bytes(&mut self, bytes: Bytes) {
        if bytes.len() <= OUTPUT_COPY_BYTES_MAX {
            self.extend(&bytes);
        } else {
            self.queue_tail();
            self.queue_bytes += bytes.len();
            self.queue.push_back(bytes);
        }
    }

    /// Fills `slices` with what is to be sent first, and returns how many it used.
    pub fn slices<'a>(&'a self, slices: &mut [IoSlice<'a>]) -> usize {
        let tail = &self.tail[self.tail_sent..];
        let tail = (!tail.is_empty()).then_some(tail);
        let blocks = self.queue.iter().map(|block| &block[..]).chain(tail);
        slices.iter_mut().zip(blocks).map(|(slice, block)| *slice = IoSlice::new(block)).count()
    }

    /// Appends all that waits to `bytes`.
    pub fn copy_to(&self, bytes: &mut Vec<u8>) {
        self.queue.iter().for_each(|block| bytes.extend_from_slice(block));
        bytes.extend_from_slice(&self.tail[self.tail_sent..]);
    }

    /// The first `count` bytes were sent.
    pub fn advance(&mut self, mut count: usize) {
        assert!(count <= self.len(), "more was sent than was to be sent");
        while let Some(first) = self.queue.front_mut() {
            let sent = count.min(first.len());
            first.advance(sent);
            self.queue_bytes -= sent;
            count -= sent;
            if !first.is_empty() {
                return;
            }
            self.queue.pop_front();
        }
        self.tail_sent += count;
        if self.tail_sent == self.tail.len() {
            self.clear();
        }
    }

    /// Drops all that waits, and room that an idle peer should not keep.
    pub fn clear(&mut self) {
        if !self.queue.is_empty() || self.queue.capacity() > 0 {
            self.queue = VecDeque::new();
        }
        self.queue_bytes = 0;
        self.tail_sent = 0;
        self.tail.clear();
        if self.tail.capacity() > IDLE_BYTES_MAX {
            self.tail = Vec::new();
        }
    }

    /// Inserts `bytes` so that `at` bytes that wait to be sent precede them.
    pub(crate) fn insert(&mut self, at: usize, bytes: &[u8]) {
        assert!(at <= self.len(), "the place has not been written yet");
        if let Some(in_tail) = at.checked_sub(self.queue_bytes) {
            let from = self.tail_sent + in_tail;
            self.extend_hole(from, bytes);
            return;
        }
        let mut before = at;
        let mut index = 0;
        while before >= self.queue[index].len() {
            before -= self.queue[index].len();
            index += 1;
        }
        if before > 0 {
            let rest = self.queue[index].split_off(before);
            index += 1;
            self.queue.insert(index, rest);
        }
        self.queue.insert(index, Bytes::copy_from_slice(bytes));
        self.queue_bytes += bytes.len();
    }

    /// Moves what stands in the tail from `from` on, and writes `bytes` there.
    fn extend_hole(&mut self, from: usize, bytes: &[u8]) {
        let old_len = self.tail.len();
        self.tail.extend_from_slice(bytes);
        self.tail.copy_within(from..old_len, from + bytes.len());
        self.tail[from..from + bytes.len()].copy_from_slice(bytes);
    }

    /// Makes room for `count` more bytes in the tail, or in a fresh one.
    #[cold]
    fn grow(&mut self, count: usize) {
        if self.tail_sent > 0 && self.queue.is_empty() {
            self.tail.drain(..self.tail_sent);
            self.tail_sent = 0;
        }
        if self.tail.len() + count > TAIL_BYTES_MAX {
            self.queue_tail();
        }
        let wanted = (self.tail.len() + count).next_power_of_two().max(TAIL_BYTES_MIN);
        self.tail.reserve_exact(wanted - self.tail.len());
    }

    fn queue_tail(&mut self) {
        if self.tail.len() > self.tail_sent {
            let mut block = Bytes::from(std::mem::take(&mut self.tail));
            block.advance(self.tail_sent);
            self.queue_bytes += block.len();
            self.queue.push_back(block);
        }
        self.tail.clear();
        self.tail_sent = 0;
    }
}
