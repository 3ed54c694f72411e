//! Who goes on from where it was, who needs the dataset, and how a dataset travels.
//!
//! ```text
//!   Announcing --PSYNC--> Online                                   (+CONTINUE)
//!              --PSYNC--> WaitSnapshot --> Transfer --> Settling --> Online   ($EOF)
//!                                                  \--> Online                ($length)
//! ```
//!
//! One dataset is under way at a time. Whoever asks while it is being sent waits for the next one, since
//! the dataset is that of the moment when it was begun and the stream from that moment on is what has to
//! follow it; whoever waits when it begins shares it.

use bytes::Bytes;
use squall_clock::{Mono, Nanos};

use super::attached::{Attached, Phase};
use super::pacing::Pace;
use super::{Address, Primary, ReplconfError, ReplicaKey, Request};
use crate::{History, Position, ReplId};

/// Forty random bytes that end a dataset whose length is not known when it begins.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TransferMark(pub ReplId);

/// How a dataset is framed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Form {
    /// `$EOF:<mark>`: sent while it is made.
    Marked,
    /// `$<length>`: made first, then sent. For replicas that cannot read the other, or `repl-diskless-sync no`.
    Length,
}

/// A dataset that replicas wait for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Wanted {
    pub form: Form,
    /// Only what is not in the keyspace: functions.
    pub without_keys: bool,
}

/// What PSYNC is answered.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Psync {
    /// `+<text>`, and then the stream.
    Continue(String),
    /// Nothing yet: the replica waits for a dataset, or has asked already.
    Wait,
}

/// INFO's `sync_full`, `sync_partial_ok`, `sync_partial_err`.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct SyncCounts {
    pub full: u64,
    pub partial_accepted: u64,
    pub partial_refused: u64,
}

/// The dataset under way.
#[derive(Debug)]
pub(super) struct Transfer {
    form: Form,
    /// After the `$` line: from then on a newline would be taken for a byte of the dataset.
    header_sent: bool,
    mark: Option<TransferMark>,
}

impl Primary {
    /// `PSYNC` or `SYNC` from a connection at `host`. `own` names the history if this begins it.
    pub fn synchronise(
        &mut self,
        key: ReplicaKey,
        host: &str,
        request: Request,
        own: ReplId,
        now: Mono,
    ) -> Result<Psync, ReplconfError> {
        self.clock = now;
        let address = Address { host: host.to_owned(), port: 0 };
        let replica = self.replicas.entry(key).or_insert_with(|| Attached::announcing(address, now));
        if replica.is_attached() {
            return Ok(Psync::Wait);
        }
        if replica.contents.without_keys && !replica.capabilities.eof {
            return Err(ReplconfError::FilterNeedsEof);
        }
        replica.heard = now;
        self.start_schedule(now);
        match request {
            Request::Psync(Some(wanted)) if self.can_continue(key, wanted) => {
                Ok(self.resume(key, wanted, now))
            }
            request => {
                self.refuse_to_continue(key, request);
                self.wait_for_snapshot(key, request, own, now);
                Ok(Psync::Wait)
            }
        }
    }

    /// The dataset that should be begun now, if one is wanted and none is under way.
    pub fn snapshot_wanted(&self, now: Mono) -> Option<Wanted> {
        let (wanted, due) = self.snapshot_due()?;
        (due <= now).then_some(wanted)
    }

    /// A dataset of this very moment is being made: everybody who waits for one like it shares it, and the
    /// stream is kept for them from here on. It is about `dataset_bytes` long; too much does no harm. Follow up
    /// with `transfer_marked` or `transfer_length`.
    pub fn transfer_begun(&mut self, wanted: Wanted, dataset_bytes: u64, now: Mono) {
        assert!(self.transfer.is_none(), "one dataset is under way at a time");
        self.clock = now;
        self.transfer = Some(Transfer { form: wanted.form, header_sent: false, mark: None });
        let start = self.history.offset;
        let announcement = format!("+FULLRESYNC {} {}\r\n", self.history.id, start);
        for key in self.waiting_for(wanted) {
            let replica = self.replicas.get_mut(&key).expect("it waits");
            let Phase::WaitSnapshot { psync, .. } = replica.phase else { unreachable!("it waits") };
            replica.phase = Phase::Transfer { start };
            replica.pace = (!replica.contents.rdb_only).then(|| Pace::begin(wanted.form, dataset_bytes));
            replica.heard = now;
            replica.acknowledged = None;
            self.counts.full += 1;
            if psync {
                self.send(key, Bytes::from(announcement.clone()));
            }
        }
    }

