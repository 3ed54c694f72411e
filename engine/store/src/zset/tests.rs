//! Both forms of sorted sets against a plain ordered set.

use super::*;
use crate::rdb::{Reader, Stop, put_string};
use proptest::prelude::*;
use rand_chacha::ChaCha8Rng;
use rand_core::SeedableRng;
use std::collections::BTreeMap;

#[derive(Clone, Debug)]
enum Step {
    Insert(Vec<u8>, f64),
    Remove(Vec<u8>),
    RemoveRange(usize, usize),
}

fn member() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        8 => (0..300u32).prop_map(|number| number.to_string().into_bytes()),
        4 => "[a-c]{0,3}".prop_map(String::into_bytes),
        1 => (60..70usize).prop_map(|len| vec![b'x'; len]),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    let score = prop_oneof![
        3 => (-5..5i32).prop_map(f64::from),
        2 => -5.0..5.0f64,
        1 => prop::sample::select(vec![f64::INFINITY, f64::NEG_INFINITY, 1e300, 4e18, 5e18]),
    ];
    prop_oneof![
        8 => (member(), score).prop_map(|(member, score)| Step::Insert(member, score)),
        2 => member().prop_map(Step::Remove),
        1 => (0..400usize, 0..10usize).prop_map(|(start, len)| Step::RemoveRange(start, len)),
    ]
}

fn in_order(model: &BTreeMap<Vec<u8>, f64>) -> Vec<(Vec<u8>, f64)> {
    let mut members: Vec<_> = model.iter().map(|(member, score)| (member.clone(), *score)).collect();
    members.sort_by(|one, other| leaf::order((one.1, &one.0), (other.1, &other.0)));
    members
}

fn content(members: Members<'_>) -> Vec<(Vec<u8>, f64)> {
    members.map(|(member, score)| (member.to_vec(), score)).collect()
}

fn small_limits() -> Limits {
    Limits { zset_packed_entries_max: 20, ..Limits::seeded(1) }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]
    #[test]
    fn as_an_ordered_map(steps in prop::collection::vec(step(), 1..400), bounds in (0..500usize, 0..500usize)) {
        let limits = small_limits();
        let (mut zset, mut model) = (ZSet::default(), BTreeMap::new());
        let mut greatest_len = 0;
        for step in steps {
            match step {
                Step::Insert(member, score) => {
                    prop_assert_eq!(zset.insert(&member, score, &limits), model.insert(member, score));
                }
                Step::Remove(member) => prop_assert_eq!(zset.remove(&member), model.remove(&member)),
                Step::RemoveRange(start, len) => {
                    let ordered = in_order(&model);
                    let (start, end) = (start.min(ordered.len()), (start + len).min(ordered.len()));
                    ordered[start..end].iter().for_each(|(member, _)| assert!(model.remove(member).is_some()));
                    zset.remove_range(start..end);
                }
            }
            greatest_len = model.len().max(greatest_len);
        }
        let ordered = in_order(&model);
        prop_assert_eq!(content(zset.iter()), &ordered[..]);
        let (start, end) = (bounds.0.min(bounds.1).min(ordered.len()), bounds.1.min(ordered.len()));
        let end = end.max(start);
        prop_assert_eq!(content(zset.range(start..end, false)), &ordered[start..end]);
        let mut backwards = content(zset.range(start..end, true));
        backwards.reverse();
        prop_assert_eq!(backwards, &ordered[start..end]);
        for (rank, (member, score)) in ordered.iter().enumerate() {
            prop_assert_eq!(zset.rank(member), Some((rank, *score)));
            let before = zset.partition_point(|other, text| leaf::order((other, text), (*score, member)).is_lt());
            prop_assert_eq!(before, rank);
        }
        prop_assert!(greatest_len <= 20 || zset.encoding() == "skiplist");
        let mut scanned = BTreeMap::new();
        let mut cursor = 0;
        loop {
            cursor = zset.scan(cursor, 10, |member, score| {
                scanned.insert(member.to_vec(), score);
            });
            if cursor == 0 {
                break;
            }
        }
        prop_assert_eq!(scanned, model);
    }
}

