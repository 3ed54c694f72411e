//! What a reply says about the operation that it answers.

use squall_resp::Value;

use super::Kind;
use super::values::number;
use crate::history::{Action, Answer, Outcome};

pub(super) fn understand(kind: Kind, action: Action, reply: Value) -> Outcome {
    match (kind, action, &reply) {
        (_, Action::Write | Action::Acquire, Value::Simple(ok)) if ok == "OK" => {
            Outcome::Done(Answer::Acknowledged)
        }
        (_, Action::Acquire, Value::Null) => Outcome::Refused("the lock is taken".to_owned()),
        (Kind::Pairs, Action::Increment | Action::Read, Value::Array(both)) => both_counts(both),
        (_, Action::Append | Action::Release, Value::Integer(_)) => Outcome::Done(Answer::Acknowledged),
        (_, Action::Increment, Value::Integer(count)) => Outcome::Done(Answer::Count(*count)),
        (Kind::Counters, Action::Read, Value::Null) => Outcome::Done(Answer::Count(0)),
        (Kind::Counters, Action::Read, Value::Bulk(text)) => match number(text) {
            Some(count) => Outcome::Done(Answer::Count(count as i64)),
            None => Outcome::Unknown(format!("an odd count: {text:?}")),
        },
        (_, Action::Read, Value::Null) => Outcome::Done(Answer::Value(None)),
        (_, Action::Read, Value::Bulk(text)) => Outcome::Done(Answer::Value(number(text))),
        _ => Outcome::Unknown(format!("an odd reply: {reply:?}")),
    }
}

/// What a transaction over a pair told: one count, where both of its halves agree.
fn both_counts(both: &[Value]) -> Outcome {
    let count = |value: &Value| match value {
        Value::Integer(count) => Some(*count),
        Value::Null => Some(0),
        Value::Bulk(text) => number(text).map(|count| count as i64),
        _ => None,
    };
    match both {
        [Value::Error(reason), _] | [_, Value::Error(reason)] => Outcome::Unknown(reason.clone()),
        [one, other] => match (count(one), count(other)) {
            (Some(one), Some(other)) if one == other => Outcome::Done(Answer::Count(one)),
            (Some(one), Some(other)) => Outcome::Done(Answer::Torn(one, other)),
            _ => Outcome::Unknown(format!("odd counts: {both:?}")),
        },
        _ => Outcome::Unknown(format!("an odd transaction: {both:?}")),
    }
}
