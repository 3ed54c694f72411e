//! The rows of the commands that wait for an element of a list or a member of a sorted set.

use super::pops::*;
use crate::table::{Argument, BeginSearch, Category, Command, FindKeys, Flag, Group, KeyFlag, KeySpec};

const WAITS: &[Flag] = &[Flag::Blocking, Flag::Write];
const WAITS_FAST: &[Flag] = &[Flag::Blocking, Flag::Fast, Flag::Write];
const MOVES: &[Flag] = &[Flag::Blocking, Flag::DenyOom, Flag::Write];

const TAKES: &[KeyFlag] = &[KeyFlag::Rw, KeyFlag::Access, KeyFlag::Delete];
/// All words but the last, which is the timeout.
const ALL_BUT_LAST: &[KeySpec] =
    &[KeySpec::new(BeginSearch::Index(1), FindKeys::Range { last: -2, step: 1, limit: 0 }, TAKES)];
const COUNTED: &[KeySpec] = &[KeySpec::counted(2, TAKES)];
const FROM_TO: &[KeySpec] = &[KeySpec::one(1, TAKES), KeySpec::one(2, &[KeyFlag::Rw, KeyFlag::Insert])];

const SIDES: &[Argument] = &[Argument::word("left", "LEFT"), Argument::word("right", "RIGHT")];
const TIMEOUT: Argument = Argument::double("timeout");
const KEYS: &[Argument] = &[Argument::key("key", 0).multiple(), TIMEOUT];

const fn list(name: &'static str, arity: i32, handler: crate::Handler, flags: &[Flag]) -> Command {
    Command::new(name, arity, handler).group(Group::List).flags(flags).acl(&[Category::List])
}

const fn sorted_set(name: &'static str, arity: i32, handler: crate::Handler, flags: &[Flag]) -> Command {
    Command::new(name, arity, handler).group(Group::SortedSet).flags(flags).acl(&[Category::SortedSet])
}

pub const ROWS: &[Command] = &[
    list("blmove", 6, blmove, MOVES)
        .keys(FROM_TO)
        .since("6.2.0")
        .summary("Takes an element from one list, as soon as it has one, and puts it into another.")
        .arguments(&[
            Argument::key("source", 0),
            Argument::key("destination", 1),
            Argument::one_of("wherefrom", SIDES),
            Argument::one_of("whereto", SIDES),
            TIMEOUT,
        ]),
    list("blmpop", -5, blmpop, WAITS)
        .keys(COUNTED)
        .since("7.0.0")
        .complexity("O(N+M) with N the keys given and M the elements returned")
        .summary("Takes elements from the first list that has some, as soon as one has.")
        .arguments(&[
            TIMEOUT,
            Argument::integer("numkeys"),
            Argument::key("key", 0).multiple(),
            Argument::one_of("where", SIDES),
            Argument::integer("count").token("COUNT").optional(),
        ]),
    list("blpop", -3, blpop, WAITS)
        .keys(ALL_BUT_LAST)
        .since("2.0.0")
        .complexity("O(N) with N the keys given")
        .summary("Takes the first element of the first list that has one, as soon as one has.")
        .arguments(KEYS),
    list("brpop", -3, brpop, WAITS)
        .keys(ALL_BUT_LAST)
        .since("2.0.0")
        .complexity("O(N) with N the keys given")
        .summary("Takes the last element of the first list that has one, as soon as one has.")
        .arguments(KEYS),
    list("brpoplpush", 4, brpoplpush, MOVES)
        .keys(FROM_TO)
        .since("2.2.0")
        .deprecated("6.2.0", "`BLMOVE` with the `RIGHT` and `LEFT` arguments")
        .summary(
            "Takes the last element of one list, as soon as it has one, and puts it in front of another.",
        )
        .arguments(&[Argument::key("source", 0), Argument::key("destination", 1), TIMEOUT]),
    sorted_set("bzmpop", -5, bzmpop, WAITS)
        .keys(COUNTED)
        .since("7.0.0")
        .complexity("O(K) + O(M*log(N)) with K the keys and M the members that are removed")
        .summary("Removes the least or the greatest members of the first sorted set that has some.")
        .arguments(&[
            TIMEOUT,
            Argument::integer("numkeys"),
            Argument::key("key", 0).multiple(),
            Argument::one_of("where", &[Argument::word("min", "MIN"), Argument::word("max", "MAX")]),
            Argument::integer("count").token("COUNT").optional(),
        ]),
    sorted_set("bzpopmax", -3, bzpopmax, WAITS_FAST)
        .keys(ALL_BUT_LAST)
        .since("5.0.0")
        .complexity("O(log(N))")
        .summary("Removes the greatest member of the first sorted set that has one, as soon as one has.")
        .arguments(KEYS),
    sorted_set("bzpopmin", -3, bzpopmin, WAITS_FAST)
        .keys(ALL_BUT_LAST)
        .since("5.0.0")
        .complexity("O(log(N))")
        .summary("Removes the least member of the first sorted set that has one, as soon as one has.")
        .arguments(KEYS),
];
