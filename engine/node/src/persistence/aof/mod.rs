//! The append-only file: what changed the dataset, as commands, in files that can be read from front to end.
//! Redis 7's multi-part format: a directory with a base, increments, and a manifest that names them.
//!
//! - `manifest`: which files there are; `annotation` and `scanner`: what is in them;
//! - `load`: reading the log at start, and what to do with a torn or damaged end;
//! - `writer`: appending and syncing, and which replies may leave when;
//! - `rewrite` and `transcript`: the log written anew beside the clients.
//!
//! The promise of `appendfsync` begins when the manifest on disk names the file that is appended to. From
//! then on [`AppendLog::position`] after a request is the point that its reply waits for.

mod annotation;
mod info;
mod load;
mod manifest;
mod replay;
mod rewrite;
mod scanner;
mod transcript;
mod writer;

use std::collections::{BTreeSet, VecDeque};
use std::io::ErrorKind;

use squall_clock::{Mono, Now};
use squall_commands::ClientId;
use squall_commands::config::Config;
use squall_replication::Position;

use crate::effect::{DiskDone, DiskOp, Effect, Effects, FileId, Lane};
use crate::marks::Mark;
use crate::persistence::save::SaveTarget;
use crate::whole_file::{Reading, Replacement};
pub(crate) use load::{LogLoad, LogLoaded};
use manifest::LogFile;
pub(crate) use manifest::Manifest;
use rewrite::{Kind, Rewrite, Step};
pub(crate) use scanner::{Item, Scanned, Scanner};
pub(crate) use transcript::Transcript;
pub(crate) use writer::{LogPosition, Recorded};
use writer::{SyncPolicy, Writer};

pub(crate) struct AppendLog {
    names: FileNames,
    /// What the manifest on disk says.
    manifest: Manifest,
    /// The manifest of an earlier life is read before the first file of this one is named.
    reading: Option<Reading>,
    manifest_known: bool,
    writer: Option<Writer>,
    /// Where the positions of the next writer begin.
    last_end: LogPosition,
    /// The manifest on disk names the file that is written.
    promised: bool,
    /// `appendonly`, as it was last set.
    wanted: bool,
    rewrite: Option<Rewrite>,
    tidying: Option<Tidying>,
    /// BGREWRITEAOF has to wait for the snapshot cursor, or for another rewrite.
    pub scheduled: bool,
    /// Clients whose output waits, and for what; in order.
    held: VecDeque<(LogPosition, ClientId)>,
    released: LogPosition,
    facts: Facts,
}

/// What INFO tells, and what decides when to rewrite.
struct Facts {
    /// All files but the one that is written.
    earlier_bytes: u64,
    /// All files, after the last rewrite or at the start.
    base_bytes: u64,
    rewrites: u64,
    last_rewrite_ok: bool,
    last_rewrite_seconds: Option<u64>,
    last_attempt: Option<Mono>,
}

/// How the files are called, and which numbers have been given.
#[derive(Clone)]
pub(crate) struct FileNames {
    directory: String,
    file: String,
    last_base: u64,
    last_increment: u64,
}

/// History on its way out: the files are removed, then the manifest forgets them.
struct Tidying {
    removals: BTreeSet<u64>,
    forgetting: Option<Replacement>,
}

/// After a failed rewrite, automatic ones wait this long.
const RETRY_SECONDS: u64 = 5;

impl AppendLog {
    pub fn new(config: &Config) -> AppendLog {
        AppendLog {
            names: FileNames::of(config),
            manifest: Manifest::default(),
            reading: None,
            manifest_known: false,
            writer: None,
            last_end: LogPosition::default(),
            promised: false,
            wanted: config.appendonly,
            rewrite: None,
            tidying: None,
            scheduled: false,
            held: VecDeque::new(),
            released: LogPosition(u64::MAX),
            facts: Facts {
                earlier_bytes: 0,
                base_bytes: 0,
                rewrites: 0,
                last_rewrite_ok: true,
                last_rewrite_seconds: None,
                last_attempt: None,
            },
        }
    }

    // --- On and off ---

