//! What one client sees of one register over time: it must not go back (monotonic reads), nor miss what the client
//! itself has written (read your writes). Both are promises of a single node and of a primary; replicas break them
//! within their lag, which is what these two measure.
//!
//! A value counts as older than another only where its write was acknowledged before the other's began: writes that
//! overlap may stand in either order, and one of unknown outcome, or sent again, may have happened at any time.

use std::collections::BTreeMap;

use squall_clock::Mono;

use crate::history::{Action, Answer, OpId, Operation, Outcome};

#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct SessionReads {
    /// Reads that returned something older than an earlier read of the same client.
    pub backward: Vec<OpId>,
    /// Reads that returned something older than what the same client had written.
    pub blind: Vec<OpId>,
}

/// When the write of a value happened, as far as is known.
#[derive(Clone, Copy)]
struct Written {
    began: Mono,
    acknowledged: Option<Mono>,
}

pub fn session_reads(history: &[Operation]) -> SessionReads {
    let mut found = SessionReads::default();
    let mut last_read: BTreeMap<(&str, &str), Written> = BTreeMap::new();
    let mut last_write: BTreeMap<(&str, &str), Written> = BTreeMap::new();
    // Operations of one client follow each other, so the order in which they began is the session's.
    for operation in history {
        let session = (operation.client.as_str(), operation.key.as_str());
        match (operation.action, &operation.outcome) {
            (Action::Write, Outcome::Done(_)) => {
                last_write.insert(session, written(operation));
            }
            (Action::Read, Outcome::Done(Answer::Value(value))) => {
                let seen = match value {
                    None => Some(Written { began: Mono(0), acknowledged: Some(Mono(0)) }),
                    Some(number) => write_of(history, *number).map(written),
                };
                let Some(seen) = seen else { continue };
                if last_read.get(&session).is_some_and(|before| is_older(seen, *before)) {
                    found.backward.push(operation.id);
                }
                if last_write.get(&session).is_some_and(|own| is_older(seen, *own)) {
                    found.blind.push(operation.id);
                }
                last_read.insert(session, seen);
            }
            _ => {}
        }
    }
    found
}

fn is_older(value: Written, than: Written) -> bool {
    value.acknowledged.is_some_and(|acknowledged| acknowledged < than.began)
}

fn write_of(history: &[Operation], number: u64) -> Option<&Operation> {
    history.get(usize::try_from(number).ok()?.checked_sub(1)?)
}

fn written(operation: &Operation) -> Written {
    let acknowledged = operation.completed.filter(|_| operation.is_acknowledged() && operation.sends == 1);
    Written { began: operation.invoked, acknowledged }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checkers::scripted::{ACKNOWLEDGED, history, read, unknown};

    #[test]
    fn a_client_that_sees_less_than_before_or_than_it_wrote_is_noticed() {
        let history = history(&[
            (10, 20, Action::Write, ACKNOWLEDGED),
            (30, 40, Action::Read, read(1)),
            (50, 60, Action::Write, ACKNOWLEDGED),
            (70, 80, Action::Read, read(1)),
            (90, 95, Action::Read, read(3)),
            (96, 99, Action::Read, read(0)),
        ]);
        let found = session_reads(&history);
        assert_eq!(found.blind, [OpId(4), OpId(6)], "each came after the client's own second write");
        assert_eq!(found.backward, [OpId(6)]);
    }

    #[test]
    fn what_overlaps_or_is_unknown_is_no_evidence() {
        let history = history(&[
            (10, 60, Action::Write, ACKNOWLEDGED),
            (20, 50, Action::Write, ACKNOWLEDGED),
            (70, 80, Action::Read, read(2)),
            (81, 82, Action::Read, read(1)),
            (83, 84, Action::Write, unknown()),
            (85, 86, Action::Read, read(1)),
        ]);
        assert_eq!(session_reads(&history), SessionReads::default());
    }
}
