//! Tables against an ordered map; frozen copies; scans during changes; fair draws.

use super::*;
use proptest::prelude::*;
use rand_chacha::ChaCha8Rng;
use rand_core::SeedableRng;
use std::collections::{BTreeMap, BTreeSet};

type Model = BTreeMap<Vec<u8>, Vec<u8>>;

#[derive(Clone, Debug)]
enum Op {
    Insert(u16, usize),
    InsertAbsent(u16, usize),
    Remove(u16),
    InsertMany(u16),
    RemoveMany(u16),
}

fn op() -> impl Strategy<Value = Op> {
    let len = prop_oneof![8 => 0usize..40, 2 => 240usize..270, 2 => 480usize..530, 1 => 3_000usize..70_000];
    prop_oneof![
        10 => (0u16..700, len.clone()).prop_map(|(key, len)| Op::Insert(key, len)),
        3 => (0u16..700, len).prop_map(|(key, len)| Op::InsertAbsent(key, len)),
        8 => (0u16..700).prop_map(Op::Remove),
        1 => (0u16..700).prop_map(Op::InsertMany),
        1 => (0u16..700).prop_map(Op::RemoveMany),
    ]
}

fn key(number: u16) -> Vec<u8> {
    match number % 50 {
        0 => vec![number as u8; 250 + usize::from(number)],
        _ => format!("key:{number}").into_bytes(),
    }
}

fn apply(table: &mut Table, model: &mut Model, op: &Op) {
    match *op {
        Op::Insert(number, len) => {
            let value = vec![len as u8; len];
            let is_added = table.insert(&key(number), &value);
            assert_eq!(is_added, model.insert(key(number), value).is_none());
        }
        Op::InsertAbsent(number, len) => {
            let is_added = table.insert_absent(&key(number), &vec![7; len]);
            assert_eq!(is_added, !model.contains_key(&key(number)));
            model.entry(key(number)).or_insert(vec![7; len]);
        }
        Op::Remove(number) => assert_eq!(table.remove(&key(number)), model.remove(&key(number)).is_some()),
        Op::InsertMany(from) => {
            (from..from + 300).for_each(|number| apply(table, model, &Op::Insert(number, 5)))
        }
        Op::RemoveMany(from) => {
            (from..from + 300).for_each(|number| apply(table, model, &Op::Remove(number)))
        }
    }
}

fn content(table: &Table) -> Model {
    let content: Model = table.iter().map(|record| (record.key.to_vec(), record.value.to_vec())).collect();
    assert_eq!(content.len(), table.len());
    content
}

/// What all chunks and pages hold, counted anew.
fn heap_bytes(table: &Table) -> usize {
    let chunks = table.pages.iter().flat_map(|page| &page.chunks);
    chunks.map(|chunk| chunk.heap_bytes() + CHUNK_FRAME_BYTES).sum()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn a_table_is_a_map(ops in proptest::collection::vec(op(), 0..300), seed: u64) {
        let (mut table, mut model) = (Table::empty(&Hashing::seeded(seed)), Model::new());
        for op in &ops {
            apply(&mut table, &mut model, op);
        }
        for number in 0..1000 {
            prop_assert_eq!(table.get(&key(number)), model.get(&key(number)).map(Vec::as_slice));
        }
        prop_assert_eq!(table.heap_bytes(), heap_bytes(&table));
        prop_assert_eq!(content(&table), model);
        prop_assert!(table.len() >= (table.chunks - 1) * (CHUNK_RECORDS_MIN - 1));
    }

    #[test]
    fn a_clone_is_frozen(
        before in proptest::collection::vec(op(), 0..60), after in proptest::collection::vec(op(), 0..60), seed: u64,
    ) {
        let (mut table, mut model) = (Table::empty(&Hashing::seeded(seed)), Model::new());
        before.iter().for_each(|op| apply(&mut table, &mut model, op));
        let (frozen, old) = (table.clone(), model.clone());
        after.iter().for_each(|op| apply(&mut table, &mut model, op));
        prop_assert_eq!(table.heap_bytes(), heap_bytes(&table));
        prop_assert_eq!(content(&frozen), old);
        prop_assert_eq!(content(&table), model);
        let by_chunk = (0..frozen.chunks_len()).flat_map(|number| frozen.chunk_records(number)).count();
        prop_assert_eq!(by_chunk, frozen.len());
    }

    #[test]
    fn a_scan_visits_what_stays_once(
        before in proptest::collection::vec(op(), 0..60), during in proptest::collection::vec(op(), 0..60),
        count in 1usize..200, seed: u64,
    ) {
        let (mut table, mut model) = (Table::empty(&Hashing::seeded(seed)), Model::new());
        before.iter().for_each(|op| apply(&mut table, &mut model, op));
        let mut staying: BTreeSet<Vec<u8>> = model.keys().cloned().collect();
        let (mut visited, mut cursor, mut during) = (Vec::new(), 0, during.iter());
        loop {
            cursor = table.scan(cursor, count, |record| visited.push(record.key.to_vec()));
            if cursor == 0 {
                break;
            }
            if let Some(op) = during.next() {
                apply(&mut table, &mut model, op);
                staying.retain(|key| model.contains_key(key));
            }
        }
        for key in staying {
            prop_assert_eq!(visited.iter().filter(|visited| **visited == key).count(), 1);
        }
    }
}

#[test]
fn draws_are_fair() {
    for len in [1, 5, 100, 300] {
        let mut table = Table::empty(&Hashing::seeded(7));
        for number in 0..len {
            table.insert(&u32::to_be_bytes(number), b"");
        }
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let mut drawn = BTreeMap::<Vec<u8>, u32>::new();
        const EACH: u32 = 400;
        (0..len * EACH)
            .for_each(|_| *drawn.entry(table.random(&mut rng).unwrap().key.to_vec()).or_default() += 1);
        assert_eq!(drawn.len(), len as usize);
        // Six standard deviations on either side.
        assert!(drawn.values().all(|&count| count.abs_diff(EACH) <= 6 * 20), "{drawn:?}");
    }
    assert!(Table::empty(&Hashing::seeded(7)).random(&mut ChaCha8Rng::seed_from_u64(1)).is_none());
}

/// Reading ahead finds what a look-up finds.
#[test]
fn a_spot_is_where_the_record_is() {
    let mut table = Table::empty(&Hashing::seeded(7));
    let key = |number: u32| format!("{number:0width$}", width = 6 + number as usize % 40);
    assert!(table.spot(b"any").is_none(), "a small table needs none");
    for number in 0..20_000 {
        table.insert(key(number).as_bytes(), &vec![b'v'; number as usize % 700]);
    }
    let likely = |number: u32| {
        let key = key(number);
        let spot = table.spot(key.as_bytes()).expect("it is large");
        spot.glance_at_record() == key.len() as u64
    };
    let found = (0..20_000).filter(|&number| likely(number)).count();
    assert!(found > 19_000, "{found} of 20000");
}
