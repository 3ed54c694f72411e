//! Streams and their groups. Ids are given, not taken from the clock, and what depends on how long ago something
//! was is asked with all the time in the world or none.

use proptest::prelude::*;

use super::{Command, choose};

pub const GRAMMAR: &[&str] = &[
    "XADD k i f v",
    "XADD k i f v f v",
    "XADD k i name v age v",
    "XADD k i name v age v",
    "XADD k 9-* name v age v",
    "XADD k 10-* name v age v",
    "XADD k MAXLEN l i f v",
    "XADD k MAXLEN ~ l i f v",
    "XADD k MINID = i LIMIT l i f v",
    "XADD k NOMKSTREAM MAXLEN ~ 1 LIMIT 0 i f v",
    "XTRIM k MAXLEN l",
    "XTRIM k MAXLEN ~ l | LIMIT l",
    "XTRIM k MINID i",
    "XTRIM k MINID ~ i",
    "XTRIM k l | MAXLEN l | MINID i | LIMIT l",
    "XLEN k",
    "XRANGE k r r | COUNT n | n",
    "XREVRANGE k r r | COUNT n",
    "XRANGE k - +",
    "XREAD STREAMS k k i i",
    "XREAD COUNT n STREAMS k k i w",
    "XREAD COUNT n STREAMS k w",
    "XDEL k i i",
    "XDEL k i",
    "XSETID k i",
    "XSETID k i ENTRIESADDED n MAXDELETEDID i",
    "XGROUP CREATE k g w | MKSTREAM | ENTRIESREAD n | n",
    "XGROUP CREATE k g 0 MKSTREAM",
    "XGROUP SETID k g w | ENTRIESREAD n",
    "XGROUP DESTROY k g",
    "XGROUP DELCONSUMER k g o",
    "XREADGROUP GROUP g o COUNT n STREAMS k >",
    "XREADGROUP GROUP g o STREAMS k >",
    "XREADGROUP GROUP g o NOACK COUNT n STREAMS k >",
    "XREADGROUP GROUP g o COUNT n STREAMS k i",
    "XREADGROUP GROUP g o STREAMS k k w w",
    "XACK k g i i",
    "XPENDING k g",
    "XPENDING k g r r n",
    "XPENDING k g r r n o",
    "XPENDING k g IDLE t r r n",
    "XCLAIM k g o t i i | JUSTID | FORCE | TIME 1000 | RETRYCOUNT n | LASTID i | n",
    "XCLAIM k g o 0 i i | JUSTID | FORCE | IDLE n",
    "XAUTOCLAIM k g o t r | COUNT n | JUSTID | n",
    "XAUTOCLAIM k g o 0 0 COUNT 2",
    "XINFO STREAM k",
    "XINFO STREAM k FULL | COUNT n",
    "XINFO GROUPS k",
    "XINFO CONSUMERS k g",
    "SADD k v",
];

pub fn word(kind: &'static str) -> Option<BoxedStrategy<Vec<u8>>> {
    let id = (1..25u32, 0..3u32).prop_map(|(ms, seq)| format!("{ms}-{seq}").into_bytes());
    let whole = prop_oneof![
        12 => id,
        2 => choose(&["0", "0-0", "7", "007-1", "30-18446744073709551615"]),
        1 => choose(&["18446744073709551615-18446744073709551615", "x", "", "5-", "-5", "1-1-1", "99999999999999999999"]),
    ];
    Some(match kind {
        "k" => choose(&["a", "a", "a", "b", "c"]),
        "g" => choose(&["g", "g", "h"]),
        "o" => choose(&["c", "d"]),
        "i" => whole.boxed(),
        "w" => prop_oneof![3 => whole, 1 => choose(&["$", ">", ">"])].boxed(),
        "r" => prop_oneof![
            2 => whole.clone(),
            2 => choose(&["-", "+", "-", "+"]),
            1 => whole.prop_map(|id| [b"(", &id[..]].concat()),
        ]
        .boxed(),
        "f" => choose(&["name", "age", "1", "", "a-longer-name-of-a-field"]),
        "v" => prop_oneof![
            4 => choose(&["x", "1", "-100000", "", "value"]),
            1 => prop::collection::vec(any::<u8>(), 0..60),
            1 => prop_oneof![Just(100usize), Just(1_000), Just(5_000)].prop_map(|len| vec![b's'; len]),
        ]
        .boxed(),
        "l" => prop_oneof![8 => (0..12u32).prop_map(|n| n.to_string().into_bytes()), 1 => choose(&["-1", "x", "1000", "~"])]
            .boxed(),
        "n" => prop_oneof![8 => (0..7u32).prop_map(|n| n.to_string().into_bytes()), 1 => choose(&["-1", "-2", "x", "50"])]
            .boxed(),
        "t" => choose(&["0", "0", "3600000", "x", "-1"]),
        _ => return None,
    })
}

/// Since Redis 7.2 a consumer exists from when it asks, before that only from when it is given something. So
/// that both agree, all consumers of a group exist from its beginning.
pub fn companions(command: &Command) -> Vec<Command> {
    let is = |index: usize, word: &str| {
        command.get(index).is_some_and(|found| found.eq_ignore_ascii_case(word.as_bytes()))
    };
    if !is(0, "XGROUP") || !(is(1, "CREATE") || is(1, "DELCONSUMER")) || command.len() < 5 {
        return Vec::new();
    }
    let create = |consumer: &str| {
        let words = ["XGROUP", "CREATECONSUMER"].map(|word| word.as_bytes().to_vec());
        [&words[..], &command[2..4], &[consumer.as_bytes().to_vec()]].concat()
    };
    vec![create("c"), create("d")]
}
