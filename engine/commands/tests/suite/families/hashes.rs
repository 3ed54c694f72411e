//! Hashes, as far as Redis 7.0 has them: fields that expire are newer.

use proptest::prelude::*;

use super::choose;

pub const GRAMMAR: &[&str] = &[
    "HSET k f e | f e | f e",
    "HSET k f e f e f e",
    "HMSET k f e | f e | f",
    "HSETNX k f e",
    "HGET k f",
    "HMGET k f f f",
    "HGETALL k",
    "HKEYS k",
    "HVALS k",
    "HLEN k",
    "HEXISTS k f",
    "HSTRLEN k f",
    "HDEL k f | f | f",
    "HINCRBY k f i",
    "HINCRBYFLOAT k f g",
    "HRANDFIELD k 1000",
    "HRANDFIELD k 1000 WITHVALUES",
    "HRANDFIELD k h h",
    "HSCAN k 0 COUNT 1000 | MATCH p | COUNT h | h",
    "HSCAN k c COUNT 1000",
    "SADD k e",
    "DUMP k",
];

pub fn word(kind: &'static str) -> Option<BoxedStrategy<Vec<u8>>> {
    Some(match kind {
        "k" => choose(&["a", "b", "c", "d"]),
        "f" => choose(&["f", "1", "-2", "", "name", "f", "longer name of a field, but not so long that it is alone"]),
        "e" => prop_oneof![
            6 => choose(&["a", "1", "2", "-7", "10", "9223372036854775807", "-9223372036854775808", "", "01", "1.5", "3e5", " 1"]),
            1 => prop::collection::vec(any::<u8>(), 0..70),
            1 => Just(vec![b'h'; 100]),
        ]
        .boxed(),
        "g" => choose(&["1.5", "-1.5", "0.1", "1e3", "1e400", "inf", "-inf", "nan", "x", "1e-30", "3"]),
        "h" => choose(&["0", "x", "", "-9223372036854775808", "9223372036854775808"]),
        "p" => choose(&["*", "[f1]", "n*", "?", "nothing"]),
        "c" => choose(&["x", "", "0", "-"]),
        _ => return None,
    })
}
