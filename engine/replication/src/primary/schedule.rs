//! What time asks of a primary: PING, newlines for those who wait, giving up on the silent and the slow,
//! and forgetting a backlog that nobody has needed for long.

use bytes::Bytes;
use squall_clock::{Mono, Nanos};

use super::attached::{Attached, Phase};
use super::{Primary, ReplicaKey};
use crate::{History, ReplId};

/// How often somebody who waits for a dataset is told that the connection lives.
const NEWLINE_PERIOD: Nanos = Nanos::from_secs(1);

const PING: &[u8] = b"*1\r\n$4\r\nPING\r\n";

impl Primary {
    /// Does what is due. `own` is the history's name should the backlog be given up.
    pub fn timeout(&mut self, own: ReplId, now: Mono) {
        self.clock = now;
        if self.sends_pings() && self.next_ping <= now {
            self.next_ping = now + self.options.ping_period;
            self.feed(Bytes::from_static(PING), 1, now);
        }
        if self.next_newline <= now {
            self.next_newline = now + NEWLINE_PERIOD;
            for key in self.keys_where(|primary, replica| primary.may_take_newlines(replica)) {
                self.send(key, Bytes::from_static(b"\n"));
            }
        }
        for key in
            self.keys_where(|primary, replica| primary.silence_ends(replica).is_some_and(|end| end <= now))
        {
            self.detach(key, "it has been silent for longer than repl-timeout");
        }
        self.enforce_output_limits(now);
        if self.backlog_expires().is_some_and(|expires| expires <= now) {
            self.backlog = None;
            self.history = History { id: own, offset: self.history.offset, earlier: None };
            self.log(
                false,
                "the backlog was given up: no replica for longer than repl-backlog-ttl".to_owned(),
            );
        }
    }

    /// When to call `timeout` next. A dataset that is wanted but cannot be begun yet sets no time.
    pub fn poll_timeout(&self) -> Option<Mono> {
        if self.replicas.is_empty() {
            // Asked after every batch of requests, and mostly there is nobody to wait for.
            return self.backlog_expires();
        }
        let snapshot = self.snapshot_due().map(|(_, due)| due).filter(|due| *due > self.clock);
        let ping = self.sends_pings().then_some(self.next_ping);
        let newline = self
            .replicas
            .values()
            .any(|replica| self.may_take_newlines(replica))
            .then_some(self.next_newline);
        let silence = self.replicas.values().filter_map(|replica| self.silence_ends(replica)).min();
        let soft = self.replicas.values().filter_map(|replica| self.patience_ends(replica)).min();
        let look = self.replicas.values().filter_map(|replica| self.next_look(replica)).min();
        [snapshot, ping, newline, silence, soft, look, self.backlog_expires()].into_iter().flatten().min()
    }

    /// Starts the clocks that only run while somebody is attached.
    pub(super) fn start_schedule(&mut self, now: Mono) {
        if !self.replicas.values().any(Attached::is_attached) {
            self.next_ping = now + self.options.ping_period;
            self.next_newline = now + NEWLINE_PERIOD;
        }
    }

    /// Cuts off the replicas for which too much waits, or much for too long.
    pub(super) fn enforce_output_limits(&mut self, now: Mono) {
        let (hard, soft) = (
            self.limit(self.options.output_limit.hard_bytes),
            self.limit(self.options.output_limit.soft_bytes),
        );
        for key in self.idle_while_others_wait(now) {
            self.detach(key, "it takes next to nothing, and clients' writes wait for it");
        }
        let end = self.history.offset;
        for replica in self.replicas.values_mut() {
            match replica.pending(end) > soft {
                true => _ = replica.over_soft_limit_since.get_or_insert(now),
                false => replica.over_soft_limit_since = None,
            }
        }
        for key in self.keys_where(|primary, replica| {
            let hard = hard.saturating_add(primary.long_write_ahead_of(replica));
            let is_over =
                replica.pending(end) > hard || primary.patience_ends(replica).is_some_and(|ends| ends <= now);
            is_over && !primary.is_spared(replica)
        }) {
            let pending = self.stream_pending(key);
            self.detach(
                key,
                &format!("{pending} bytes wait for it, more than client-output-buffer-limit allows"),
            );
        }
    }

    /// Nobody is cut off for one long write, which takes its time, but for what waits beside it: who comes back
    /// would not find it in the backlog, and would need the whole dataset for the sake of one value.
    fn long_write_ahead_of(&self, replica: &Attached) -> u64 {
        let is_ahead =
            |(end, _): &(crate::ReplOffset, u64)| replica.needs_stream_from().is_some_and(|from| from < *end);
        self.long_write.filter(is_ahead).map_or(0, |(_, length)| length)
    }

    /// A limit in bytes as it counts: none at zero, and never below the backlog's size.
    pub(super) fn limit(&self, bytes: u64) -> u64 {
        match bytes {
            0 => u64::MAX,
            bytes => bytes.max(self.options.backlog_bytes),
        }
    }

    fn patience_ends(&self, replica: &Attached) -> Option<Mono> {
        if self.is_spared(replica) {
            return None;
        }
        replica.over_soft_limit_since.map(|since| since + self.options.output_limit.soft_duration)
    }

    /// When a replica will have said nothing for too long. Who waits for us is not expected to speak.
    fn silence_ends(&self, replica: &Attached) -> Option<Mono> {
        match replica.phase {
            Phase::Announcing | Phase::WaitSnapshot { .. } => None,
            Phase::Transfer { .. } if self.may_take_newlines(replica) => None,
            _ => Some(replica.heard + self.options.replica_timeout),
        }
    }

    /// Only the writer of a history adds to it.
    fn sends_pings(&self) -> bool {
        !self.following && !self.quiet && self.replicas.values().any(Attached::is_attached)
    }

    fn backlog_expires(&self) -> Option<Mono> {
        let unused =
            self.backlog.is_some() && !self.following && !self.replicas.values().any(Attached::is_attached);
        (unused && self.options.backlog_ttl > Nanos::ZERO)
            .then(|| self.alone_since + self.options.backlog_ttl)
    }

    fn keys_where(&self, mut is_meant: impl FnMut(&Primary, &Attached) -> bool) -> Vec<ReplicaKey> {
        self.replicas.iter().filter(|(_, replica)| is_meant(self, replica)).map(|(key, _)| *key).collect()
    }
}
