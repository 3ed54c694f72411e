//! Reading the log at start: the manifest, the base, the increments in order. Its commands are executed as a
//! primary's are: without question, without reply.
//!
//! What cannot be read ends the process and leaves the files as they are, with the exceptions that `tail` makes.

mod tail;

use std::collections::VecDeque;
use std::io::ErrorKind;

use bytes::BytesMut;
use squall_clock::Mono;
use squall_commands::Engine;
use squall_commands::recency;
use squall_store::rdb::{LoadOptions, Loaded, Loader, Loading};

use super::manifest::Manifest;
use super::replay::{Replay, Replayed};
use super::scanner::{Damage, Fault};
use super::{FileNames, LogFile, Sizes};
use crate::effect::{DiskDone, DiskError, DiskOp, DiskResult, Effect, Effects, FileId, Lane, OpenFor};
use crate::marks::Mark;
use crate::persistence::load::NOTE_PERIOD;
use crate::services::Services;
use crate::whole_file::{Reading, Replacement};
use tail::Judging;

pub(crate) struct LogLoad {
    names: FileNames,
    stage: Stage,
    manifest: Manifest,
    sources: Vec<Source>,
    /// The source that is read, and how far.
    current: usize,
    offset: u64,
    input: BytesMut,
    content: Content,
    replay: Replay,
    started: Mono,
    next_note: Mono,
}

/// A file that holds a part of the dataset.
struct Source {
    path: String,
    file: FileId,
    size_bytes: u64,
}

/// What the current file turns out to hold.
enum Content {
    Unknown,
    Dataset(Box<Loader>),
    Commands,
}

enum Stage {
    Manifest(Reading),
    /// There is no manifest; there may be a single file of the time before.
    Predecessor {
        ticket: u64,
        file: FileId,
    },
    Steps {
        ticket: u64,
        rest: VecDeque<DiskOp>,
        then: Then,
    },
    Naming(Replacement, Then),
    Measuring {
        ticket: u64,
        opened: bool,
    },
    Reading {
        ticket: u64,
    },
    /// The rest of a file that is damaged is read, to see whether it is its end.
    Judging(Judging),
    /// Until the answer is given.
    Over,
}

/// What comes after a row of steps.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Then {
    NamePredecessor,
    MovePredecessor,
    Measure,
    /// All of it again: what was executed is not what is there now.
    Restart,
    OpenLast,
    NameIncrement(FileId),
    Resume(FileId),
}

/// How a load ended.
pub(crate) enum LogLoaded {
    /// The dataset is in memory, and the log goes on.
    Complete(Loaded),
    NoLog,
    Failed,
}

const CHUNK_BYTES: usize = 256 * 1024;

impl LogLoad {
    pub fn begin(engine: &mut Engine, effects: &mut Effects) -> LogLoad {
        let names = FileNames::of(&engine.config);
        let stage = Stage::Manifest(Reading::begin(effects, Lane::Load, &names.manifest()));
        LogLoad {
            names,
            stage,
            manifest: Manifest::default(),
            sources: Vec::new(),
            current: 0,
            offset: 0,
            input: BytesMut::new(),
            content: Content::Unknown,
            replay: Replay::beginning(engine),
            started: engine.now.mono,
            next_note: engine.now.mono + NOTE_PERIOD,
        }
    }

    pub fn owns(&self, own: u64) -> bool {
        match &self.stage {
            Stage::Manifest(reading) => reading.owns(own),
            Stage::Naming(replacement, _) => replacement.owns(own),
            Stage::Predecessor { ticket, .. }
            | Stage::Steps { ticket, .. }
            | Stage::Measuring { ticket, .. }
            | Stage::Reading { ticket } => *ticket == own,
            Stage::Judging(judging) => judging.owns(own),
            Stage::Over => false,
        }
    }

    /// Bytes read so far, of how many. None are while the files are measured.
    pub fn progress(&self) -> (u64, u64) {
        let sizes = |sources: &[Source]| sources.iter().map(|source| source.size_bytes).sum::<u64>();
        let read = match self.stage {
            Stage::Measuring { .. } => 0,
            _ => sizes(&self.sources[..self.current.min(self.sources.len())]) + self.offset,
        };
        (read, sizes(&self.sources))
    }

