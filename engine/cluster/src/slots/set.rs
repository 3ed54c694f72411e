//! Sets of hash slots, in the bus's own form: 16384 bits, slot `n` being bit `n % 8` of byte `n / 8`. Most
//! nodes of a large cluster are replicas and own nothing, so the empty set takes no memory; copies share
//! theirs until one is changed.

use std::fmt;
use std::sync::Arc;

/// How many slots there are.
pub const SLOT_COUNT: usize = 16_384;
/// How many bytes a set takes on the bus.
pub const SET_BYTES: usize = SLOT_COUNT / 8;

/// The number of a hash slot.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Hash)]
pub struct Slot(u16);

impl Slot {
    pub fn checked(number: u64) -> Option<Slot> {
        (number < SLOT_COUNT as u64).then_some(Slot(number as u16))
    }

    pub fn number(self) -> u16 {
        self.0
    }

    pub fn index(self) -> usize {
        usize::from(self.0)
    }
}

impl fmt::Display for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[derive(Clone, Default)]
pub struct SlotSet {
    /// None: empty. A set that is there may have become empty too.
    bits: Option<Arc<[u8; SET_BYTES]>>,
    len: u16,
}

impl SlotSet {
    pub fn from_wire(bytes: &[u8; SET_BYTES]) -> SlotSet {
        let len = words(bytes).map(u64::count_ones).sum::<u32>() as u16;
        SlotSet { bits: (len > 0).then(|| Arc::new(*bytes)), len }
    }

    pub fn wire(&self) -> &[u8; SET_BYTES] {
        const EMPTY: [u8; SET_BYTES] = [0; SET_BYTES];
        self.bits.as_deref().unwrap_or(&EMPTY)
    }

    pub fn len(&self) -> usize {
        usize::from(self.len)
    }

    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    pub fn contains(&self, slot: Slot) -> bool {
        let (byte, bit) = place(slot);
        self.bits.as_ref().is_some_and(|bits| bits[byte] & bit != 0)
    }

    /// True where it was not there.
    pub fn insert(&mut self, slot: Slot) -> bool {
        let (byte, bit) = place(slot);
        if self.contains(slot) {
            return false;
        }
        Arc::make_mut(self.bits.get_or_insert_with(|| Arc::new([0; SET_BYTES])))[byte] |= bit;
        self.len += 1;
        true
    }

    /// True where it was there.
    pub fn remove(&mut self, slot: Slot) -> bool {
        let (byte, bit) = place(slot);
        if !self.contains(slot) {
            return false;
        }
        let bits = self.bits.as_mut().expect("it contains a slot");
        Arc::make_mut(bits)[byte] &= !bit;
        self.len -= 1;
        if self.len == 0 {
            self.bits = None;
        }
        true
    }

    /// In ascending order.
    pub fn iter(&self) -> impl Iterator<Item = Slot> + '_ {
        words(self.wire())
            .enumerate()
            .flat_map(|(index, word)| Ones(word).map(move |bit| slot_at(index, bit)))
    }

    /// The slots of this set that are not in `other`.
    pub fn without<'a>(&'a self, other: &'a SlotSet) -> impl Iterator<Item = Slot> + 'a {
        words(self.wire())
            .zip(words(other.wire()))
            .enumerate()
            .flat_map(|(index, (mine, theirs))| Ones(mine & !theirs).map(move |bit| slot_at(index, bit)))
    }

    /// Runs of adjacent slots, first and last included.
    pub fn ranges(&self) -> Vec<(Slot, Slot)> {
        let mut ranges: Vec<(Slot, Slot)> = Vec::new();
        // A word at a time: clients and peers ask for them again and again, and replicas have none.
        if self.is_empty() {
            return ranges;
        }
        for (index, mut word) in words(self.wire()).enumerate() {
            while word != 0 {
                let bit = word.trailing_zeros();
                let end = bit + (word >> bit).trailing_ones();
                let (first, last) = (slot_at(index, bit), slot_at(index, end - 1));
                match ranges.last_mut() {
                    Some((_, before)) if before.0 + 1 == first.0 => *before = last,
                    _ => ranges.push((first, last)),
                }
                word &= u64::MAX.checked_shl(end).unwrap_or(0);
            }
        }
        ranges
    }
}

