//! `CONFIG REWRITE`: the configuration file is read, its lines brought up to date, and the result written
//! beside it, synced and renamed over it.

use bytes::{Bytes, BytesMut};
use squall_commands::config::rewrite::rewrite;
use squall_commands::session::Blocked;
use squall_commands::{ClientId, CommandError, CommandResult, Engine, Session};

use crate::effect::{DiskDone, DiskError, DiskOp, DiskResult, Effects, FileId, Lane, OpenFor};
use crate::services::Services;

pub(crate) struct ConfigRewrite {
    client: ClientId,
    path: String,
    file: FileId,
    stage: Stage,
    ticket: u64,
    old_text: BytesMut,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Stage {
    Opening,
    Reading,
    OpeningTemporary,
    Writing,
    Syncing,
    Renaming,
    SyncingDirectory,
}

const CHUNK_BYTES: usize = 64 * 1024;

/// Starts a rewrite; the session is answered when the new file is durable.
pub(crate) fn begin(engine: &mut Engine, services: &mut Services, session: &mut Session) -> CommandResult {
    if services.config_rewrite.is_some() {
        return Err(CommandError::line("ERR Rewriting config file: a rewrite is already in progress"));
    }
    let path = engine.config.config_file.clone();
    if path.is_empty() {
        return Err(CommandError::line("ERR The server is running without a config file"));
    }
    let file = services.effects.next_file();
    let open = DiskOp::Open { file, path: path.clone(), mode: OpenFor::Reading };
    session.blocked = Some(Blocked::Disk);
    services.config_rewrite = Some(ConfigRewrite {
        client: session.id,
        path,
        file,
        stage: Stage::Opening,
        ticket: services.effects.disk(Lane::Meta, open),
        old_text: BytesMut::new(),
    });
    Ok(())
}

/// A request of the rewrite is done: asks for the next, or answers the session.
pub(crate) fn advance(engine: &mut Engine, services: &mut Services, done: DiskDone) {
    let Some(mut rewrite) = services.config_rewrite.take() else { return };
    match rewrite.step(engine, &mut services.effects, done) {
        Ok(false) => services.config_rewrite = Some(rewrite),
        Ok(true) => services.answer(engine, rewrite.client, |reply| reply.ok()),
        Err(DiskError { message, .. }) => {
            services.effects.warning(format!("CONFIG REWRITE failed: {message}"));
            let line = format!("ERR Rewriting config file: {message}");
            services.answer(engine, rewrite.client, |reply| reply.error(&line));
        }
    }
}

impl ConfigRewrite {
    pub fn owns(&self, ticket: u64) -> bool {
        self.ticket == ticket
    }

    /// True when the new file is durable.
    fn step(&mut self, engine: &Engine, effects: &mut Effects, done: DiskDone) -> Result<bool, DiskError> {
        let missing = |error: &DiskError| error.kind == std::io::ErrorKind::NotFound;
        match (self.stage, done.result) {
            (Stage::Opening, Err(error)) if missing(&error) => self.replace(effects),
            (_, Err(error)) => return Err(error),
            (Stage::Opening, Ok(_)) => self.read(effects),
            (Stage::Reading, Ok(DiskResult::Bytes(data))) if !data.is_empty() => {
                self.old_text.extend_from_slice(&data);
                self.read(effects);
            }
            (Stage::Reading, Ok(_)) => {
                effects.disk(Lane::Meta, DiskOp::Close { file: self.file });
                self.replace(effects);
            }
            (Stage::OpeningTemporary, Ok(_)) => {
                let data = Bytes::from(rewrite(&self.old_text, &engine.config));
                self.ask(effects, Stage::Writing, DiskOp::Append { file: self.file, data });
            }
            (Stage::Writing, Ok(_)) => self.ask(effects, Stage::Syncing, DiskOp::Sync { file: self.file }),
            (Stage::Syncing, Ok(_)) => {
                effects.disk(Lane::Meta, DiskOp::Close { file: self.file });
                let rename = DiskOp::Rename { from: self.temporary(), to: self.path.clone() };
                self.ask(effects, Stage::Renaming, rename);
            }
            (Stage::Renaming, Ok(_)) => {
                let sync = DiskOp::SyncDir { path: directory_of(&self.path) };
                self.ask(effects, Stage::SyncingDirectory, sync);
            }
            (Stage::SyncingDirectory, Ok(_)) => return Ok(true),
        }
        Ok(false)
    }

    fn read(&mut self, effects: &mut Effects) {
        let offset = self.old_text.len() as u64;
        self.ask(effects, Stage::Reading, DiskOp::Read { file: self.file, offset, len: CHUNK_BYTES });
    }

    fn replace(&mut self, effects: &mut Effects) {
        self.file = effects.next_file();
        let open = DiskOp::Open { file: self.file, path: self.temporary(), mode: OpenFor::Replacing };
        self.ask(effects, Stage::OpeningTemporary, open);
    }

    fn ask(&mut self, effects: &mut Effects, stage: Stage, op: DiskOp) {
        self.stage = stage;
        self.ticket = effects.disk(Lane::Meta, op);
    }

    fn temporary(&self) -> String {
        format!("{}.{}.tmp", self.path, self.file.0)
    }
}

fn directory_of(path: &str) -> String {
    match path.rsplit_once('/') {
        Some(("", _)) => "/".to_string(),
        Some((directory, _)) => directory.to_string(),
        None => ".".to_string(),
    }
}
