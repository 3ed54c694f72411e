//! The families that commands are generated from: chapters of the command table, and what is left out of them
//! because two right servers need not agree.

use squall_commands::table::{Flag, Group, Row, Table};

use crate::server::Identity;

/// What is compared in one sequence.
pub struct Family {
    pub name: &'static str,
    pub about: &'static str,
    groups: &'static [Group],
}

pub const FAMILIES: &[Family] = &[
    Family { name: "strings", about: "strings and numbers", groups: &[Group::String] },
    Family { name: "bitmaps", about: "bits, counts, fields", groups: &[Group::Bitmap] },
    Family { name: "lists", about: "lists, waiting for them included", groups: &[Group::List] },
    Family { name: "sets", about: "sets and what is made of them", groups: &[Group::Set] },
    Family { name: "hashes", about: "hashes, fields that expire", groups: &[Group::Hash] },
    Family { name: "sorted-sets", about: "scores, ranks and texts", groups: &[Group::SortedSet] },
    Family { name: "streams", about: "entries, groups, consumers", groups: &[Group::Stream] },
    Family {
        name: "hyperloglogs",
        about: "counts that are nearly right",
        groups: &[Group::HyperLogLog, Group::String],
    },
    Family { name: "geo", about: "places", groups: &[Group::Geo] },
    Family {
        name: "keys",
        about: "keys of any kind, expiry, databases, SORT, SCAN, DUMP",
        groups: &[Group::Generic],
    },
    Family {
        name: "scripts",
        about: "EVAL, functions, and Lua's libraries by generated values",
        groups: &[Group::Scripting],
    },
    Family { name: "pubsub", about: "channels, patterns, shards", groups: &[Group::PubSub] },
    Family {
        name: "connection",
        about: "CLIENT, ACL, COMMAND: what two servers must say alike",
        groups: &[Group::Connection, Group::Server],
    },
    Family {
        name: "everything",
        about: "all types at once, several clients, transactions, waiting",
        groups: &[
            Group::String,
            Group::Bitmap,
            Group::List,
            Group::Set,
            Group::Hash,
            Group::SortedSet,
            Group::Stream,
            Group::HyperLogLog,
            Group::Geo,
            Group::Generic,
        ],
    },
];

/// Commands that are not generated, by what keeps them from it.
const LEFT_OUT: &[(&str, &[&str])] = &[
    (
        "speaks of time, memory, processes or other servers",
        &[
            "debug",
            "info",
            "time",
            "lastsave",
            "memory",
            "memory|usage",
            "memory|stats",
            "memory|doctor",
            "memory|malloc-stats",
            "memory|purge",
            "latency",
            "slowlog",
            "commandlog",
            "lolwut",
            "role",
            "client|id",
            "client|info",
            "client|list",
            "client|kill",
            "command",
            "command|count",
            "command|info",
            "command|docs",
            "command|list",
            "config|get",
            "config|resetstat",
            "acl|genpass",
            "acl|log",
            "script|show",
            "module|list",
        ],
    ),
    (
        "ends or changes the server or the connection",
        &[
            "shutdown",
            "save",
            "bgsave",
            "bgrewriteaof",
            "replicaof",
            "slaveof",
            "failover",
            "psync",
            "sync",
            "replconf",
            "monitor",
            "config|set",
            "config|rewrite",
            "quit",
            "hello",
            "client|reply",
            "client|pause",
            "client|unpause",
            "acl|setuser",
            "acl|deluser",
            "acl|load",
            "acl|save",
            "acl|getuser",
            "acl|list",
            "acl|users",
            "auth",
            "module|load",
            "module|unload",
            "module|loadex",
            "reset",
            "client|tracking",
            "client|caching",
            "client|import-source",
            "client|capa",
            "client|setname",
            "client|setinfo",
        ],
    ),
    (
        "waits for replicas",
        &["wait", "waitaof", "migrate", "restore-asking", "asking", "readonly", "readwrite"],
    ),
    ("takes long", &["pfselftest"]),
    (
        "is tried by scripts of its own",
        &[
            "eval",
            "evalsha",
            "eval_ro",
            "evalsha_ro",
            "script|load",
            "script|debug",
            "script|kill",
            "function|load",
            "function|restore",
            "function|dump",
            "function|kill",
            "function|stats",
            "fcall",
            "fcall_ro",
            "script|flush",
        ],
    ),
    (
        "belongs to clients that listen",
        &["subscribe", "unsubscribe", "psubscribe", "punsubscribe", "ssubscribe", "sunsubscribe"],
    ),
];

impl Family {
    pub fn by_name(name: &str) -> Option<&'static Family> {
        FAMILIES.iter().find(|family| family.name == name)
    }

    /// The rows that the reference has too.
    pub fn rows(&self, reference: &Identity) -> Vec<&'static Row> {
        let is_tried = |row: &&Row| {
            let name = row.full_name.as_str();
            let left_out = LEFT_OUT.iter().any(|(_, names)| names.contains(&name) || is_part_of(name, names));
            // HELP says it in each server's own words.
            let left_out = left_out || row.is_container() || name.ends_with("|help");
            self.groups.contains(&row.command.group) && !left_out && reference.knows(name)
        };
        Table::shared().rows().iter().filter(is_tried).collect()
    }
}

/// Whether the name's container is left out as a whole.
fn is_part_of(name: &str, names: &[&str]) -> bool {
    name.split_once('|').is_some_and(|(container, _)| names.contains(&container))
}

pub fn may_block(row: &Row) -> bool {
    row.command.flags.has(Flag::Blocking)
}
