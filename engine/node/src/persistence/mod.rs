//! The dataset on disk: reading it at start (`load`, and `aof` where there is a log), writing snapshots of it
//! (`save`), logging what changes it (`aof`), and what INFO and the save points know of all that. The RDB
//! format itself belongs to `squall-store`.
//!
//! The keyspace has one snapshot cursor. A save to disk, the base of the log and a full synchronisation all
//! need it; whoever comes later waits: `BGSAVE` and `BGREWRITEAOF` are refused or scheduled, a replica stays
//! in its waiting state.

mod aof;
pub mod check;
mod info;
mod load;
mod reload;
mod save;

use squall_clock::{Mono, UnixMs};
use squall_commands::Engine;
use squall_commands::config::AppendFsync;
use squall_store::rdb::{Aux, Loaded, NO_LINEAGE};

use crate::effect::{DiskDone, Effect, Effects};
use crate::marks::Mark;
use crate::services::Services;
pub(crate) use aof::{AppendLog, LogPosition, Recorded};
use aof::{LogLoad, LogLoaded};
use load::Load;
pub(crate) use reload::{LogReload, reload};
pub(crate) use save::SaveFor;
use save::{Save, SaveTarget};

/// What a finished piece of disk work means to the rest of the node.
pub(crate) enum Outcome {
    /// The dataset is in memory. None: there was no file.
    Loaded(Option<Loaded>),
    /// The file is there and cannot be used; what is wrong has been logged.
    LoadFailed,
    /// A snapshot ended; `result` is none where it failed.
    Saved { purpose: SaveFor, result: Result<(), String> },
}

/// What becomes of BGREWRITEAOF.
pub(crate) enum RewriteAnswer {
    Started,
    Scheduled,
    UnderWay,
}

pub(crate) struct Persistence {
    pub log: AppendLog,
    log_loading: Option<Box<LogLoad>>,
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
    loading_since: UnixMs,
}

/// After a failed save, automatic ones wait this long.
const RETRY_SECONDS: u64 = 5;

impl Persistence {
    pub fn new(engine: &Engine) -> Persistence {
        Persistence {
            log: AppendLog::new(&engine.config),
            log_loading: None,
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
            loading_since: engine.now.unix_ms(),
        }
    }

    pub fn start_loading(&mut self, engine: &mut Engine, effects: &mut Effects) {
        engine.loading = true;
        match engine.config.appendonly {
            true => self.log_loading = Some(Box::new(LogLoad::begin(engine, effects))),
            false => self.loading = Some(Load::begin(engine, effects)),
        }
    }

    pub fn is_saving(&self) -> bool {
        self.saving.is_some()
    }

    /// Whether BGSAVE, or a save point, is at work: what may be given up without anybody waiting for it.
    pub fn is_saving_in_background(&self) -> bool {
        self.saving.as_ref().is_some_and(|save| save.purpose == SaveFor::Background)
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
        let target = SaveTarget {
            path: engine.config.dbfilename.clone(),
            as_commands: false,
            sync_often: engine.config.rdb_save_incremental_fsync,
        };
        let save = Save::begin(engine, effects, aux, purpose, target)?;
        self.dirty_at_start = engine.dirty;
        self.saving = Some(save);
        self.scheduled = false;
        Ok(())
    }

    /// Gives up a running save, as FLUSHALL, SHUTDOWN NOSAVE or a new dataset do.
    pub fn abort_saving(&mut self, engine: &mut Engine, effects: &mut Effects) {
        let Some(save) = self.saving.take() else { return };
        effects.mark(Mark::SaveAborted);
        if save.purpose == SaveFor::LogBase {
            self.log.base_saved(Err("it was given up".to_owned()), effects, engine.now.mono);
        }
        save.abort(engine, effects);
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

    /// Now, while there is a slice to do; when the log has to be synced.
    pub fn next_timeout(&self, engine: &Engine) -> Option<Mono> {
        let slice = self.saving.as_ref().filter(|save| save.wants_slice()).map(|_| Mono(0));
        slice.or_else(|| self.log.next_timeout(&engine.config, self.is_saving()))
    }

    fn finish_saving(
        &mut self,
        engine: &mut Engine,
        effects: &mut Effects,
        save: Save,
        result: Result<(), String>,
    ) -> Option<Outcome> {
        if save.purpose == SaveFor::LogBase {
            let written = result.map(|()| save.written_bytes());
            self.log.base_saved(written, effects, engine.now.mono);
            return None;
        }
        self.last_save_ok = result.is_ok();
        self.last_save_seconds = Some(engine.now.mono.since(save.started).as_secs());
        effects.mark(if result.is_ok() { Mark::SaveDone } else { Mark::SaveFailed });
        match &result {
            Ok(()) => {
                self.saves += 1;
                self.last_save = engine.now.unix_ms();
                engine.dirty = engine.dirty.saturating_sub(self.dirty_at_start);
                effects.notice(match save.purpose {
                    SaveFor::Background => "Background saving terminated with success",
                    SaveFor::Client(_) | SaveFor::Shutdown | SaveFor::LogBase => "DB saved on disk",
                });
            }
            Err(reason) => effects.warning(format!("Error saving DB on disk: {reason}")),
        }
        engine.snapshot_failed = result.is_err();
        Some(Outcome::Saved { purpose: save.purpose, result })
    }
}

/// The log, beside the dataset and the snapshots.
impl Persistence {
    /// Logs what has changed the dataset.
    pub fn record(&mut self, engine: &Engine, effects: &mut Effects, recorded: &Recorded<'_>) {
        if self.log.is_recording() {
            let saving = self.is_saving();
            self.log.record(recorded, &engine.config, engine.now);
            self.log.pump(&engine.config, saving, effects, engine.now.mono);
        }
    }

