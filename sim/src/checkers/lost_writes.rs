//! Lost acknowledged writes, and the window that they fell in: what ledgers and counters hold at the end
//! against what clients were told.

use std::collections::BTreeMap;

use squall_clock::{Mono, Nanos};

use crate::history::{Action, OpId, Operation, Outcome, Survivors};

#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct LostWrites {
    pub acknowledged: u64,
    /// Acknowledged and not there, in the order of their acknowledgement.
    pub lost: Vec<OpId>,
    /// When the first and the last of the lost ones were acknowledged.
    pub window: Option<(Mono, Mono)>,
    /// There more often than they were sent.
    pub duplicated: Vec<OpId>,
    /// There although the client was told that they did not happen, or although nobody wrote them.
    pub risen: Vec<OpId>,
    /// Acknowledged increments that the counters do not hold.
    pub increments_lost: u64,
    /// What the counters hold beyond all increments that may have happened.
    pub increments_risen: u64,
}

impl LostWrites {
    /// How long the window of the lost ones is.
    pub fn window_length(&self) -> Nanos {
        self.window.map_or(Nanos::ZERO, |(first, last)| last.since(first))
    }
}

pub fn lost_writes(history: &[Operation], survivors: &Survivors) -> LostWrites {
    let mut report = LostWrites::default();
    let mut found: BTreeMap<u64, u64> = BTreeMap::new();
    for entry in survivors.ledgers.values().flatten() {
        *found.entry(*entry).or_default() += 1;
    }
    let mut lost: Vec<(Mono, OpId)> = Vec::new();
    for operation in history.iter().filter(|operation| operation.action == Action::Append) {
        let times = found.remove(&operation.id.0).unwrap_or(0);
        if let (Outcome::Done(_), Some(completed)) = (&operation.outcome, operation.completed) {
            report.acknowledged += 1;
            if times == 0 {
                lost.push((completed, operation.id));
            }
        }
        match operation.outcome {
            Outcome::Refused(_) if times > 0 => report.risen.push(operation.id),
            _ if times > u64::from(operation.sends) => report.duplicated.push(operation.id),
            _ => {}
        }
    }
    report.risen.extend(found.into_keys().map(OpId));
    lost.sort();
    report.window = lost.first().zip(lost.last()).map(|(first, last)| (first.0, last.0));
    report.lost = lost.into_iter().map(|(_, id)| id).collect();
    count_increments(history, survivors, &mut report);
    report
}

fn count_increments(history: &[Operation], survivors: &Survivors, report: &mut LostWrites) {
    let mut told: BTreeMap<&str, (i64, i64)> = BTreeMap::new();
    for operation in history.iter().filter(|operation| operation.action == Action::Increment) {
        let (surely, perhaps) = told.entry(&operation.key).or_default();
        // What was sent again because no answer came may have happened each time.
        let sends = i64::from(operation.sends);
        match operation.outcome {
            Outcome::Done(_) => (*surely, *perhaps) = (*surely + 1, *perhaps + sends - 1),
            Outcome::Unknown(_) | Outcome::Pending => *perhaps += sends,
            Outcome::Refused(_) => {}
        }
    }
    for (key, (surely, perhaps)) in told {
        let held = survivors.counters.get(key).copied().unwrap_or(0);
        report.acknowledged += surely as u64;
        report.increments_lost += (surely - held).max(0) as u64;
        report.increments_risen += (held - surely - perhaps).max(0) as u64;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checkers::scripted::{ACKNOWLEDGED, count, history, unknown};

    fn ledger(entries: &[u64]) -> Survivors {
        Survivors { ledgers: BTreeMap::from([("key".to_owned(), entries.to_vec())]), ..Default::default() }
    }

    #[test]
    fn an_acknowledged_write_that_is_not_there_is_lost_and_others_are_not() {
        let refused = Outcome::Refused("READONLY".to_owned());
        let history = history(&[
            (0, 10, Action::Append, ACKNOWLEDGED),
            (20, 30, Action::Append, ACKNOWLEDGED),
            (40, 50, Action::Append, unknown()),
            (60, 70, Action::Append, ACKNOWLEDGED),
            (80, 90, Action::Append, refused),
        ]);
        assert_eq!(lost_writes(&history, &ledger(&[1, 2, 4])).lost, []);
        assert_eq!(lost_writes(&history, &ledger(&[1, 2, 3, 4])), lost_writes(&history, &ledger(&[1, 2, 4])));
        let report = lost_writes(&history, &ledger(&[1, 3]));
        assert_eq!(report.acknowledged, 3);
        assert_eq!(report.lost, [OpId(2), OpId(4)]);
        assert_eq!(report.window, Some((Mono(30), Mono(70))));
        assert_eq!(report.window_length(), Nanos(40));
    }

    #[test]
    fn what_is_there_twice_or_against_all_that_was_said_is_named() {
        let refused = Outcome::Refused("READONLY".to_owned());
        let history = history(&[(0, 10, Action::Append, ACKNOWLEDGED), (20, 30, Action::Append, refused)]);
        let report = lost_writes(&history, &ledger(&[1, 1, 2, 77]));
        assert_eq!(report.duplicated, [OpId(1)]);
        assert_eq!(report.risen, [OpId(2), OpId(77)]);
    }

    #[test]
    fn counters_are_held_against_their_increments() {
        let history = history(&[
            (0, 10, Action::Increment, count(1)),
            (20, 30, Action::Increment, count(2)),
            (40, 50, Action::Increment, unknown()),
        ]);
        let held = |count| {
            let counters = BTreeMap::from([("key".to_owned(), count)]);
            let report = lost_writes(&history, &Survivors { counters, ..Default::default() });
            (report.increments_lost, report.increments_risen)
        };
        assert_eq!([held(1), held(2), held(3), held(4)], [(1, 0), (0, 0), (0, 0), (0, 1)]);
    }
}
