//! The rows of the geo family: each command as data.

use super::{add::*, look_up::*, search::*};
use crate::Handler;
use crate::table::{Argument, BeginSearch, Category, Command, FindKeys, Flag, Group, KeyFlag, KeySpec};

const READ: KeySpec = KeySpec::one(1, &[KeyFlag::Ro, KeyFlag::Access]);

const KEY: Argument = Argument::key("key", 0);
const MEMBER: Argument = Argument::string("member");
const RADIUS: Argument = Argument::double("radius");
const UNIT: Argument = Argument::one_of(
    "unit",
    &[
        Argument::word("m", "m"),
        Argument::word("km", "km"),
        Argument::word("ft", "ft"),
        Argument::word("mi", "mi"),
    ],
);
const ORDER: Argument =
    Argument::one_of("order", &[Argument::word("asc", "ASC"), Argument::word("desc", "DESC")]).optional();
const COUNT: Argument = Argument::block(
    "count-block",
    &[Argument::integer("count").token("COUNT"), Argument::word("any", "ANY").since("6.2.0").optional()],
)
.optional();
const WITH_PLACE: Argument = Argument::word("withcoord", "WITHCOORD").optional();
const WITH_DISTANCE: Argument = Argument::word("withdist", "WITHDIST").optional();
const WITH_HASH: Argument = Argument::word("withhash", "WITHHASH").optional();
const LONGITUDE: Argument = Argument::double("longitude");
const LATITUDE: Argument = Argument::double("latitude");
const STORE: Argument = Argument::one_of(
    "store",
    &[Argument::key("storekey", 1).token("STORE"), Argument::key("storedistkey", 2).token("STOREDIST")],
)
.optional();
const FROM: Argument = Argument::one_of(
    "from",
    &[
        Argument::string("member").token("FROMMEMBER"),
        Argument::block("fromlonlat", &[LONGITUDE, LATITUDE]).token("FROMLONLAT"),
    ],
)
.optional();
const BY: Argument = Argument::one_of(
    "by",
    &[
        Argument::block("circle", &[RADIUS.token("BYRADIUS"), UNIT]),
        Argument::block("box", &[Argument::double("width").token("BYBOX"), Argument::double("height"), UNIT]),
        Argument::block(
            "polygon",
            &[
                Argument::integer("num-vertices").token("BYPOLYGON"),
                Argument::block("vertex", &[LONGITUDE, LATITUDE]).multiple(),
            ],
        ),
    ],
);

const fn geo(name: &'static str, arity: i32, handler: Handler) -> Command {
    Command::new(name, arity, handler)
        .group(Group::Geo)
        .flags(&[Flag::ReadOnly])
        .keys(&[READ])
        .acl(&[Category::Geo])
        .since("3.2.0")
}

const fn storing_at(keyword: &'static str, start_from: i32) -> KeySpec {
    KeySpec::new(
        BeginSearch::Keyword { keyword, start_from },
        FindKeys::Range { last: 0, step: 1, limit: 0 },
        &[KeyFlag::Ow, KeyFlag::Update],
    )
}

const SEARCH_COMPLEXITY: &str =
    "O(N+log(M)) with N the members in and around the area, and M the members of the set";

