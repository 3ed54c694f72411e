//! What both datasets hold in the end: digest for digest, key by key, and whether each restores what the other
//! dumps.

use std::io;

use squall_resp::Value;

use crate::connection::{Connection, Words, value, words_of};
use crate::effects::PROBE;
use crate::play::Difference;
use crate::server::Identity;
use crate::show;
use crate::verdict::alike;

/// What is asked about each key.
const QUESTIONS: &[&str] = &["TYPE", "OBJECT ENCODING", "PEXPIRETIME", "XINFO GROUPS"];

/// What shows all that a key of a type holds.
const CONTENTS: &[(&str, &str)] = &[
    ("string", "GET key"),
    ("list", "LRANGE key 0 -1"),
    ("set", "SMEMBERS key"),
    ("zset", "ZRANGE key 0 -1 WITHSCORES"),
    ("hash", "HGETALL key"),
    ("stream", "XRANGE key - +"),
];

pub fn difference(
    reference: &Identity,
    theirs: &mut Connection,
    ours: &mut Connection,
) -> io::Result<Option<Difference>> {
    let keyspaces = [keyspace(theirs)?, keyspace(ours)?];
    if keyspaces[0] != keyspaces[1] {
        let [theirs, ours] = keyspaces.map(|keys| format!("{keys:?}"));
        return Ok(Some(Difference::of("the keys in the end", theirs, ours)));
    }
    let [keys, _] = keyspaces;
    let mut has_scores = false;
    for (db, key) in &keys {
        for connection in [&mut *theirs, &mut *ours] {
            connection.ask_line(&format!("SELECT {db}"))?;
        }
        has_scores |= theirs.ask(&[b"TYPE".to_vec(), key.clone()])? == b"+zset\r\n";
        if let Some(found) = of_key(reference, key, theirs, ours)? {
            return Ok(Some(found));
        }
    }
    for connection in [&mut *theirs, &mut *ours] {
        connection.ask_line("SELECT 0")?;
    }
    // As below: the sign of a zero.
    if !digests_agree(reference) || has_scores {
        return Ok(None);
    }
    let digests = [theirs.ask_line("DEBUG DIGEST")?, ours.ask_line("DEBUG DIGEST")?];
    if digests[0] != digests[1] {
        let [theirs, ours] = digests.map(|digest| format!("{digest:?}"));
        return Ok(Some(Difference::of("DEBUG DIGEST in the end", theirs, ours)));
    }
    Ok(None)
}

fn of_key(
    reference: &Identity,
    key: &[u8],
    theirs: &mut Connection,
    ours: &mut Connection,
) -> io::Result<Option<Difference>> {
    for question in QUESTIONS {
        let mut words = words_of(question);
        words.push(key.to_vec());
        let (one, other) = both(theirs, ours, &words)?;
        if !alike(reference, &words, &one, &other) {
            let about = format!("{} in the end", show::request(&words));
            return Ok(Some(Difference::of(&about, show::reply(&one), show::reply(&other))));
        }
    }
    if let Some((words, one, other)) = contents_apart(reference, key, theirs, ours)? {
        let about = format!("{} in the end", show::request(&words));
        return Ok(Some(Difference::of(&about, show::reply(&one), show::reply(&other))));
    }
    let dump = vec![b"DUMP".to_vec(), key.to_vec()];
    let (one, other) = both(theirs, ours, &dump)?;
    if one == other || exchange(reference, &one, &other, theirs, ours)? {
        return Ok(None);
    }
    let about = format!("{} in the end, restored by the other", show::request(&dump));
    Ok(Some(Difference::of(&about, show::reply(&one), show::reply(&other))))
}

/// Whether each restores what the other has dumped. The bytes may differ: there are many ways to compress.
pub fn exchange(
    identity: &Identity,
    theirs: &[u8],
    ours: &[u8],
    reference: &mut Connection,
    squall: &mut Connection,
) -> io::Result<bool> {
    let (Value::Bulk(theirs), Value::Bulk(ours)) = (value(theirs), value(ours)) else {
        return Ok(theirs == ours);
    };
    let restore = |payload: &[u8]| -> Words {
        let [command, probe, zero, replace] =
            ["RESTORE", PROBE, "0", "REPLACE"].map(|word| word.as_bytes().to_vec());
        vec![command, probe, zero, payload.to_vec(), replace]
    };
    let taken = [reference.ask(&restore(&ours))?, squall.ask(&restore(&theirs))?];
    let apart = contents_apart(identity, PROBE.as_bytes(), reference, squall)?;
    both(reference, squall, &[b"DEL".to_vec(), PROBE.as_bytes().to_vec()])?;
    Ok(apart.is_none() && taken.iter().all(|reply| reply == b"+OK\r\n"))
}

/// A question, and the two answers to it.
type Apart = (Words, Vec<u8>, Vec<u8>);

/// A question about a key's content that the two answer differently, and how.
fn contents_apart(
    identity: &Identity,
    key: &[u8],
    theirs: &mut Connection,
    ours: &mut Connection,
) -> io::Result<Option<Apart>> {
    let kind = theirs.ask(&[b"TYPE".to_vec(), key.to_vec()])?;
    let named = CONTENTS.iter().find(|(name, _)| kind == format!("+{name}\r\n").as_bytes());
    let mut questions: Vec<Words> = named.iter().map(|(_, question)| words_of(question)).collect();
    // README's table of differences: the sign of a zero is kept, or not, as a set is packed.
    if digests_agree(identity) && kind != b"+zset\r\n" {
        questions.push(words_of("DEBUG DIGEST-VALUE key"));
    }
    for mut words in questions {
        let at = words.iter().position(|word| word == b"key").expect("each question has a place for the key");
        words[at] = key.to_vec();
        let (one, other) = both(theirs, ours, &words)?;
        if !alike(identity, &words, &one, &other) {
            return Ok(Some((words, one, other)));
        }
    }
    Ok(None)
}

/// Later versions write scores with other digits into their digests.
fn digests_agree(reference: &Identity) -> bool {
    reference.is_redis_before((7, 2))
}

fn both(theirs: &mut Connection, ours: &mut Connection, words: &[Vec<u8>]) -> io::Result<(Vec<u8>, Vec<u8>)> {
    theirs.send(words)?;
    ours.send(words)?;
    Ok((theirs.frame()?, ours.frame()?))
}

/// Every key with the number of its database, in order.
fn keyspace(connection: &mut Connection) -> io::Result<Vec<(u32, Vec<u8>)>> {
    let info = match connection.ask_line("INFO keyspace")? {
        Value::Bulk(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
        other => return Err(io::Error::other(format!("INFO says {other:?}"))),
    };
    let numbers =
        info.lines().filter_map(|line| line.strip_prefix("db")?.split_once(':')?.0.parse::<u32>().ok());
    let mut keys = Vec::new();
    for db in numbers {
        connection.ask_line(&format!("SELECT {db}"))?;
        // Walking removes what has expired, which a digest would count.
        connection.ask_line("SCAN 0 COUNT 1000000")?;
        let Value::Array(names) = connection.ask_line("KEYS *")? else {
            return Err(io::Error::other("KEYS is refused"));
        };
        keys.extend(names.into_iter().filter_map(|name| match name {
            Value::Bulk(name) => Some((db, name.to_vec())),
            _ => None,
        }));
    }
    connection.ask_line("SELECT 0")?;
    keys.sort();
    Ok(keys)
}
