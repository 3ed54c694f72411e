//! Streams against a naive model: a map of entries, and for each group a map of what is pending.

use super::*;
use crate::entry::Entry;
use crate::limits::Limits;
use crate::rdb::{Reader, Reading, Stop};
use bytes::BytesMut;
use proptest::prelude::*;
use std::collections::BTreeSet;

type Fields = Vec<(Vec<u8>, Vec<u8>)>;

#[derive(Clone, Debug)]
enum Step {
    Push { ms: u8, fields: Fields },
    Delete { nth: u8, references: References },
    Trim { trim: Trim, references: References },
    Deliver { group: u8, consumer: u8, count: u8 },
    Acknowledge { group: u8, nth: u8 },
    RemoveConsumer { group: u8, consumer: u8 },
    RemoveGroup { group: u8 },
    Freeze,
}

#[derive(Clone, Default, PartialEq, Debug)]
struct Model {
    entries: BTreeMap<StreamId, Fields>,
    last_id: StreamId,
    max_deleted_id: StreamId,
    added: u64,
    groups: BTreeMap<u8, ModelGroup>,
}

#[derive(Clone, Default, PartialEq, Debug)]
struct ModelGroup {
    last_id: StreamId,
    pending: BTreeMap<StreamId, u8>,
    consumers: BTreeSet<u8>,
}

impl Model {
    fn is_referenced(&self, id: StreamId) -> bool {
        self.groups.values().any(|group| group.last_id < id || group.pending.contains_key(&id))
    }

    fn remove(&mut self, id: StreamId, references: References) -> bool {
        if references == References::Acknowledged && self.is_referenced(id) {
            return false;
        }
        if references == References::Delete {
            for group in self.groups.values_mut() {
                group.pending.remove(&id);
            }
        }
        self.entries.remove(&id).is_some()
    }
}

fn fields() -> impl Strategy<Value = Fields> {
    let text = prop_oneof![
        2 => "[a-c]{0,3}".prop_map(String::into_bytes),
        1 => any::<i32>().prop_map(|n| n.to_string().into_bytes()),
        1 => prop::collection::vec(any::<u8>(), 0..90),
    ];
    let same = prop::collection::vec(text.clone(), 2)
        .prop_map(|values| [b"name".to_vec(), b"age".to_vec()].into_iter().zip(values).collect());
    let other = prop::collection::vec((text.clone(), text), 1..4);
    prop_oneof![2 => same, 1 => other]
}

fn references() -> impl Strategy<Value = References> {
    prop_oneof![Just(References::Keep), Just(References::Delete), Just(References::Acknowledged)]
}

fn trim() -> impl Strategy<Value = Trim> {
    let bound = prop_oneof![
        (0..60u64).prop_map(Bound::Len),
        (0..200u64).prop_map(|ms| Bound::Id(StreamId { ms, seq: 0 })),
    ];
    (bound, any::<bool>()).prop_map(|(bound, approximate)| Trim { bound, approximate, entries_max: 0 })
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        12 => (0..3u8, fields()).prop_map(|(ms, fields)| Step::Push { ms, fields }),
        3 => (any::<u8>(), references()).prop_map(|(nth, references)| Step::Delete { nth, references }),
        1 => (trim(), references()).prop_map(|(trim, references)| Step::Trim { trim, references }),
        4 => (0..3u8, 0..3u8, 1..9u8)
            .prop_map(|(group, consumer, count)| Step::Deliver { group, consumer, count }),
        3 => (0..3u8, any::<u8>()).prop_map(|(group, nth)| Step::Acknowledge { group, nth }),
        1 => (0..3u8, 0..3u8).prop_map(|(group, consumer)| Step::RemoveConsumer { group, consumer }),
        1 => (0..3u8).prop_map(|group| Step::RemoveGroup { group }),
        1 => Just(Step::Freeze),
    ]
}

fn push(stream: &mut Stream, id: StreamId, fields: &Fields, limits: &Limits) {
    stream.push(id, fields.iter().map(|(field, value)| (&field[..], &value[..])), limits);
}

