//! HyperLogLogs. GET compares them byte for byte.

use proptest::prelude::*;

use super::choose;

pub const GRAMMAR: &[&str] = &[
    "PFADD k",
    "PFADD k e",
    "PFADD k e e e e e e e e",
    "PFADD k e e e e e e e e e e e e e e e e e e e e e e e e e e e e e e e e e e e e e e e e e e e e e e",
    "PFCOUNT k",
    "PFCOUNT k k k",
    "PFMERGE k",
    "PFMERGE k k",
    "PFMERGE k k k",
    "PFDEBUG GETREG k",
    "PFDEBUG DECODE k",
    "PFDEBUG ENCODING k",
    "PFDEBUG TODENSE k",
    "PFDEBUG WHAT k",
    "GET k",
    "GET k",
    "SET k v",
];

pub fn word(kind: &'static str) -> Option<BoxedStrategy<Vec<u8>>> {
    Some(match kind {
        "k" => choose(&["a", "b", "c", "d"]),
        "e" => prop_oneof![
            1 => choose(&["", "a", "b", "foo"]),
            8 => any::<u16>().prop_map(|number| number.to_string().into_bytes()),
            2 => prop::collection::vec(any::<u8>(), 0..30),
        ]
        .boxed(),
        "v" => prop_oneof![
            choose(&["HYLL", "abc", "HYLL\0\0\0\0\0\0\0\0\0\0\0\0"]),
            // Its runs end before the last register. They hold what no element raises, and are long enough to be
            // kept as `raw` whatever is tried on them.
            Just([&b"HYLL\x01\0\0\0\0\0\0\0\0\0\0\0"[..], &[0xff; 40]].concat()),
        ]
        .boxed(),
        _ => return None,
    })
}
