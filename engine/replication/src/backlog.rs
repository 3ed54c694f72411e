//! The last stretch of the replication stream, kept once. Replicas read it by position, so ten of them
//! cost ten numbers; whoever reconnects soon enough finds the bytes that it missed.
//!
//! ```text
//!         first                                       end
//!           v                                          v
//!   ...[ 16 KiB block ][ one 3 MB value ][ block ][ tail ]
//! ```
//!
//! Blocks are positions in one queue rather than counted references: no replica can keep a block alive
//! by itself, the owner says how far back the slowest reader is. The stretch on offer (`first`) is cut
//! exactly, to the byte; memory is given back block by block.

use std::collections::VecDeque;
use std::io::IoSlice;

use bytes::{Bytes, BytesMut};

use crate::ReplOffset;

/// Small appends are gathered into blocks of this size; larger ones become blocks of their own, uncopied.
const BLOCK_BYTES: usize = 16 * 1024;

#[derive(Debug)]
pub struct Backlog {
    limit_bytes: u64,
    first: ReplOffset,
    end: ReplOffset,
    blocks: VecDeque<Block>,
    /// The newest bytes, still growing; they start at `end - tail.len()`.
    tail: BytesMut,
}

#[derive(Debug)]
struct Block {
    start: ReplOffset,
    bytes: Bytes,
}

impl Backlog {
    /// An empty stretch at `start`, to hold `limit_bytes` once there are as many.
    pub fn new(start: ReplOffset, limit_bytes: u64) -> Backlog {
        Backlog { limit_bytes, first: start, end: start, blocks: VecDeque::new(), tail: BytesMut::new() }
    }

    /// The oldest position from which the stream can be read.
    pub fn first(&self) -> ReplOffset {
        self.first
    }

    /// The position after the newest byte.
    pub fn end(&self) -> ReplOffset {
        self.end
    }

    pub fn len(&self) -> u64 {
        self.end.bytes_since(self.first)
    }

    pub fn is_empty(&self) -> bool {
        self.first == self.end
    }

    pub fn limit_bytes(&self) -> u64 {
        self.limit_bytes
    }

    /// Takes effect at the next [`trim`](Self::trim).
    pub fn set_limit(&mut self, limit_bytes: u64) {
        self.limit_bytes = limit_bytes;
    }

    pub fn contains(&self, position: ReplOffset) -> bool {
        self.first <= position && position <= self.end
    }

    /// Memory held, which may exceed [`len`](Self::len) by what is cut off the oldest block.
    pub fn memory_bytes(&self) -> u64 {
        let oldest = self.blocks.front().map_or(self.tail_start(), |block| block.start);
        self.end.bytes_since(oldest) + (self.tail.capacity() - self.tail.len()) as u64
    }

    pub fn append(&mut self, bytes: Bytes) {
        let start = self.end;
        self.end = ReplOffset(self.end.0 + bytes.len() as u64);
        if bytes.len() >= BLOCK_BYTES {
            self.seal_tail(start);
            self.blocks.push_back(Block { start, bytes });
            return;
        }
        if self.tail.len() + bytes.len() > BLOCK_BYTES {
            self.seal_tail(start);
        }
        if self.tail.capacity() == 0 {
            self.tail.reserve(BLOCK_BYTES);
        }
        self.tail.extend_from_slice(&bytes);
    }

    /// Forgets what lies further back than the limit, except what the slowest reader has still to read.
    pub fn trim(&mut self, slowest: Option<ReplOffset>) {
        let within_limit = ReplOffset(self.end.0.saturating_sub(self.limit_bytes));
        let wanted = slowest.map_or(within_limit, |slowest| slowest.min(within_limit));
        self.first = self.first.max(wanted);
        while self.blocks.front().is_some_and(|block| block.end() <= self.first) {
            self.blocks.pop_front();
        }
    }

