//! The forms in which lists, sets, sorted sets and hashes were saved over the years, byte by byte: each is read, and each damage
//! to it is refused or harmless.

use super::*;
use crate::packed::{Item, Packed};
use crate::{Hash, Limits, List, Set, Value, ZSet};
use bytes::{BufMut, BytesMut};
use proptest::prelude::*;
use squall_clock::UnixMs;

/// The value of a payload of this type and body, in this version.
fn restore_as(version: u16, type_byte: u8, body: &[u8]) -> Result<Value, RdbError> {
    let mut payload = BytesMut::from(&[type_byte][..]);
    payload.extend_from_slice(body);
    payload.put_u16_le(version);
    payload.put_u64_le(crc64(0, &payload));
    restore(&payload, &Limits::seeded(5))
}

fn text(bytes: &[u8]) -> Vec<u8> {
    let mut out = BytesMut::new();
    put_string(&mut out, bytes, false);
    out.to_vec()
}

/// A ziplist of entries given by their bodies, without what tells the length of the one before.
fn ziplist(bodies: &[&[u8]]) -> Vec<u8> {
    let mut bytes = vec![0; 10];
    let (mut previous, mut last) = (0usize, 10);
    for body in bodies {
        last = bytes.len();
        match u8::try_from(previous) {
            Ok(len) if len < 0xfe => bytes.push(len),
            _ => {
                bytes.push(0xfe);
                bytes.extend_from_slice(&(previous as u32).to_le_bytes());
            }
        }
        bytes.extend_from_slice(body);
        previous = bytes.len() - last;
    }
    bytes.push(0xff);
    let (total, count) = (bytes.len() as u32, bodies.len() as u16);
    bytes[..4].copy_from_slice(&total.to_le_bytes());
    bytes[4..8].copy_from_slice(&(last as u32).to_le_bytes());
    bytes[8..10].copy_from_slice(&count.to_le_bytes());
    bytes
}

/// Entries of every kind, and what they mean.
fn entries() -> (Vec<Vec<u8>>, Vec<Vec<u8>>) {
    let long = vec![b'z'; 300];
    let bodies = vec![
        b"\x03abc".to_vec(),
        b"\xf1".to_vec(),
        b"\xfd".to_vec(),
        b"\xfe\xfb".to_vec(),
        b"\xc0\x00\x80".to_vec(),
        b"\xf0\x00\x00\x80".to_vec(),
        b"\xd0\x00\x00\x00\x80".to_vec(),
        b"\xe0\x00\x00\x00\x00\x00\x00\x00\x80".to_vec(),
        [b"\x41\x2c", &long[..]].concat(),
        [b"\x80\x00\x00\x01\x2c", &long[..]].concat(),
        b"\x00".to_vec(),
        b"\x02no".to_vec(),
    ];
    let texts = ["abc", "0", "12", "-5", "-32768", "-8388608", "-2147483648", "-9223372036854775808"];
    let mut meanings: Vec<Vec<u8>> = texts.iter().map(|text| text.as_bytes().to_vec()).collect();
    meanings.extend([long.clone(), long, b"".to_vec(), b"no".to_vec()]);
    (bodies, meanings)
}

fn list_of(elements: &[Vec<u8>]) -> Value {
    let mut list = List::default();
    elements.iter().for_each(|element| list.push(crate::End::Tail, element, &Limits::seeded(5)));
    Value::List(list)
}

fn hash_of(fields: &[(&[u8], &[u8], Option<u64>)]) -> Value {
    let (mut hash, limits) = (Hash::default(), Limits::seeded(5));
    for &(field, value, at) in fields {
        hash.set(field, value, &limits);
        hash.set_expiry(field, at.map(UnixMs), &limits);
    }
    Value::Hash(hash)
}

fn packed_of(items: &[&str]) -> Vec<u8> {
    let mut packed = Packed::empty();
    items.iter().for_each(|item| packed.push_back(Item::of(item.as_bytes())));
    packed.as_listpack().to_vec()
}

#[test]
fn lists_of_every_age() {
    let (bodies, meanings) = entries();
    let bodies: Vec<&[u8]> = bodies.iter().map(Vec::as_slice).collect();
    let block = ziplist(&bodies);
    let expected = list_of(&meanings);
    assert_eq!(restore_as(6, 10, &text(&block)), Ok(expected));
    let twice = list_of(&[meanings.clone(), meanings].concat());
    assert_eq!(restore_as(9, 14, &[vec![2], text(&block), text(&block)].concat()), Ok(twice));
    let words = [b"a".to_vec(), b"12".to_vec(), b"b".to_vec()];
    assert_eq!(restore_as(6, 1, b"\x03\x01a\xc0\x0c\x01b"), Ok(list_of(&words)));
    let nodes = [vec![2, 1], text(b"a"), vec![2], text(&packed_of(&["12", "b"]))].concat();
    assert_eq!(restore_as(10, 18, &nodes), Ok(list_of(&words)));
}

