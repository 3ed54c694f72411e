//! A replica's data is its primary's at some earlier offset: equal replication id and equal offset must mean
//! equal data, wherever and whenever two nodes were seen with both.

use std::collections::BTreeMap;

/// One look at one node: the three were read together.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct NodeSample {
    pub node: String,
    pub replid: String,
    pub offset: u64,
    /// The digest of all its data.
    pub digest: String,
}

/// Two looks at one point of one history that saw different data.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Divergence {
    pub one: NodeSample,
    pub other: NodeSample,
}

/// For each point of a history at which data differed, the first pair that shows it.
pub fn diverging(samples: &[NodeSample]) -> Vec<Divergence> {
    let mut seen: BTreeMap<(&str, u64), &NodeSample> = BTreeMap::new();
    let mut found: BTreeMap<(&str, u64), Divergence> = BTreeMap::new();
    for sample in samples {
        let point = (sample.replid.as_str(), sample.offset);
        let first = seen.entry(point).or_insert(sample);
        if first.digest != sample.digest {
            let divergence = || Divergence { one: (*first).clone(), other: sample.clone() };
            found.entry(point).or_insert_with(divergence);
        }
    }
    found.into_values().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(node: &str, replid: &str, offset: u64, digest: &str) -> NodeSample {
        let text = str::to_owned;
        NodeSample { node: text(node), replid: text(replid), offset, digest: text(digest) }
    }

    #[test]
    fn equal_offsets_of_one_history_must_hold_equal_data() {
        let healthy = [
            sample("a", "h1", 100, "x"),
            sample("b", "h1", 90, "w"),
            sample("b", "h1", 100, "x"),
            sample("c", "h2", 100, "other"),
        ];
        assert_eq!(diverging(&healthy), []);
        let mut broken = healthy.to_vec();
        broken.push(sample("c", "h1", 90, "planted"));
        let found = diverging(&broken);
        assert_eq!(found.len(), 1);
        assert_eq!((found[0].one.node.as_str(), found[0].other.node.as_str()), ("b", "c"));
    }
}
