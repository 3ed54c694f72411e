//! The rows of the hash family: each command as data. Arity, flags, key positions and tips are those that real
//! servers report.

use super::{aggregate::*, change::*, expiry::*, field::*, fields_and_expiry::*, random::*, scan::*};
use crate::table::{Argument, Category, Command, Flag, Group, KeyFlag, KeySpec};

pub const ROWS: &[Command] = &[
    Command::new("hdel", -3, hdel)
        .group(Group::Hash)
        .flags(&[Flag::Fast, Flag::Write])
        .keys(&[KeySpec::one(1, &[KeyFlag::Rw, KeyFlag::Delete])])
        .acl(&[Category::Hash])
        .since("2.0.0")
        .complexity("O(N) with N the fields given")
        .summary("Removes fields.")
        .arguments(&[Argument::key("key", 0), Argument::string("field").multiple()]),
    Command::new("hexists", 3, hexists)
        .group(Group::Hash)
        .flags(&[Flag::Fast, Flag::ReadOnly])
        .keys(&[KeySpec::one(1, &[KeyFlag::Ro])])
        .acl(&[Category::Hash])
        .since("2.0.0")
        .complexity("O(1)")
        .summary("Tells whether a field is there.")
        .arguments(&[Argument::key("key", 0), Argument::string("field")]),
    Command::new("hexpire", -6, hexpire)
        .group(Group::Hash)
        .flags(&[Flag::Fast, Flag::Write])
        .keys(&[KeySpec::one(1, &[KeyFlag::Rw, KeyFlag::Update])])
        .acl(&[Category::Hash])
        .since("7.4.0")
        .complexity("O(N) with N the fields given")
        .summary("Sets in how many seconds fields expire.")
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
            .optional(),
            Argument::block(
                "fields",
                &[Argument::integer("numfields"), Argument::string("field").multiple()],
            )
            .token("FIELDS"),
        ]),
    Command::new("hexpireat", -6, hexpireat)
        .group(Group::Hash)
        .flags(&[Flag::Fast, Flag::Write])
        .keys(&[KeySpec::one(1, &[KeyFlag::Rw, KeyFlag::Update])])
        .acl(&[Category::Hash])
        .since("7.4.0")
        .complexity("O(N) with N the fields given")
        .summary("Sets at which second of Unix time fields expire.")
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
            .optional(),
            Argument::block(
                "fields",
                &[Argument::integer("numfields"), Argument::string("field").multiple()],
            )
            .token("FIELDS"),
        ]),
    Command::new("hexpiretime", -5, hexpiretime)
        .group(Group::Hash)
        .flags(&[Flag::Fast, Flag::ReadOnly])
        .keys(&[KeySpec::one(1, &[KeyFlag::Ro, KeyFlag::Access])])
        .acl(&[Category::Hash])
        .since("7.4.0")
        .complexity("O(N) with N the fields given")
        .summary("Returns the second of Unix time at which fields expire.")
        .arguments(&[
            Argument::key("key", 0),
            Argument::block(
                "fields",
                &[Argument::integer("numfields"), Argument::string("field").multiple()],
            )
            .token("FIELDS"),
        ]),
    Command::new("hget", 3, hget)
        .group(Group::Hash)
        .flags(&[Flag::Fast, Flag::ReadOnly])
        .keys(&[KeySpec::one(1, &[KeyFlag::Ro, KeyFlag::Access])])
        .acl(&[Category::Hash])
        .since("2.0.0")
        .complexity("O(1)")
        .summary("Returns the value of a field.")
        .arguments(&[Argument::key("key", 0), Argument::string("field")]),
    Command::new("hgetall", 2, hgetall)
        .group(Group::Hash)
        .flags(&[Flag::ReadOnly])
        .keys(&[KeySpec::one(1, &[KeyFlag::Ro, KeyFlag::Access])])
        .acl(&[Category::Hash])
        .tips(&["nondeterministic_output_order"])
        .since("2.0.0")
        .complexity("O(N) with N the fields of the hash")
        .summary("Returns all fields and their values.")
        .arguments(&[Argument::key("key", 0)]),
    Command::new("hgetdel", -5, hgetdel)
        .group(Group::Hash)
        .flags(&[Flag::Fast, Flag::Write])
        .keys(&[KeySpec::one(1, &[KeyFlag::Rw, KeyFlag::Access, KeyFlag::Delete])])
        .acl(&[Category::Hash])
        .since("8.0.0")
        .complexity("O(N) with N the fields given")
        .summary("Returns the values of fields and removes them.")
        .arguments(&[
            Argument::key("key", 0),
            Argument::block(
                "fields",
                &[Argument::integer("numfields"), Argument::string("field").multiple()],
            )
            .token("FIELDS"),
        ]),
    Command::new("hgetex", -5, hgetex)
        .group(Group::Hash)
        .flags(&[Flag::Fast, Flag::Write])
        .keys(&[KeySpec::one(1, &[KeyFlag::Rw, KeyFlag::Access, KeyFlag::Update])])
        .acl(&[Category::Hash])
        .since("8.0.0")
        .complexity("O(N) with N the fields given")
        .summary("Returns the values of fields and sets or removes their expiry times.")
        .arguments(&[
            Argument::key("key", 0),
            Argument::one_of(
                "expiration",
                &[
                    Argument::integer("seconds").token("EX"),
                    Argument::integer("milliseconds").token("PX"),
                    Argument::unix_time("unix-time-seconds").token("EXAT"),
                    Argument::unix_time("unix-time-milliseconds").token("PXAT"),
                    Argument::word("persist", "PERSIST"),
                ],
            )
            .optional(),
            Argument::block(
                "fields",
                &[Argument::integer("numfields"), Argument::string("field").multiple()],
            )
            .token("FIELDS"),
        ]),
    Command::new("hincrby", 4, hincrby)
        .group(Group::Hash)
        .flags(&[Flag::DenyOom, Flag::Fast, Flag::Write])
        .keys(&[KeySpec::one(1, &[KeyFlag::Rw, KeyFlag::Access, KeyFlag::Update])])
        .acl(&[Category::Hash])
        .since("2.0.0")
        .complexity("O(1)")
        .summary("Adds a number to the integer in a field; a missing field counts as zero.")
        .arguments(&[Argument::key("key", 0), Argument::string("field"), Argument::integer("increment")]),
    Command::new("hincrbyfloat", 4, hincrbyfloat)
        .group(Group::Hash)
        .flags(&[Flag::DenyOom, Flag::Fast, Flag::Write])
        .keys(&[KeySpec::one(1, &[KeyFlag::Rw, KeyFlag::Access, KeyFlag::Update])])
        .acl(&[Category::Hash])
        .since("2.6.0")
        .complexity("O(1)")
        .summary("Adds a number to the float in a field; a missing field counts as zero.")
        .arguments(&[Argument::key("key", 0), Argument::string("field"), Argument::double("increment")]),
    Command::new("hkeys", 2, hkeys)
        .group(Group::Hash)
        .flags(&[Flag::ReadOnly])
        .keys(&[KeySpec::one(1, &[KeyFlag::Ro, KeyFlag::Access])])
        .acl(&[Category::Hash])
        .tips(&["nondeterministic_output_order"])
        .since("2.0.0")
        .complexity("O(N) with N the fields of the hash")
        .summary("Returns all fields.")
        .arguments(&[Argument::key("key", 0)]),
    Command::new("hlen", 2, hlen)
        .group(Group::Hash)
        .flags(&[Flag::Fast, Flag::ReadOnly])
        .keys(&[KeySpec::one(1, &[KeyFlag::Ro])])
        .acl(&[Category::Hash])
        .since("2.0.0")
        .complexity("O(1)")
        .summary("Returns the number of fields.")
        .arguments(&[Argument::key("key", 0)]),
    Command::new("hmget", -3, hmget)
        .group(Group::Hash)
        .flags(&[Flag::Fast, Flag::ReadOnly])
        .keys(&[KeySpec::one(1, &[KeyFlag::Ro, KeyFlag::Access])])
        .acl(&[Category::Hash])
        .since("2.0.0")
        .complexity("O(N) with N the fields given")
        .summary("Returns the values of several fields.")
        .arguments(&[Argument::key("key", 0), Argument::string("field").multiple()]),
    Command::new("hmset", -4, hmset)
        .group(Group::Hash)
        .flags(&[Flag::DenyOom, Flag::Fast, Flag::Write])
        .keys(&[KeySpec::one(1, &[KeyFlag::Rw, KeyFlag::Update])])
        .acl(&[Category::Hash])
        .deprecated("4.0.0", "`HSET` with multiple field-value pairs")
        .since("2.0.0")
        .complexity("O(N) with N the fields given")
        .summary("Sets fields to values.")
        .arguments(&[
            Argument::key("key", 0),
            Argument::block("data", &[Argument::string("field"), Argument::string("value")]).multiple(),
        ]),
    Command::new("hpersist", -5, hpersist)
        .group(Group::Hash)
        .flags(&[Flag::Fast, Flag::Write])
        .keys(&[KeySpec::one(1, &[KeyFlag::Rw, KeyFlag::Update])])
        .acl(&[Category::Hash])
        .since("7.4.0")
        .complexity("O(N) with N the fields given")
        .summary("Removes the expiry times of fields.")
        .arguments(&[
            Argument::key("key", 0),
            Argument::block(
                "fields",
                &[Argument::integer("numfields"), Argument::string("field").multiple()],
            )
            .token("FIELDS"),
        ]),
    Command::new("hpexpire", -6, hpexpire)
        .group(Group::Hash)
        .flags(&[Flag::Fast, Flag::Write])
        .keys(&[KeySpec::one(1, &[KeyFlag::Rw, KeyFlag::Update])])
        .acl(&[Category::Hash])
        .since("7.4.0")
        .complexity("O(N) with N the fields given")
        .summary("Sets in how many milliseconds fields expire.")
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
            .optional(),
            Argument::block(
                "fields",
                &[Argument::integer("numfields"), Argument::string("field").multiple()],
            )
            .token("FIELDS"),
        ]),
    Command::new("hpexpireat", -6, hpexpireat)
        .group(Group::Hash)
        .flags(&[Flag::Fast, Flag::Write])
        .keys(&[KeySpec::one(1, &[KeyFlag::Rw, KeyFlag::Update])])
        .acl(&[Category::Hash])
        .since("7.4.0")
        .complexity("O(N) with N the fields given")
        .summary("Sets at which millisecond of Unix time fields expire.")
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
            .optional(),
            Argument::block(
                "fields",
                &[Argument::integer("numfields"), Argument::string("field").multiple()],
            )
            .token("FIELDS"),
        ]),
    Command::new("hpexpiretime", -5, hpexpiretime)
        .group(Group::Hash)
        .flags(&[Flag::Fast, Flag::ReadOnly])
        .keys(&[KeySpec::one(1, &[KeyFlag::Ro, KeyFlag::Access])])
        .acl(&[Category::Hash])
        .since("7.4.0")
        .complexity("O(N) with N the fields given")
        .summary("Returns the millisecond of Unix time at which fields expire.")
        .arguments(&[
            Argument::key("key", 0),
            Argument::block(
                "fields",
                &[Argument::integer("numfields"), Argument::string("field").multiple()],
            )
            .token("FIELDS"),
        ]),
    Command::new("hpttl", -5, hpttl)
        .group(Group::Hash)
        .flags(&[Flag::Fast, Flag::ReadOnly])
        .keys(&[KeySpec::one(1, &[KeyFlag::Ro, KeyFlag::Access])])
        .acl(&[Category::Hash])
        .tips(&["nondeterministic_output"])
        .since("7.4.0")
        .complexity("O(N) with N the fields given")
        .summary("Returns in how many milliseconds fields expire.")
        .arguments(&[
            Argument::key("key", 0),
            Argument::block(
                "fields",
                &[Argument::integer("numfields"), Argument::string("field").multiple()],
            )
            .token("FIELDS"),
        ]),
    Command::new("hrandfield", -2, hrandfield)
        .group(Group::Hash)
        .flags(&[Flag::ReadOnly])
        .keys(&[KeySpec::one(1, &[KeyFlag::Ro, KeyFlag::Access])])
        .acl(&[Category::Hash])
        .tips(&["nondeterministic_output"])
        .since("6.2.0")
        .complexity("O(N) with N the fields returned")
        .summary("Returns fields chosen at random.")
        .arguments(&[
            Argument::key("key", 0),
            Argument::block(
                "options",
                &[Argument::integer("count"), Argument::word("withvalues", "WITHVALUES").optional()],
            )
            .optional(),
        ]),
    Command::new("hscan", -3, hscan)
        .group(Group::Hash)
        .flags(&[Flag::ReadOnly])
        .keys(&[KeySpec::one(1, &[KeyFlag::Ro, KeyFlag::Access])])
        .acl(&[Category::Hash])
        .tips(&["nondeterministic_output"])
        .since("2.8.0")
        .complexity("O(1) for each call, O(N) for a whole scan")
        .summary("Walks over the fields of a hash, a part at each call.")
        .arguments(&[
            Argument::key("key", 0),
            Argument::integer("cursor"),
            Argument::pattern("pattern").token("MATCH").optional(),
            Argument::integer("count").token("COUNT").optional(),
            Argument::word("novalues", "NOVALUES").optional(),
        ]),
    Command::new("hset", -4, hset)
        .group(Group::Hash)
        .flags(&[Flag::DenyOom, Flag::Fast, Flag::Write])
        .keys(&[KeySpec::one(1, &[KeyFlag::Rw, KeyFlag::Update])])
        .acl(&[Category::Hash])
        .since("2.0.0")
        .complexity("O(N) with N the fields given")
        .summary("Sets fields to values; the hash is created if there is none.")
        .arguments(&[
            Argument::key("key", 0),
            Argument::block("data", &[Argument::string("field"), Argument::string("value")]).multiple(),
        ]),
    Command::new("hsetex", -6, hsetex)
        .group(Group::Hash)
        .flags(&[Flag::DenyOom, Flag::Fast, Flag::Write])
        .keys(&[KeySpec::one(1, &[KeyFlag::Rw, KeyFlag::Update])])
        .acl(&[Category::Hash])
        .since("8.0.0")
        .complexity("O(N) with N the fields given")
        .summary("Sets fields to values and sets their expiry times.")
        .arguments(&[
            Argument::key("key", 0),
            Argument::one_of("key-condition", &[Argument::word("nx", "NX"), Argument::word("xx", "XX")])
                .optional(),
            Argument::one_of("condition", &[Argument::word("fnx", "FNX"), Argument::word("fxx", "FXX")])
                .optional(),
            Argument::one_of(
                "expiration",
                &[
                    Argument::integer("seconds").token("EX"),
                    Argument::integer("milliseconds").token("PX"),
                    Argument::unix_time("unix-time-seconds").token("EXAT"),
                    Argument::unix_time("unix-time-milliseconds").token("PXAT"),
                    Argument::word("keepttl", "KEEPTTL"),
                ],
            )
            .optional(),
            Argument::block(
                "fields",
                &[
                    Argument::integer("numfields"),
                    Argument::block("data", &[Argument::string("field"), Argument::string("value")])
                        .multiple(),
                ],
            )
            .token("FIELDS"),
        ]),
    Command::new("hsetnx", 4, hsetnx)
        .group(Group::Hash)
        .flags(&[Flag::DenyOom, Flag::Fast, Flag::Write])
        .keys(&[KeySpec::one(1, &[KeyFlag::Rw, KeyFlag::Insert])])
        .acl(&[Category::Hash])
        .since("2.0.0")
        .complexity("O(1)")
        .summary("Sets a field, if it is not there.")
        .arguments(&[Argument::key("key", 0), Argument::string("field"), Argument::string("value")]),
    Command::new("hstrlen", 3, hstrlen)
        .group(Group::Hash)
        .flags(&[Flag::Fast, Flag::ReadOnly])
        .keys(&[KeySpec::one(1, &[KeyFlag::Ro])])
        .acl(&[Category::Hash])
        .since("3.2.0")
        .complexity("O(1)")
        .summary("Returns the length of the value of a field.")
        .arguments(&[Argument::key("key", 0), Argument::string("field")]),
    Command::new("httl", -5, httl)
        .group(Group::Hash)
        .flags(&[Flag::Fast, Flag::ReadOnly])
        .keys(&[KeySpec::one(1, &[KeyFlag::Ro, KeyFlag::Access])])
        .acl(&[Category::Hash])
        .tips(&["nondeterministic_output"])
        .since("7.4.0")
        .complexity("O(N) with N the fields given")
        .summary("Returns in how many seconds fields expire.")
        .arguments(&[
            Argument::key("key", 0),
            Argument::block(
                "fields",
                &[Argument::integer("numfields"), Argument::string("field").multiple()],
            )
            .token("FIELDS"),
        ]),
    Command::new("hvals", 2, hvals)
        .group(Group::Hash)
        .flags(&[Flag::ReadOnly])
        .keys(&[KeySpec::one(1, &[KeyFlag::Ro, KeyFlag::Access])])
        .acl(&[Category::Hash])
        .tips(&["nondeterministic_output_order"])
        .since("2.0.0")
        .complexity("O(N) with N the fields of the hash")
        .summary("Returns all values.")
        .arguments(&[Argument::key("key", 0)]),
];
