//! Histories for the checkers' own tests, written as `(from, to, action, outcome)`.

use squall_clock::Mono;

use crate::history::{Action, Answer, History, Operation, Outcome};

pub(crate) const ACKNOWLEDGED: Outcome = Outcome::Done(Answer::Acknowledged);

pub(crate) fn read(value: u64) -> Outcome {
    Outcome::Done(Answer::Value((value != 0).then_some(value)))
}

pub(crate) fn count(value: i64) -> Outcome {
    Outcome::Done(Answer::Count(value))
}

pub(crate) fn taken(value: u64) -> Outcome {
    Outcome::Done(Answer::Taken((value != 0).then_some(value)))
}

pub(crate) fn unknown() -> Outcome {
    Outcome::Unknown("timeout".to_owned())
}

/// Operations on one key; they are numbered from 1 in the order in which they are given.
pub(crate) fn history(script: &[(u64, u64, Action, Outcome)]) -> Vec<Operation> {
    let history = History::default();
    let ids: Vec<_> = script
        .iter()
        .map(|(from, _, action, _)| history.invoke("c", "a", "key", *action, Mono(*from)))
        .collect();
    for (id, (_, to, _, outcome)) in ids.into_iter().zip(script) {
        history.complete(id, outcome.clone(), Mono(*to));
    }
    history.operations()
}
