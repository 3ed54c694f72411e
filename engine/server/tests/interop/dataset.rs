//! Whether two servers hold the same data: by DEBUG DIGEST, and then key by key, so that neither a digest
//! that both compute wrongly nor a comparison that overlooks something can hide a difference.

use std::collections::BTreeMap;

use squall_resp::Value;

use crate::client::Client;
use crate::harness::{Server, eventually};

const DATABASES: u32 = 2;

/// A key's type, content, and when it expires.
type Facts = (String, Option<Vec<u8>>, i64);

/// Waits until the servers agree, while nobody writes any more; returns how many keys they hold.
pub fn await_equal(left: &Server, right: &Server) -> usize {
    let (mut one, mut other) = (left.client(), right.client());
    // Keys still expire meanwhile: until the last has gone, the digests move.
    eventually("both servers have the same digest", || digest(&mut one) == digest(&mut other));
    eventually("both servers hold the same keys", || contents(&mut one) == contents(&mut other));
    contents(&mut one).len()
}

pub fn digest(client: &mut Client) -> String {
    client.text(&["DEBUG", "DIGEST"]).expect("a digest")
}

/// All keys of the databases that the loads use.
pub fn contents(client: &mut Client) -> BTreeMap<(u32, Vec<u8>), Facts> {
    let mut found = BTreeMap::new();
    for database in 0..DATABASES {
        client.done(&["SELECT", &database.to_string()]);
        for key in scan(client) {
            let kind = client.text(&[b"TYPE", key.as_slice()]).expect("a type");
            let value = match client.done(&[b"GET", key.as_slice()]) {
                Value::Bulk(bytes) => Some(bytes.to_vec()),
                _ => None,
            };
            let expires = client.integer(&[b"PEXPIRETIME", key.as_slice()]);
            found.insert((database, key), (kind, value, expires));
        }
    }
    client.done(&["SELECT", "0"]);
    found
}

fn scan(client: &mut Client) -> Vec<Vec<u8>> {
    let mut keys = Vec::new();
    let mut cursor = "0".to_owned();
    loop {
        let Value::Array(reply) = client.done(&["SCAN", &cursor, "COUNT", "1000"]) else {
            panic!("SCAN must be answered with an array")
        };
        let [Value::Bulk(next), Value::Array(batch)] = reply.as_slice() else {
            panic!("SCAN must be answered with a cursor and keys")
        };
        for key in batch {
            let Value::Bulk(key) = key else { panic!("a key must be a bulk string") };
            keys.push(key.to_vec());
        }
        cursor = String::from_utf8_lossy(next).into_owned();
        if cursor == "0" {
            return keys;
        }
    }
}
