//! Hashes against an ordered map, in both forms and across their border.

use super::*;
use proptest::prelude::*;
use squall_clock::UnixMs;
use std::collections::BTreeMap;

#[derive(Clone, Debug)]
enum Op {
    Set(u8, usize),
    Remove(u8),
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        3 => (0u8..60, prop_oneof![9 => 0usize..30, 1 => 30usize..100]).prop_map(|(field, len)| Op::Set(field, len)),
        1 => (0u8..60).prop_map(Op::Remove),
    ]
}

fn name(field: u8) -> Vec<u8> {
    if field.is_multiple_of(2) {
        field.to_string().into_bytes()
    } else {
        format!("field:{field}").into_bytes()
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_hash_is_a_map(ops in proptest::collection::vec(op(), 0..150), entries_max in 0usize..60) {
        let limits = Limits { hash_packed_entries_max: entries_max, ..Limits::seeded(3) };
        let (mut hash, mut model) = (Hash::default(), BTreeMap::new());
        let mut is_large = false;
        for op in ops {
            match op {
                Op::Set(field, len) => {
                    let value = vec![b'0' + field % 10; len];
                    prop_assert_eq!(hash.set(&name(field), &value, &limits), model.insert(name(field), value).is_none());
                    is_large |= len > 64 || model.len() > entries_max;
                }
                Op::Remove(field) => {
                    prop_assert_eq!(hash.remove(&name(field)), model.remove(&name(field)).is_some());
                }
            }
            prop_assert_eq!(hash.encoding(), if is_large { "hashtable" } else { "listpack" });
        }
        for field in 0..60 {
            let value = hash.get(&name(field)).map(|value| value.to_vec());
            prop_assert_eq!(value.as_ref(), model.get(&name(field)));
        }
        let content: BTreeMap<_, _> = hash.iter().map(|(field, value)| (field.to_vec(), value.to_vec())).collect();
        prop_assert_eq!(&content, &model);
        let mut scanned = BTreeMap::new();
        let mut cursor = 0;
        loop {
            cursor = hash.scan(cursor, 5, |field, value| drop(scanned.insert(field.to_vec(), value.to_vec())));
            if cursor == 0 {
                break;
            }
        }
        prop_assert_eq!(scanned, model);
        prop_assert_eq!(&hash.clone(), &hash);
    }
}

/// Fields with their values and times.
type Timed = BTreeMap<Vec<u8>, (Vec<u8>, Option<UnixMs>)>;

fn content(hash: &Hash) -> Timed {
    hash.iter()
        .map(|(field, value)| (field.to_vec(), (value.to_vec(), hash.expiry(&field.to_vec()))))
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn fields_expire_as_in_a_model(
        ops in proptest::collection::vec((0u8..5, 0u8..40, 0u64..100), 0..150), entries_max in 0usize..40,
    ) {
        let limits = Limits { hash_packed_entries_max: entries_max, ..Limits::seeded(3) };
        let (mut hash, mut model) = (Hash::default(), Timed::new());
        for (op, field, number) in ops {
            let (field, value, at) = (name(field), number.to_string().into_bytes(), UnixMs(number));
            match op {
                0 => {
                    hash.set(&field, &value, &limits);
                    model.insert(field, (value, None));
                }
                1 => {
                    hash.set_keeping_expiry(&field, &value, &limits);
                    let at = model.get(&field).and_then(|(_, at)| *at);
                    model.insert(field, (value, at));
                }
                2 if hash.contains(&field) => {
                    let at = (number % 5 > 0).then_some(at);
                    hash.set_expiry(&field, at, &limits);
                    model.get_mut(&field).unwrap().1 = at;
                }
                3 => {
                    hash.remove(&field);
                    model.remove(&field);
                }
                4 if number % 5 == 0 => {
                    let live: usize = hash.iter_at(at).count();
                    let expired = hash.take_expired(at, usize::MAX);
                    let before = model.len();
                    model.retain(|_, (_, time)| time.is_none_or(|time| time > at));
                    prop_assert_eq!((expired.len(), live), (before - model.len(), model.len()));
                }
                _ => {}
            }
            prop_assert_eq!(hash.next_expiry(), model.values().filter_map(|(_, at)| *at).min());
        }
        prop_assert_eq!(content(&hash), model);
        prop_assert_eq!(&hash.clone(), &hash);
    }
}
