//! Streams: entries that are only appended, and groups of consumers that read them.
//!
//! `log.rs` keeps the entries, in the blocks of `block.rs`; `group.rs` has what a consumer group knows;
//! `ordered.rs` is the spine under both, whose clones are cheap and frozen; `rdb.rs` is their form in RDB.

mod block;
mod group;
mod id;
mod log;
mod ordered;
pub(crate) mod rdb;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;

pub use block::Entry as StreamEntry;
pub use group::{Consumer, ConsumerId, Group, Pending};
pub use id::StreamId;
use log::Log;
pub use log::{Bound, Trim};

use crate::collection::Collection;
use crate::digest::{Digest, mix};
use crate::entry::Value;
use crate::limits::Limits;

/// Entries, and who reads them.
#[derive(Clone, Default, Debug)]
pub struct Stream {
    log: Log,
    /// The largest id that was ever given.
    pub last_id: StreamId,
    /// The largest id of an entry that was deleted on its own.
    pub max_deleted_id: StreamId,
    /// How many entries were ever added.
    pub entries_added: u64,
    groups: BTreeMap<Bytes, Arc<Group>>,
    group_bytes: usize,
}

/// What becomes of what groups know of an entry that is removed.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub enum References {
    /// They go on listing it as pending.
    #[default]
    Keep,
    /// They forget it.
    Delete,
    /// It is removed only if every group has read and acknowledged it.
    Acknowledged,
}

/// What became of an entry that was to be removed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Removal {
    Missing,
    Removed,
    /// A group still has to read or to acknowledge it.
    Referenced,
}

impl Stream {
    pub fn len(&self) -> u64 {
        self.log.len()
    }

    pub fn is_empty(&self) -> bool {
        self.log.len() == 0
    }

    /// How many blocks the entries lie in.
    pub fn blocks_len(&self) -> usize {
        self.log.blocks_len()
    }

    /// The id of the first entry; zero where there is none.
    pub fn first_id(&self) -> StreamId {
        self.first().map_or(StreamId::MIN, |entry| entry.id)
    }