fn apply(stream: &mut Stream, model: &mut Model, step: Step, limits: &Limits) -> Result<(), TestCaseError> {
    match step {
        Step::Push { ms, fields } => {
            let next = model.last_id.next().expect("ids are small");
            let id = next.max(StreamId { ms: model.last_id.ms + u64::from(ms), seq: 0 });
            push(stream, id, &fields, limits);
            model.entries.insert(id, fields);
            (model.last_id, model.added) = (id, model.added + 1);
        }
        Step::Delete { nth, references } => {
            let nth = usize::from(nth) % (model.entries.len() + 1);
            let id = model.entries.keys().nth(nth).copied().unwrap_or(StreamId { ms: 7, seq: 99 });
            let expected = match model.entries.contains_key(&id) {
                false => Removal::Missing,
                true if model.remove(id, references) => Removal::Removed,
                true => Removal::Referenced,
            };
            if expected == Removal::Removed {
                model.max_deleted_id = model.max_deleted_id.max(id);
            }
            prop_assert_eq!(stream.delete(id, references), expected);
        }
        Step::Trim { trim, references } => apply_trim(stream, model, trim, references)?,
        Step::Deliver { group, consumer, count } => deliver(stream, model, group, consumer, count),
        Step::Acknowledge { group, nth } => {
            let Some(own) = model.groups.get_mut(&group) else { return Ok(()) };
            let nth = usize::from(nth) % (own.pending.len() + 1);
            let id = own.pending.keys().nth(nth).copied().unwrap_or(StreamId::MAX);
            let was = own.pending.remove(&id).is_some();
            prop_assert_eq!(stream.edit_group(&[group], |group| group.acknowledge(id)), Some(was));
        }
        Step::RemoveConsumer { group, consumer } => {
            let Some(own) = model.groups.get_mut(&group) else { return Ok(()) };
            let before = own.pending.len();
            own.pending.retain(|_, other| *other != consumer);
            let lost = own.consumers.remove(&consumer).then_some(before - own.pending.len());
            prop_assert_eq!(
                stream.edit_group(&[group], |group| group.remove_consumer(&[consumer])),
                Some(lost)
            );
        }
        Step::RemoveGroup { group } => {
            prop_assert_eq!(stream.remove_group(&[group]), model.groups.remove(&group).is_some());
        }
        Step::Freeze => {}
    }
    Ok(())
}

/// An exact trim does what the model says; an approximate one does less, and whole blocks of it.
fn apply_trim(
    stream: &mut Stream,
    model: &mut Model,
    trim: Trim,
    references: References,
) -> Result<(), TestCaseError> {
    let mut wanted = model.clone();
    for id in model.entries.keys() {
        let goes = match trim.bound {
            Bound::Len(len) => wanted.entries.len() as u64 > len,
            Bound::Id(bound) => *id < bound,
        };
        if goes {
            wanted.remove(*id, references);
        }
    }
    let removed = stream.trim(trim, references);
    prop_assert_eq!(removed, model.entries.len() as u64 - stream.len());
    if trim.approximate {
        prop_assert!(stream.len() as usize >= wanted.entries.len());
        let left: BTreeSet<StreamId> =
            stream.range(StreamId::MIN, StreamId::MAX).map(|entry| entry.id).collect();
        let gone: Vec<StreamId> = model.entries.keys().filter(|id| !left.contains(id)).copied().collect();
        for id in gone {
            prop_assert!(!wanted.entries.contains_key(&id), "{} was to stay", id);
            model.remove(id, references);
        }
    } else {
        *model = wanted;
    }
    Ok(())
}

fn deliver(stream: &mut Stream, model: &mut Model, group: u8, consumer: u8, count: u8) {
    stream.add_group(&[group], Group::default());
    let own = model.groups.entry(group).or_default();
    let number = stream.edit_group(&[group], |group| {
        group.consumer_id(&[consumer]).unwrap_or_else(|| group.add_consumer(&[consumer], 5))
    });
    own.consumers.insert(consumer);
    let from = own.last_id.next().expect("ids are small");
    let entries: Vec<StreamId> = model.entries.range(from..).take(count.into()).map(|(id, _)| *id).collect();
    for id in entries {
        let consumer_id = number.expect("the group exists");
        let pending = Pending { consumer: consumer_id, delivered_ms: 1, deliveries: 2 };
        stream.deliver(&[group], id, Some(pending));
        own.pending.insert(id, consumer);
        own.last_id = id;
    }
}

