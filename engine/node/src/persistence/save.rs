//! One snapshot on its way to disk: a temporary file is written in slices, synced, renamed over the target,
//! and the directory synced. Each step waits for the one before, so a failed write never replaces the old
//! file, which is whole until the rename.

use bytes::Bytes;
use squall_clock::Mono;
use squall_commands::recency;
use squall_commands::{ClientId, Engine};
use squall_store::rdb::Aux;
use squall_store::{SnapshotOptions, SnapshotState};

use super::aof::Transcript;
use crate::effect::{DiskDone, DiskOp, Effects, FileId, Lane, OpenFor};
use crate::whole_file::directory_of;

/// Who asked for the save.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum SaveFor {
    /// BGSAVE, a save point.
    Background,
    /// SAVE: the session waits.
    Client(ClientId),
    /// SHUTDOWN: the node waits.
    Shutdown,
    /// The base of the append-only file.
    LogBase,
}

/// Where the snapshot goes, and in which form.
pub(crate) struct SaveTarget {
    pub path: String,
    /// Commands instead of RDB.
    pub as_commands: bool,
    /// Sync now and then, so that the last sync is short.
    pub sync_often: bool,
}

pub(crate) struct Save {
    pub purpose: SaveFor,
    pub started: Mono,
    file: FileId,
    temporary: String,
    target: String,
    transcript: Option<Transcript>,
    sync_often: bool,
    /// Written, and not covered by a sync yet.
    unsynced_bytes: usize,
    /// The sync that goes on beside the appends.
    syncing: Option<u64>,
    written_bytes: u64,
    stage: Stage,
    /// Tickets of requests under way, with the bytes that each one writes.
    in_flight: Vec<(u64, usize)>,
}

#[derive(Clone, PartialEq, Eq, Debug)]
enum Stage {
    Writing,
    /// The cursor has reached the end; the last appends are under way.
    Draining,
    Syncing,
    Renaming,
    SyncingDirectory,
    /// What is left of a failed save is being removed.
    Failed(String),
}

/// Encoded by one slice: a tenth or two of a millisecond of work, for which clients wait.
const SLICE_BYTES: usize = 16 * 1024;
/// Handed to the disk and not yet written; the cursor waits above it.
const UNWRITTEN_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Written between two of the syncs that are made now and then, unless the disk takes longer: a fifth of a millisecond
/// of work for the kernel, which may do it on the core that clients are served on.
const SYNC_BYTES: usize = 1024 * 1024;

impl Save {
    pub fn begin(
        engine: &mut Engine,
        effects: &mut Effects,
        aux: &Aux,
        purpose: SaveFor,
        target: SaveTarget,
    ) -> Result<Save, String> {
        let options = SnapshotOptions {
            compress: engine.config.rdbcompression,
            checksum: engine.config.rdbchecksum,
            recency: recency::told(&engine.config, engine.now),
        };
        engine
            .keyspace
            .begin_snapshot(options, aux)
            .map_err(|_| "A snapshot for a replica is in progress".to_string())?;
        let file = effects.next_file();
        let SaveTarget { path, as_commands, sync_often } = target;
        let temporary = match directory_of(&path) {
            "." => format!("temp-{}.rdb", file.0),
            directory => format!("{directory}/temp-{}.base", file.0),
        };
        let mut save = Save {
            purpose,
            started: engine.now.mono,
            file,
            temporary,
            target: path,
            transcript: as_commands.then(|| Transcript::beginning(engine.empty_keyspace(), aux)),
            sync_often,
            unsynced_bytes: 0,
            syncing: None,
            written_bytes: 0,
            stage: Stage::Writing,
            in_flight: Vec::new(),
        };
        let open = DiskOp::Open { file, path: save.temporary.clone(), mode: OpenFor::Replacing };
        save.request(effects, open, 0);
        Ok(save)
    }

    pub fn owns(&self, ticket: u64) -> bool {
        self.in_flight.iter().any(|(own, _)| *own == ticket)
    }

    pub fn wants_slice(&self) -> bool {
        self.stage == Stage::Writing && self.unwritten_bytes() < UNWRITTEN_BYTES_MAX
    }

    /// How long the file is, as far as it has been handed to the disk.
    pub fn written_bytes(&self) -> u64 {
        self.written_bytes
    }

