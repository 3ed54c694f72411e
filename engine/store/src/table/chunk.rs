//! A chunk of a table: the records of a few dozen keys, one after the other in one buffer.
//!
//! ```text
//! heads:   | tag (8 bits), offset (24 bits) | ... |                 one u32 a record, in the order of the records
//! records: | key length | value length | key | value |  ...         lengths: one byte, or 0xff and a u32 LE
//! apart:   key length 0xfe: both are kept apart, and a u32 LE says where
//! ```
//! A look-up compares the tags of all heads at once, then the one record that is likely to be the right one.

use std::sync::Arc;

/// Records with more text than this are kept apart, so that a chunk stays small and cheap to change.
const INLINE_BYTES_MAX: usize = 512;
const OFFSET_BITS: u32 = 24;
const OFFSET_MAX: usize = (1 << OFFSET_BITS) - 1;
const LONG: u8 = 0xff;
const APART: u8 = 0xfe;
/// How much of memory is read at a time.
const CACHE_LINE_BYTES: usize = 64;
const APART_RECORD_BYTES: usize = 5;

/// A key and what is kept under it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Record<'a> {
    pub key: &'a [u8],
    pub value: &'a [u8],
}

#[derive(Clone, Default)]
pub(super) struct Chunk {
    heads: Vec<u32>,
    records: Vec<u8>,
    apart: Vec<Option<Apart>>,
    /// How many bytes are kept apart.
    apart_bytes: usize,
}

#[derive(Clone)]
struct Apart {
    key: Arc<[u8]>,
    value: Arc<[u8]>,
}

impl Chunk {
    pub fn len(&self) -> usize {
        self.heads.len()
    }

    pub fn heap_bytes(&self) -> usize {
        self.heads.capacity() * size_of::<u32>()
            + self.records.capacity()
            + self.apart.capacity() * size_of::<Option<Apart>>()
            + self.apart_bytes
    }

    /// The index of the record with this key.
    #[inline]
    pub fn find(&self, hash: u64, key: &[u8]) -> Option<usize> {
        let tag = tag(hash);
        let mut from = 0;
        while let Some(found) = self.heads[from..].iter().position(|head| head >> OFFSET_BITS == tag) {
            let index = from + found;
            if self.record(index).key == key {
                return Some(index);
            }
            from = index + 1;
        }
        None
    }

