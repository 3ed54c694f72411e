//! The rows of the string family: each command as data. Arity, flags, key positions and tips are those that real
//! servers report.

use super::{change::*, condition::*, get::*, lcs::*, many::*, set::*};
use crate::table::{Argument, BeginSearch, Category, Command, FindKeys, Flag, Group, KeyFlag, KeySpec};

pub const ROWS: &[Command] = &[
    Command::new("append", 3, append)
        .group(Group::String)
        .flags(&[Flag::DenyOom, Flag::Fast, Flag::Write])
        .keys(&[KeySpec::one(1, &[KeyFlag::Rw, KeyFlag::Insert])])
        .acl(&[Category::String])
        .since("2.0.0")
        .complexity("O(N) with N the bytes appended, amortised")
        .summary("Appends bytes to a string, which is created if there is none.")
        .arguments(&[Argument::key("key", 0), Argument::string("value")]),
    Command::new("decr", 2, decr)
        .group(Group::String)
        .flags(&[Flag::DenyOom, Flag::Fast, Flag::Write])
        .keys(&[KeySpec::one(1, &[KeyFlag::Rw, KeyFlag::Access, KeyFlag::Update])])
        .acl(&[Category::String])
        .since("1.0.0")
        .complexity("O(1)")
        .summary("Subtracts one from an integer; a missing key counts as zero.")
        .arguments(&[Argument::key("key", 0)]),
    Command::new("decrby", 3, decrby)
        .group(Group::String)
        .flags(&[Flag::DenyOom, Flag::Fast, Flag::Write])
        .keys(&[KeySpec::one(1, &[KeyFlag::Rw, KeyFlag::Access, KeyFlag::Update])])
        .acl(&[Category::String])
        .since("1.0.0")
        .complexity("O(1)")
        .summary("Subtracts a number from an integer; a missing key counts as zero.")
        .arguments(&[Argument::key("key", 0), Argument::integer("decrement")]),
    Command::new("delex", -2, delex)
        .group(Group::String)
        .flags(&[Flag::Fast, Flag::Write])
        .keys(&[KeySpec::one(1, &[KeyFlag::Rw, KeyFlag::Delete, KeyFlag::VariableFlags])])
        .acl(&[Category::String])
        .since("8.4.0")
        .complexity("O(1), or O(N) with N the length of the string for IFDEQ and IFDNE")
        .summary("Deletes a key, if it holds what the condition says.")
        .arguments(&[
            Argument::key("key", 0),
            Argument::one_of(
                "condition",
                &[
                    Argument::string("ifeq-value").token("IFEQ"),
                    Argument::string("ifne-value").token("IFNE"),
                    Argument::string("ifdeq-digest").token("IFDEQ"),
                    Argument::string("ifdne-digest").token("IFDNE"),
                ],
            )
            .optional(),
        ]),
    Command::new("delifeq", 3, delifeq)
        .group(Group::String)
        .flags(&[Flag::Fast, Flag::Write])
        .keys(&[KeySpec::one(1, &[KeyFlag::Rm, KeyFlag::Delete])])
        .acl(&[Category::String])
        .since("8.4.0")
        .complexity("O(N) with N the length of the string")
        .summary("Deletes a key, if it holds the given string.")
        .arguments(&[Argument::key("key", 0), Argument::string("value")]),
    Command::new("digest", 2, digest)
        .group(Group::String)
        .flags(&[Flag::Fast, Flag::ReadOnly])
        .keys(&[KeySpec::one(1, &[KeyFlag::Ro])])
        .acl(&[Category::String])
        .since("8.4.0")
        .complexity("O(N) with N the length of the string")
        .summary("Returns the digest of a string.")
        .arguments(&[Argument::key("key", 0)]),
    Command::new("get", 2, get)
        .group(Group::String)
        .flags(&[Flag::Fast, Flag::ReadOnly])
        .keys(&[KeySpec::one(1, &[KeyFlag::Ro, KeyFlag::Access])])
        .acl(&[Category::String])
        .since("1.0.0")
        .complexity("O(1)")
        .summary("Returns a string.")
        .arguments(&[Argument::key("key", 0)]),
    Command::new("getdel", 2, getdel)
        .group(Group::String)
        .flags(&[Flag::Fast, Flag::Write])
        .keys(&[KeySpec::one(1, &[KeyFlag::Rw, KeyFlag::Access, KeyFlag::Delete])])
        .acl(&[Category::String])
        .since("6.2.0")
        .complexity("O(1)")
        .summary("Returns a string and deletes its key.")
        .arguments(&[Argument::key("key", 0)]),
    Command::new("getex", -2, getex)
        .group(Group::String)
        .flags(&[Flag::Fast, Flag::Write])
        .keys(&[KeySpec::one(1, &[KeyFlag::Rw, KeyFlag::Access, KeyFlag::Update])])
        .acl(&[Category::String])
        .since("6.2.0")
        .complexity("O(1)")
        .summary("Returns a string and sets or removes its expiry time.")
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
        ]),
    Command::new("getrange", 4, getrange)
        .group(Group::String)
        .flags(&[Flag::ReadOnly])
        .keys(&[KeySpec::one(1, &[KeyFlag::Ro, KeyFlag::Access])])
        .acl(&[Category::String])
        .since("2.4.0")
        .complexity("O(N) with N the bytes returned")
        .summary("Returns a part of a string.")
        .arguments(&[Argument::key("key", 0), Argument::integer("start"), Argument::integer("end")]),
    Command::new("getset", 3, getset)
        .group(Group::String)
        .flags(&[Flag::DenyOom, Flag::Fast, Flag::Write])
        .keys(&[KeySpec::one(1, &[KeyFlag::Rw, KeyFlag::Access, KeyFlag::Update])])
        .acl(&[Category::String])
        .since("1.0.0")
        .complexity("O(1)")
        .summary("Sets a string and returns the one that it replaces.")
        .deprecated("6.2.0", "`SET` with `GET`")
        .arguments(&[Argument::key("key", 0), Argument::string("value")]),
    Command::new("incr", 2, incr)
        .group(Group::String)
        .flags(&[Flag::DenyOom, Flag::Fast, Flag::Write])
        .keys(&[KeySpec::one(1, &[KeyFlag::Rw, KeyFlag::Access, KeyFlag::Update])])
        .acl(&[Category::String])
        .since("1.0.0")
        .complexity("O(1)")
        .summary("Adds one to an integer; a missing key counts as zero.")
        .arguments(&[Argument::key("key", 0)]),
    Command::new("incrby", 3, incrby)
        .group(Group::String)
        .flags(&[Flag::DenyOom, Flag::Fast, Flag::Write])
        .keys(&[KeySpec::one(1, &[KeyFlag::Rw, KeyFlag::Access, KeyFlag::Update])])
        .acl(&[Category::String])
        .since("1.0.0")
        .complexity("O(1)")
        .summary("Adds a number to an integer; a missing key counts as zero.")
        .arguments(&[Argument::key("key", 0), Argument::integer("increment")]),
    Command::new("incrbyfloat", 3, incrbyfloat)
        .group(Group::String)
        .flags(&[Flag::DenyOom, Flag::Fast, Flag::Write])
        .keys(&[KeySpec::one(1, &[KeyFlag::Rw, KeyFlag::Access, KeyFlag::Update])])
        .acl(&[Category::String])
        .since("2.6.0")
        .complexity("O(1)")
        .summary("Adds a number to a floating-point number; a missing key counts as zero.")
        .arguments(&[Argument::key("key", 0), Argument::double("increment")]),
    Command::new("lcs", -3, lcs)
        .group(Group::String)
        .flags(&[Flag::ReadOnly])
        .keys(&[KeySpec::new(
            BeginSearch::Index(1),
            FindKeys::Range { last: 1, step: 1, limit: 0 },
            &[KeyFlag::Ro, KeyFlag::Access],
        )])
        .acl(&[Category::String])
        .since("7.0.0")
        .complexity("O(N*M) with N and M the lengths of both strings")
        .summary("Finds the longest common subsequence of two strings.")
        .arguments(&[
            Argument::key("key1", 0),
            Argument::key("key2", 0),
            Argument::word("len", "LEN").optional(),
            Argument::word("idx", "IDX").optional(),
            Argument::integer("len").token("MINMATCHLEN").optional(),
            Argument::word("withmatchlen", "WITHMATCHLEN").optional(),
        ]),
    Command::new("mget", -2, mget)
        .group(Group::String)
        .flags(&[Flag::Fast, Flag::ReadOnly])
        .keys(&[KeySpec::rest(1, &[KeyFlag::Ro, KeyFlag::Access])])
        .acl(&[Category::String])
        .tips(&["request_policy:multi_shard"])
        .since("1.0.0")
        .complexity("O(N) with N the number of keys")
        .summary("Returns several strings.")
        .arguments(&[Argument::key("key", 0).multiple()]),
    Command::new("mset", -3, mset)
        .group(Group::String)
        .flags(&[Flag::DenyOom, Flag::Write])
        .keys(&[KeySpec::every(1, 2, &[KeyFlag::Ow, KeyFlag::Update])])
        .acl(&[Category::String])
        .tips(&["request_policy:multi_shard", "response_policy:all_succeeded"])
        .since("1.0.1")
        .complexity("O(N) with N the number of keys")
        .summary("Sets several strings at once.")
        .arguments(&[
            Argument::block("key_value", &[Argument::key("key", 0), Argument::string("value")]).multiple()
        ]),
    Command::new("msetex", -4, msetex)
        .group(Group::String)
        .flags(&[Flag::DenyOom, Flag::Write])
        .keys(&[KeySpec::new(
            BeginSearch::Index(1),
            FindKeys::Counted { count_index: 0, first: 1, step: 2 },
            &[KeyFlag::Ow, KeyFlag::Update],
        )])
        .acl(&[Category::String])
        .tips(&["request_policy:multi_shard", "response_policy:all_succeeded"])
        .since("8.4.0")
        .complexity("O(N) with N the number of keys")
        .summary("Sets several strings at once, with one expiry time for all.")
        .arguments(&[
            Argument::integer("numkeys"),
            Argument::block("data", &[Argument::key("key", 0), Argument::string("value")]).multiple(),
            Argument::one_of("condition", &[Argument::word("nx", "NX"), Argument::word("xx", "XX")])
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
        ]),
    Command::new("msetnx", -3, msetnx)
        .group(Group::String)
        .flags(&[Flag::DenyOom, Flag::Write])
        .keys(&[KeySpec::every(1, 2, &[KeyFlag::Ow, KeyFlag::Insert])])
        .acl(&[Category::String])
        .since("1.0.1")
        .complexity("O(N) with N the number of keys")
        .summary("Sets several strings at once, if none of their keys exists.")
        .arguments(&[
            Argument::block("key_value", &[Argument::key("key", 0), Argument::string("value")]).multiple()
        ]),
    Command::new("psetex", 4, psetex)
        .group(Group::String)
        .flags(&[Flag::DenyOom, Flag::Write])
        .keys(&[KeySpec::one(1, &[KeyFlag::Ow, KeyFlag::Update])])
        .acl(&[Category::String])
        .since("2.6.0")
        .complexity("O(1)")
        .summary("Sets a string and its time to live in milliseconds.")
        .deprecated("2.6.12", "`SET` with `PX`")
        .arguments(&[Argument::key("key", 0), Argument::integer("milliseconds"), Argument::string("value")]),
    Command::new("set", -3, set)
        .group(Group::String)
        .flags(&[Flag::DenyOom, Flag::Write])
        .keys(&[KeySpec::one(1, &[KeyFlag::Rw, KeyFlag::Access, KeyFlag::Update, KeyFlag::VariableFlags])])
        .keys_found_by(keys_of_set)
        .acl(&[Category::String])
        .since("1.0.0")
        .complexity("O(1)")
        .summary("Sets a string, whatever its key held before.")
        .history(&[
            ("2.6.12", "EX, PX, NX and XX."),
            ("6.0.0", "KEEPTTL."),
            ("6.2.0", "GET, EXAT and PXAT."),
            ("7.0.0", "NX and GET may be combined."),
            ("8.4.0", "IFEQ, IFNE, IFDEQ and IFDNE."),
        ])
        .arguments(&[
            Argument::key("key", 0),
            Argument::string("value"),
            Argument::one_of(
                "condition",
                &[
                    Argument::word("nx", "NX"),
                    Argument::word("xx", "XX"),
                    Argument::string("ifeq-value").token("IFEQ").since("8.4.0"),
                    Argument::string("ifne-value").token("IFNE").since("8.4.0"),
                    Argument::string("ifdeq-digest").token("IFDEQ").since("8.4.0"),
                    Argument::string("ifdne-digest").token("IFDNE").since("8.4.0"),
                ],
            )
            .since("2.6.12")
            .optional(),
            Argument::word("get", "GET").since("6.2.0").optional(),
            Argument::one_of(
                "expiration",
                &[
                    Argument::integer("seconds").token("EX").since("2.6.12"),
                    Argument::integer("milliseconds").token("PX").since("2.6.12"),
                    Argument::unix_time("unix-time-seconds").token("EXAT").since("6.2.0"),
                    Argument::unix_time("unix-time-milliseconds").token("PXAT").since("6.2.0"),
                    Argument::word("keepttl", "KEEPTTL").since("6.0.0"),
                ],
            )
            .optional(),
        ]),
    Command::new("setex", 4, setex)
        .group(Group::String)
        .flags(&[Flag::DenyOom, Flag::Write])
        .keys(&[KeySpec::one(1, &[KeyFlag::Ow, KeyFlag::Update])])
        .acl(&[Category::String])
        .since("2.0.0")
        .complexity("O(1)")
        .summary("Sets a string and its time to live in seconds.")
        .deprecated("2.6.12", "`SET` with `EX`")
        .arguments(&[Argument::key("key", 0), Argument::integer("seconds"), Argument::string("value")]),
    Command::new("setnx", 3, setnx)
        .group(Group::String)
        .flags(&[Flag::DenyOom, Flag::Fast, Flag::Write])
        .keys(&[KeySpec::one(1, &[KeyFlag::Ow, KeyFlag::Insert])])
        .acl(&[Category::String])
        .since("1.0.0")
        .complexity("O(1)")
        .summary("Sets a string, if its key does not exist.")
        .deprecated("2.6.12", "`SET` with `NX`")
        .arguments(&[Argument::key("key", 0), Argument::string("value")]),
    Command::new("setrange", 4, setrange)
        .group(Group::String)
        .flags(&[Flag::DenyOom, Flag::Write])
        .keys(&[KeySpec::one(1, &[KeyFlag::Rw, KeyFlag::Update])])
        .acl(&[Category::String])
        .since("2.2.0")
        .complexity("O(N) with N the bytes written, and those that lengthen the string")
        .summary("Overwrites a part of a string, lengthening it with zeros where needed.")
        .arguments(&[Argument::key("key", 0), Argument::integer("offset"), Argument::string("value")]),
    Command::new("strlen", 2, strlen)
        .group(Group::String)
        .flags(&[Flag::Fast, Flag::ReadOnly])
        .keys(&[KeySpec::one(1, &[KeyFlag::Ro])])
        .acl(&[Category::String])
        .since("2.2.0")
        .complexity("O(1)")
        .summary("Returns the length of a string.")
        .arguments(&[Argument::key("key", 0)]),
    Command::new("substr", 4, getrange)
        .group(Group::String)
        .flags(&[Flag::ReadOnly])
        .keys(&[KeySpec::one(1, &[KeyFlag::Ro, KeyFlag::Access])])
        .acl(&[Category::String])
        .since("1.0.0")
        .complexity("O(N) with N the bytes returned")
        .summary("Returns a part of a string.")
        .deprecated("2.0.0", "`GETRANGE`")
        .arguments(&[Argument::key("key", 0), Argument::integer("start"), Argument::integer("end")]),
];
