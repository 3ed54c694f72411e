//! An ordered map whose clone is cheap and frozen: a spine of shared chunks, each a sorted run of pairs. A write
//! copies the one chunk that it changes, if somebody else holds it too.

use std::sync::Arc;

/// Pairs of a chunk at most.
const CHUNK_PAIRS_MAX: usize = 128;

/// Keys in order, each with a value.
#[derive(Clone, Debug)]
pub(crate) struct Ordered<K, V> {
    /// None is empty, and every key of one is below every key of the next.
    chunks: Vec<Arc<Vec<(K, V)>>>,
    len: usize,
}

/// Where a pair is, or would be.
#[derive(Clone, Copy)]
struct Place {
    chunk: usize,
    index: usize,
}

impl<K: Ord + Copy, V: Clone> Ordered<K, V> {
    pub fn new() -> Ordered<K, V> {
        Ordered { chunks: Vec::new(), len: 0 }
    }

    pub fn len(&self) -> usize {
        self.len
    }

    pub fn get(&self, key: K) -> Option<&V> {
        let place = self.find(key).ok()?;
        Some(&self.chunks[place.chunk][place.index].1)
    }

    pub fn get_mut(&mut self, key: K) -> Option<&mut V> {
        let place = self.find(key).ok()?;
        Some(&mut self.chunk_mut(place.chunk)[place.index].1)
    }

    pub fn last(&self) -> Option<(K, &V)> {
        let (key, value) = self.chunks.last()?.last()?;
        Some((*key, value))
    }

    pub fn last_mut(&mut self) -> Option<&mut V> {
        let chunk = self.chunks.len().checked_sub(1)?;
        self.chunk_mut(chunk).last_mut().map(|(_, value)| value)
    }

    /// Sets the value of a key; gives the one that it had.
    pub fn insert(&mut self, key: K, value: V) -> Option<V> {
        let place = match self.find(key) {
            Ok(place) => {
                return Some(std::mem::replace(&mut self.chunk_mut(place.chunk)[place.index].1, value));
            }
            Err(place) => place,
        };
        self.len += 1;
        let Some(chunk) = self.chunks.get(place.chunk) else {
            self.chunks.push(Arc::new(vec![(key, value)]));
            return None;
        };
        if chunk.len() < CHUNK_PAIRS_MAX {
            self.chunk_mut(place.chunk).insert(place.index, (key, value));
        } else if place.index == chunk.len() && place.chunk + 1 == self.chunks.len() {
            // Keys mostly come in order: full chunks stay full.
            self.chunks.push(Arc::new(vec![(key, value)]));
        } else {
            let upper = self.chunk_mut(place.chunk).split_off(CHUNK_PAIRS_MAX / 2);
            self.chunks.insert(place.chunk + 1, Arc::new(upper));
            let (chunk, index) = match place.index.checked_sub(CHUNK_PAIRS_MAX / 2) {
                Some(index) if index > 0 => (place.chunk + 1, index),
                _ => (place.chunk, place.index),
            };
            self.chunk_mut(chunk).insert(index, (key, value));
        }
        None
    }

    pub fn remove(&mut self, key: K) -> Option<V> {
        let place = self.find(key).ok()?;
        self.len -= 1;
        let (_, value) = self.chunk_mut(place.chunk).remove(place.index);
        if self.chunks[place.chunk].is_empty() {
            self.chunks.remove(place.chunk);
        }
        Some(value)
    }

    /// Drops a chunk; false when there is none.
    pub fn drop_chunk(&mut self) -> bool {
        match self.chunks.pop() {
            Some(chunk) => {
                self.len -= chunk.len();
                true
            }
            None => false,
        }
    }

    /// How many chunks there are, and one of them, for walking in steps.
    pub fn chunks_len(&self) -> usize {
        self.chunks.len()
    }

    pub fn chunk(&self, index: usize) -> &[(K, V)] {
        &self.chunks[index]
    }

