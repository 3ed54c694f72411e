//! Is the history of one key linearizable: could each operation have happened at one moment between its invocation
//! and its completion, so that all answers follow?
//!
//! The search is that of Wing and Gong with Lowe's memory: try every operation that may come next, go back where
//! none fits, and never try the same set of operations with the same value again. Keys are independent, so each
//! is searched alone.

use std::collections::{BTreeMap, BTreeSet};

use foldhash::fast::FixedState;
use hashbrown::HashSet;
use squall_clock::Mono;

use crate::history::{Action, Answer, OpId, Operation, Outcome};

#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Verdict {
    Linearizable,
    /// No order explains the answers; the longest attempt ended because nothing let this operation complete.
    Violated {
        stuck: OpId,
    },
    /// The search was given up after so many steps.
    Undecided {
        steps: u64,
    },
}

/// What a key holds.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum Held {
    Register(Option<u64>),
    Counter(i64),
}

/// A beginning or an end of an operation, in a list from which both are taken when it has been placed.
struct Moment {
    operation: usize,
    /// Where the end of it is, if this is its beginning.
    end: Option<usize>,
    before: usize,
    after: usize,
}

/// The set of operations that have been placed, by a fingerprint: the exclusive or of a number for each (Zobrist). Two
/// sets of the millions that a search may meet share one with a chance below 2^-80.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
struct Placed(u128);

const STEPS_MAX: u64 = 2_000_000;

/// The verdict on each key that has reads or counters.
pub fn linearizable_keys(history: &[Operation]) -> BTreeMap<String, Verdict> {
    let mut keys: BTreeMap<&str, Vec<Operation>> = BTreeMap::new();
    let judged = [Action::Read, Action::Write, Action::Increment];
    for operation in history.iter().filter(|operation| judged.contains(&operation.action)) {
        let operations = keys.entry(&operation.key).or_default();
        operations.push(operation.clone());
        // What was sent again may have happened each time, and any time later.
        for _ in 1..operation.sends {
            let outcome = Outcome::Unknown("sent again".to_owned());
            operations.push(Operation { outcome, ..operation.clone() });
        }
    }
    keys.into_iter().map(|(key, operations)| (key.to_owned(), linearizable(&operations))).collect()
}

/// The verdict on the history of one key, which begins without a value.
pub fn linearizable(history: &[Operation]) -> Verdict {
    let operations = worth_placing(history);
    let mut search = Search::over(&operations);
    let counts =
        operations.iter().any(|operation| matches!(operation.outcome, Outcome::Done(Answer::Count(_))));
    let counts = counts || operations.iter().any(|operation| operation.action == Action::Increment);
    search.run(&operations, if counts { Held::Counter(0) } else { Held::Register(None) })
}

/// Leaves out what cannot matter: what did not happen, reads without an answer, and writes of unknown outcome that
/// nobody read (they may always have come last).
fn worth_placing(history: &[Operation]) -> Vec<&Operation> {
    let read: BTreeSet<u64> = history
        .iter()
        .filter_map(|operation| match operation.outcome {
            Outcome::Done(Answer::Value(value)) => value,
            _ => None,
        })
        .collect();
    let matters = |operation: &&Operation| match operation.outcome {
        Outcome::Done(_) => true,
        Outcome::Refused(_) => false,
        Outcome::Pending | Outcome::Unknown(_) => match operation.action {
            Action::Read => false,
            Action::Write => read.contains(&operation.id.0),
            _ => true,
        },
    };
    history.iter().filter(matters).collect()
}

/// What the key holds after the operation, if its answer fits what the key held before.
fn step(held: Held, operation: &Operation) -> Option<Held> {
    match (held, operation.action, &operation.outcome) {
        (Held::Register(_), Action::Write, _) => Some(Held::Register(Some(operation.id.0))),
        (Held::Register(value), Action::Read, Outcome::Done(Answer::Value(read))) => {
            (value == *read).then_some(held)
        }
        (Held::Counter(count), Action::Increment, Outcome::Done(Answer::Count(told))) => {
            (count + 1 == *told).then_some(Held::Counter(*told))
        }
        (Held::Counter(count), Action::Increment, _) => Some(Held::Counter(count + 1)),
        (Held::Counter(count), Action::Read, Outcome::Done(Answer::Count(told))) => {
            (count == *told).then_some(held)
        }
        _ => None,
    }
}