    pub fn first(&self) -> Option<StreamEntry<'_>> {
        self.range(StreamId::MIN, StreamId::MAX).next()
    }

    pub fn last(&self) -> Option<StreamEntry<'_>> {
        self.range_back(StreamId::MAX, StreamId::MIN).next()
    }

    /// Appends an entry; its id has to be above the last.
    pub fn push<'f>(
        &mut self,
        id: StreamId,
        fields: impl ExactSizeIterator<Item = (&'f [u8], &'f [u8])> + Clone,
        limits: &Limits,
    ) {
        assert!(id > self.last_id, "ids grow");
        self.log.push(id, fields, limits);
        self.last_id = id;
        self.entries_added += 1;
    }

    pub fn find(&self, id: StreamId) -> Option<StreamEntry<'_>> {
        self.log.find(id)
    }

    /// The entries from one id to another, both included.
    pub fn range(&self, from: StreamId, to: StreamId) -> impl Iterator<Item = StreamEntry<'_>> + Clone {
        self.log.range(from, to)
    }

    /// The entries down from one id to another, both included.
    pub fn range_back(&self, from: StreamId, to: StreamId) -> impl Iterator<Item = StreamEntry<'_>> + Clone {
        self.log.range_back(from, to)
    }

    /// Deletes an entry.
    pub fn delete(&mut self, id: StreamId, references: References) -> Removal {
        if references == References::Delete {
            self.forget_references(id);
        }
        if self.log.find(id).is_none() {
            return Removal::Missing;
        }
        if references == References::Acknowledged && is_referenced(&self.groups, id) {
            return Removal::Referenced;
        }
        self.log.delete(id);
        self.max_deleted_id = self.max_deleted_id.max(id);
        Removal::Removed
    }

    /// Removes old entries; returns how many.
    pub fn trim(&mut self, trim: Trim, references: References) -> u64 {
        let groups = &mut self.groups;
        match references {
            References::Keep => self.log.trim(trim, None),
            References::Acknowledged => self.log.trim(trim, Some(&mut |id| is_referenced(groups, id))),
            References::Delete => {
                let forget = &mut |id| {
                    acknowledge_everywhere(groups, id);
                    false
                };
                let removed = self.log.trim(trim, Some(forget));
                self.weigh_groups();
                removed
            }
        }
    }

    /// The groups in the order of their names.
    pub fn groups(&self) -> impl ExactSizeIterator<Item = (&Bytes, &Group)> {
        self.groups.iter().map(|(name, group)| (name, &**group))
    }

    pub fn group(&self, name: &[u8]) -> Option<&Group> {
        self.groups.get(name).map(|group| &**group)
    }

    /// Changes a group.
    pub fn edit_group<R>(&mut self, name: &[u8], change: impl FnOnce(&mut Group) -> R) -> Option<R> {
        let group = Arc::make_mut(self.groups.get_mut(name)?);
        let before = group.heap_bytes();
        let result = change(group);
        self.group_bytes = self.group_bytes + group.heap_bytes() - before;
        Some(result)
    }

    /// Adds a group of a name that none has; false where one has.
    pub fn add_group(&mut self, name: &[u8], group: Group) -> bool {
        if self.groups.contains_key(name) {
            return false;
        }
        self.group_bytes += group.heap_bytes() + size_of::<Group>() + name.len();
        self.groups.insert(Bytes::copy_from_slice(name), Arc::new(group));
        true
    }

    pub fn remove_group(&mut self, name: &[u8]) -> bool {
        let removed = self.groups.remove(name).is_some();
        self.weigh_groups();
        removed
    }

    /// A consumer of a group has been given the entry, the next that the group had not read. It is pending from
    /// now on, unless the consumer wants no record of it.
    pub fn deliver(&mut self, group: &[u8], entry: StreamId, record: Option<Pending>) {
        let read = self.group(group).map(|group| self.entries_read_after(group, entry));
        self.edit_group(group, |group| {
            if entry > group.last_id {
                group.entries_read = read.flatten();
                group.last_id = entry;
            }
            if let Some(pending) = record {
                group.assign(entry, pending);
            }
        });
    }

    /// How many entries the group has not been given; none where that cannot be known. Negative where it was told
    /// to have read more than there were.
    pub fn lag(&self, group: &Group) -> Option<i64> {
        if self.is_empty() {
            return Some(0);
        }
        let first = self.first_id();
        if group.last_id < first && self.max_deleted_id < first {
            // All that there is lies ahead of it, and nothing was taken out from in between.
            return Some(self.len() as i64);
        }
        let read = match group.entries_read {
            Some(read) if !self.may_lack_entries_after(group.last_id) => Some(read),
            _ => self.entries_up_to(group.last_id),
        };
        read.map(|read| (self.entries_added as i64).wrapping_sub(read as i64))
    }

    fn entries_read_after(&self, group: &Group, entry: StreamId) -> Option<u64> {
        match group.entries_read {
            Some(read) if group.last_id >= self.first_id() && !self.may_lack_entries_after(entry) => {
                Some(read + 1)
            }
            _ if self.entries_added > 0 => self.entries_up_to(entry),
            unknown => unknown,
        }
    }

    /// Whether an entry behind `id` may have been deleted on its own.
    fn may_lack_entries_after(&self, id: StreamId) -> bool {
        !self.is_empty()
            && self.max_deleted_id != StreamId::MIN
            && self.first_id() <= self.max_deleted_id
            && id <= self.max_deleted_id
    }

    /// How many entries were ever added up to `id`, where that follows from what is known.
    pub fn entries_up_to(&self, id: StreamId) -> Option<u64> {
        if self.entries_added == 0 {
            return Some(0);
        }
        if self.is_empty() && id <= self.last_id {
            return Some(self.entries_added);
        }
        if id != StreamId::MIN && id < self.max_deleted_id {
            return None;
        }
        if id >= self.last_id {
            return (id == self.last_id).then_some(self.entries_added);
        }
        let first = self.first_id();
        let is_whole = self.max_deleted_id == StreamId::MIN || self.max_deleted_id < first;
        if !is_whole || id > first {
            return None;
        }
        Some(self.entries_added - self.len() + u64::from(id == first))
    }

    pub(crate) fn encoding(&self) -> &'static str {
        "stream"
    }

    pub(crate) fn heap_bytes(&self) -> usize {
        size_of::<Stream>() + self.log.heap_bytes() + self.group_bytes
    }

    pub(crate) fn mix_into(&self, digest: &mut Digest) {
        let (mut field_digits, mut value_digits) = (itoa::Buffer::new(), itoa::Buffer::new());
        for entry in self.range(StreamId::MIN, StreamId::MAX) {
            mix(digest, format!("{}.{}", entry.id.ms, entry.id.seq).as_bytes());
            for (field, value) in entry.fields() {
                mix(digest, field.as_bytes(&mut field_digits));
                mix(digest, value.as_bytes(&mut value_digits));
            }
        }
    }

    /// Frees a part of a stream that nobody needs any more; false when what is left can be dropped.
    pub(crate) fn free_part(&mut self) -> bool {
        self.log.free_part() || self.groups.values_mut().any(|group| Arc::make_mut(group).free_part())
    }

    fn forget_references(&mut self, id: StreamId) {
        acknowledge_everywhere(&mut self.groups, id);
        self.weigh_groups();
    }

    fn weigh_groups(&mut self) {
        let weigh =
            |(name, group): (&Bytes, &Arc<Group>)| group.heap_bytes() + size_of::<Group>() + name.len();
        self.group_bytes = self.groups.iter().map(weigh).sum();
    }
}

