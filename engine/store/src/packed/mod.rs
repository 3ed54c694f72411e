//! Packed blocks: a sequence of small elements in one allocation, in the layout that Redis calls listpack, since
//! RDB files carry these bytes as they are.
//!
//! ```text
//! | bytes: u32 LE | elements: u16 LE | element | element | ... | 0xff |
//! ```
//! `item.rs` draws an element. A block here is always valid and canonical (a text that spells an integer is
//! kept as one, in the shortest form), so equal elements have equal bytes; [`Packed::from_listpack`] makes
//! sure of it for bytes from elsewhere. What the elements mean (pairs, triples) is the owner's business.

mod item;
#[cfg(test)]
mod tests;

pub use item::Item;

use item::{Encoded, back_bytes, decode, encoded_len, length_before, lengths};

/// Up to here a block knows how many elements it has; beyond, they are counted one by one. Only blocks that are
/// made at once hold more.
pub const PACKED_ELEMENTS_MAX: usize = u16::MAX as usize - 1;
/// A block never grows beyond this, whatever the configuration says.
pub const PACKED_BYTES_MAX: usize = 1 << 30;

/// What a block takes before it holds anything.
pub(crate) const EMPTY_BYTES: usize = HEADER_BYTES + 1;

const HEADER_BYTES: usize = 6;
const END: u8 = 0xff;
/// Fewer elements are compared each with each other, more of them in order.
const COMPARED_ITEMS_MAX: usize = 16;
/// An element with what is beside its text: the longest head and length.
const ELEMENT_FRAME_BYTES: usize = 10;

/// A sequence of elements in one block.
#[derive(Clone, PartialEq, Eq)]
pub struct Packed {
    bytes: Vec<u8>,
}

/// Where an element is, until the block changes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Position(usize);

/// Bytes that are no listpack.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Malformed;

impl Packed {
    pub fn empty() -> Packed {
        Packed { bytes: vec![EMPTY_BYTES as u8, 0, 0, 0, 0, 0, END] }
    }

    /// Checks every byte of a listpack from elsewhere, and makes it canonical if it is not.
    pub fn from_listpack(bytes: &[u8]) -> Result<Packed, Malformed> {
        let count = validate(bytes)?;
        let mut packed = Packed { bytes: bytes.to_vec() };
        let canonical = packed.iter().zip(packed.positions()).all(|(item, at)| {
            let kept = match item {
                Item::Bytes(text) => Item::of(text),
                number => number,
            };
            kept == item && encoded_len(kept) == packed.element_len(at.0)
        });
        if !canonical {
            let mut again = Packed::empty();
            let texts: Vec<Vec<u8>> = packed.iter().map(|item| item.to_vec()).collect();
            again.extend(texts.iter().map(|text| Item::of(text)));
            packed = again;
        }
        packed.set_count(count);
        Ok(packed)
    }

    /// The block as RDB carries it.
    pub fn as_listpack(&self) -> &[u8] {
        &self.bytes
    }

    /// How many elements it holds.
    #[inline]
    pub fn len(&self) -> usize {
        match u16::from_le_bytes([self.bytes[4], self.bytes[5]]) {
            u16::MAX => self.positions().count(),
            count => usize::from(count),
        }
    }

    /// Whether an element occurs twice among the first, the one `step` behind it, and so on.
    pub fn has_twice(&self, step: usize) -> bool {
        let mut items: Vec<Item<'_>> = self.iter().step_by(step).collect();
        if items.len() <= COMPARED_ITEMS_MAX {
            return items.iter().enumerate().any(|(index, item)| items[..index].contains(item));
        }
        items.sort_unstable();
        items.windows(2).any(|pair| pair[0] == pair[1])
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many bytes the block has.
    #[inline]
    pub fn byte_len(&self) -> usize {
        self.bytes.len()
    }

    /// How many bytes it holds on the heap.
    #[inline]
    pub fn heap_bytes(&self) -> usize {
        self.bytes.capacity()
    }

    /// Whether so many elements more, with so many bytes of text together, have room in one block.
    pub fn has_room_for(&self, elements: usize, text_bytes: usize) -> bool {
        let frames = elements.saturating_mul(ELEMENT_FRAME_BYTES);
        self.len().saturating_add(elements) <= PACKED_ELEMENTS_MAX
            && self.bytes.len().saturating_add(text_bytes).saturating_add(frames) <= PACKED_BYTES_MAX
    }

    #[inline]
    pub fn first(&self) -> Option<Position> {
        self.element_at(HEADER_BYTES)
    }

    pub fn last(&self) -> Option<Position> {
        self.before(self.bytes.len() - 1)
    }

    /// The element behind this one.
    #[inline]
    pub fn next(&self, at: Position) -> Option<Position> {
        self.element_at(at.0 + self.element_len(at.0))
    }

    /// The element in front of this one.
    pub fn previous(&self, at: Position) -> Option<Position> {
        self.before(at.0)
    }

    /// The element with this index.
    pub fn nth(&self, index: usize) -> Option<Position> {
        let len = self.len();
        if index >= len {
            return None;
        }
        if index < len / 2 {
            return self.positions().nth(index);
        }
        let mut at = self.last();
        for _ in index + 1..len {
            at = at.and_then(|at| self.previous(at));
        }
        at
    }

    #[inline]
    pub fn get(&self, at: Position) -> Item<'_> {
        decode(&self.bytes[at.0..])
    }

