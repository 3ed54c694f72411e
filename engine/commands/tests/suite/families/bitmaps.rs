//! Bitmaps: strings by their bits.

use proptest::prelude::*;

use super::choose;

pub const GRAMMAR: &[&str] = &[
    "SETBIT k o b",
    "SETBIT k o b",
    "GETBIT k o",
    "BITCOUNT k",
    "BITCOUNT k n n | BIT | BYTE | n",
    "BITPOS k b",
    "BITPOS k b n",
    "BITPOS k b n n | BIT | BYTE | n",
    "BITOP AND k k k",
    "BITOP OR k k k",
    "BITOP XOR k k k",
    "BITOP NOT k k",
    "BITOP i k k k",
    "BITFIELD k | GET w o | SET w o i | INCRBY w o i | OVERFLOW l",
    "BITFIELD k GET w o | GET w o | SET w o i | INCRBY w o i | OVERFLOW l",
    // What fails and only makes the string longer is not propagated by Redis: here the string is long enough.
    "BITFIELD k SET u1 2000 0 OVERFLOW h SET w o i | INCRBY w o i | GET w o | INCRBY w o i",
    "BITFIELD_RO k | GET w o | GET w o | GET w o | SET w o i",
    "SET k y",
    "GET k",
    "STRLEN k",
];

pub fn word(kind: &'static str) -> Option<BoxedStrategy<Vec<u8>>> {
    Some(match kind {
        "k" => choose(&["a", "b", "c", "d"]),
        "o" => prop_oneof![
            8 => (0..200u32).prop_map(|offset| offset.to_string().into_bytes()),
            2 => (0..20u32).prop_map(|offset| format!("#{offset}").into_bytes()),
            1 => choose(&["-1", "#-1", "x", "", "4294967296", "9223372036854775807", "#9223372036854775807", "#"]),
        ]
        .boxed(),
        "b" => choose(&["0", "1", "0", "1", "0", "1", "2", "-1", "x", "01"]),
        "n" => prop_oneof![
            6 => (-40..40i32).prop_map(|offset| offset.to_string().into_bytes()),
            1 => choose(&["9223372036854775807", "-9223372036854775808", "x", "-"]),
        ]
        .boxed(),
        "w" => choose(&["u1", "u8", "u16", "u63", "i1", "i5", "i8", "i63", "i64", "u7", "u64", "i65", "u0", "x8", "i", "u08"]),
        "h" => choose(&["WRAP", "SAT", "FAIL", "wrap", "x"]),
        "l" => choose(&["WRAP", "SAT", "sat", "x"]),
        "y" => prop_oneof![
            prop::collection::vec(prop_oneof![Just(0u8), Just(0xff), any::<u8>()], 0..30),
            choose(&["", "12345", "foobar"]),
        ]
        .boxed(),
        _ => return None,
    })
}