    /// How far the log must have been written before output of this turn may leave; none where it may now.
    pub fn awaited_position(&self, engine: &Engine, has_written: bool) -> Option<LogPosition> {
        if !self.log.is_recording() || !(has_written || engine.config.appendfsync == AppendFsync::Always) {
            return None;
        }
        let position = self.log.position();
        self.log.holds(position).then_some(position)
    }

    /// BGREWRITEAOF.
    pub fn rewrite_log(&mut self, engine: &Engine, effects: &mut Effects) -> RewriteAnswer {
        if self.log.is_rewriting() {
            return RewriteAnswer::UnderWay;
        }
        if self.log.is_busy() || self.is_saving() || engine.keyspace.snapshot_running() {
            self.log.scheduled = true;
            return RewriteAnswer::Scheduled;
        }
        self.log.begin_rewrite(&engine.config, effects, engine.now.mono);
        RewriteAnswer::Started
    }

    /// Starts a rewrite that was scheduled, or that the log's growth or an error asks for.
    pub fn start_due_rewrite(&mut self, engine: &Engine, effects: &mut Effects) {
        let reading = self.log_loading.is_some() || self.loading.is_some();
        if !reading && !self.is_saving() && self.log.wants_rewrite(&engine.config, engine.now.mono) {
            self.log.begin_rewrite(&engine.config, effects, engine.now.mono);
        }
    }

    /// Hands to the disk what the log has for it, and begins the base of a rewrite when the cursor is free.
    pub fn tend_log(&mut self, engine: &mut Engine, effects: &mut Effects, aux: impl FnOnce(&Engine) -> Aux) {
        let is_free = self.saving.is_none() && !engine.keyspace.snapshot_running();
        // In the middle of a script the dataset is no point of the history.
        if is_free && self.log.wants_cursor() && !engine.scripts.is_parked() {
            assert!(engine.propagation.is_empty(), "what was done is in the history");
            let mut aux = Aux { aof_base: true, ..aux(engine) };
            // By this a reader knows whose rules the file behind the base follows.
            aux.lineage.get_or_insert_with(|| NO_LINEAGE.to_owned());
            let target = self.log.switch(&engine.config, engine.now.mono);
            engine.propagation.forget_database();
            let save = Save::begin(engine, effects, &aux, SaveFor::LogBase, target);
            self.saving = Some(save.expect("the cursor is free"));
        }
        engine.propagation.logged = self.log.is_recording();
        let saving = self.is_saving();
        self.log.pump(&engine.config, saving, effects, engine.now.mono);
        if self.log.refusal() != engine.append_failed.as_deref() {
            engine.append_failed = self.log.refusal().map(str::to_owned);
        }
    }

    /// The dataset is in memory.
    fn note_loaded(&mut self, engine: &mut Engine, loaded: &Loaded) {
        self.last_load = (loaded.keys, loaded.expired_keys);
        engine.dirty = 0;
    }
}

/// A request to the disk is done.
pub(crate) fn disk_done(engine: &mut Engine, services: &mut Services, done: DiskDone) -> Option<Outcome> {
    if let Some(mut load) = services.persistence.log_loading.take_if(|load| load.owns(done.ticket)) {
        let Some(end) = load.advance(engine, services, done) else {
            services.persistence.log_loading = Some(load);
            return None;
        };
        return log_loaded(engine, services, end);
    }
    let Services { persistence, effects, .. } = services;
    if let Some(load) = persistence.loading.as_mut().filter(|load| load.owns(done.ticket)) {
        let outcome = load.advance(engine, effects, done)?;
        persistence.loading = None;
        if let Outcome::Loaded(Some(loaded)) = &outcome {
            persistence.note_loaded(engine, loaded);
        }
        return Some(outcome);
    }
    if persistence.log.owns(done.ticket) {
        let (saving, now) = (persistence.is_saving(), engine.now.mono);
        if engine.config.latency_monitor_threshold_ms != 0 {
            for (event, began) in persistence.log.delays(&engine.config, saving, done.ticket) {
                engine.note_delay(event, now.since(began));
            }
        }
        if let Err(reason) = persistence.log.disk_done(&engine.config, saving, effects, done, now) {
            effects.warning(reason);
            effects.push(Effect::Exit { status: 1 });
        }
        return None;
    }
    let save = persistence.saving.as_mut().filter(|save| save.owns(done.ticket))?;
    let result = save.advance(engine, effects, done)?;
    let save = persistence.saving.take().expect("looked at a line above");
    persistence.finish_saving(engine, effects, save, result)
}

/// The log has been read, or is not there: then a snapshot that is there is read, lest a setting that was
/// switched on between two starts makes the server forget its dataset.
fn log_loaded(engine: &mut Engine, services: &mut Services, end: LogLoaded) -> Option<Outcome> {
    let Services { persistence, effects, .. } = services;
    match end {
        LogLoaded::Complete(loaded) => {
            persistence.note_loaded(engine, &loaded);
            Some(Outcome::Loaded(Some(loaded)))
        }
        LogLoaded::NoLog => {
            persistence.log.begin_without_past();
            persistence.loading = Some(Load::begin(engine, effects));
            None
        }
        LogLoaded::Failed => Some(Outcome::LoadFailed),
    }
}
