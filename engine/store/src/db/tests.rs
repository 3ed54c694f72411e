//! The database against a model: an ordered map with the same operations.

use super::*;
use crate::Partitioning;
use proptest::prelude::*;
use rand_chacha::ChaCha8Rng;
use rand_core::SeedableRng;
use std::collections::BTreeMap;

#[derive(Clone, Debug)]
enum Op {
    Set(u16, Vec<u8>, Option<u64>),
    Insert(u16, i64, Option<u64>),
    Append(u16, Vec<u8>),
    SetRange(u16, u8, Vec<u8>),
    SetInPlace(u16, Vec<u8>),
    Expire(u16, Option<u64>),
    Remove(u16),
    Sweep(u64),
}

fn text() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        4 => proptest::collection::vec(any::<u8>(), 0..100),
        2 => any::<i64>().prop_map(|n| n.to_string().into_bytes()),
        1 => (16_000usize..17_000).prop_map(|len| vec![b'x'; len]),
    ]
}

fn op() -> impl Strategy<Value = Op> {
    let key = 0u16..600;
    let time = proptest::option::of(0u64..1000);
    prop_oneof![
        8 => (key.clone(), text(), time.clone()).prop_map(|(k, v, t)| Op::Set(k, v, t)),
        2 => (key.clone(), any::<i64>(), time.clone()).prop_map(|(k, v, t)| Op::Insert(k, v, t)),
        2 => (key.clone(), text()).prop_map(|(k, v)| Op::Append(k, v)),
        2 => (key.clone(), any::<u8>(), text()).prop_map(|(k, o, v)| Op::SetRange(k, o, v)),
        2 => (key.clone(), text()).prop_map(|(k, v)| Op::SetInPlace(k, v)),
        3 => (key.clone(), time).prop_map(|(k, t)| Op::Expire(k, t)),
        6 => key.prop_map(Op::Remove),
        1 => (0u64..1000).prop_map(Op::Sweep),
    ]
}

fn name(key: u16) -> Vec<u8> {
    // Most share a hash tag, and so a slot with many segments.
    format!("{{tag{}}}key:{key}", (key % 7).saturating_sub(5)).into_bytes()
}

type Model = BTreeMap<Vec<u8>, (Vec<u8>, Option<u64>)>;

fn apply(db: &mut Db, model: &mut Model, op: Op) {
    match op {
        Op::Set(key, value, at) => {
            db.set_string(&name(key), &value, at.map(UnixMs));
            model.insert(name(key), (value, at));
        }
        Op::Insert(key, n, at) => {
            db.insert(&name(key), Value::string(n.to_string().as_bytes()), at.map(UnixMs));
            model.insert(name(key), (n.to_string().into_bytes(), at));
        }
        Op::Append(key, tail) => {
            if let Some(mut entry) = db.lookup_mut(&name(key)) {
                entry.append(&tail);
                model.get_mut(&name(key)).unwrap().0.extend(tail);
            }
        }
        Op::SetRange(key, offset, patch) => {
            if let Some(mut entry) = db.lookup_mut(&name(key)) {
                entry.set_range(offset.into(), &patch);
                let value = &mut model.get_mut(&name(key)).unwrap().0;
                let end = usize::from(offset) + patch.len();
                if !patch.is_empty() {
                    value.resize(value.len().max(end), 0);
                    value[offset.into()..end].copy_from_slice(&patch);
                }
            }
        }
        Op::SetInPlace(key, value) => {
            if let Some(mut entry) = db.lookup_mut(&name(key)) {
                entry.set_string(&value);
                model.get_mut(&name(key)).unwrap().0 = value;
            }
        }
        Op::Expire(key, at) => {
            assert_eq!(db.set_expire(&name(key), at.map(UnixMs)), model.contains_key(&name(key)));
            if let Some(known) = model.get_mut(&name(key)) {
                known.1 = at;
            }
        }
        Op::Remove(key) => {
            let removed = db.remove(&name(key)).map(|removed| value_of(&removed));
            assert_eq!(removed, model.remove(&name(key)).map(|(value, _)| value));
        }
        Op::Sweep(now) => sweep(db, model, now),
    }
}