    /// The elements in order, from both ends.
    #[inline]
    pub fn iter(&self) -> Iter<'_> {
        Iter { bytes: &self.bytes, front: HEADER_BYTES, back: self.bytes.len() - 1 }
    }

    /// The elements from this one on.
    pub fn iter_from(&self, at: Position) -> Iter<'_> {
        Iter { front: at.0, ..self.iter() }
    }

    /// The elements up to this one, itself included.
    pub fn iter_until(&self, at: Position) -> Iter<'_> {
        Iter { back: at.0 + self.element_len(at.0), ..self.iter() }
    }

    pub fn positions(&self) -> impl Iterator<Item = Position> {
        std::iter::successors(self.first(), |at| self.next(*at))
    }

    /// The first element at or behind `from` that equals `wanted`, looking at every `stride`-th.
    #[inline]
    pub fn find(&self, from: Option<Position>, wanted: Item<'_>, stride: usize) -> Option<Position> {
        let wanted = Encoded::of(wanted);
        let (mut at, mut skip) = (from?.0, 0);
        while self.bytes[at] != END {
            if skip == 0 {
                if wanted.begins(&self.bytes[at..]) {
                    return Some(Position(at));
                }
                skip = stride;
            }
            skip -= 1;
            at += self.element_len(at);
        }
        None
    }

    pub fn push_back(&mut self, item: Item<'_>) {
        self.insert_at(self.bytes.len() - 1, item);
    }

    pub fn push_front(&mut self, item: Item<'_>) {
        self.insert_at(HEADER_BYTES, item);
    }

    /// Appends several elements at once.
    pub fn extend<'i>(&mut self, items: impl Iterator<Item = Item<'i>>) {
        let mut count = self.len();
        self.bytes.pop();
        for item in items {
            let encoded = Encoded::of(item);
            let (start, end) = (self.bytes.len(), self.bytes.len() + encoded.len());
            self.make_room(end + 1);
            self.bytes.resize(end, 0);
            encoded.write(&mut self.bytes[start..]);
            count += 1;
        }
        self.bytes.push(END);
        self.tell_len();
        self.set_count(count);
    }

    /// Inserts in front of the element at `at`, where the new one is then.
    pub fn insert_before(&mut self, at: Position, item: Item<'_>) {
        self.insert_at(at.0, item);
    }

    pub fn insert_after(&mut self, at: Position, item: Item<'_>) {
        self.insert_at(at.0 + self.element_len(at.0), item);
    }

    pub fn replace(&mut self, at: Position, item: Item<'_>) {
        let encoded = Encoded::of(item);
        self.resize_gap(at.0, self.element_len(at.0), encoded.len());
        encoded.write(&mut self.bytes[at.0..at.0 + encoded.len()]);
    }

    /// Removes `count` elements from `at` on; gives the element that stands there then.
    pub fn remove(&mut self, at: Position, count: usize) -> Option<Position> {
        let (mut end, mut removed) = (at.0, 0);
        while removed < count && self.bytes[end] != END {
            end += self.element_len(end);
            removed += 1;
        }
        let left = self.len() - removed;
        self.resize_gap(at.0, end - at.0, 0);
        self.set_count(left);
        self.element_at(at.0)
    }

    /// Takes away everything from `at` on, as a block of its own.
    pub fn split_off(&mut self, at: Position) -> Packed {
        let mut tail = Packed::empty();
        tail.bytes.truncate(HEADER_BYTES);
        tail.bytes.extend_from_slice(&self.bytes[at.0..]);
        tail.tell_len();
        let count = tail.positions().count();
        tail.set_count(count);
        let left = self.len() - count;
        self.resize_gap(at.0, self.bytes.len() - 1 - at.0, 0);
        self.set_count(left);
        tail
    }

    /// Appends all elements of another block.
    pub fn append(&mut self, other: &Packed) {
        self.insert_block(self.bytes.len() - 1, other);
    }

    /// Puts all elements of another block in front.
    pub fn prepend(&mut self, other: &Packed) {
        self.insert_block(HEADER_BYTES, other);
    }

    fn insert_block(&mut self, offset: usize, other: &Packed) {
        let count = self.len() + other.len();
        let body = &other.bytes[HEADER_BYTES..other.bytes.len() - 1];
        self.resize_gap(offset, 0, body.len());
        self.bytes[offset..offset + body.len()].copy_from_slice(body);
        self.set_count(count);
    }

    fn insert_at(&mut self, offset: usize, item: Item<'_>) {
        let encoded = Encoded::of(item);
        let count = self.len() + 1;
        self.resize_gap(offset, 0, encoded.len());
        encoded.write(&mut self.bytes[offset..offset + encoded.len()]);
        self.set_count(count);
    }

    /// Makes the `before` bytes at `offset` be `after` many, whatever they are, and keeps the header true.
    fn resize_gap(&mut self, offset: usize, before: usize, after: usize) {
        let old_len = self.bytes.len();
        if after > before {
            let len = old_len + (after - before);
            self.make_room(len);
            self.bytes.resize(len, 0);
            self.bytes.copy_within(offset + before..old_len, offset + after);
        } else if after < before {
            self.bytes.copy_within(offset + before.., offset + after);
            self.bytes.truncate(old_len - (before - after));
            if allocation_bytes(self.bytes.len()) * 2 <= self.bytes.capacity() {
                self.bytes.shrink_to(allocation_bytes(self.bytes.len()));
            }
        }
        assert!(self.bytes.len() <= PACKED_BYTES_MAX + ELEMENT_FRAME_BYTES, "the owner has seen to the size");
        self.tell_len();
    }

    fn make_room(&mut self, len: usize) {
        if len > self.bytes.capacity() {
            self.bytes.reserve_exact(allocation_bytes(len) - self.bytes.len());
        }
    }

    fn tell_len(&mut self) {
        let len = self.bytes.len() as u32;
        self.bytes[..4].copy_from_slice(&len.to_le_bytes());
    }

    fn set_count(&mut self, count: usize) {
        let told = u16::try_from(count).unwrap_or(u16::MAX);
        self.bytes[4..6].copy_from_slice(&told.to_le_bytes());
    }

    #[inline]
    fn element_len(&self, offset: usize) -> usize {
        let (head, text) = lengths(&self.bytes[offset..]).expect("an element starts here");
        head + text + back_bytes(head + text)
    }

    #[inline]
    fn element_at(&self, offset: usize) -> Option<Position> {
        (self.bytes[offset] != END).then_some(Position(offset))
    }

    fn before(&self, offset: usize) -> Option<Position> {
        if offset == HEADER_BYTES {
            return None;
        }
        let (len, told_in) = length_before(&self.bytes[..offset]).expect("an element ends here");
        Some(Position(offset - told_in - len))
    }
}

