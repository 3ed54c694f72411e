//! The rows of the list family: each command as data. Arity, flags, key positions and tips are those that real
//! servers report.

use super::{ends::*, position::*, range::*, transfer::*};
use crate::table::{Argument, Category, Command, Flag, Group, KeyFlag, KeySpec};

pub const ROWS: &[Command] = &[
    Command::new("lindex", 3, lindex)
        .group(Group::List)
        .flags(&[Flag::ReadOnly])
        .keys(&[KeySpec::one(1, &[KeyFlag::Ro, KeyFlag::Access])])
        .acl(&[Category::List])
        .since("1.0.0")
        .complexity("O(N) with N the blocks between the element and the nearer end")
        .summary("Returns the element at an index.")
        .arguments(&[Argument::key("key", 0), Argument::integer("index")]),
    Command::new("linsert", 5, linsert)
        .group(Group::List)
        .flags(&[Flag::DenyOom, Flag::Write])
        .keys(&[KeySpec::one(1, &[KeyFlag::Rw, KeyFlag::Insert])])
        .acl(&[Category::List])
        .since("2.2.0")
        .complexity("O(N) with N the elements before the pivot")
        .summary("Inserts an element before or after another.")
        .arguments(&[
            Argument::key("key", 0),
            Argument::one_of(
                "where",
                &[Argument::word("before", "BEFORE"), Argument::word("after", "AFTER")],
            ),
            Argument::string("pivot"),
            Argument::string("element"),
        ]),
    Command::new("llen", 2, llen)
        .group(Group::List)
        .flags(&[Flag::Fast, Flag::ReadOnly])
        .keys(&[KeySpec::one(1, &[KeyFlag::Ro])])
        .acl(&[Category::List])
        .since("1.0.0")
        .complexity("O(1)")
        .summary("Returns the length of a list.")
        .arguments(&[Argument::key("key", 0)]),
    Command::new("lmove", 5, lmove)
        .group(Group::List)
        .flags(&[Flag::DenyOom, Flag::Write])
        .keys(&[
            KeySpec::one(1, &[KeyFlag::Rw, KeyFlag::Access, KeyFlag::Delete]),
            KeySpec::one(2, &[KeyFlag::Rw, KeyFlag::Insert]),
        ])
        .acl(&[Category::List])
        .since("6.2.0")
        .complexity("O(1)")
        .summary("Takes an element from one list and puts it into another.")
        .arguments(&[
            Argument::key("source", 0),
            Argument::key("destination", 1),
            Argument::one_of(
                "wherefrom",
                &[Argument::word("left", "LEFT"), Argument::word("right", "RIGHT")],
            ),
            Argument::one_of("whereto", &[Argument::word("left", "LEFT"), Argument::word("right", "RIGHT")]),
        ]),
    Command::new("lmpop", -4, lmpop)
        .group(Group::List)
        .flags(&[Flag::MovableKeys, Flag::Write])
        .keys(&[KeySpec::counted(1, &[KeyFlag::Rw, KeyFlag::Access, KeyFlag::Delete])])
        .acl(&[Category::List])
        .since("7.0.0")
        .complexity("O(N+M) with N the keys given and M the elements returned")
        .summary("Takes elements from the first list that is not empty.")
        .arguments(&[
            Argument::integer("numkeys"),
            Argument::key("key", 0).multiple(),
            Argument::one_of("where", &[Argument::word("left", "LEFT"), Argument::word("right", "RIGHT")]),
            Argument::integer("count").token("COUNT").optional(),
        ]),
    Command::new("lpop", -2, lpop)
        .group(Group::List)
        .flags(&[Flag::Fast, Flag::Write])
        .keys(&[KeySpec::one(1, &[KeyFlag::Rw, KeyFlag::Access, KeyFlag::Delete])])
        .acl(&[Category::List])
        .since("1.0.0")
        .complexity("O(N) with N the elements returned")
        .summary("Takes elements from the head of a list.")
        .arguments(&[Argument::key("key", 0), Argument::integer("count").optional()]),
    Command::new("lpos", -3, lpos)
        .group(Group::List)
        .flags(&[Flag::ReadOnly])
        .keys(&[KeySpec::one(1, &[KeyFlag::Ro, KeyFlag::Access])])
        .acl(&[Category::List])
        .since("6.0.6")
        .complexity("O(N) with N the elements of the list")
        .summary("Returns the indexes of elements that equal one.")
        .arguments(&[
            Argument::key("key", 0),
            Argument::string("element"),
            Argument::integer("rank").token("RANK").optional(),
            Argument::integer("num-matches").token("COUNT").optional(),
            Argument::integer("len").token("MAXLEN").optional(),
        ]),
    Command::new("lpush", -3, lpush)
        .group(Group::List)
        .flags(&[Flag::DenyOom, Flag::Fast, Flag::Write])
        .keys(&[KeySpec::one(1, &[KeyFlag::Rw, KeyFlag::Insert])])
        .acl(&[Category::List])
        .since("1.0.0")
        .complexity("O(N) with N the elements given")
        .summary("Puts elements in front of a list, which is created if there is none.")
        .arguments(&[Argument::key("key", 0), Argument::string("element").multiple()]),
    Command::new("lpushx", -3, lpushx)
        .group(Group::List)
        .flags(&[Flag::DenyOom, Flag::Fast, Flag::Write])
        .keys(&[KeySpec::one(1, &[KeyFlag::Rw, KeyFlag::Insert])])
        .acl(&[Category::List])
        .since("2.2.0")
        .complexity("O(N) with N the elements given")
        .summary("Puts elements in front of a list that exists.")
        .arguments(&[Argument::key("key", 0), Argument::string("element").multiple()]),
    Command::new("lrange", 4, lrange)
        .group(Group::List)
        .flags(&[Flag::ReadOnly])
        .keys(&[KeySpec::one(1, &[KeyFlag::Ro, KeyFlag::Access])])
        .acl(&[Category::List])
        .since("1.0.0")
        .complexity("O(S+N) with S the distance of the start from the nearer end and N the elements returned")
        .summary("Returns the elements of a range.")
        .arguments(&[Argument::key("key", 0), Argument::integer("start"), Argument::integer("stop")]),
    Command::new("lrem", 4, lrem)
        .group(Group::List)
        .flags(&[Flag::Write])
        .keys(&[KeySpec::one(1, &[KeyFlag::Rw, KeyFlag::Delete])])
        .acl(&[Category::List])
        .since("1.0.0")
        .complexity("O(N) with N the elements of the list")
        .summary("Removes elements that equal one.")
        .arguments(&[Argument::key("key", 0), Argument::integer("count"), Argument::string("element")]),
    Command::new("lset", 4, lset)
        .group(Group::List)
        .flags(&[Flag::DenyOom, Flag::Write])
        .keys(&[KeySpec::one(1, &[KeyFlag::Rw, KeyFlag::Update])])
        .acl(&[Category::List])
        .since("1.0.0")
        .complexity("O(N) with N the distance from the nearer end")
        .summary("Replaces the element at an index.")
        .arguments(&[Argument::key("key", 0), Argument::integer("index"), Argument::string("element")]),
    Command::new("ltrim", 4, ltrim)
        .group(Group::List)
        .flags(&[Flag::Write])
        .keys(&[KeySpec::one(1, &[KeyFlag::Rw, KeyFlag::Delete])])
        .acl(&[Category::List])
        .since("1.0.0")
        .complexity("O(N) with N the elements removed")
        .summary("Removes all elements outside a range.")
        .arguments(&[Argument::key("key", 0), Argument::integer("start"), Argument::integer("stop")]),
    Command::new("rpop", -2, rpop)
        .group(Group::List)
        .flags(&[Flag::Fast, Flag::Write])
        .keys(&[KeySpec::one(1, &[KeyFlag::Rw, KeyFlag::Access, KeyFlag::Delete])])
        .acl(&[Category::List])
        .since("1.0.0")
        .complexity("O(N) with N the elements returned")
        .summary("Takes elements from the tail of a list.")
        .arguments(&[Argument::key("key", 0), Argument::integer("count").optional()]),
    Command::new("rpoplpush", 3, rpoplpush)
        .group(Group::List)
        .flags(&[Flag::DenyOom, Flag::Write])
        .keys(&[
            KeySpec::one(1, &[KeyFlag::Rw, KeyFlag::Access, KeyFlag::Delete]),
            KeySpec::one(2, &[KeyFlag::Rw, KeyFlag::Insert]),
        ])
        .acl(&[Category::List])
        .deprecated("6.2.0", "`LMOVE` with the `RIGHT` and `LEFT` arguments")
        .since("1.2.0")
        .complexity("O(1)")
        .summary("Takes the last element of one list and puts it in front of another.")
        .arguments(&[Argument::key("source", 0), Argument::key("destination", 1)]),
    Command::new("rpush", -3, rpush)
        .group(Group::List)
        .flags(&[Flag::DenyOom, Flag::Fast, Flag::Write])
        .keys(&[KeySpec::one(1, &[KeyFlag::Rw, KeyFlag::Insert])])
        .acl(&[Category::List])
        .since("1.0.0")
        .complexity("O(N) with N the elements given")
        .summary("Appends elements to a list, which is created if there is none.")
        .arguments(&[Argument::key("key", 0), Argument::string("element").multiple()]),
    Command::new("rpushx", -3, rpushx)
        .group(Group::List)
        .flags(&[Flag::DenyOom, Flag::Fast, Flag::Write])
        .keys(&[KeySpec::one(1, &[KeyFlag::Rw, KeyFlag::Insert])])
        .acl(&[Category::List])
        .since("2.2.0")
        .complexity("O(N) with N the elements given")
        .summary("Appends elements to a list that exists.")
        .arguments(&[Argument::key("key", 0), Argument::string("element").multiple()]),
];
