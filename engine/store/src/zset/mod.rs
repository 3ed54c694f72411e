//! Sorted sets: members with scores, in the order of the scores, those of one score in the order of their bytes.
//! A small one is one packed block (`small.rs`). A large one is held twice: in the order of the scores, in a tree that
//! counts (`tree.rs`, `leaf.rs`), and by member, in a hash table. `score.rs` spells scores; `rdb.rs` is the form in RDB.
//!
//! Ranks count from zero in ascending order. Every kind of range is one of ranks in the end: see
//! [`ZSet::partition_point`].

mod leaf;
pub(crate) mod rdb;
mod score;
mod small;
#[cfg(test)]
mod tests;
mod tree;

use crate::chance::below;
use crate::collection::Collection;
use crate::digest::{Digest, add, mix};
use crate::entry::Value;
use crate::limits::Limits;
use crate::packed::{Item, Iter, Packed};
use crate::table::Table;
use rand_core::Rng;
use score::{PackedScore, exact_text};
use std::collections::BTreeSet;
use std::ops::Range;
use tree::{Tree, Walk};

/// Members in the order of their scores.
#[derive(Clone, Debug)]
pub struct ZSet {
    form: Form,
}

#[derive(Clone, Debug)]
enum Form {
    /// Member, score, member, score ...
    Packed(Packed),
    Large(Box<Large>),
}

#[derive(Clone)]
struct Large {
    tree: Tree,
    /// Under each member its score: the eight bytes of the double.
    scores: Table,
}

impl ZSet {
    pub(crate) fn table(&self) -> Option<&Table> {
        match &self.form {
            Form::Large(large) => Some(&large.scores),
            Form::Packed(_) => None,
        }
    }

    pub fn len(&self) -> usize {
        match &self.form {
            Form::Packed(packed) => packed.len() / 2,
            Form::Large(large) => large.tree.len(),
        }
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub fn score(&self, member: &[u8]) -> Option<f64> {
        match &self.form {
            Form::Packed(packed) => small::find(packed, member).map(|(_, score)| score),
            Form::Large(large) => large.score(member),
        }
    }

    /// The rank and the score of a member.
    pub fn rank(&self, member: &[u8]) -> Option<(usize, f64)> {
        match &self.form {
            Form::Packed(packed) => small::rank(packed, member),
            Form::Large(large) => {
                let score = large.score(member)?;
                let rank = large.tree.rank(score, member);
                Some((rank.expect("tree and table hold the same"), score))
            }
        }
    }

    /// Becomes large at once, if so many members are to be added that the small form would not do.
    pub fn expect(&mut self, more: usize, limits: &Limits) {
        if let Form::Packed(packed) = &self.form
            && more > limits.zset_packed_entries_max
        {
            self.form = Form::Large(Box::new(Large::of(packed, limits)));
        }
    }

    /// Gives a member this score, whether it was there or not; the score that it had.
    pub fn insert(&mut self, member: &[u8], score: f64, limits: &Limits) -> Option<f64> {
        assert!(!score.is_nan(), "a score is a number");
        if let Form::Packed(packed) = &mut self.form {
            let found = small::find(packed, member);
            if let Some((at, old)) = found {
                if old != score {
                    packed.remove(at, 2);
                    small::insert(packed, member, score);
                }
                return Some(old);
            }
            let fits = member.len() <= limits.zset_packed_value_bytes_max
                && packed.len() / 2 < limits.zset_packed_entries_max
                && packed.has_room_for(2, member.len() + PackedScore::of(score).item().text_len());
            if fits {
                small::insert(packed, member, score);
                return None;
            }
            self.form = Form::Large(Box::new(Large::of(packed, limits)));
        }
        match &mut self.form {
            Form::Large(large) => large.insert(member, score),
            Form::Packed(_) => unreachable!("it was just made large"),
        }
    }

    /// Removes a member; the score that it had.
    pub fn remove(&mut self, member: &[u8]) -> Option<f64> {
        match &mut self.form {
            Form::Packed(packed) => {
                let (at, score) = small::find(packed, member)?;
                packed.remove(at, 2);
                Some(score)
            }
            Form::Large(large) => {
                let score = large.score(member)?;
                large.remove(member, score);
                Some(score)
            }
        }
    }

    /// Removes the members of these ranks, which exist.
    pub fn remove_range(&mut self, ranks: Range<usize>) {
        match &mut self.form {
            Form::Packed(packed) => {
                if let Some(at) = packed.nth(2 * ranks.start).filter(|_| !ranks.is_empty()) {
                    packed.remove(at, 2 * ranks.len());
                }
            }
            Form::Large(large) => {
                let gone = large.tree.range(ranks, false).map(|(score, member)| (score, member.to_vec()));
                for (score, member) in gone.collect::<Vec<_>>() {
                    large.remove(&member, score);
                }
            }
        }
    }

    /// How many members `is_before` holds for. It must hold for all up to some member, and for none behind.
    pub fn partition_point(&self, is_before: impl Fn(f64, &[u8]) -> bool) -> usize {
        match &self.form {
            Form::Packed(packed) => small::partition_point(packed, is_before),
            Form::Large(large) => large.tree.partition_point(is_before),
        }
    }

    /// The members of these ranks, which exist, with their scores: in order, or backwards.
    pub fn range(&self, ranks: Range<usize>, backwards: bool) -> Members<'_> {
        let left = ranks.len();
        let items = match &self.form {
            Form::Packed(packed) => {
                // The items of an empty range are never asked for.
                let from = if left == 0 { 0 } else { ranks.start };
                let until = if left == 0 { packed.len() } else { 2 * ranks.end };
                match backwards {
                    true => packed.nth(until.wrapping_sub(1)).map(|at| packed.iter_until(at)),
                    false => packed.nth(2 * from).map(|at| packed.iter_from(at)),
                }
                .unwrap_or(packed.iter())
            }
            Form::Large(large) => return Members(Walking::Large(large.tree.range(ranks, backwards))),
        };
        Members(Walking::Packed { items, left, backwards })
    }

