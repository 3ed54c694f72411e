//! A snapshot equals the content at its beginning, whatever happens before it is complete.

use super::{SnapshotOptions, SnapshotRunning, SnapshotState};
use crate::rdb::{Aux, LoadOptions, Loaded, Loader, Loading, ReplicationAux};
use crate::{Collection, End, Hash, Keyspace, Limits, List, Partitioning, Set, ZSet};
use bytes::BytesMut;
use proptest::prelude::*;
use squall_clock::UnixMs;
use std::collections::BTreeMap;

const DATABASES: usize = 3;
const KEYS: u16 = 1000;
/// As many keys may hold collections.
const COLLECTIONS: u16 = 8;

/// Database number and key to value (of a collection: its digest) and expiry time.
type Content = BTreeMap<(usize, Vec<u8>), (Vec<u8>, Option<u64>)>;

#[derive(Clone, Debug)]
enum Op {
    Set(usize, u16, usize, Option<u64>),
    Append(usize, u16, usize),
    Put(usize, u16, u16, u16),
    TakeOut(usize, u16, u16, u16),
    Expire(usize, u16, Option<u64>),
    Remove(usize, u16),
    RemoveMany(usize, u16),
    Swap(usize, usize),
    Flush(usize),
    FlushAll,
    Step(usize),
    Take,
}

fn op() -> impl Strategy<Value = Op> {
    let (db, key) = (0..DATABASES, 0u16..KEYS);
    let length = prop_oneof![10 => 0usize..60, 2 => 900usize..1200, 1 => 16_000usize..17_000, 1 => 260_000usize..270_000];
    let time = proptest::option::of(1u64..1_000_000);
    prop_oneof![
        30 => (db.clone(), key.clone(), length.clone(), time.clone()).prop_map(|(d, k, l, t)| Op::Set(d, k, l, t)),
        10 => (db.clone(), key.clone(), 0usize..50).prop_map(|(d, k, l)| Op::Append(d, k, l)),
        3 => (db.clone(), 0..COLLECTIONS, 0u16..500, 1u16..150).prop_map(|(d, k, f, n)| Op::Put(d, k, f, n)),
        10 => (db.clone(), 0..COLLECTIONS, 0u16..800, 1u16..10).prop_map(|(d, k, f, n)| Op::Put(d, k, f, n)),
        3 => (db.clone(), 0..COLLECTIONS, 0u16..500, 1u16..150).prop_map(|(d, k, f, n)| Op::TakeOut(d, k, f, n)),
        10 => (db.clone(), key.clone(), time).prop_map(|(d, k, t)| Op::Expire(d, k, t)),
        10 => (db.clone(), key.clone()).prop_map(|(d, k)| Op::Remove(d, k)),
        3 => (db.clone(), key).prop_map(|(d, k)| Op::RemoveMany(d, k)),
        1 => (db.clone(), db.clone()).prop_map(|(a, b)| Op::Swap(a, b)),
        1 => db.prop_map(Op::Flush),
        1 => Just(Op::FlushAll),
        10 => (1usize..20_000).prop_map(Op::Step),
        10 => Just(Op::Take),
    ]
}

/// What is set under a key: compressible or not, of this length.
fn text(key: u16, len: usize) -> Vec<u8> {
    match key % 3 {
        0 => vec![b'a' + (key % 26) as u8; len],
        1 => (0..len).map(|n| (n * n * usize::from(key) / 7) as u8).collect(),
        _ => (key as u64 * len as u64).to_string().into_bytes(),
    }
}

fn name(key: u16) -> Vec<u8> {
    // Some are integers, which RDB writes as such. The others share a slot, and so many segments.
    if key.is_multiple_of(5) { key.to_string().into_bytes() } else { format!("{{slot}}{key}").into_bytes() }
}

/// Puts elements into the collection under a key, whose number says of which type it is.
fn put_elements(keyspace: &mut Keyspace, db: usize, key: u16, elements: std::ops::Range<u16>) {
    let value = |element: u16| text(key, usize::from(element % 40));
    match key % 4 {
        0 => edit(keyspace, db, key, |hash: &mut Hash, limits| {
            for element in elements {
                hash.set(&name(element), &value(element), limits);
            }
        }),
        1 => edit(keyspace, db, key, |list: &mut List, limits| {
            elements.for_each(|element| list.push(End::Tail, &value(element), limits));
        }),
        2 => edit(keyspace, db, key, |set: &mut Set, limits| {
            for element in elements {
                set.add(&name(element), limits);
            }
        }),
        _ => edit(keyspace, db, key, |zset: &mut ZSet, limits| {
            for element in elements {
                zset.insert(&name(element), f64::from(element.wrapping_mul(7919) % 50), limits);
            }
        }),
    }
}

