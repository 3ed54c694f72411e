//! One owner per slot, at most. The sets of the owners are kept beside it by `Nodes`; only `Nodes` changes
//! both.

use super::{SLOT_COUNT, Slot};
use crate::NodeId;

/// Owners are named by a small number, so that the map of a large cluster stays small.
pub struct SlotMap {
    owners: Box<[u16]>,
    names: Vec<Option<NodeId>>,
    counts: Vec<u16>,
    bound: usize,
}

const NOBODY: u16 = u16::MAX;

impl Default for SlotMap {
    fn default() -> SlotMap {
        let owners = vec![NOBODY; SLOT_COUNT].into_boxed_slice();
        SlotMap { owners, names: Vec::new(), counts: Vec::new(), bound: 0 }
    }
}

impl SlotMap {
    pub fn owner(&self, slot: Slot) -> Option<NodeId> {
        match self.owners[slot.index()] {
            NOBODY => None,
            number => self.names[usize::from(number)],
        }
    }

    /// How many slots have an owner.
    pub fn bound(&self) -> usize {
        self.bound
    }

    /// Those that own slots, in no order that means anything but always the same.
    pub fn owners(&self) -> impl Iterator<Item = NodeId> + '_ {
        self.names.iter().flatten().copied()
    }

    /// Gives the slot to somebody, or to nobody; returns whose it was.
    pub fn set(&mut self, slot: Slot, owner: Option<NodeId>) -> Option<NodeId> {
        let number = owner.map_or(NOBODY, |owner| self.number_of(owner));
        let previous = std::mem::replace(&mut self.owners[slot.index()], number);
        if previous == number {
            return owner;
        }
        let before = if previous == NOBODY { None } else { self.names[usize::from(previous)] };
        if number != NOBODY {
            self.counts[usize::from(number)] += 1;
            self.bound += 1;
        }
        if previous != NOBODY {
            self.bound -= 1;
            self.counts[usize::from(previous)] -= 1;
            if self.counts[usize::from(previous)] == 0 {
                self.names[usize::from(previous)] = None;
            }
        }
        before
    }

    fn number_of(&mut self, owner: NodeId) -> u16 {
        if let Some(number) = self.names.iter().position(|name| *name == Some(owner)) {
            return number as u16;
        }
        match self.names.iter().position(Option::is_none) {
            Some(free) => {
                self.names[free] = Some(owner);
                free as u16
            }
            None => {
                // There are never more owners than slots, so the numbers suffice.
                assert!(self.names.len() <= SLOT_COUNT, "an owner owns something");
                self.names.push(Some(owner));
                self.counts.push(0);
                self.names.len() as u16 - 1
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn the_map_says_what_was_last_set(
            changes in prop::collection::vec((0..64u64, prop::option::of(0..20u8)), 0..300)
        ) {
            let mut map = SlotMap::default();
            let mut model = [None; 64];
            for (number, owner) in changes {
                let owner = owner.map(|byte| NodeId::from_bytes([byte; 20]));
                let slot = Slot::checked(number).unwrap();
                prop_assert_eq!(map.set(slot, owner), model[number as usize]);
                model[number as usize] = owner;
            }
            prop_assert_eq!(map.bound(), model.iter().flatten().count());
            for (number, owner) in model.iter().enumerate() {
                prop_assert_eq!(map.owner(Slot::checked(number as u64).unwrap()), *owner);
            }
            let mut owners: Vec<NodeId> = map.owners().collect();
            let mut expected: Vec<NodeId> = model.iter().flatten().copied().collect();
            owners.sort();
            expected.sort();
            expected.dedup();
            prop_assert_eq!(owners, expected);
        }
    }
}
