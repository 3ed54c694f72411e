//! Strings, keys of any kind, expiry times and databases.

use proptest::prelude::*;

use super::{INTEGERS, choose};

pub const GRAMMAR: &[&str] = &[
    "SET k v",
    "SET k v | NX | XX | GET | KEEPTTL | EX i | PX m | EXAT t | PXAT t | i",
    "GET k",
    "SETNX k v",
    "SETEX k i v",
    "PSETEX k m v",
    "GETSET k v",
    "GETDEL k",
    "GETEX k | EX i | PX m | EXAT t | PXAT t | PERSIST | i",
    "MGET k k k",
    "MSET k v k v",
    "MSETNX k v k v",
    "APPEND k v",
    "STRLEN k",
    "SETRANGE k i v",
    "GETRANGE k i i",
    "SUBSTR k i i",
    "INCR k",
    "DECR k",
    "INCRBY k i",
    "DECRBY k i",
    "INCRBYFLOAT k f",
    "LCS k k | LEN | IDX | WITHMATCHLEN | MINMATCHLEN i",
    "DEL k k",
    "UNLINK k k",
    "EXISTS k k k",
    "TYPE k",
    "KEYS p",
    "SCAN c COUNT 1000 | MATCH p | TYPE y | COUNT 500 | i",
    "RENAME k k",
    "RENAMENX k k",
    "COPY k k | DB d | REPLACE | i",
    "MOVE k d",
    "DUMP k",
    "RESTORE k r x | REPLACE | ABSTTL | IDLETIME i | FREQ i | i",
    "RESTORE k 0 x REPLACE",
    "OBJECT ENCODING k",
    "OBJECT REFCOUNT k",
    "OBJECT FREQ k",
    "OBJECT IDLETIME k",
    "OBJECT i",
    "TOUCH k k",
    "EXPIRE k i | NX | XX | GT | LT | i",
    "PEXPIRE k m | NX | XX | GT | LT",
    "EXPIREAT k t | NX | XX | GT | LT",
    "PEXPIREAT k t | NX | XX | GT | LT",
    "TTL k",
    "PTTL k",
    "EXPIRETIME k",
    "PEXPIRETIME k",
    "PERSIST k",
    "DBSIZE",
    "FLUSHDB | ASYNC | SYNC",
    "FLUSHALL | ASYNC | SYNC",
    "SWAPDB d d",
    "SELECT d",
];

/// The values of a kind.
pub fn word(kind: &'static str) -> Option<BoxedStrategy<Vec<u8>>> {
    let values = match kind {
        "k" => choose(&["a", "b", "c", "{a}d", "key:with:a:longer:name:than:most:others", ""]),
        "i" => choose(INTEGERS),
        "v" => prop_oneof![
            2 => choose(INTEGERS),
            2 => choose(&["abc", "ohmytext", "mynewtext", "foobarfoobarfoobarfoobarfoobarfoobarfoobarfoo", "3.25", "inf", "-0"]),
            1 => prop::collection::vec(any::<u8>(), 0..60),
            1 => "[ab]{0,100}".prop_map(String::into_bytes),
            1 => (16_000..17_000usize).prop_map(|len| vec![b'z'; len]),
        ]
        .boxed(),
        "f" => prop_oneof![
            2 => choose(&["1.5", "-1.5", "0.1", "1e3", "1e400", "-inf", "nan", "5.0e-3", "x", "0x1p-2", "1e-30", "-0.0"]),
            2 => (-1e6..1e6f64).prop_map(|number| number.to_string().into_bytes()),
        ]
        .boxed(),
        "t" => choose(&["1", "0", "-5", "1999999999", "2000000000", "1999999999999", "2000000000001", "abc", "9223372036854775807"]),
        "m" => choose(&["100000", "2000000", "0", "-1", "x", "9223372036854775807", "-9223372036854775808"]),
        "r" => choose(&["0", "0", "1000000", "2000000000000", "-1", "x", ""]),
        "d" => choose(&["0", "1", "2", "15", "16", "-1", "x", "4294967296"]),
        "p" => choose(&["*", "a", "[a-c]", "?", "*:*", "k*s", "nothing", "\\a", "[^b]", "**a**", "[", ""]),
        "c" => choose(&["0", "0", "0", "0", "x", "00", "", "-", "+0", "18446744073709551616", " 0"]),
        "y" => choose(&["string", "STRING", "list", "zset", "what"]),
        "x" => prop_oneof![
            5 => prop::sample::select(PAYLOADS).prop_map(<[u8]>::to_vec),
            1 => (prop::sample::select(PAYLOADS), any::<prop::sample::Index>(), any::<u8>()).prop_map(|(payload, at, byte)| {
                let mut payload = payload.to_vec();
                let at = at.index(payload.len());
                payload[at] = byte;
                payload
            }),
            1 => prop::collection::vec(any::<u8>(), 0..30),
        ]
        .boxed(),
        _ => return None,
    };
    Some(values)
}

/// What DUMP of Redis 7.0 says of "abc", 12, 70000, -5 and forty times "ab" (compressed), and of a version that is
/// to come.
const PAYLOADS: &[&[u8]] = &[
    b"\x00\x03\x61\x62\x63\x0a\x00\xd9\xac\x30\x3d\x41\x72\xa2\xe2",
    b"\x00\xc0\x0c\x0a\x00\x3c\x2a\xf8\x51\x5c\x04\xbc\xd5",
    b"\x00\xc2\x70\x11\x01\x00\x0a\x00\x01\xa4\x08\xfe\x95\x30\x95\xa5",
    b"\x00\xc0\xfb\x0a\x00\x49\xc4\xc6\xf4\xd7\x26\x3f\x68",
    b"\x00\xc3\x0a\x40\x50\x02\x61\x62\x61\xe0\x42\x01\x01\x61\x62\x0a\x00\x94\x9d\x5f\x0e\xb1\xde\xa4\x45",
    b"\x00\x03\x61\x62\x63\x63\x00\xd9\xac\x30\x3d\x41\x72\xa2\xe2",
];