    /// The first record whose hash has the same tag: nearly always the one that `find` finds.
    pub fn likely(&self, hash: u64) -> Option<Record<'_>> {
        let tag = tag(hash);
        let index = self.heads.iter().position(|head| head >> OFFSET_BITS == tag)?;
        Some(self.record(index))
    }

    /// Reads something of each cache line of the heads, and where the next record will be put.
    pub fn glance_at_heads(&self) -> u64 {
        let lines = self.heads.iter().step_by(CACHE_LINE_BYTES / size_of::<u32>());
        lines.fold(u64::from(self.records.last().copied().unwrap_or(0)), |seen, &head| seen ^ u64::from(head))
    }

    #[inline]
    pub fn record(&self, index: usize) -> Record<'_> {
        self.record_at(offset(self.heads[index]))
    }

    pub fn iter(&self) -> impl Iterator<Item = Record<'_>> {
        (0..self.heads.len()).map(|index| self.record(index))
    }

    /// Adds a record whose key is not here.
    pub fn push(&mut self, hash: u64, key: &[u8], value: &[u8]) {
        let start = self.records.len();
        assert!(start <= OFFSET_MAX, "a chunk is split long before");
        reserve(&mut self.heads, 1);
        self.heads.push(tag(hash) << OFFSET_BITS | start as u32);
        self.append_record(key, value);
    }

    /// Replaces the value of a record.
    pub fn set_value(&mut self, index: usize, value: &[u8]) {
        let at = offset(self.heads[index]);
        let old = self.record_at(at);
        if old.value.len() == value.len() && self.records[at] != APART {
            let end = at + self.record_len(at);
            self.records[end - value.len()..end].copy_from_slice(value);
            return;
        }
        let key = old.key.to_vec();
        let (head, last) = (self.heads[index], self.heads.len() - 1);
        self.remove(index);
        let start = self.records.len();
        assert!(start <= OFFSET_MAX, "a chunk is split long before");
        self.heads.push(head & !(OFFSET_MAX as u32) | start as u32);
        self.append_record(&key, value);
        debug_assert_eq!(last, self.heads.len() - 1);
    }

    pub fn remove(&mut self, index: usize) {
        let at = offset(self.heads[index]);
        let len = self.record_len(at);
        if self.records[at] == APART {
            let slot = self.apart_slot(at);
            let gone = self.apart[slot].take().expect("a record kept apart has its place");
            self.apart_bytes -= gone.bytes();
        }
        self.records.drain(at..at + len);
        self.heads.remove(index);
        // The records behind have moved to the front.
        self.heads[index..].iter_mut().for_each(|head| *head -= len as u32);
        self.give_back();
    }

    fn append_record(&mut self, key: &[u8], value: &[u8]) {
        if key.len() + value.len() > INLINE_BYTES_MAX {
            let apart = Apart { key: key.into(), value: value.into() };
            self.apart_bytes += apart.bytes();
            let slot = match self.apart.iter().position(Option::is_none) {
                Some(slot) => slot,
                None => {
                    self.apart.reserve_exact(1);
                    self.apart.push(None);
                    self.apart.len() - 1
                }
            };
            self.apart[slot] = Some(apart);
            reserve(&mut self.records, APART_RECORD_BYTES);
            self.records.push(APART);
            self.records.extend_from_slice(&(slot as u32).to_le_bytes());
            return;
        }
        reserve(&mut self.records, key.len() + value.len() + 10);
        put_length(&mut self.records, key.len());
        put_length(&mut self.records, value.len());
        self.records.extend_from_slice(key);
        self.records.extend_from_slice(value);
    }

    #[inline]
    fn record_at(&self, at: usize) -> Record<'_> {
        if self.records[at] == APART {
            let apart = self.apart[self.apart_slot(at)].as_ref().expect("a record kept apart has its place");
            return Record { key: &apart.key, value: &apart.value };
        }
        let (key_len, at) = length_at(&self.records, at);
        let (value_len, at) = length_at(&self.records, at);
        let (key, rest) = self.records[at..].split_at(key_len);
        Record { key, value: &rest[..value_len] }
    }

    fn record_len(&self, at: usize) -> usize {
        if self.records[at] == APART {
            return APART_RECORD_BYTES;
        }
        let (key_len, next) = length_at(&self.records, at);
        let (value_len, next) = length_at(&self.records, next);
        next - at + key_len + value_len
    }

    fn apart_slot(&self, at: usize) -> usize {
        let bytes = self.records[at + 1..at + APART_RECORD_BYTES].try_into().expect("four bytes");
        u32::from_le_bytes(bytes) as usize
    }

    fn give_back(&mut self) {
        if self.records.len() * 3 < self.records.capacity() {
            self.records.shrink_to(self.records.len() * 3 / 2);
            self.heads.shrink_to(self.heads.len() * 3 / 2);
        }
        if self.apart_bytes == 0 {
            self.apart = Vec::new();
        }
    }
}

impl Apart {
    fn bytes(&self) -> usize {
        // Beside each text stand its two counts.
        self.key.len() + self.value.len() + 4 * size_of::<usize>()
    }
}

fn tag(hash: u64) -> u32 {
    (hash >> 56) as u32
}

fn offset(head: u32) -> usize {
    head as usize & OFFSET_MAX
}

fn put_length(records: &mut Vec<u8>, len: usize) {
    match u8::try_from(len) {
        Ok(len) if len < APART => records.push(len),
        _ => {
            records.push(LONG);
            records.extend_from_slice(&(len as u32).to_le_bytes());
        }
    }
}

/// A length, and where what follows it starts.
#[inline]
fn length_at(records: &[u8], at: usize) -> (usize, usize) {
    match records[at] {
        LONG => {
            let bytes = records[at + 1..at + 5].try_into().expect("four bytes");
            (u32::from_le_bytes(bytes) as usize, at + 5)
        }
        len => (usize::from(len), at + 1),
    }
}

/// Makes room by steps of about an eighth.
#[inline]
fn reserve<T>(buffer: &mut Vec<T>, more: usize) {
    let wanted = buffer.len() + more;
    if wanted > buffer.capacity() {
        let bytes = crate::packed::allocation_bytes((wanted + wanted / 8) * size_of::<T>());
        buffer.reserve_exact(bytes / size_of::<T>() - buffer.len());
    }
}
