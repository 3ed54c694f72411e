//! What the words of a grammar stand for: an argument's name and kind, and the chapter of its command, say which
//! values make sense. Now and then comes one that does not.

use squall_commands::table::{Argument, ArgumentKind, Group};

use crate::chance::Chance;

/// Nobody expects these.
const HOSTILE: &[&[u8]] = &[
    b"",
    b"x",
    b"-1",
    b"0",
    b" 1",
    b"1 ",
    b"01",
    b"+1",
    b"1.5",
    b"nan",
    b"inf",
    b"-inf",
    b"1e400",
    b"9223372036854775807",
    b"-9223372036854775808",
    b"9223372036854775808",
    b"18446744073709551615",
    b"4294967296",
    b"\0",
    b"a\0b\r\n",
    b"\xff\xfe\x80",
    b"%s%n",
    b"*",
    b"{}",
];

/// Names of keys by what they usually hold.
const KEYS: &[(Group, &[&str])] = &[
    (Group::String, &["s1", "s2", "s3"]),
    (Group::List, &["l1", "l2", "l3"]),
    (Group::Set, &["e1", "e2", "e3"]),
    (Group::Hash, &["h1", "h2", "h3"]),
    (Group::SortedSet, &["z1", "z2", "z3"]),
    (Group::Stream, &["x1", "x2"]),
    (Group::HyperLogLog, &["p1", "p2", "p3"]),
    (Group::Geo, &["g1", "g2"]),
    (Group::Bitmap, &["b1", "b2", "b3"]),
];

/// All of this one's members have the same score: what a range of texts is elsewhere, nobody says.
pub const LEX_KEY: &str = "y1";

/// A key for a command of this chapter: nearly always one of its own kind.
pub fn key(group: Group, chance: &mut Chance) -> Vec<u8> {
    let own = KEYS.iter().find(|(kind, _)| *kind == group);
    let names = match own {
        Some((_, names)) if !chance.one_in(12) => *names,
        _ => KEYS[chance.below(KEYS.len())].1,
    };
    match chance.below(150) {
        0 => Vec::new(),
        1 => b"missing".to_vec(),
        2 => b"key:with:a:longer:name:than:most:others:have:it".to_vec(),
        _ => chance.pick(names).as_bytes().to_vec(),
    }
}

/// A value for an argument of a command of this chapter.
pub fn value(argument: &Argument, group: Group, chance: &mut Chance) -> Vec<u8> {
    if let ArgumentKind::Key(_) = argument.kind {
        return key(group, chance);
    }
    if chance.one_in(30) && !matches!(argument.name, "group" | "consumer") {
        return chance.pick(HOSTILE).to_vec();
    }
    let text = |text: &str| text.as_bytes().to_vec();
    match argument.name {
        "timeout" => text(chance.pick(&["0", "0", "0.05", "0.05", "-1", "1e300", "0x10"])),
        "seconds" => text(chance.pick(&["100000", "200000", "5000000", "0", "-1", "9223372036854775"])),
        "milliseconds" | "ttl" => {
            text(chance.pick(&["100000000", "2000000000", "0", "-1", "9223372036854775807"]))
        }
        "unix-time-seconds" => {
            text(chance.pick(&["1", "0", "-5", "4000000000", "4100000000", "9223372036854775807"]))
        }
        "unix-time-milliseconds" => text(chance.pick(&["1", "0", "-5", "4000000000000", "4100000000001"])),
        "cursor" => text(chance.pick(&["0", "0", "0", "0", "0", "0", "7", "00"])),
        "db" | "destination-db" | "index1" | "index2" => text(chance.pick(&["0", "1", "1", "9", "15", "16"])),
        "pattern" => {
            text(chance.pick(&["*", "*", "[a-m]*", "?", "?1", "m*", "[^a]*", "\\a", "**1**", "[", ""]))
        }
        "by-pattern" => text(chance.pick(&["s*", "h*->f1", "nosort", "nosuch_*", "w*", "*", "h*->"])),
        "get-pattern" => text(chance.pick(&["#", "s*", "h*->f1", "h*->", "nosuch", "*"])),
        "type" => text(chance.pick(&["string", "LIST", "zset", "hash", "stream", "set", "what"])),
        "serialized-value" => payload(chance),
        "member" | "member1" | "member2" if group == Group::Geo => place_name(chance),
        "longitude" | "latitude" | "radius" | "width" | "height" => of_places(argument.name, chance),
        "increment" | "decrement" => increment(argument.kind, group, chance),
        "channel" | "shardchannel" => text(chance.pick(&["news", "news", "weather", "other", "n\0"])),
        "message" => text(chance.pick(&["hello", "", "a b", "\u{e9}"])),
        "arg" => text(chance.pick(&["a", "1", "", "x y"])),
        _ => match group {
            Group::Stream => of_streams(argument.name, chance),
            Group::SortedSet => of_sorted_sets(argument, chance),
            Group::Bitmap => of_bitmaps(argument.name, chance),
            _ => of_others(argument, group, chance),
        },
    }
}

