//! Hashes: fields with values. Small ones are one packed block of field, value, field, value; large ones a table.
//! Fields that expire are listed beside that, by name and by time: a sorted set does both (`expiry.rs`).
//! `rdb.rs` is their form in RDB.
//!
//! Here nothing expires by itself: a field is there until somebody removes it. Who must not see it any more asks
//! with the time, who removes what is due says so.

mod expiry;
pub(crate) mod rdb;
#[cfg(test)]
mod tests;

pub use expiry::FIELD_EXPIRY_MAX;

use crate::chance::{below, sample};
use crate::collection::Collection;
use crate::digest::{Digest, add, mix};
use crate::entry::Value;
use crate::limits::Limits;
use crate::packed::{Item, Packed, Position};
use crate::table::Table;
use crate::zset::ZSet;
use rand_core::Rng;
use squall_clock::UnixMs;

/// Fields with values.
#[derive(Clone, Debug)]
pub struct Hash {
    form: Form,
}

#[derive(Clone, Debug)]
enum Form {
    Plain(Fields),
    /// Once there, it stays, as OBJECT ENCODING shows.
    Timed(Box<Timed>),
}

#[derive(Clone, Debug)]
enum Fields {
    /// Field, value, field, value ...
    Packed(Packed),
    Table(Box<Table>),
}

#[derive(Clone, Debug)]
struct Timed {
    fields: Fields,
    /// When fields expire, those that do.
    times: ZSet,
}

impl Hash {
    pub(crate) fn table(&self) -> Option<&Table> {
        match self.fields() {
            Fields::Table(table) => Some(table),
            Fields::Packed(_) => None,
        }
    }

    pub fn len(&self) -> usize {
        match self.fields() {
            Fields::Packed(packed) => packed.len() / 2,
            Fields::Table(table) => table.len(),
        }
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub fn get(&self, field: &[u8]) -> Option<Item<'_>> {
        match self.fields() {
            Fields::Packed(packed) => {
                let at = packed.find(packed.first(), Item::of(field), 2)?;
                Some(packed.get(value_of(packed, at)))
            }
            Fields::Table(table) => table.get(field).map(Item::Bytes),
        }
    }

    pub fn contains(&self, field: &[u8]) -> bool {
        self.get(field).is_some()
    }

    /// Sets a field, which then does not expire; true if it was not there.
    pub fn set(&mut self, field: &[u8], value: &[u8], limits: &Limits) -> bool {
        if let Some(times) = self.times_mut() {
            times.remove(field);
        }
        self.set_keeping_expiry(field, value, limits)
    }

    /// Sets a field, which expires as it did before; true if it was not there.
    pub fn set_keeping_expiry(&mut self, field: &[u8], value: &[u8], limits: &Limits) -> bool {
        if let Fields::Packed(packed) = self.fields_mut() {
            let found = packed.find(packed.first(), Item::of(field), 2);
            let grows_by = if found.is_some() { 0 } else { 1 };
            let fits = field.len().max(value.len()) <= limits.hash_packed_value_bytes_max
                && packed.len() / 2 + grows_by <= limits.hash_packed_entries_max
                && packed.has_room_for(2, field.len() + value.len());
            if fits {
                match found {
                    Some(at) => packed.replace(value_of(packed, at), Item::of(value)),
                    None => {
                        packed.push_back(Item::of(field));
                        packed.push_back(Item::of(value));
                    }
                }
                return found.is_none();
            }
            *self.fields_mut() = Fields::Table(Box::new(table_of(packed, limits)));
        }
        match self.fields_mut() {
            Fields::Table(table) => table.insert(field, value),
            Fields::Packed(_) => unreachable!("it was just made a table"),
        }
    }

    /// Removes a field; false if it was not there.
    pub fn remove(&mut self, field: &[u8]) -> bool {
        if let Some(times) = self.times_mut() {
            times.remove(field);
        }
        match self.fields_mut() {
            Fields::Packed(packed) => match packed.find(packed.first(), Item::of(field), 2) {
                Some(at) => {
                    packed.remove(at, 2);
                    true
                }
                None => false,
            },
            Fields::Table(table) => table.remove(field),
        }
    }

    /// Fields and values, in no meaningful order.
    pub fn iter(&self) -> impl Iterator<Item = (Item<'_>, Item<'_>)> {
        let (packed, table) = match self.fields() {
            Fields::Packed(packed) => (Some(packed), None),
            Fields::Table(table) => (None, Some(table)),
        };
        let small = packed.into_iter().flat_map(pairs);
        let large = table.into_iter().flat_map(|table| table.iter());
        small.chain(large.map(|record| (Item::Bytes(record.key), Item::Bytes(record.value))))
    }

    /// Passes about `count` fields from `cursor` on to `visit`, and returns where to continue; a small hash is
    /// passed whole.
    pub fn scan(&self, cursor: u64, count: usize, mut visit: impl FnMut(Item<'_>, Item<'_>)) -> u64 {
        match self.fields() {
            Fields::Packed(packed) => {
                pairs(packed).for_each(|(field, value)| visit(field, value));
                0
            }
            Fields::Table(table) => {
                table.scan(cursor, count, |record| visit(Item::Bytes(record.key), Item::Bytes(record.value)))
            }
        }
    }

