//! The rows of the bitmap family: each command as data.

use super::{bit::*, combine::*, count::*, field::*};
use crate::table::{Argument, BeginSearch, Category, Command, FindKeys, Flag, Group, KeyFlag, KeySpec};

const READ: &[KeySpec] = &[KeySpec::one(1, &[KeyFlag::Ro, KeyFlag::Access])];

const UNIT: &[Argument] = &[Argument::word("byte", "BYTE"), Argument::word("bit", "BIT")];

const GET: Argument = Argument::block("get-block", FIELD).token("GET");

const FIELD: &[Argument] = &[Argument::string("encoding"), Argument::integer("offset")];

const OVERFLOW: &[Argument] =
    &[Argument::word("wrap", "WRAP"), Argument::word("sat", "SAT"), Argument::word("fail", "FAIL")];

pub const ROWS: &[Command] = &[
    Command::new("bitcount", -2, bitcount)
        .group(Group::Bitmap)
        .flags(&[Flag::ReadOnly])
        .keys(READ)
        .acl(&[Category::Bitmap])
        .since("2.6.0")
        .complexity("O(N)")
        .summary("Counts the bits that are set in a string, or in a part of it.")
        .history(&[("7.0.0", "BYTE and BIT.")])
        .arguments(&[
            Argument::key("key", 0),
            Argument::block(
                "range",
                &[
                    Argument::integer("start"),
                    Argument::integer("end"),
                    Argument::one_of("unit", UNIT).since("7.0.0").optional(),
                ],
            )
            .optional(),
        ]),
    Command::new("bitfield", -2, bitfield)
        .group(Group::Bitmap)
        .flags(&[Flag::DenyOom, Flag::Write])
        .keys(&[KeySpec::one(1, &[KeyFlag::Rw, KeyFlag::Access, KeyFlag::Update, KeyFlag::VariableFlags])])
        .keys_found_by(keys_of_bitfield)
        .acl(&[Category::Bitmap])
        .since("3.2.0")
        .complexity("O(1) for each operation")
        .summary("Reads, sets and counts up integers of any width within a string.")
        .arguments(&[
            Argument::key("key", 0),
            Argument::one_of(
                "operation",
                &[
                    GET,
                    Argument::block(
                        "write",
                        &[
                            Argument::one_of("overflow-block", OVERFLOW).token("OVERFLOW").optional(),
                            Argument::one_of(
                                "write-operation",
                                &[
                                    Argument::block(
                                        "set-block",
                                        &[
                                            Argument::string("encoding"),
                                            Argument::integer("offset"),
                                            Argument::integer("value"),
                                        ],
                                    )
                                    .token("SET"),
                                    Argument::block(
                                        "incrby-block",
                                        &[
                                            Argument::string("encoding"),
                                            Argument::integer("offset"),
                                            Argument::integer("increment"),
                                        ],
                                    )
                                    .token("INCRBY"),
                                ],
                            ),
                        ],
                    ),
                ],
            )
            .optional()
            .multiple(),
        ]),
    Command::new("bitfield_ro", -2, bitfield_ro)
        .group(Group::Bitmap)
        .flags(&[Flag::Fast, Flag::ReadOnly])
        .keys(READ)
        .acl(&[Category::Bitmap])
        .since("6.0.0")
        .complexity("O(1) for each operation")
        .summary("Reads integers of any width within a string.")
        .arguments(&[Argument::key("key", 0), GET.optional().multiple_token()]),
    Command::new("bitop", -4, bitop)
        .group(Group::Bitmap)
        .flags(&[Flag::DenyOom, Flag::Write])
        .keys(&[
            KeySpec::one(2, &[KeyFlag::Ow, KeyFlag::Update]),
            KeySpec::new(
                BeginSearch::Index(3),
                FindKeys::Range { last: -1, step: 1, limit: 0 },
                &[KeyFlag::Ro, KeyFlag::Access],
            ),
        ])
        .acl(&[Category::Bitmap])
        .since("2.6.0")
        .complexity("O(N)")
        .summary("Combines strings bit by bit, and stores the result.")
        .history(&[("8.2.0", "DIFF, DIFF1, ANDOR and ONE.")])
        .arguments(&[
            Argument::one_of(
                "operation",
                &[
                    Argument::word("and", "AND"),
                    Argument::word("or", "OR"),
                    Argument::word("xor", "XOR"),
                    Argument::word("not", "NOT"),
                    Argument::word("diff", "DIFF").since("8.2.0"),
                    Argument::word("diff1", "DIFF1").since("8.2.0"),
                    Argument::word("andor", "ANDOR").since("8.2.0"),
                    Argument::word("one", "ONE").since("8.2.0"),
                ],
            ),
            Argument::key("destkey", 0),
            Argument::key("key", 1).multiple(),
        ]),
    Command::new("bitpos", -3, bitpos)
        .group(Group::Bitmap)
        .flags(&[Flag::ReadOnly])
        .keys(READ)
        .acl(&[Category::Bitmap])
        .since("2.8.7")
        .complexity("O(N)")
        .summary("Finds the first bit that is set, or that is not.")
        .history(&[("7.0.0", "BYTE and BIT.")])
        .arguments(&[
            Argument::key("key", 0),
            Argument::integer("bit"),
            Argument::block(
                "range",
                &[
                    Argument::integer("start"),
                    Argument::block(
                        "end-unit-block",
                        &[Argument::integer("end"), Argument::one_of("unit", UNIT).since("7.0.0").optional()],
                    )
                    .optional(),
                ],
            )
            .optional(),
        ]),
    Command::new("getbit", 3, getbit)
        .group(Group::Bitmap)
        .flags(&[Flag::Fast, Flag::ReadOnly])
        .keys(READ)
        .acl(&[Category::Bitmap])
        .since("2.2.0")
        .complexity("O(1)")
        .summary("Returns a bit of a string.")
        .arguments(&[Argument::key("key", 0), Argument::integer("offset")]),
    Command::new("setbit", 4, setbit)
        .group(Group::Bitmap)
        .flags(&[Flag::DenyOom, Flag::Write])
        .keys(&[KeySpec::one(1, &[KeyFlag::Rw, KeyFlag::Access, KeyFlag::Update])])
        .acl(&[Category::Bitmap])
        .since("2.2.0")
        .complexity("O(1)")
        .summary("Sets or clears a bit of a string, which is created if there is none.")
        .arguments(&[Argument::key("key", 0), Argument::integer("offset"), Argument::integer("value")]),
];
