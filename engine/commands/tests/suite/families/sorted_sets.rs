//! Sorted sets, small and large.

use proptest::prelude::*;

use super::choose;

pub const GRAMMAR: &[&str] = &[
    "ZADD k s m",
    "ZADD k s m s m s m",
    "ZADD k s m s m s m s m s m s m s m s m s m s m s m s m s m s m s m s m s m s m s m s m s m s m s m s m s m s m s m s m s m s m s m s m",
    "ZADD e 0 m 0 m 0 m 0 m 0 m 0 m 0 m",
    "ZRANGESTORE k e l l BYLEX",
    "ZADD k NX s m s m",
    "ZADD k XX CH s m s m",
    "ZADD k GT CH s m s m",
    "ZADD k LT s m",
    "ZADD k o o s m",
    "ZADD k o INCR s m",
    "ZADD k o o o s m s m",
    "SADD k m m m m",
    "ZINCRBY k s m",
    "ZCARD k",
    "ZSCORE k m",
    "ZMSCORE k m m m",
    "ZRANK k m",
    "ZREVRANK k m",
    "ZCOUNT k q q",
    "ZLEXCOUNT e l l",
    "ZRANGE k n n | WITHSCORES | REV | LIMIT n n",
    "ZRANGE k q q BYSCORE | WITHSCORES | REV | LIMIT n n",
    "ZRANGE e l l BYLEX | REV | LIMIT n n | WITHSCORES",
    "ZRANGE e q q | BYSCORE | BYLEX | REV",
    "ZREVRANGE k n n | WITHSCORES | LIMIT n n",
    "ZRANGEBYSCORE k q q | WITHSCORES | LIMIT n n",
    "ZREVRANGEBYSCORE k q q | WITHSCORES | LIMIT n n",
    "ZRANGEBYLEX e l l | LIMIT n n | WITHSCORES",
    "ZREVRANGEBYLEX e l l | LIMIT n n",
    "ZRANGESTORE k k n n | REV | WITHSCORES",
    "ZRANGESTORE k k q q BYSCORE | REV | LIMIT n n",
    "ZREM k m m m",
    "ZREMRANGEBYRANK k n n",
    "ZREMRANGEBYSCORE k q q",
    "ZREMRANGEBYLEX e l l",
    "ZPOPMIN k",
    "ZPOPMAX k n",
    "ZPOPMIN k n",
    "ZMPOP 1 k MIN | COUNT n",
    "ZMPOP n k k MAX | COUNT n",
    "ZRANDMEMBER k 1000 | WITHSCORES",
    "ZSCAN k 0 COUNT 1000 | MATCH p | COUNT 0 | COUNT X",
    "ZUNION 2 k k | WITHSCORES | WEIGHTS s s | AGGREGATE g",
    "ZINTER 2 k k | WITHSCORES | WEIGHTS s s | AGGREGATE g",
    "ZDIFF 2 k k | WITHSCORES | WEIGHTS s s",
    "ZUNIONSTORE k 2 k k | WEIGHTS s s | AGGREGATE g",
    "ZINTERSTORE k 3 k k k | WEIGHTS s s s | AGGREGATE g",
    "ZDIFFSTORE k 2 k k | WITHSCORES",
    "ZUNIONSTORE k n k k | AGGREGATE g",
    "ZINTERCARD n k k | LIMIT n",
    "ZINTERCARD 2 k k | LIMIT n",
];

pub fn word(kind: &'static str) -> Option<BoxedStrategy<Vec<u8>>> {
    Some(match kind {
        "k" => choose(&["a", "b", "c", "d"]),
        // Here all members have one score: what a range of texts is where they differ, nobody says.
        "e" => choose(&["e"]),
        "s" => prop_oneof![
            6 => (-6..6i32).prop_map(|score| score.to_string().into_bytes()),
            3 => (-40..40i32).prop_map(|score| (f64::from(score) / 8.0).to_string().into_bytes()),
            2 => (-1e3..1e3f64).prop_map(|score| score.to_string().into_bytes()),
            1 => choose(&["inf", "-inf", "+Infinity", "1e300", "1e-300", "0x1p-2", "-0", "1e17", "4611686018427387904"]),
            1 => choose(&["nan", "x", "", " 1", "1e400", "1e-400", "1 "]),
        ]
        .boxed(),
        "m" => prop_oneof![
            30 => (0..40u32).prop_map(|number| format!("m{number}").into_bytes()),
            10 => (0..300u32).prop_map(|number| number.to_string().into_bytes()),
            5 => "[ab]{0,4}".prop_map(String::into_bytes),
            1 => (60..70usize).prop_map(|len| vec![b'x'; len]),
        ]
        .boxed(),
        "o" => choose(&["NX", "XX", "GT", "LT", "CH", "INCR"]),
        "q" => prop_oneof![
            6 => (-6..6i32).prop_map(|score| score.to_string().into_bytes()),
            3 => (-6..6i32).prop_map(|score| format!("({score}").into_bytes()),
            2 => choose(&["-inf", "+inf", "(-inf", "(inf", "2.5", "1e400"]),
            1 => choose(&["", "(", " 1", "x", "nan", "1x", "((1", "1\0x"]),
        ]
        .boxed(),
        "l" => prop_oneof![
            3 => choose(&["-", "+", "-", "+", "[m2", "(m2", "[m", "(m9", "[", "(", "[zz"]),
            1 => choose(&["", "m2", "--", "+x"]),
        ]
        .boxed(),
        "n" => prop_oneof![
            8 => (-8..9i32).prop_map(|number| number.to_string().into_bytes()),
            1 => choose(&["1000", "9223372036854775807", "-9223372036854775808", "x", "1.5"]),
        ]
        .boxed(),
        "g" => choose(&["SUM", "MIN", "MAX", "sum", "AVG"]),
        "p" => choose(&["*", "m*", "m?", "[0-9]*", "nothing"]),
        _ => return None,
    })
}
