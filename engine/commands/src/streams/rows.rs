//! The rows of the stream family: each command as data. Arity, flags, key positions and tips are those that real
//! servers report.

use super::{add::*, claim::*, delete::*, pending::*, range::*, read::*};
use super::{group, info};
use crate::catalog;
use crate::table::{Argument, BeginSearch, Category, Command, FindKeys, Flag, Group, KeyFlag, KeySpec};

const STREAM: &[Category] = &[Category::Stream];
const FAST_WRITE: &[Flag] = &[Flag::Fast, Flag::Write];
const CHANGES: &[KeySpec] = &[KeySpec::one(1, &[KeyFlag::Rw, KeyFlag::Update])];
const DELETES: &[KeySpec] = &[KeySpec::one(1, &[KeyFlag::Rw, KeyFlag::Delete])];
const READS: &[KeySpec] = &[KeySpec::one(1, &[KeyFlag::Ro, KeyFlag::Access])];
const SUB_READS: &[KeySpec] = &[KeySpec::one(2, &[KeyFlag::Ro, KeyFlag::Access])];
const SUB_INSERTS: &[KeySpec] = &[KeySpec::one(2, &[KeyFlag::Rw, KeyFlag::Insert])];
const SUB_DELETES: &[KeySpec] = &[KeySpec::one(2, &[KeyFlag::Rw, KeyFlag::Delete])];
const SUB_UPDATES: &[KeySpec] = &[KeySpec::one(2, &[KeyFlag::Rw, KeyFlag::Update])];
const VARIES: &[&str] = &["nondeterministic_output"];

const KEY: Argument = Argument::key("key", 0);
const ID: Argument = Argument::string("ID");
const COUNT: Argument = Argument::integer("count").token("COUNT").optional();
const REFERENCES: Argument = Argument::one_of(
    "condition",
    &[
        Argument::word("keepref", "KEEPREF"),
        Argument::word("delref", "DELREF"),
        Argument::word("acked", "ACKED"),
    ],
)
.since("8.2.0")
.optional();
const IDS: Argument = Argument::block("ids", &[Argument::integer("numids"), ID.multiple()]).token("IDS");
const TRIM_PARTS: &[Argument] = &[
    Argument::one_of("strategy", &[Argument::word("maxlen", "MAXLEN"), Argument::word("minid", "MINID")]),
    Argument::one_of("operator", &[Argument::word("equal", "="), Argument::word("approximately", "~")])
        .optional(),
    Argument::string("threshold"),
    Argument::integer("count").token("LIMIT").optional(),
];

const fn stream(name: &'static str, arity: i32, handler: crate::Handler, flags: &[Flag]) -> Command {
    Command::new(name, arity, handler).group(Group::Stream).flags(flags).acl(STREAM).since("5.0.0")
}

