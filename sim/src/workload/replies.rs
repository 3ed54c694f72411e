//! What a reply says about the operation that it answers.

use squall_resp::Value;

use super::Kind;
use super::values::number;
use crate::history::{Action, Answer, Outcome};

/// What a claim was given: the words by which it is confirmed, and what was put there.
pub(super) struct Given {
    /// The id of a stream's entry; a job itself.
    pub receipt: Vec<u8>,
    pub value: Vec<u8>,
}

pub(super) fn understand(kind: Kind, action: Action, reply: &Value) -> Outcome {
    match (kind, action, reply) {
        (_, Action::Write | Action::Acquire, Value::Simple(ok)) if ok == "OK" => {
            Outcome::Done(Answer::Acknowledged)
        }
        (_, Action::Acquire, Value::Null) => Outcome::Refused("the lock is taken".to_owned()),
        (Kind::Pairs | Kind::Scripts, Action::Increment | Action::Read, Value::Array(both)) => {
            both_counts(both)
        }
        (
            _,
            Action::Append | Action::Put | Action::Release | Action::Publish | Action::Confirm,
            Value::Integer(_),
        )
        | (Kind::Streams, Action::Append, Value::Bulk(_)) => Outcome::Done(Answer::Acknowledged),
        (_, Action::Pop | Action::Claim, reply) => match given(kind, action, reply) {
            Ok(given) => Outcome::Done(Answer::Taken(given.map(|given| number(&given.value).unwrap_or(0)))),
            Err(odd) => Outcome::Unknown(odd),
        },
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

/// What a pop or a claim was given, if anything.
pub(super) fn given(kind: Kind, action: Action, reply: &Value) -> Result<Option<Given>, String> {
    let odd = || format!("an odd reply: {reply:?}");
    match (kind, action, reply) {
        (_, _, Value::Null) => Ok(None),
        (Kind::Streams, _, Value::Array(parts)) => match &parts[..] {
            // XAUTOCLAIM: where to go on, the entries, those that are gone.
            [Value::Bulk(_), Value::Array(entries), Value::Array(_)] => first_entry(entries).ok_or_else(odd),
            // XREADGROUP: each stream with its entries.
            [Value::Array(stream)] => match &stream[..] {
                [_, Value::Array(entries)] => first_entry(entries).ok_or_else(odd),
                _ => Err(odd()),
            },
            _ => Err(odd()),
        },
        // BLPOP: the key and the element.
        (_, Action::Pop, Value::Array(parts)) => match &parts[..] {
            [_, Value::Bulk(element)] => Ok(Some(Given::element(element))),
            _ => Err(odd()),
        },
        (_, Action::Claim, Value::Bulk(element)) => Ok(Some(Given::element(element))),
        _ => Err(odd()),
    }
}

impl Given {
    fn element(element: &[u8]) -> Given {
        Given { receipt: element.to_vec(), value: element.to_vec() }
    }
}

/// The id of a stream's first entry and the value of its only field; nothing where there is no entry. An odd entry
/// is no answer at all.
fn first_entry(entries: &[Value]) -> Option<Option<Given>> {
    let Some(entry) = entries.first() else { return Some(None) };
    let Value::Array(parts) = entry else { return None };
    let [Value::Bulk(id), Value::Array(fields)] = &parts[..] else { return None };
    let [_, Value::Bulk(value)] = &fields[..] else { return None };
    Some(Some(Given { receipt: id.to_vec(), value: value.to_vec() }))
}

/// What a transaction or a script over a pair told: one count, where both of its halves agree.
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