pub const ROWS: &[Command] = &[
    geo("geoadd", -5, geoadd)
        .flags(&[Flag::DenyOom, Flag::Write])
        .keys(&[KeySpec::one(1, &[KeyFlag::Rw, KeyFlag::Update])])
        .complexity("O(log(N)) for each member")
        .summary("Gives members their places, and adds those that are not there.")
        .history(&[("6.2.0", "CH, NX and XX.")])
        .arguments(&[
            KEY,
            Argument::one_of("condition", &[Argument::word("nx", "NX"), Argument::word("xx", "XX")])
                .since("6.2.0")
                .optional(),
            Argument::word("change", "CH").since("6.2.0").optional(),
            Argument::block("data", &[LONGITUDE, LATITUDE, MEMBER]).multiple(),
        ]),
    geo("geodist", -4, geodist)
        .complexity("O(1)")
        .summary("Returns how far two members are from each other.")
        .arguments(&[KEY, Argument::string("member1"), Argument::string("member2"), UNIT.optional()]),
    geo("geohash", -2, geohash)
        .complexity("O(1) for each member")
        .summary("Returns the places of members as geohashes.")
        .arguments(&[KEY, MEMBER.optional().multiple()]),
    geo("geopos", -2, geopos)
        .complexity("O(1) for each member")
        .summary("Returns the longitudes and latitudes of members.")
        .arguments(&[KEY, MEMBER.optional().multiple()]),
    geo("georadius", -6, georadius)
        .flags(&[Flag::DenyOom, Flag::Write])
        .keys(&[READ, storing_at("STORE", 6), storing_at("STOREDIST", 6)])
        .complexity(SEARCH_COMPLEXITY)
        .summary("Returns or stores the members within a distance from a place.")
        .deprecated("6.2.0", "`GEOSEARCH` and `GEOSEARCHSTORE` with `BYRADIUS`")
        .history(&[("6.2.0", "ANY."), ("7.0.0", "Upper-case units.")])
        .arguments(&[
            KEY,
            LONGITUDE,
            LATITUDE,
            RADIUS,
            UNIT,
            WITH_PLACE,
            WITH_DISTANCE,
            WITH_HASH,
            COUNT,
            ORDER,
            STORE,
        ]),
    geo("georadius_ro", -6, georadius_ro)
        .since("3.2.10")
        .complexity(SEARCH_COMPLEXITY)
        .summary("Returns the members within a distance from a place.")
        .deprecated("6.2.0", "`GEOSEARCH` with `BYRADIUS`")
        .arguments(&[
            KEY,
            LONGITUDE,
            LATITUDE,
            RADIUS,
            UNIT,
            WITH_PLACE,
            WITH_DISTANCE,
            WITH_HASH,
            COUNT,
            ORDER,
        ]),
    geo("georadiusbymember", -5, georadiusbymember)
        .flags(&[Flag::DenyOom, Flag::Write])
        .keys(&[READ, storing_at("STORE", 5), storing_at("STOREDIST", 5)])
        .complexity(SEARCH_COMPLEXITY)
        .summary("Returns or stores the members within a distance from another member.")
        .deprecated("6.2.0", "`GEOSEARCH` and `GEOSEARCHSTORE` with `BYRADIUS` and `FROMMEMBER`")
        .history(&[("6.2.0", "ANY."), ("7.0.0", "Upper-case units.")])
        .arguments(&[KEY, MEMBER, RADIUS, UNIT, WITH_PLACE, WITH_DISTANCE, WITH_HASH, COUNT, ORDER, STORE]),
    geo("georadiusbymember_ro", -5, georadiusbymember_ro)
        .since("3.2.10")
        .complexity(SEARCH_COMPLEXITY)
        .summary("Returns the members within a distance from another member.")
        .deprecated("6.2.0", "`GEOSEARCH` with `BYRADIUS` and `FROMMEMBER`")
        .arguments(&[KEY, MEMBER, RADIUS, UNIT, WITH_PLACE, WITH_DISTANCE, WITH_HASH, COUNT, ORDER]),
    geo("geosearch", -7, geosearch)
        .since("6.2.0")
        .complexity(SEARCH_COMPLEXITY)
        .summary("Returns the members within a circle, a box or a polygon.")
        .history(&[("7.0.0", "Upper-case units.")])
        .arguments(&[KEY, FROM, BY, ORDER, COUNT, WITH_PLACE, WITH_DISTANCE, WITH_HASH]),
    geo("geosearchstore", -8, geosearchstore)
        .flags(&[Flag::DenyOom, Flag::Write])
        .keys(&[
            KeySpec::one(1, &[KeyFlag::Ow, KeyFlag::Update]),
            KeySpec::one(2, &[KeyFlag::Ro, KeyFlag::Access]),
        ])
        .since("6.2.0")
        .complexity(SEARCH_COMPLEXITY)
        .summary("Stores the members within a circle, a box or a polygon.")
        .history(&[("7.0.0", "Upper-case units.")])
        .arguments(&[
            Argument::key("destination", 0),
            Argument::key("source", 1),
            FROM,
            BY,
            ORDER,
            COUNT,
            Argument::word("storedist", "STOREDIST").optional(),
        ]),
];