    /// A request is done: asks for the next, or ends.
    pub fn advance(
        &mut self,
        engine: &mut Engine,
        services: &mut Services,
        done: DiskDone,
    ) -> Option<LogLoaded> {
        let effects = &mut services.effects;
        match std::mem::replace(&mut self.stage, Stage::Over) {
            Stage::Manifest(mut reading) => match reading.advance(effects, done) {
                None => self.stage = Stage::Manifest(reading),
                Some(Ok(text)) => return self.take_manifest(effects, &text),
                Some(Err(error)) if error.kind == ErrorKind::NotFound => self.look_for_predecessor(effects),
                Some(Err(error)) => return self.fail(effects, &self.names.manifest(), &error.message),
            },
            Stage::Predecessor { file, .. } => match done.result {
                Ok(_) => self.adopt_predecessor(effects, file),
                Err(error) if error.kind == ErrorKind::NotFound => return Some(LogLoaded::NoLog),
                Err(error) => return self.fail(effects, &self.names.file, &error.message),
            },
            Stage::Naming(mut replacement, then) => match replacement.advance(effects, done) {
                None => self.stage = Stage::Naming(replacement, then),
                Some(Ok(())) => return self.go_on(engine, services, then),
                Some(Err(error)) => return self.fail(effects, &self.names.manifest(), &error.message),
            },
            Stage::Steps { mut rest, then, .. } => {
                if let Err(error) = done.result {
                    return self.fail(effects, &self.names.directory, &error.message);
                }
                match rest.pop_front() {
                    Some(op) => {
                        self.stage = Stage::Steps { ticket: effects.disk(Lane::Load, op), rest, then };
                    }
                    None => return self.go_on(engine, services, then),
                }
            }
            Stage::Measuring { opened, .. } => return self.measured(engine, services, opened, done.result),
            Stage::Reading { .. } => return self.take_chunk(engine, services, done.result),
            Stage::Judging(judging) => return self.judge_more(services, judging, done.result),
            Stage::Over => unreachable!("nothing is under way"),
        }
        None
    }

    // --- Which files ---

    fn take_manifest(&mut self, effects: &mut Effects, text: &[u8]) -> Option<LogLoaded> {
        match Manifest::parse(text) {
            Ok(manifest) => self.manifest = manifest,
            Err(error) => return self.fail(effects, &self.names.manifest(), &error.to_string()),
        }
        self.names.note(&self.manifest);
        self.measure_all(effects);
        None
    }

    fn look_for_predecessor(&mut self, effects: &mut Effects) {
        let (file, path) = (effects.next_file(), self.names.file.clone());
        let ticket = effects.disk(Lane::Load, DiskOp::Open { file, path, mode: OpenFor::Reading });
        self.stage = Stage::Predecessor { ticket, file };
    }

    /// A single file, as up to Redis 6, becomes the base: it is named first and moved then, so that there is
    /// no moment at which it could be overlooked.
    fn adopt_predecessor(&mut self, effects: &mut Effects, file: FileId) {
        effects.notice(format!("'{}' becomes the base of '{}'", self.names.file, self.names.directory));
        effects.disk(Lane::Load, DiskOp::Close { file });
        let directory = self.names.directory.clone();
        let steps = [DiskOp::CreateDir { path: directory }, DiskOp::SyncDir { path: ".".to_owned() }];
        self.take_steps(effects, steps, Then::NamePredecessor);
    }

    fn measure_all(&mut self, effects: &mut Effects) {
        self.sources.clear();
        self.current = 0;
        for entry in self.manifest.files() {
            let path = self.names.path_of(entry);
            self.sources.push(Source { path, file: effects.next_file(), size_bytes: 0 });
        }
        self.open_current(effects);
    }

    fn open_current(&mut self, effects: &mut Effects) {
        let Source { path, file, .. } = &self.sources[self.current];
        let open = DiskOp::Open { file: *file, path: path.clone(), mode: OpenFor::Reading };
        self.stage = Stage::Measuring { ticket: effects.disk(Lane::Load, open), opened: false };
    }

    fn measured(
        &mut self,
        engine: &mut Engine,
        services: &mut Services,
        opened: bool,
        result: Result<DiskResult, DiskError>,
    ) -> Option<LogLoaded> {
        let effects = &mut services.effects;
        let file = self.sources[self.current].file;
        match result {
            Ok(DiskResult::Len(size_bytes)) => {
                self.sources[self.current].size_bytes = size_bytes;
                self.current += 1;
                if self.current < self.sources.len() {
                    self.open_current(effects);
                } else {
                    self.begin_reading(engine, effects);
                }
            }
            Ok(_) => {
                assert!(!opened, "a length was asked for");
                self.stage =
                    Stage::Measuring { ticket: effects.disk(Lane::Load, DiskOp::Len { file }), opened: true };
            }
            // Named, and not moved yet.
            Err(error) if error.kind == ErrorKind::NotFound && self.is_predecessor() => {
                return self.go_on(engine, services, Then::MovePredecessor);
            }
            Err(error) => {
                let path = self.sources[self.current].path.clone();
                return self.fail(effects, &path, &error.message);
            }
        }
        None
    }

    /// Whether the current file is a single file of the time before, which had no number in its name.
    fn is_predecessor(&self) -> bool {
        let base = self.manifest.base.as_ref().filter(|_| self.manifest.increments.is_empty());
        base.is_some_and(|base| base.name == self.names.file)
    }