    /// The dataset follows at once, ended by `mark`.
    pub fn transfer_marked(&mut self, mark: TransferMark) {
        let transfer = self.transfer.as_mut().expect("a dataset is under way");
        assert!(transfer.form == Form::Marked && !transfer.header_sent, "the header comes once");
        transfer.header_sent = true;
        transfer.mark = Some(mark);
        self.send_to_transferring(Bytes::from(format!("$EOF:{}\r\n", mark.0)));
    }

    /// The dataset is complete and `length_bytes` long; it follows.
    pub fn transfer_length(&mut self, length_bytes: u64) {
        let transfer = self.transfer.as_mut().expect("a dataset is under way");
        assert!(transfer.form == Form::Length && !transfer.header_sent, "the header comes once");
        transfer.header_sent = true;
        self.send_to_transferring(Bytes::from(format!("${length_bytes}\r\n")));
    }

    /// The next bytes of the dataset, for everybody who shares it.
    pub fn transfer_bytes(&mut self, bytes: Bytes) {
        assert!(
            self.transfer.as_ref().is_some_and(|transfer| transfer.header_sent),
            "the header comes first"
        );
        self.send_to_transferring(bytes);
    }

    /// All of the dataset has been handed over.
    pub fn transfer_complete(&mut self, now: Mono) {
        self.clock = now;
        let transfer = self.transfer.take().expect("a dataset is under way");
        let end = transfer.mark.map(|mark| Bytes::copy_from_slice(mark.0.as_str().as_bytes()));
        for key in self.transferring_keys() {
            if let Some(end) = &end {
                self.send(key, end.clone());
            }
            let replica = self.replicas.get_mut(&key).expect("it is in transfer");
            let Phase::Transfer { start } = replica.phase else { unreachable!("it is in transfer") };
            replica.heard = now;
            replica.acknowledged_at = now;
            replica.phase = match transfer.form {
                _ if replica.contents.rdb_only => Phase::Settling { start },
                Form::Marked => Phase::Settling { start },
                Form::Length => Phase::Online { sent: start },
            };
        }
    }

    /// The dataset cannot be finished: who waits for the rest of it has to ask again.
    pub fn transfer_failed(&mut self, reason: &str) {
        for key in self.transferring_keys() {
            self.detach(key, reason);
        }
        self.transfer = None;
    }

    /// The replicas that share the dataset under way. When none is left it can be given up.
    pub fn transferring(&self) -> impl Iterator<Item = ReplicaKey> {
        self.replicas
            .iter()
            .filter(|(_, replica)| matches!(replica.phase, Phase::Transfer { .. }))
            .map(|(key, _)| *key)
    }

    /// Whether a dataset is under way; false again as soon as nobody is left to read it.
    pub fn is_transferring(&self) -> bool {
        self.transfer.is_some()
    }

    /// When the dataset that replicas wait for should be begun.
    pub(super) fn snapshot_due(&self) -> Option<(Wanted, Mono)> {
        if self.transfer.is_some() {
            return None;
        }
        let waiting = self.replicas.values().filter_map(|replica| match replica.phase {
            Phase::WaitSnapshot { since, .. } => Some((since, replica.contents.without_keys)),
            _ => None,
        });
        let (since, without_keys) = waiting.min()?;
        let form = self.form_for(without_keys);
        let sharing = self.waiting_for(Wanted { form, without_keys }).len();
        let crowd = self.options.diskless_replicas_max;
        let delay = match form {
            Form::Marked if crowd == 0 || sharing < crowd => self.options.diskless_delay,
            Form::Marked | Form::Length => Nanos::ZERO,
        };
        Some((Wanted { form, without_keys }, since + delay))
    }

