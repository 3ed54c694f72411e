//! Reading RDB that is damaged, cut or made up: always an answer, never a panic, never more memory than was
//! sent. And reading what this crate does not write: old headers, other opcodes.

use super::*;
use crate::{Digest, Keyspace, Limits, Partitioning, Sweep, Value};
use bytes::{BufMut, BytesMut};
use proptest::prelude::*;
use squall_clock::UnixMs;

const OPTIONS: LoadOptions =
    LoadOptions { drop_expired_at: None, verify_checksum: true, recency: crate::recency::Recency::Untold };

fn keyspace() -> Keyspace {
    Keyspace::new(2, 5, Partitioning::ByHash)
}

fn restore(payload: &[u8]) -> Result<Value, RdbError> {
    super::restore(payload, &Limits::seeded(5))
}

/// Loads `bytes` in pieces of `piece` bytes; an input that ends too early is an error.
fn load_in_pieces(bytes: &[u8], piece: usize) -> Result<(Keyspace, Loaded), RdbError> {
    let mut keyspace = keyspace();
    let mut loader = Loader::new(OPTIONS);
    let mut input = BytesMut::new();
    for part in bytes.chunks(piece) {
        input.extend_from_slice(part);
        if let Loading::Done(loaded) = loader.feed(&mut input, &mut keyspace)? {
            return Ok((keyspace, loaded));
        }
        assert!(loader.wish_bytes() > input.len(), "it must know what it lacks");
    }
    Err(loader.truncated())
}

fn load(bytes: &[u8]) -> Result<(Keyspace, Loaded), RdbError> {
    load_in_pieces(bytes, bytes.len().max(1))
}

/// A file with strings of every encoding.
fn sample() -> (Vec<u8>, Digest) {
    let mut keyspace = keyspace();
    let db = keyspace.db_mut(1);
    for (key, value) in [
        (&b"int8"[..], &b"-5"[..]),
        (b"int16", b"3000"),
        (b"int32", b"-2000000000"),
        (b"int64", b"9000000000000"),
        (b"12345", b"the key is an integer"),
        (b"packed", &b"again and ".repeat(30)),
        (b"plain", &(0..=255).collect::<Vec<u8>>()),
        (b"long", &b"0123456789".repeat(3000)),
        (b"", b""),
    ] {
        db.set_string(key, value, None);
    }
    db.set_string(b"volatile", b"soon gone", Some(UnixMs(1_234_567_890_123)));
    keyspace.db_mut(0).set_string(b"elsewhere", b"1", None);
    let options =
        crate::SnapshotOptions { compress: true, checksum: true, recency: crate::recency::Recency::Untold };
    keyspace.begin_snapshot(options, &Aux { functions: vec!["code".into()], ..Aux::default() }).unwrap();
    while keyspace.snapshot_step(1000) == crate::SnapshotState::Running {}
    let mut bytes = Vec::new();
    while keyspace.snapshot_running() {
        bytes.extend_from_slice(&keyspace.take_snapshot_bytes());
    }
    (bytes, keyspace.digest())
}

#[test]
fn a_file_in_any_pieces_loads_alike() {
    let (bytes, digest) = sample();
    for piece in [1, 2, 3, 7, 64, 1000, bytes.len()] {
        let (keyspace, loaded) = load_in_pieces(&bytes, piece).unwrap();
        assert_eq!(keyspace.digest(), digest);
        assert_eq!((loaded.keys, loaded.aux.functions.len()), (11, 1));
    }
}

#[test]
fn every_truncation_is_noticed() {
    let (bytes, _) = sample();
    for len in 0..bytes.len() {
        let error = load(&bytes[..len]).err().expect("cut short");
        assert_eq!(error.what, RdbFault::Truncated);
    }
}

/// A flipped bit either fails, or (in the aux fields' text) is caught by the checksum at the end.
#[test]
fn every_flipped_bit_is_noticed() {
    let (bytes, _) = sample();
    for at in (0..bytes.len()).filter(|at| *at < 700 || at % 37 == 0) {
        for bit in 0..8 {
            let mut flipped = bytes.clone();
            flipped[at] ^= 1 << bit;
            assert!(load(&flipped).is_err(), "byte {at} bit {bit}");
        }
    }
}