pub const ROWS: &[Command] = &[
    stream("xack", -4, xack, FAST_WRITE)
        .keys(CHANGES)
        .complexity("O(1) for each ID.")
        .summary("Says that entries are done with: they are pending no more.")
        .arguments(&[KEY, Argument::string("group"), ID.multiple()]),
    stream("xackdel", -6, xackdel, FAST_WRITE)
        .keys(&[KeySpec::one(1, &[KeyFlag::Rw, KeyFlag::Delete, KeyFlag::Update])])
        .since("8.2.0")
        .complexity("O(1) for each ID.")
        .summary("Says that entries are done with, and deletes them.")
        .arguments(&[KEY, Argument::string("group"), REFERENCES, IDS]),
    stream("xadd", -5, xadd, &[Flag::DenyOom, Flag::Fast, Flag::Write])
        .keys(CHANGES)
        .tips(VARIES)
        .complexity("O(1), and O(N) where N is the number of entries that are trimmed.")
        .summary("Appends an entry to a stream, which is created if there is none.")
        .arguments(&[
            KEY,
            Argument::word("nomkstream", "NOMKSTREAM").since("6.2.0").optional(),
            REFERENCES,
            Argument::block("trim", TRIM_PARTS).optional(),
            Argument::one_of("id-selector", &[Argument::word("auto-id", "*"), Argument::string("id")]),
            Argument::block("data", &[Argument::string("field"), Argument::string("value")]).multiple(),
        ]),
    stream("xautoclaim", -6, xautoclaim, FAST_WRITE)
        .keys(DELETES)
        .tips(VARIES)
        .since("6.2.0")
        .complexity("O(1) if COUNT is small.")
        .summary("Takes over entries that others have not acknowledged for long, from some ID on.")
        .arguments(&[
            KEY,
            Argument::string("group"),
            Argument::string("consumer"),
            Argument::string("min-idle-time"),
            Argument::string("start"),
            COUNT,
            Argument::word("justid", "JUSTID").optional(),
        ]),
    stream("xclaim", -6, xclaim, FAST_WRITE)
        .keys(CHANGES)
        .tips(VARIES)
        .complexity("O(log N) for each ID, where N is the number of pending entries.")
        .summary("Takes over entries that others have not acknowledged.")
        .arguments(&[
            KEY,
            Argument::string("group"),
            Argument::string("consumer"),
            Argument::string("min-idle-time"),
            ID.multiple(),
            Argument::integer("ms").token("IDLE").optional(),
            Argument::unix_time("unix-time-milliseconds").token("TIME").optional(),
            COUNT.token("RETRYCOUNT"),
            Argument::word("force", "FORCE").optional(),
            Argument::word("justid", "JUSTID").optional(),
            Argument::string("lastid").token("LASTID").optional(),
        ]),
    stream("xdel", -3, xdel, FAST_WRITE)
        .keys(DELETES)
        .complexity("O(1) for each ID.")
        .summary("Deletes entries.")
        .arguments(&[KEY, ID.multiple()]),
    stream("xdelex", -5, xdelex, FAST_WRITE)
        .keys(DELETES)
        .since("8.2.0")
        .complexity("O(1) for each ID.")
        .summary("Deletes entries, and says what becomes of those that groups know of.")
        .arguments(&[KEY, REFERENCES, IDS]),
    Command::container("xgroup", XGROUP)
        .group(Group::Stream)
        .since("5.0.0")
        .summary("Makes, moves and removes consumer groups."),
    Command::container("xinfo", XINFO)
        .group(Group::Stream)
        .since("5.0.0")
        .summary("Tells of streams, groups and consumers."),
    stream("xlen", 2, xlen, &[Flag::Fast, Flag::ReadOnly])
        .keys(&[KeySpec::one(1, &[KeyFlag::Ro])])
        .summary("The number of entries.")
        .arguments(&[KEY]),
    stream("xpending", -3, xpending, &[Flag::ReadOnly])
        .keys(READS)
        .tips(VARIES)
        .complexity("O(N) where N is the number of entries returned.")
        .summary("What the consumers of a group have not acknowledged.")
        .arguments(&[
            KEY,
            Argument::string("group"),
            Argument::block(
                "filters",
                &[
                    Argument::integer("min-idle-time").token("IDLE").since("6.2.0").optional(),
                    Argument::string("start"),
                    Argument::string("end"),
                    Argument::integer("count"),
                    Argument::string("consumer").optional(),
                ],
            )
            .optional(),
        ]),
    stream("xrange", -4, xrange, &[Flag::ReadOnly])
        .keys(READS)
        .complexity("O(N) where N is the number of entries returned.")
        .summary("The entries from one ID to another.")
        .arguments(&[KEY, Argument::string("start"), Argument::string("end"), COUNT]),
    stream("xread", -4, xread, &[Flag::Blocking, Flag::ReadOnly])
        .keys(&[keyword_keys(1)])
        .complexity("O(N) where N is the number of entries returned.")
        .summary("The entries of several streams behind an ID, or those to come.")
        .arguments(&[COUNT, Argument::integer("milliseconds").token("BLOCK").optional(), STREAMS]),
    stream("xreadgroup", -7, xreadgroup, &[Flag::Blocking, Flag::Write])
        .keys(&[keyword_keys(4)])
        .complexity("O(N) where N is the number of entries returned.")
        .summary("The entries that a group has not read, or those to come, for one of its consumers.")
        .arguments(&[
            Argument::block("group-block", &[Argument::string("group"), Argument::string("consumer")])
                .token("GROUP"),
            COUNT,
            Argument::integer("milliseconds").token("BLOCK").optional(),
            Argument::word("noack", "NOACK").optional(),
            STREAMS,
        ]),
    stream("xrevrange", -4, xrevrange, &[Flag::ReadOnly])
        .keys(READS)
        .complexity("O(N) where N is the number of entries returned.")
        .summary("The entries from one ID back to another.")
        .arguments(&[KEY, Argument::string("end"), Argument::string("start"), COUNT]),
    stream("xsetid", -3, xsetid, &[Flag::DenyOom, Flag::Fast, Flag::Write])
        .keys(CHANGES)
        .summary("Sets the last ID of a stream; for replication.")
        .arguments(&[
            KEY,
            Argument::string("last-id"),
            Argument::integer("entries-added").token("ENTRIESADDED").since("7.0.0").optional(),
            Argument::string("max-deleted-id").token("MAXDELETEDID").since("7.0.0").optional(),
        ]),
    stream("xtrim", -4, xtrim, &[Flag::Write])
        .keys(DELETES)
        .tips(VARIES)
        .complexity("O(N) where N is the number of entries that are removed.")
        .summary("Removes old entries.")
        .arguments(&[KEY, Argument::block("trim", TRIM_PARTS), REFERENCES]),
];