#[test]
fn sets_of_every_age() {
    let set = |members: &[&str]| {
        let mut set = Set::default();
        members.iter().for_each(|member| assert!(set.add(member.as_bytes(), &Limits::seeded(5))));
        Ok(Value::Set(set))
    };
    assert_eq!(restore_as(6, 2, b"\x02\x01a\xc0\x0c"), set(&["a", "12"]));
    let integers = b"\x02\x00\x00\x00\x02\x00\x00\x00\xff\xff\x0c\x00";
    assert_eq!(restore_as(6, 11, &text(integers)), set(&["-1", "12"]));
    assert_eq!(restore_as(11, 20, &text(&packed_of(&["x", "12"]))), set(&["12", "x"]));
    for (type_byte, body) in [
        (2, b"\x02\x01a\x01a".to_vec()),
        (20, text(&packed_of(&["a", "b", "a"]))),
        (11, text(b"\x02\x00\x00\x00\x02\x00\x00\x00\x0c\x00\x0c\x00")),
        (11, text(b"\x03\x00\x00\x00\x00\x00\x00\x00")),
    ] {
        assert_eq!(restore_as(11, type_byte, &body).unwrap_err().what, RdbFault::Malformed("set"));
    }
    assert_eq!(restore_as(11, 2, b"\x00").unwrap_err().what, RdbFault::Malformed("set"));
}

#[test]
fn sorted_sets_of_every_age() {
    let mut zset = ZSet::default();
    for (member, score) in [("a", 1.5), ("12", -3.0), ("b", f64::INFINITY)] {
        zset.insert(member.as_bytes(), score, &Limits::seeded(5));
    }
    let expected = || Ok(Value::ZSet(zset.clone()));
    assert_eq!(restore_as(6, 3, b"\x03\x01a\x031.5\xc0\x0c\x02-3\x01b\xfe"), expected());
    let doubles = [(&b"\x01a"[..], 1.5f64), (b"\xc0\x0c", -3.0), (b"\x01b", f64::INFINITY)];
    let members = doubles.map(|(member, score)| [member, &score.to_le_bytes()].concat()).concat();
    assert_eq!(restore_as(9, 5, &[&[3], &members[..]].concat()), expected());
    let block = ziplist(&[b"\xfd", b"\xfe\xfd", b"\x01a", b"\x031.5", b"\x01b", b"\x03inf"]);
    assert_eq!(restore_as(6, 12, &text(&block)), expected());
    assert_eq!(restore_as(10, 17, &text(&packed_of(&["12", "-3", "a", "1.5", "b", "inf"]))), expected());
    for (type_byte, body) in [
        (17, text(&packed_of(&["a", "1", "a", "2"]))),
        (17, text(&packed_of(&["a", "nan"]))),
        (12, text(&ziplist(&[b"\x01a", b"\x01x"]))),
        (12, text(&ziplist(&[b"\x01a"]))),
        (5, [&b"\x01\x01a"[..], &f64::NAN.to_le_bytes()].concat()),
    ] {
        assert_eq!(restore_as(10, type_byte, &body).unwrap_err().what, RdbFault::Malformed("sorted set"));
    }
}

#[test]
fn hashes_of_every_age() {
    let expected = || Ok(hash_of(&[(b"a", b"1", None), (b"2", b"bc", None)]));
    assert_eq!(restore_as(6, 4, b"\x02\x01a\xc0\x01\xc0\x02\x02bc"), expected());
    assert_eq!(restore_as(6, 9, &text(b"\x02\x01a\x01\x001\x012\x02\x01bc~\xff")), expected());
    assert_eq!(restore_as(6, 13, &text(&ziplist(&[b"\x01a", b"\xf2", b"\xf3", b"\x02bc"]))), expected());
    assert_eq!(restore_as(10, 16, &text(&packed_of(&["a", "1", "2", "bc"]))), expected());
    for body in [packed_of(&["a"]), packed_of(&["a", "1", "a", "2"])] {
        assert_eq!(restore_as(10, 16, &text(&body)).unwrap_err().what, RdbFault::Malformed("hash"));
    }
}

