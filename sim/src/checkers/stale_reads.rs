//! Stale reads and their age: a read is stale when the value that it returned had been overwritten by an
//! acknowledged write before the read began, and its age is how long ago that was.

use std::collections::BTreeMap;

use squall_clock::{Mono, Nanos};

use crate::history::{Action, Answer, OpId, Operation, Outcome};

#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct StaleReads {
    /// Reads that were answered.
    pub reads: u64,
    /// The stale ones and their age, in the order in which they began.
    pub stale: Vec<(OpId, Nanos)>,
}

impl StaleReads {
    pub fn oldest(&self) -> Nanos {
        self.stale.iter().map(|(_, age)| *age).max().unwrap_or_default()
    }
}

/// The acknowledged writes of one key.
#[derive(Default)]
struct Writes {
    /// By invocation: when it began, and the earliest completion among it and all that began later.
    by_start: Vec<(Mono, Mono)>,
}

pub fn stale_reads(history: &[Operation]) -> StaleReads {
    let mut keys: BTreeMap<&str, Writes> = BTreeMap::new();
    for operation in history.iter().filter(|operation| operation.action == Action::Write) {
        if let (Outcome::Done(_), Some(completed)) = (&operation.outcome, operation.completed) {
            keys.entry(&operation.key).or_default().by_start.push((operation.invoked, completed));
        }
    }
    keys.values_mut().for_each(Writes::settle);
    let mut report = StaleReads::default();
    for read in history {
        let Outcome::Done(Answer::Value(value)) = read.outcome else { continue };
        report.reads += 1;
        // A write whose outcome is unknown, or that was sent again, may have happened after all others: what it wrote
        // is never called stale.
        let seen = value.and_then(|number| history.get(usize::try_from(number).ok()?.checked_sub(1)?));
        let after = match (value, seen) {
            (None, _) => Some(Mono(0)),
            (Some(_), Some(write)) if write.is_acknowledged() && write.sends == 1 => write.completed,
            _ => None,
        };
        let overwritten =
            after.zip(keys.get(read.key.as_str())).and_then(|(after, key)| key.overwritten(after));
        if let Some(overwritten) = overwritten.filter(|overwritten| *overwritten < read.invoked) {
            report.stale.push((read.id, read.invoked.since(overwritten)));
        }
    }
    report
}

impl Writes {
    fn settle(&mut self) {
        self.by_start.sort();
        let mut earliest = Mono(u64::MAX);
        for (_, completed) in self.by_start.iter_mut().rev() {
            earliest = earliest.min(*completed);
            *completed = earliest;
        }
    }

    /// When a write that began after `after` was first acknowledged.
    fn overwritten(&self, after: Mono) -> Option<Mono> {
        let later = self.by_start.partition_point(|(invoked, _)| *invoked <= after);
        self.by_start.get(later).map(|(_, completed)| *completed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checkers::scripted::{ACKNOWLEDGED, history, read, unknown};

    #[test]
    fn a_read_of_an_overwritten_value_is_stale_and_has_an_age() {
        let history = history(&[
            (10, 20, Action::Write, ACKNOWLEDGED),
            (30, 50, Action::Write, ACKNOWLEDGED),
            (40, 60, Action::Read, read(1)),
            (70, 80, Action::Read, read(2)),
            (90, 95, Action::Read, read(1)),
            (96, 99, Action::Read, read(0)),
        ]);
        let report = stale_reads(&history);
        assert_eq!(report.reads, 4);
        // The first read began while the second write was going on; the others have no such excuse.
        assert_eq!(report.stale, [(OpId(5), Nanos(40)), (OpId(6), Nanos(76))]);
        assert_eq!(report.oldest(), Nanos(76));
    }

    #[test]
    fn concurrent_and_unknown_writes_excuse_a_read() {
        let concurrent = history(&[
            (10, 40, Action::Write, ACKNOWLEDGED),
            (20, 30, Action::Write, ACKNOWLEDGED),
            (50, 60, Action::Read, read(1)),
            (50, 60, Action::Read, read(2)),
        ]);
        assert_eq!(stale_reads(&concurrent).stale, []);
        let late = history(&[
            (10, 20, Action::Write, unknown()),
            (30, 40, Action::Write, ACKNOWLEDGED),
            (50, 60, Action::Read, read(1)),
        ]);
        assert_eq!(stale_reads(&late).stale, []);
    }
}