    /// Encodes a little more of the dataset and hands it to the disk.
    pub fn write_slice(&mut self, engine: &mut Engine, effects: &mut Effects) {
        if !self.wants_slice() {
            return;
        }
        let (pieces, state) = engine.keyspace.take_snapshot_slice(SLICE_BYTES);
        for piece in pieces {
            let data = match &mut self.transcript {
                None => piece,
                Some(transcript) => transcript.take(&piece).expect("a snapshot is well-formed RDB"),
            };
            self.append(effects, data);
        }
        if state == SnapshotState::Done {
            self.stage = Stage::Draining;
            self.step(effects);
        }
    }

    /// One request is done. The save is over when this gives its result.
    pub fn advance(
        &mut self,
        engine: &mut Engine,
        effects: &mut Effects,
        done: DiskDone,
    ) -> Option<Result<(), String>> {
        if let Some(at) = self.in_flight.iter().position(|(ticket, _)| *ticket == done.ticket) {
            let (_, written) = self.in_flight.swap_remove(at);
            self.unsynced_bytes += written;
        }
        self.syncing.take_if(|ticket| *ticket == done.ticket);
        if let Err(error) = done.result
            && !matches!(self.stage, Stage::Failed(_))
        {
            if self.stage == Stage::Writing {
                drop(engine.keyspace.abort_snapshot());
            }
            self.stage = Stage::Failed(error.message);
            self.request(effects, DiskOp::Close { file: self.file }, 0);
            self.request(effects, DiskOp::Remove { path: self.temporary.clone() }, 0);
        }
        if self.stage == Stage::Writing {
            self.sync_now_and_then(effects);
        }
        if !self.in_flight.is_empty() {
            return None;
        }
        self.step(effects)
    }

    /// Forgets the save; what was written of it is removed.
    pub fn abort(self, engine: &mut Engine, effects: &mut Effects) {
        if self.stage == Stage::Writing {
            drop(engine.keyspace.abort_snapshot());
        }
        effects.disk(Lane::Snapshot, DiskOp::Close { file: self.file });
        effects.disk(Lane::Snapshot, DiskOp::Remove { path: self.temporary });
    }

    /// All requests so far are done: asks for the next one, or ends.
    fn step(&mut self, effects: &mut Effects) -> Option<Result<(), String>> {
        if !self.in_flight.is_empty() {
            return None;
        }
        let (stage, op) = match &self.stage {
            Stage::Writing => return None,
            Stage::Draining => (Stage::Syncing, DiskOp::Sync { file: self.file }),
            Stage::Syncing => {
                let (from, to) = (self.temporary.clone(), self.target.clone());
                (Stage::Renaming, DiskOp::Rename { from, to })
            }
            Stage::Renaming => {
                let path = directory_of(&self.target).to_owned();
                (Stage::SyncingDirectory, DiskOp::SyncDir { path })
            }
            Stage::SyncingDirectory => {
                effects.disk(Lane::Snapshot, DiskOp::Close { file: self.file });
                return Some(Ok(()));
            }
            Stage::Failed(reason) => return Some(Err(reason.clone())),
        };
        self.stage = stage;
        self.request(effects, op, 0);
        None
    }

    fn append(&mut self, effects: &mut Effects, data: Bytes) {
        let bytes = data.len();
        if bytes == 0 {
            return;
        }
        self.request(effects, DiskOp::Append { file: self.file, data }, bytes);
        self.written_bytes += bytes as u64;
    }

    /// Syncs what has been written, if that is much, beside the appends: if they waited for it, what writes make the
    /// snapshot capture meanwhile would pile up in memory.
    fn sync_now_and_then(&mut self, effects: &mut Effects) {
        if self.sync_often && self.unsynced_bytes >= SYNC_BYTES && self.syncing.is_none() {
            let ticket = effects.disk(Lane::SnapshotSync, DiskOp::Sync { file: self.file });
            self.in_flight.push((ticket, 0));
            self.syncing = Some(ticket);
            self.unsynced_bytes = 0;
        }
    }

    fn request(&mut self, effects: &mut Effects, op: DiskOp, bytes: usize) {
        let ticket = effects.disk(Lane::Snapshot, op);
        self.in_flight.push((ticket, bytes));
    }

    fn unwritten_bytes(&self) -> usize {
        self.in_flight.iter().map(|(_, bytes)| bytes).sum()
    }
}