    /// The log has been read: it goes on at the end of `file`.
    pub fn resume(&mut self, manifest: Manifest, file: FileId, path: String, sizes: Sizes, now: Mono) {
        self.take_manifest(manifest);
        self.writer = Some(Writer::open(file, path, sizes.last_bytes, self.last_end, now));
        self.promised = true;
        self.facts.earlier_bytes = sizes.earlier_bytes;
        self.facts.base_bytes = sizes.earlier_bytes + sizes.last_bytes;
    }

    /// There is no log yet. One begins as soon as the snapshot cursor is free.
    pub fn begin_without_past(&mut self) {
        self.manifest_known = true;
    }

    /// `appendonly`, set anew.
    pub fn set_wanted(&mut self, wanted: bool, effects: &mut Effects) {
        self.wanted = wanted;
        if !wanted {
            let writes = self.rewrite.as_ref().is_some_and(|rewrite| !rewrite.is_apart());
            if writes {
                self.give_up_rewrite(effects);
            }
            self.stop_writing(effects);
        }
    }

    /// Another dataset has taken the place of the one that was logged. The old log stays as it is until the
    /// new one has its base.
    pub fn dataset_replaced(&mut self, effects: &mut Effects) {
        self.give_up_rewrite(effects);
        self.stop_writing(effects);
    }

    /// What has been written is about to be read again: nothing more is appended before that.
    pub fn leave_to_reader(&mut self, effects: &mut Effects) {
        assert!(!self.is_busy() && self.is_durable(), "all that there is, is on the disk");
        self.stop_writing(effects);
    }

    /// Whether commands have to be recorded.
    pub fn is_recording(&self) -> bool {
        self.writer.is_some()
    }

    pub fn is_promised(&self) -> bool {
        self.promised
    }

    /// Whether a first base is on its way, or still to be begun.
    pub fn is_beginning(&self) -> bool {
        self.wanted && !self.promised
    }

    /// Whether the first base of a log that is wanted could not be written.
    pub fn could_not_begin(&self) -> bool {
        self.is_beginning() && self.rewrite.is_none() && !self.facts.last_rewrite_ok
    }

    fn stop_writing(&mut self, effects: &mut Effects) {
        self.promised = false;
        if let Some(writer) = self.writer.take() {
            self.last_end = writer.end();
            writer.close(effects);
        }
        self.release(LogPosition(u64::MAX), effects);
    }

    // --- What is recorded, and who waits for it ---

    pub fn record(&mut self, recorded: &Recorded<'_>, config: &Config, now: Now) {
        if let Some(writer) = self.writer.as_mut().filter(|_| !recorded.is_for_replicas_alone()) {
            writer.record(recorded, config.aof_timestamp_enabled, now);
        }
    }

    /// The history has moved by what is not logged.
    pub fn note_position(&mut self, position: Option<Position>) {
        if let Some(writer) = &mut self.writer {
            writer.note_position(position);
        }
    }

    /// The end of what is recorded.
    pub fn position(&self) -> LogPosition {
        self.writer.as_ref().map_or(self.last_end, Writer::end)
    }

    /// How far the log is durable, if that is promised.
    pub fn durable(&self) -> Option<LogPosition> {
        self.writer.as_ref().filter(|_| self.promised).map(Writer::synced)
    }

    /// The point of history up to which the log is durable.
    pub fn durable_position(&self) -> Option<Position> {
        self.writer.as_ref().filter(|_| self.promised).and_then(Writer::synced_position)
    }

    /// Whether output that depends on `position` must not leave yet.
    #[inline]
    pub fn holds(&self, position: LogPosition) -> bool {
        position > self.released
    }

    /// Wakes the client when what it depends on is on the disk.
    pub fn wake_later(&mut self, client: ClientId, position: LogPosition) {
        self.held.push_back((position, client));
    }

    /// Hands to the disk what can be handed to it, and lets go who waits no longer.
    pub fn pump(&mut self, config: &Config, saving: bool, effects: &mut Effects, now: Mono) {
        let policy = policy(config, saving);
        let Some(writer) = &mut self.writer else { return };
        writer.pump(policy, effects, now);
        let released = if self.promised { writer.released(policy) } else { LogPosition(u64::MAX) };
        self.release(released, effects);
    }

    pub fn next_timeout(&self, config: &Config, saving: bool) -> Option<Mono> {
        self.writer.as_ref()?.next_timeout(policy(config, saving))
    }