    /// Fills `slices` with the stream from `from` on; returns how many it filled.
    pub fn slices<'a>(&'a self, from: ReplOffset, slices: &mut [IoSlice<'a>]) -> usize {
        assert!(self.contains(from), "{from} lies outside the backlog {}..{}", self.first, self.end);
        let mut filled = 0;
        let reached = self.blocks.partition_point(|block| block.end() <= from);
        let sealed = self.blocks.range(reached..).map(|block| (block.start, &block.bytes[..]));
        for (start, bytes) in sealed.chain([(self.tail_start(), &self.tail[..])]) {
            let unread = &bytes[from.bytes_since(start).min(bytes.len() as u64) as usize..];
            if filled == slices.len() {
                break;
            }
            if !unread.is_empty() {
                slices[filled] = IoSlice::new(unread);
                filled += 1;
            }
        }
        filled
    }

    fn tail_start(&self) -> ReplOffset {
        ReplOffset(self.end.0 - self.tail.len() as u64)
    }

    /// Makes a block of the tail, which ends at `end`.
    fn seal_tail(&mut self, end: ReplOffset) {
        if !self.tail.is_empty() {
            let start = ReplOffset(end.0 - self.tail.len() as u64);
            self.blocks.push_back(Block { start, bytes: std::mem::take(&mut self.tail).freeze() });
        }
    }
}

impl Block {
    fn end(&self) -> ReplOffset {
        ReplOffset(self.start.0 + self.bytes.len() as u64)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(backlog: &Backlog, from: ReplOffset) -> Vec<u8> {
        let mut read = Vec::new();
        let mut position = from;
        loop {
            let mut slices = [IoSlice::new(&[]), IoSlice::new(&[])];
            let filled = backlog.slices(position, &mut slices);
            if filled == 0 {
                return read;
            }
            for slice in &slices[..filled] {
                read.extend_from_slice(slice);
                position.0 += slice.len() as u64;
            }
        }
    }

    proptest! {
        /// Whatever is appended and however it is trimmed, a reader inside the stretch reads exactly the
        /// stream, and the stretch is never shorter than promised nor memory longer than explained.
        #[test]
        fn a_reader_sees_the_stream(
            start in 0u64..1000,
            limit in 1u64..60_000,
            steps in prop::collection::vec((prop_oneof![1usize..200, 10_000usize..50_000], any::<u8>(), any::<u16>()), 1..60),
        ) {
            let mut history = vec![0; start as usize];
            let mut backlog = Backlog::new(ReplOffset(start), limit);
            let mut reader = ReplOffset(start);
            for (len, byte, advance) in steps {
                history.extend(std::iter::repeat_n(byte, len));
                backlog.append(Bytes::from(vec![byte; len]));
                reader.0 = (reader.0 + u64::from(advance)).min(history.len() as u64);
                backlog.trim(Some(reader));

                let end = history.len() as u64;
                prop_assert_eq!(backlog.end(), ReplOffset(end));
                let expected_first = reader.0.min(end.saturating_sub(limit)).max(start);
                prop_assert!(backlog.first().0 <= expected_first, "the reader's bytes are still there");
                prop_assert!(backlog.len() <= limit.max(end - reader.0));
                prop_assert!(backlog.memory_bytes() <= backlog.len() + 50_000 + BLOCK_BYTES as u64);
                for from in [backlog.first(), reader, backlog.end()] {
                    prop_assert_eq!(&read(&backlog, from)[..], &history[from.0 as usize..]);
                }
            }
        }
    }

    #[test]
    fn without_readers_it_keeps_exactly_its_limit() {
        let mut backlog = Backlog::new(ReplOffset(0), 100);
        for _ in 0..50 {
            backlog.append(Bytes::from_static(b"0123456789"));
            backlog.trim(None);
        }
        assert_eq!((backlog.first(), backlog.end()), (ReplOffset(400), ReplOffset(500)));
        assert!(!backlog.contains(ReplOffset(399)) && backlog.contains(ReplOffset(400)));
    }
}