fn check(stream: &Stream, model: &Model) -> Result<(), TestCaseError> {
    let owned = |entry: StreamEntry<'_>| -> (StreamId, Fields) {
        (entry.id, entry.fields().map(|(field, value)| (field.to_vec(), value.to_vec())).collect())
    };
    let entries: Vec<_> = model.entries.iter().map(|(id, fields)| (*id, fields.clone())).collect();
    let forward: Vec<_> = stream.range(StreamId::MIN, StreamId::MAX).map(owned).collect();
    prop_assert_eq!(&forward, &entries);
    let mut backward: Vec<_> = stream.range_back(StreamId::MAX, StreamId::MIN).map(owned).collect();
    backward.reverse();
    prop_assert_eq!(&backward, &entries);
    let (from, to) = (StreamId { ms: 10, seq: 1 }, StreamId { ms: 30, seq: 0 });
    let some: Vec<_> = stream.range(from, to).map(|entry| entry.id).collect();
    prop_assert_eq!(&some, &model.entries.range(from..=to).map(|(id, _)| *id).collect::<Vec<_>>());
    let some: Vec<_> = stream.range_back(to, from).map(|entry| entry.id).collect();
    prop_assert_eq!(some, model.entries.range(from..=to).rev().map(|(id, _)| *id).collect::<Vec<_>>());
    prop_assert_eq!(stream.len(), model.entries.len() as u64);
    prop_assert_eq!(stream.first_id(), model.entries.keys().next().copied().unwrap_or_default());
    prop_assert_eq!(
        (stream.last_id, stream.max_deleted_id, stream.entries_added),
        (model.last_id, model.max_deleted_id, model.added)
    );
    prop_assert_eq!(stream.groups().len(), model.groups.len());
    for (name, own) in &model.groups {
        let group = stream.group(&[*name]).expect("the group exists");
        prop_assert_eq!(group.last_id, own.last_id);
        let pending = group.pending_from(StreamId::MIN);
        let pending = pending.map(|(id, pending)| (id, group.consumer(pending.consumer).name[0]));
        prop_assert_eq!(pending.collect::<BTreeMap<_, _>>(), own.pending.clone());
        for (_, consumer) in group.consumers() {
            let theirs = own.pending.iter().filter(|(_, name)| **name == consumer.name[0]);
            let theirs: Vec<StreamId> = theirs.map(|(id, _)| *id).collect();
            prop_assert_eq!(consumer.pending_from(StreamId::MIN).collect::<Vec<_>>(), theirs);
        }
        let names: BTreeSet<u8> = group.consumers().map(|(_, consumer)| consumer.name[0]).collect();
        prop_assert_eq!(&names, &own.consumers);
    }
    check_weight(stream)
}

/// What the stream counts as it changes is what there is.
fn check_weight(stream: &Stream) -> Result<(), TestCaseError> {
    let mut again = stream.clone();
    again.weigh_groups();
    prop_assert_eq!(stream.group_bytes, again.group_bytes);
    let blocks: u64 = (0..stream.log.runs_len()).map(|run| stream.log.run(run).count() as u64).sum();
    prop_assert_eq!(blocks, stream.log.blocks_len() as u64);
    prop_assert_eq!(stream.log.heap_bytes(), stream.log.weighed_bytes());
    Ok(())
}