    // --- Reading ---

    fn begin_reading(&mut self, engine: &mut Engine, effects: &mut Effects) {
        self.current = 0;
        self.replay = Replay::beginning(engine);
        self.begin_file(effects);
    }

    fn begin_file(&mut self, effects: &mut Effects) {
        self.offset = 0;
        self.input.clear();
        self.content = Content::Unknown;
        self.read_on(effects);
    }

    fn read_on(&mut self, effects: &mut Effects) {
        self.stage = Stage::Reading { ticket: self.ask_for_more(effects) };
    }

    fn ask_for_more(&self, effects: &mut Effects) -> u64 {
        let file = self.sources[self.current].file;
        effects.disk(Lane::Load, DiskOp::Read { file, offset: self.offset, len: CHUNK_BYTES })
    }

    fn take_chunk(
        &mut self,
        engine: &mut Engine,
        services: &mut Services,
        result: Result<DiskResult, DiskError>,
    ) -> Option<LogLoaded> {
        let path = self.sources[self.current].path.clone();
        let data = match result {
            Ok(DiskResult::Bytes(data)) => data,
            Ok(other) => unreachable!("the disk answered {other:?} to a read"),
            Err(error) => return self.fail(&mut services.effects, &path, &error.message),
        };
        if data.is_empty() {
            return self.end_of_file(engine, services);
        }
        self.offset += data.len() as u64;
        self.input.extend_from_slice(&data);
        self.note_progress(engine, &mut services.effects);
        if let Err(reason) = self.read_dataset(engine) {
            return self.fail(&mut services.effects, &path, &reason);
        }
        if matches!(self.content, Content::Commands) {
            match self.replay.execute(engine, services, &mut self.input) {
                Ok(()) => self.make_room(),
                Err(Replayed::Damaged(damage)) => {
                    self.judge(&mut services.effects, damage, None);
                    return None;
                }
                Err(Replayed::Refused(reason)) => return self.refuse(services, reason),
            }
        }
        self.read_on(&mut services.effects);
        None
    }

    /// Makes room for the command that has begun, which may be long, but no more than the file can fill: a damaged
    /// length promises anything.
    fn make_room(&mut self) {
        let unread = self.sources[self.current].size_bytes.saturating_sub(self.offset);
        let wanted = self.replay.bytes_wanted(self.input.len()) as u64;
        self.input.reserve(wanted.min(unread) as usize);
    }

    /// Reads what of the input belongs to an RDB file, as the base is, and as a single file may begin.
    fn read_dataset(&mut self, engine: &mut Engine) -> Result<(), String> {
        if matches!(self.content, Content::Unknown) {
            let begins = self.input.starts_with(b"REDIS") || self.input.starts_with(b"VALKEY");
            // What has expired stays: that it is deleted stands in the log.
            let options = LoadOptions {
                drop_expired_at: None,
                verify_checksum: engine.config.rdbchecksum,
                recency: recency::kept(&engine.config, engine.now),
            };
            self.content = match begins {
                true => Content::Dataset(Box::new(Loader::new(options))),
                false => Content::Commands,
            };
            if !begins {
                self.replay.begin_file(0);
            }
        }
        let Content::Dataset(loader) = &mut self.content else { return Ok(()) };
        match loader.feed(&mut self.input, &mut engine.keyspace) {
            Ok(Loading::NeedMore) => {}
            Ok(Loading::Done(loaded)) => {
                let offset = loader.offset();
                engine.replace_migration_notes(&loaded.aux.migrations);
                engine.replace_libraries(&loaded.aux.functions)?;
                self.replay.take_base(loaded.aux);
                self.replay.begin_file(offset);
                self.content = Content::Commands;
            }
            Err(error) => return Err(error.to_string()),
        }
        Ok(())
    }

    fn end_of_file(&mut self, engine: &mut Engine, services: &mut Services) -> Option<LogLoaded> {
        let path = self.sources[self.current].path.clone();
        if let Content::Dataset(loader) = &self.content {
            let reason = loader.truncated().to_string();
            return self.fail(&mut services.effects, &path, &reason);
        }
        if let Some(offset) = self.replay.group_start() {
            self.judge(&mut services.effects, Damage { offset, what: Fault::Group }, None);
            return None;
        }
        if let Some(unit) = self.replay.unfinished() {
            return self.judge_truncated(services, unit);
        }
        if !self.input.is_empty() {
            let unit = self.replay.offset();
            return self.judge_truncated(services, unit);
        }
        self.next_file(engine, services)
    }

