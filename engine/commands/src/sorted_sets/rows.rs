//! The rows of the sorted set family: each command as data. Those of the commands that wait (BZPOPMIN) stand with the
//! waiting.

use super::{add::*, combine::*, look_up::*, pop::*, random::*, range::*, remove::*, scan::*};
use crate::Handler;
use crate::table::{Argument, Category, Command, Flag, Group, KeyFlag, KeySpec};

const READ: &[KeySpec] = &[KeySpec::one(1, &[KeyFlag::Ro, KeyFlag::Access])];
const REMOVE: &[KeySpec] = &[KeySpec::one(1, &[KeyFlag::Rw, KeyFlag::Delete])];
const POP: &[KeySpec] = &[KeySpec::one(1, &[KeyFlag::Rw, KeyFlag::Access, KeyFlag::Delete])];
const READ_SEVERAL: &[KeySpec] = &[KeySpec::counted(1, &[KeyFlag::Ro, KeyFlag::Access])];
const STORE_SEVERAL: &[KeySpec] =
    &[KeySpec::one(1, &[KeyFlag::Ow, KeyFlag::Update]), KeySpec::counted(2, &[KeyFlag::Ro, KeyFlag::Access])];

const KEY: Argument = Argument::key("key", 0);
const MEMBER: Argument = Argument::string("member");
const SCORES: &[Argument] = &[KEY, Argument::double("min"), Argument::double("max")];
const TEXTS: &[Argument] = &[KEY, Argument::string("min"), Argument::string("max")];
const WITH_SCORES: Argument = Argument::word("withscores", "WITHSCORES").optional();
const LIMIT: Argument = Argument::block("limit", &[Argument::integer("offset"), Argument::integer("count")])
    .token("LIMIT")
    .optional();
const RANGE_KIND: Argument =
    Argument::one_of("sortby", &[Argument::word("byscore", "BYSCORE"), Argument::word("bylex", "BYLEX")])
        .since("6.2.0")
        .optional();
const REVERSED: Argument = Argument::word("rev", "REV").since("6.2.0").optional();
const NUMKEYS: Argument = Argument::integer("numkeys");
const WEIGHTS: Argument = Argument::integer("weight").token("WEIGHTS").optional().multiple();
const AGGREGATE: Argument = Argument::one_of(
    "aggregate",
    &[Argument::word("sum", "SUM"), Argument::word("min", "MIN"), Argument::word("max", "MAX")],
)
.token("AGGREGATE")
.optional();
const WHERE: Argument =
    Argument::one_of("where", &[Argument::word("min", "MIN"), Argument::word("max", "MAX")]);

const fn sorted_set(name: &'static str, arity: i32, handler: Handler) -> Command {
    Command::new(name, arity, handler).group(Group::SortedSet).acl(&[Category::SortedSet])
}

/// Reads one key.
const fn reading(name: &'static str, arity: i32, handler: Handler) -> Command {
    sorted_set(name, arity, handler).flags(&[Flag::ReadOnly]).keys(READ)
}

/// Reads one key, in a time that depends on no count of members.
const fn looking_up(name: &'static str, arity: i32, handler: Handler) -> Command {
    reading(name, arity, handler).flags(&[Flag::Fast, Flag::ReadOnly])
}

