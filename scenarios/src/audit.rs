//! What is left when all have come to rest: what clients wrote, as the primary holds it, and every node's digest
//! with the point of history that it stands for, read together.

use std::collections::{BTreeMap, BTreeSet};

use squall_net::Host;
use squall_resp::Value;
use squall_sim::checkers::{NodeSample, View};
use squall_sim::{
    Action, Caller, Client, ClusterClient, GROUP, Operation, Resident, Survivors, Theatre, ledger_entries,
    slot_of, taken_by, twin_of,
};

use crate::agent::{NodeState, text_of};
use crate::operator::PATIENCE;

/// Who asks the primaries for what is left.
pub(crate) fn reader<H: Resident>(host: &H, primaries: &[String], clustered: bool) -> Caller<H> {
    let nodes = primaries.iter().map(|name| host.world().address_of(name)).collect();
    match clustered {
        true => Caller::Cluster(ClusterClient::to(host, nodes, PATIENCE)),
        false => Caller::List(Client::to(host, nodes, PATIENCE)),
    }
}

/// Reads every key that the history has changed, or says what could not be read and why.
pub(crate) async fn read_survivors<H: Resident>(
    client: &mut Caller<H>,
    history: &[Operation],
) -> Result<Survivors, String> {
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
    Ok(survivors)
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
    async fn read<H: Resident>(client: &mut Caller<H>, key: &str) -> Result<Stream, String> {
        let misshapen = || format!("{key} has an entry of another shape");
        let key = key.as_bytes();
        let mut entries = BTreeMap::new();
        for entry in array(answer(client, key, &[b"XRANGE", key, b"-", b"+"]).await?) {
            let [id, fields] = <[Value; 2]>::try_from(array(entry)).map_err(|_| misshapen())?;
            let number =
                array(fields).into_iter().nth(1).and_then(|value| entry_numbers(value).first().copied());
            entries.insert(entry_id(id).ok_or_else(misshapen)?, number.unwrap_or(0));
        }
        let mut stream = Stream { entries, given_until: None, pending: BTreeSet::new() };
        // Of a key that does not exist, groups cannot be asked for.
        if stream.entries.is_empty() {
            return Ok(stream);
        }
        let group = array(answer(client, key, &[b"XINFO", b"GROUPS", key]).await?).into_iter().next();
        let words = group.map(array).unwrap_or_default();
        let place = words.iter().position(|word| *word == Value::Bulk("last-delivered-id".into()));
        stream.given_until = place.and_then(|place| entry_id(words.get(place + 1)?.clone()));
        if stream.given_until.is_some() {
            let request: &[&[u8]] = &[b"XPENDING", key, GROUP.as_bytes(), b"-", b"+", b"1000000"];
            for entry in array(answer(client, key, request).await?) {
                let id = array(entry).into_iter().next().and_then(entry_id);
                stream.pending.insert(id.ok_or_else(misshapen)?);
            }
        }
        Ok(stream)
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

/// What the node that is concerned answers; a refusal is an error.
async fn answer<H: Resident>(client: &mut Caller<H>, key: &[u8], request: &[&[u8]]) -> Result<Value, String> {
    let refused = |reason: String| {
        format!("{} of {} is answered with: {reason}", request[0].escape_ascii(), key.escape_ascii())
    };
    let answers = client.pipeline(key, &[request], false).await;
    match answers.map_err(|error| refused(error.to_string()))?.pop() {
        Some(Value::Error(error)) => Err(refused(error)),
        Some(reply) => Ok(reply),
        None => Err(refused("nothing".to_owned())),
    }
}

async fn ledger<H: Resident>(client: &mut Caller<H>, key: &str) -> Result<Vec<u64>, String> {
    match answer(client, key.as_bytes(), &[b"GET", key.as_bytes()]).await? {
        Value::Bulk(text) => Ok(ledger_entries(&text)),
        _ => Ok(Vec::new()),
    }
}

async fn elements<H: Resident>(client: &mut Caller<H>, request: &[&[u8]]) -> Result<Vec<u64>, String> {
    Ok(array(answer(client, request[1], request).await?).into_iter().flat_map(entry_numbers).collect())
}

async fn count_at<H: Resident>(client: &mut Caller<H>, key: &str) -> Result<i64, String> {
    match answer(client, key.as_bytes(), &[b"GET", key.as_bytes()]).await? {
        Value::Bulk(text) => {
            let count = std::str::from_utf8(&text).ok().and_then(|text| text.parse().ok());
            count.ok_or_else(|| format!("{key} holds {}, which is no count", text.escape_ascii()))
        }
        _ => Ok(0),
    }
}

/// The numbers in an element.
fn entry_numbers(element: Value) -> Vec<u64> {
    match element {
        Value::Bulk(text) => ledger_entries(&text),
        _ => vec![0],
    }
}

/// How many keys of a primary lie in slots that it does not own.
pub(crate) async fn stray_keys(client: &mut Client<impl Host>, view: &View) -> Option<u64> {
    let Value::Array(keys) = client.call(&[b"KEYS", b"*"]).await.ok()? else { return None };
    let is_stray = |key: &&Value| match key {
        Value::Bulk(key) => view.owner(slot_of(key)) != Some(&view.myself),
        _ => false,
    };
    Some(keys.iter().filter(is_stray).count() as u64)
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