    /// All members with their scores, in order.
    pub fn iter(&self) -> Members<'_> {
        self.range(0..self.len(), false)
    }

    /// A member chosen at random, each with the same chance.
    pub fn random(&self, rng: &mut impl Rng) -> Option<(Item<'_>, f64)> {
        let rank = below(rng, self.len())?;
        self.range(rank..rank + 1, false).next()
    }

    /// Different members chosen at random: so many, or all. They come in order.
    pub fn sample(&self, count: usize, rng: &mut impl Rng) -> Vec<(Item<'_>, f64)> {
        let len = self.len();
        if count >= len {
            return self.iter().collect();
        }
        // Robert Floyd's way: each step chooses among one rank more, and takes that one if its choice is taken.
        let mut ranks = BTreeSet::new();
        for last in len - count..len {
            let chosen = below(rng, last + 1).expect("there is at least one");
            ranks.insert(if ranks.contains(&chosen) { last } else { chosen });
        }
        ranks.into_iter().filter_map(|rank| self.range(rank..rank + 1, false).next()).collect()
    }

    /// Passes about `count` members from `cursor` on to `visit`, and returns where to continue; a small set is
    /// passed whole.
    pub fn scan(&self, cursor: u64, count: usize, mut visit: impl FnMut(Item<'_>, f64)) -> u64 {
        match &self.form {
            Form::Packed(packed) => {
                small::pairs(packed).for_each(|(member, score)| visit(member, score));
                0
            }
            Form::Large(large) => large
                .scores
                .scan(cursor, count, |record| visit(Item::Bytes(record.key), score_of_bytes(record.value))),
        }
    }

    pub(crate) fn encoding(&self) -> &'static str {
        match &self.form {
            Form::Packed(_) => "listpack",
            Form::Large(_) => "skiplist",
        }
    }

    pub(crate) fn heap_bytes(&self) -> usize {
        match &self.form {
            Form::Packed(packed) => packed.heap_bytes(),
            Form::Large(large) => size_of::<Large>() + large.tree.heap_bytes() + large.scores.heap_bytes(),
        }
    }

    pub(crate) fn mix_into(&self, digest: &mut Digest) {
        let mut digits = itoa::Buffer::new();
        for (member, score) in self.iter() {
            let mut pair = Digest::default();
            mix(&mut pair, member.as_bytes(&mut digits));
            mix(&mut pair, exact_text(score).as_bytes());
            add(digest, &pair);
        }
    }

    /// Frees a part of a set that nobody needs any more; false when what is left can be dropped.
    pub(crate) fn free_part(&mut self) -> bool {
        match &mut self.form {
            Form::Packed(_) => false,
            Form::Large(large) => large.scores.pop_page().is_some() || large.tree.pop_leaf(),
        }
    }
}

