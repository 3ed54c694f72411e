//! Sets. Where chance decides what a command answers, it is asked for so much that there is no choice.

use proptest::prelude::*;

use super::choose;

pub const GRAMMAR: &[&str] = &[
    "SADD k m | m",
    "SADD k m m m m m m",
    "SADD k i i i i",
    "SREM k m | m",
    "SMOVE k k m",
    "SISMEMBER k m",
    "SMISMEMBER k m | m",
    "SCARD k",
    "SMEMBERS k",
    "SPOP k 1000",
    "SPOP k h",
    "SRANDMEMBER k 1000",
    "SRANDMEMBER k h",
    "SRANDMEMBER k h h",
    "SUNION k k k",
    "SINTER k k",
    "SDIFF k k",
    "SUNIONSTORE k k k",
    "SINTERSTORE k k k",
    "SDIFFSTORE k k k",
    "SINTERCARD n k k | LIMIT n | n",
    "SINTERCARD 2 k k | LIMIT n",
    "SSCAN k 0 COUNT 1000 | MATCH p | COUNT h | h",
    "SSCAN k c COUNT 1000",
    "RPUSH k m",
    "DUMP k",
];

pub fn word(kind: &'static str) -> Option<BoxedStrategy<Vec<u8>>> {
    Some(match kind {
        "k" => choose(&["a", "b", "c", "d"]),
        "m" => prop_oneof![
            6 => choose(&["a", "b", "1", "2", "3", "-7", "100000", "9223372036854775807", "", "01", "word"]),
            1 => prop::collection::vec(any::<u8>(), 0..70),
            1 => (0..700u32).prop_map(|number| number.to_string().into_bytes()),
        ]
        .boxed(),
        "i" => (-40_000i64..40_000).prop_map(|number| number.to_string().into_bytes()).boxed(),
        "n" => choose(&["0", "1", "2", "3", "-1", "x", "9223372036854775807", "1000"]),
        "h" => choose(&["0", "x", "", "-9223372036854775808", "9223372036854775808"]),
        "p" => choose(&["*", "[ab]", "1*", "?", "nothing"]),
        "c" => choose(&["x", "", "0", "-"]),
        _ => return None,
    })
}