    /// The pairs in order.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = (K, &V)> + Clone {
        self.chunks.iter().flat_map(|chunk| chunk.iter()).map(|(key, value)| (*key, value))
    }

    /// The pairs from `key` on, in order.
    pub fn from(&self, key: K) -> impl Iterator<Item = (K, &V)> + Clone {
        let (Ok(place) | Err(place)) = self.find(key);
        self.at_place(place)
    }

    /// The first pair whose key is not below `key`.
    pub fn at_or_after(&self, key: K) -> Option<(K, &V)> {
        self.from(key).next()
    }

    /// The pairs from the last key that is not above `key`; from the first where there is none.
    pub fn at_floor(&self, key: K) -> impl Iterator<Item = (K, &V)> + Clone {
        let place = match self.find(key) {
            Ok(place) => place,
            Err(place) => self.before(place).unwrap_or(place),
        };
        self.at_place(place)
    }

    /// The pairs down from the last key that is not above `key`.
    pub fn down_from(&self, key: K) -> impl Iterator<Item = (K, &V)> + Clone {
        let end = match self.find(key) {
            Ok(place) => Place { index: place.index + 1, ..place },
            Err(place) => place,
        };
        let (whole, rest) = self.chunks.split_at(end.chunk.min(self.chunks.len()));
        let partial = rest.first().map_or(&[][..], |chunk| &chunk[..end.index]);
        let pairs = partial.iter().rev().chain(whole.iter().rev().flat_map(|chunk| chunk.iter().rev()));
        pairs.map(|(key, value)| (*key, value))
    }

    /// How many bytes it holds on the heap, what its values point to not counted.
    pub fn heap_bytes(&self) -> usize {
        const CHUNK_BYTES: usize = 2 * size_of::<usize>() + size_of::<Vec<()>>() + size_of::<usize>();
        self.len * size_of::<(K, V)>() + self.chunks.len() * CHUNK_BYTES
    }

    fn at_place(&self, place: Place) -> impl Iterator<Item = (K, &V)> + Clone {
        let rest = self.chunks.get(place.chunk..).unwrap_or_default();
        let pairs = rest.iter().flat_map(|chunk| chunk.iter()).skip(place.index);
        pairs.map(|(key, value)| (*key, value))
    }

    fn before(&self, place: Place) -> Option<Place> {
        match place.index.checked_sub(1) {
            Some(index) => Some(Place { index, ..place }),
            None => {
                let chunk = place.chunk.checked_sub(1)?;
                Some(Place { chunk, index: self.chunks[chunk].len() - 1 })
            }
        }
    }

    /// Where the key is, or where it belongs: behind the last chunk's pairs rather than in a chunk of its own.
    fn find(&self, key: K) -> Result<Place, Place> {
        let Some((last, _)) = self.last() else { return Err(Place { chunk: 0, index: 0 }) };
        if key > last {
            let chunk = self.chunks.len() - 1;
            return Err(Place { chunk, index: self.chunks[chunk].len() });
        }
        let chunk = self.chunks.partition_point(|chunk| chunk.last().is_some_and(|(last, _)| *last < key));
        let place = |index| Place { chunk, index };
        self.chunks[chunk].binary_search_by(|(other, _)| other.cmp(&key)).map(place).map_err(place)
    }

    fn chunk_mut(&mut self, chunk: usize) -> &mut Vec<(K, V)> {
        Arc::make_mut(&mut self.chunks[chunk])
    }
}

impl<K: Ord + Copy, V: Clone + PartialEq> PartialEq for Ordered<K, V> {
    fn eq(&self, other: &Ordered<K, V>) -> bool {
        self.len == other.len && self.iter().eq(other.iter())
    }
}

impl<K: Ord + Copy, V: Clone> Default for Ordered<K, V> {
    fn default() -> Ordered<K, V> {
        Ordered::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    #[derive(Clone, Debug)]
    enum Step {
        Append(u16),
        Insert(u16, u8),
        Remove(u16),
        RemoveFirst(u16),
        Freeze,
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            3 => (1..300u16).prop_map(Step::Append),
            6 => (any::<u16>(), any::<u8>()).prop_map(|(key, value)| Step::Insert(key % 2_000, value)),
            4 => any::<u16>().prop_map(|key| Step::Remove(key % 2_000)),
            1 => (1..200u16).prop_map(Step::RemoveFirst),
            1 => Just(Step::Freeze),
        ]
    }

    fn check(map: &Ordered<u16, u8>, model: &BTreeMap<u16, u8>, probe: u16) -> Result<(), TestCaseError> {
        fn owned<'a>(pairs: impl Iterator<Item = (u16, &'a u8)>) -> Vec<(u16, u8)> {
            pairs.map(|(key, value)| (key, *value)).collect()
        }
        fn plain<'a>(pairs: impl Iterator<Item = (&'a u16, &'a u8)>) -> Vec<(u16, u8)> {
            pairs.map(|(key, value)| (*key, *value)).collect()
        }
        prop_assert_eq!(map.len(), model.len());
        prop_assert_eq!(owned(map.iter()), plain(model.iter()));
        prop_assert_eq!(owned(map.from(probe)), plain(model.range(probe..)));
        prop_assert_eq!(owned(map.down_from(probe)), plain(model.range(..=probe).rev()));
        let floor = model.range(..=probe).next_back().map_or(0, |(key, _)| *key);
        prop_assert_eq!(owned(map.at_floor(probe)), plain(model.range(floor..)));
        prop_assert_eq!(map.get(probe), model.get(&probe));
        Ok(())
    }

    proptest! {
        #[test]
        fn is_a_map_and_its_clones_are_frozen(steps in prop::collection::vec(step(), 1..40), probe in 0..2_000u16) {
            let (mut map, mut model) = (Ordered::new(), BTreeMap::new());
            let mut frozen: Vec<(Ordered<u16, u8>, BTreeMap<u16, u8>)> = Vec::new();
            for step in steps {
                match step {
                    Step::Append(count) => {
                        let from: u16 = model.keys().next_back().map_or(0, |last| last + 1);
                        for key in from..from.saturating_add(count) {
                            map.insert(key, 1);
                            model.insert(key, 1);
                        }
                    }
                    Step::Insert(key, value) => prop_assert_eq!(map.insert(key, value), model.insert(key, value)),
                    Step::Remove(key) => prop_assert_eq!(map.remove(key), model.remove(&key)),
                    Step::RemoveFirst(count) => {
                        for _ in 0..count {
                            let first = map.at_or_after(0).map(|(key, _)| key);
                            prop_assert_eq!(first, model.keys().next().copied());
                            let Some(first) = first else { break };
                            map.remove(first);
                            model.remove(&first);
                        }
                    }
                    Step::Freeze => frozen.push((map.clone(), model.clone())),
                }
                check(&map, &model, probe)?;
            }
            for (map, model) in &frozen {
                check(map, model, probe)?;
            }
        }
    }
}
