//! The rows of the generic family: each command as data. Arity, flags, key positions and tips are those that real
//! servers report.

use super::{databases::*, dump::*, expire::*, keys::*, object::*, relocate::*, scan::*, sort::*};
use crate::table::{Argument, Category, Command, Flag, Group, KeyFlag, KeySpec};

pub const ROWS: &[Command] = &[
    Command::new("copy", -3, copy)
        .group(Group::Generic)
        .flags(&[Flag::DenyOom, Flag::Write])
        .keys(&[
            KeySpec::one(1, &[KeyFlag::Ro, KeyFlag::Access]),
            KeySpec::one(2, &[KeyFlag::Ow, KeyFlag::Update]),
        ])
        .acl(&[Category::Keyspace])
        .since("6.2.0")
        .complexity("O(N) with N the size of the value")
        .summary("Copies a value to another key.")
        .arguments(&[
            Argument::key("source", 0),
            Argument::key("destination", 1),
            Argument::integer("destination-db").token("DB").optional(),
            Argument::word("replace", "REPLACE").optional(),
        ]),
    Command::new("del", -2, del)
        .group(Group::Generic)
        .flags(&[Flag::Write])
        .keys(&[KeySpec::rest(1, &[KeyFlag::Rm, KeyFlag::Delete])])
        .acl(&[Category::Keyspace])
        .tips(&["request_policy:multi_shard", "response_policy:agg_sum"])
        .since("1.0.0")
        .complexity("O(N) with N the number of keys, and M for each value of M elements")
        .summary("Deletes keys.")
        .arguments(&[Argument::key("key", 0).multiple()]),
    Command::new("dump", 2, dump)
        .group(Group::Generic)
        .flags(&[Flag::ReadOnly])
        .keys(&[KeySpec::one(1, &[KeyFlag::Ro, KeyFlag::Access])])
        .acl(&[Category::Keyspace])
        .tips(&["nondeterministic_output"])
        .since("2.6.0")
        .complexity("O(N) with N the size of the value")
        .summary("Returns a value in its serialised form.")
        .arguments(&[Argument::key("key", 0)]),
    Command::new("exists", -2, exists)
        .group(Group::Generic)
        .flags(&[Flag::Fast, Flag::ReadOnly])
        .keys(&[KeySpec::rest(1, &[KeyFlag::Ro])])
        .acl(&[Category::Keyspace])
        .tips(&["request_policy:multi_shard", "response_policy:agg_sum"])
        .since("1.0.0")
        .complexity("O(N) with N the number of keys")
        .summary("Counts those of the keys that exist.")
        .history(&[("3.0.3", "Several keys.")])
        .arguments(&[Argument::key("key", 0).multiple()]),
    Command::new("expire", -3, expire)
        .group(Group::Generic)
        .flags(&[Flag::Fast, Flag::Write])
        .keys(&[KeySpec::one(1, &[KeyFlag::Rw, KeyFlag::Update])])
        .acl(&[Category::Keyspace])
        .since("1.0.0")
        .complexity("O(1)")
        .summary("Sets the time to live of a key in seconds.")
        .history(&[("7.0.0", "NX, XX, GT and LT.")])
        .arguments(&[
            Argument::key("key", 0),
            Argument::integer("seconds"),
            Argument::one_of(
                "condition",
                &[
                    Argument::word("nx", "NX"),
                    Argument::word("xx", "XX"),
                    Argument::word("gt", "GT"),
                    Argument::word("lt", "LT"),
                ],
            )
            .since("7.0.0")
            .optional(),
        ]),
    Command::new("expireat", -3, expireat)
        .group(Group::Generic)
        .flags(&[Flag::Fast, Flag::Write])
        .keys(&[KeySpec::one(1, &[KeyFlag::Rw, KeyFlag::Update])])
        .acl(&[Category::Keyspace])
        .since("1.2.0")
        .complexity("O(1)")
        .summary("Sets the expiry time of a key as a Unix time in seconds.")
        .history(&[("7.0.0", "NX, XX, GT and LT.")])
        .arguments(&[
            Argument::key("key", 0),
            Argument::unix_time("unix-time-seconds"),
            Argument::one_of(
                "condition",
                &[
                    Argument::word("nx", "NX"),
                    Argument::word("xx", "XX"),
                    Argument::word("gt", "GT"),
                    Argument::word("lt", "LT"),
                ],
            )
            .since("7.0.0")
            .optional(),
        ]),
    Command::new("expiretime", 2, expiretime)
        .group(Group::Generic)
        .flags(&[Flag::Fast, Flag::ReadOnly])
        .keys(&[KeySpec::one(1, &[KeyFlag::Ro, KeyFlag::Access])])
        .acl(&[Category::Keyspace])
        .since("7.0.0")
        .complexity("O(1)")
        .summary("Returns the expiry time of a key as a Unix time in seconds.")
        .arguments(&[Argument::key("key", 0)]),
    Command::new("keys", 2, keys)
        .group(Group::Generic)
        .flags(&[Flag::ReadOnly])
        .acl(&[Category::Dangerous, Category::Keyspace])
        .tips(&["request_policy:all_shards", "nondeterministic_output_order"])
        .since("1.0.0")
        .complexity("O(N) with N the number of keys in the database")
        .summary("Returns all keys that match a pattern.")
        .arguments(&[Argument::pattern("pattern")]),
    super::migrate::MIGRATE,
    Command::new("move", 3, move_key)
        .group(Group::Generic)
        .flags(&[Flag::Fast, Flag::Write])
        .keys(&[KeySpec::one(1, &[KeyFlag::Rw, KeyFlag::Access, KeyFlag::Update])])
        .acl(&[Category::Keyspace])
        .since("1.0.0")
        .complexity("O(1)")
        .summary("Moves a key to another database.")
        .arguments(&[Argument::key("key", 0), Argument::integer("db")]),
    Command::container(
        "object",
        &[
            Command::new("encoding", 3, encoding)
                .group(Group::Generic)
                .flags(&[Flag::ReadOnly])
                .keys(&[KeySpec::one(2, &[KeyFlag::Ro])])
                .acl(&[Category::Keyspace])
                .tips(&["nondeterministic_output"])
                .since("2.2.3")
                .complexity("O(1)")
                .summary("Returns the encoding of a value.")
                .arguments(&[Argument::key("key", 0)]),
            Command::new("freq", 3, frequency)
                .group(Group::Generic)
                .flags(&[Flag::ReadOnly])
                .keys(&[KeySpec::one(2, &[KeyFlag::Ro])])
                .acl(&[Category::Keyspace])
                .tips(&["nondeterministic_output"])
                .since("4.0.0")
                .complexity("O(1)")
                .summary("Returns how often a key is accessed, on a logarithmic scale.")
                .arguments(&[Argument::key("key", 0)]),
            Command::new("help", 2, help)
                .group(Group::Generic)
                .flags(&[Flag::Loading, Flag::Stale])
                .acl(&[Category::Keyspace])
                .since("6.2.0")
                .complexity("O(1)")
                .summary("Describes the subcommands."),
            Command::new("idletime", 3, idle_time)
                .group(Group::Generic)
                .flags(&[Flag::ReadOnly])
                .keys(&[KeySpec::one(2, &[KeyFlag::Ro])])
                .acl(&[Category::Keyspace])
                .tips(&["nondeterministic_output"])
                .since("2.2.3")
                .complexity("O(1)")
                .summary("Returns how long ago a key was last accessed.")
                .arguments(&[Argument::key("key", 0)]),
            Command::new("refcount", 3, reference_count)
                .group(Group::Generic)
                .flags(&[Flag::ReadOnly])
                .keys(&[KeySpec::one(2, &[KeyFlag::Ro])])
                .acl(&[Category::Keyspace])
                .tips(&["nondeterministic_output"])
                .since("2.2.3")
                .complexity("O(1)")
                .summary("Returns how many references a value has.")
                .arguments(&[Argument::key("key", 0)]),
        ],
    )
    .group(Group::Generic)
    .since("2.2.3")
    .summary("Tells how a value is kept."),
    Command::new("persist", 2, persist)
        .group(Group::Generic)
        .flags(&[Flag::Fast, Flag::Write])
        .keys(&[KeySpec::one(1, &[KeyFlag::Rw, KeyFlag::Update])])
        .acl(&[Category::Keyspace])
        .since("2.2.0")
        .complexity("O(1)")
        .summary("Removes the expiry time of a key.")
        .arguments(&[Argument::key("key", 0)]),
    Command::new("pexpire", -3, pexpire)
        .group(Group::Generic)
        .flags(&[Flag::Fast, Flag::Write])
        .keys(&[KeySpec::one(1, &[KeyFlag::Rw, KeyFlag::Update])])
        .acl(&[Category::Keyspace])
        .since("2.6.0")
        .complexity("O(1)")
        .summary("Sets the time to live of a key in milliseconds.")
        .history(&[("7.0.0", "NX, XX, GT and LT.")])
        .arguments(&[
            Argument::key("key", 0),
            Argument::integer("milliseconds"),
            Argument::one_of(
                "condition",
                &[
                    Argument::word("nx", "NX"),
                    Argument::word("xx", "XX"),
                    Argument::word("gt", "GT"),
                    Argument::word("lt", "LT"),
                ],
            )
            .since("7.0.0")
            .optional(),
        ]),
    Command::new("pexpireat", -3, pexpireat)
        .group(Group::Generic)
        .flags(&[Flag::Fast, Flag::Write])
        .keys(&[KeySpec::one(1, &[KeyFlag::Rw, KeyFlag::Update])])
        .acl(&[Category::Keyspace])
        .since("2.6.0")
        .complexity("O(1)")
        .summary("Sets the expiry time of a key as a Unix time in milliseconds.")
        .history(&[("7.0.0", "NX, XX, GT and LT.")])
        .arguments(&[
            Argument::key("key", 0),
            Argument::unix_time("unix-time-milliseconds"),
            Argument::one_of(
                "condition",
                &[
                    Argument::word("nx", "NX"),
                    Argument::word("xx", "XX"),
                    Argument::word("gt", "GT"),
                    Argument::word("lt", "LT"),
                ],
            )
            .since("7.0.0")
            .optional(),
        ]),
    Command::new("pexpiretime", 2, pexpiretime)
        .group(Group::Generic)
        .flags(&[Flag::Fast, Flag::ReadOnly])
        .keys(&[KeySpec::one(1, &[KeyFlag::Ro, KeyFlag::Access])])
        .acl(&[Category::Keyspace])
        .since("7.0.0")
        .complexity("O(1)")
        .summary("Returns the expiry time of a key as a Unix time in milliseconds.")
        .arguments(&[Argument::key("key", 0)]),
    Command::new("pttl", 2, pttl)
        .group(Group::Generic)
        .flags(&[Flag::Fast, Flag::ReadOnly])
        .keys(&[KeySpec::one(1, &[KeyFlag::Ro, KeyFlag::Access])])
        .acl(&[Category::Keyspace])
        .tips(&["nondeterministic_output"])
        .since("2.6.0")
        .complexity("O(1)")
        .summary("Returns the time to live of a key in milliseconds.")
        .history(&[("2.8.0", "The reply -2.")])
        .arguments(&[Argument::key("key", 0)]),
    Command::new("randomkey", 1, randomkey)
        .group(Group::Generic)
        .flags(&[Flag::ReadOnly])
        .acl(&[Category::Keyspace])
        .tips(&["request_policy:all_shards", "response_policy:special", "nondeterministic_output"])
        .since("1.0.0")
        .complexity("O(1)")
        .summary("Returns a key chosen at random."),
    Command::new("rename", 3, rename)
        .group(Group::Generic)
        .flags(&[Flag::Write])
        .keys(&[
            KeySpec::one(1, &[KeyFlag::Rw, KeyFlag::Access, KeyFlag::Delete]),
            KeySpec::one(2, &[KeyFlag::Ow, KeyFlag::Update]),
        ])
        .acl(&[Category::Keyspace])
        .since("1.0.0")
        .complexity("O(1)")
        .summary("Renames a key, replacing the one that has the name.")
        .history(&[("3.2.0", "The two names may be equal.")])
        .arguments(&[Argument::key("key", 0), Argument::key("newkey", 1)]),
    Command::new("renamenx", 3, renamenx)
        .group(Group::Generic)
        .flags(&[Flag::Fast, Flag::Write])
        .keys(&[
            KeySpec::one(1, &[KeyFlag::Rw, KeyFlag::Access, KeyFlag::Delete]),
            KeySpec::one(2, &[KeyFlag::Ow, KeyFlag::Insert]),
        ])
        .acl(&[Category::Keyspace])
        .since("1.0.0")
        .complexity("O(1)")
        .summary("Renames a key, if no other has the name.")
        .history(&[("3.2.0", "The two names may be equal.")])
        .arguments(&[Argument::key("key", 0), Argument::key("newkey", 1)]),
    Command::new("restore", -4, restore)
        .group(Group::Generic)
        .flags(&[Flag::DenyOom, Flag::Write])
        .keys(&[KeySpec::one(1, &[KeyFlag::Ow, KeyFlag::Update])])
        .acl(&[Category::Dangerous, Category::Keyspace])
        .since("2.6.0")
        .complexity("O(N) with N the size of the value")
        .summary("Creates a key from a serialised value.")
        .history(&[("3.0.0", "REPLACE."), ("5.0.0", "ABSTTL, IDLETIME and FREQ.")])
        .arguments(&[
            Argument::key("key", 0),
            Argument::integer("ttl"),
            Argument::string("serialized-value"),
            Argument::word("replace", "REPLACE").since("3.0.0").optional(),
            Argument::word("absttl", "ABSTTL").since("5.0.0").optional(),
            Argument::integer("seconds").token("IDLETIME").since("5.0.0").optional(),
            Argument::integer("frequency").token("FREQ").since("5.0.0").optional(),
        ]),
    Command::new("restore-asking", -4, restore)
        .group(Group::Generic)
        .flags(&[Flag::Asking, Flag::DenyOom, Flag::Write])
        .keys(&[KeySpec::one(1, &[KeyFlag::Ow, KeyFlag::Update])])
        .acl(&[Category::Dangerous, Category::Keyspace])
        .since("3.0.0")
        .complexity("O(N) with N the size of the value")
        .summary("RESTORE, for keys of slots that are on their way here.")
        .arguments(&[
            Argument::key("key", 0),
            Argument::integer("ttl"),
            Argument::string("serialized-value"),
            Argument::word("replace", "REPLACE").since("3.0.0").optional(),
            Argument::word("absttl", "ABSTTL").since("5.0.0").optional(),
            Argument::integer("seconds").token("IDLETIME").since("5.0.0").optional(),
            Argument::integer("frequency").token("FREQ").since("5.0.0").optional(),
        ]),
    Command::new("scan", -2, scan)
        .group(Group::Generic)
        .flags(&[Flag::ReadOnly])
        .acl(&[Category::Keyspace])
        .tips(&["nondeterministic_output", "request_policy:special", "response_policy:special"])
        .since("2.8.0")
        .complexity("O(1) for a call, O(N) for a whole walk over N keys")
        .summary("Walks over the keys of the database, a part at each call.")
        .history(&[("6.0.0", "TYPE.")])
        .arguments(&[
            Argument::integer("cursor"),
            Argument::pattern("pattern").token("MATCH").optional(),
            Argument::integer("count").token("COUNT").optional(),
            Argument::string("type").token("TYPE").since("6.0.0").optional(),
        ]),
    Command::new("touch", -2, touch)
        .group(Group::Generic)
        .flags(&[Flag::Fast, Flag::ReadOnly])
        .keys(&[KeySpec::rest(1, &[KeyFlag::Ro])])
        .acl(&[Category::Keyspace])
        .tips(&["request_policy:multi_shard", "response_policy:agg_sum"])
        .since("3.2.1")
        .complexity("O(N) with N the number of keys")
        .summary("Marks keys as accessed and counts those that exist.")
        .arguments(&[Argument::key("key", 0).multiple()]),
    Command::new("ttl", 2, ttl)
        .group(Group::Generic)
        .flags(&[Flag::Fast, Flag::ReadOnly])
        .keys(&[KeySpec::one(1, &[KeyFlag::Ro, KeyFlag::Access])])
        .acl(&[Category::Keyspace])
        .tips(&["nondeterministic_output"])
        .since("1.0.0")
        .complexity("O(1)")
        .summary("Returns the time to live of a key in seconds.")
        .history(&[("2.8.0", "The reply -2.")])
        .arguments(&[Argument::key("key", 0)]),
    Command::new("type", 2, type_of)
        .group(Group::Generic)
        .flags(&[Flag::Fast, Flag::ReadOnly])
        .keys(&[KeySpec::one(1, &[KeyFlag::Ro])])
        .acl(&[Category::Keyspace])
        .since("1.0.0")
        .complexity("O(1)")
        .summary("Returns the type of a value.")
        .arguments(&[Argument::key("key", 0)]),
    Command::new("unlink", -2, unlink)
        .group(Group::Generic)
        .flags(&[Flag::Fast, Flag::Write])
        .keys(&[KeySpec::rest(1, &[KeyFlag::Rm, KeyFlag::Delete])])
        .acl(&[Category::Keyspace])
        .tips(&["request_policy:multi_shard", "response_policy:agg_sum"])
        .since("4.0.0")
        .complexity("O(1) for each key")
        .summary("Deletes keys; their memory is given back later.")
        .arguments(&[Argument::key("key", 0).multiple()]),
    Command::new("dbsize", 1, dbsize)
        .group(Group::Server)
        .flags(&[Flag::Fast, Flag::ReadOnly])
        .acl(&[Category::Keyspace])
        .tips(&["request_policy:all_shards", "response_policy:agg_sum"])
        .since("1.0.0")
        .complexity("O(1)")
        .summary("Returns the number of keys in the database."),
    Command::new("flushall", -1, flushall)
        .group(Group::Server)
        .flags(&[Flag::Write])
        .acl(&[Category::Dangerous, Category::Keyspace])
        .tips(&["request_policy:all_shards", "response_policy:all_succeeded"])
        .since("1.0.0")
        .complexity("O(N) with N the number of keys")
        .summary("Removes all keys of all databases.")
        .history(&[("4.0.0", "ASYNC."), ("6.2.0", "SYNC.")])
        .arguments(&[Argument::one_of(
            "async",
            &[Argument::word("async", "ASYNC").since("4.0.0"), Argument::word("sync", "SYNC").since("6.2.0")],
        )
        .optional()]),
    Command::new("flushdb", -1, flushdb)
        .group(Group::Server)
        .flags(&[Flag::Write])
        .acl(&[Category::Dangerous, Category::Keyspace])
        .tips(&["request_policy:all_shards", "response_policy:all_succeeded"])
        .since("1.0.0")
        .complexity("O(N) with N the number of keys")
        .summary("Removes all keys of the database.")
        .history(&[("4.0.0", "ASYNC."), ("6.2.0", "SYNC.")])
        .arguments(&[Argument::one_of(
            "async",
            &[Argument::word("async", "ASYNC").since("4.0.0"), Argument::word("sync", "SYNC").since("6.2.0")],
        )
        .optional()]),
    Command::new("swapdb", 3, swapdb)
        .group(Group::Server)
        .flags(&[Flag::Fast, Flag::Write])
        .acl(&[Category::Dangerous, Category::Keyspace])
        .since("4.0.0")
        .complexity("O(1)")
        .summary("Exchanges two databases.")
        .arguments(&[Argument::integer("index1"), Argument::integer("index2")]),
    Command::new("select", 2, select)
        .group(Group::Connection)
        .flags(&[Flag::Fast, Flag::Loading, Flag::Stale])
        .acl(&[Category::Connection])
        .since("1.0.0")
        .complexity("O(1)")
        .summary("Chooses the database of the connection.")
        .arguments(&[Argument::integer("index")]),
    Command::new("sort", -2, sort)
        .group(Group::Generic)
        .flags(&[Flag::DenyOom, Flag::MovableKeys, Flag::Write])
        .keys(&[
            KeySpec::one(1, &[KeyFlag::Ro, KeyFlag::Access]),
            KeySpec::unknown(&[KeyFlag::Ro, KeyFlag::Access]),
            KeySpec::unknown(&[KeyFlag::Ow, KeyFlag::Update]),
        ])
        .acl(&[Category::Dangerous, Category::List, Category::Set, Category::SortedSet])
        .keys_found_by(keys_of_sort)
        .since("1.0.0")
        .complexity("O(N+M*log(M)) with N the elements and M those returned")
        .summary("Sorts the elements of a list, a set or a sorted set, and may store the result.")
        .arguments(&[
            Argument::key("key", 0),
            Argument::pattern("by-pattern").token("BY").optional(),
            Argument::block("limit", &[Argument::integer("offset"), Argument::integer("count")])
                .token("LIMIT")
                .optional(),
            Argument::pattern("get-pattern").token("GET").optional().multiple_token(),
            Argument::one_of("order", &[Argument::word("asc", "ASC"), Argument::word("desc", "DESC")])
                .optional(),
            Argument::word("sorting", "ALPHA").optional(),
            Argument::key("destination", 2).token("STORE").optional(),
        ]),
    Command::new("sort_ro", -2, sort_ro)
        .group(Group::Generic)
        .flags(&[Flag::MovableKeys, Flag::ReadOnly])
        .keys(&[
            KeySpec::one(1, &[KeyFlag::Ro, KeyFlag::Access]),
            KeySpec::unknown(&[KeyFlag::Ro, KeyFlag::Access]),
        ])
        .acl(&[Category::Dangerous, Category::List, Category::Set, Category::SortedSet])
        .keys_found_by(keys_of_sort)
        .since("7.0.0")
        .complexity("O(N+M*log(M)) with N the elements and M those returned")
        .summary("Sorts the elements of a list, a set or a sorted set.")
        .arguments(&[
            Argument::key("key", 0),
            Argument::pattern("by-pattern").token("BY").optional(),
            Argument::block("limit", &[Argument::integer("offset"), Argument::integer("count")])
                .token("LIMIT")
                .optional(),
            Argument::pattern("get-pattern").token("GET").optional().multiple_token(),
            Argument::one_of("order", &[Argument::word("asc", "ASC"), Argument::word("desc", "DESC")])
                .optional(),
            Argument::word("sorting", "ALPHA").optional(),
        ]),
];
