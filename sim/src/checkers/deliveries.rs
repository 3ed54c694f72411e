//! What queues and consumer groups owe to those who put something in and to those who take it out.
//!
//! *At most once* is the promise of a pop: no element is given out twice. *At least once* is that of a claim: an element
//! whose put was acknowledged has been given to somebody, or it waits. What a pop takes out is nowhere else, so each pop
//! whose answer nobody heard may have taken one element with it; a claim has no such excuse.

use std::collections::{BTreeMap, BTreeSet};

use crate::history::{Action, Answer, OpId, Operation, Outcome, Survivors};

#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Deliveries {
    /// Elements that somebody was given.
    pub delivered: u64,
    /// Popped more often than they were put.
    pub repeated: Vec<OpId>,
    /// Claimed again after the first time; a consumer that was too slow is why.
    pub claimed_again: u64,
    /// Put and acknowledged, and then neither given to anybody nor waiting.
    pub missing: Vec<OpId>,
    /// Given out although their put was refused, or although nobody put them.
    pub risen: Vec<OpId>,
}

pub fn deliveries(history: &[Operation], survivors: &Survivors) -> Deliveries {
    let mut report = Deliveries::default();
    let given = given_out(history, &mut report);
    let mut excuses = unheard_pops(history);
    for put in history.iter().filter(|operation| is_put(operation)) {
        let times = given.get(&put.id.0).copied().unwrap_or(0);
        // Ledgers, lists and sets are appended to as well; nobody takes anything from them.
        let Some(waiting) = survivors.waiting.get(&put.key) else { continue };
        let waiting = waiting.contains(&put.id.0);
        if matches!(put.outcome, Outcome::Refused(_)) && (times > 0 || waiting) {
            report.risen.push(put.id);
        }
        // What a stream no longer holds is a lost write; nobody can be given it any more.
        let held = survivors.ledgers.get(&put.key).is_some_and(|entries| entries.contains(&put.id.0));
        let owed = put.is_acknowledged() && (put.action == Action::Put || held);
        if owed && times == 0 && !waiting {
            match excuses.get_mut(put.key.as_str()).filter(|left| **left > 0) {
                Some(left) => *left -= 1,
                None => report.missing.push(put.id),
            }
        }
    }
    report
}

/// How often each element was given out; notes those that were popped too often, or that nobody can have put.
fn given_out(history: &[Operation], report: &mut Deliveries) -> BTreeMap<u64, u64> {
    let mut given: BTreeMap<u64, u64> = BTreeMap::new();
    let mut repeated = BTreeSet::new();
    for operation in history {
        let Outcome::Done(Answer::Taken(Some(number))) = operation.outcome else { continue };
        let put = usize::try_from(number).ok().and_then(|number| history.get(number.checked_sub(1)?));
        let Some(put) = put.filter(|put| is_put(put) && put.key == operation.key) else {
            report.risen.push(OpId(number));
            continue;
        };
        let times = given.entry(number).or_default();
        *times += 1;
        match operation.action {
            Action::Pop if *times > u64::from(put.sends) => {
                repeated.insert(put.id);
            }
            Action::Claim if *times > u64::from(put.sends) => report.claimed_again += 1,
            _ => {}
        }
    }
    report.delivered = given.len() as u64;
    report.repeated = repeated.into_iter().collect();
    given
}

/// By queue, the pops that may have taken something that nobody was given.
fn unheard_pops(history: &[Operation]) -> BTreeMap<&str, u64> {
    let mut unheard: BTreeMap<&str, u64> = BTreeMap::new();
    for operation in history.iter().filter(|operation| operation.action == Action::Pop) {
        // An answer that came after others had been awaited in vain stands for the last time that it was sent.
        let lost = match operation.outcome {
            Outcome::Unknown(_) | Outcome::Pending => operation.sends,
            Outcome::Done(_) | Outcome::Refused(_) => operation.sends - 1,
        };
        *unheard.entry(&operation.key).or_default() += u64::from(lost);
    }
    unheard
}

