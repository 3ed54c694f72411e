//! What is left when all have come to rest: what clients wrote, as the primary holds it, and every node's digest
//! with the point of history that it stands for, read together.

use std::collections::{BTreeMap, BTreeSet};

use squall_net::Host;
use squall_resp::Value;
use squall_sim::checkers::NodeSample;
use squall_sim::{Action, Client, GROUP, Operation, Survivors, ledger_entries, taken_by, twin_of};

use crate::agent::{NodeState, text_of};

/// Reads every key that the history has changed.
pub(crate) async fn read_survivors(
    client: &mut Client<impl Host>,
    history: &[Operation],
) -> Option<Survivors> {
    let keys_of = |action: Action| -> BTreeSet<&str> {
        let touched = history.iter().filter(|operation| operation.action == action);
        touched.map(|operation| operation.key.as_str()).collect()
    };
    let mut survivors = Survivors::default();
    for key in keys_of(Action::Append) {
        let entries = match key.split_once(':') {
            Some(("list", _)) => elements(client, &[b"LRANGE", key.as_bytes(), b"0", b"-1"]).await?,
            Some(("set", _)) => elements(client, &[b"SMEMBERS", key.as_bytes()]).await?,
            Some(("stream", _)) => {
                let stream = Stream::read(client, key).await?;
                survivors.waiting.insert(key.to_owned(), stream.waiting());
                stream.entries.into_values().collect()
            }
            _ => ledger(client, key).await?,
        };
        survivors.ledgers.insert(key.to_owned(), entries);
    }
    for key in keys_of(Action::Increment) {
        let held = count_at(client, key).await?;
        let has_twin = key.starts_with("pair:") || key.starts_with("script:");
        if has_twin && count_at(client, &twin_of(key)).await? != held {
            survivors.torn.push(key.to_owned());
        }
        survivors.counters.insert(key.to_owned(), held);
    }
    for key in keys_of(Action::Put) {
        let mut waiting = elements(client, &[b"LRANGE", key.as_bytes(), b"0", b"-1"]).await?;
        for taker in takers(history, key) {
            let own = taken_by(key, taker);
            waiting.extend(elements(client, &[b"LRANGE", own.as_bytes(), b"0", b"-1"]).await?);
        }
        survivors.waiting.insert(key.to_owned(), waiting);
    }
    Some(survivors)
}

/// Who has a list of their own for what they claimed from a queue.
fn takers<'a>(history: &'a [Operation], key: &str) -> BTreeSet<&'a str> {
    let claims = history.iter().filter(|operation| operation.action == Action::Claim && operation.key == key);
    claims.map(|operation| operation.client.as_str()).collect()
}

/// A stream and how far its group has got.
struct Stream {
    entries: BTreeMap<EntryId, u64>,
    /// The last entry that the group gave out; nothing where there is no group.
    given_until: Option<EntryId>,
    pending: BTreeSet<EntryId>,
}

type EntryId = (u64, u64);

impl Stream {
    async fn read(client: &mut Client<impl Host>, key: &str) -> Option<Stream> {
        let key = key.as_bytes();
        let mut entries = BTreeMap::new();
        for entry in array(client.call(&[b"XRANGE", key, b"-", b"+"]).await.ok()?) {
            let [id, fields] = <[Value; 2]>::try_from(array(entry)).ok()?;
            let number =
                array(fields).into_iter().nth(1).and_then(|value| entry_numbers(value).first().copied());
            entries.insert(entry_id(id)?, number.unwrap_or(0));
        }
        let group = array(client.call(&[b"XINFO", b"GROUPS", key]).await.ok()?).into_iter().next();
        let words = group.map(array).unwrap_or_default();
        let place = words.iter().position(|word| *word == Value::Bulk("last-delivered-id".into()));
        let given_until = place.and_then(|place| entry_id(words.get(place + 1)?.clone()));
        let mut pending = BTreeSet::new();
        if given_until.is_some() {
            let request: &[&[u8]] = &[b"XPENDING", key, GROUP.as_bytes(), b"-", b"+", b"1000000"];
            for entry in array(client.call(request).await.ok()?) {
                pending.insert(entry_id(array(entry).into_iter().next()?)?);
            }
        }
        Some(Stream { entries, given_until, pending })
    }

    /// What the group has not given out, or has and waits to be told that it was dealt with.
    fn waiting(&self) -> Vec<u64> {
        let waits =
            |id: &EntryId| self.given_until.is_none_or(|until| *id > until) || self.pending.contains(id);
        self.entries.iter().filter(|(id, _)| waits(id)).map(|(_, number)| *number).collect()
    }
}

fn entry_id(value: Value) -> Option<EntryId> {
    let text = text_of(value)?;
    let (millis, serial) = text.split_once('-')?;
    Some((millis.parse().ok()?, serial.parse().ok()?))
}

fn array(value: Value) -> Vec<Value> {
    match value {
        Value::Array(values) => values,
        _ => Vec::new(),
    }
}

async fn ledger(client: &mut Client<impl Host>, key: &str) -> Option<Vec<u64>> {
    match client.call(&[b"GET", key.as_bytes()]).await.ok()? {
        Value::Bulk(text) => Some(ledger_entries(&text)),
        _ => Some(Vec::new()),
    }
}

async fn elements(client: &mut Client<impl Host>, request: &[&[u8]]) -> Option<Vec<u64>> {
    Some(array(client.call(request).await.ok()?).into_iter().flat_map(entry_numbers).collect())
}

async fn count_at(client: &mut Client<impl Host>, key: &str) -> Option<i64> {
    match client.call(&[b"GET", key.as_bytes()]).await.ok()? {
        Value::Bulk(text) => std::str::from_utf8(&text).ok()?.parse().ok(),
        _ => Some(0),
    }
}

/// The numbers in an element.
fn entry_numbers(element: Value) -> Vec<u64> {
    match element {
        Value::Bulk(text) => ledger_entries(&text),
        _ => vec![0],
    }
}

/// A node's digest and the point of history that it belongs to.
pub(crate) async fn sample(name: &str, client: &mut Client<impl Host>) -> Option<NodeSample> {
    let requests: [&[&[u8]]; 4] =
        [&[b"MULTI"], &[b"INFO", b"replication"], &[b"DEBUG", b"DIGEST"], &[b"EXEC"]];
    let replies = client.pipeline(&requests).await.ok()?;
    let Some(Value::Array(answers)) = replies.into_iter().next_back() else { return None };
    let [info, digest] = <[Value; 2]>::try_from(answers).ok()?;
    let state = NodeState::of_info(&text_of(info)?);
    Some(NodeSample {
        node: name.to_owned(),
        replid: state.replid,
        offset: state.offset,
        digest: text_of(digest)?,
    })
}
