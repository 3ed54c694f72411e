//! What servers are filled with: a number of small entries, as strings or as collections of each type.
//!
//! Every entry is a function of its number, so that all servers hold the same. Values look like what
//! applications store: texts with numbers in them, neither all the same nor noise.

use crate::Failure;
use crate::conversation::Conversation;
use crate::interrupt::Interrupt;
use crate::launch::Server;

/// Entries of a small collection.
pub const SMALL_ENTRIES: usize = 10;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    String,
    List,
    Set,
    Hash,
    SortedSet,
    Stream,
}

impl Kind {
    pub const COLLECTIONS: [Kind; 5] = [Kind::List, Kind::Set, Kind::Hash, Kind::SortedSet, Kind::Stream];

    pub fn name(self) -> &'static str {
        match self {
            Kind::String => "string",
            Kind::List => "list",
            Kind::Set => "set",
            Kind::Hash => "hash",
            Kind::SortedSet => "sorted set",
            Kind::Stream => "stream",
        }
    }

    /// What the keys of small ones begin with; all keys have 16 bytes.
    fn prefix(self) -> &'static str {
        match self {
            Kind::String => "key",
            Kind::List => "lst",
            Kind::Set => "set",
            Kind::Hash => "hsh",
            Kind::SortedSet => "zst",
            Kind::Stream => "stm",
        }
    }

    /// The request that adds entry `n` to `key`; a string is the key's only entry.
    pub fn request(self, key: String, n: usize) -> Vec<String> {
        let (element, value) = (format!("element:{n:09}"), format!("value:{n:026}"));
        match self {
            Kind::String => vec!["SET".to_owned(), key, value],
            Kind::List => vec!["RPUSH".to_owned(), key, element],
            Kind::Set => vec!["SADD".to_owned(), key, element],
            Kind::Hash => vec!["HSET".to_owned(), key, format!("field:{n:09}"), format!("value:{n:09}")],
            // Not in the order of their numbers, as scores are.
            Kind::SortedSet => vec!["ZADD".to_owned(), key, (n * 7919 % 1_000_003).to_string(), element],
            Kind::Stream => vec!["XADD".to_owned(), key, "*".to_owned(), "field".to_owned(), element],
        }
    }
}

/// Keys of 16 bytes with values of 32.
pub fn fill_strings(server: &Server, keys: usize, interrupt: &Interrupt) -> Result<(), Failure> {
    fill(server, Kind::String, (0..keys).map(|n| (format!("key:{n:012}"), n)), interrupt)
}

/// So many entries, in collections of [`SMALL_ENTRIES`] each, which grow side by side as they do in practice.
pub fn fill_small(server: &Server, kind: Kind, entries: usize, interrupt: &Interrupt) -> Result<(), Failure> {
    let keys = entries / SMALL_ENTRIES;
    let name = kind.prefix();
    fill(server, kind, (0..entries).map(|n| (format!("{name}:{:012}", n % keys), n)), interrupt)
}

/// So many entries in one collection.
pub fn fill_large(server: &Server, kind: Kind, entries: usize, interrupt: &Interrupt) -> Result<(), Failure> {
    fill(server, kind, (0..entries).map(|n| (kind.name().to_owned(), n)), interrupt)
}

fn fill(
    server: &Server,
    kind: Kind,
    entries: impl Iterator<Item = (String, usize)>,
    interrupt: &Interrupt,
) -> Result<(), Failure> {
    let requests = entries.map(|(key, n)| kind.request(key, n));
    Conversation::with(server.port())?.pour(requests, interrupt)
}