/// The count that the operation's answer says it found.
fn count_to_find(operation: &Operation) -> Option<i64> {
    match (operation.action, &operation.outcome) {
        (Action::Increment, Outcome::Done(Answer::Count(told))) => Some(told - 1),
        (Action::Read, Outcome::Done(Answer::Count(told))) => Some(*told),
        _ => None,
    }
}

struct Search {
    /// The first one is the head of the list.
    moments: Vec<Moment>,
    /// Increments of unknown outcome are all alike, so they are placed in the order in which they began, each only
    /// where nothing else fits: they stand beside the list. By where they begin in it.
    spare: Vec<usize>,
    spare_used: usize,
    /// Counts that operations not yet placed have to find. A counter never falls, so beyond the first there is no way.
    awaited: BTreeSet<(i64, usize)>,
    /// Nobody goes through it in its order.
    tried: HashSet<(Placed, usize, Held), FixedState>,
    steps: u64,
    /// The most operations that were placed at once, and the one that could not complete then.
    deepest: (usize, Option<usize>),
}

/// What was placed, so that it can be taken back.
#[derive(Clone, Copy)]
enum Choice {
    /// The operation that begins here.
    Begin(usize),
    /// The next increment of unknown outcome.
    Spare,
}

const HEAD: usize = 0;

impl Search {
    fn over(operations: &[&Operation]) -> Search {
        // Ends come after the beginnings of the same time: what touches in time may be in either order.
        let mut times: Vec<(Mono, bool, usize)> = Vec::new();
        for (number, operation) in operations.iter().enumerate() {
            let sure = operation.is_acknowledged();
            times.push((operation.invoked, false, number));
            if sure || operation.action != Action::Increment {
                times.push((operation.completed.filter(|_| sure).unwrap_or(Mono(u64::MAX)), true, number));
            }
        }
        times.sort();
        let mut search = Search {
            moments: vec![Moment { operation: usize::MAX, end: None, before: HEAD, after: HEAD }],
            spare: Vec::new(),
            spare_used: 0,
            awaited: operations
                .iter()
                .enumerate()
                .filter_map(|(n, op)| Some((count_to_find(op)?, n)))
                .collect(),
            tried: HashSet::default(),
            steps: 0,
            deepest: (0, None),
        };
        let mut begun = vec![0; operations.len()];
        for (_, is_end, operation) in times {
            let place = search.moments.len();
            let alike = operations[operation].action == Action::Increment;
            if alike && !operations[operation].is_acknowledged() {
                search.spare.push(place);
                continue;
            }
            search.moments.push(Moment { operation, end: None, before: place - 1, after: HEAD });
            search.moments[place - 1].after = place;
            if is_end {
                search.moments[begun[operation]].end = Some(place);
            } else {
                begun[operation] = place;
            }
        }
        search
    }

    fn run(&mut self, operations: &[&Operation], initial: Held) -> Verdict {
        let (mut held, mut placed) = (initial, Placed::default());
        let mut path: Vec<(Choice, Held)> = Vec::new();
        let mut place = self.moments[HEAD].after;
        while self.moments[HEAD].after != HEAD {
            self.steps += 1;
            if self.steps > STEPS_MAX {
                return Verdict::Undecided { steps: self.steps };
            }
            let operation = self.moments[place].operation;
            if self.moments[place].end.is_none() {
                if let Some(next) = self.next_spare(place, held, placed) {
                    path.push((Choice::Spare, held));
                    held = next;
                    self.spare_used += 1;
                    place = self.moments[HEAD].after;
                    continue;
                }
                if path.len() >= self.deepest.0 {
                    self.deepest = (path.len(), Some(operation));
                }
                match self.go_back(operations, &mut path, &mut held, &mut placed) {
                    Some(next) => place = next,
                    None => {
                        let stuck = self.deepest.1.expect("an operation that could not complete was met");
                        return Verdict::Violated { stuck: operations[stuck].id };
                    }
                }
                continue;
            }
            let next = step(held, operations[operation])
                .filter(|next| self.tried.insert((placed.toggled(operation), self.spare_used, *next)));
            match next {
                Some(next) => {
                    path.push((Choice::Begin(place), held));
                    held = next;
                    placed = placed.toggled(operation);
                    self.take_out(place);
                    if let Some(count) = count_to_find(operations[operation]) {
                        self.awaited.remove(&(count, operation));
                    }
                    place = self.moments[HEAD].after;
                }
                None => place = self.moments[place].after,
            }
        }
        Verdict::Linearizable
    }