impl PartialEq for SlotSet {
    fn eq(&self, other: &SlotSet) -> bool {
        self.len == other.len && self.wire() == other.wire()
    }
}

impl Eq for SlotSet {}

impl FromIterator<Slot> for SlotSet {
    fn from_iter<I: IntoIterator<Item = Slot>>(slots: I) -> SlotSet {
        let mut set = SlotSet::default();
        for slot in slots {
            set.insert(slot);
        }
        set
    }
}

/// `0-5460 5462`: as CLUSTER NODES writes it.
impl fmt::Display for SlotSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, (first, last)) in self.ranges().into_iter().enumerate() {
            let space = if number > 0 { " " } else { "" };
            match first == last {
                true => write!(f, "{space}{first}")?,
                false => write!(f, "{space}{first}-{last}")?,
            }
        }
        Ok(())
    }
}

impl fmt::Debug for SlotSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{{{self}}}")
    }
}

/// The positions of the bits that are set in a word.
struct Ones(u64);

impl Iterator for Ones {
    type Item = u32;

    fn next(&mut self) -> Option<u32> {
        if self.0 == 0 {
            return None;
        }
        let bit = self.0.trailing_zeros();
        self.0 &= self.0 - 1;
        Some(bit)
    }
}

fn words(bytes: &[u8; SET_BYTES]) -> impl Iterator<Item = u64> + '_ {
    bytes.chunks_exact(8).map(|word| u64::from_le_bytes(word.try_into().expect("eight bytes")))
}

fn slot_at(word: usize, bit: u32) -> Slot {
    Slot((word * 64) as u16 + bit as u16)
}

fn place(slot: Slot) -> (usize, u8) {
    (slot.index() / 8, 1 << (slot.0 % 8))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_set_is_what_was_put_in_and_not_taken_out(
            changes in prop::collection::vec((0..SLOT_COUNT as u64, any::<bool>()), 0..200)
        ) {
            let (mut set, mut model) = (SlotSet::default(), BTreeSet::new());
            for (number, insert) in changes {
                let slot = Slot::checked(number).unwrap();
                let (changed, expected) = match insert {
                    true => (set.insert(slot), model.insert(slot)),
                    false => (set.remove(slot), model.remove(&slot)),
                };
                prop_assert_eq!(changed, expected);
            }
            prop_assert_eq!(set.len(), model.len());
            prop_assert!(set.iter().eq(model.iter().copied()));
            let again = SlotSet::from_wire(set.wire());
            prop_assert_eq!(&again, &set);
            let half: SlotSet = model.iter().copied().filter(|slot| slot.number() % 2 == 0).collect();
            prop_assert!(set.without(&half).eq(model.iter().copied().filter(|slot| slot.number() % 2 == 1)));
        }
    }

    proptest! {
        #[test]
        fn ranges_are_the_runs_of_a_set(
            runs in prop::collection::vec((0..SLOT_COUNT as u64, 1..200_u64), 0..20)
        ) {
            let slots = runs.iter().flat_map(|(first, len)| *first..*first + *len);
            let set: SlotSet = slots.filter_map(Slot::checked).collect();
            let mut model: Vec<(u16, u16)> = Vec::new();
            for slot in set.iter() {
                match model.last_mut() {
                    Some((_, last)) if *last + 1 == slot.number() => *last = slot.number(),
                    _ => model.push((slot.number(), slot.number())),
                }
            }
            let ranges = set.ranges().into_iter().map(|(first, last)| (first.number(), last.number()));
            prop_assert!(ranges.eq(model));
        }
    }

    #[test]
    fn ranges_are_written_as_clients_read_them() {
        let set: SlotSet = [0, 1, 2, 9, 16_383].into_iter().filter_map(Slot::checked).collect();
        assert_eq!(set.to_string(), "0-2 9 16383");
        assert_eq!(Slot::checked(16_384), None);
    }
}
