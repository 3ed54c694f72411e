//! The rows of the hash family: each command as data. Arity, flags, key positions and tips are those that real
//! servers report.

use super::field::*;
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
    Command::new("hlen", 2, hlen)
        .group(Group::Hash)
        .flags(&[Flag::Fast, Flag::ReadOnly])
        .keys(&[KeySpec::one(1, &[KeyFlag::Ro])])
        .acl(&[Category::Hash])
        .since("2.0.0")
        .complexity("O(1)")
        .summary("Returns the number of fields.")
        .arguments(&[Argument::key("key", 0)]),
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
];