#[test]
fn hashes_whose_fields_expire() {
    let at = 1_900_000_000_000u64;
    let expected = || Ok(hash_of(&[(b"a", b"1", Some(at + 5)), (b"b", b"2", None), (b"c", b"3", Some(at))]));
    let late = [b"\x81", &(at + 5).to_be_bytes()[..]].concat();
    let first = [b"\x81", &at.to_be_bytes()[..]].concat();
    let early_release =
        [b"\x03", &late[..], b"\x01a\xc0\x01\x00\x01b\xc0\x02", &first, b"\x01c\xc0\x03"].concat();
    assert_eq!(restore_as(12, 22, &early_release), expected());
    let relative =
        [&at.to_le_bytes()[..], b"\x03\x06\x01a\xc0\x01\x00\x01b\xc0\x02\x01\x01c\xc0\x03"].concat();
    assert_eq!(restore_as(12, 24, &relative), expected());
    let triples =
        text(&packed_of(&["c", "3", &at.to_string(), "a", "1", &(at + 5).to_string(), "b", "2", "0"]));
    assert_eq!(restore_as(12, 23, &triples), expected());
    assert_eq!(restore_as(12, 25, &[&at.to_le_bytes()[..], &triples].concat()), expected());
    let never = u64::MAX.to_le_bytes();
    let valkeys = [
        &b"\x03\x01a\xc0\x01"[..],
        &(at + 5).to_le_bytes(),
        b"\x01b\xc0\x02",
        &never,
        b"\x01c\xc0\x03",
        &at.to_le_bytes(),
    ];
    assert_eq!(restore_as(80, 22, &valkeys.concat()), expected());
    let hopeless = [&at.to_le_bytes()[..], b"\x01\x81\xff\xff\xff\xff\xff\xff\xff\xff\x01a\x01b"].concat();
    assert_eq!(restore_as(12, 24, &hopeless).unwrap_err().what, RdbFault::Malformed("hash"));
}

#[test]
fn the_version_is_no_newer_than_the_content_asks() {
    let mut keyspace = crate::Keyspace::new(1, 1, crate::Partitioning::ByHash);
    for (at, version) in [(None, b"REDIS0010"), (Some(77), b"REDIS0012"), (None, b"REDIS0010")] {
        keyspace.db_mut(0).insert(b"h", hash_of(&[(b"f", b"v", at)]), None);
        let entry = keyspace.db(0).lookup(b"h").unwrap();
        assert_eq!(restore(&dump(entry), keyspace.limits()), Ok(hash_of(&[(b"f", b"v", at)])));
        keyspace
            .begin_snapshot(
                crate::SnapshotOptions {
                    compress: true,
                    checksum: true,
                    recency: crate::recency::Recency::Untold,
                },
                &Aux::default(),
            )
            .unwrap();
        while keyspace.snapshot_step(1000) == crate::SnapshotState::Running {}
        assert_eq!(&keyspace.take_snapshot_bytes()[..9], version);
        drop(keyspace.abort_snapshot());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    /// Each type's bodies with a byte changed, cut, or made up.
    #[test]
    fn damage_is_refused_or_harmless(
        which in 0usize..14, at: prop::sample::Index, byte: u8, cut: bool, version in prop_oneof![Just(12u16), Just(80)],
    ) {
        let at_ms = 1_900_000_000_000u64.to_le_bytes();
        let (bodies, _) = entries();
        let bodies: Vec<&[u8]> = bodies.iter().map(Vec::as_slice).collect();
        let (type_byte, body) = [
            (10, text(&ziplist(&bodies))),
            (14, [vec![1], text(&ziplist(&bodies))].concat()),
            (13, text(&ziplist(&bodies))),
            (9, text(b"\x02\x01a\x01\x001\x012\x02\x01bc~\xff")),
            (11, text(b"\x02\x00\x00\x00\x02\x00\x00\x00\xff\xff\x0c\x00")),
            (16, text(&packed_of(&["a", "1", "2", "bc"]))),
            (20, text(&packed_of(&["a", "1", "2", "bc"]))),
            (18, [vec![2, 1], text(b"a"), vec![2], text(&packed_of(&["12", "b"]))].concat()),
            (24, [&at_ms[..], b"\x03\x06\x01a\xc0\x01\x00\x01b\xc0\x02\x01\x01c\xc0\x03"].concat()),
            (22, [&b"\x01\x01a\xc0\x01"[..], &at_ms].concat()),
            (3, b"\x02\x01a\x031.5\x01b\xfe".to_vec()),
            (5, [&b"\x01\x01a"[..], &1.5f64.to_le_bytes()].concat()),
            (12, text(&ziplist(&[b"\x01a", b"\x031.5", b"\xf1", b"\xfd"]))),
            (17, text(&packed_of(&["a", "1.5", "b", "2"]))),
        ][which].clone();
        let mut body = body;
        let at = at.index(body.len());
        if cut {
            body.truncate(at);
        } else {
            body[at] = byte;
        }
        if let Ok(value) = restore_as(version, type_byte, &body) {
            // What was read can be written and read again.
            let mut keyspace = crate::Keyspace::new(1, 5, crate::Partitioning::ByHash);
            keyspace.db_mut(0).insert(b"k", value.clone(), None);
            prop_assert_eq!(restore(&dump(keyspace.db(0).lookup(b"k").unwrap()), keyspace.limits()), Ok(value));
        }
    }
}
