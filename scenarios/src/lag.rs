//! Replication lag over time, in bytes and in time, from what each node said about itself.
//!
//! In bytes: how far the replica's offset is behind its primary's. In time: how long ago the primary's offset was
//! where the replica's is now, read between two samples on a straight line.

use std::collections::BTreeMap;

use squall_clock::{Mono, Nanos};

use crate::agent::Sample;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LagPoint {
    pub at: Mono,
    pub bytes: u64,
    pub time: Nanos,
}

/// The lag of each replica at each of its samples since `begin` that could be compared.
pub(crate) fn lag_over_time(samples: &[Sample], begin: Mono) -> BTreeMap<String, Vec<LagPoint>> {
    // By history: where its primary stood, and when.
    let mut histories: BTreeMap<&str, Vec<(Mono, u64)>> = BTreeMap::new();
    for sample in samples.iter().filter(|sample| sample.state.is_primary) {
        histories.entry(&sample.state.replid).or_default().push((sample.at, sample.state.offset));
    }
    let mut lags: BTreeMap<String, Vec<LagPoint>> = BTreeMap::new();
    for sample in samples.iter().filter(|sample| sample.at > begin && !sample.state.is_primary) {
        let Some(primary) = histories.get(sample.state.replid.as_str()) else { continue };
        if let Some(point) = lag_at(primary, sample) {
            lags.entry(sample.node.clone()).or_default().push(point);
        }
    }
    lags
}

fn lag_at(primary: &[(Mono, u64)], sample: &Sample) -> Option<LagPoint> {
    let offset = sample.state.offset;
    let until = primary.partition_point(|(at, _)| *at <= sample.at);
    let (_, there) = *primary[..until].last()?;
    let bytes = there.saturating_sub(offset);
    if bytes == 0 {
        return Some(LagPoint { at: sample.at, bytes: 0, time: Nanos::ZERO });
    }
    // The last moment at which the primary was not ahead of where the replica is now.
    let ahead = primary[..until].partition_point(|(_, position)| *position <= offset);
    let (before, reached) = *primary[..ahead].last()?;
    let (after, beyond) = primary[ahead];
    let share = (offset - reached) as f64 / (beyond - reached) as f64;
    let then = before + Nanos((after.since(before).0 as f64 * share) as u64);
    Some(LagPoint { at: sample.at, bytes, time: sample.at.since(then) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::agent::NodeState;

    fn sample(second: u64, node: &str, is_primary: bool, offset: u64) -> Sample {
        let state = NodeState { is_primary, offset, replid: "h".to_owned(), ..Default::default() };
        let at = Mono(0) + Nanos::from_secs(second);
        Sample { at, answered: at, node: node.to_owned(), start: 1, state }
    }

    #[test]
    fn lag_is_measured_in_bytes_and_in_time() {
        let samples = [
            sample(1, "a", true, 1_000),
            sample(1, "b", false, 1_000),
            sample(2, "a", true, 3_000),
            sample(2, "b", false, 2_000),
            sample(3, "a", true, 3_000),
            sample(3, "b", false, 3_000),
        ];
        let lags = lag_over_time(&samples, Mono(0));
        let lags: Vec<_> = lags["b"].iter().map(|point| (point.bytes, point.time.as_millis())).collect();
        assert_eq!(lags, [(0, 0), (1_000, 500), (0, 0)]);
    }
}