    /// Newlines keep the connection of those alive who have been promised a dataset and see none of it yet.
    pub(super) fn may_take_newlines(&self, replica: &Attached) -> bool {
        match replica.phase {
            Phase::WaitSnapshot { .. } => true,
            Phase::Transfer { .. } => self.transfer.as_ref().is_some_and(|transfer| !transfer.header_sent),
            Phase::Announcing | Phase::Settling { .. } | Phase::Online { .. } => false,
        }
    }

    /// Whether bytes of the dataset are being sent by now, and not only made.
    pub(super) fn transfer_travels(&self) -> bool {
        self.transfer.as_ref().is_some_and(|transfer| transfer.header_sent)
    }

    pub(super) fn drop_abandoned_transfer(&mut self) {
        if self.transfer.is_some() && self.transferring().next().is_none() {
            self.transfer = None;
        }
    }

    fn can_continue(&self, key: ReplicaKey, wanted: Position) -> bool {
        let replica = &self.replicas[&key];
        let learns_the_id = wanted.id == self.history.id || replica.capabilities.psync2;
        let kept = self.backlog.as_ref().is_some_and(|backlog| backlog.contains(wanted.offset));
        learns_the_id && kept && self.history.contains(wanted)
    }

    fn resume(&mut self, key: ReplicaKey, wanted: Position, now: Mono) -> Psync {
        let replica = self.replicas.get_mut(&key).expect("it asked");
        replica.phase = Phase::Online { sent: wanted.offset };
        // Who goes on from a point has applied what lies before it.
        replica.acknowledged = Some(wanted.offset);
        replica.acknowledged_at = now;
        let text = match replica.capabilities.psync2 {
            true => format!("CONTINUE {}", self.history.id),
            false => "CONTINUE".to_owned(),
        };
        let missed = self.history.offset.bytes_since(wanted.offset);
        let message = format!("replica {} goes on from {wanted}, {missed} bytes behind", replica.address);
        self.counts.partial_accepted += 1;
        self.log(false, message);
        Psync::Continue(text)
    }

    /// Says why a replica that has a position cannot go on from it.
    fn refuse_to_continue(&mut self, key: ReplicaKey, request: Request) {
        let Request::Psync(Some(wanted)) = request else { return };
        self.counts.partial_refused += 1;
        let why = match &self.backlog {
            _ if !self.history.contains(wanted) => match self.history.earlier {
                Some(earlier) => {
                    format!("my history is {}, until {} also {}", self.history.id, earlier.offset, earlier.id)
                }
                None => format!("my history is {} and has reached {}", self.history.id, self.history.offset),
            },
            Some(backlog) => format!("the backlog begins at {}", backlog.first()),
            None => "no backlog is kept".to_owned(),
        };
        let message = format!("replica {} cannot go on from {wanted}: {why}", self.replicas[&key].address);
        self.log(false, message);
    }

    fn wait_for_snapshot(&mut self, key: ReplicaKey, request: Request, own: ReplId, now: Mono) {
        if self.backlog.is_none() {
            self.history = History { id: own, offset: self.history.offset, earlier: None };
            self.start_backlog();
        }
        let replica = self.replicas.get_mut(&key).expect("it asked");
        replica.phase = Phase::WaitSnapshot { since: now, psync: request != Request::Sync };
        let message = format!("replica {} needs the dataset", replica.address);
        self.log(false, message);
    }

    fn form_for(&self, without_keys: bool) -> Form {
        let mut sharing = self
            .replicas
            .values()
            .filter(|replica| replica.is_waiting() && replica.contents.without_keys == without_keys);
        let all_read_marks = sharing.all(|replica| replica.capabilities.eof);
        match without_keys || (self.options.diskless && all_read_marks) {
            true => Form::Marked,
            false => Form::Length,
        }
    }

    fn waiting_for(&self, wanted: Wanted) -> Vec<ReplicaKey> {
        let fits =
            |replica: &Attached| replica.is_waiting() && replica.contents.without_keys == wanted.without_keys;
        self.replicas.iter().filter(|(_, replica)| fits(replica)).map(|(key, _)| *key).collect()
    }

    fn transferring_keys(&self) -> Vec<ReplicaKey> {
        self.transferring().collect()
    }

    fn send_to_transferring(&mut self, bytes: Bytes) {
        for key in self.transferring_keys() {
            self.send(key, bytes.clone());
        }
    }
}
