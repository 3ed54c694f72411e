//! From what size on collections change their encoding: the directives of redis.conf as numbers, and the seed of
//! their hash tables. One [`Limits`] belongs to a keyspace; whoever changes a collection hands it in.

use crate::table::Hashing;

/// Thresholds of all types. The defaults are those of redis.conf.
#[derive(Clone, Debug)]
pub struct Limits {
    pub hashing: Hashing,
    /// `hash-max-listpack-entries`, `hash-max-listpack-value`
    pub hash_packed_entries_max: usize,
    pub hash_packed_value_bytes_max: usize,
    /// `list-max-listpack-size`: elements of a node, or (negative) one of five sizes in bytes.
    pub list_node_size: i32,
    /// `set-max-intset-entries`, `set-max-listpack-entries`, `set-max-listpack-value`
    pub set_integers_max: usize,
    pub set_packed_entries_max: usize,
    pub set_packed_value_bytes_max: usize,
    /// `zset-max-listpack-entries`, `zset-max-listpack-value`
    pub zset_packed_entries_max: usize,
    pub zset_packed_value_bytes_max: usize,
    /// `stream-node-max-bytes`, `stream-node-max-entries`; zero for no limit
    pub stream_node_bytes_max: usize,
    pub stream_node_entries_max: usize,
}

impl Limits {
    /// The defaults, with this seed for hash tables.
    pub fn seeded(seed: u64) -> Limits {
        Limits {
            hashing: Hashing::seeded(seed),
            hash_packed_entries_max: 512,
            hash_packed_value_bytes_max: 64,
            list_node_size: -2,
            set_integers_max: 512,
            set_packed_entries_max: 128,
            set_packed_value_bytes_max: 64,
            zset_packed_entries_max: 128,
            zset_packed_value_bytes_max: 64,
            stream_node_bytes_max: 4096,
            stream_node_entries_max: 100,
        }
    }
}
