//! Waiting for memory once instead of many times. In a large database a look-up mostly waits: for the
//! directory, for the segment, for the entry's pointer, for the entry. [`Warming`] is told the keys of
//! requests that came together, and the members of large collections that they ask for, and reads what their
//! look-ups will read, step by step for all of them: loads that do not depend on each other are under way at the
//! same time, and the look-ups themselves then find everything in the processor's caches. It changes nothing and
//! decides nothing.

use std::hint::black_box;

use super::Db;
use crate::dict::Segment;
use crate::entry::{Entry, StringRef};
use crate::place::Place;
use crate::table::Spot;

/// About as many loads as a core keeps under way.
const WARMED_KEYS_MAX: usize = 16;

/// A database smaller than this stays in the caches by itself.
const DB_BYTES_MIN: usize = 1024 * 1024;

/// Keys that will be looked up soon.
pub struct Warming<'a> {
    db: &'a Db,
    places: [Place; WARMED_KEYS_MAX],
    /// What is asked for of the collection under each key.
    members: [Option<&'a [u8]>; WARMED_KEYS_MAX],
    count: usize,
}

impl Db {
    /// None where it would be no use.
    #[inline]
    pub fn warming<'a>(&'a self) -> Option<Warming<'a>> {
        if self.memory_bytes() < DB_BYTES_MIN {
            return None;
        }
        let nowhere = Place { partition: 0, hash: 0 };
        Some(Warming {
            db: self,
            places: [nowhere; WARMED_KEYS_MAX],
            members: [None; WARMED_KEYS_MAX],
            count: 0,
        })
    }
}

impl<'a> Warming<'a> {
    pub fn add(&mut self, key: &[u8], member: Option<&'a [u8]>) {
        if !self.is_full() {
            self.places[self.count] = self.db.placement.place(key);
            self.members[self.count] = member;
            self.count += 1;
        }
    }

    pub fn is_full(&self) -> bool {
        self.count == WARMED_KEYS_MAX
    }

    /// Each loop is a step that all keys take before any takes the next. False where there was one place to look at
    /// and no more: that was in vain.
    pub fn finish(self) -> bool {
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
        let (members, seen_of_members) = glance_at_members(&entries, &self.members);
        black_box(seen ^ seen_of_members);
        members > 1 || places.iter().any(|place| place.hash != places[0].hash)
    }
}

/// The same for the members of collections whose entries have been read; tells of how many.
fn glance_at_members(entries: &[Option<&Entry>], members: &[Option<&[u8]>]) -> (usize, u64) {
    let mut spots: [Option<Spot<'_>>; WARMED_KEYS_MAX] = [None; WARMED_KEYS_MAX];
    for ((spot, entry), member) in spots.iter_mut().zip(entries).zip(members) {
        *spot = entry.and_then(Entry::table).zip(*member).and_then(|(table, member)| table.spot(member));
    }
    let spots = || spots.iter().flatten();
    let seen = spots().fold(0, |seen, spot| seen ^ spot.glance());
    let seen = spots().fold(seen, |seen, spot| seen ^ spot.glance_at_heads());
    (spots().count(), spots().fold(seen, |seen, spot| seen ^ spot.glance_at_record()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Keyspace, Limits, Partitioning, Set, Value};

    /// Present, absent and empty keys, values of every form; members that are there, or not, or kept apart.
    #[test]
    fn a_look_ahead_changes_nothing() {
        let mut keyspace = Keyspace::new(1, 7, Partitioning::ByHash);
        assert!(keyspace.db(0).warming().is_none(), "an empty database needs none");
        let limits = Limits::seeded(7);
        let member = |number: usize| match number % 100 {
            0 => format!("{number:0>600}"),
            _ => format!("member:{number}"),
        };
        let members: Vec<String> = (0..20_000).map(|number| member(2 * number)).collect();
        let mut set = Set::for_members(members.len(), members[0].as_bytes(), &limits);
        members.iter().for_each(|member| assert!(set.add(member.as_bytes(), &limits)));
        keyspace.db_mut(0).insert(b"set", Value::Set(set), None);
        for number in 0..1_000 {
            let value = match number % 3 {
                0 => Value::string(number.to_string().as_bytes()),
                1 => Value::string(b"text"),
                _ => Value::string(&[b'x'; 20_000]),
            };
            keyspace.db_mut(0).insert(format!("key:{number}").as_bytes(), value, None);
        }
        let before = keyspace.digest();
        for start in (0..1_000).step_by(100) {
            let asked: Vec<String> = (start..start + 2 * WARMED_KEYS_MAX).map(member).collect();
            let mut warming = keyspace.db(0).warming().expect("it is large");
            warming.add(b"", Some(b""));
            for (number, member) in asked.iter().enumerate() {
                match number % 2 {
                    0 => warming.add(format!("key:{}", start + number).as_bytes(), Some(member.as_bytes())),
                    _ => warming.add(b"set", Some(member.as_bytes())),
                }
            }
            assert!(warming.is_full());
            assert!(warming.finish());
        }
        assert!(keyspace.digest() == before);
        let is_of_use = |key: &[u8]| {
            let mut warming = keyspace.db(0).warming().expect("it is large");
            [b"a", b"b"].iter().for_each(|member| warming.add(key, Some(*member)));
            warming.finish()
        };
        assert!(!is_of_use(b"key:1"), "one key, which has no members");
        assert!(is_of_use(b"set"));
    }
}