pub const ROWS: &[Command] = &[
    sorted_set("zadd", -4, zadd)
        .flags(&[Flag::DenyOom, Flag::Fast, Flag::Write])
        .keys(&[KeySpec::one(1, &[KeyFlag::Rw, KeyFlag::Update])])
        .since("1.2.0")
        .complexity("O(log(N)) for each member")
        .summary("Gives members their scores, and adds those that are not there.")
        .history(&[("2.4.0", "Several members."), ("3.0.2", "XX, NX, CH and INCR."), ("6.2.0", "GT and LT.")])
        .arguments(&[
            KEY,
            Argument::one_of("condition", &[Argument::word("nx", "NX"), Argument::word("xx", "XX")])
                .since("3.0.2")
                .optional(),
            Argument::one_of("comparison", &[Argument::word("gt", "GT"), Argument::word("lt", "LT")])
                .since("6.2.0")
                .optional(),
            Argument::word("change", "CH").since("3.0.2").optional(),
            Argument::word("increment", "INCR").since("3.0.2").optional(),
            Argument::block("data", &[Argument::double("score"), MEMBER]).multiple(),
        ]),
    looking_up("zcard", 2, zcard)
        .keys(&[KeySpec::one(1, &[KeyFlag::Ro])])
        .since("1.2.0")
        .complexity("O(1)")
        .summary("Counts the members of a sorted set.")
        .arguments(&[KEY]),
    looking_up("zcount", 4, zcount)
        .since("2.0.0")
        .complexity("O(log(N))")
        .summary("Counts the members whose scores lie in a range.")
        .arguments(SCORES),
    sorted_set("zdiff", -3, zdiff)
        .flags(&[Flag::ReadOnly])
        .keys(READ_SEVERAL)
        .since("6.2.0")
        .complexity("O(L + (N-K)log(N)) with L the members of all sets, N of the first, K of the result")
        .summary("Returns the members of a sorted set that none of the others has.")
        .arguments(&[NUMKEYS, KEY.multiple(), WITH_SCORES]),
    sorted_set("zdiffstore", -4, zdiffstore)
        .flags(&[Flag::DenyOom, Flag::Write])
        .keys(STORE_SEVERAL)
        .since("6.2.0")
        .complexity("O(L + (N-K)log(N)) with L the members of all sets, N of the first, K of the result")
        .summary("Stores the members of a sorted set that none of the others has.")
        .arguments(&[Argument::key("destination", 0), NUMKEYS, Argument::key("key", 1).multiple()]),
    sorted_set("zincrby", 4, zincrby)
        .flags(&[Flag::DenyOom, Flag::Fast, Flag::Write])
        .keys(&[KeySpec::one(1, &[KeyFlag::Rw, KeyFlag::Access, KeyFlag::Update])])
        .since("1.2.0")
        .complexity("O(log(N))")
        .summary("Adds a number to a member's score.")
        .arguments(&[KEY, Argument::integer("increment"), MEMBER]),
    sorted_set("zinter", -3, zinter)
        .flags(&[Flag::ReadOnly])
        .keys(READ_SEVERAL)
        .since("6.2.0")
        .complexity("O(N*K) + O(M*log(M)) with N the smallest of K sets and M the result")
        .summary("Returns the members that all of several sorted sets have.")
        .arguments(&[NUMKEYS, KEY.multiple(), WEIGHTS, AGGREGATE, WITH_SCORES]),
    sorted_set("zintercard", -3, zintercard)
        .flags(&[Flag::ReadOnly])
        .keys(READ_SEVERAL)
        .since("7.0.0")
        .complexity("O(N*K) with N the smallest of K sets")
        .summary("Counts the members that all of several sorted sets have.")
        .arguments(&[NUMKEYS, KEY.multiple(), Argument::integer("limit").token("LIMIT").optional()]),
    sorted_set("zinterstore", -4, zinterstore)
        .flags(&[Flag::DenyOom, Flag::Write])
        .keys(STORE_SEVERAL)
        .since("2.0.0")
        .complexity("O(N*K) + O(M*log(M)) with N the smallest of K sets and M the result")
        .summary("Stores the members that all of several sorted sets have.")
        .arguments(&[
            Argument::key("destination", 0),
            NUMKEYS,
            Argument::key("key", 1).multiple(),
            WEIGHTS,
            AGGREGATE,
        ]),
    looking_up("zlexcount", 4, zlexcount)
        .since("2.8.9")
        .complexity("O(log(N))")
        .summary("Counts the members whose texts lie in a range.")
        .arguments(TEXTS),
    sorted_set("zmpop", -4, zmpop)
        .flags(&[Flag::Write])
        .keys(&[KeySpec::counted(1, &[KeyFlag::Rw, KeyFlag::Access, KeyFlag::Delete])])
        .since("7.0.0")
        .complexity("O(K) + O(M*log(N)) with K the keys and M the members that are removed")
        .summary("Removes the least or the greatest members of the first sorted set that is there.")
        .arguments(&[NUMKEYS, KEY.multiple(), WHERE, Argument::integer("count").token("COUNT").optional()]),
    looking_up("zmscore", -3, zmscore)
        .since("6.2.0")
        .complexity("O(N) with N the members that are asked for")
        .summary("Returns the scores of several members.")
        .arguments(&[KEY, MEMBER.multiple()]),
    sorted_set("zpopmax", -2, zpopmax)
        .flags(&[Flag::Fast, Flag::Write])
        .keys(POP)
        .since("5.0.0")
        .complexity("O(log(N)*M) with M the members that are removed")
        .summary("Removes the members with the greatest scores.")
        .arguments(&[KEY, Argument::integer("count").optional()]),
    sorted_set("zpopmin", -2, zpopmin)
        .flags(&[Flag::Fast, Flag::Write])
        .keys(POP)
        .since("5.0.0")
        .complexity("O(log(N)*M) with M the members that are removed")
        .summary("Removes the members with the least scores.")
        .arguments(&[KEY, Argument::integer("count").optional()]),
    reading("zrandmember", -2, zrandmember)
        .tips(&["nondeterministic_output"])
        .since("6.2.0")
        .complexity("O(N) with N the members that are returned")
        .summary("Returns members chosen at random.")
        .arguments(&[KEY, Argument::block("options", &[Argument::integer("count"), WITH_SCORES]).optional()]),
    reading("zrange", -4, zrange)
        .since("1.2.0")
        .complexity("O(log(N)+M) with M the members that are returned")
        .summary("Returns the members in a range of ranks, scores or texts.")
        .history(&[("6.2.0", "REV, BYSCORE, BYLEX and LIMIT.")])
        .arguments(&[
            KEY,
            Argument::string("start"),
            Argument::string("stop"),
            RANGE_KIND,
            REVERSED,
            LIMIT.since("6.2.0"),
            WITH_SCORES,
        ]),
    reading("zrangebylex", -4, zrangebylex)
        .since("2.8.9")
        .complexity("O(log(N)+M) with M the members that are returned")
        .summary("Returns the members in a range of texts.")
        .deprecated("6.2.0", "`ZRANGE` with `BYLEX`")
        .arguments(&[KEY, Argument::string("min"), Argument::string("max"), LIMIT]),
    reading("zrangebyscore", -4, zrangebyscore)
        .since("1.0.5")
        .complexity("O(log(N)+M) with M the members that are returned")
        .summary("Returns the members in a range of scores.")
        .deprecated("6.2.0", "`ZRANGE` with `BYSCORE`")
        .history(&[("2.0.0", "WITHSCORES.")])
        .arguments(&[
            KEY,
            Argument::double("min"),
            Argument::double("max"),
            WITH_SCORES.since("2.0.0"),
            LIMIT,
        ]),
    sorted_set("zrangestore", -5, zrangestore)
        .flags(&[Flag::DenyOom, Flag::Write])
        .keys(&[
            KeySpec::one(1, &[KeyFlag::Ow, KeyFlag::Update]),
            KeySpec::one(2, &[KeyFlag::Ro, KeyFlag::Access]),
        ])
        .since("6.2.0")
        .complexity("O(log(N)+M) with M the members that are stored")
        .summary("Stores the members in a range of ranks, scores or texts.")
        .arguments(&[
            Argument::key("dst", 0),
            Argument::key("src", 1),
            Argument::string("min"),
            Argument::string("max"),
            RANGE_KIND,
            REVERSED,
            LIMIT,
        ]),
    looking_up("zrank", -3, zrank)
        .since("2.0.0")
        .complexity("O(log(N))")
        .summary("Returns a member's rank, counted from the least score on.")
        .history(&[("7.2.0", "WITHSCORE.")])
        .arguments(&[KEY, MEMBER, Argument::word("withscore", "WITHSCORE").optional()]),
    sorted_set("zrem", -3, zrem)
        .flags(&[Flag::Fast, Flag::Write])
        .keys(REMOVE)
        .since("1.2.0")
        .complexity("O(M*log(N)) with M the members that are removed")
        .summary("Removes members. A sorted set without members is deleted.")
        .history(&[("2.4.0", "Several members.")])
        .arguments(&[KEY, MEMBER.multiple()]),
    sorted_set("zremrangebylex", 4, zremrangebylex)
        .flags(&[Flag::Write])
        .keys(REMOVE)
        .since("2.8.9")
        .complexity("O(M*log(N)) with M the members that are removed")
        .summary("Removes the members in a range of texts.")
        .arguments(TEXTS),
    sorted_set("zremrangebyrank", 4, zremrangebyrank)
        .flags(&[Flag::Write])
        .keys(REMOVE)
        .since("2.0.0")
        .complexity("O(M*log(N)) with M the members that are removed")
        .summary("Removes the members in a range of ranks.")
        .arguments(&[KEY, Argument::integer("start"), Argument::integer("stop")]),
    sorted_set("zremrangebyscore", 4, zremrangebyscore)
        .flags(&[Flag::Write])
        .keys(REMOVE)
        .since("1.2.0")
        .complexity("O(M*log(N)) with M the members that are removed")
        .summary("Removes the members in a range of scores.")
        .arguments(SCORES),
    reading("zrevrange", -4, zrevrange)
        .since("1.2.0")
        .complexity("O(log(N)+M) with M the members that are returned")
        .summary("Returns the members in a range of ranks, the greatest score first.")
        .deprecated("6.2.0", "`ZRANGE` with `REV`")
        .arguments(&[KEY, Argument::integer("start"), Argument::integer("stop"), WITH_SCORES]),
    reading("zrevrangebylex", -4, zrevrangebylex)
        .since("2.8.9")
        .complexity("O(log(N)+M) with M the members that are returned")
        .summary("Returns the members in a range of texts, the greatest first.")
        .deprecated("6.2.0", "`ZRANGE` with `REV` and `BYLEX`")
        .arguments(&[KEY, Argument::string("max"), Argument::string("min"), LIMIT]),
    reading("zrevrangebyscore", -4, zrevrangebyscore)
        .since("2.2.0")
        .complexity("O(log(N)+M) with M the members that are returned")
        .summary("Returns the members in a range of scores, the greatest first.")
        .deprecated("6.2.0", "`ZRANGE` with `REV` and `BYSCORE`")
        .history(&[("2.1.6", "Either end may be the greater one.")])
        .arguments(&[KEY, Argument::double("max"), Argument::double("min"), WITH_SCORES, LIMIT]),
    looking_up("zrevrank", -3, zrevrank)
        .since("2.0.0")
        .complexity("O(log(N))")
        .summary("Returns a member's rank, counted from the greatest score on.")
        .history(&[("7.2.0", "WITHSCORE.")])
        .arguments(&[KEY, MEMBER, Argument::word("withscore", "WITHSCORE").optional()]),
    reading("zscan", -3, zscan)
        .tips(&["nondeterministic_output"])
        .since("2.8.0")
        .complexity("O(1) for each call, O(N) for a whole walk")
        .summary("Walks over members and their scores, a part at each call.")
        .arguments(&[
            KEY,
            Argument::integer("cursor"),
            Argument::pattern("pattern").token("MATCH").optional(),
            Argument::integer("count").token("COUNT").optional(),
            Argument::word("noscores", "NOSCORES").optional(),
        ]),
    looking_up("zscore", 3, zscore)
        .since("1.2.0")
        .complexity("O(1)")
        .summary("Returns a member's score.")
        .arguments(&[KEY, MEMBER]),
    sorted_set("zunion", -3, zunion)
        .flags(&[Flag::ReadOnly])
        .keys(READ_SEVERAL)
        .since("6.2.0")
        .complexity("O(N) + O(M*log(M)) with N the members of all sets and M of the result")
        .summary("Returns the members that any of several sorted sets has.")
        .arguments(&[NUMKEYS, KEY.multiple(), WEIGHTS, AGGREGATE, WITH_SCORES]),
    sorted_set("zunionstore", -4, zunionstore)
        .flags(&[Flag::DenyOom, Flag::Write])
        .keys(STORE_SEVERAL)
        .since("2.0.0")
        .complexity("O(N) + O(M*log(M)) with N the members of all sets and M of the result")
        .summary("Stores the members that any of several sorted sets has.")
        .arguments(&[
            Argument::key("destination", 0),
            NUMKEYS,
            Argument::key("key", 1).multiple(),
            WEIGHTS,
            AGGREGATE,
        ]),
];
