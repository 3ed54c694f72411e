//! The dataset on its way to replicas, produced in slices as fast as the slowest of those who share it
//! takes them, so that no more than a window of it is ever in memory.
//!
//! It comes straight from the keyspace's snapshot cursor; for replicas that have to be told its length, or
//! with `repl-diskless-sync no`, it goes through a file first (`spool`). The cursor is one: while a save to
//! disk uses it, replicas wait, and their connections are kept alive.

use rand_core::Rng;
use squall_commands::recency;
use squall_commands::{ClientId, Engine};
use squall_replication::{Form, ReplId, ReplicaKey, TransferMark, Wanted};
use squall_store::{Keyspace, SnapshotOptions, SnapshotState};

use super::Replication;
use super::spool::{Spool, Spooled};
use crate::effect::{DiskDone, Effects};

/// Encoded by one slice: about a millisecond of work.
pub(super) const SLICE_BYTES: usize = 64 * 1024;
/// What may wait in each replica's output; the cursor waits above it.
const WINDOW_BYTES: usize = 1024 * 1024;

pub(super) struct FullSync {
    source: Source,
}

enum Source {
    /// The keyspace's snapshot, sent as it is made.
    Cursor,
    /// A dataset without keys, for who asked for functions only.
    Aside(Box<Keyspace>),
    /// The keyspace's snapshot, through a file.
    Spool(Spool),
}

impl FullSync {
    pub fn owns(&self, ticket: u64) -> bool {
        matches!(&self.source, Source::Spool(spool) if spool.owns(ticket))
    }
}

impl Replication {
    /// True while there is something to be done now.
    pub(super) fn wants_full_sync_slice(&self, engine: &Engine) -> bool {
        match &self.full_sync {
            None => self.may_begin_full_sync(engine).is_some(),
            Some(_) if !self.primary.is_transferring() => true,
            Some(FullSync { source: Source::Spool(spool) }) => spool.wants_slice(self.window_is_open(engine)),
            Some(_) => self.window_is_open(engine),
        }
    }

    /// Begins what is wanted, goes on with what is under way, gives up what nobody waits for any more.
    pub(super) fn advance_full_sync(&mut self, engine: &mut Engine, effects: &mut Effects) {
        if self.full_sync.is_some() && !self.primary.is_transferring() {
            self.give_up_full_sync(engine, effects);
        }
        if self.full_sync.is_none()
            && let Some(wanted) = self.may_begin_full_sync(engine)
        {
            self.begin_full_sync(engine, effects, wanted);
        }
        let window_is_open = self.window_is_open(engine);
        match &mut self.full_sync {
            None => {}
            Some(FullSync { source: Source::Spool(spool) }) if spool.wants_slice(window_is_open) => {
                spool.advance(engine, effects);
            }
            Some(FullSync { source: Source::Spool(_) }) => {}
            Some(FullSync { source }) if window_is_open => {
                let keyspace = match source {
                    Source::Aside(keyspace) => &mut **keyspace,
                    _ => &mut engine.keyspace,
                };
                let (pieces, state) = keyspace.take_snapshot_slice(SLICE_BYTES);
                pieces.into_iter().for_each(|piece| self.primary.transfer_bytes(piece));
                if state == SnapshotState::Done {
                    self.primary.transfer_complete(engine.now.mono);
                    self.full_sync = None;
                }
            }
            Some(_) => {}
        }
        self.serve(engine, effects);
    }