impl Collection for Stream {
    fn of(value: &Value) -> Option<&Stream> {
        match value {
            Value::Stream(stream) => Some(stream),
            _ => None,
        }
    }

    fn of_mut(value: &mut Value) -> Option<&mut Stream> {
        match value {
            Value::Stream(stream) => Some(stream),
            _ => None,
        }
    }

    fn into_value(self) -> Value {
        Value::Stream(Box::new(self))
    }

    /// A stream without entries still knows its last id and its groups.
    fn is_empty(&self) -> bool {
        false
    }

    #[inline]
    fn heap_bytes(&self) -> usize {
        Stream::heap_bytes(self)
    }
}

/// Two streams are equal when a client could not tell them apart.
impl PartialEq for Stream {
    fn eq(&self, other: &Stream) -> bool {
        let owned = |entry: StreamEntry<'_>| {
            let fields = entry.fields().map(|(field, value)| (field.to_vec(), value.to_vec()));
            (entry.id, fields.collect::<Vec<_>>())
        };
        let entries =
            |stream: &Stream| -> Vec<_> { stream.range(StreamId::MIN, StreamId::MAX).map(owned).collect() };
        self.last_id == other.last_id
            && self.max_deleted_id == other.max_deleted_id
            && self.entries_added == other.entries_added
            && self.len() == other.len()
            && self.groups == other.groups
            && entries(self) == entries(other)
    }
}

/// Whether a group has still to read the entry, or somebody to acknowledge it.
fn is_referenced(groups: &BTreeMap<Bytes, Arc<Group>>, id: StreamId) -> bool {
    groups.values().any(|group| group.last_id < id || group.pending(id).is_some())
}

fn acknowledge_everywhere(groups: &mut BTreeMap<Bytes, Arc<Group>>, id: StreamId) {
    for group in groups.values_mut().filter(|group| group.pending(id).is_some()) {
        Arc::make_mut(group).acknowledge(id);
    }
}