    /// Why writes are refused, if they are.
    pub fn refusal(&self) -> Option<&str> {
        self.writer.as_ref().filter(|_| self.promised).and_then(Writer::error)
    }

    /// Everything recorded is durable soon; `is_durable` tells when.
    pub fn sync_soon(&mut self) {
        if let Some(writer) = &mut self.writer {
            writer.sync_soon();
        }
    }

    /// Everything is durable soon, and from then on at once.
    pub fn sync_for_good(&mut self) {
        if let Some(writer) = &mut self.writer {
            writer.sync_for_good();
        }
    }

    /// Whether nothing would be lost with the power, or no more can be done about it.
    pub fn is_durable(&self) -> bool {
        self.writer.as_ref().is_none_or(|writer| writer.is_durable() || writer.error().is_some())
    }

    fn release(&mut self, released: LogPosition, effects: &mut Effects) {
        self.released = released;
        while let Some((_, client)) = self.held.pop_front_if(|(position, _)| *position <= released) {
            effects.push(Effect::WakeClient(client));
        }
    }

    // --- Rewriting ---

    /// BGREWRITEAOF, by a client or by itself.
    pub fn begin_rewrite(&mut self, config: &Config, effects: &mut Effects, now: Mono) {
        assert!(!self.is_busy(), "one rewrite at a time");
        let kind = match (self.wanted, self.promised) {
            (true, true) => Kind::Continuing,
            (true, false) => Kind::Beginning,
            (false, _) => Kind::Apart,
        };
        self.scheduled = false;
        if !self.manifest_known {
            // The rewrite begins when the manifest is known.
            self.scheduled = true;
            let path = self.names.manifest();
            self.reading.get_or_insert_with(|| Reading::begin(effects, Lane::Meta, &path));
            return;
        }
        self.facts.last_attempt = Some(now);
        let as_commands = !config.aof_use_rdb_preamble;
        self.rewrite = Some(Rewrite::begin(kind, &mut self.names, as_commands, effects, now));
    }

    /// Whether a rewrite is under way, or what it replaced is being removed.
    pub fn is_busy(&self) -> bool {
        self.rewrite.is_some() || self.tidying.is_some() || self.reading.is_some()
    }

    pub fn is_rewriting(&self) -> bool {
        self.rewrite.is_some()
    }

    /// Whether a rewrite should begin now of its own accord.
    pub fn wants_rewrite(&self, config: &Config, now: Mono) -> bool {
        if self.is_busy() {
            return false;
        }
        let rested = |at: Mono| now.since(at).as_secs() >= RETRY_SECONDS;
        if !self.facts.last_rewrite_ok && !self.facts.last_attempt.is_none_or(rested) {
            return false;
        }
        let distrusted = self.writer.as_ref().is_some_and(Writer::sync_failed);
        self.scheduled || self.is_beginning() || distrusted || self.has_outgrown(config)
    }

    /// `auto-aof-rewrite-percentage` and `auto-aof-rewrite-min-size`.
    fn has_outgrown(&self, config: &Config) -> bool {
        let (now, base) = (self.current_bytes(), self.facts.base_bytes.max(1));
        let percentage = u64::from(config.auto_aof_rewrite_percentage);
        let growth = now.saturating_sub(base).saturating_mul(100) / base;
        self.promised
            && percentage > 0
            && now > config.auto_aof_rewrite_min_size_bytes
            && growth >= percentage
    }

    /// Whether the rewrite waits for the snapshot cursor, and nothing else.
    pub fn wants_cursor(&mut self) -> bool {
        let (Some(rewrite), writer) = (&mut self.rewrite, &self.writer) else { return false };
        if rewrite.is_settling() && writer.as_ref().is_none_or(Writer::is_settled) {
            rewrite.settled();
        }
        rewrite.is_ready()
    }

    /// The snapshot begins now: gives where it goes. What is recorded from now on goes to the increment.
    pub fn switch(&mut self, config: &Config, now: Mono) -> SaveTarget {
        let rewrite = self.rewrite.as_mut().expect("a rewrite wants the cursor");
        let (target, increment) = rewrite.start_saving(&self.names, config.aof_rewrite_incremental_fsync);
        if let Some((file, path)) = increment {
            match &mut self.writer {
                Some(writer) => {
                    self.facts.earlier_bytes += writer.size_bytes();
                    writer.switch(file, path);
                }
                None => self.writer = Some(Writer::open(file, path, 0, self.last_end, now)),
            }
        }
        target
    }

