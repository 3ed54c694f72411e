//! SORT over what lists, sets, sorted sets, strings and hashes hold. Its own sets are of numbers, since without a
//! key to sort by they have no order that two servers share.

use proptest::prelude::*;

use super::choose;

pub const GRAMMAR: &[&str] = &[
    "RPUSH k n n n",
    "SADD k n n n",
    "ZADD k n n",
    "RPUSH k v",
    "SET w n",
    "HSET h f n",
    "HSET h f v",
    "SORT k | BY b | LIMIT i i | GET g | ASC | DESC | STORE d",
    "SORT k ALPHA | LIMIT i i | GET g | ALPHA | DESC | STORE d | i",
    "SORT k BY b LIMIT i i GET g GET g",
    "SORT k BY nosort STORE d | GET g | LIMIT i i | DESC",
    "SORT k DESC",
    "SORT k ALPHA | DESC | LIMIT i i",
    "SORT_RO k | BY b | LIMIT i i | GET g | ASC | DESC | STORE d",
    "LRANGE d 0 -1",
];

pub fn word(kind: &'static str) -> Option<BoxedStrategy<Vec<u8>>> {
    Some(match kind {
        "k" => choose(&["a", "b", "c"]),
        "d" => choose(&["d", "a"]),
        "n" => choose(&["1", "2", "3", "10", "-5", "1.5", "1e2", " 7", "", "0"]),
        "v" => choose(&["word", "x", "1x", "nan"]),
        "w" => choose(&["w_1", "w_2", "w_3", "w_10", "w_"]),
        "h" => choose(&["h_1", "h_2", "h_3", "w_1"]),
        "f" => choose(&["f", "g", ""]),
        // As numbers, elements of one weight are compared by themselves; as texts they would be left to chance.
        "b" => choose(&["w_*", "h_*->f", "nosuch_*", "h_*->", "*"]),
        "g" => choose(&["#", "w_*", "h_*->f", "h_*->g", "nosuch", "w_1", "*", "h_*->"]),
        "i" => choose(&["0", "1", "2", "-1", "100", "x", "9223372036854775807"]),
        _ => return None,
    })
}