    pub(super) fn full_sync_disk_done(
        &mut self,
        engine: &mut Engine,
        effects: &mut Effects,
        done: &DiskDone,
    ) {
        if !self.primary.is_transferring() {
            // Everybody who waited for the file is gone.
            return self.give_up_full_sync(engine, effects);
        }
        let Some(FullSync { source: Source::Spool(spool) }) = &mut self.full_sync else { return };
        match spool.disk_done(effects, done) {
            Spooled::Nothing => {}
            Spooled::Complete { length_bytes } => self.primary.transfer_length(length_bytes),
            Spooled::Bytes { bytes, is_last } => {
                self.primary.transfer_bytes(bytes);
                if is_last {
                    self.primary.transfer_complete(engine.now.mono);
                    self.full_sync = None;
                }
            }
            Spooled::Failed(reason) => {
                self.primary.transfer_failed(&format!("the dataset could not be written: {reason}"));
                self.give_up_full_sync(engine, effects);
            }
        }
    }

    /// Ends a full synchronisation under way: the snapshot cursor is needed, or the dataset is replaced.
    pub fn abort_transfers(&mut self, engine: &mut Engine, effects: &mut Effects) {
        if self.full_sync.is_some() {
            self.primary.transfer_failed("the full synchronisation was given up");
            self.give_up_full_sync(engine, effects);
            self.serve(engine, effects);
        }
    }

    fn may_begin_full_sync(&self, engine: &Engine) -> Option<Wanted> {
        let wanted = self.primary.snapshot_wanted(engine.now.mono)?;
        let cursor_is_free = wanted.without_keys || !engine.keyspace.snapshot_running();
        let may_serve = self.following.as_ref().is_none_or(|following| following.is_streaming());
        let may_begin = cursor_is_free && may_serve && !engine.loading && !engine.scripts.is_parked();
        may_begin.then_some(wanted)
    }

    fn begin_full_sync(&mut self, engine: &mut Engine, effects: &mut Effects, wanted: Wanted) {
        // The position that is announced is that of the dataset: nothing may lie between the two.
        assert!(engine.propagation.is_empty(), "what was done is in the history");
        let aux = self.snapshot_aux(engine);
        let options = SnapshotOptions {
            compress: engine.config.rdbcompression,
            checksum: engine.config.rdbchecksum,
            recency: recency::told(&engine.config, engine.now),
        };
        let source = match wanted {
            Wanted { without_keys: true, .. } => {
                let mut keyspace = engine.empty_keyspace();
                keyspace.begin_snapshot(options, &aux).expect("it is a new keyspace");
                Source::Aside(Box::new(keyspace))
            }
            Wanted { form, .. } => {
                engine.keyspace.begin_snapshot(options, &aux).expect("the cursor is free");
                match form {
                    Form::Marked => Source::Cursor,
                    Form::Length => Source::Spool(Spool::begin(effects)),
                }
            }
        };
        let dataset_bytes = engine.keyspace.memory_bytes() as u64;
        self.primary.transfer_begun(wanted, dataset_bytes, engine.now.mono);
        if wanted.form == Form::Marked {
            let mut mark = [0; 20];
            engine.rng.fill_bytes(&mut mark);
            self.primary.transfer_marked(TransferMark(ReplId::from_random(mark)));
        }
        // Replicas that start with this dataset have selected no database yet.
        engine.propagation.forget_database();
        self.full_sync = Some(FullSync { source });
    }

    fn give_up_full_sync(&mut self, engine: &mut Engine, effects: &mut Effects) {
        match self.full_sync.take().map(|sync| sync.source) {
            Some(Source::Cursor) => abort_snapshot(engine),
            Some(Source::Spool(spool)) => {
                if spool.uses_cursor() {
                    abort_snapshot(engine);
                }
                spool.give_up(effects);
            }
            Some(Source::Aside(_)) | None => {}
        }
    }

    /// Whether everybody who shares the dataset has room for more of it.
    fn window_is_open(&self, engine: &Engine) -> bool {
        let has_room = |key: ReplicaKey| {
            engine.clients.get(ClientId(key.0)).is_some_and(|client| client.output.len() < WINDOW_BYTES)
        };
        self.primary.transferring().all(has_room)
    }
}

fn abort_snapshot(engine: &mut Engine) {
    let kept = engine.keyspace.abort_snapshot();
    engine.free_later(kept);
}
