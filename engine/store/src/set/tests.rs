//! Sets against an ordered set, in all forms and across their borders.

use super::*;
use proptest::prelude::*;
use rand_chacha::ChaCha8Rng;
use rand_core::SeedableRng;
use std::collections::BTreeSet;

fn member(number: u16) -> Vec<u8> {
    match number % 8 {
        0..6 => number.to_string().into_bytes(),
        6 => format!("member:{number}").into_bytes(),
        _ => vec![b'm'; usize::from(number)],
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_set_is_a_set(
        numbers in prop_oneof![Just(8u16), Just(80)],
        ops in proptest::collection::vec((0u8..4, any::<u16>()), 0..200),
        integers_max in 0usize..20, packed_max in 0usize..30,
    ) {
        let limits = Limits { set_integers_max: integers_max, set_packed_entries_max: packed_max, ..Limits::seeded(3) };
        let (mut set, mut model) = (Set::default(), BTreeSet::new());
        for (op, number) in ops {
            let member = member(number % numbers);
            match op {
                0 => prop_assert_eq!(set.remove(&member), model.remove(&member)),
                _ => prop_assert_eq!(set.add(&member, &limits), model.insert(member.clone())),
            }
            prop_assert_eq!(set.contains(&member), model.contains(&member));
            prop_assert_eq!(set.len(), model.len());
            prop_assert!(set.encoding() != "intset" || set.len() <= integers_max);
            prop_assert!(set.encoding() != "listpack" || set.len() <= packed_max);
        }
        let content: BTreeSet<_> = set.iter().map(|member| member.to_vec()).collect();
        prop_assert_eq!(&content, &model);
        let mut scanned = BTreeSet::new();
        let mut cursor = 0;
        loop {
            cursor = set.scan(cursor, 5, |member| scanned.extend([member.to_vec()]));
            if cursor == 0 {
                break;
            }
        }
        prop_assert_eq!(&scanned, &model);
        let random = set.random(&mut ChaCha8Rng::seed_from_u64(1)).map(|member| member.to_vec());
        prop_assert_eq!(random.is_some(), !model.is_empty());
        prop_assert!(random.is_none_or(|member| model.contains(&member)));
    }
}

#[test]
fn a_set_changes_its_form_as_in_redis() {
    let limits = Limits::seeded(1);
    let mut set = Set::default();
    for number in 0..512 {
        set.add(number.to_string().as_bytes(), &limits);
    }
    assert_eq!(set.encoding(), "intset");
    assert!(!set.clone().add(b"7", &limits));
    set.add(b"512", &limits);
    assert_eq!(set.encoding(), "hashtable");

    let mut set = Set::default();
    set.add(b"1", &limits);
    set.add(b"word", &limits);
    assert_eq!(set.encoding(), "listpack");
    for number in 0..126 {
        set.add(format!("{number}.").as_bytes(), &limits);
    }
    assert_eq!((set.encoding(), set.len()), ("listpack", 128));
    set.add(b"one more", &limits);
    assert_eq!(set.encoding(), "hashtable");
    assert_eq!(Set::for_members(513, b"1", &limits).encoding(), "hashtable");
    assert_eq!(Set::for_members(129, b"a", &limits).encoding(), "hashtable");
    assert_eq!(Set::for_members(128, b"a", &limits).encoding(), "listpack");
    assert_eq!(Set::for_members(512, b"1", &limits).encoding(), "intset");
}
