//! Some entries of a stream in one packed block, in the form that RDB files carry:
//!
//! ```text
//! block := entries deleted fields field* 0 entry*          (of the first entry, whose id the block is filed under)
//! entry := flags ms-difference seq-difference ( value* | fields (field value)* ) elements
//! ```
//! `entries` counts those that are not deleted. Differences are to the block's first id. An entry with the
//! flag for it has the fields of the first, and only its values are kept. `elements` says how many elements of
//! the block the entry takes up before it, so that it can be read backwards.

use super::StreamId;
use crate::packed::{Item, Malformed, Packed, Position};

const DELETED: i64 = 1;
const SAME_FIELDS: i64 = 2;
/// Elements in front of the fields of the first entry.
const HEAD_ELEMENTS: usize = 3;

/// Entries of a stream, in order.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Block {
    first: StreamId,
    packed: Packed,
}

/// One entry, in its block.
#[derive(Clone, Copy)]
pub struct Entry<'a> {
    pub id: StreamId,
    block: &'a Block,
    flags_at: Position,
    flags: i64,
    field_count: usize,
    /// Values, or fields and values, from here on.
    content_at: Position,
}

impl Block {
    /// A block without entries, for one with these fields to come.
    pub fn begin<'f>(first: StreamId, fields: impl ExactSizeIterator<Item = (&'f [u8], &'f [u8])>) -> Block {
        let mut packed = Packed::empty();
        let head = [0, 0, fields.len() as i64].map(Item::Int);
        let names = fields.map(|(field, _)| Item::of(field));
        packed.extend(head.into_iter().chain(names).chain([Item::Int(0)]));
        Block { first, packed }
    }

    /// A block from elsewhere: each element is looked at.
    pub fn from_listpack(first: StreamId, bytes: &[u8]) -> Result<Block, Malformed> {
        let block = Block { first, packed: Packed::from_listpack(bytes)? };
        block.validate().ok_or(Malformed)?;
        Ok(block)
    }

    pub fn as_listpack(&self) -> &[u8] {
        self.packed.as_listpack()
    }

    /// How many entries it holds, deleted ones apart.
    pub fn live(&self) -> u64 {
        self.head(0)
    }

    /// How many there are, deleted ones included.
    pub fn slots(&self) -> u64 {
        self.head(0) + self.head(1)
    }

    pub fn byte_len(&self) -> usize {
        self.packed.byte_len()
    }

    pub fn heap_bytes(&self) -> usize {
        self.packed.heap_bytes() + size_of::<Block>()
    }

    /// Whether so many elements more have room in any block.
    pub fn has_room_for(&self, elements: usize, text_bytes: usize) -> bool {
        self.packed.has_room_for(elements, text_bytes)
    }

    /// Appends an entry, whose id is above those of the others.
    pub fn push<'f>(
        &mut self,
        id: StreamId,
        fields: impl ExactSizeIterator<Item = (&'f [u8], &'f [u8])> + Clone,
    ) {
        let same = self.has_fields(fields.clone().map(|(field, _)| field));
        let count = fields.len();
        let ms = id.ms.wrapping_sub(self.first.ms) as i64;
        let seq = id.seq.wrapping_sub(self.first.seq) as i64;
        let start = [if same { SAME_FIELDS } else { 0 }, ms, seq].map(Item::Int).into_iter();
        if same {
            let values = fields.map(|(_, value)| Item::of(value));
            let end = [Item::Int(count as i64 + 3)];
            self.packed.extend(start.chain(values).chain(end));
        } else {
            let pairs = fields.flat_map(|(field, value)| [Item::of(field), Item::of(value)]);
            let end = [Item::Int(2 * count as i64 + 4)];
            self.packed.extend(start.chain([Item::Int(count as i64)]).chain(pairs).chain(end));
        }
        self.set_head(0, self.head(0) + 1);
    }

    /// Deletes an entry: it is marked, and stays until the whole block goes. False where it is not there.
    pub fn delete(&mut self, id: StreamId) -> bool {
        let Some(entry) = self.find(id) else { return false };
        let (at, flags) = (entry.flags_at, entry.flags);
        self.packed.replace(at, Item::Int(flags | DELETED));
        self.set_head(0, self.head(0) - 1);
        self.set_head(1, self.head(1) + 1);
        true
    }

    pub fn find(&self, id: StreamId) -> Option<Entry<'_>> {
        self.iter().find(|entry| entry.id >= id).filter(|entry| entry.id == id)
    }

    /// The entries in order, but for deleted ones.
    pub fn iter(&self) -> impl Iterator<Item = Entry<'_>> + Clone {
        self.slots_from(self.first_slot()).filter(|entry| entry.flags & DELETED == 0)
    }

    /// The entries from the last to the first, but for deleted ones.
    pub fn iter_back(&self) -> impl Iterator<Item = Entry<'_>> + Clone {
        let last = self.packed.last().and_then(|end| self.slot_that_ends(end));
        let slots = std::iter::successors(last, |slot| {
            // In front of an entry stands the end of the one before it, or the zero that ends the head.
            self.slot_that_ends(self.packed.previous(slot.flags_at)?)
        });
        slots.filter(|entry| entry.flags & DELETED == 0)
    }

    fn slots_from(&self, at: Option<Position>) -> impl Iterator<Item = Entry<'_>> + Clone {
        let first = at.map(|at| self.slot(at));
        std::iter::successors(first, |slot| {
            let end = self.advance(slot.content_at, slot.elements());
            Some(self.slot(self.packed.next(end)?))
        })
    }

    fn first_slot(&self) -> Option<Position> {
        let head = self.packed.first().expect("a block has a head");
        self.packed.next(self.advance(head, HEAD_ELEMENTS + self.head(2) as usize))
    }

    fn slot_that_ends(&self, end: Position) -> Option<Entry<'_>> {
        let elements = self.number(end);
        if elements == 0 {
            return None;
        }
        let back = |at| self.packed.previous(at).expect("the entry has so many elements");
        Some(self.slot((0..elements).fold(end, |at, _| back(at))))
    }

    /// The entry whose flags are here.
    fn slot(&self, flags_at: Position) -> Entry<'_> {
        let ms_at = self.advance(flags_at, 1);
        let seq_at = self.advance(ms_at, 1);
        let flags = self.number(flags_at);
        let id = StreamId {
            ms: self.first.ms.wrapping_add(self.number(ms_at) as u64),
            seq: self.first.seq.wrapping_add(self.number(seq_at) as u64),
        };
        let mut content_at = self.advance(seq_at, 1);
        let mut field_count = self.head(2);
        if flags & SAME_FIELDS == 0 {
            field_count = self.number(content_at) as u64;
            content_at = self.advance(content_at, 1);
        }
        Entry { id, block: self, flags_at, flags, field_count: field_count as usize, content_at }
    }

    fn has_fields<'f>(&self, fields: impl ExactSizeIterator<Item = &'f [u8]>) -> bool {
        let mut own = self.packed.iter().skip(HEAD_ELEMENTS);
        fields.len() as u64 == self.head(2) && fields.zip(&mut own).all(|(field, own)| own.is(field))
    }

    /// One of the three numbers of the head.
    fn head(&self, index: usize) -> u64 {
        let at = self.advance(self.packed.first().expect("a block has a head"), index);
        self.number(at) as u64
    }

    fn set_head(&mut self, index: usize, number: u64) {
        let at = self.advance(self.packed.first().expect("a block has a head"), index);
        self.packed.replace(at, Item::Int(number as i64));
    }

    fn number(&self, at: Position) -> i64 {
        match self.packed.get(at) {
            Item::Int(number) => number,
            Item::Bytes(_) => unreachable!("a number was checked to be one"),
        }
    }

    fn advance(&self, at: Position, elements: usize) -> Position {
        (0..elements).fold(at, |at, _| self.packed.next(at).expect("a block ends with the end of an entry"))
    }

    /// Whether the elements are a block's: counts that are true, numbers where they belong, ids that grow.
    fn validate(&self) -> Option<()> {
        let mut items = self.packed.iter();
        let mut number = || match items.next() {
            Some(Item::Int(number)) => Some(number),
            _ => None,
        };
        let (live, deleted, fields) = (number()?, number()?, number()?);
        let fields = usize::try_from(fields).ok().filter(|&fields| fields > 0)?;
        let mut items = items.skip(fields);
        (items.next()? == Item::Int(0)).then_some(())?;
        let (mut seen_live, mut seen_deleted) = (0, 0);
        let mut last: Option<StreamId> = None;
        while let Some(flags) = items.next() {
            let mut number = || match items.next() {
                Some(Item::Int(number)) => Some(number),
                _ => None,
            };
            let (Item::Int(flags @ 0..=3), ms, seq) = (flags, number()?, number()?) else { return None };
            let elements = match flags & SAME_FIELDS != 0 {
                true => fields,
                false => usize::try_from(number()?).ok()?.checked_mul(2)?,
            };
            for _ in 0..elements {
                items.next()?;
            }
            let told = elements as i64 + if flags & SAME_FIELDS != 0 { 3 } else { 4 };
            (items.next()? == Item::Int(told)).then_some(())?;
            let id = StreamId {
                ms: self.first.ms.wrapping_add(ms as u64),
                seq: self.first.seq.wrapping_add(seq as u64),
            };
            (id >= self.first && last.is_none_or(|last| last < id)).then_some(())?;
            last = Some(id);
            *(if flags & DELETED == 0 { &mut seen_live } else { &mut seen_deleted }) += 1;
        }
        (seen_live == live && seen_deleted == deleted && live > 0).then_some(())
    }
}

impl<'a> Entry<'a> {
    pub fn len(&self) -> usize {
        self.field_count
    }

    pub fn is_empty(&self) -> bool {
        self.field_count == 0
    }

    /// Fields with their values, in the order in which they were given.
    pub fn fields(&self) -> impl ExactSizeIterator<Item = (Item<'a>, Item<'a>)> + use<'a> {
        let same = self.flags & SAME_FIELDS != 0;
        let mut content = self.block.packed.iter_from(self.content_at);
        let mut names = self.block.packed.iter();
        if same {
            names.nth(HEAD_ELEMENTS - 1);
        }
        (0..self.field_count).map(move |_| {
            let name = if same { names.next() } else { content.next() };
            (name.expect("a field has a name"), content.next().expect("a field has a value"))
        })
    }

    /// How many elements its fields and values take up.
    fn elements(&self) -> usize {
        if self.flags & SAME_FIELDS != 0 { self.field_count } else { 2 * self.field_count }
    }
}
