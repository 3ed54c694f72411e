//! The end of the log, where it grows. What is recorded in a turn is appended as one group; what comes
//! while an append is under way waits for the next: so a hundred clients that write at once cost two
//! writes and, under `always`, two syncs.
//!
//! ```text
//!            synced            written             end
//!   log  ......|..................|..................|
//!        durable   handed to the    recorded, not yet
//!                  system           handed over
//! ```
//! Positions count recorded bytes since the process began, over all files. Nothing is appended to a file
//! before all of the file before it is durable: the log is a prefix of history wherever it ends.

use std::collections::VecDeque;
use std::ops::Range;

use bytes::{Bytes, BytesMut};
use squall_clock::{Mono, Nanos, Now};
use squall_commands::config::AppendFsync;
use squall_replication::{Position, ReplId};
use squall_resp::encode_command;

use super::annotation::{begin_group, end_group, put_history, put_timestamp};
use crate::effect::{DiskDone, DiskOp, Effects, FileId, Lane};
use crate::marks::Mark;

/// Recorded bytes since the process began.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub(crate) struct LogPosition(pub u64);

/// What the configuration says about syncing, now.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct SyncPolicy {
    pub fsync: AppendFsync,
    /// `no-appendfsync-on-rewrite`, while a snapshot is written.
    pub suspended: bool,
}

impl SyncPolicy {
    /// Whether replies wait for syncs.
    fn holds_replies(self) -> bool {
        self.fsync == AppendFsync::Always && !self.suspended
    }
}

/// Commands that are to be recorded, and how they join the ones before.
pub(crate) struct Recorded<'a> {
    pub stream: &'a [u8],
    /// The parts of it, in order, that are for replicas alone.
    pub unlogged: &'a [Range<usize>],
    /// The database that the stream takes for granted; none where it selects one by itself.
    pub begins_in: Option<usize>,
    /// The database that is selected at its end, if known.
    pub ends_in: Option<usize>,
    /// The point of the replication history that it leads to.
    pub position: Option<Position>,
}

impl Recorded<'_> {
    /// What the log gets of the stream.
    fn logged(&self) -> impl Iterator<Item = &[u8]> {
        let ends = self.unlogged.iter().map(|part| part.start).chain([self.stream.len()]);
        let begins = [0].into_iter().chain(self.unlogged.iter().map(|part| part.end));
        begins.zip(ends).map(|(begin, end)| &self.stream[begin..end])
    }

    pub fn is_for_replicas_alone(&self) -> bool {
        self.logged().all(<[u8]>::is_empty)
    }
}

pub(crate) struct Writer {
    /// In order; only the first is appended to.
    files: VecDeque<Target>,
    end: LogPosition,
    written: LogPosition,
    synced: LogPosition,
    appending: Appending,
    syncing: Option<Syncing>,
    last_sync_began: Mono,
    /// The point of history up to which the log is durable.
    synced_position: Option<Position>,
    /// Whatever the policy says, this much is to be made durable.
    sync_up_to: LogPosition,
    /// The database that the log's end has selected.
    db: Option<usize>,
    position: Option<Position>,
    last_timestamp_seconds: u64,
    append_error: Option<String>,
    /// A sync failed: what the system held may be gone, and no later sync would say so. Only another base
    /// brings back what is known to be durable.
    sync_error: Option<(FileId, String)>,
    /// How often appends had to wait because a sync took too long.
    delayed_syncs: u64,
}

/// One file that is written.
struct Target {
    file: FileId,
    path: String,
    size_bytes: u64,
    synced_bytes: u64,
    recorded: BytesMut,
    /// Where in `recorded` the group that is open begins.
    group_start: usize,
    /// What is recorded for this file ends here.
    end: LogPosition,
    /// The point of history that the last group handed over leads to.
    handed_over: Option<Position>,
    written_to: Option<Position>,
    /// The history that the file's last `#ID` line names; none before there is one.
    named: Option<Option<ReplId>>,
    /// Another file follows.
    sealed: bool,
}