    /// What an increment of unknown outcome makes of the value, if one has begun before `place` and this is not
    /// known to lead nowhere.
    fn next_spare(&mut self, place: usize, held: Held, placed: Placed) -> Option<Held> {
        let begins = *self.spare.get(self.spare_used)?;
        let Held::Counter(count) = held else { return None };
        if self.awaited.first().is_some_and(|(awaited, _)| *awaited <= count) {
            return None;
        }
        let next = Held::Counter(count + 1);
        let open = begins <= place && self.tried.insert((placed, self.spare_used + 1, next));
        open.then_some(next)
    }

    /// Takes the latest choices back, up to one that leaves another to try; says where to go on.
    fn go_back(
        &mut self,
        operations: &[&Operation],
        path: &mut Vec<(Choice, Held)>,
        held: &mut Held,
        placed: &mut Placed,
    ) -> Option<usize> {
        loop {
            let (choice, held_before) = path.pop()?;
            *held = held_before;
            match choice {
                Choice::Spare => self.spare_used -= 1,
                Choice::Begin(place) => {
                    let operation = self.moments[place].operation;
                    *placed = placed.toggled(operation);
                    self.awaited.extend(count_to_find(operations[operation]).map(|count| (count, operation)));
                    self.put_back(place);
                    return Some(self.moments[place].after);
                }
            }
        }
    }

    fn take_out(&mut self, begin: usize) {
        let end = self.moments[begin].end.expect("only a beginning is taken out");
        for place in [begin, end] {
            let (before, after) = (self.moments[place].before, self.moments[place].after);
            self.moments[before].after = after;
            self.moments[after].before = before;
        }
    }

    fn put_back(&mut self, begin: usize) {
        let end = self.moments[begin].end.expect("only a beginning is put back");
        for place in [end, begin] {
            let (before, after) = (self.moments[place].before, self.moments[place].after);
            self.moments[before].after = place;
            self.moments[after].before = place;
        }
    }
}

impl Placed {
    /// With the operation, if it was not placed, and without it, if it was.
    fn toggled(self, operation: usize) -> Placed {
        let high = u128::from(scattered(2 * operation as u64));
        let low = u128::from(scattered(2 * operation as u64 + 1));
        Placed(self.0 ^ (high << 64 | low))
    }
}

