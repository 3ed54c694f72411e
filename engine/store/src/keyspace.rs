//! The numbered databases as one: swapping and flushing them.

use crate::db::Db;
use crate::place::{Partitioning, Placement};

/// All databases of a server.
pub struct Keyspace {
    placement: Placement,
    dbs: Vec<Db>,
}

impl Keyspace {
    /// `seed` decides where keys lie; two keyspaces of one seed that see the same calls are alike.
    pub fn new(databases: usize, seed: u64, partitioning: Partitioning) -> Keyspace {
        let placement = Placement::seeded(partitioning, seed);
        let dbs = (0..databases).map(|_| Db::empty(placement.clone())).collect();
        Keyspace { placement, dbs }
    }

    /// How many databases there are.
    pub fn databases(&self) -> usize {
        self.dbs.len()
    }

    pub fn db(&self, number: usize) -> &Db {
        &self.dbs[number]
    }

    pub fn db_mut(&mut self, number: usize) -> &mut Db {
        &mut self.dbs[number]
    }

    /// How many keys all databases hold.
    pub fn len(&self) -> usize {
        self.dbs.iter().map(Db::len).sum()
    }

    pub fn is_empty(&self) -> bool {
        self.dbs.iter().all(Db::is_empty)
    }

    /// How many bytes the entries of all databases hold.
    pub fn memory_bytes(&self) -> usize {
        self.dbs.iter().map(Db::memory_bytes).sum()
    }

    /// Exchanges two databases.
    pub fn swap(&mut self, one: usize, other: usize) {
        self.dbs.swap(one, other);
    }

    /// Empties a database. What it held is given back, to be freed at leisure or by dropping it.
    pub fn flush(&mut self, number: usize) -> Discarded {
        let old = std::mem::replace(&mut self.dbs[number], Db::empty(self.placement.clone()));
        Discarded::of([old])
    }

    /// Empties all databases.
    pub fn flush_all(&mut self) -> Discarded {
        let empty = (0..self.dbs.len()).map(|_| Db::empty(self.placement.clone())).collect();
        Discarded::of(std::mem::replace(&mut self.dbs, empty))
    }
}

/// The content of flushed databases, waiting to be freed.
#[must_use = "dropping it frees everything at once"]
pub struct Discarded {
    segments: Vec<crate::dict::Segment>,
    entries: usize,
}

impl Discarded {
    fn of(dbs: impl IntoIterator<Item = Db>) -> Discarded {
        let (mut segments, mut entries) = (Vec::new(), 0);
        for db in dbs {
            entries += db.len();
            segments.extend(db.into_segments());
        }
        Discarded { segments, entries }
    }

    /// How many entries were flushed and are not freed yet.
    pub fn len(&self) -> usize {
        self.entries
    }

    pub fn is_empty(&self) -> bool {
        self.segments.is_empty()
    }

    /// Frees about `budget` entries; true when nothing is left.
    pub fn free_step(&mut self, mut budget: usize) -> bool {
        while budget > 0 {
            let Some(segment) = self.segments.pop() else { return true };
            self.entries -= segment.len();
            budget = budget.saturating_sub(segment.len() + 1);
        }
        self.segments.is_empty()
    }
}