enum Appending {
    Idle,
    Underway {
        ticket: u64,
        data: Bytes,
        end: LogPosition,
        began: Mono,
    },
    /// The append failed, and what it wrote is being cut off.
    Cutting {
        ticket: u64,
        data: Bytes,
        end: LogPosition,
    },
    /// It is tried again then; `clean` where nothing is left of the last attempt.
    Waiting {
        until: Mono,
        data: Bytes,
        end: LogPosition,
        clean: bool,
    },
}

struct Syncing {
    ticket: u64,
    file: FileId,
    covers: LogPosition,
    position: Option<Position>,
    size_bytes: u64,
    began: Mono,
    delayed: bool,
}

/// A failed append is tried again after that long.
const RETRY_PERIOD: Nanos = Nanos::from_secs(1);
const SYNC_PERIOD: Nanos = Nanos::from_secs(1);
/// A sync that takes longer holds appends up: otherwise more than the last seconds could be lost.
const SYNC_PATIENCE: Nanos = Nanos::from_secs(2);

impl Writer {
    /// A writer that goes on with an open file of so many bytes, all of them durable. Positions go on at
    /// `start`.
    pub fn open(file: FileId, path: String, size_bytes: u64, start: LogPosition, now: Mono) -> Writer {
        Writer {
            files: VecDeque::from([Target::at(file, path, size_bytes, start)]),
            end: start,
            written: start,
            synced: start,
            appending: Appending::Idle,
            syncing: None,
            last_sync_began: now,
            synced_position: None,
            sync_up_to: start,
            db: None,
            position: None,
            last_timestamp_seconds: 0,
            append_error: None,
            sync_error: None,
            delayed_syncs: 0,
        }
    }

    /// What is recorded from now on goes to another file, which is open and empty.
    pub fn switch(&mut self, file: FileId, path: String) {
        let (position, end) = (self.position, self.end);
        let last = self.last();
        last.end_group(position);
        last.handed_over = position;
        last.sealed = true;
        self.files.push_back(Target::at(file, path, 0, end));
        self.db = None;
    }

    /// All that was recorded for files before the last one is durable elsewhere: in a base.
    pub fn forget_earlier(&mut self, effects: &mut Effects) {
        while self.files.len() > 1 {
            let target = self.files.pop_front().expect("there are two");
            self.written = self.written.max(target.end);
            self.synced = self.synced.max(target.end);
            self.synced_position = target.handed_over;
            self.appending = Appending::Idle;
            self.syncing = None;
            self.append_error = None;
            effects.disk(Lane::Log, DiskOp::Close { file: target.file });
        }
        let file = self.files[0].file;
        self.sync_error.take_if(|(failed, _)| *failed != file);
    }

    /// Writes and syncs the rest, and closes the files; nobody waits for it.
    pub fn close(self, effects: &mut Effects) {
        for mut target in self.files {
            target.end_group(self.position);
            let (file, data) = (target.file, target.recorded.freeze());
            effects.disk(Lane::Log, DiskOp::Append { file, data });
            effects.disk(Lane::Log, DiskOp::Sync { file });
            effects.disk(Lane::Log, DiskOp::Close { file });
        }
    }

    pub fn record(&mut self, recorded: &Recorded<'_>, timestamps: bool, now: Now) {
        let id = recorded.position.map(|position| position.id);
        let (position, db) = (self.position, self.db);
        let seconds = now.unix_seconds();
        let stamp = (timestamps && self.last_timestamp_seconds != seconds).then_some(seconds);
        let target = self.last();
        target.begin_group(id, position);
        if let Some(seconds) = stamp {
            put_timestamp(&mut target.recorded, seconds);
        }
        if recorded.begins_in.is_some() && recorded.begins_in != db {
            put_select(&mut target.recorded, recorded.begins_in);
        }
        for part in recorded.logged() {
            target.recorded.extend_from_slice(part);
            target.end.0 += part.len() as u64;
        }
        self.end = self.last().end;
        self.db = recorded.ends_in;
        self.position = recorded.position;
        self.last_timestamp_seconds = stamp.unwrap_or(self.last_timestamp_seconds);
    }

    /// The history has moved by what is not logged.
    pub fn note_position(&mut self, position: Option<Position>) {
        if self.position != position {
            let before = self.position;
            self.last().begin_group(position.map(|position| position.id), before);
            self.position = position;
        }
    }

    pub fn end(&self) -> LogPosition {
        self.end
    }