#[test]
fn a_checksum_of_zero_or_ignored_is_not_checked() {
    let (mut bytes, digest) = sample();
    let footer = bytes.len() - 8;
    bytes[footer..].fill(0);
    assert_eq!(load(&bytes).unwrap().0.digest(), digest);
    bytes[footer] = 1;
    assert!(matches!(load(&bytes), Err(RdbError { what: RdbFault::Checksum { stored: 1, .. }, .. })));
    let mut loader = Loader::new(LoadOptions { verify_checksum: false, ..OPTIONS });
    let mut input = BytesMut::from(&bytes[..]);
    assert!(matches!(loader.feed(&mut input, &mut keyspace()), Ok(Loading::Done(_))));
}

#[test]
fn what_follows_a_file_is_left_alone() {
    let (bytes, _) = sample();
    let mut input = BytesMut::from(&bytes[..]);
    input.extend_from_slice(b"*1\r\n$4\r\nPING\r\n");
    let mut loader = Loader::new(OPTIONS);
    assert!(matches!(loader.feed(&mut input, &mut keyspace()), Ok(Loading::Done(_))));
    assert_eq!(&input[..], b"*1\r\n$4\r\nPING\r\n");
    assert_eq!(loader.offset(), bytes.len() as u64);
}

#[test]
fn an_announced_length_allocates_nothing() {
    for length in [&[0x80, 0xff, 0xff, 0xff, 0xff][..], &[0x81, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff]] {
        let mut bytes = b"REDIS0010\x00".to_vec();
        bytes.extend_from_slice(length);
        let mut loader = Loader::new(OPTIONS);
        let mut input = BytesMut::from(&bytes[..]);
        let capacity = input.capacity();
        assert_eq!(loader.feed(&mut input, &mut keyspace()), Ok(Loading::NeedMore));
        assert_eq!(loader.wish_bytes(), length.len() + 1 + u32::MAX as usize);
        assert!(input.capacity() <= capacity);
    }
    // A few compressed bytes that claim to be gigabytes.
    let mut bytes = b"REDIS0010\x00\xc3\x02\x80\xff\xff\xff\xff\x00a".to_vec();
    bytes.extend_from_slice(&[0; 8]);
    assert_eq!(load(&bytes).err().unwrap().what, RdbFault::Compression);
    let bytes = b"REDIS0010\x00\x81\xff\xff\xff\xff\xff\xff\xff\xff";
    assert_eq!(load(bytes).err().unwrap(), RdbError { offset: 9, what: RdbFault::Length });
}

/// A file of these items in this version.
fn file(version: &str, items: &[&[u8]]) -> Vec<u8> {
    let mut bytes = version.as_bytes().to_vec();
    items.iter().for_each(|item| bytes.extend_from_slice(item));
    bytes.push(opcode::END);
    bytes
}

#[test]
fn reads_the_opcodes_that_others_write() {
    let items: &[&[u8]] = &[
        b"\xfa\x0avalkey-ver\x059.0.1",
        b"\xfa\x07unknown\xc0\x05",
        // A module's auxiliary data: id, moment, an unsigned, a float, a double, a string, the end.
        b"\xf7\x81\x01\x02\x03\x04\x05\x06\x07\x08\x02\x01\x02\x05\x03abcd\x04abcdefgh\x05\x02hi\x00",
        b"\xfe\x01\xfb\x02\x01\xf4\x05\x02\x01",
        b"\xfd\x00\x00\x00\x01\xf8\x40\x80\x00\x01a\x01b",
        b"\xf9\x07\x00\x01c\x01d",
    ];
    let mut bytes = file("REDIS0012", items);
    bytes.extend_from_slice(&[0; 8]);
    for bytes in [bytes, file("REDIS0003", items)] {
        let (keyspace, loaded) = load(&bytes).unwrap();
        assert_eq!(loaded.aux.server_version, "9.0.1");
        let db = keyspace.db(1);
        assert_eq!(db.lookup(b"a").unwrap().expire_at(), Some(UnixMs(0x0100_0000 * 1000)));
        assert_eq!(db.lookup(b"c").unwrap().expire_at(), None);
    }
}

