//! The numbered databases as one: swapping and flushing them, and snapshots of all.

use crate::db::Db;
use crate::discarded::Discarded;
use crate::limits::Limits;
use crate::place::{Partitioning, Placement};
use crate::rdb::Aux;
use crate::snapshot::{Snapshot, SnapshotOptions, SnapshotRunning, SnapshotState};
use bytes::Bytes;

/// All databases of a server.
pub struct Keyspace {
    dbs: Vec<Db>,
    limits: Limits,
    snapshot: Option<Snapshot>,
    /// How many snapshots have begun.
    snapshot_epoch: u32,
}

impl Keyspace {
    /// `seed` decides where keys lie; two keyspaces of one seed that see the same calls are alike.
    pub fn new(databases: usize, seed: u64, partitioning: Partitioning) -> Keyspace {
        let placement = Placement::seeded(partitioning, seed);
        let dbs = (0..databases).map(|_| Db::empty(placement.clone())).collect();
        Keyspace { dbs, limits: Limits::seeded(seed), snapshot: None, snapshot_epoch: 0 }
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

    /// From what size on collections change their encoding.
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    pub fn limits_mut(&mut self) -> &mut Limits {
        &mut self.limits
    }

    /// A database to be changed, and what its collections are held to.
    pub fn db_and_limits(&mut self, number: usize) -> (&mut Db, &Limits) {
        (&mut self.dbs[number], &self.limits)
    }

    /// Says what the access words of the entries that are stored from now on shall be, in all databases.
    pub fn set_access_of_stored(&mut self, access: u32) {
        self.dbs.iter_mut().for_each(|db| db.set_access_of_stored(access));
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

    /// Empties a database. What it held is given back, to be freed at leisure or by dropping it; unless a running
    /// snapshot still has to write it and frees it then.
    pub fn flush(&mut self, number: usize) -> Discarded {
        let mut discarded = Discarded::default();
        self.flush_into(number, &mut discarded);
        discarded
    }

    /// Empties all databases, as [`Keyspace::flush`] does one.
    pub fn flush_all(&mut self) -> Discarded {
        let mut discarded = Discarded::default();
        for number in 0..self.dbs.len() {
            self.flush_into(number, &mut discarded);
        }
        discarded
    }

    /// Begins a snapshot of the content as it is now.
    pub fn begin_snapshot(&mut self, options: SnapshotOptions, aux: &Aux) -> Result<(), SnapshotRunning> {
        if self.snapshot.is_some() {
            return Err(SnapshotRunning);
        }
        self.snapshot_epoch = self.snapshot_epoch.wrapping_add(1);
        self.snapshot = Some(Snapshot::begin(options, &self.dbs, aux));
        for (number, db) in self.dbs.iter_mut().enumerate() {
            db.begin_capture(number, self.snapshot_epoch, options);
        }
        Ok(())
    }

    /// Goes on with the snapshot by about `budget_bytes` of output.
    pub fn snapshot_step(&mut self, budget_bytes: usize) -> SnapshotState {
        match &mut self.snapshot {
            Some(snapshot) => snapshot.step(&mut self.dbs, budget_bytes),
            None => SnapshotState::Done,
        }
    }

    /// The next piece of the snapshot's bytes. Empty when there is none yet; after [`SnapshotState::Done`] the
    /// first empty piece ends the snapshot, and another can begin.
    pub fn take_snapshot_bytes(&mut self) -> Bytes {
        let Some(snapshot) = &mut self.snapshot else { return Bytes::new() };
        let bytes = snapshot.take();
        if bytes.is_empty() && snapshot.is_done() {
            self.snapshot = None;
        }
        bytes
    }

    /// Goes on with the snapshot by about `budget_bytes`, and takes the pieces of it that are full then; with
    /// [`SnapshotState::Done`] all that is left, and the snapshot has ended.
    pub fn take_snapshot_slice(&mut self, budget_bytes: usize) -> (Vec<Bytes>, SnapshotState) {
        let state = self.snapshot_step(budget_bytes);
        let next = || match state {
            SnapshotState::Running => self.snapshot.as_mut().and_then(Snapshot::take_full),
            SnapshotState::Done => Some(self.take_snapshot_bytes()).filter(|piece| !piece.is_empty()),
        };
        (std::iter::from_fn(next).collect(), state)
    }

    /// Whether a snapshot has begun and its last byte has not been taken.
    pub fn snapshot_running(&self) -> bool {
        self.snapshot.is_some()
    }

    /// Gives up a running snapshot. What it kept of flushed databases is given back to be freed.
    pub fn abort_snapshot(&mut self) -> Discarded {
        for db in &mut self.dbs {
            db.take_capture();
        }
        let mut discarded = Discarded::default();
        if let Some(snapshot) = self.snapshot.take() {
            snapshot.into_flushed().for_each(|flushed| discarded.append(flushed));
        }
        discarded
    }

    fn flush_into(&mut self, number: usize, discarded: &mut Discarded) {
        let empty = self.dbs[number].emptied();
        let (capture, content) = std::mem::replace(&mut self.dbs[number], empty).into_parts();
        match (capture, &mut self.snapshot) {
            (Some(capture), Some(snapshot)) => snapshot.keep_flushed(*capture, content),
            (Some(_), None) => unreachable!("only a running snapshot captures"),
            (None, _) => discarded.append(content),
        }
    }
}
