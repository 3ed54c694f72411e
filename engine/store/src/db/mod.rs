//! One database: keys to entries. Reading, writing and removing are here; `scan.rs` walks it, `expire.rs`
//! finds what has expired, `entry_mut.rs` changes one entry in place, `warm.rs` looks ahead.
//!
//! The database counts what it holds as it changes (keys, keys with an expiry, bytes), so that no
//! question about the whole ever walks it.

mod books;
mod entry_mut;
mod expire;
mod fields;
mod scan;
mod snapshot;
#[cfg(test)]
mod tests;
mod warm;

use books::Books;
pub use entry_mut::EntryMut;
pub use expire::Sweep;
pub use scan::Cursor;
pub use warm::Warming;

use crate::dict::Dict;
use crate::entry::{Content, Entry, Removed, Value, string_content, with_content};
use crate::place::{Place, Placement};
use crate::snapshot::Capture;
use squall_clock::UnixMs;

/// No room is made in advance for more keys than these: some dozen MB of segments.
const EXPECTED_KEYS_MAX: u64 = 8_000_000;
/// How full a segment may be on average when it is laid out in advance, lest many have to be split all the same.
const EXPECTED_SEGMENT_ENTRIES: u64 = 60;

/// One of the databases that SELECT chooses from.
pub struct Db {
    placement: Placement,
    /// By partition number; empty as long as the database has never held a key.
    partitions: Vec<Dict>,
    /// How many entries each partition holds; beside the partitions, so that summing them is quick.
    partition_lens: Vec<u32>,
    books: Books,
    /// What the access word of an entry becomes when a value is stored under its key.
    access_of_stored: u32,
    /// What is owed to a running snapshot.
    capture: Option<Box<Capture>>,
}

/// What storing a value found.
#[derive(Debug)]
pub enum Inserted {
    /// The key did not exist.
    Created,
    /// The key existed. If its old value was not a small string it is handed over, so that the caller may free it
    /// at leisure.
    Replaced(Option<Value>),
}

/// Where an entry is, until the next insertion or removal.
#[derive(Clone, Copy)]
struct At {
    partition: usize,
    segment: usize,
    index: usize,
}

impl Db {
    pub(crate) fn empty(placement: Placement) -> Db {
        Db {
            placement,
            partitions: Vec::new(),
            partition_lens: Vec::new(),
            books: Books::default(),
            access_of_stored: 0,
            capture: None,
        }
    }

    /// A database like this one before it held anything.
    pub(crate) fn emptied(&self) -> Db {
        Db { access_of_stored: self.access_of_stored, ..Db::empty(self.placement.clone()) }
    }

    /// Says what the access words of the entries that are stored from now on shall be.
    #[inline]
    pub fn set_access_of_stored(&mut self, access: u32) {
        self.access_of_stored = access;
    }

    pub fn lookup(&self, key: &[u8]) -> Option<&Entry> {
        let place = self.placement.place(key);
        let segment = self.partitions.get(place.partition)?.segment_of(place.hash)?;
        segment.find(place.tag(), key).map(|index| &segment.entries()[index])
    }

    pub fn contains(&self, key: &[u8]) -> bool {
        self.lookup(key).is_some()
    }