/// Sweeps to the end in small steps and removes what it finds: exactly what the model says is expired.
fn sweep(db: &mut Db, model: &mut Model, now: u64) {
    let mut found = Vec::new();
    for pass in 0.. {
        assert!(pass < 10_000, "a sweep must end");
        if db.expired_step(UnixMs(now), 10, |entry| found.push(entry.key().to_vec())) == Sweep::Complete {
            break;
        }
    }
    for _ in 0.. {
        let done = db.expired_step(UnixMs(now), 10, |entry| found.push(entry.key().to_vec()));
        if done == Sweep::Complete {
            break;
        }
    }
    found.sort();
    found.dedup();
    let due = |at: &Option<u64>| at.is_some_and(|at| at <= now);
    let expected: Vec<_> = model.iter().filter(|(_, (_, at))| due(at)).map(|(k, _)| k.clone()).collect();
    assert_eq!(found, expected);
    for key in found {
        db.remove(&key).unwrap();
        model.remove(&key);
    }
    while db.expired_step(UnixMs(now), 1000, |_| panic!("all are gone")) == Sweep::Partial {}
    assert!(db.earliest_expiry().is_none_or(|at| at.0 > now), "the next sweep has nothing to look at");
}

fn value_of(entry: &Entry) -> Vec<u8> {
    entry.string().unwrap().as_bytes(&mut itoa::Buffer::new()).to_vec()
}

fn assert_equal(db: &Db, model: &Model) {
    let content: Model = db
        .iter()
        .map(|entry| (entry.key().to_vec(), (value_of(entry), entry.expire_at().map(|at| at.0))))
        .collect();
    assert_eq!(&content, model);
    assert_eq!(db.len(), model.len());
    let times: Vec<u64> = model.values().filter_map(|(_, at)| *at).collect();
    assert_eq!(db.volatile_len(), times.len());
    let average = times.iter().sum::<u64>().checked_div(times.len() as u64).unwrap_or(0);
    assert_eq!(db.average_ttl_ms(UnixMs(0)), average);
    assert_eq!(db.memory_bytes(), db.iter().map(Entry::memory_bytes).sum::<usize>());
    assert!(db.earliest_expiry().map_or(u64::MAX, |at| at.0) <= times.into_iter().min().unwrap_or(u64::MAX));
}

fn database(by_slot: bool, seed: u64) -> Db {
    let partitioning = if by_slot { Partitioning::BySlot } else { Partitioning::ByHash };
    Db::empty(Placement::seeded(partitioning, seed))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn behaves_as_an_ordered_map_would(
        ops in proptest::collection::vec(op(), 0..1500), by_slot: bool, seed: u64,
    ) {
        let (mut db, mut model) = (database(by_slot, seed), Model::new());
        for op in ops {
            apply(&mut db, &mut model, op);
        }
        assert_equal(&db, &model);
        for key in model.keys() {
            prop_assert_eq!(db.lookup(key).unwrap().key(), &key[..]);
        }
        prop_assert!(db.lookup(b"absent").is_none());
    }

    /// SCAN's promise, while the database grows and shrinks by large factors between the calls.
    #[test]
    fn a_scan_returns_what_was_there_throughout_exactly_once(
        seed: u64, by_slot: bool, count in 1usize..40, waves in proptest::collection::vec(any::<bool>(), 1..40),
    ) {
        let mut db = database(by_slot, seed);
        let stable: Vec<Vec<u8>> = (0..500).map(|n| format!("{{s{}}}{n}", n % 3).into_bytes()).collect();
        for key in &stable {
            db.set_string(key, b"stays", None);
        }
        let mut seen: BTreeMap<Vec<u8>, usize> = BTreeMap::new();
        let (mut cursor, mut waves) = (Cursor::START, waves.into_iter().cycle());
        loop {
            cursor = db.scan(cursor, count, |entry| *seen.entry(entry.key().to_vec()).or_default() += 1);
            prop_assert!(cursor.0 < 1 << 63);
            if cursor == Cursor::START {
                break;
            }
            let grow = waves.next().unwrap();
            for n in 0..400 {
                let key = format!("{{s1}}passing{n}");
                if grow {
                    db.set_string(key.as_bytes(), b"goes", None);
                } else {
                    db.remove(key.as_bytes());
                }
            }
        }
        for key in &stable {
            prop_assert_eq!(seen.get(key), Some(&1));
        }
    }
}

#[test]
fn any_cursor_is_harmless() {
    let mut db = database(false, 1);
    for n in 0..1000 {
        db.set_string(format!("k{n}").as_bytes(), b"v", None);
    }
    for cursor in [1, u64::MAX, 1 << 63, (1 << 63) - 1, 0x1234_5678_9abc_def0] {
        let next = db.scan(Cursor(cursor), 10, |_| {});
        assert!(next.0 == 0 || next.0 > cursor);
    }
    assert_eq!(database(false, 1).scan(Cursor(5), 10, |_| panic!("empty")), Cursor::START);
}