fn take_elements(keyspace: &mut Keyspace, db: usize, key: u16, elements: std::ops::Range<u16>) {
    match key % 4 {
        0 => edit(keyspace, db, key, |hash: &mut Hash, _| {
            for element in elements {
                hash.remove(&name(element));
            }
        }),
        1 => edit(keyspace, db, key, |list: &mut List, limits| {
            list.drop_end(End::Head, elements.len(), limits)
        }),
        2 => edit(keyspace, db, key, |set: &mut Set, _| {
            for element in elements {
                set.remove(&name(element));
            }
        }),
        _ => edit(keyspace, db, key, |zset: &mut ZSet, _| {
            for element in elements {
                zset.remove(&name(element));
            }
        }),
    }
}

/// Changes the collection under a key, whatever was there before; an empty one goes.
fn edit<T: Collection>(keyspace: &mut Keyspace, db: usize, key: u16, change: impl FnOnce(&mut T, &Limits)) {
    let (db, limits) = keyspace.db_and_limits(db);
    if db.lookup(&name(key)).is_none_or(|entry| entry.collection::<T>().is_none()) {
        db.insert(&name(key), T::default().into_value(), None);
    }
    let mut entry = db.lookup_mut(&name(key)).unwrap();
    let is_empty = entry.edit(|collection: &mut T| {
        change(collection, limits);
        collection.is_empty()
    });
    if is_empty == Some(true) {
        drop(entry);
        db.remove(&name(key));
    }
}

/// Applies an operation; what the snapshot gave out is appended to `taken`.
fn apply(keyspace: &mut Keyspace, op: Op, taken: &mut Vec<u8>) {
    match op {
        Op::Set(db, key, len, at) => {
            keyspace.db_mut(db).set_string(&name(key), &text(key, len), at.map(UnixMs));
        }
        Op::Append(db, key, len) => {
            let entry = keyspace.db_mut(db).lookup_mut(&name(key)).filter(|entry| entry.string().is_some());
            if let Some(mut entry) = entry {
                entry.append(&text(key, len));
            }
        }
        Op::Put(db, key, first, count) => put_elements(keyspace, db, key, first..first + count),
        Op::TakeOut(db, key, first, count) => take_elements(keyspace, db, key, first..first + count),
        Op::Expire(db, key, at) => drop(keyspace.db_mut(db).set_expire(&name(key), at.map(UnixMs))),
        Op::Remove(db, key) => drop(keyspace.db_mut(db).remove(&name(key))),
        Op::RemoveMany(db, key) => {
            (key..key + KEYS / 2).for_each(|key| drop(keyspace.db_mut(db).remove(&name(key))));
        }
        Op::Swap(one, other) => keyspace.swap(one, other),
        Op::Flush(db) => while !keyspace.flush(db).free_step(100) {},
        Op::FlushAll => drop(keyspace.flush_all()),
        Op::Step(budget) => drop(keyspace.snapshot_step(budget)),
        Op::Take => taken.extend_from_slice(&keyspace.take_snapshot_bytes()),
    }
}

fn content(keyspace: &Keyspace) -> Content {
    let mut content = Content::new();
    for number in 0..keyspace.databases() {
        for entry in keyspace.db(number).iter() {
            let value = entry.string().map_or(entry.digest().to_vec(), |string| string.to_bytes().to_vec());
            content.insert((number, entry.key().to_vec()), (value, entry.expire_at().map(|at| at.0)));
        }
    }
    content
}

fn load(bytes: &[u8]) -> (Keyspace, Loaded) {
    let mut keyspace = Keyspace::new(DATABASES, 77, Partitioning::ByHash);
    let mut loader = Loader::new(LoadOptions {
        drop_expired_at: None,
        verify_checksum: true,
        recency: crate::recency::Recency::Untold,
    });
    let mut input = BytesMut::from(bytes);
    match loader.feed(&mut input, &mut keyspace) {
        Ok(Loading::Done(loaded)) => {
            assert!(input.is_empty());
            (keyspace, loaded)
        }
        other => panic!("{other:?}"),
    }
}

