//! Lists, and a little of what other types do to them.

use proptest::prelude::*;

use super::choose;

pub const GRAMMAR: &[&str] = &[
    "LPUSH k e | e",
    "RPUSH k e | e",
    "RPUSH k e e e e e",
    "LPUSHX k e | e",
    "RPUSHX k e | e",
    "LPOP k | n",
    "RPOP k | n",
    "LLEN k",
    "LINDEX k n",
    "LSET k n e",
    "LINSERT k w e e",
    "LREM k n e",
    "LRANGE k n n",
    "LRANGE k 0 -1",
    "LTRIM k n n",
    "LPOS k e | RANK n | COUNT n | MAXLEN n | n",
    "LMOVE k k s s",
    "RPOPLPUSH k k",
    "LMPOP n k k s | COUNT n | n",
    "LMPOP 2 k k s | COUNT 3",
    "LMPOP 1 k s | COUNT n",
    "SADD k e",
    "DUMP k",
];

pub fn word(kind: &'static str) -> Option<BoxedStrategy<Vec<u8>>> {
    Some(match kind {
        "k" => choose(&["a", "b", "c", "d"]),
        "e" => prop_oneof![
            6 => choose(&["a", "b", "1", "2", "-7", "100000", "9223372036854775807", "", "01"]),
            2 => prop::collection::vec(any::<u8>(), 0..70),
            1 => prop_oneof![Just(4_000usize), Just(8_190), Just(9_000)].prop_map(|len| vec![b'l'; len]),
        ]
        .boxed(),
        "n" => prop_oneof![
            8 => (-6..7i32).prop_map(|number| number.to_string().into_bytes()),
            1 => choose(&["9223372036854775807", "-9223372036854775807", "x", "", "1.0"]),
        ]
        .boxed(),
        "s" => choose(&["LEFT", "RIGHT", "left", "RIGHT", "LEFT", "UP"]),
        "w" => choose(&["BEFORE", "AFTER", "after", "BEFORE", "NEAR"]),
        _ => return None,
    })
}
