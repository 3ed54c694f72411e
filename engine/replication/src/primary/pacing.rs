//! Synchronisations that come to an end. While a dataset travels, the stream behind it waits here, and a replica
//! for which more than `client-output-buffer-limit` waited used to be cut off: it came back, needed the dataset
//! again, and was cut off again, for ever.
//!
//! So who is on the way to being in step is not cut off while it makes progress. The stream that waits for it is
//! bounded by the same limit all the same, because writers are paced: they have to wait when more than an
//! allowance waits for the replica.
//!
//! ```text
//!   allowance
//!   limit      -                            .--.
//!              -                   . - '        ' - .
//!              -          . - '                      ' - .          until so little waits that
//!   a quarter  - . - '                                     ' - -     it counts as being in step
//!                the dataset travels, and      the stream follows: of what the
//!                the allowance grows with it   replica takes, writers may add half
//! ```
//! A dataset that is written to a file first does not travel yet while it is: the allowance begins at a half there.
//! Where the limit is not reached anyway, nobody waits. A replica that takes less than [`PROGRESS_BYTES`] in
//! [`PROGRESS_WITHIN`] while writers wait for it is cut off after all: it is not worth it. A replica that feeds
//! others cannot pace its own primary's writers, so there the limit is as strict as ever.

use squall_clock::{Mono, Nanos};

use super::attached::{Attached, Phase};
use super::{Form, Primary, ReplicaKey};

/// What a replica must take while writers wait for it, and within which time.
const PROGRESS_BYTES: u64 = 64 * 1024;
const PROGRESS_WITHIN: Nanos = Nanos::from_secs(5);
/// The allowance is never a smaller part of the limit.
const SMALLEST_SHARE: u64 = 4;
/// When this part of the limit or less waits, the replica is in step, and ordinary limits hold.
const IN_STEP_SHARE: u64 = 8;

/// A replica on its way to being in step.
#[derive(Debug)]
pub(super) struct Pace {
    /// The part of the limit that the allowance begins with.
    first_share: u64,
    /// About how long the dataset is.
    dataset_bytes: u64,
    taken_bytes: u64,
    /// Of the limit, in the stream's part; it falls as the replica takes bytes.
    ceiling: Option<u64>,
    /// Since when writers have had to wait, and what had been taken then.
    watched: Option<(Mono, u64)>,
}

impl Pace {
    pub(super) fn begin(form: Form, dataset_bytes: u64) -> Pace {
        let first_share = if form == Form::Length { 2 } else { SMALLEST_SHARE };
        let dataset_bytes = dataset_bytes.max(1);
        Pace { first_share, dataset_bytes, taken_bytes: 0, ceiling: None, watched: None }
    }

    fn allowance(&self, limit: u64) -> u64 {
        let first = limit / self.first_share;
        let travelled = u128::from(self.taken_bytes.min(self.dataset_bytes));
        let grown = u128::from(limit - first) * travelled / u128::from(self.dataset_bytes);
        self.ceiling.unwrap_or(first + grown as u64)
    }
}

impl Primary {
    /// A replica took so many bytes of the dataset, or of the stream.
    pub(super) fn took(&mut self, key: ReplicaKey, count: u64) {
        let limit = self.stream_limit();
        let end = self.history.offset;
        let Some(replica) = self.replicas.get_mut(&key) else { return };
        let (pending, online) = (replica.pending(end), replica.is_online());
        let Some(pace) = &mut replica.pace else { return };
        pace.taken_bytes += count;
        if !online {
            return;
        }
        let ceiling = pace.ceiling.unwrap_or_else(|| pending.clamp(limit / SMALLEST_SHARE, limit));
        pace.ceiling = Some(ceiling.saturating_sub(count / 2).max(limit / SMALLEST_SHARE));
        if pending <= limit / IN_STEP_SHARE {
            replica.pace = None;
        }
    }

    /// Whether clients' writes should wait for a replica that is on its way to being in step.
    pub fn paces_writers(&self) -> bool {
        self.is_pacing() && self.replicas.values().any(|replica| self.exceeds_allowance(replica))
    }

    /// Not to be cut off for what waits for it.
    pub(super) fn is_spared(&self, replica: &Attached) -> bool {
        self.is_pacing() && replica.pace.is_some()
    }

    /// Looks at who makes writers wait: those that are not worth it.
    pub(super) fn idle_while_others_wait(&mut self, now: Mono) -> Vec<ReplicaKey> {
        let limit = self.stream_limit();
        let (end, is_pacing) = (self.history.offset, self.is_pacing());
        let travels = self.transfer_travels();
        let mut idle = Vec::new();
        for (key, replica) in &mut self.replicas {
            let pending = replica.pending(end);
            // Nobody can take what is not sent yet.
            let may_take = travels || !replica.is_in_transfer();
            let Some(pace) = &mut replica.pace else { continue };
            if !is_pacing || !may_take || pending <= pace.allowance(limit) {
                pace.watched = None;
                continue;
            }
            let (since, taken_then) = *pace.watched.get_or_insert((now, pace.taken_bytes));
            if pace.taken_bytes - taken_then >= PROGRESS_BYTES {
                pace.watched = Some((now, pace.taken_bytes));
            } else if now.since(since) >= PROGRESS_WITHIN {
                idle.push(*key);
            }
        }
        idle
    }

    /// When to look at it again.
    pub(super) fn next_look(&self, replica: &Attached) -> Option<Mono> {
        let (since, _) = replica.pace.as_ref()?.watched?;
        Some(since + PROGRESS_WITHIN)
    }

    fn exceeds_allowance(&self, replica: &Attached) -> bool {
        let allowance = replica.pace.as_ref().map(|pace| pace.allowance(self.stream_limit()));
        allowance.is_some_and(|allowance| replica.pending(self.history.offset) > allowance)
    }

    fn is_pacing(&self) -> bool {
        !self.following && self.options.output_limit.hard_bytes > 0
    }

    fn stream_limit(&self) -> u64 {
        self.limit(self.options.output_limit.hard_bytes)
    }
}

impl Attached {
    /// Bytes of the stream that wait for it, while the stream ends at `end`.
    pub(super) fn pending(&self, end: crate::ReplOffset) -> u64 {
        self.needs_stream_from().map_or(0, |from| end.bytes_since(from))
    }

    pub(super) fn is_in_transfer(&self) -> bool {
        matches!(self.phase, Phase::Transfer { .. })
    }
}
