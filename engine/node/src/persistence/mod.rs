//! The dataset on disk: reading it at start (`load`), writing snapshots of it (`save`), and what INFO and
//! the save points know about both. The RDB format itself belongs to `squall-store`.
//!
//! The keyspace has one snapshot cursor. A save to disk and a full synchronisation both need it; whoever
//! comes second waits: `BGSAVE` is refused or scheduled, a replica stays in its waiting state.

mod info;
mod load;
mod reload;
mod save;

use squall_clock::{Mono, UnixMs};
use squall_commands::Engine;
use squall_store::rdb::{Aux, Loaded};

use crate::effect::{DiskDone, Effects};
use load::Load;
pub(crate) use reload::reload;
use save::Save;
pub(crate) use save::SaveFor;

/// What a finished piece of disk work means to the rest of the node.
pub(crate) enum Outcome {
    /// The dataset is in memory. None: there was no file.
    Loaded(Option<Loaded>),
    /// The file is there and cannot be used; what is wrong has been logged.
    LoadFailed,
    /// A snapshot ended; `result` is none where it failed.
    Saved { purpose: SaveFor, result: Result<(), String> },
}

pub(crate) struct Persistence {
    loading: Option<Load>,
    saving: Option<Save>,
    /// `BGSAVE SCHEDULE`, or a BGSAVE that has to wait for the snapshot cursor.
    pub scheduled: bool,
    /// The end of the last successful save.
    pub last_save: UnixMs,
    /// The start of the last attempt, for the pause after a failure.
    last_attempt: Mono,
    pub last_save_ok: bool,
    /// Changes that the running save covers.
    dirty_at_start: u64,
    last_save_seconds: Option<u64>,
    saves: u64,
    /// Keys loaded at start, and those left out because they had expired.
    last_load: (u64, u64),
}

/// After a failed save, automatic ones wait this long.
const RETRY_SECONDS: u64 = 5;

impl Persistence {
    pub fn new(engine: &Engine) -> Persistence {
        Persistence {
            loading: None,
            saving: None,
            scheduled: false,
            last_save: engine.now.unix_ms(),
            last_attempt: engine.now.mono,
            last_save_ok: true,
            dirty_at_start: 0,
            last_save_seconds: None,
            saves: 0,
            last_load: (0, 0),
        }
    }

    pub fn start_loading(&mut self, engine: &mut Engine, effects: &mut Effects) {
        engine.loading = true;
        self.loading = Some(Load::begin(engine, effects));
    }

    pub fn is_saving(&self) -> bool {
        self.saving.is_some()
    }

    /// Starts a snapshot to `dbfilename`; an error is the text after `ERR `.
    pub fn start_saving(
        &mut self,
        engine: &mut Engine,
        effects: &mut Effects,
        aux: &Aux,
        purpose: SaveFor,
    ) -> Result<(), String> {
        if self.is_saving() {
            return Err("Background save already in progress".to_string());
        }
        self.last_attempt = engine.now.mono;
        let save = Save::begin(engine, effects, aux, purpose)?;
        self.dirty_at_start = engine.dirty;
        self.saving = Some(save);
        self.scheduled = false;
        Ok(())
    }

    /// Gives up a running save, as FLUSHALL, SHUTDOWN NOSAVE or a new dataset do.
    pub fn abort_saving(&mut self, engine: &mut Engine, effects: &mut Effects) {
        if let Some(save) = self.saving.take() {
            save.abort(engine, effects);
        }
    }

    /// Starts what the save points or an earlier `BGSAVE SCHEDULE` ask for.
    pub fn start_due_saves(
        &mut self,
        engine: &mut Engine,
        effects: &mut Effects,
        aux: impl FnOnce(&Engine) -> Aux,
    ) {
        if self.is_saving() || engine.loading || engine.keyspace.snapshot_running() {
            return;
        }
        let since_save = engine.now.unix_ms().0.saturating_sub(self.last_save.0) / 1_000;
        let may_retry =
            self.last_save_ok || engine.now.mono.since(self.last_attempt).as_secs() > RETRY_SECONDS;
        let due = engine
            .config
            .save
            .iter()
            .find(|point| engine.dirty >= point.changes && since_save > point.seconds)
            .filter(|point| point.changes > 0 && may_retry);
        if let Some(point) = due {
            effects.notice(format!("{} changes in {} seconds. Saving...", point.changes, point.seconds));
        } else if !self.scheduled {
            return;
        }
        let aux = aux(engine);
        if let Err(reason) = self.start_saving(engine, effects, &aux, SaveFor::Background) {
            effects.warning(format!("Can't save in background: {reason}"));
        }
    }

    /// One slice of work that goes on beside the clients.
    pub fn background_slice(&mut self, engine: &mut Engine, effects: &mut Effects) {
        if let Some(save) = &mut self.saving {
            save.write_slice(engine, effects);
        }
    }

    /// Now, while there is a slice to do.
    pub fn next_timeout(&self) -> Option<Mono> {
        self.saving.as_ref().filter(|save| save.wants_slice()).map(|_| Mono(0))
    }

    pub fn disk_done(
        &mut self,
        engine: &mut Engine,
        effects: &mut Effects,
        done: DiskDone,
    ) -> Option<Outcome> {
        if let Some(load) = self.loading.as_mut().filter(|load| load.owns(done.ticket)) {
            let outcome = load.advance(engine, effects, done)?;
            self.loading = None;
            if let Outcome::Loaded(Some(loaded)) = &outcome {
                self.last_load = (loaded.keys, loaded.expired_keys);
                engine.dirty = 0;
            }
            return Some(outcome);
        }
        let save = self.saving.as_mut().filter(|save| save.owns(done.ticket))?;
        let result = save.advance(engine, effects, done)?;
        let save = self.saving.take().expect("looked at a line above");
        self.finish_saving(engine, effects, save, result)
    }

    fn finish_saving(
        &mut self,
        engine: &mut Engine,
        effects: &mut Effects,
        save: Save,
        result: Result<(), String>,
    ) -> Option<Outcome> {
        self.last_save_ok = result.is_ok();
        self.last_save_seconds = Some(engine.now.mono.since(save.started).as_secs());
        match &result {
            Ok(()) => {
                self.saves += 1;
                self.last_save = engine.now.unix_ms();
                engine.dirty = engine.dirty.saturating_sub(self.dirty_at_start);
                effects.notice(match save.purpose {
                    SaveFor::Background => "Background saving terminated with success",
                    SaveFor::Client(_) | SaveFor::Shutdown => "DB saved on disk",
                });
            }
            Err(reason) => effects.warning(format!("Error saving DB on disk: {reason}")),
        }
        engine.snapshot_failed = result.is_err();
        Some(Outcome::Saved { purpose: save.purpose, result })
    }
}