    pub fn synced(&self) -> LogPosition {
        self.synced
    }

    pub fn synced_position(&self) -> Option<Position> {
        self.synced_position
    }

    /// What depends on no more than this may leave.
    pub fn released(&self, policy: SyncPolicy) -> LogPosition {
        if policy.holds_replies() { self.synced } else { self.written }
    }

    /// Why writes are refused, if they are.
    pub fn error(&self) -> Option<&str> {
        self.append_error.as_deref().or(self.sync_error.as_ref().map(|(_, reason)| reason.as_str()))
    }

    pub fn sync_failed(&self) -> bool {
        self.sync_error.is_some()
    }

    pub fn sync_under_way(&self) -> bool {
        self.syncing.is_some()
    }

    pub fn delayed_syncs(&self) -> u64 {
        self.delayed_syncs
    }

    /// How long the file is that is appended to.
    pub fn size_bytes(&self) -> u64 {
        self.files.iter().map(|target| target.size_bytes).sum()
    }

    /// Recorded and not yet written.
    pub fn pending_bytes(&self) -> usize {
        self.files.iter().map(|target| target.recorded.len()).sum()
    }

    /// Makes all that is recorded durable as soon as that can be.
    pub fn sync_soon(&mut self) {
        self.sync_up_to = self.end;
    }

    /// Whether all that `sync_soon` was asked for is durable.
    pub fn is_settled(&self) -> bool {
        self.synced >= self.sync_up_to
    }

    /// Whether all of the log is durable, annotations too.
    pub fn is_durable(&self) -> bool {
        let target = self.files.back().expect("there is always a file");
        self.files.len() == 1 && target.recorded.is_empty() && target.size_bytes == target.synced_bytes
    }

    /// Makes everything durable at once from now on.
    pub fn sync_for_good(&mut self) {
        self.sync_up_to = LogPosition(u64::MAX);
    }

    pub fn owns(&self, ticket: u64) -> bool {
        let appending = match &self.appending {
            Appending::Underway { ticket, .. } | Appending::Cutting { ticket, .. } => Some(*ticket),
            Appending::Idle | Appending::Waiting { .. } => None,
        };
        appending == Some(ticket) || self.syncing.as_ref().is_some_and(|syncing| syncing.ticket == ticket)
    }

    /// When `pump` wants to be called; none while only the disk can change something.
    pub fn next_timeout(&self, policy: SyncPolicy) -> Option<Mono> {
        let retry = match self.appending {
            Appending::Waiting { until, .. } => Some(until),
            _ => None,
        };
        let every_second = policy.fsync == AppendFsync::Everysec && !policy.suspended;
        let first = self.files.front()?;
        let sync = (every_second && self.syncing.is_none() && first.synced_bytes < first.size_bytes)
            .then(|| self.last_sync_began + SYNC_PERIOD);
        [retry, sync].into_iter().flatten().min()
    }

    /// Hands to the disk whatever can be handed to it now.
    pub fn pump(&mut self, policy: SyncPolicy, effects: &mut Effects, now: Mono) {
        self.retry(effects, now);
        self.drop_finished(effects);
        if self.syncing.is_none() && self.wants_sync(policy, now) {
            self.sync(effects, now);
        }
        if matches!(self.appending, Appending::Idle) && !self.is_held_up(policy, effects, now) {
            self.append(effects, now);
        }
    }

    /// What a request that is done has held up, and since when, under the names that LATENCY gives to it. A sync in the
    /// background holds nothing up.
    pub fn delays(&self, ticket: u64, policy: SyncPolicy, saving: bool) -> Vec<(&'static str, Mono)> {
        match (&self.appending, &self.syncing) {
            (Appending::Underway { ticket: appending, began, .. }, syncing) if *appending == ticket => {
                let beside = match syncing {
                    Some(_) => "aof-write-pending-fsync",
                    None if saving => "aof-write-active-child",
                    None => "aof-write-alone",
                };
                vec![("aof-write", *began), (beside, *began)]
            }
            (_, Some(syncing)) if syncing.ticket == ticket && policy.holds_replies() => {
                vec![("aof-fsync-always", syncing.began)]
            }
            _ => Vec::new(),
        }
    }