fn small(chance: &mut Chance, first: i64, last: i64) -> Vec<u8> {
    chance.between(first, last).to_string().into_bytes()
}

fn of_others(argument: &Argument, group: Group, chance: &mut Chance) -> Vec<u8> {
    match argument.name {
        "field" => field(chance),
        "element" | "pivot" | "member" => element(group, chance),
        "start" | "end" | "stop" | "index" | "rank" => small(chance, -8, 8),
        "count" | "num-matches" | "limit" | "len" => small(chance, -1, 12),
        "offset" => match chance.one_in(20) {
            true => chance.pick(&["600000000", "536870912", "9223372036854775807"]).as_bytes().to_vec(),
            false => small(chance, 0, 40),
        },
        _ => content(chance),
    }
}

pub fn field(chance: &mut Chance) -> Vec<u8> {
    match chance.below(20) {
        0 => Vec::new(),
        1 => {
            b"a longer name of a field, but it is not alone: there are others, and still longer ones".to_vec()
        }
        2..5 => small(chance, -3, 40),
        _ => format!("f{}", chance.below(9)).into_bytes(),
    }
}

/// An element of a list, a member of a set, what a HyperLogLog counts.
pub fn element(group: Group, chance: &mut Chance) -> Vec<u8> {
    match chance.below(24) {
        0 => Vec::new(),
        1 => vec![b'e'; 70],
        2 => {
            let len = chance.below(30);
            chance.bytes(len)
        }
        3..8 => small(chance, 0, 300),
        8..10 if group != Group::HyperLogLog => {
            chance.pick(&["32767", "-32769", "2147483648", "9223372036854775807", "1.5"]).as_bytes().to_vec()
        }
        _ => format!("m{}", chance.below(if group == Group::HyperLogLog { 5_000 } else { 14 })).into_bytes(),
    }
}

/// What a string, a field or an entry holds.
pub fn content(chance: &mut Chance) -> Vec<u8> {
    match chance.below(24) {
        0 => Vec::new(),
        1 => vec![b'z'; 100 + chance.below(600)],
        2 => {
            let len = chance.below(60);
            chance.bytes(len)
        }
        3 => vec![b'z'; 16_000 + chance.below(1_000)],
        4 => (0..chance.below(100)).map(|_| b"ab"[chance.below(2)]).collect(),
        5..12 => small(chance, -20, 200),
        12..14 => chance
            .pick(&["3.25", "-0", "3e5", "9223372036854775807", "-9223372036854775808", "0.1", "1e-30"])
            .as_bytes()
            .to_vec(),
        _ => chance.pick(&["v", "abc", "ohmytext", "mynewtext", "foobarfoobarfoobar"]).as_bytes().to_vec(),
    }
}

fn increment(kind: ArgumentKind, group: Group, chance: &mut Chance) -> Vec<u8> {
    match chance.below(12) {
        0 => chance.pick(&["9223372036854775807", "-9223372036854775808"]).as_bytes().to_vec(),
        1..4 if kind == ArgumentKind::Double || group == Group::SortedSet => chance
            .pick(&["1.5", "-1.5", "0.1", "1e3", "5.0e-3", "1e-30", "-0.0", "inf", "-inf"])
            .as_bytes()
            .to_vec(),
        _ => small(chance, -5, 9),
    }
}

pub fn score(chance: &mut Chance) -> Vec<u8> {
    match chance.below(14) {
        0 => chance
            .pick(&[
                "inf",
                "-inf",
                "+Infinity",
                "1e300",
                "1e-300",
                "0x1p-2",
                "-0",
                "1e17",
                "4611686018427387904",
            ])
            .as_bytes()
            .to_vec(),
        1..4 => (chance.between(-40, 40) as f64 / 8.0).to_string().into_bytes(),
        4..6 => chance.fraction(1e3).to_string().into_bytes(),
        _ => small(chance, -6, 6),
    }
}

fn of_sorted_sets(argument: &Argument, chance: &mut Chance) -> Vec<u8> {
    let by_text = |chance: &mut Chance| {
        chance.pick(&["-", "+", "[m2", "(m2", "[m", "(m9", "[", "(", "[zz", "m2"]).as_bytes().to_vec()
    };
    let by_score = |chance: &mut Chance| match chance.below(8) {
        0 => chance.pick(&["-inf", "+inf", "(-inf", "(inf", "((1", "("]).as_bytes().to_vec(),
        1..4 => [b"(", &score(chance)[..]].concat(),
        _ => score(chance),
    };
    match (argument.name, argument.kind) {
        ("score" | "weight", _) => score(chance),
        ("min" | "max", ArgumentKind::Double) => by_score(chance),
        ("min" | "max", _) => match chance.one_in(3) {
            true => by_score(chance),
            false => by_text(chance),
        },
        ("start" | "stop", ArgumentKind::String) => match chance.below(4) {
            0 => by_score(chance),
            _ => small(chance, -8, 8),
        },
        ("start" | "stop", _) => small(chance, -8, 8),
        ("member", _) => element(Group::SortedSet, chance),
        ("count" | "limit" | "offset", _) => small(chance, -1, 10),
        _ => content(chance),
    }
}

