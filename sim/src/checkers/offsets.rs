//! Offsets that cannot be: within one process and one history a primary's offset never goes back, and no replica is ahead
//! of the primary of its history. A replica's own may go back: where it is told to follow a replica that is behind it,
//! it takes that one's dataset.

use std::collections::BTreeMap;

use squall_clock::Mono;

/// One look at where a node stands.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Position {
    /// When the node was asked, and when it had answered: it stood there at some moment between.
    pub at: Mono,
    pub answered: Mono,
    pub node: String,
    /// Which of its processes it was.
    pub start: u32,
    pub is_primary: bool,
    pub replid: String,
    pub offset: u64,
}

/// Two looks that cannot both be true.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ImpossibleOffset {
    pub earlier: Position,
    pub later: Position,
}

/// The positions come in the order in which they were asked for.
pub fn impossible_offsets(positions: &[Position]) -> Vec<ImpossibleOffset> {
    let mut found = Vec::new();
    let mut last: BTreeMap<(&str, u32, &str), &Position> = BTreeMap::new();
    // By history, its replicas' positions, in the order of their offsets.
    let mut of_replicas: BTreeMap<&str, Vec<&Position>> = BTreeMap::new();
    for position in positions {
        let mut refuse = |earlier: &Position| {
            found.push(ImpossibleOffset { earlier: earlier.clone(), later: position.clone() });
        };
        if position.is_primary {
            let process = (position.node.as_str(), position.start, position.replid.as_str());
            // Looks that overlap may have been taken in either order.
            let went_back =
                |before: &&Position| before.offset > position.offset && before.answered <= position.at;
            if let Some(before) = last.insert(process, position).filter(went_back) {
                refuse(before);
            }
            let known = of_replicas.get(position.replid.as_str()).into_iter().flatten().rev();
            let mut ahead = known.take_while(|known| known.offset > position.offset);
            if let Some(ahead) = ahead.find(|ahead| ahead.answered < position.at) {
                refuse(ahead);
            }
        } else {
            let known = of_replicas.entry(&position.replid).or_default();
            let place = known.partition_point(|other| other.offset <= position.offset);
            known.insert(place, position);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn position(second: u64, node: &str, is_primary: bool, offset: u64) -> Position {
        let (at, replid) = (Mono(second * 1_000_000_000), "h".to_owned());
        Position { at, answered: at, node: node.to_owned(), start: 1, is_primary, replid, offset }
    }

    #[test]
    fn offsets_that_go_back_or_ahead_are_found() {
        let healthy = [
            position(1, "a", true, 100),
            position(1, "b", false, 110),
            position(2, "a", true, 120),
            position(2, "b", false, 120),
        ];
        assert_eq!(impossible_offsets(&healthy), []);
        let mut follows_another = healthy.to_vec();
        follows_another.push(position(3, "b", false, 90));
        assert_eq!(impossible_offsets(&follows_another), []);
        let mut back = healthy.to_vec();
        back.push(position(3, "a", true, 119));
        assert_eq!(impossible_offsets(&back)[0].later.offset, 119);
        let mut ahead = healthy.to_vec();
        ahead.insert(2, position(1, "b", false, 500));
        let found = impossible_offsets(&ahead);
        assert_eq!((found[0].earlier.offset, found[0].later.node.as_str()), (500, "a"));
        let restarted = [position(1, "a", true, 100), Position { start: 2, ..position(3, "a", true, 90) }];
        assert_eq!(impossible_offsets(&restarted), []);
    }
}
