//! A dataset that goes through a file on its way to replicas, because its length has to be said first.
//!
//! ```text
//!   snapshot --append--> temp-repl-N.rdb --read--> replicas, then the file is removed
//! ```
//! The file is nobody's data: it is not synced, and what a crash leaves of it is never read.

use bytes::Bytes;
use squall_commands::Engine;
use squall_store::SnapshotState;

use super::full_sync::SLICE_BYTES;
use crate::effect::{DiskDone, DiskOp, DiskResult, Effects, FileId, Lane, OpenFor};

/// Read from the file at once.
const CHUNK_BYTES: usize = 256 * 1024;
/// Handed to the disk and not yet written; the cursor waits above it.
const UNWRITTEN_BYTES_MAX: usize = 4 * 1024 * 1024;

pub(super) struct Spool {
    file: FileId,
    path: String,
    stage: Stage,
    length_bytes: u64,
    /// Tickets of requests under way, with the bytes that each one writes.
    in_flight: Vec<(u64, usize)>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Stage {
    Writing,
    /// The cursor has reached the end; the last appends are under way.
    Draining,
    Reopening,
    Reading {
        offset: u64,
    },
}

/// What a finished request means.
pub(super) enum Spooled {
    Nothing,
    /// All of the dataset is in the file.
    Complete {
        length_bytes: u64,
    },
    Bytes {
        bytes: Bytes,
        is_last: bool,
    },
    Failed(String),
}

impl Spool {
    pub fn begin(effects: &mut Effects) -> Spool {
        let file = effects.next_file();
        let path = format!("temp-repl-{}.rdb", file.0);
        let mut spool = Spool { file, path, stage: Stage::Writing, length_bytes: 0, in_flight: Vec::new() };
        let open = DiskOp::Open { file, path: spool.path.clone(), mode: OpenFor::Replacing };
        spool.request(effects, open, 0);
        spool
    }

    pub fn owns(&self, ticket: u64) -> bool {
        self.in_flight.iter().any(|(own, _)| *own == ticket)
    }

    /// True while it takes bytes from the keyspace's snapshot.
    pub fn uses_cursor(&self) -> bool {
        self.stage == Stage::Writing
    }

    pub fn wants_slice(&self, window_is_open: bool) -> bool {
        match self.stage {
            Stage::Writing => {
                self.in_flight.iter().map(|(_, bytes)| bytes).sum::<usize>() < UNWRITTEN_BYTES_MAX
            }
            Stage::Reading { .. } => window_is_open && self.in_flight.is_empty(),
            Stage::Draining | Stage::Reopening => false,
        }
    }

    /// Writes or reads a little more.
    pub fn advance(&mut self, engine: &mut Engine, effects: &mut Effects) {
        match self.stage {
            Stage::Writing => {
                let (pieces, state) = engine.keyspace.take_snapshot_slice(SLICE_BYTES);
                for data in pieces {
                    let bytes = data.len();
                    self.length_bytes += bytes as u64;
                    self.request(effects, DiskOp::Append { file: self.file, data }, bytes);
                }
                if state == SnapshotState::Done {
                    self.stage = Stage::Draining;
                }
            }
            Stage::Reading { offset } => {
                self.request(effects, DiskOp::Read { file: self.file, offset, len: CHUNK_BYTES }, 0);
            }
            Stage::Draining | Stage::Reopening => {}
        }
    }

    pub fn disk_done(&mut self, effects: &mut Effects, done: &DiskDone) -> Spooled {
        self.in_flight.retain(|(ticket, _)| *ticket != done.ticket);
        let result = match &done.result {
            Ok(result) => result,
            Err(error) => return Spooled::Failed(error.message.clone()),
        };
        match self.stage {
            Stage::Draining if self.in_flight.is_empty() => {
                effects.disk(Lane::Snapshot, DiskOp::Close { file: self.file });
                self.file = effects.next_file();
                self.stage = Stage::Reopening;
                let open = DiskOp::Open { file: self.file, path: self.path.clone(), mode: OpenFor::Reading };
                self.request(effects, open, 0);
                Spooled::Nothing
            }
            Stage::Writing | Stage::Draining => Spooled::Nothing,
            Stage::Reopening => {
                self.stage = Stage::Reading { offset: 0 };
                Spooled::Complete { length_bytes: self.length_bytes }
            }
            Stage::Reading { offset } => match result {
                DiskResult::Bytes(bytes) => self.take_chunk(effects, offset, bytes.clone()),
                other => unreachable!("the disk answered {other:?} to a read"),
            },
        }
    }

    /// Closes and removes the file.
    pub fn give_up(self, effects: &mut Effects) {
        effects.disk(Lane::Snapshot, DiskOp::Close { file: self.file });
        effects.disk(Lane::Snapshot, DiskOp::Remove { path: self.path });
    }

    fn take_chunk(&mut self, effects: &mut Effects, offset: u64, bytes: Bytes) -> Spooled {
        let end = offset + bytes.len() as u64;
        if bytes.is_empty() || end > self.length_bytes {
            return Spooled::Failed(format!("the file is not {} bytes long any more", self.length_bytes));
        }
        self.stage = Stage::Reading { offset: end };
        let is_last = end == self.length_bytes;
        if is_last {
            effects.disk(Lane::Snapshot, DiskOp::Close { file: self.file });
            effects.disk(Lane::Snapshot, DiskOp::Remove { path: self.path.clone() });
        }
        Spooled::Bytes { bytes, is_last }
    }

    fn request(&mut self, effects: &mut Effects, op: DiskOp, bytes: usize) {
        let ticket = effects.disk(Lane::Snapshot, op);
        self.in_flight.push((ticket, bytes));
    }
}