    /// The base is complete, or could not be written.
    pub fn base_saved(&mut self, result: Result<u64, String>, effects: &mut Effects, now: Mono) {
        let Some(rewrite) = &mut self.rewrite else { return };
        match result {
            Ok(bytes) => {
                self.facts.earlier_bytes = bytes;
                rewrite.publish(&self.names, &self.manifest, effects);
            }
            Err(reason) => self.rewrite_failed(&reason, effects, now),
        }
    }

    fn rewrite_failed(&mut self, reason: &str, effects: &mut Effects, now: Mono) {
        effects.warning(format!("The append-only file could not be rewritten: {reason}"));
        self.end_rewrite(false, now);
        self.give_up_rewrite(effects);
    }

    fn published(&mut self, effects: &mut Effects, now: Mono) {
        self.end_rewrite(true, now);
        self.rewrite = None;
        effects.mark(Mark::LogRewritten);
        effects.notice(match self.promised {
            true => "Background AOF rewrite finished successfully",
            false => "The append-only file has its base",
        });
        if let Some(writer) = &mut self.writer {
            writer.forget_earlier(effects);
            self.promised = true;
        }
        self.facts.base_bytes = self.current_bytes();
        self.tidy(effects);
    }

    fn end_rewrite(&mut self, ok: bool, now: Mono) {
        let started = self.rewrite.as_ref().map_or(now, |rewrite| rewrite.started);
        self.facts.last_rewrite_ok = ok;
        self.facts.last_rewrite_seconds = Some(now.since(started).as_secs());
        self.facts.rewrites += u64::from(ok);
    }

    /// Removes the files that the manifest calls history.
    pub fn tidy(&mut self, effects: &mut Effects) {
        if self.manifest.history.is_empty() {
            return;
        }
        let paths = self.manifest.history.iter().map(|file| self.names.path_of(file));
        let removals = paths.map(|path| effects.disk(Lane::Meta, DiskOp::Remove { path })).collect();
        self.tidying = Some(Tidying { removals, forgetting: None });
    }

    // --- The disk ---

    pub fn owns(&self, ticket: u64) -> bool {
        self.writer.as_ref().is_some_and(|writer| writer.owns(ticket))
            || self.rewrite.as_ref().is_some_and(|rewrite| rewrite.owns(ticket))
            || self.reading.as_ref().is_some_and(|reading| reading.owns(ticket))
            || self.tidying.as_ref().is_some_and(|tidying| tidying.owns(ticket))
    }

    /// What a request that is done has held up, and since when.
    pub fn delays(&self, config: &Config, saving: bool, ticket: u64) -> Vec<(&'static str, Mono)> {
        let delays = |writer: &Writer| writer.delays(ticket, policy(config, saving), saving);
        self.writer.as_ref().map(delays).unwrap_or_default()
    }

    /// A request is done. An error means that the server cannot go on.
    pub fn disk_done(
        &mut self,
        config: &Config,
        saving: bool,
        effects: &mut Effects,
        done: DiskDone,
        now: Mono,
    ) -> Result<(), String> {
        if let Some(writer) = self.writer.as_mut().filter(|writer| writer.owns(done.ticket)) {
            return writer.disk_done(policy(config, saving), effects, done, now);
        }
        if self.reading.is_some() {
            self.manifest_read(effects, done, now);
        } else if let Some(tidying) = &mut self.tidying {
            if tidying.advance(&self.names, &mut self.manifest, effects, done) {
                self.tidying = None;
            }
        } else if let Some(rewrite) = &mut self.rewrite {
            match rewrite.advance(&self.names, &mut self.manifest, effects, done) {
                Step::More => self.settle_rewrite(),
                Step::Published => self.published(effects, now),
                Step::Failed(reason) => self.rewrite_failed(&reason, effects, now),
            }
        }
        Ok(())
    }

