//! The bytes of a snapshot in their final order, waiting to be taken, and their checksum.

use crate::rdb::crc64;
use bytes::{BufMut, Bytes, BytesMut};
use std::collections::VecDeque;

/// A piece is closed at this size, so that no caller is handed much more at once.
const PIECE_BYTES: usize = 64 * 1024;

pub(super) struct Stream {
    ready: VecDeque<Bytes>,
    tail: BytesMut,
    /// The checksum of all that is ready, unless none is wanted.
    crc: Option<u64>,
}

impl Stream {
    pub fn starting(checksum: bool) -> Stream {
        Stream { ready: VecDeque::new(), tail: BytesMut::new(), crc: checksum.then_some(0) }
    }

    /// Where to write what comes next.
    pub fn tail(&mut self) -> &mut BytesMut {
        if self.tail.len() >= PIECE_BYTES {
            self.seal();
        }
        if self.tail.is_empty() {
            self.tail.reserve(PIECE_BYTES);
        }
        &mut self.tail
    }

    /// Appends bytes without copying them, if they are many.
    pub fn push(&mut self, bytes: Bytes) {
        if bytes.len() < PIECE_BYTES / 4 {
            self.tail().extend_from_slice(&bytes);
        } else {
            self.seal();
            self.crc = self.crc.map(|crc| crc64(crc, &bytes));
            self.ready.push_back(bytes);
        }
    }

    /// Appends bytes that were gathered elsewhere, where their room is kept for more, if they are few.
    pub fn push_gathered(&mut self, bytes: &mut BytesMut) {
        if bytes.len() < PIECE_BYTES / 4 {
            self.tail().extend_from_slice(bytes);
            bytes.clear();
        } else {
            self.push(bytes.split().freeze());
        }
    }

    /// Appends the checksum of everything before: zero if none is wanted.
    pub fn finish(&mut self) {
        self.seal();
        let crc = self.crc.unwrap_or(0);
        self.tail.put_u64_le(crc);
        self.ready.push_back(self.tail.split().freeze());
    }

    /// The next piece that is as large as pieces are.
    pub fn take_full(&mut self) -> Option<Bytes> {
        self.ready.pop_front()
    }

    /// The next piece; empty when there is nothing now.
    pub fn take(&mut self) -> Bytes {
        if self.ready.is_empty() {
            self.seal();
        }
        self.ready.pop_front().unwrap_or_default()
    }

    fn seal(&mut self) {
        if !self.tail.is_empty() {
            self.crc = self.crc.map(|crc| crc64(crc, &self.tail));
            self.ready.push_back(self.tail.split().freeze());
        }
    }
}