#[test]
fn refusals_name_what_and_where() {
    let refusal = |version: &str, item: &[u8]| load(&file(version, &[item])).err().unwrap().to_string();
    assert_eq!(
        refusal("REDIS0010", b"\x07\x01k\x00"),
        "values of type module value are not supported at byte 9"
    );
    assert_eq!(refusal("REDIS0010", b"\x08"), "unknown type or opcode 8 at byte 9");
    assert_eq!(refusal("REDIS0010", b"\xf1"), "unknown type or opcode 241 at byte 9");
    assert_eq!(refusal("REDIS0010", b"\xfe\x02"), "database 2 does not exist at byte 9");
    assert_eq!(refusal("REDIS0010", b"\x00\x01k\x01v\x00\x01k\x01w"), "a key occurs twice at byte 14");
    assert_eq!(refusal("REDIS0013", b""), "RDB version 13 is not supported at byte 0");
    assert_eq!(refusal("VALKEY079", b""), "RDB version 79 is not supported at byte 0");
    assert_eq!(refusal("RADIS0010", b""), "no RDB file at byte 0");
}

#[test]
fn a_primary_leaves_out_what_has_expired() {
    let bytes = file("REDIS0003", &[b"\xfc\x05\0\0\0\0\0\0\0\x00\x01a\x01b", b"\x00\x01c\x01d"]);
    let mut loader = Loader::new(LoadOptions { drop_expired_at: Some(UnixMs(5)), ..OPTIONS });
    let mut keyspace = keyspace();
    let loading = loader.feed(&mut BytesMut::from(&bytes[..]), &mut keyspace).unwrap();
    let Loading::Done(loaded) = loading else { panic!() };
    assert_eq!((loaded.keys, loaded.expired_keys), (1, 1));
    assert!(keyspace.db(0).lookup(b"a").is_none() && keyspace.db(0).lookup(b"c").is_some());
    // A replica keeps it, and finds it expired later.
    let mut keyspace = load(&bytes).unwrap().0;
    let mut expired = 0;
    assert_eq!(keyspace.db_mut(0).expired_step(UnixMs(5), 1000, |_| expired += 1), Sweep::Complete);
    assert_eq!(expired, 1);
}

proptest! {
    #[test]
    fn any_bytes_are_harmless(
        mut bytes in proptest::collection::vec(prop_oneof![
            3 => any::<u8>(), 1 => prop_oneof![Just(0u8), Just(0xc3), Just(0x80), Just(0x81), 0xf4..=0xffu8],
        ], 0..300),
        header: bool, piece in 1usize..50,
    ) {
        if header {
            bytes.splice(0..0, *b"REDIS0010");
        }
        let _ = load_in_pieces(&bytes, piece);
        let _ = restore(&bytes);
    }

    #[test]
    fn a_payload_restores_to_its_value(value: Vec<u8>, n: i64, repeat in 1usize..2000) {
        let mut keyspace = keyspace();
        for value in [value.clone(), n.to_string().into_bytes(), value.repeat(repeat.min(30_000 / (value.len() + 1)))] {
            keyspace.db_mut(0).set_string(b"k", &value, None);
            let payload = dump(keyspace.db(0).lookup(b"k").unwrap());
            prop_assert_eq!(restore(&payload), Ok(Value::string(&value)));
            for at in 0..payload.len().min(50) {
                let mut flipped = payload.clone();
                flipped[at] ^= 0x10;
                prop_assert_eq!(restore(&flipped).unwrap_err().what, RdbFault::Footer);
            }
            prop_assert!(restore(&payload[..payload.len() - 1]).is_err());
        }
    }

    /// With a footer that fits, a payload's body is read by the same distrustful reader.
    #[test]
    fn any_payload_body_is_harmless(body: Vec<u8>) {
        let mut payload = BytesMut::from(&b"\0"[..]);
        payload.extend_from_slice(&body);
        payload.put_u16_le(RDB_VERSION);
        payload.put_u64_le(crc64(0, &payload));
        let _ = restore(&payload);
    }
}