    /// The manifest names the increment: the log so far is made durable before the switch.
    fn settle_rewrite(&mut self) {
        if self.rewrite.as_ref().is_some_and(Rewrite::is_settling) {
            self.sync_soon();
        }
    }

    fn manifest_read(&mut self, effects: &mut Effects, done: DiskDone, now: Mono) {
        let reading = self.reading.as_mut().expect("looked at by the caller");
        let Some(result) = reading.advance(effects, done) else { return };
        self.reading = None;
        let path = self.names.manifest();
        let manifest = match result {
            Ok(text) => Manifest::parse(&text).map_err(|error| error.to_string()),
            Err(error) if error.kind == ErrorKind::NotFound => Ok(Manifest::default()),
            Err(error) => Err(error.message),
        };
        match manifest {
            Ok(manifest) => self.take_manifest(manifest),
            Err(reason) => {
                effects.warning(format!("Can't use the manifest {path}: {reason}. It is left as it is."));
                self.scheduled = false;
                self.facts.last_rewrite_ok = false;
                self.facts.last_attempt = Some(now);
            }
        }
    }

    fn take_manifest(&mut self, manifest: Manifest) {
        self.names.note(&manifest);
        self.manifest = manifest;
        self.manifest_known = true;
    }

    fn current_bytes(&self) -> u64 {
        self.facts.earlier_bytes + self.writer.as_ref().map_or(0, Writer::size_bytes)
    }
}

/// How long the files are.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sizes {
    pub earlier_bytes: u64,
    pub last_bytes: u64,
}

impl FileNames {
    pub fn of(config: &Config) -> FileNames {
        FileNames {
            directory: config.appenddirname.clone(),
            file: config.appendfilename.clone(),
            last_base: 0,
            last_increment: 0,
        }
    }

    pub fn manifest(&self) -> String {
        format!("{}/{}.manifest", self.directory, self.file)
    }

    fn path_of(&self, file: &LogFile) -> String {
        format!("{}/{}", self.directory, file.name)
    }

    /// The numbers in use are not given again.
    fn note(&mut self, manifest: &Manifest) {
        let highest = |files: &mut dyn Iterator<Item = &LogFile>| files.map(|file| file.sequence).max();
        let bases = highest(&mut manifest.base.iter().chain(&manifest.history));
        let increments = highest(&mut manifest.increments.iter().chain(&manifest.history));
        self.last_base = self.last_base.max(bases.unwrap_or(0));
        self.last_increment = self.last_increment.max(increments.unwrap_or(0));
    }

    fn next_base(&mut self, as_commands: bool) -> LogFile {
        self.last_base += 1;
        let (sequence, extension) = (self.last_base, if as_commands { "aof" } else { "rdb" });
        LogFile { name: format!("{}.{sequence}.base.{extension}", self.file), sequence }
    }

    fn next_increment(&mut self) -> LogFile {
        self.last_increment += 1;
        let sequence = self.last_increment;
        LogFile { name: format!("{}.{sequence}.incr.aof", self.file), sequence }
    }

    fn replace_manifest(&self, manifest: &Manifest, effects: &mut Effects) -> Replacement {
        Replacement::begin(effects, Lane::Meta, self.manifest(), manifest.render())
    }
}

impl Tidying {
    fn owns(&self, ticket: u64) -> bool {
        self.removals.contains(&ticket)
            || self.forgetting.as_ref().is_some_and(|replacement| replacement.owns(ticket))
    }

    /// True when it is over. A file that cannot be removed is in nobody's way.
    fn advance(
        &mut self,
        names: &FileNames,
        manifest: &mut Manifest,
        effects: &mut Effects,
        done: DiskDone,
    ) -> bool {
        if let Some(replacement) = &mut self.forgetting {
            let result = replacement.advance(effects, done);
            if let Some(Ok(())) = result {
                *manifest = manifest.without_history();
            }
            return result.is_some();
        }
        self.removals.remove(&done.ticket);
        if self.removals.is_empty() {
            self.forgetting = Some(names.replace_manifest(&manifest.without_history(), effects));
        }
        false
    }
}

fn policy(config: &Config, saving: bool) -> SyncPolicy {
    SyncPolicy { fsync: config.appendfsync, suspended: config.no_appendfsync_on_rewrite && saving }
}
