//! Waiting for memory once instead of many times. In a large database a look-up mostly waits: for the
//! directory, for the segment, for the entry's pointer, for the entry. [`Warming`] is told the keys of
//! requests that came together, and reads what their look-ups will read, step by step for all of them:
//! loads that do not depend on each other are under way at the same time, and the look-ups themselves then
//! find everything in the processor's caches. It changes nothing and decides nothing.

use std::hint::black_box;

use super::Db;
use crate::dict::Segment;
use crate::entry::{Entry, StringRef};
use crate::place::Place;

/// About as many loads as a core keeps under way.
const WARMED_KEYS_MAX: usize = 16;

/// A database smaller than this stays in the caches by itself.
const DB_KEYS_MIN: usize = 10_000;

/// Keys that will be looked up soon.
pub struct Warming<'a> {
    db: &'a Db,
    places: [Place; WARMED_KEYS_MAX],
    count: usize,
}

impl Db {
    /// None where it would be no use.
    #[inline]
    pub fn warming(&self) -> Option<Warming<'_>> {
        if self.len() < DB_KEYS_MIN {
            return None;
        }
        let nowhere = Place { partition: 0, hash: 0 };
        Some(Warming { db: self, places: [nowhere; WARMED_KEYS_MAX], count: 0 })
    }
}

impl Warming<'_> {
    pub fn add(&mut self, key: &[u8]) {
        if let Some(place) = self.places.get_mut(self.count) {
            *place = self.db.placement.place(key);
            self.count += 1;
        }
    }

    pub fn is_full(&self) -> bool {
        self.count == WARMED_KEYS_MAX
    }

    /// Each loop is a step that all keys take before any takes the next.
    pub fn finish(self) {
        let places = &self.places[..self.count];
        let mut segments: [Option<&Segment>; WARMED_KEYS_MAX] = [None; WARMED_KEYS_MAX];
        for (segment, place) in segments.iter_mut().zip(places) {
            *segment = self.db.partitions.get(place.partition).and_then(|dict| dict.segment_of(place.hash));
        }
        let mut seen = 0;
        for segment in segments.iter().flatten() {
            seen ^= segment.glance();
        }
        let mut entries: [Option<&Entry>; WARMED_KEYS_MAX] = [None; WARMED_KEYS_MAX];
        for ((entry, segment), place) in entries.iter_mut().zip(segments).zip(places) {
            *entry = segment.and_then(|segment| segment.likely(place.tag()));
        }
        for entry in entries.iter().flatten() {
            seen ^= entry.key().len() as u64;
        }
        for entry in entries.iter().flatten() {
            if let Some(StringRef::Bytes(bytes)) = entry.string() {
                seen ^= u64::from(bytes.last().copied().unwrap_or(0));
            }
        }
        black_box(seen);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Keyspace, Partitioning, Value};

    /// Present, absent and empty keys, and values of every form.
    #[test]
    fn a_look_ahead_changes_nothing() {
        let mut keyspace = Keyspace::new(1, 7, Partitioning::ByHash);
        assert!(keyspace.db(0).warming().is_none(), "an empty database needs none");
        for number in 0..DB_KEYS_MIN {
            let value = match number % 3 {
                0 => Value::string(number.to_string().as_bytes()),
                1 => Value::string(b"text"),
                _ => Value::string(&[b'x'; 20_000]),
            };
            keyspace.db_mut(0).insert(format!("key:{number}").as_bytes(), value, None);
        }
        let before = keyspace.digest();
        for start in (0..DB_KEYS_MIN).step_by(100) {
            let mut warming = keyspace.db(0).warming().expect("it is large");
            warming.add(b"");
            for number in start..start + 2 * WARMED_KEYS_MAX {
                warming.add(format!("key:{}", number * 2).as_bytes());
            }
            assert!(warming.is_full());
            warming.finish();
        }
        assert!(keyspace.digest() == before);
    }
}
