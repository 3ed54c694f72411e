//! Consumer groups: how far a group has read, and what its consumers have been given and not acknowledged.

use std::collections::BTreeMap;

use bytes::Bytes;

use super::StreamId;
use super::ordered::Ordered;

/// Roughly what a consumer takes up beside its name and its pending entries.
const CONSUMER_BYTES: usize = 192;

/// A group of consumers that share a stream's entries among them.
#[derive(Clone, Default, PartialEq, Debug)]
pub struct Group {
    /// The last entry that was given to one of them.
    pub last_id: StreamId,
    /// How many entries were given out, as far as that is known.
    pub entries_read: Option<u64>,
    pending: Ordered<StreamId, Pending>,
    consumers: BTreeMap<ConsumerId, Consumer>,
    by_name: BTreeMap<Bytes, ConsumerId>,
    last_consumer: u32,
    name_bytes: usize,
}

/// A consumer's number within its group, never given again.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct ConsumerId(u32);

/// One of a group.
#[derive(Clone, PartialEq, Debug)]
pub struct Consumer {
    pub name: Bytes,
    /// When it asked for entries last, and when it was given some, in Unix milliseconds.
    pub seen_ms: u64,
    pub active_ms: Option<u64>,
    pending: Ordered<StreamId, ()>,
}

/// An entry that was given to a consumer and is not acknowledged.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Pending {
    pub consumer: ConsumerId,
    /// When it was given last, in Unix milliseconds.
    pub delivered_ms: u64,
    pub deliveries: u64,
}

impl Group {
    pub fn starting_after(last_id: StreamId, entries_read: Option<u64>) -> Group {
        Group { last_id, entries_read, ..Group::default() }
    }

    /// Moves on to a later entry without having read what is between; true where it is later.
    pub fn advance_to(&mut self, id: Option<StreamId>) -> bool {
        let later = id.filter(|id| *id > self.last_id);
        self.last_id = later.unwrap_or(self.last_id);
        later.is_some()
    }

    pub fn consumer_id(&self, name: &[u8]) -> Option<ConsumerId> {
        self.by_name.get(name).copied()
    }

    pub fn consumer(&self, id: ConsumerId) -> &Consumer {
        self.consumers.get(&id).expect("a consumer's number is given by its group")
    }

    pub fn consumer_mut(&mut self, id: ConsumerId) -> &mut Consumer {
        self.consumers.get_mut(&id).expect("a consumer's number is given by its group")
    }

    /// Adds a consumer of a name that none has.
    pub fn add_consumer(&mut self, name: &[u8], now_ms: u64) -> ConsumerId {
        self.last_consumer = self.last_consumer.checked_add(1).expect("fewer than 2^32 consumers ever");
        let id = ConsumerId(self.last_consumer);
        let name = Bytes::copy_from_slice(name);
        let before = self.by_name.insert(name.clone(), id);
        assert!(before.is_none(), "the caller has looked the name up");
        self.name_bytes += name.len();
        let consumer = Consumer { name, seen_ms: now_ms, active_ms: None, pending: Ordered::new() };
        self.consumers.insert(id, consumer);
        id
    }

    /// Removes a consumer, with what it has not acknowledged; returns how much that was.
    pub fn remove_consumer(&mut self, name: &[u8]) -> Option<usize> {
        let id = self.by_name.remove(name)?;
        let consumer = self.consumers.remove(&id).expect("a name's consumer exists");
        self.name_bytes -= name.len();
        for (entry, ()) in consumer.pending.iter() {
            self.pending.remove(entry);
        }
        Some(consumer.pending.len())
    }

    /// The consumers in the order of their names.
    pub fn consumers(&self) -> impl ExactSizeIterator<Item = (ConsumerId, &Consumer)> {
        self.by_name.values().map(|id| (*id, &self.consumers[id]))
    }

    pub fn pending_len(&self) -> usize {
        self.pending.len()
    }

    pub fn pending(&self, entry: StreamId) -> Option<Pending> {
        self.pending.get(entry).copied()
    }

    /// What is pending from `entry` on, in order.
    pub fn pending_from(&self, entry: StreamId) -> impl Iterator<Item = (StreamId, Pending)> + Clone {
        self.pending.from(entry).map(|(entry, pending)| (entry, *pending))
    }

    pub fn last_pending(&self) -> Option<StreamId> {
        self.pending.last().map(|(entry, _)| entry)
    }

    /// The entry is with this consumer now, whoever had it before.
    pub fn assign(&mut self, entry: StreamId, pending: Pending) {
        let consumer = pending.consumer;
        match self.pending.insert(entry, pending) {
            Some(before) if before.consumer == consumer => return,
            Some(before) => drop(self.consumer_mut(before.consumer).pending.remove(entry)),
            None => {}
        }
        self.consumer_mut(consumer).pending.insert(entry, ());
    }

    /// The entry is done with; false where nobody had it.
    pub fn acknowledge(&mut self, entry: StreamId) -> bool {
        let Some(pending) = self.pending.remove(entry) else { return false };
        self.consumer_mut(pending.consumer).pending.remove(entry);
        true
    }

    /// How many runs the pending entries can be walked in, and one of them.
    pub(super) fn pending_runs_len(&self) -> usize {
        self.pending.chunks_len()
    }

    pub(super) fn pending_run(&self, index: usize) -> &[(StreamId, Pending)] {
        self.pending.chunk(index)
    }

    pub(super) fn heap_bytes(&self) -> usize {
        // Every pending entry is listed twice: for the group, and for its consumer.
        let own = self.pending.len() * size_of::<StreamId>();
        self.pending.heap_bytes() + own + self.consumers.len() * CONSUMER_BYTES + 2 * self.name_bytes
    }

    /// Numbers the consumers in the order of their names, so that equal groups are equal.
    #[cfg(test)]
    pub fn renumber(&mut self) {
        let mut again = Group::starting_after(self.last_id, self.entries_read);
        for (_, consumer) in self.consumers() {
            again.add_consumer(&consumer.name, consumer.seen_ms);
        }
        for (entry, pending) in self.pending.iter() {
            let consumer = again.by_name[&self.consumer(pending.consumer).name];
            again.assign(entry, Pending { consumer, ..*pending });
        }
        *self = again;
    }

    pub(super) fn free_part(&mut self) -> bool {
        let mut freed = self.pending.drop_chunk();
        for consumer in self.consumers.values_mut() {
            freed |= consumer.pending.drop_chunk();
        }
        freed
    }
}

impl Consumer {
    pub fn pending_len(&self) -> usize {
        self.pending.len()
    }

    pub(super) fn pending_runs_len(&self) -> usize {
        self.pending.chunks_len()
    }

    pub(super) fn pending_run(&self, index: usize) -> &[(StreamId, ())] {
        self.pending.chunk(index)
    }

    /// What it has not acknowledged, from `entry` on, in order.
    pub fn pending_from(&self, entry: StreamId) -> impl Iterator<Item = StreamId> + Clone {
        self.pending.from(entry).map(|(entry, ())| entry)
    }
}
