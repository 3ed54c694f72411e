//! A leaf of the tree: a few dozen members in order, their scores and texts each in one buffer.
//!
//! ```text
//! scores:  | score | score | ... |              ends:  where each text ends
//! texts:   | text | text | ... |
//! ```

use std::cmp::Ordering;

/// A leaf with more members, or with more text, is split.
pub(super) const LEAF_MEMBERS_MAX: usize = 64;
pub(super) const LEAF_TEXT_BYTES_MAX: usize = 4 << 10;
/// A leaf with fewer members looks for a neighbour to merge with.
const LEAF_MEMBERS_MIN: usize = 16;

#[derive(Default)]
pub(super) struct Leaf {
    scores: Vec<f64>,
    ends: Vec<u32>,
    texts: Vec<u8>,
}

/// How two members stand to each other: by score, and by text where their scores are equal.
#[inline]
pub(super) fn order(one: (f64, &[u8]), other: (f64, &[u8])) -> Ordering {
    let scores = one.0.partial_cmp(&other.0).expect("a score is a number");
    scores.then_with(|| one.1.cmp(other.1))
}

impl Leaf {
    #[inline]
    pub fn len(&self) -> usize {
        self.scores.len()
    }

    /// How many bytes it holds on the heap.
    pub fn heap_bytes(&self) -> usize {
        self.scores.capacity() * size_of::<f64>()
            + self.ends.capacity() * size_of::<u32>()
            + self.texts.capacity()
    }

    #[inline]
    pub fn get(&self, index: usize) -> (f64, &[u8]) {
        (self.scores[index], &self.texts[self.start(index)..self.ends[index] as usize])
    }

    /// How many members `is_before` holds for: those at the beginning.
    #[inline]
    pub fn partition_point(&self, is_before: impl Fn(f64, &[u8]) -> bool) -> usize {
        let (mut low, mut high) = (0, self.len());
        while low < high {
            let middle = (low + high) / 2;
            let (score, text) = self.get(middle);
            if is_before(score, text) { low = middle + 1 } else { high = middle }
        }
        low
    }

    /// Where this member is, or where it would be.
    #[inline]
    pub fn find(&self, score: f64, text: &[u8]) -> Result<usize, usize> {
        let at = self.partition_point(|other, member| order((other, member), (score, text)).is_lt());
        let is_there = at < self.len() && order(self.get(at), (score, text)).is_eq();
        if is_there { Ok(at) } else { Err(at) }
    }

    pub fn insert(&mut self, index: usize, score: f64, text: &[u8]) {
        let start = self.start(index);
        let len = u32::try_from(text.len()).expect("a member is shorter than 4 GiB");
        self.scores.insert(index, score);
        self.ends.insert(index, start as u32);
        for end in &mut self.ends[index..] {
            *end = end.checked_add(len).expect("few members are in one leaf when they are long");
        }
        let old_len = self.texts.len();
        self.texts.resize(old_len + text.len(), 0);
        self.texts.copy_within(start..old_len, start + text.len());
        self.texts[start..start + text.len()].copy_from_slice(text);
    }

    pub fn remove(&mut self, index: usize) {
        let (start, end) = (self.start(index), self.ends[index] as usize);
        self.texts.drain(start..end);
        self.scores.remove(index);
        self.ends.remove(index);
        self.ends[index..].iter_mut().for_each(|other| *other -= (end - start) as u32);
    }

    pub fn set_score(&mut self, index: usize, score: f64) {
        self.scores[index] = score;
    }

    pub fn is_too_large(&self) -> bool {
        self.len() > LEAF_MEMBERS_MAX || (self.len() > 1 && self.texts.len() > LEAF_TEXT_BYTES_MAX)
    }

    pub fn is_small(&self) -> bool {
        self.len() < LEAF_MEMBERS_MIN
    }

    /// Whether both together make a leaf that is not full at once.
    pub fn can_take(&self, other: &Leaf) -> bool {
        (self.len() + other.len()) * 4 <= LEAF_MEMBERS_MAX * 3
            && (self.texts.len() + other.texts.len()) * 4 <= LEAF_TEXT_BYTES_MAX * 3
    }

    /// Takes the upper half away; or, where members come in order, as little as possible.
    pub fn split(&mut self, comes_in_order: bool) -> Leaf {
        let at = match self.len() > LEAF_MEMBERS_MAX {
            _ if comes_in_order => self.len() - 1,
            true => self.len() / 2,
            // Few members are that long: half of the text is what matters then.
            false => {
                let half = (self.texts.len() / 2) as u32;
                self.ends.partition_point(|end| *end <= half).clamp(1, self.len() - 1)
            }
        };
        let start = self.start(at);
        let upper = Leaf {
            scores: self.scores.split_off(at),
            ends: self.ends.split_off(at).into_iter().map(|end| end - start as u32).collect(),
            texts: self.texts.split_off(start),
        };
        if comes_in_order {
            self.shrink();
        }
        upper
    }

    /// Takes over the members of the leaf behind this one.
    pub fn append(&mut self, other: &Leaf) {
        let start = self.texts.len() as u32;
        self.scores.extend_from_slice(&other.scores);
        self.ends.extend(other.ends.iter().map(|end| end + start));
        self.texts.extend_from_slice(&other.texts);
    }

    fn shrink(&mut self) {
        self.scores.shrink_to_fit();
        self.ends.shrink_to_fit();
        self.texts.shrink_to_fit();
    }

    #[inline]
    fn start(&self, index: usize) -> usize {
        index.checked_sub(1).map_or(0, |before| self.ends[before] as usize)
    }
}

/// A leaf is copied to be changed: with the room that it has, and so as heavy as it was counted.
impl Clone for Leaf {
    fn clone(&self) -> Leaf {
        Leaf { scores: roomy(&self.scores), ends: roomy(&self.ends), texts: roomy(&self.texts) }
    }
}

fn roomy<T: Copy>(items: &Vec<T>) -> Vec<T> {
    let mut copy = Vec::with_capacity(items.capacity());
    copy.extend_from_slice(items);
    copy
}