/// A number that looks like chance, another for each `number` (the finalizer of SplitMix64; Steele, Lea and Flood, 2014).
fn scattered(number: u64) -> u64 {
    let mut z = number.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::checkers::scripted::{ACKNOWLEDGED, count, history, read, unknown};

    #[test]
    fn answers_that_some_order_explains_are_linearizable() {
        let concurrent = history(&[
            (0, 100, Action::Write, ACKNOWLEDGED),
            (10, 90, Action::Write, ACKNOWLEDGED),
            (20, 30, Action::Read, read(0)),
            (40, 50, Action::Read, read(2)),
            (60, 110, Action::Read, read(1)),
        ]);
        assert_eq!(linearizable(&concurrent), Verdict::Linearizable);
        let late = history(&[
            (0, 10, Action::Write, unknown()),
            (20, 30, Action::Write, ACKNOWLEDGED),
            (40, 50, Action::Read, read(2)),
            (60, 70, Action::Read, read(1)),
        ]);
        assert_eq!(linearizable(&late), Verdict::Linearizable, "a write without an answer may happen late");
        let counter = history(&[
            (0, 50, Action::Increment, count(2)),
            (10, 60, Action::Increment, count(1)),
            (5, 70, Action::Increment, unknown()),
            (80, 90, Action::Read, count(3)),
        ]);
        assert_eq!(linearizable(&counter), Verdict::Linearizable);
    }

    #[test]
    fn a_stale_read_a_lost_write_and_a_double_increment_are_caught() {
        let stale = history(&[
            (0, 10, Action::Write, ACKNOWLEDGED),
            (20, 30, Action::Write, ACKNOWLEDGED),
            (40, 50, Action::Read, read(1)),
        ]);
        assert_eq!(linearizable(&stale), Verdict::Violated { stuck: OpId(3) });
        let lost = history(&[(0, 10, Action::Write, ACKNOWLEDGED), (20, 30, Action::Read, read(0))]);
        assert_eq!(linearizable(&lost), Verdict::Violated { stuck: OpId(2) });
        let backwards = history(&[
            (0, 100, Action::Write, unknown()),
            (10, 20, Action::Read, read(1)),
            (30, 40, Action::Read, read(0)),
        ]);
        assert_eq!(linearizable(&backwards), Verdict::Violated { stuck: OpId(3) });
        let twice = history(&[(0, 10, Action::Increment, count(1)), (20, 30, Action::Read, count(2))]);
        assert_eq!(linearizable(&twice), Verdict::Violated { stuck: OpId(2) });
    }

    #[test]
    fn keys_are_judged_apart_and_long_histories_in_passing() {
        let mut script = Vec::new();
        for round in 0..5_000u64 {
            script.push((round * 10, round * 10 + 15, Action::Write, ACKNOWLEDGED));
            script.push((round * 10 + 16, round * 10 + 19, Action::Read, read(round * 2 + 1)));
        }
        let mut long = history(&script);
        assert!(linearizable_keys(&long).into_values().all(|verdict| verdict == Verdict::Linearizable));
        long[9_001].outcome = read(3);
        let verdicts = linearizable_keys(&long);
        assert_eq!(verdicts["key"], Verdict::Violated { stuck: OpId(9_002) });
    }

    /// Tries every order; only for a handful of operations.
    fn by_trying_all(operations: &[Operation], held: Held) -> bool {
        let sure = |operation: &&Operation| operation.is_acknowledged();
        if !operations.iter().any(|operation| sure(&operation)) {
            return true;
        }
        let first_end = operations.iter().filter(sure).filter_map(|operation| operation.completed).min();
        (0..operations.len()).any(|place| {
            let mut rest = operations.to_vec();
            let operation = rest.remove(place);
            Some(operation.invoked) <= first_end
                && step(held, &operation).is_some_and(|next| by_trying_all(&rest, next))
        })
    }

    #[test]
    fn many_increments_without_an_answer_do_not_drown_the_search() {
        let mut script: Vec<_> = (0..200).map(|n| (n, 1_000_000, Action::Increment, unknown())).collect();
        script
            .extend((0..400u64).map(|n| (1_000 + n, 1_010 + n, Action::Increment, count(2 * n as i64 + 1))));
        assert_eq!(linearizable(&history(&script[..400])), Verdict::Linearizable);
        assert!(
            matches!(linearizable(&history(&script)), Verdict::Violated { .. }),
            "200 cannot fill 399 gaps"
        );
    }

    proptest! {
        #[test]
        fn the_search_agrees_with_trying_all_orders(
            script in proptest::collection::vec((0u64..20, 1u64..12, 0u8..4, 0u64..5), 1..7)
        ) {
            let script: Vec<_> = script
                .into_iter()
                .map(|(from, len, action, value)| match action {
                    0 => (from, from + len, Action::Write, ACKNOWLEDGED),
                    1 => (from, from + len, Action::Write, unknown()),
                    _ => (from, from + len, Action::Read, read(value)),
                })
                .collect();
            let history = history(&script);
            let expected = by_trying_all(&history, Held::Register(None));
            prop_assert_eq!(linearizable(&history) == Verdict::Linearizable, expected, "{:?}", history);
        }

        #[test]
        fn the_search_agrees_for_counters_too(
            script in proptest::collection::vec((0u64..20, 1u64..12, 0u8..4, 0i64..5), 1..7)
        ) {
            let script: Vec<_> = script
                .into_iter()
                .map(|(from, len, action, value)| match action {
                    0 => (from, from + len, Action::Read, count(value)),
                    1 => (from, from + len, Action::Increment, unknown()),
                    _ => (from, from + len, Action::Increment, count(value)),
                })
                .collect();
            let history = history(&script);
            let expected = by_trying_all(&history, Held::Counter(0));
            prop_assert_eq!(linearizable(&history) == Verdict::Linearizable, expected, "{:?}", history);
        }
    }
}
