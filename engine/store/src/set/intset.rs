//! A sorted array of integers, each in as few bytes as the widest of them needs, in the layout that RDB carries.
//!
//! ```text
//! | width: u32 LE (2, 4 or 8) | length: u32 LE | integers, ascending, each of that width, LE |
//! ```

use crate::packed::allocation_bytes;

const HEADER_BYTES: usize = 8;

/// A set of integers in one block.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct IntSet {
    bytes: Vec<u8>,
}

impl IntSet {
    pub fn empty() -> IntSet {
        IntSet { bytes: vec![2, 0, 0, 0, 0, 0, 0, 0] }
    }

    /// Checks every byte of a block from elsewhere; `None` if it is no such set.
    pub fn from_block(bytes: &[u8]) -> Option<IntSet> {
        let header = bytes.get(..HEADER_BYTES)?;
        let width = u32::from_le_bytes(header[..4].try_into().ok()?) as usize;
        let len = u32::from_le_bytes(header[4..].try_into().ok()?) as usize;
        if ![2, 4, 8].contains(&width) || bytes.len() - HEADER_BYTES != len.checked_mul(width)? {
            return None;
        }
        let set = IntSet { bytes: bytes.to_vec() };
        set.iter().is_sorted_by(|one, next| one < next).then_some(set)
    }

    /// The block as RDB carries it.
    pub fn as_block(&self) -> &[u8] {
        &self.bytes
    }

    pub fn len(&self) -> usize {
        u32::from_le_bytes(self.bytes[4..HEADER_BYTES].try_into().expect("four bytes")) as usize
    }

    pub fn heap_bytes(&self) -> usize {
        self.bytes.capacity()
    }

    /// The integer at this place in ascending order.
    pub fn get(&self, index: usize) -> i64 {
        let width = self.width();
        let at = HEADER_BYTES + index * width;
        let mut number = [0; 8];
        number[8 - width..].copy_from_slice(&self.bytes[at..at + width]);
        i64::from_le_bytes(number) >> (64 - 8 * width)
    }

    pub fn iter(&self) -> impl Iterator<Item = i64> {
        (0..self.len()).map(|index| self.get(index))
    }

    pub fn contains(&self, number: i64) -> bool {
        self.search(number).is_ok()
    }

    /// False if it was there.
    pub fn insert(&mut self, number: i64) -> bool {
        let Err(index) = self.search(number) else { return false };
        let width = width_of(number);
        if width > self.width() {
            self.widen(width);
        }
        let (len, width) = (self.len(), self.width());
        let (at, old_len) = (HEADER_BYTES + index * width, self.bytes.len());
        if old_len + width > self.bytes.capacity() {
            self.bytes.reserve_exact(allocation_bytes(old_len + width) - old_len);
        }
        self.bytes.resize(old_len + width, 0);
        self.bytes.copy_within(at..old_len, at + width);
        self.bytes[at..at + width].copy_from_slice(&number.to_le_bytes()[..width]);
        self.set_len(len + 1);
        true
    }

    /// False if it was not there.
    pub fn remove(&mut self, number: i64) -> bool {
        let Ok(index) = self.search(number) else { return false };
        let (len, width) = (self.len(), self.width());
        let at = HEADER_BYTES + index * width;
        self.bytes.drain(at..at + width);
        if allocation_bytes(self.bytes.len()) * 2 <= self.bytes.capacity() {
            self.bytes.shrink_to(allocation_bytes(self.bytes.len()));
        }
        self.set_len(len - 1);
        true
    }

    /// Where a number is, or where it belongs.
    fn search(&self, number: i64) -> Result<usize, usize> {
        let (mut low, mut high) = (0, self.len());
        // Numbers are often added in ascending order.
        if high > 0 && self.get(high - 1) < number {
            return Err(high);
        }
        while low < high {
            let middle = low.midpoint(high);
            match self.get(middle).cmp(&number) {
                std::cmp::Ordering::Less => low = middle + 1,
                std::cmp::Ordering::Equal => return Ok(middle),
                std::cmp::Ordering::Greater => high = middle,
            }
        }
        Err(low)
    }

    fn widen(&mut self, width: usize) {
        let mut wide = Vec::with_capacity(allocation_bytes(HEADER_BYTES + (self.len() + 1) * width));
        wide.extend_from_slice(&(width as u32).to_le_bytes());
        wide.extend_from_slice(&self.bytes[4..HEADER_BYTES]);
        self.iter().for_each(|number| wide.extend_from_slice(&number.to_le_bytes()[..width]));
        self.bytes = wide;
    }

    fn width(&self) -> usize {
        usize::from(self.bytes[0])
    }

    fn set_len(&mut self, len: usize) {
        let len = u32::try_from(len).expect("a set this large is a table long before");
        self.bytes[4..HEADER_BYTES].copy_from_slice(&len.to_le_bytes());
    }
}

fn width_of(number: i64) -> usize {
    if i16::try_from(number).is_ok() {
        2
    } else if i32::try_from(number).is_ok() {
        4
    } else {
        8
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    fn number() -> impl Strategy<Value = i64> {
        prop_oneof![
            -50i64..50,
            -40_000i64..40_000,
            any::<i32>().prop_map(i64::from),
            Just(i64::MIN),
            Just(i64::MAX),
            any::<i64>(),
        ]
    }

    proptest! {
        #[test]
        fn is_a_sorted_set(ops in proptest::collection::vec((any::<bool>(), number()), 0..100)) {
            let (mut set, mut model) = (IntSet::empty(), BTreeSet::new());
            for (insert, number) in ops {
                match insert {
                    true => prop_assert_eq!(set.insert(number), model.insert(number)),
                    false => prop_assert_eq!(set.remove(number), model.remove(&number)),
                }
                prop_assert!(!set.contains(number) ^ insert);
            }
            prop_assert!(set.iter().eq(model.into_iter()));
            prop_assert_eq!(IntSet::from_block(set.as_block()), Some(set));
        }

        #[test]
        fn any_block_is_harmless(mut bytes: Vec<u8>, width in 0u8..9) {
            let len = bytes.len() as u32 / u32::from(width.max(1));
            bytes.splice(0..0, u32::from(width).to_le_bytes().into_iter().chain(len.to_le_bytes()));
            if let Some(set) = IntSet::from_block(&bytes) {
                prop_assert_eq!(set.iter().count(), set.len());
            }
        }
    }
}