/// Streams keep what is appended, so an append to one is a put as well.
fn is_put(operation: &Operation) -> bool {
    matches!(operation.action, Action::Put | Action::Append)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checkers::scripted::{ACKNOWLEDGED, history, taken, unknown};

    fn at_rest(waiting: &[u64]) -> Survivors {
        Survivors { waiting: BTreeMap::from([("key".to_owned(), waiting.to_vec())]), ..Default::default() }
    }

    #[test]
    fn what_is_popped_twice_or_out_of_nowhere_is_found() {
        let healthy = [
            (0, 10, Action::Put, ACKNOWLEDGED),
            (20, 30, Action::Pop, taken(1)),
            (40, 50, Action::Pop, taken(0)),
        ];
        let clean = deliveries(&history(&healthy), &at_rest(&[]));
        assert_eq!(clean, Deliveries { delivered: 1, ..Default::default() });
        let mut broken = healthy.to_vec();
        broken.push((60, 70, Action::Pop, taken(1)));
        broken.push((80, 90, Action::Pop, taken(77)));
        let found = deliveries(&history(&broken), &at_rest(&[]));
        assert_eq!((found.repeated, found.risen), (vec![OpId(1)], vec![OpId(77)]));
    }

    #[test]
    fn what_was_put_and_is_nowhere_is_missing_unless_a_pop_may_have_taken_it_along() {
        let puts = [(0, 10, Action::Put, ACKNOWLEDGED), (11, 15, Action::Put, ACKNOWLEDGED)];
        let with = |more: (u64, u64, Action, Outcome)| {
            let mut operations = puts.to_vec();
            operations.push(more);
            history(&operations)
        };
        assert_eq!(deliveries(&history(&puts), &at_rest(&[1, 2])).missing, []);
        assert_eq!(deliveries(&history(&puts), &at_rest(&[1])).missing, [OpId(2)]);
        assert_eq!(deliveries(&with((20, 30, Action::Pop, unknown())), &at_rest(&[1])).missing, []);
        assert_eq!(deliveries(&with((20, 30, Action::Pop, unknown())), &at_rest(&[])).missing, [OpId(2)]);
        // A claim is kept by the queue until it is confirmed: nothing is taken along.
        assert_eq!(deliveries(&with((20, 30, Action::Claim, unknown())), &at_rest(&[1])).missing, [OpId(2)]);
    }

    #[test]
    fn an_entry_that_a_group_has_skipped_is_missing_and_one_that_a_stream_has_lost_is_not() {
        let appends = [(0, 10, Action::Append, ACKNOWLEDGED), (20, 30, Action::Append, ACKNOWLEDGED)];
        let left = |held: &[u64], waiting: &[u64]| Survivors {
            ledgers: BTreeMap::from([("key".to_owned(), held.to_vec())]),
            ..at_rest(waiting)
        };
        assert_eq!(deliveries(&history(&appends), &left(&[1, 2], &[1, 2])).missing, []);
        assert_eq!(deliveries(&history(&appends), &left(&[1, 2], &[2])).missing, [OpId(1)]);
        assert_eq!(deliveries(&history(&appends), &left(&[2], &[2])).missing, []);
    }

    #[test]
    fn a_claim_may_be_repeated_and_a_refused_put_may_not_be_seen() {
        let refused = Outcome::Refused("READONLY".to_owned());
        let operations = [
            (0, 10, Action::Put, ACKNOWLEDGED),
            (20, 30, Action::Claim, taken(1)),
            (40, 50, Action::Claim, taken(1)),
            (60, 70, Action::Put, refused),
        ];
        let found = deliveries(&history(&operations), &at_rest(&[4]));
        assert_eq!((found.repeated.len(), found.claimed_again), (0, 1));
        assert_eq!(found.risen, [OpId(4)]);
    }
}
