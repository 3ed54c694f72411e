//! Sets: members without order. One of integers alone is a sorted array (`intset.rs`), another small one a packed
//! block, a large one a table. `rdb.rs` is their form in RDB.

mod intset;
pub(crate) mod rdb;
#[cfg(test)]
mod tests;

use crate::chance::{below, sample};
use crate::collection::Collection;
use crate::digest::{Digest, add};
use crate::entry::Value;
use crate::limits::Limits;
use crate::number::parse_i64;
use crate::packed::{Item, Packed};
use crate::table::Table;
use intset::IntSet;
use rand_core::Rng;

/// Members without order.
#[derive(Clone, Debug)]
pub struct Set {
    form: Form,
}

#[derive(Clone, Debug)]
enum Form {
    Integers(IntSet),
    Packed(Packed),
    Table(Box<Table>),
}

impl Set {
    /// An empty set that is to receive so many members, the first of them this one.
    pub fn for_members(count: usize, first: &[u8], limits: &Limits) -> Set {
        let form = if count <= limits.set_integers_max && parse_i64(first).is_some() {
            Form::Integers(IntSet::empty())
        } else if count <= limits.set_packed_entries_max {
            Form::Packed(Packed::empty())
        } else {
            Form::Table(Box::new(Table::empty(&limits.hashing)))
        };
        Set { form }
    }

    /// Becomes a table at once, if so many members are to be added that no small form would do.
    pub fn expect(&mut self, more: usize, limits: &Limits) {
        let outgrown = match &self.form {
            Form::Integers(_) => more > limits.set_integers_max,
            Form::Packed(_) => more > limits.set_packed_entries_max,
            Form::Table(_) => false,
        };
        if outgrown {
            self.become_table(limits);
        }
    }

    pub(crate) fn table(&self) -> Option<&Table> {
        match &self.form {
            Form::Table(table) => Some(table),
            Form::Integers(_) | Form::Packed(_) => None,
        }
    }

    pub fn len(&self) -> usize {
        match &self.form {
            Form::Integers(integers) => integers.len(),
            Form::Packed(packed) => packed.len(),
            Form::Table(table) => table.len(),
        }
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub fn contains(&self, member: &[u8]) -> bool {
        match &self.form {
            Form::Integers(integers) => parse_i64(member).is_some_and(|number| integers.contains(number)),
            Form::Packed(packed) => packed.find(packed.first(), Item::of(member), 1).is_some(),
            Form::Table(table) => table.contains(member),
        }
    }

    /// False if it was there.
    pub fn add(&mut self, member: &[u8], limits: &Limits) -> bool {
        match &mut self.form {
            Form::Integers(integers) => match parse_i64(member) {
                Some(number) if integers.contains(number) => false,
                Some(number) if integers.len() < limits.set_integers_max => integers.insert(number),
                Some(_) => {
                    self.become_table(limits);
                    self.add(member, limits)
                }
                None => {
                    self.become_packed(member, limits);
                    self.add(member, limits)
                }
            },
            Form::Packed(packed) => {
                if packed.find(packed.first(), Item::of(member), 1).is_some() {
                    return false;
                }
                let fits = member.len() <= limits.set_packed_value_bytes_max
                    && packed.len() < limits.set_packed_entries_max
                    && packed.has_room_for(1, member.len());
                if fits {
                    packed.push_back(Item::of(member));
                    return true;
                }
                self.become_table(limits);
                self.add(member, limits)
            }
            Form::Table(table) => table.insert_absent(member, b""),
        }
    }

    /// False if it was not there.
    pub fn remove(&mut self, member: &[u8]) -> bool {
        match &mut self.form {
            Form::Integers(integers) => parse_i64(member).is_some_and(|number| integers.remove(number)),
            Form::Packed(packed) => match packed.find(packed.first(), Item::of(member), 1) {
                Some(at) => {
                    packed.remove(at, 1);
                    true
                }
                None => false,
            },
            Form::Table(table) => table.remove(member),
        }
    }

    /// The members; integers in ascending order, others in no meaningful one.
    pub fn iter(&self) -> impl Iterator<Item = Item<'_>> {
        let (integers, packed, table) = match &self.form {
            Form::Integers(integers) => (Some(integers), None, None),
            Form::Packed(packed) => (None, Some(packed), None),
            Form::Table(table) => (None, None, Some(table)),
        };
        let integers = integers.into_iter().flat_map(|integers| integers.iter().map(Item::Int));
        let packed = packed.into_iter().flat_map(|packed| packed.iter());
        let table = table.into_iter().flat_map(|table| table.iter());
        integers.chain(packed).chain(table.map(|record| Item::Bytes(record.key)))
    }