    /// The entry, to be changed in place.
    #[inline]
    pub fn lookup_mut(&mut self, key: &[u8]) -> Option<EntryMut<'_>> {
        let at = self.find(self.placement.place(key), key)?;
        Some(EntryMut::of(self, at))
    }

    /// Stores a value under a key, with this expiry time or none, whatever was there before.
    pub fn insert(&mut self, key: &[u8], value: Value, expire_at: Option<UnixMs>) -> Inserted {
        with_content(value, |content| self.store(key, content, expire_at))
    }

    /// Stores a string under a key. A string of about the same length as the old one takes its place
    /// without any allocation.
    pub fn set_string(&mut self, key: &[u8], bytes: &[u8], expire_at: Option<UnixMs>) -> Inserted {
        self.store(key, string_content(bytes), expire_at)
    }

    /// About so many keys are going to be stored. In an empty database the segments for them are laid out at once;
    /// the number need not be true, and however large it is, not much memory is taken on its strength.
    pub fn expect_keys(&mut self, keys: u64) {
        if !self.is_empty() || self.capture.is_some() {
            return;
        }
        let partitions = self.placement.partitioning().count();
        let segments = keys.min(EXPECTED_KEYS_MAX) / (EXPECTED_SEGMENT_ENTRIES * partitions as u64);
        if let Some(depth @ 1..) = segments.checked_next_power_of_two().map(u64::ilog2) {
            self.ensure_partitions();
            for dict in self.partitions.iter_mut().filter(|dict| dict.segments_len() == 0) {
                dict.lay_out(depth as u8);
            }
        }
    }

    pub fn remove(&mut self, key: &[u8]) -> Option<Removed> {
        let at = self.find(self.placement.place(key), key)?;
        Some(self.remove_at(at))
    }

    /// Sets or clears a key's expiry time. False if there is no such key.
    pub fn set_expire(&mut self, key: &[u8], expire_at: Option<UnixMs>) -> bool {
        match self.lookup_mut(key) {
            Some(mut entry) => {
                entry.set_expire(expire_at);
                true
            }
            None => false,
        }
    }

    pub fn len(&self) -> usize {
        self.books.totals.entries
    }

    pub fn is_empty(&self) -> bool {
        self.books.totals.entries == 0
    }

    /// How many keys have an expiry time.
    pub fn volatile_len(&self) -> usize {
        self.books.totals.volatile
    }

    /// How long the keys with an expiry time have left, on average; zero when there are none.
    pub fn average_ttl_ms(&self, now: UnixMs) -> u64 {
        match self.books.totals.volatile {
            0 => 0,
            count => ((self.books.totals.expiry_ms_sum / count as u128) as u64).saturating_sub(now.0),
        }
    }

    /// How many bytes the entries hold, without the tables that find them.
    pub fn memory_bytes(&self) -> usize {
        self.books.totals.bytes
    }

    /// How many bytes the tables take that find the entries, without what is reserved for more of them.
    pub fn table_bytes(&self) -> usize {
        let per_partition = size_of::<Dict>() + size_of::<u32>();
        let dicts: usize = self.partitions.iter().map(Dict::table_bytes).sum();
        self.partitions.len() * per_partition + dicts + self.books.totals.entries * size_of::<Entry>()
    }

    fn store(&mut self, key: &[u8], content: Content<'_>, expire_at: Option<UnixMs>) -> Inserted {
        let place = self.placement.place(key);
        match self.find(place, key) {
            Some(at) => Inserted::Replaced(self.store_at(at, content, expire_at)),
            None => {
                let entry = Entry::create(key, content, expire_at);
                entry.touch(self.access_of_stored);
                self.add(place, entry);
                Inserted::Created
            }
        }
    }

    /// Replaces the value and expiry time of an entry.
    #[inline]
    fn store_at(&mut self, at: At, content: Content<'_>, expire_at: Option<UnixMs>) -> Option<Value> {
        let access = self.access_of_stored;
        let mut entry = EntryMut::of(self, at);
        entry.touch(access);
        entry.set_expire(expire_at);
        entry.set_content(content)
    }

    #[inline]
    fn find(&self, place: Place, key: &[u8]) -> Option<At> {
        let dict = self.partitions.get(place.partition)?;
        let number = dict.segment_number(place.hash);
        let index = dict.segment_of(place.hash)?.find(place.tag(), key)?;
        Some(At { partition: place.partition, segment: number, index })
    }

    /// Adds an entry whose key is known to be absent.
    fn add(&mut self, place: Place, entry: Entry) {
        self.ensure_partitions();
        self.books.add(&entry);
        self.partition_lens[place.partition] += 1;
        self.partitions[place.partition].ensure_segment();
        self.before_push(place.partition, self.partitions[place.partition].segment_number(place.hash));
        let dict = &mut self.partitions[place.partition];
        let number = dict.make_room(place.hash, |key| self.placement.place(key).hash_and_tag());
        if let Some(at) = entry.expire_at() {
            dict.earliest_expiry = dict.earliest_expiry.min(at);
        }
        dict.segment_mut(number).push(place.tag(), entry);
    }

    fn ensure_partitions(&mut self) {
        if self.partitions.is_empty() {
            let count = self.placement.partitioning().count();
            self.partitions.resize_with(count, Dict::empty);
            self.partition_lens = vec![0; count];
        }
    }

    fn remove_at(&mut self, at: At) -> Removed {
        at.before_change(self);
        let segment = self.partitions[at.partition].segment_mut(at.segment);
        let entry = segment.swap_remove(at.index, |key| self.placement.place(key).tag());
        self.books.remove(&entry);
        self.partition_lens[at.partition] -= 1;
        let mut number = at.segment;
        while let Some(neighbour) = self.partitions[at.partition].merge_candidate(number) {
            self.before_merge(at.partition, number);
            self.before_merge(at.partition, neighbour);
            number = self.partitions[at.partition].merge(number, neighbour);
        }
        self.partitions[at.partition].release_if_empty();
        Removed(entry)
    }
}
