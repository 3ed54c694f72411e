//! Reading `dbfilename` at start, a chunk at a time. Clients are answered `-LOADING` meanwhile. A file that
//! is there and cannot be read ends the process: going on without it would be to lose it.

use std::io::ErrorKind;

use bytes::BytesMut;
use squall_clock::{Mono, Nanos};
use squall_commands::Engine;
use squall_commands::recency;
use squall_store::rdb::{LoadOptions, Loader, Loading};

use crate::effect::{DiskDone, DiskError, DiskOp, DiskResult, Effect, Effects, FileId, Lane, OpenFor};
use crate::marks::Mark;
use crate::persistence::Outcome;

pub(crate) struct Load {
    path: String,
    file: FileId,
    stage: Stage,
    ticket: u64,
    loader: Loader,
    input: BytesMut,
    started: Mono,
    next_note: Mono,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Stage {
    Opening,
    Measuring,
    Reading { offset: u64, size: u64 },
}

const CHUNK_BYTES: usize = 256 * 1024;
/// How often the log tells how far a long load is.
pub(super) const NOTE_PERIOD: Nanos = Nanos::from_secs(5);

impl Load {
    pub fn begin(engine: &Engine, effects: &mut Effects) -> Load {
        let path = engine.config.dbfilename.clone();
        let file = effects.next_file();
        let open = DiskOp::Open { file, path: path.clone(), mode: OpenFor::Reading };
        let options = LoadOptions {
            // Who will be a replica keeps what has expired: only its primary may delete it.
            drop_expired_at: engine.config.replicaof.is_none().then(|| engine.now.unix_ms()),
            verify_checksum: engine.config.rdbchecksum,
            recency: recency::kept(&engine.config, engine.now),
        };
        Load {
            path,
            file,
            stage: Stage::Opening,
            ticket: effects.disk(Lane::Load, open),
            loader: Loader::new(options),
            input: BytesMut::new(),
            started: engine.now.mono,
            next_note: engine.now.mono + NOTE_PERIOD,
        }
    }

    pub fn owns(&self, ticket: u64) -> bool {
        self.ticket == ticket
    }

    /// Bytes read so far, and the file's size once known.
    pub fn progress(&self) -> (u64, u64) {
        match self.stage {
            Stage::Reading { offset, size } => (offset, size),
            Stage::Opening | Stage::Measuring => (0, 0),
        }
    }

    pub fn advance(&mut self, engine: &mut Engine, effects: &mut Effects, done: DiskDone) -> Option<Outcome> {
        match (self.stage, done.result) {
            (Stage::Opening, Ok(_)) => {
                self.stage = Stage::Measuring;
                self.ticket = effects.disk(Lane::Load, DiskOp::Len { file: self.file });
                None
            }
            (Stage::Opening, Err(error)) if error.kind == ErrorKind::NotFound => Some(Outcome::Loaded(None)),
            (Stage::Measuring, Ok(DiskResult::Len(size))) => {
                self.read_next(effects, 0, size);
                None
            }
            (Stage::Reading { offset, size }, Ok(DiskResult::Bytes(data))) => {
                self.take_chunk(engine, effects, offset, size, &data)
            }
            (_, Ok(other)) => unreachable!("the disk answered {other:?} while {:?}", self.stage),
            (_, Err(DiskError { message, .. })) => Some(self.fail(effects, &message)),
        }
    }

    fn take_chunk(
        &mut self,
        engine: &mut Engine,
        effects: &mut Effects,
        offset: u64,
        size: u64,
        data: &[u8],
    ) -> Option<Outcome> {
        self.input.extend_from_slice(data);
        match self.loader.feed(&mut self.input, &mut engine.keyspace) {
            Ok(Loading::Done(loaded)) => {
                engine.replace_migration_notes(&loaded.aux.migrations);
                if let Err(reason) = engine.replace_libraries(&loaded.aux.functions) {
                    return Some(self.fail(effects, &reason));
                }
                effects.disk(Lane::Load, DiskOp::Close { file: self.file });
                let seconds = engine.now.mono.since(self.started).as_micros() as f64 / 1e6;
                let keys = engine.keyspace.len();
                effects.notice(format!("DB loaded from disk: {keys} keys, {seconds:.3} seconds"));
                Some(Outcome::Loaded(Some(loaded)))
            }
            Ok(Loading::NeedMore) if data.is_empty() => {
                Some(self.fail(effects, &self.loader.truncated().to_string()))
            }
            Ok(Loading::NeedMore) => {
                let read = offset + data.len() as u64;
                if engine.now.mono >= self.next_note {
                    self.next_note = engine.now.mono + NOTE_PERIOD;
                    let percent = read as f64 * 100.0 / size.max(1) as f64;
                    effects.notice(format!("Loading {}: {percent:.0} % of {size} bytes", self.path));
                }
                self.read_next(effects, read, size);
                None
            }
            Err(error) => Some(self.fail(effects, &error.to_string())),
        }
    }

    fn read_next(&mut self, effects: &mut Effects, offset: u64, size: u64) {
        self.stage = Stage::Reading { offset, size };
        let read = DiskOp::Read { file: self.file, offset, len: CHUNK_BYTES };
        self.ticket = effects.disk(Lane::Load, read);
    }

    fn fail(&self, effects: &mut Effects, what: &str) -> Outcome {
        effects.warning(format!(
            "Can't load {}: {what}. The file is left as it is; move it away to start without it. Exiting.",
            self.path
        ));
        effects.mark(Mark::LoadFailed);
        effects.push(Effect::Exit { status: 1 });
        Outcome::LoadFailed
    }
}