fn of_bitmaps(name: &str, chance: &mut Chance) -> Vec<u8> {
    match name {
        "bit" => chance.pick(&["0", "1", "0", "1", "2"]).as_bytes().to_vec(),
        "value" => small(chance, 0, 2),
        "start" | "end" => small(chance, -40, 40),
        "encoding" => chance
            .pick(&[
                "u1", "u8", "u16", "u63", "i1", "i5", "i8", "i63", "i64", "u7", "u64", "i65", "u0", "i",
                "u08",
            ])
            .as_bytes()
            .to_vec(),
        "offset" => match chance.below(10) {
            0 => format!("#{}", chance.below(20)).into_bytes(),
            _ => small(chance, 0, 200),
        },
        _ => content(chance),
    }
}

pub fn stream_id(chance: &mut Chance) -> Vec<u8> {
    match chance.below(24) {
        0 => chance.pick(&["0", "0-0", "7", "007-1", "30-18446744073709551615"]).as_bytes().to_vec(),
        1 => chance
            .pick(&["5-", "-5", "1-1-1", "99999999999999999999", "18446744073709551615-1"])
            .as_bytes()
            .to_vec(),
        _ => format!("{}-{}", chance.between(1, 24), chance.below(3)).into_bytes(),
    }
}

fn of_streams(name: &str, chance: &mut Chance) -> Vec<u8> {
    match name {
        "group" => chance.pick(&["g", "g", "g", "q"]).as_bytes().to_vec(),
        "consumer" => chance.pick(&["c", "d"]).as_bytes().to_vec(),
        "ID" | "id" | "last-id" | "lastid" | "max-deleted-id" => match chance.below(12) {
            0 => chance.pick(&["$", ">", "-", "+"]).as_bytes().to_vec(),
            1 => format!("{}-*", chance.between(1, 24)).into_bytes(),
            _ => stream_id(chance),
        },
        "start" | "end" => match chance.below(5) {
            0 | 1 => chance.pick(&["-", "+", "0"]).as_bytes().to_vec(),
            2 => [b"(", &stream_id(chance)[..]].concat(),
            _ => stream_id(chance),
        },
        "min-idle-time" | "ms" => chance.pick(&["0", "0", "3600000"]).as_bytes().to_vec(),
        "threshold" => match chance.one_in(3) {
            true => stream_id(chance),
            false => small(chance, 0, 10),
        },
        "count" | "entries-read" | "entries-added" => small(chance, -1, 8),
        "field" => {
            chance.pick(&["name", "age", "name", "age", "", "a-longer-name-of-a-field"]).as_bytes().to_vec()
        }
        _ => content(chance),
    }
}

pub fn place_name(chance: &mut Chance) -> Vec<u8> {
    format!("m{}", chance.below(20)).into_bytes()
}

pub fn of_places(name: &str, chance: &mut Chance) -> Vec<u8> {
    let number = match name {
        "longitude" if chance.one_in(6) => chance.fraction(175.0),
        "longitude" => 14.0 + chance.fraction(2.0),
        "latitude" if chance.one_in(6) => chance.fraction(80.0),
        "latitude" => 37.5 + chance.fraction(1.5),
        _ if chance.one_in(6) => chance.fraction(200_000.0) + 200_000.0,
        _ => chance.fraction(200.0) + 200.0,
    };
    number.to_string().into_bytes()
}

/// What DUMP of Redis 7.0 says of some strings, and sometimes not quite.
fn payload(chance: &mut Chance) -> Vec<u8> {
    const PAYLOADS: &[&[u8]] = &[
        b"\x00\x03\x61\x62\x63\x0a\x00\xd9\xac\x30\x3d\x41\x72\xa2\xe2",
        b"\x00\xc0\x0c\x0a\x00\x3c\x2a\xf8\x51\x5c\x04\xbc\xd5",
        b"\x00\xc2\x70\x11\x01\x00\x0a\x00\x01\xa4\x08\xfe\x95\x30\x95\xa5",
    ];
    let mut payload = chance.pick(PAYLOADS).to_vec();
    if chance.one_in(4) {
        let at = chance.below(payload.len());
        payload[at] = chance.below(256) as u8;
    }
    payload
}