    /// A request is done. An error means that the server cannot go on.
    pub fn disk_done(
        &mut self,
        policy: SyncPolicy,
        effects: &mut Effects,
        done: DiskDone,
        now: Mono,
    ) -> Result<(), String> {
        if let Some(syncing) = self.syncing.take_if(|syncing| syncing.ticket == done.ticket) {
            return self.sync_done(
                policy,
                effects,
                syncing,
                done.result.map(|_| ()).map_err(|error| error.message),
            );
        }
        match (std::mem::replace(&mut self.appending, Appending::Idle), done.result) {
            (Appending::Underway { data, end, .. }, Ok(_)) => self.appended(effects, data.len(), end),
            (Appending::Underway { data, end, .. }, Err(error)) => {
                if policy.fsync == AppendFsync::Always {
                    return Err(format!(
                        "Can't recover from AOF write error when the AOF fsync policy is 'always': {}. Exiting...",
                        error.message
                    ));
                }
                self.append_refused(effects, data, end, error.message);
            }
            (Appending::Cutting { data, end, .. }, result) => {
                self.appending =
                    Appending::Waiting { until: now + RETRY_PERIOD, data, end, clean: result.is_ok() };
            }
            (Appending::Idle | Appending::Waiting { .. }, _) => {
                unreachable!("only a request that is under way is done")
            }
        }
        Ok(())
    }

    // --- Appending ---

    fn append(&mut self, effects: &mut Effects, now: Mono) {
        let position = self.position;
        let first = self.files.front_mut().expect("there is always a file");
        if first.recorded.is_empty() {
            return;
        }
        if !first.sealed {
            first.end_group(position);
            first.handed_over = position;
        }
        first.group_start = 0;
        let (data, end) = (first.recorded.split().freeze(), first.end);
        self.hand_over(effects, data, end, now);
    }

    fn hand_over(&mut self, effects: &mut Effects, data: Bytes, end: LogPosition, now: Mono) {
        let file = self.files[0].file;
        let ticket = effects.disk(Lane::Log, DiskOp::Append { file, data: data.clone() });
        self.appending = Appending::Underway { ticket, data, end, began: now };
    }

    fn appended(&mut self, effects: &mut Effects, bytes: usize, end: LogPosition) {
        self.written = end;
        let first = &mut self.files[0];
        first.size_bytes += bytes as u64;
        first.written_to = first.handed_over;
        if self.append_error.take().is_some() {
            effects.warning("AOF write error looks solved. The server can write again.");
        }
    }

    /// What an append that failed has written is cut off, so that the next attempt does not follow half of
    /// this one.
    fn append_refused(&mut self, effects: &mut Effects, data: Bytes, end: LogPosition, reason: String) {
        if self.append_error.is_none() {
            let path = &self.files[0].path;
            effects.warning(format!("Error writing to the append-only file {path}: {reason}"));
        }
        self.append_error = Some(reason);
        effects.mark(Mark::LogAppendFailed);
        self.cut(effects, data, end);
    }

    fn cut(&mut self, effects: &mut Effects, data: Bytes, end: LogPosition) {
        let Target { file, size_bytes, .. } = self.files[0];
        let ticket = effects.disk(Lane::Log, DiskOp::Truncate { file, len: size_bytes });
        self.appending = Appending::Cutting { ticket, data, end };
    }

    fn retry(&mut self, effects: &mut Effects, now: Mono) {
        match std::mem::replace(&mut self.appending, Appending::Idle) {
            Appending::Waiting { until, data, end, clean } if until <= now => match clean {
                true => self.hand_over(effects, data, end, now),
                false => self.cut(effects, data, end),
            },
            other => self.appending = other,
        }
    }

    // --- Syncing ---

    /// A file that another follows and that is durable is needed no more.
    fn drop_finished(&mut self, effects: &mut Effects) {
        while let Some(first) = self.files.front().filter(|first| first.sealed)
            && matches!(self.appending, Appending::Idle)
            && first.recorded.is_empty()
            && first.synced_bytes == first.size_bytes
        {
            self.synced = self.synced.max(first.end);
            effects.disk(Lane::Log, DiskOp::Close { file: first.file });
            self.files.pop_front();
        }
    }