const STREAMS: Argument = Argument::block("streams", &[KEY.multiple(), ID.multiple()]).token("STREAMS");

/// The first half of the words behind `STREAMS`.
const fn keyword_keys(start_from: i32) -> KeySpec {
    KeySpec::new(
        BeginSearch::Keyword { keyword: "STREAMS", start_from },
        FindKeys::Range { last: -1, step: 1, limit: 2 },
        &[KeyFlag::Ro, KeyFlag::Access],
    )
}

const XGROUP: &[Command] = &[
    stream("create", -5, group::create, &[Flag::DenyOom, Flag::Write])
        .keys(SUB_INSERTS)
        .summary("Makes a group that reads from some ID on.")
        .arguments(&[
            KEY,
            Argument::string("group"),
            Argument::one_of("id-selector", &[ID, Argument::word("new-id", "$")]),
            Argument::word("mkstream", "MKSTREAM").optional(),
            Argument::integer("entries-read").token("ENTRIESREAD").since("7.0.0").optional(),
        ]),
    stream("createconsumer", 5, group::createconsumer, &[Flag::DenyOom, Flag::Write])
        .keys(SUB_INSERTS)
        .since("6.2.0")
        .summary("Adds a consumer to a group.")
        .arguments(&[KEY, Argument::string("group"), Argument::string("consumer")]),
    stream("delconsumer", 5, group::delconsumer, &[Flag::Write])
        .keys(SUB_DELETES)
        .summary("Removes a consumer, with what it has not acknowledged.")
        .arguments(&[KEY, Argument::string("group"), Argument::string("consumer")]),
    stream("destroy", 4, group::destroy, &[Flag::Write])
        .keys(SUB_DELETES)
        .complexity("O(N) where N is the number of pending entries.")
        .summary("Removes a group.")
        .arguments(&[KEY, Argument::string("group")]),
    stream("help", 2, catalog::help, &[Flag::Loading, Flag::Stale]).summary("Tells what XGROUP can do."),
    stream("setid", -5, group::setid, &[Flag::Write])
        .keys(SUB_UPDATES)
        .summary("Makes a group read from some ID on.")
        .arguments(&[
            KEY,
            Argument::string("group"),
            Argument::one_of("id-selector", &[ID, Argument::word("new-id", "$")]),
            Argument::integer("entries-read").token("ENTRIESREAD").since("7.0.0").optional(),
        ]),
];

const XINFO: &[Command] = &[
    stream("consumers", 4, info::consumers, &[Flag::ReadOnly])
        .keys(SUB_READS)
        .tips(VARIES)
        .summary("The consumers of a group.")
        .arguments(&[KEY, Argument::string("group")]),
    stream("groups", 3, info::groups, &[Flag::ReadOnly])
        .keys(SUB_READS)
        .summary("The groups of a stream.")
        .arguments(&[KEY]),
    stream("help", 2, catalog::help, &[Flag::Loading, Flag::Stale]).summary("Tells what XINFO can do."),
    stream("stream", -3, info::stream, &[Flag::ReadOnly])
        .keys(SUB_READS)
        .summary("What is known of a stream.")
        .arguments(&[
            KEY,
            Argument::block("full-block", &[Argument::word("full", "FULL"), COUNT]).since("6.0.0").optional(),
        ]),
];
