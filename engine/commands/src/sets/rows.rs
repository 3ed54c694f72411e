//! The rows of the set family: each command as data. Arity, flags, key positions and tips are those that real
//! servers report.

use super::{algebra::*, member::*, random::*};
use crate::table::{Argument, Category, Command, Flag, Group, KeyFlag, KeySpec};

pub const ROWS: &[Command] = &[
    Command::new("sadd", -3, sadd)
        .group(Group::Set)
        .flags(&[Flag::DenyOom, Flag::Fast, Flag::Write])
        .keys(&[KeySpec::one(1, &[KeyFlag::Rw, KeyFlag::Insert])])
        .acl(&[Category::Set])
        .since("1.0.0")
        .complexity("O(N) with N the members given")
        .summary("Adds members to a set, which is created if there is none.")
        .arguments(&[Argument::key("key", 0), Argument::string("member").multiple()]),
    Command::new("scard", 2, scard)
        .group(Group::Set)
        .flags(&[Flag::Fast, Flag::ReadOnly])
        .keys(&[KeySpec::one(1, &[KeyFlag::Ro])])
        .acl(&[Category::Set])
        .since("1.0.0")
        .complexity("O(1)")
        .summary("Returns the number of members.")
        .arguments(&[Argument::key("key", 0)]),
    Command::new("sdiff", -2, sdiff)
        .group(Group::Set)
        .flags(&[Flag::ReadOnly])
        .keys(&[KeySpec::rest(1, &[KeyFlag::Ro, KeyFlag::Access])])
        .acl(&[Category::Set])
        .tips(&["nondeterministic_output_order"])
        .since("1.0.0")
        .complexity("O(N) with N the members of all sets")
        .summary("Returns the members of the first set that no other has.")
        .arguments(&[Argument::key("key", 0).multiple()]),
    Command::new("sdiffstore", -3, sdiffstore)
        .group(Group::Set)
        .flags(&[Flag::DenyOom, Flag::Write])
        .keys(&[
            KeySpec::one(1, &[KeyFlag::Ow, KeyFlag::Update]),
            KeySpec::rest(2, &[KeyFlag::Ro, KeyFlag::Access]),
        ])
        .acl(&[Category::Set])
        .since("1.0.0")
        .complexity("O(N) with N the members of all sets")
        .summary("Stores the members of the first set that no other has.")
        .arguments(&[Argument::key("destination", 0), Argument::key("key", 1).multiple()]),
    Command::new("sinter", -2, sinter)
        .group(Group::Set)
        .flags(&[Flag::ReadOnly])
        .keys(&[KeySpec::rest(1, &[KeyFlag::Ro, KeyFlag::Access])])
        .acl(&[Category::Set])
        .tips(&["nondeterministic_output_order"])
        .since("1.0.0")
        .complexity("O(N*M) with N the members of the smallest set and M the sets")
        .summary("Returns the members that all sets have.")
        .arguments(&[Argument::key("key", 0).multiple()]),
    Command::new("sintercard", -3, sintercard)
        .group(Group::Set)
        .flags(&[Flag::MovableKeys, Flag::ReadOnly])
        .keys(&[KeySpec::counted(1, &[KeyFlag::Ro, KeyFlag::Access])])
        .acl(&[Category::Set])
        .since("7.0.0")
        .complexity("O(N*M) with N the members of the smallest set and M the sets")
        .summary("Returns the number of members that all sets have.")
        .arguments(&[
            Argument::integer("numkeys"),
            Argument::key("key", 0).multiple(),
            Argument::integer("limit").token("LIMIT").optional(),
        ]),
    Command::new("sinterstore", -3, sinterstore)
        .group(Group::Set)
        .flags(&[Flag::DenyOom, Flag::Write])
        .keys(&[
            KeySpec::one(1, &[KeyFlag::Ow, KeyFlag::Update]),
            KeySpec::rest(2, &[KeyFlag::Ro, KeyFlag::Access]),
        ])
        .acl(&[Category::Set])
        .since("1.0.0")
        .complexity("O(N*M) with N the members of the smallest set and M the sets")
        .summary("Stores the members that all sets have.")
        .arguments(&[Argument::key("destination", 0), Argument::key("key", 1).multiple()]),
    Command::new("sismember", 3, sismember)
        .group(Group::Set)
        .flags(&[Flag::Fast, Flag::ReadOnly])
        .keys(&[KeySpec::one(1, &[KeyFlag::Ro])])
        .acl(&[Category::Set])
        .since("1.0.0")
        .complexity("O(1)")
        .summary("Tells whether a set has a member.")
        .arguments(&[Argument::key("key", 0), Argument::string("member")]),
    Command::new("smembers", 2, smembers)
        .group(Group::Set)
        .flags(&[Flag::ReadOnly])
        .keys(&[KeySpec::one(1, &[KeyFlag::Ro, KeyFlag::Access])])
        .acl(&[Category::Set])
        .tips(&["nondeterministic_output_order"])
        .since("1.0.0")
        .complexity("O(N) with N the members of the set")
        .summary("Returns all members.")
        .arguments(&[Argument::key("key", 0)]),
    Command::new("smismember", -3, smismember)
        .group(Group::Set)
        .flags(&[Flag::Fast, Flag::ReadOnly])
        .keys(&[KeySpec::one(1, &[KeyFlag::Ro, KeyFlag::Access])])
        .acl(&[Category::Set])
        .since("6.2.0")
        .complexity("O(N) with N the members given")
        .summary("Tells of several members whether a set has them.")
        .arguments(&[Argument::key("key", 0), Argument::string("member").multiple()]),
    Command::new("smove", 4, smove)
        .group(Group::Set)
        .flags(&[Flag::Fast, Flag::Write])
        .keys(&[
            KeySpec::one(1, &[KeyFlag::Rw, KeyFlag::Access, KeyFlag::Delete]),
            KeySpec::one(2, &[KeyFlag::Rw, KeyFlag::Insert]),
        ])
        .acl(&[Category::Set])
        .since("1.0.0")
        .complexity("O(1)")
        .summary("Takes a member from one set and adds it to another.")
        .arguments(&[
            Argument::key("source", 0),
            Argument::key("destination", 1),
            Argument::string("member"),
        ]),
    Command::new("spop", -2, spop)
        .group(Group::Set)
        .flags(&[Flag::Fast, Flag::Write])
        .keys(&[KeySpec::one(1, &[KeyFlag::Rw, KeyFlag::Access, KeyFlag::Delete])])
        .acl(&[Category::Set])
        .tips(&["nondeterministic_output"])
        .since("1.0.0")
        .complexity("O(N) with N the members returned")
        .summary("Removes and returns members chosen at random.")
        .arguments(&[Argument::key("key", 0), Argument::integer("count").optional()]),
    Command::new("srandmember", -2, srandmember)
        .group(Group::Set)
        .flags(&[Flag::ReadOnly])
        .keys(&[KeySpec::one(1, &[KeyFlag::Ro, KeyFlag::Access])])
        .acl(&[Category::Set])
        .tips(&["nondeterministic_output"])
        .since("1.0.0")
        .complexity("O(N) with N the members returned")
        .summary("Returns members chosen at random.")
        .arguments(&[Argument::key("key", 0), Argument::integer("count").optional()]),
    Command::new("srem", -3, srem)
        .group(Group::Set)
        .flags(&[Flag::Fast, Flag::Write])
        .keys(&[KeySpec::one(1, &[KeyFlag::Rw, KeyFlag::Delete])])
        .acl(&[Category::Set])
        .since("1.0.0")
        .complexity("O(N) with N the members given")
        .summary("Removes members.")
        .arguments(&[Argument::key("key", 0), Argument::string("member").multiple()]),
    Command::new("sscan", -3, sscan)
        .group(Group::Set)
        .flags(&[Flag::ReadOnly])
        .keys(&[KeySpec::one(1, &[KeyFlag::Ro, KeyFlag::Access])])
        .acl(&[Category::Set])
        .tips(&["nondeterministic_output"])
        .since("2.8.0")
        .complexity("O(1) for each call, O(N) for a whole scan")
        .summary("Walks over the members of a set, a part at each call.")
        .arguments(&[
            Argument::key("key", 0),
            Argument::integer("cursor"),
            Argument::pattern("pattern").token("MATCH").optional(),
            Argument::integer("count").token("COUNT").optional(),
        ]),
    Command::new("sunion", -2, sunion)
        .group(Group::Set)
        .flags(&[Flag::ReadOnly])
        .keys(&[KeySpec::rest(1, &[KeyFlag::Ro, KeyFlag::Access])])
        .acl(&[Category::Set])
        .tips(&["nondeterministic_output_order"])
        .since("1.0.0")
        .complexity("O(N) with N the members of all sets")
        .summary("Returns the members that any of the sets has.")
        .arguments(&[Argument::key("key", 0).multiple()]),
    Command::new("sunionstore", -3, sunionstore)
        .group(Group::Set)
        .flags(&[Flag::DenyOom, Flag::Write])
        .keys(&[
            KeySpec::one(1, &[KeyFlag::Ow, KeyFlag::Update]),
            KeySpec::rest(2, &[KeyFlag::Ro, KeyFlag::Access]),
        ])
        .acl(&[Category::Set])
        .since("1.0.0")
        .complexity("O(N) with N the members of all sets")
        .summary("Stores the members that any of the sets has.")
        .arguments(&[Argument::key("destination", 0), Argument::key("key", 1).multiple()]),
];
