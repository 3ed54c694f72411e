//! `DEBUG RELOAD`: the dataset through the RDB format and back, in memory, as a self-test of the codec.
//! `DEBUG LOADAOF`: the dataset forgotten and read back from the append-only file, as at a start. Others are told that
//! the server is loading meanwhile; replicas keep what they have, which is the same.

use bytes::BytesMut;
use squall_commands::recency;
use squall_commands::session::Blocked;
use squall_commands::{ClientId, CommandError, CommandResult, Engine, Session};
use squall_store::rdb::{Aux, LoadOptions, Loader, Loading};
use squall_store::{SnapshotOptions, SnapshotState};

use crate::services::Services;

/// How much is encoded before it is put together with the rest.
const SLICE_BYTES: usize = 1024 * 1024;

/// Encodes the whole dataset, reads it into an empty keyspace and puts that in place of the old one. On an
/// error the old one stays.
pub(crate) fn reload(engine: &mut Engine, aux: &Aux) -> Result<(), String> {
    let options = SnapshotOptions {
        compress: engine.config.rdbcompression,
        checksum: true,
        recency: recency::told(&engine.config, engine.now),
    };
    engine
        .keyspace
        .begin_snapshot(options, aux)
        .map_err(|_| "A snapshot is in progress, try again later".to_string())?;
    let mut input = BytesMut::new();
    let mut state = SnapshotState::Running;
    while state == SnapshotState::Running {
        let pieces;
        (pieces, state) = engine.keyspace.take_snapshot_slice(SLICE_BYTES);
        pieces.iter().for_each(|piece| input.extend_from_slice(piece));
    }
    let mut fresh = engine.empty_keyspace();
    let mut loader = Loader::new(LoadOptions {
        drop_expired_at: None,
        verify_checksum: true,
        recency: recency::kept(&engine.config, engine.now),
    });
    match loader.feed(&mut input, &mut fresh) {
        Ok(Loading::Done(_)) => {
            engine.replace_keyspace(fresh);
            Ok(())
        }
        Ok(Loading::NeedMore) => Err("Error trying to load the RDB dump: it ends early".to_string()),
        Err(error) => Err(format!("Error trying to load the RDB dump: {error}")),
    }
}

/// The log is being read again.
pub(crate) struct LogReload {
    client: ClientId,
    /// All that was done is on the disk, and is being read.
    is_reading: bool,
}

impl Services {
    pub fn begin_log_reload(&mut self, engine: &Engine, session: &mut Session) -> CommandResult {
        let log = &self.persistence.log;
        let refusal = if !log.is_promised() {
            "ERR there is no append-only file to read"
        } else if self.replication.is_following() {
            "ERR the dataset is the primary's: what it sends cannot wait"
        } else if self.log_reload.is_some() || self.shutdown.is_some() || engine.loading {
            "ERR the server is loading or ending"
        } else if session.deny_blocking {
            "ERR a transaction or a script cannot wait for the append-only file"
        } else if log.is_busy() || engine.keyspace.snapshot_running() {
            "ERR the append-only file or a snapshot is being written, try again later"
        } else {
            session.blocked = Some(Blocked::Disk);
            self.log_reload = Some(LogReload { client: session.id, is_reading: false });
            self.persistence.log.sync_soon();
            return Ok(());
        };
        Err(CommandError::line(refusal))
    }

    /// Reads when everything has been written. What has come between (a rewrite that was due) goes first.
    pub fn advance_log_reload(&mut self, engine: &mut Engine) {
        let Some(reload) = self.log_reload.as_mut().filter(|reload| !reload.is_reading) else { return };
        let log = &mut self.persistence.log;
        if log.is_busy() || engine.keyspace.snapshot_running() || engine.scripts.is_parked() {
            return;
        }
        if !log.is_durable() {
            return log.sync_soon();
        }
        reload.is_reading = true;
        log.leave_to_reader(&mut self.effects);
        (0..engine.keyspace.databases()).for_each(|db| engine.discard(db));
        engine.replace_libraries(&[]).expect("none is there that could be refused");
        self.persistence.start_loading(engine, &mut self.effects);
    }

    pub fn log_reloaded(&mut self, engine: &mut Engine) {
        let reload = self.log_reload.take().expect("it was asked for");
        engine.loading = false;
        engine.propagation.forget_database();
        self.answer(engine, reload.client, |reply| reply.ok());
        self.wake_everyone(engine);
    }
}
