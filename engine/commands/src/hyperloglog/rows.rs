//! The rows of the HyperLogLog family: each command as data.

use super::commands::*;
use crate::table::{Argument, Category, Command, Flag, Group, KeyFlag, KeySpec};

const fn hyperloglog(name: &'static str, arity: i32, handler: crate::Handler) -> Command {
    Command::new(name, arity, handler).group(Group::HyperLogLog).acl(&[Category::HyperLogLog]).since("2.8.9")
}

pub const ROWS: &[Command] = &[
    hyperloglog("pfadd", -2, pfadd)
        .flags(&[Flag::DenyOom, Flag::Fast, Flag::Write])
        .keys(&[KeySpec::one(1, &[KeyFlag::Rw, KeyFlag::Insert])])
        .complexity("O(1) for each element")
        .summary("Shows elements to a HyperLogLog, which is created if there is none.")
        .arguments(&[Argument::key("key", 0), Argument::string("element").optional().multiple()]),
    hyperloglog("pfcount", -2, pfcount)
        .flags(&[Flag::ReadOnly])
        .keys(&[KeySpec::rest(1, &[KeyFlag::Rw, KeyFlag::Access])])
        .complexity("O(1) for one key, whose cardinality is remembered; O(N) for N keys")
        .summary("Estimates how many different elements one or several HyperLogLogs have seen.")
        .arguments(&[Argument::key("key", 0).multiple()]),
    hyperloglog("pfdebug", 3, pfdebug)
        .flags(&[Flag::Admin, Flag::DenyOom, Flag::Write])
        .keys(&[KeySpec::one(2, &[KeyFlag::Rw, KeyFlag::Access])])
        .complexity("N/A")
        .summary("Looks into a HyperLogLog.")
        .arguments(&[Argument::string("subcommand"), Argument::key("key", 0)]),
    hyperloglog("pfmerge", -2, pfmerge)
        .flags(&[Flag::DenyOom, Flag::Write])
        .keys(&[
            KeySpec::one(1, &[KeyFlag::Rw, KeyFlag::Access, KeyFlag::Insert]),
            KeySpec::rest(2, &[KeyFlag::Ro, KeyFlag::Access]),
        ])
        .complexity("O(N) with N the number of keys")
        .summary("Makes a HyperLogLog one that has seen what others have seen, too.")
        .arguments(&[Argument::key("destkey", 0), Argument::key("sourcekey", 1).optional().multiple()]),
    hyperloglog("pfselftest", 1, pfselftest)
        .flags(&[Flag::Admin])
        .complexity("N/A")
        .summary("Tests the arithmetic of HyperLogLogs."),
];
