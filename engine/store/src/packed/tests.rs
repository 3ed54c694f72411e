//! Packed blocks against a vector of strings; bytes from elsewhere; and that what is kept is what Redis keeps.

use super::*;
use proptest::prelude::*;
use std::collections::BTreeSet;

#[derive(Clone, Debug)]
enum Op {
    Push(bool, Vec<u8>),
    Insert(bool, usize, Vec<u8>),
    Replace(usize, Vec<u8>),
    Remove(usize, usize),
    Split(usize, Keep),
}

/// What becomes of a block that was split in two.
#[derive(Clone, Copy, Debug)]
enum Keep {
    Head,
    InOrder,
    TailFirst,
}

fn text() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        4 => any::<i64>().prop_map(|n| n.to_string().into_bytes()),
        3 => (-5000i64..5000).prop_map(|n| n.to_string().into_bytes()),
        1 => prop_oneof![Just(-32769i64), Just(-32768), Just(32767), Just(32768), Just(8388607), Just(8388608), Just(-8388608), Just(-8388609), Just(2147483647), Just(2147483648)]
            .prop_map(|n| n.to_string().into_bytes()),
        4 => proptest::collection::vec(any::<u8>(), 0..70),
        1 => (60usize..140).prop_map(|len| vec![b'x'; len]),
        1 => prop_oneof![4090usize..4100, 16_370usize..16_390].prop_map(|len| vec![b'y'; len]),
    ]
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        6 => (any::<bool>(), text()).prop_map(|(back, text)| Op::Push(back, text)),
        4 => (any::<bool>(), any::<usize>(), text()).prop_map(|(after, at, text)| Op::Insert(after, at, text)),
        3 => (any::<usize>(), text()).prop_map(|(at, text)| Op::Replace(at, text)),
        2 => (any::<usize>(), 1usize..4).prop_map(|(at, count)| Op::Remove(at, count)),
        1 => (any::<usize>(), prop::sample::select(vec![Keep::Head, Keep::InOrder, Keep::TailFirst]))
            .prop_map(|(at, keep)| Op::Split(at, keep)),
    ]
}

fn apply(packed: &mut Packed, model: &mut Vec<Vec<u8>>, op: Op) {
    let place = |packed: &Packed, at: usize| (at % model.len(), packed.nth(at % model.len()).unwrap());
    match op {
        Op::Push(true, text) => {
            packed.push_back(Item::of(&text));
            model.push(text);
        }
        Op::Push(false, text) => {
            packed.push_front(Item::of(&text));
            model.insert(0, text);
        }
        _ if model.is_empty() => {}
        Op::Insert(after, at, text) => {
            let (index, position) = place(packed, at);
            match after {
                true => packed.insert_after(position, Item::of(&text)),
                false => packed.insert_before(position, Item::of(&text)),
            }
            model.insert(index + usize::from(after), text);
        }
        Op::Replace(at, text) => {
            let (index, position) = place(packed, at);
            packed.replace(position, Item::of(&text));
            model[index] = text;
        }
        Op::Remove(at, count) => {
            let (index, position) = place(packed, at);
            let next = packed.remove(position, count);
            model.drain(index..model.len().min(index + count));
            assert_eq!(next.map(|at| packed.get(at).to_vec()).as_ref(), model.get(index));
        }
        Op::Split(at, keep) => {
            let (index, position) = place(packed, at);
            let tail = packed.split_off(position);
            let model_tail = model.split_off(index);
            check(&tail, &model_tail);
            match keep {
                Keep::Head => {}
                Keep::InOrder => {
                    packed.append(&tail);
                    model.extend(model_tail);
                }
                Keep::TailFirst => {
                    packed.prepend(&tail);
                    model.splice(..0, model_tail);
                }
            }
        }
    }
}

fn check(packed: &Packed, model: &[Vec<u8>]) {
    for step in 1..3 {
        let distinct: BTreeSet<_> = model.iter().step_by(step).collect();
        assert_eq!(packed.has_twice(step), distinct.len() < model.iter().step_by(step).count());
    }
    assert!(packed.iter().all(|item| encoded_len(item) == Encoded::of(item).len()));
    assert_eq!(packed.len(), model.len());
    assert!(packed.iter().map(|item| item.to_vec()).eq(model.iter().cloned()));
    assert!(packed.iter().rev().map(|item| item.to_vec()).eq(model.iter().rev().cloned()));
    assert_eq!(Packed::from_listpack(packed.as_listpack()).as_ref(), Ok(packed));
    assert!(packed.heap_bytes() >= packed.byte_len());
    for (index, text) in model.iter().enumerate() {
        let at = packed.nth(index).unwrap();
        assert_eq!(packed.get(at), Item::of(text));
        assert!(packed.get(at).is(text) && packed.get(at).text_len() == text.len());
        let stride = 1 + index % 3;
        let first = model.iter().step_by(stride).position(|other| other == text);
        let found = packed.find(packed.first(), Item::of(text), stride);
        assert_eq!(found, first.and_then(|first| packed.nth(first * stride)));
        assert_eq!(packed.iter_from(at).count(), model.len() - index);
        assert_eq!(packed.iter_until(at).count(), index + 1);
    }
    assert_eq!(packed.find(packed.first(), Item::Bytes(b"not there"), 1), None);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_block_is_a_sequence(ops in proptest::collection::vec(op(), 0..60)) {
        let (mut packed, mut model) = (Packed::empty(), Vec::new());
        for op in ops {
            apply(&mut packed, &mut model, op);
        }
        check(&packed, &model);
    }

    #[test]
    fn damaged_bytes_are_refused_or_read(
        texts in proptest::collection::vec(text(), 0..10), at: prop::sample::Index, byte: u8, cut: prop::sample::Index,
    ) {
        let mut packed = Packed::empty();
        texts.iter().for_each(|text| packed.push_back(Item::of(text)));
        let mut bytes = packed.as_listpack().to_vec();
        let at = at.index(bytes.len());
        bytes[at] = byte;
        if let Ok(read) = Packed::from_listpack(&bytes) {
            assert!(read.iter().count() == read.len() && read.iter().rev().count() == read.len());
        }
        let cut = cut.index(packed.byte_len());
        prop_assert_eq!(Packed::from_listpack(&packed.as_listpack()[..cut]), Err(Malformed));
    }

    #[test]
    fn any_bytes_are_harmless(mut bytes: Vec<u8>) {
        let len = bytes.len() + 7;
        bytes.splice(0..0, (len as u32).to_le_bytes().into_iter().chain([0xff, 0xff]));
        bytes.push(END);
        if let Ok(read) = Packed::from_listpack(&bytes) {
            assert_eq!(read.iter().count(), read.len());
        }
    }
}

#[test]
fn what_is_not_canonical_becomes_so() {
    // "12" as text, and 5 in 64 bits.
    let mut bytes = vec![0, 0, 0, 0, 2, 0, 0x82, b'1', b'2', 3, 0xf4, 5, 0, 0, 0, 0, 0, 0, 0, 9, END];
    bytes[0] = bytes.len() as u8;
    let packed = Packed::from_listpack(&bytes).unwrap();
    let mut expected = Packed::empty();
    expected.push_back(Item::Int(12));
    expected.push_back(Item::Int(5));
    assert_eq!(packed, expected);
}

#[test]
fn a_block_is_as_long_as_its_allocation_class_asks() {
    for (len, bytes) in
        [(7, 16), (16, 16), (17, 32), (128, 128), (129, 160), (161, 192), (257, 320), (8192, 8192)]
    {
        assert_eq!(allocation_bytes(len), bytes);
    }
}
