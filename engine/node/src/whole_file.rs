//! Small files as a whole: read from front to end, or replaced. A replacement is written beside the old
//! file, synced, renamed over it, and the directory is synced: until the rename the old file is whole, and
//! after the last step the new one is durable.

use bytes::{Bytes, BytesMut};

use crate::effect::{DiskDone, DiskError, DiskOp, DiskResult, Effects, FileId, Lane, OpenFor};

/// What is done with a small file that is read as well as replaced.
pub(crate) enum FileWork {
    Reading(Reading),
    Replacing(Replacement),
}

impl FileWork {
    pub fn owns(&self, ticket: u64) -> bool {
        match self {
            FileWork::Reading(reading) => reading.owns(ticket),
            FileWork::Replacing(replacement) => replacement.owns(ticket),
        }
    }
}

/// Read at once.
const CHUNK_BYTES: usize = 64 * 1024;

/// A file being read.
pub(crate) struct Reading {
    lane: Lane,
    file: FileId,
    ticket: u64,
    opened: bool,
    text: BytesMut,
}

impl Reading {
    pub fn begin(effects: &mut Effects, lane: Lane, path: &str) -> Reading {
        let file = effects.next_file();
        let open = DiskOp::Open { file, path: path.to_owned(), mode: OpenFor::Reading };
        let ticket = effects.disk(lane, open);
        Reading { lane, file, ticket, opened: false, text: BytesMut::new() }
    }

    pub fn owns(&self, ticket: u64) -> bool {
        self.ticket == ticket
    }

    /// A request is done: asks for the next, or gives the content.
    pub fn advance(&mut self, effects: &mut Effects, done: DiskDone) -> Option<Result<BytesMut, DiskError>> {
        match done.result {
            Ok(DiskResult::Bytes(data)) if data.is_empty() => {
                effects.disk(self.lane, DiskOp::Close { file: self.file });
                return Some(Ok(std::mem::take(&mut self.text)));
            }
            Ok(DiskResult::Bytes(data)) => self.text.extend_from_slice(&data),
            Ok(_) => self.opened = true,
            Err(error) => {
                if self.opened {
                    effects.disk(self.lane, DiskOp::Close { file: self.file });
                }
                return Some(Err(error));
            }
        }
        let offset = self.text.len() as u64;
        self.ticket = effects.disk(self.lane, DiskOp::Read { file: self.file, offset, len: CHUNK_BYTES });
        None
    }
}

/// A file being replaced.
pub(crate) struct Replacement {
    lane: Lane,
    path: String,
    file: FileId,
    data: Bytes,
    stage: Stage,
    ticket: u64,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Stage {
    Opening,
    Writing,
    Syncing,
    Renaming,
    SyncingDirectory,
}

impl Replacement {
    pub fn begin(effects: &mut Effects, lane: Lane, path: String, data: Bytes) -> Replacement {
        let file = effects.next_file();
        let open = DiskOp::Open { file, path: temporary(&path, file), mode: OpenFor::Replacing };
        let ticket = effects.disk(lane, open);
        Replacement { lane, path, file, data, stage: Stage::Opening, ticket }
    }

    pub fn owns(&self, ticket: u64) -> bool {
        self.ticket == ticket
    }

    /// A request is done: asks for the next, or ends. After an error nothing is left beside the old file,
    /// or, where only the directory could not be synced, in its place stands the new one.
    pub fn advance(&mut self, effects: &mut Effects, done: DiskDone) -> Option<Result<(), DiskError>> {
        if let Err(error) = done.result {
            if self.stage < Stage::Renaming {
                effects.disk(self.lane, DiskOp::Close { file: self.file });
            }
            if self.stage <= Stage::Renaming {
                effects.disk(self.lane, DiskOp::Remove { path: temporary(&self.path, self.file) });
            }
            return Some(Err(error));
        }
        let (stage, op) = match self.stage {
            Stage::Opening => {
                (Stage::Writing, DiskOp::Append { file: self.file, data: std::mem::take(&mut self.data) })
            }
            Stage::Writing => (Stage::Syncing, DiskOp::Sync { file: self.file }),
            Stage::Syncing => {
                effects.disk(self.lane, DiskOp::Close { file: self.file });
                let from = temporary(&self.path, self.file);
                (Stage::Renaming, DiskOp::Rename { from, to: self.path.clone() })
            }
            Stage::Renaming => {
                (Stage::SyncingDirectory, DiskOp::SyncDir { path: directory_of(&self.path).to_owned() })
            }
            Stage::SyncingDirectory => return Some(Ok(())),
        };
        self.stage = stage;
        self.ticket = effects.disk(self.lane, op);
        None
    }
}

/// The directory that a path lies in.
pub(crate) fn directory_of(path: &str) -> &str {
    match path.rsplit_once('/') {
        Some(("", _)) => "/",
        Some((directory, _)) => directory,
        None => ".",
    }
}

fn temporary(path: &str, file: FileId) -> String {
    format!("{path}.{}.tmp", file.0)
}