impl Large {
    fn of(packed: &Packed, limits: &Limits) -> Large {
        let mut large = Large { tree: Tree::default(), scores: Table::empty(&limits.hashing) };
        let mut digits = itoa::Buffer::new();
        for (member, score) in small::pairs(packed) {
            large.insert(member.as_bytes(&mut digits), score);
        }
        large
    }

    fn score(&self, member: &[u8]) -> Option<f64> {
        self.scores.get(member).map(score_of_bytes)
    }

    fn insert(&mut self, member: &[u8], score: f64) -> Option<f64> {
        if self.scores.insert_absent(member, &score.to_le_bytes()) {
            self.tree.insert(score, member);
            return None;
        }
        let old = self.score(member).expect("it is not absent");
        if old != score {
            self.scores.insert(member, &score.to_le_bytes());
            if !self.tree.set_score_in_place(old, member, score) {
                let is_removed = self.tree.remove(old, member);
                assert!(is_removed, "tree and table hold the same");
                self.tree.insert(score, member);
            }
        }
        Some(old)
    }

    fn remove(&mut self, member: &[u8], score: f64) {
        let are_removed = self.scores.remove(member) && self.tree.remove(score, member);
        assert!(are_removed, "tree and table hold the same");
    }
}

impl std::fmt::Debug for Large {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.tree.range(0..self.tree.len(), false)).finish()
    }
}

impl Collection for ZSet {
    fn of(value: &Value) -> Option<&ZSet> {
        match value {
            Value::ZSet(zset) => Some(zset),
            _ => None,
        }
    }

    fn of_mut(value: &mut Value) -> Option<&mut ZSet> {
        match value {
            Value::ZSet(zset) => Some(zset),
            _ => None,
        }
    }

    fn into_value(self) -> Value {
        Value::ZSet(self)
    }

    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    #[inline]
    fn heap_bytes(&self) -> usize {
        ZSet::heap_bytes(self)
    }
}

impl Default for ZSet {
    fn default() -> ZSet {
        ZSet { form: Form::Packed(Packed::empty()) }
    }
}

/// Two sorted sets are equal when they hold the same, however they are kept.
impl PartialEq for ZSet {
    fn eq(&self, other: &ZSet) -> bool {
        let same = |((one, score), (other, other_score)): ((Item<'_>, f64), (Item<'_>, f64))| {
            score == other_score && one.to_vec() == other.to_vec()
        };
        self.len() == other.len() && self.iter().zip(other.iter()).all(same)
    }
}

/// Members with their scores, one after the other.
pub struct Members<'a>(Walking<'a>);

enum Walking<'a> {
    Packed { items: Iter<'a>, left: usize, backwards: bool },
    Large(Walk<'a>),
}

impl<'a> Iterator for Members<'a> {
    type Item = (Item<'a>, f64);

    #[inline]
    fn next(&mut self) -> Option<(Item<'a>, f64)> {
        match &mut self.0 {
            Walking::Packed { items, left, backwards } => {
                *left = left.checked_sub(1)?;
                if *backwards { small::previous_pair(items) } else { small::next_pair(items) }
            }
            Walking::Large(walk) => walk.next().map(|(score, member)| (Item::Bytes(member), score)),
        }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = match &self.0 {
            Walking::Packed { left, .. } => *left,
            Walking::Large(walk) => walk.len(),
        };
        (left, Some(left))
    }
}

impl ExactSizeIterator for Members<'_> {}

fn score_of_bytes(bytes: &[u8]) -> f64 {
    f64::from_le_bytes(bytes.try_into().expect("a score has eight bytes"))
}