    /// A field chosen at random, each with the same chance.
    pub fn random(&self, rng: &mut impl Rng) -> Option<(Item<'_>, Item<'_>)> {
        match self.fields() {
            Fields::Packed(packed) => {
                let field = packed.nth(2 * below(rng, self.len())?)?;
                Some((packed.get(field), packed.get(value_of(packed, field))))
            }
            Fields::Table(table) => {
                table.random(rng).map(|record| (Item::Bytes(record.key), Item::Bytes(record.value)))
            }
        }
    }

    /// Different fields chosen at random: so many, or all.
    pub fn sample(&self, count: usize, rng: &mut impl Rng) -> Vec<(Item<'_>, Item<'_>)> {
        sample(rng, (count, self.len()), |rng| self.random(rng), self.iter(), |(field, _)| field)
    }

    pub(crate) fn encoding(&self) -> &'static str {
        match (self.fields(), self.times()) {
            (Fields::Packed(_), None) => "listpack",
            (Fields::Packed(_), Some(_)) => "listpackex",
            (Fields::Table(_), _) => "hashtable",
        }
    }

    pub(crate) fn heap_bytes(&self) -> usize {
        let times = self.times().map_or(0, |times| size_of::<Timed>() + times.heap_bytes());
        times
            + match self.fields() {
                Fields::Packed(packed) => packed.heap_bytes(),
                Fields::Table(table) => size_of::<Table>() + table.heap_bytes(),
            }
    }

    pub(crate) fn mix_into(&self, digest: &mut Digest) {
        let (mut field_digits, mut value_digits) = (itoa::Buffer::new(), itoa::Buffer::new());
        for (field, value) in self.iter() {
            let mut pair = Digest::default();
            mix(&mut pair, field.as_bytes(&mut field_digits));
            mix(&mut pair, value.as_bytes(&mut value_digits));
            if self.times().is_some() && self.expiry(&field.to_vec()).is_some() {
                add(&mut pair, b"!!hexpire!!");
            }
            add(digest, &pair);
        }
    }

    fn of_fields(fields: Fields) -> Hash {
        Hash { form: Form::Plain(fields) }
    }

    #[inline]
    fn fields(&self) -> &Fields {
        match &self.form {
            Form::Plain(fields) => fields,
            Form::Timed(timed) => &timed.fields,
        }
    }

    #[inline]
    fn fields_mut(&mut self) -> &mut Fields {
        match &mut self.form {
            Form::Plain(fields) => fields,
            Form::Timed(timed) => &mut timed.fields,
        }
    }

    /// When fields expire, if any ever did.
    #[inline]
    fn times(&self) -> Option<&ZSet> {
        match &self.form {
            Form::Plain(_) => None,
            Form::Timed(timed) => Some(&timed.times),
        }
    }

    #[inline]
    fn times_mut(&mut self) -> Option<&mut ZSet> {
        match &mut self.form {
            Form::Plain(_) => None,
            Form::Timed(timed) => Some(&mut timed.times),
        }
    }

    /// Frees a part of a hash that nobody needs any more; false when nothing is left.
    pub(crate) fn free_part(&mut self) -> bool {
        if self.times_mut().is_some_and(ZSet::free_part) {
            return true;
        }
        match self.fields_mut() {
            Fields::Packed(_) => false,
            Fields::Table(table) => table.pop_page().is_some(),
        }
    }
}

impl Collection for Hash {
    fn of(value: &Value) -> Option<&Hash> {
        match value {
            Value::Hash(hash) => Some(hash),
            _ => None,
        }
    }

    fn of_mut(value: &mut Value) -> Option<&mut Hash> {
        match value {
            Value::Hash(hash) => Some(hash),
            _ => None,
        }
    }

    fn into_value(self) -> Value {
        Value::Hash(self)
    }

    fn is_empty(&self) -> bool {
        Hash::is_empty(self)
    }

    #[inline]
    fn heap_bytes(&self) -> usize {
        Hash::heap_bytes(self)
    }

    #[inline]
    fn next_expiry(&self) -> Option<UnixMs> {
        Hash::next_expiry(self)
    }
}

impl Default for Hash {
    fn default() -> Hash {
        Hash::of_fields(Fields::Packed(Packed::empty()))
    }
}

/// Two hashes are equal when they hold the same, however they are kept.
impl PartialEq for Hash {
    fn eq(&self, other: &Hash) -> bool {
        let same = |(field, value): (Item<'_>, Item<'_>)| {
            let field = field.to_vec();
            other.get(&field).is_some_and(|theirs| theirs.to_vec() == value.to_vec())
                && other.expiry(&field) == self.expiry(&field)
        };
        self.len() == other.len() && self.iter().all(same)
    }
}

/// Where the value of the field at `field` is.
fn value_of(packed: &Packed, field: Position) -> Position {
    packed.next(field).expect("a field has a value")
}

fn pairs(packed: &Packed) -> impl Iterator<Item = (Item<'_>, Item<'_>)> {
    let mut items = packed.iter();
    std::iter::from_fn(move || Some((items.next()?, items.next().expect("a field has a value"))))
}

fn table_of(packed: &Packed, limits: &Limits) -> Table {
    let mut table = Table::empty(&limits.hashing);
    let (mut field_digits, mut value_digits) = (itoa::Buffer::new(), itoa::Buffer::new());
    for (field, value) in pairs(packed) {
        table.insert(field.as_bytes(&mut field_digits), value.as_bytes(&mut value_digits));
    }
    table
}