impl Default for Packed {
    fn default() -> Packed {
        Packed::empty()
    }
}

impl std::fmt::Debug for Packed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

/// The elements of a block, from both ends.
#[derive(Clone)]
pub struct Iter<'a> {
    bytes: &'a [u8],
    front: usize,
    back: usize,
}

impl<'a> Iterator for Iter<'a> {
    type Item = Item<'a>;

    #[inline]
    fn next(&mut self) -> Option<Item<'a>> {
        if self.front == self.back {
            return None;
        }
        let rest = &self.bytes[self.front..];
        let (head, text) = lengths(rest).expect("an element starts here");
        self.front += head + text + back_bytes(head + text);
        Some(decode(rest))
    }
}

impl DoubleEndedIterator for Iter<'_> {
    #[inline]
    fn next_back(&mut self) -> Option<Self::Item> {
        if self.front == self.back {
            return None;
        }
        let (len, told_in) = length_before(&self.bytes[..self.back]).expect("an element ends here");
        self.back -= len + told_in;
        Some(decode(&self.bytes[self.back..]))
    }
}

/// Checks every byte; returns the number of elements.
fn validate(bytes: &[u8]) -> Result<usize, Malformed> {
    let header = bytes.get(..HEADER_BYTES).ok_or(Malformed)?;
    let announced = u32::from_le_bytes(header[..4].try_into().expect("four bytes"));
    let announced_count = usize::from(u16::from_le_bytes([header[4], header[5]]));
    if announced as usize != bytes.len() || bytes.len() > PACKED_BYTES_MAX {
        return Err(Malformed);
    }
    let (mut at, mut count) = (HEADER_BYTES, 0);
    loop {
        let rest = &bytes[at..];
        if rest == [END] {
            break;
        }
        let (head, text) = lengths(rest).ok_or(Malformed)?;
        let len = head + text;
        let end = at + len + back_bytes(len);
        // The end mark has to follow, so an element cannot be the last thing there is.
        if end >= bytes.len() || length_before(&bytes[at..end]) != Some((len, back_bytes(len))) {
            return Err(Malformed);
        }
        (at, count) = (end, count + 1);
    }
    let told = announced_count == count || announced_count == usize::from(u16::MAX);
    if told { Ok(count) } else { Err(Malformed) }
}

/// How much to allocate for `len` bytes: what an allocator with four size classes to a doubling would give anyway.
#[inline]
pub(crate) fn allocation_bytes(len: usize) -> usize {
    match len {
        0..=128 => len.next_multiple_of(16),
        _ => len.next_multiple_of(1 << ((len - 1).ilog2() - 2)),
    }
}
