//! What is left when all have come to rest: the ledgers and counters at the primary, and every node's digest
//! with the point of history that it stands for, read together.

use std::collections::BTreeSet;

use squall_net::Host;
use squall_resp::Value;
use squall_sim::checkers::NodeSample;
use squall_sim::{Action, Client, Operation, Survivors, ledger_entries, twin_of};

use crate::agent::{NodeState, text_of};

/// Reads every key that a ledger or counter of the history has.
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
        let request: &[&[u8]] = match key.split_once(':') {
            Some(("list", _)) => &[b"LRANGE", key.as_bytes(), b"0", b"-1"],
            Some(("set", _)) => &[b"SMEMBERS", key.as_bytes()],
            _ => &[b"GET", key.as_bytes()],
        };
        let entries = match client.call(request).await.ok()? {
            Value::Bulk(text) => ledger_entries(&text),
            Value::Array(entries) => entries.into_iter().flat_map(entry).collect(),
            _ => Vec::new(),
        };
        survivors.ledgers.insert(key.to_owned(), entries);
    }
    for key in keys_of(Action::Increment) {
        let held = count_at(client, key).await?;
        if key.starts_with("pair:") && count_at(client, &twin_of(key)).await? != held {
            survivors.torn.push(key.to_owned());
        }
        survivors.counters.insert(key.to_owned(), held);
    }
    Some(survivors)
}

async fn count_at(client: &mut Client<impl Host>, key: &str) -> Option<i64> {
    match client.call(&[b"GET", key.as_bytes()]).await.ok()? {
        Value::Bulk(text) => std::str::from_utf8(&text).ok()?.parse().ok(),
        _ => Some(0),
    }
}

/// The numbers in an element of a list or a set.
fn entry(element: Value) -> Vec<u64> {
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