    /// Under `everysec`, a sync that takes too long holds up what comes after it.
    fn is_held_up(&mut self, policy: SyncPolicy, effects: &mut Effects, now: Mono) -> bool {
        let Some(syncing) = &mut self.syncing else { return false };
        let held = policy.fsync == AppendFsync::Everysec && now.since(syncing.began) > SYNC_PATIENCE;
        if held && !syncing.delayed && self.files.front().is_some_and(|first| !first.recorded.is_empty()) {
            syncing.delayed = true;
            self.delayed_syncs += 1;
            effects.mark(Mark::LogSyncDelayed);
        }
        held
    }

    fn wants_sync(&self, policy: SyncPolicy, now: Mono) -> bool {
        let first = self.files.front().expect("there is always a file");
        if first.synced_bytes == first.size_bytes {
            return false;
        }
        let by_policy = match policy.fsync {
            _ if policy.suspended => false,
            AppendFsync::Always => true,
            AppendFsync::Everysec => now >= self.last_sync_began + SYNC_PERIOD,
            AppendFsync::No => false,
        };
        by_policy || first.sealed || self.synced < self.sync_up_to
    }

    fn sync(&mut self, effects: &mut Effects, now: Mono) {
        let first = &self.files[0];
        let ticket = effects.disk(Lane::LogSync, DiskOp::Sync { file: first.file });
        self.last_sync_began = now;
        self.syncing = Some(Syncing {
            ticket,
            file: first.file,
            covers: self.written,
            position: first.written_to,
            size_bytes: first.size_bytes,
            began: now,
            delayed: false,
        });
    }

    fn sync_done(
        &mut self,
        policy: SyncPolicy,
        effects: &mut Effects,
        syncing: Syncing,
        result: Result<(), String>,
    ) -> Result<(), String> {
        match result {
            Ok(()) => {
                self.synced = self.synced.max(syncing.covers);
                self.synced_position = syncing.position.or(self.synced_position);
                let first = &mut self.files[0];
                assert_eq!(first.file, syncing.file, "a file is durable before the next one is synced");
                first.synced_bytes = syncing.size_bytes;
                Ok(())
            }
            Err(reason) if policy.fsync == AppendFsync::Always => Err(format!(
                "Can't persist AOF for fsync error when the AOF fsync policy is 'always': {reason}. Exiting..."
            )),
            Err(reason) => {
                let path = &self.files[0].path;
                effects.warning(format!(
                    "Syncing the append-only file {path} failed: {reason}. What it held may be lost, so no write \
                     is taken until the dataset is in another base."
                ));
                effects.mark(Mark::LogSyncFailed);
                self.sync_error = Some((syncing.file, reason));
                Ok(())
            }
        }
    }

    fn last(&mut self) -> &mut Target {
        self.files.back_mut().expect("there is always a file")
    }
}

impl Target {
    fn at(file: FileId, path: String, size_bytes: u64, end: LogPosition) -> Target {
        Target {
            file,
            path,
            size_bytes,
            synced_bytes: size_bytes,
            recorded: BytesMut::new(),
            group_start: 0,
            end,
            handed_over: None,
            written_to: None,
            named: None,
            sealed: false,
        }
    }

    /// Sees to it that a group in the history `id` is open. One that belongs to another history, which it
    /// brought to `before`, ends.
    fn begin_group(&mut self, id: Option<ReplId>, before: Option<Position>) {
        if self.named != Some(id) {
            self.end_group(before);
        }
        if self.group_start == self.recorded.len() {
            begin_group(&mut self.recorded);
        }
        if self.named != Some(id) {
            put_history(&mut self.recorded, id);
            self.named = Some(id);
        }
    }

    /// Ends the group that is open, if one is.
    fn end_group(&mut self, position: Option<Position>) {
        if self.group_start < self.recorded.len() {
            let offset = position.map(|position| position.offset.0);
            end_group(&mut self.recorded, self.group_start, self.synced_bytes, offset);
            self.group_start = self.recorded.len();
        }
    }
}

fn put_select(log: &mut BytesMut, db: Option<usize>) {
    let number = db.unwrap_or(0).to_string();
    encode_command(log, [b"SELECT".as_slice(), number.as_bytes()].into_iter());
}