#[test]
fn random_choice_is_even() {
    for (keys, by_slot) in [(7, false), (300, true), (40_000, false)] {
        let mut db = database(by_slot, 5);
        for n in 0..keys {
            db.set_string(format!("key:{n}").as_bytes(), n.to_string().as_bytes(), None);
        }
        // Counted in a few classes, so that the expected deviation is small beside the tolerance.
        let mut rng = ChaCha8Rng::seed_from_u64(9);
        let (classes, draws) = (7, 14_000);
        let mut counts = vec![0i64; classes];
        for _ in 0..draws {
            let Some(crate::StringRef::Int(n)) = db.random(&mut rng).unwrap().string() else { panic!() };
            counts[n as usize % classes] += 1;
        }
        let expected = draws / classes as i64;
        assert!(counts.iter().all(|count| (count - expected).abs() < expected / 10), "{counts:?}");
    }
    assert!(database(false, 5).random(&mut ChaCha8Rng::seed_from_u64(1)).is_none());
}

#[test]
fn memory_follows_the_keys_down() {
    let mut db = database(false, 3);
    for n in 0..100_000 {
        db.set_string(format!("key:{n}").as_bytes(), b"v", None);
    }
    for n in 0..100_000 {
        db.remove(format!("key:{n}").as_bytes()).unwrap();
    }
    assert!(db.is_empty());
    assert_eq!(db.memory_bytes(), 0);
    assert_eq!(db.partitions.iter().map(|dict| dict.segments_len()).sum::<usize>(), 0);
}

/// Whether the number was true, too low, too high or a lie.
#[test]
fn expected_keys_find_their_segments_laid_out() {
    const KEYS: u64 = 50_000;
    for by_slot in [false, true] {
        for expected in [0, 1, KEYS / 10, KEYS, 3 * KEYS, u64::MAX] {
            let mut db = database(by_slot, 5);
            db.expect_keys(expected);
            let laid_out = db.partitions.iter().map(Dict::segments_len).sum::<usize>() as u64;
            assert!(laid_out <= 2 * EXPECTED_KEYS_MAX / EXPECTED_SEGMENT_ENTRIES, "{laid_out} segments");
            for n in 0..KEYS {
                db.set_string(format!("key:{n}").as_bytes(), n.to_string().as_bytes(), None);
            }
            // Too late: there are keys.
            db.expect_keys(u64::MAX);
            if expected == KEYS && !by_slot {
                let segments = db.partitions.iter().map(Dict::segments_len).sum::<usize>() as u64;
                assert!(segments - laid_out < laid_out / 10, "{laid_out} segments became {segments}");
            }
            assert_eq!((db.len(), db.iter().count()), (KEYS as usize, KEYS as usize));
            for n in 0..KEYS {
                let removed = db.remove(format!("key:{n}").as_bytes()).expect("it was stored");
                assert_eq!(removed.string().unwrap().to_bytes(), n.to_string());
            }
            assert!(db.is_empty() && db.iter().next().is_none());
        }
    }
}

#[test]
fn a_value_of_the_same_length_takes_the_old_ones_place() {
    let mut db = database(false, 3);
    db.set_string(b"key", b"value-1", None);
    let before = db.lookup(b"key").unwrap().key().as_ptr();
    assert!(matches!(db.set_string(b"key", b"value-2", None), Inserted::Replaced(None)));
    assert_eq!(db.lookup(b"key").unwrap().key().as_ptr(), before);
}

#[test]
fn encodings_are_named_as_clients_know_them() {
    let mut db = database(false, 3);
    let encoding = |db: &Db| db.lookup(b"k").unwrap().encoding();
    for (value, expected) in [
        ("12", "int"),
        ("012", "embstr"),
        (&"x".repeat(44), "embstr"),
        (&"x".repeat(45), "raw"),
        (&"x".repeat(20_000), "raw"),
    ] {
        db.set_string(b"k", value.as_bytes(), None);
        assert_eq!(encoding(&db), expected);
    }
    db.set_string(b"k", b"12", None);
    db.lookup_mut(b"k").unwrap().append(b"3");
    assert_eq!(encoding(&db), "raw");
    db.lookup_mut(b"k").unwrap().set_int(7);
    assert_eq!(encoding(&db), "int");
}