    /// Passes about `count` members from `cursor` on to `visit`, and returns where to continue; a small set is
    /// passed whole.
    pub fn scan(&self, cursor: u64, count: usize, mut visit: impl FnMut(Item<'_>)) -> u64 {
        match &self.form {
            Form::Table(table) => table.scan(cursor, count, |record| visit(Item::Bytes(record.key))),
            _ => {
                self.iter().for_each(visit);
                0
            }
        }
    }

    /// A member chosen at random, each with the same chance.
    pub fn random(&self, rng: &mut impl Rng) -> Option<Item<'_>> {
        match &self.form {
            Form::Integers(integers) => Some(Item::Int(integers.get(below(rng, integers.len())?))),
            Form::Packed(packed) => Some(packed.get(packed.nth(below(rng, packed.len())?)?)),
            Form::Table(table) => table.random(rng).map(|record| Item::Bytes(record.key)),
        }
    }

    /// Different members chosen at random: so many, or all.
    pub fn sample(&self, count: usize, rng: &mut impl Rng) -> Vec<Item<'_>> {
        sample(rng, (count, self.len()), |rng| self.random(rng), self.iter(), |member| member)
    }

    pub(crate) fn encoding(&self) -> &'static str {
        match &self.form {
            Form::Integers(_) => "intset",
            Form::Packed(_) => "listpack",
            Form::Table(_) => "hashtable",
        }
    }

    #[inline]
    pub(crate) fn heap_bytes(&self) -> usize {
        match &self.form {
            Form::Integers(integers) => integers.heap_bytes(),
            Form::Packed(packed) => packed.heap_bytes(),
            Form::Table(table) => size_of::<Table>() + table.heap_bytes(),
        }
    }

    pub(crate) fn mix_into(&self, digest: &mut Digest) {
        let mut digits = itoa::Buffer::new();
        self.iter().for_each(|member| add(digest, member.as_bytes(&mut digits)));
    }

    /// Frees a part of a set that nobody needs any more; false when nothing is left.
    pub(crate) fn free_part(&mut self) -> bool {
        match &mut self.form {
            Form::Table(table) => table.pop_page().is_some(),
            _ => false,
        }
    }

    /// Makes a packed block of integers that `member` is to join, or a table if that would not do.
    fn become_packed(&mut self, member: &[u8], limits: &Limits) {
        let longest = self.iter().map(|number| number.text_len()).max().unwrap_or(0).max(member.len());
        if self.len() >= limits.set_packed_entries_max || longest > limits.set_packed_value_bytes_max {
            return self.become_table(limits);
        }
        let mut packed = Packed::empty();
        self.iter().for_each(|number| packed.push_back(number));
        self.form = Form::Packed(packed);
    }

    fn become_table(&mut self, limits: &Limits) {
        let mut table = Table::empty(&limits.hashing);
        let mut digits = itoa::Buffer::new();
        for member in self.iter() {
            table.insert(member.as_bytes(&mut digits), b"");
        }
        self.form = Form::Table(Box::new(table));
    }
}

impl Collection for Set {
    fn of(value: &Value) -> Option<&Set> {
        match value {
            Value::Set(set) => Some(set),
            _ => None,
        }
    }

    fn of_mut(value: &mut Value) -> Option<&mut Set> {
        match value {
            Value::Set(set) => Some(set),
            _ => None,
        }
    }

    fn into_value(self) -> Value {
        Value::Set(self)
    }

    fn is_empty(&self) -> bool {
        Set::is_empty(self)
    }

    #[inline]
    fn heap_bytes(&self) -> usize {
        Set::heap_bytes(self)
    }
}

/// As long as nothing is in it, a set is one of integers.
impl Default for Set {
    fn default() -> Set {
        Set { form: Form::Integers(IntSet::empty()) }
    }
}

/// Two sets are equal when they hold the same, however they are kept.
impl PartialEq for Set {
    fn eq(&self, other: &Set) -> bool {
        self.len() == other.len() && self.iter().all(|member| other.contains(&member.to_vec()))
    }
}