fn reread(stream: &Stream, limits: &Limits) -> Stream {
    let mut bytes = BytesMut::new();
    let mut number = 0;
    while rdb::put_piece(stream, number, &mut bytes, number % 2 == 0) {
        number += 1;
    }
    // It arrives in two parts, cut anywhere.
    let mut reader = Reader::of(&bytes);
    let Ok(Reading::Elements(mut elements)) = rdb::begin(rdb::TYPE_SECOND, &mut reader) else {
        panic!("a stream is read in parts");
    };
    loop {
        let mut short = Reader::of(&bytes[reader.position()..bytes.len() - 1]);
        match elements.read_next(&mut short, limits) {
            Ok(None) => reader = advanced(&bytes, reader.position() + short.position()),
            Ok(Some(Value::Stream(stream))) => return *stream,
            Err(Stop::Need(_)) => break,
            other => panic!("{:?}", other.is_ok()),
        }
    }
    loop {
        match elements.read_next(&mut reader, limits).expect("all is there") {
            Some(Value::Stream(stream)) => return *stream,
            Some(_) => panic!("another type"),
            None => {}
        }
    }
}

fn advanced(bytes: &[u8], position: usize) -> Reader<'_> {
    let mut reader = Reader::of(bytes);
    reader.take(position).expect("it was read already");
    reader
}

proptest! {
    #[test]
    fn is_what_the_model_is(steps in prop::collection::vec(step(), 1..120), bytes_max in prop_oneof![Just(0usize), 60..400usize], entries_max in 0..9usize) {
        let limits = Limits { stream_node_bytes_max: bytes_max, stream_node_entries_max: entries_max, ..Limits::seeded(1) };
        let (mut stream, mut model) = (Stream::default(), Model::default());
        let mut frozen = Vec::new();
        for step in steps {
            if matches!(step, Step::Freeze) {
                frozen.push((stream.clone(), model.clone()));
            }
            apply(&mut stream, &mut model, step, &limits)?;
            check(&stream, &model)?;
        }
        for (stream, model) in &frozen {
            check(stream, model)?;
        }
        let mut again = reread(&stream, &limits);
        // The form that is written does not keep times of activity, and consumers are numbered anew.
        prop_assert!(again.groups().all(|(_, group)| group.consumers().all(|(_, consumer)| consumer.seen_ms == 5)));
        again.groups.values_mut().for_each(|group| Arc::make_mut(group).renumber());
        stream.groups.values_mut().for_each(|group| Arc::make_mut(group).renumber());
        prop_assert_eq!(&again, &stream);
    }

    #[test]
    fn any_bytes_are_fine(bytes: Vec<u8>, at: prop::sample::Index, flipped: u8) {
        let limits = Limits::seeded(1);
        let mut good = BytesMut::new();
        let mut stream = Stream::default();
        for ms in 1..20 {
            push(&mut stream, StreamId { ms, seq: 1 }, &vec![(b"f".to_vec(), bytes.clone())], &limits);
        }
        deliver(&mut stream, &mut Model::default(), 1, 1, 0);
        let mut number = 0;
        while rdb::put_piece(&stream, number, &mut good, false) {
            number += 1;
        }
        let at = at.index(good.len());
        good[at] ^= flipped;
        for bytes in [&bytes[..], &good[..]] {
            let mut reader = Reader::of(bytes);
            if let Ok(value) = reader.value(rdb::TYPE_SECOND, &limits) {
                let entry = Entry::create(b"k", crate::entry::Content::Rich(value), None);
                entry.digest();
            }
        }
    }
}

/// More fields than a block can count.
#[test]
fn a_large_entry_has_a_block_of_its_own() {
    let limits = Limits::seeded(1);
    let mut stream = Stream::default();
    let many: Fields = (0..40_000u32).map(|n| (n.to_string().into_bytes(), b"v".to_vec())).collect();
    let few = vec![(b"f".to_vec(), b"v".to_vec())];
    for (ms, fields) in [(1, &few), (2, &many), (3, &many), (4, &few)] {
        push(&mut stream, StreamId { ms, seq: 0 }, fields, &limits);
    }
    assert_eq!(stream.log.blocks_len(), 4);
    let lens: Vec<usize> = stream.range_back(StreamId::MAX, StreamId::MIN).map(|entry| entry.len()).collect();
    assert_eq!(lens, [1, 40_000, 40_000, 1]);
    assert_eq!(reread(&stream, &limits), stream);
    assert_eq!(stream.delete(StreamId { ms: 2, seq: 0 }, References::Keep), Removal::Removed);
    assert_eq!(stream.log.blocks_len(), 3);
}