#[test]
fn a_copy_is_frozen() {
    let limits = small_limits();
    let mut zset = ZSet::default();
    for number in 0..1_000 {
        zset.insert(number.to_string().as_bytes(), f64::from(number), &limits);
    }
    let frozen = zset.clone();
    let before = content(frozen.iter());
    zset.remove_range(100..900);
    for number in 0..1_000 {
        zset.insert(number.to_string().as_bytes(), -1.0, &limits);
    }
    assert_eq!(content(frozen.iter()), before);
    assert_eq!(frozen.score(b"500"), Some(500.0));
    assert_eq!(zset.score(b"500"), Some(-1.0));
}

#[test]
fn random_members_are_of_the_set() {
    let limits = small_limits();
    let mut rng = ChaCha8Rng::from_seed([1; 32]);
    let mut zset = ZSet::default();
    assert!(zset.random(&mut rng).is_none());
    for number in 0..50u32 {
        zset.insert(number.to_string().as_bytes(), f64::from(number % 7), &limits);
        let (member, score) = zset.random(&mut rng).expect("it is not empty");
        assert_eq!(zset.score(&member.to_vec()), Some(score));
        let sample = zset.sample(number as usize / 2, &mut rng);
        let different: std::collections::BTreeSet<_> =
            sample.iter().map(|(member, _)| member.to_vec()).collect();
        assert_eq!(different.len(), number as usize / 2);
        assert!(different.iter().all(|member| zset.score(member).is_some()));
    }
    assert_eq!(zset.sample(51, &mut rng).len(), 50);
}

/// What a million small members cost: less than the hundred bytes that they cost Redis.
#[test]
fn weight() {
    let limits = Limits::seeded(1);
    let mut zset = ZSet::default();
    for number in 0..100_000u64 {
        let score = number.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40;
        zset.insert(format!("member:{number:06}").as_bytes(), score as f64, &limits);
    }
    let each = zset.heap_bytes() / zset.len();
    assert!(each < 95, "{each} bytes a member");
}

fn read(type_byte: u8, bytes: &[u8]) -> Result<ZSet, Stop> {
    match Reader::of(bytes).value(type_byte, &small_limits())? {
        Value::ZSet(zset) => Ok(zset),
        other => panic!("{other:?} is no sorted set"),
    }
}

#[test]
fn scores_spelled_as_text_are_read() {
    let zset = read(3, b"\x03\x01a\x031.5\x01b\xfe\x01c\xff").expect("three members");
    assert_eq!(
        content(zset.iter()),
        [(b"c".to_vec(), f64::NEG_INFINITY), (b"a".to_vec(), 1.5), (b"b".to_vec(), f64::INFINITY)]
    );
    for refused in [&b"\x01\x01a\xfd"[..], b"\x01\x01a\x031,5", b"\x02\x01a\x011\x01a\x012"] {
        assert!(matches!(read(3, refused), Err(Stop::Bad(_))));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]
    #[test]
    fn any_block_makes_a_sorted_set_or_is_refused(items in prop::collection::vec((member(), "[0-3](\\.5)?|nan|x"), 0..30)) {
        let mut packed = Packed::empty();
        for (member, score) in &items {
            packed.push_back(Item::of(member));
            packed.push_back(Item::of(score.as_bytes()));
        }
        let mut bytes = bytes::BytesMut::new();
        put_string(&mut bytes, packed.as_listpack(), false);
        let members: BTreeMap<_, _> = items.iter().map(|(member, score)| (member.clone(), score.clone())).collect();
        let is_valid = members.len() == items.len() && members.values().all(|score| score::parse_score(score.as_bytes()).is_some());
        let read = read(17, &bytes);
        prop_assert_eq!(read.is_ok(), is_valid);
        if let Ok(zset) = read {
            let model = members.iter().map(|(member, score)| (member.clone(), score.parse().expect("a number"))).collect();
            prop_assert_eq!(content(zset.iter()), in_order(&model));
        }
    }

    #[test]
    fn a_written_set_reads_back(members in prop::collection::btree_map(member(), -9.0..9.0f64, 0..60)) {
        let mut zset = ZSet::default();
        members.iter().for_each(|(member, score)| assert!(zset.insert(member, *score, &small_limits()).is_none()));
        let (mut bytes, mut number) = (bytes::BytesMut::new(), 0);
        while rdb::put_piece(&zset, number, &mut bytes, false) {
            number += 1;
        }
        prop_assert_eq!(read(rdb::type_byte(&zset), &bytes), Ok(zset));
    }
}
