//! Lists against a deque, with blocks so small that everything happens at their borders.

use super::*;
use proptest::prelude::*;

#[derive(Clone, Debug)]
enum Op {
    Push(bool, u16, usize),
    PushMany(bool, u16),
    Drop(bool, usize),
    Set(usize, u16, usize),
    Insert(usize, u16, usize),
    RemoveRange(usize, usize),
    RemoveEqual(u16, usize, bool),
}

fn op() -> impl Strategy<Value = Op> {
    let len = || prop_oneof![9 => 0usize..20, 2 => 1_000usize..5_000];
    prop_oneof![
        6 => (any::<bool>(), any::<u16>(), len()).prop_map(|(tail, n, len)| Op::Push(tail, n, len)),
        2 => (any::<bool>(), any::<u16>()).prop_map(|(tail, n)| Op::PushMany(tail, n)),
        2 => (any::<bool>(), 0usize..30).prop_map(|(tail, count)| Op::Drop(tail, count)),
        2 => (any::<usize>(), any::<u16>(), len()).prop_map(|(at, n, len)| Op::Set(at, n, len)),
        3 => (any::<usize>(), any::<u16>(), len()).prop_map(|(at, n, len)| Op::Insert(at, n, len)),
        1 => (any::<usize>(), 0usize..60).prop_map(|(at, count)| Op::RemoveRange(at, count)),
        1 => (any::<u16>(), 1usize..10, any::<bool>()).prop_map(|(n, count, tail)| Op::RemoveEqual(n, count, tail)),
    ]
}

/// One of a few values, padded to a length.
fn element(n: u16, len: usize) -> Vec<u8> {
    match n % 8 {
        0..5 if len < 20 => (n % 8).to_string().into_bytes(),
        kind => vec![b'a' + kind as u8; len],
    }
}

fn end(tail: bool) -> End {
    if tail { End::Tail } else { End::Head }
}

fn apply(list: &mut List, model: &mut Vec<Vec<u8>>, op: Op, limits: &Limits) {
    let push = |list: &mut List, model: &mut Vec<Vec<u8>>, tail: bool, element: Vec<u8>| {
        list.push(end(tail), &element, limits);
        model.insert(if tail { model.len() } else { 0 }, element);
    };
    match op {
        Op::Push(tail, n, len) => push(list, model, tail, element(n, len)),
        Op::PushMany(tail, n) => (0..30).for_each(|k| push(list, model, tail, element(n.wrapping_add(k), 5))),
        Op::Drop(tail, count) => {
            list.drop_end(end(tail), count, limits);
            let count = count.min(model.len());
            model.drain(if tail { model.len() - count..model.len() } else { 0..count });
        }
        Op::Set(at, n, len) => {
            let at = at % (model.len() + 1);
            assert_eq!(list.set(at, &element(n, len), limits), at < model.len());
            model.iter_mut().skip(at).take(1).for_each(|place| *place = element(n, len));
        }
        Op::Insert(at, n, len) => {
            let at = at % (model.len() + 1);
            list.insert(at, &element(n, len), limits);
            model.insert(at, element(n, len));
        }
        Op::RemoveRange(at, count) => {
            let at = at % (model.len() + 1);
            list.remove_range(at, count, limits);
            model.drain(at..model.len().min(at + count));
        }
        Op::RemoveEqual(n, count, tail) => {
            let wanted = element(n, 5);
            let mut equal: Vec<usize> = (0..model.len()).filter(|&at| model[at] == wanted).collect();
            if tail {
                equal.reverse();
            }
            equal.truncate(count);
            assert_eq!(list.remove_equal(&wanted, count, end(tail), limits), equal.len());
            equal.sort_unstable();
            equal.into_iter().rev().for_each(|at| drop(model.remove(at)));
        }
    }
}

fn check(list: &List, model: &[Vec<u8>]) {
    assert_eq!(list.len(), model.len());
    assert!(list.iter().map(|item| item.to_vec()).eq(model.iter().cloned()));
    assert!(list.iter().rev().map(|item| item.to_vec()).eq(model.iter().rev().cloned()));
    for at in
        [0, 1, model.len() / 3, model.len() / 2, model.len().saturating_sub(1), model.len(), model.len() + 5]
    {
        assert_eq!(list.get(at).map(|item| item.to_vec()).as_ref(), model.get(at));
        assert!(list.iter_from(at).map(|item| item.to_vec()).eq(model.iter().skip(at).cloned()));
        let back: Vec<_> = list.iter_back_from(at).map(|item| item.to_vec()).collect();
        assert!(back.iter().eq(model[..at.min(model.len())].iter().rev()));
    }
    assert_eq!(list.end(End::Head).map(|item| item.to_vec()).as_ref(), model.first());
    assert_eq!(list.end(End::Tail).map(|item| item.to_vec()).as_ref(), model.last());
    if let Form::Nodes(nodes) = &list.form {
        let counted: usize = (0..nodes.node_count()).map(|number| nodes.node(number).heap_bytes()).sum();
        assert_eq!(nodes.heap_bytes(), counted);
        assert!((0..nodes.node_count()).all(|number| nodes.node(number).len() > 0));
    }
}

/// What a list looks like whose first block is never in two parts.
fn join_parts(list: &mut List) {
    if let Form::Nodes(nodes) = &mut list.form {
        nodes.join_front();
    }
}

/// The encoding, and what is in each block.
fn form(list: &List) -> (&'static str, Vec<usize>) {
    let mut list = list.clone();
    join_parts(&mut list);
    let sizes = match &list.form {
        Form::Packed(packed) => vec![packed.len()],
        Form::Nodes(nodes) => (0..nodes.node_count()).map(|number| nodes.node(number).len()).collect(),
    };
    (list.encoding(), sizes)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn a_list_is_a_sequence(
        ops in proptest::collection::vec(op(), 0..60), size in prop_oneof![Just(-1), Just(1), Just(2), Just(7), Just(-2)],
    ) {
        let limits = Limits { list_node_size: size, ..Limits::seeded(1) };
        let (mut list, mut model) = (List::default(), Vec::new());
        let mut whole = List::default();
        for op in ops {
            let frozen = (list.clone(), model.clone());
            apply(&mut list, &mut model, op.clone(), &limits);
            apply(&mut whole, &mut frozen.1.clone(), op, &limits);
            join_parts(&mut whole);
            prop_assert_eq!(form(&list), form(&whole));
            prop_assert!(frozen.0.iter().map(|item| item.to_vec()).eq(frozen.1.into_iter()));
        }
        check(&list, &model);
    }
}

#[test]
fn a_list_changes_its_form_as_in_redis() {
    let limits = Limits::seeded(1);
    let mut list = List::default();
    let element = [b'e'; 100];
    while list.encoding() == "listpack" {
        list.push(End::Tail, &element, &limits);
    }
    // Each takes a head of two bytes and a length of one.
    assert_eq!(list.len(), 8192 / 103 + 1);
    list.drop_end(End::Tail, 1, &limits);
    assert_eq!(list.encoding(), "quicklist");
    list.drop_end(End::Head, 39, &limits);
    assert_eq!(list.encoding(), "quicklist");
    list.drop_end(End::Head, 1, &limits);
    assert_eq!((list.encoding(), list.len()), ("listpack", 39));
    let counted = Limits { list_node_size: 4, ..limits };
    let mut list = List::default();
    (0..5).for_each(|_| list.push(End::Head, b"e", &counted));
    assert_eq!(list.encoding(), "quicklist");
}