    fn next_file(&mut self, engine: &mut Engine, services: &mut Services) -> Option<LogLoaded> {
        let file = self.sources[self.current].file;
        services.effects.disk(Lane::Load, DiskOp::Close { file });
        self.current += 1;
        if self.current < self.sources.len() {
            self.begin_file(&mut services.effects);
            return None;
        }
        self.offset = 0;
        self.go_on(engine, services, Then::OpenLast)
    }

    fn note_progress(&mut self, engine: &Engine, effects: &mut Effects) {
        if engine.now.mono >= self.next_note {
            self.next_note = engine.now.mono + NOTE_PERIOD;
            let (read, size) = self.progress();
            let percent = read as f64 * 100.0 / size.max(1) as f64;
            effects.notice(format!("Loading the append-only file: {percent:.0} % of {size} bytes"));
        }
    }
}

impl LogLoad {
    fn take_steps<const N: usize>(&mut self, effects: &mut Effects, steps: [DiskOp; N], then: Then) {
        let mut rest = VecDeque::from(steps);
        let first = rest.pop_front().expect("a row of steps has a first");
        self.stage = Stage::Steps { ticket: effects.disk(Lane::Load, first), rest, then };
    }

    fn go_on(&mut self, engine: &mut Engine, services: &mut Services, then: Then) -> Option<LogLoaded> {
        let effects = &mut services.effects;
        let directory = self.names.directory.clone();
        match then {
            Then::NamePredecessor => {
                let base = LogFile { name: self.names.file.clone(), sequence: 1 };
                self.manifest = Manifest { base: Some(base), ..Manifest::default() };
                self.names.note(&self.manifest);
                let replacement = self.names.replace_manifest(&self.manifest, effects);
                self.stage = Stage::Naming(replacement, Then::MovePredecessor);
            }
            Then::MovePredecessor => {
                let from = self.names.file.clone();
                let to = format!("{directory}/{from}");
                let steps = [
                    DiskOp::Rename { from, to },
                    DiskOp::SyncDir { path: directory },
                    DiskOp::SyncDir { path: ".".to_owned() },
                ];
                self.take_steps(effects, steps, Then::Measure);
            }
            Then::Measure => self.measure_all(effects),
            Then::Restart => {
                let empty = engine.empty_keyspace();
                engine.replace_keyspace(empty);
                self.measure_all(effects);
            }
            Then::OpenLast => self.open_last(effects),
            Then::NameIncrement(file) => {
                let replacement = self.names.replace_manifest(&self.manifest, effects);
                self.stage = Stage::Naming(replacement, Then::Resume(file));
            }
            Then::Resume(file) => return Some(self.resume(engine, services, file)),
        }
        None
    }

    /// The last increment is opened to be appended to. Where there is none, the first is made.
    fn open_last(&mut self, effects: &mut Effects) {
        let file = effects.next_file();
        if let Some(entry) = self.manifest.increments.last() {
            let path = self.names.path_of(entry);
            self.take_steps(
                effects,
                // What another process left in the system's hands counts as durable from here on.
                [DiskOp::Open { file, path, mode: OpenFor::Appending }, DiskOp::Sync { file }],
                Then::Resume(file),
            );
            return;
        }
        let entry = self.names.next_increment();
        let path = self.names.path_of(&entry);
        self.manifest = self.manifest.extended(entry);
        self.sources.push(Source { path: path.clone(), file, size_bytes: 0 });
        let steps = [
            DiskOp::Open { file, path, mode: OpenFor::Replacing },
            DiskOp::SyncDir { path: self.names.directory.clone() },
        ];
        self.take_steps(effects, steps, Then::NameIncrement(file));
    }

    fn resume(&mut self, engine: &mut Engine, services: &mut Services, file: FileId) -> LogLoaded {
        let (last, earlier) = self.sources.split_last().expect("a log has files");
        let sizes = Sizes {
            earlier_bytes: earlier.iter().map(|source| source.size_bytes).sum(),
            last_bytes: last.size_bytes,
        };
        let log = &mut services.persistence.log;
        log.resume(self.manifest.clone(), file, last.path.clone(), sizes, engine.now.mono);
        log.tidy(&mut services.effects);
        let seconds = engine.now.mono.since(self.started).as_micros() as f64 / 1e6;
        let keys = engine.keyspace.len();
        services
            .effects
            .notice(format!("DB loaded from append only file: {keys} keys, {seconds:.3} seconds"));
        let aux = self.replay.aux();
        LogLoaded::Complete(Loaded { aux, keys: keys as u64, ..Loaded::default() })
    }

    fn fail(&self, effects: &mut Effects, path: &str, what: &str) -> Option<LogLoaded> {
        effects.warning(format!(
            "Can't load the append-only file: {path}: {what}. The files are left as they are. Exiting."
        ));
        effects.push(Effect::Exit { status: 1 });
        Some(LogLoaded::Failed)
    }
}
