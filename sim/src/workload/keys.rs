//! Which key an operation turns to: all alike, or some liked better than others by Zipf's law.

use rand_chacha::ChaCha8Rng;

use super::Workload;
use crate::entropy::{below, unit};

pub(super) struct Keys {
    count: u64,
    /// Where keys are not all alike: the sum of the weights up to each.
    weights: Vec<f64>,
}

impl Keys {
    pub(super) fn of(workload: &Workload) -> Keys {
        Keys { count: workload.keys, weights: weights_of(workload) }
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