fn finish(keyspace: &mut Keyspace, taken: &mut Vec<u8>) {
    while keyspace.snapshot_step(10_000) == SnapshotState::Running {}
    loop {
        let bytes = keyspace.take_snapshot_bytes();
        if bytes.is_empty() {
            break;
        }
        taken.extend_from_slice(&bytes);
    }
    assert!(!keyspace.snapshot_running());
}

fn keyspace(by_slot: bool, seed: u64) -> Keyspace {
    let partitioning = if by_slot { Partitioning::BySlot } else { Partitioning::ByHash };
    Keyspace::new(DATABASES, seed, partitioning)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn a_snapshot_is_the_content_at_its_beginning(
        before in proptest::collection::vec(op(), 0..500),
        during in proptest::collection::vec(op(), 0..500),
        by_slot: bool, seed: u64, compress: bool,
    ) {
        let mut keyspace = keyspace(by_slot, seed);
        let bulk: Vec<Op> = (0..KEYS).map(|n| Op::Set(0, n, 20, (n % 3 == 0).then_some(u64::from(n) + 1))).collect();
        for op in bulk.into_iter().chain(before) {
            apply(&mut keyspace, op, &mut Vec::new());
        }
        let mut taken = Vec::new();
        // The second finds the epochs that the first left behind.
        for during in [during.clone(), during] {
            let (expected, digest) = (content(&keyspace), keyspace.digest());
            taken.clear();
            keyspace.begin_snapshot(SnapshotOptions { compress, checksum: true, recency: crate::recency::Recency::Untold }, &Aux::default()).unwrap();
            prop_assert_eq!(
                keyspace.begin_snapshot(SnapshotOptions { compress, checksum: true, recency: crate::recency::Recency::Untold }, &Aux::default()),
                Err(SnapshotRunning)
            );
            let mut model = keyspace.len();
            for op in during {
                if !keyspace.snapshot_running() {
                    break;
                }
                apply(&mut keyspace, op, &mut taken);
                model = keyspace.len();
            }
            if keyspace.snapshot_running() {
                finish(&mut keyspace, &mut taken);
            }
            prop_assert_eq!(keyspace.len(), model);
            let (restored, loaded) = load(&taken);
            prop_assert_eq!(loaded.keys as usize, expected.len());
            prop_assert_eq!(restored.digest(), digest);
            prop_assert_eq!(content(&restored), expected);
        }
    }
}

/// In one slot: fills it to `fill` keys, removes down to `keep`, and returns what a snapshot then holds during which
/// `write` happens.
fn keys_saved(fill: u16, keep: u16, write: impl Fn(&mut crate::Db)) -> u64 {
    let mut keyspace = keyspace(true, 1);
    let key = |n: u16| format!("{{slot}}{n}").into_bytes();
    for n in 0..fill {
        keyspace.db_mut(0).set_string(&key(n), b"v", None);
    }
    for n in keep..fill {
        keyspace.db_mut(0).remove(&key(n)).unwrap();
    }
    keyspace
        .begin_snapshot(
            SnapshotOptions { compress: true, checksum: true, recency: crate::recency::Recency::Untold },
            &Aux::default(),
        )
        .unwrap();
    write(keyspace.db_mut(0));
    let mut taken = Vec::new();
    finish(&mut keyspace, &mut taken);
    load(&taken).1.keys
}

#[test]
fn a_segment_is_captured_once_however_it_is_split_and_merged() {
    // Just so many keys in one segment that the next one splits it, or in two that one less merges them.
    let full = crate::dict::SEGMENT_ENTRIES_MAX as u16;
    let saved = keys_saved(full, full, |db| drop(db.set_string(b"{slot}another", b"v", None)));
    assert_eq!(saved, u64::from(full));
    let apart = full / 2 + 1;
    for victim in 0..apart {
        let name = format!("{{slot}}{victim}");
        let saved = keys_saved(full + 1, apart, |db| drop(db.remove(name.as_bytes()).unwrap()));
        assert_eq!(saved, u64::from(apart));
    }
}

#[test]
fn what_a_file_says_about_itself_comes_back() {
    let aux = Aux {
        server_version: "8.2.0".into(),
        created_s: 1_700_000_000,
        used_memory_bytes: 123_456,
        aof_base: true,
        replication: Some(ReplicationAux { stream_db: Some(2), id: "ab".repeat(20), offset: 987_654 }),
        lineage: Some("cd".repeat(20)),
        migrations: vec!["job IMPORTING a b 1 2".into(), "other GRANTED c d 3 3".into()],
        functions: vec!["#!lua name=lib\nreturn 1".into()],
    };
    let mut keyspace = keyspace(false, 1);
    keyspace
        .begin_snapshot(
            SnapshotOptions { compress: true, checksum: false, recency: crate::recency::Recency::Untold },
            &aux,
        )
        .unwrap();
    let mut taken = Vec::new();
    finish(&mut keyspace, &mut taken);
    assert!(taken.ends_with(&[0xff, 0, 0, 0, 0, 0, 0, 0, 0]));
    assert_eq!(load(&taken).1.aux, aux);
}

