//! `CONFIG REWRITE`: the configuration file is read, its lines brought up to date, and the file replaced.

use std::io::ErrorKind;

use bytes::{Bytes, BytesMut};
use squall_commands::config::rewrite::rewrite;
use squall_commands::session::Blocked;
use squall_commands::{ClientId, CommandError, CommandResult, Engine, Session};

use crate::effect::{DiskDone, DiskError, Effects, Lane};
use crate::services::Services;
use crate::whole_file::{FileWork, Reading, Replacement};

pub(crate) struct ConfigRewrite {
    client: ClientId,
    path: String,
    work: FileWork,
}

/// Starts a rewrite; the session is answered when the new file is durable.
pub(crate) fn begin(engine: &mut Engine, services: &mut Services, session: &mut Session) -> CommandResult {
    if services.config_rewrite.is_some() {
        return Err(CommandError::line("ERR Rewriting config file: a rewrite is already in progress"));
    }
    let path = engine.config.config_file.clone();
    if path.is_empty() {
        return Err(CommandError::line("ERR The server is running without a config file"));
    }
    session.blocked = Some(Blocked::Disk);
    let work = FileWork::Reading(Reading::begin(&mut services.effects, Lane::Meta, &path));
    services.config_rewrite = Some(ConfigRewrite { client: session.id, path, work });
    Ok(())
}

/// A request of the rewrite is done: asks for the next, or answers the session.
pub(crate) fn advance(engine: &mut Engine, services: &mut Services, done: DiskDone) {
    let Some(mut rewrite) = services.config_rewrite.take() else { return };
    match rewrite.step(engine, &mut services.effects, done) {
        None => services.config_rewrite = Some(rewrite),
        Some(Ok(())) => services.answer(engine, rewrite.client, |reply| reply.ok()),
        Some(Err(DiskError { message, .. })) => {
            services.effects.warning(format!("CONFIG REWRITE failed: {message}"));
            let line = format!("ERR Rewriting config file: {message}");
            services.answer(engine, rewrite.client, |reply| reply.error(&line));
        }
    }
}

impl ConfigRewrite {
    pub fn owns(&self, ticket: u64) -> bool {
        self.work.owns(ticket)
    }

    fn step(
        &mut self,
        engine: &Engine,
        effects: &mut Effects,
        done: DiskDone,
    ) -> Option<Result<(), DiskError>> {
        let old_text = match &mut self.work {
            FileWork::Replacing(replacement) => return replacement.advance(effects, done),
            FileWork::Reading(reading) => match reading.advance(effects, done)? {
                Ok(text) => text,
                Err(error) if error.kind == ErrorKind::NotFound => BytesMut::new(),
                Err(error) => return Some(Err(error)),
            },
        };
        let text = Bytes::from(rewrite(&old_text, &engine.config));
        self.work = FileWork::Replacing(Replacement::begin(effects, Lane::Meta, self.path.clone(), text));
        None
    }
}
