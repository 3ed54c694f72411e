//! Which key an operation turns to: all alike, or some liked better than others by Zipf's law; and what it is called,
//! where keys must lie in certain slots of a cluster.

use std::collections::BTreeMap;
use std::fmt::Write;

use rand_chacha::ChaCha8Rng;

use super::Workload;
use crate::cluster_client::slot_of;
use crate::entropy::{below, unit};

pub(super) struct Keys {
    prefix: &'static str,
    slots: Option<[u16; 2]>,
    count: u64,
    /// Where keys are not all alike: the sum of the weights up to each.
    weights: Vec<f64>,
    /// The tags that were found already: to few slots lead few.
    tags: BTreeMap<u64, String>,
}

impl Keys {
    pub(super) fn of(workload: &Workload) -> Keys {
        let Workload { kind, slots, keys, .. } = *workload;
        Keys {
            prefix: kind.prefix(),
            slots,
            count: keys,
            weights: weights_of(workload),
            tags: BTreeMap::new(),
        }
    }

    /// The name of the key with that number; where it has to lie in certain slots, with a tag that leads there.
    pub(super) fn name(&mut self, number: u64) -> String {
        let prefix = self.prefix;
        match self.slots {
            None => format!("{prefix}:{number}"),
            Some(slots) => {
                let tag = self.tags.entry(number).or_insert_with(|| tag_within(slots, number));
                format!("{prefix}:{{{tag}}}")
            }
        }
    }

    pub(super) fn draw(&self, rng: &mut ChaCha8Rng) -> u64 {
        match self.weights.last() {
            None => below(rng, self.count),
            Some(sum) => {
                let at = unit(rng) * sum;
                self.weights.partition_point(|weight| *weight <= at) as u64
            }
        }
    }
}

/// A tag of its own for the key with that number.
fn tag_within([first, last]: [u16; 2], number: u64) -> String {
    let mut tag = String::new();
    for attempt in 0_u64.. {
        tag.clear();
        write!(tag, "{attempt}.{number}").expect("a string takes whatever comes");
        if (first..=last).contains(&slot_of(tag.as_bytes())) {
            break;
        }
    }
    tag
}

/// The sums of Zipf's weights; none where all keys are alike. libm is the same on every machine.
fn weights_of(workload: &Workload) -> Vec<f64> {
    if workload.skew == 0.0 {
        return Vec::new();
    }
    let weight = |rank: u64| libm::pow(rank as f64, -workload.skew);
    let sums = (1..=workload.keys).scan(0.0, |sum, rank| {
        *sum += weight(rank);
        Some(*sum)
    });
    sums.collect()
}

#[cfg(test)]
mod tests {
    use rand_core::SeedableRng;

    use super::*;
    use crate::workload::Kind;

    #[test]
    fn keys_lie_where_they_must() {
        let work = Workload { slots: Some([100, 103]), ..Workload::writing(Kind::Sets, Vec::new(), 1) };
        let mut keys = Keys::of(&work);
        let names: std::collections::BTreeSet<String> = (0..50).map(|number| keys.name(number)).collect();
        assert_eq!(names.len(), 50);
        assert!((0..50).all(|number| names.contains(&keys.name(number))), "a key keeps its name");
        assert!(names.iter().all(|name| (100..=103).contains(&slot_of(name.as_bytes()))), "{names:?}");
    }

    /// The first of a hundred keys gets about a fifth under Zipf's law with exponent 1, and a hundredth under none.
    #[test]
    fn skew_makes_some_keys_popular() {
        let share_of_first = |skew| {
            let work = Workload { keys: 100, skew, ..Workload::writing(Kind::Registers, Vec::new(), 1) };
            let (keys, mut rng) = (Keys::of(&work), ChaCha8Rng::seed_from_u64(1));
            (0..10_000).filter(|_| keys.draw(&mut rng) == 0).count()
        };
        assert!((50..150).contains(&share_of_first(0.0)));
        // 1 / (1 + 1/2 + ... + 1/100) is 0.193.
        assert!((1_800..2_060).contains(&share_of_first(1.0)), "{}", share_of_first(1.0));
    }
}