#[test]
fn an_aborted_snapshot_leaves_nothing_behind() {
    let mut keyspace = keyspace(false, 1);
    for key in 0..300 {
        apply(&mut keyspace, Op::Set(0, key, 10, None), &mut Vec::new());
    }
    keyspace
        .begin_snapshot(
            SnapshotOptions { compress: true, checksum: true, recency: crate::recency::Recency::Untold },
            &Aux::default(),
        )
        .unwrap();
    keyspace.snapshot_step(100);
    assert!(keyspace.flush(0).is_empty(), "the snapshot holds what was flushed");
    let discarded = keyspace.abort_snapshot();
    assert!(!discarded.is_empty() && discarded.len() <= 300);
    assert!(!keyspace.snapshot_running() && keyspace.take_snapshot_bytes().is_empty());
    let mut taken = Vec::new();
    keyspace
        .begin_snapshot(
            SnapshotOptions { compress: true, checksum: true, recency: crate::recency::Recency::Untold },
            &Aux::default(),
        )
        .unwrap();
    finish(&mut keyspace, &mut taken);
    assert_eq!(load(&taken).1.keys, 0);
}

/// A write may make a segment be captured, but not a large value be encoded.
#[test]
fn long_values_are_not_copied_into_the_stream() {
    let mut keyspace = keyspace(false, 1);
    let long = bytes::Bytes::from(vec![7; 3_000_000]);
    keyspace.db_mut(0).insert(b"long", crate::Value::from_bytes(long.clone()), None);
    keyspace
        .begin_snapshot(
            SnapshotOptions { compress: true, checksum: true, recency: crate::recency::Recency::Untold },
            &Aux::default(),
        )
        .unwrap();
    keyspace.db_mut(0).remove(b"long");
    while keyspace.snapshot_step(1000) == SnapshotState::Running {}
    let mut shared = 0;
    let mut taken = Vec::new();
    loop {
        let piece = keyspace.take_snapshot_bytes();
        if piece.is_empty() {
            break;
        }
        if long.as_ptr_range().contains(&piece.as_ptr()) {
            shared += piece.len();
        }
        taken.extend_from_slice(&piece);
    }
    assert!(shared > 2_900_000, "{shared}");
    assert_eq!(load(&taken).0.db(0).lookup(b"long").unwrap().string().unwrap().len(), 3_000_000);
}

/// However much writes make a snapshot capture at once, it leaves a little at a time.
#[test]
fn what_writes_captured_leaves_in_small_pieces() {
    const KEYS: u32 = 20_000;
    const STEP_BYTES_MAX: usize = 160 * 1024;
    let mut keyspace = keyspace(false, 1);
    let write = |keyspace: &mut Keyspace, value: u8| {
        for key in 0..KEYS {
            let value = crate::Value::from_bytes(bytes::Bytes::from(vec![value; 40]));
            keyspace.db_mut(0).insert(&key.to_le_bytes(), value, None);
        }
    };
    write(&mut keyspace, 1);
    keyspace
        .begin_snapshot(
            SnapshotOptions { compress: false, checksum: true, recency: crate::recency::Recency::Untold },
            &Aux::default(),
        )
        .unwrap();
    write(&mut keyspace, 2);
    let mut taken = Vec::new();
    loop {
        let state = keyspace.snapshot_step(1);
        let before = taken.len();
        loop {
            let piece = keyspace.take_snapshot_bytes();
            if piece.is_empty() {
                break;
            }
            taken.extend_from_slice(&piece);
        }
        assert!(taken.len() - before <= STEP_BYTES_MAX, "{} bytes in one step", taken.len() - before);
        if state == SnapshotState::Done {
            break;
        }
    }
    let (loaded, _) = load(&taken);
    assert_eq!(loaded.len(), KEYS as usize);
    assert!((0..KEYS).all(|key| {
        let entry = loaded.db(0).lookup(&key.to_le_bytes()).expect("it was there");
        entry.string().expect("a string").len() == 40
    }));
}
