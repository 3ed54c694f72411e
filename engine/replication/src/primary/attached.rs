//! One replica as its primary sees it: what it said about itself, how far its synchronisation is, what it
//! has been sent and what it has acknowledged.

use std::fmt;

use squall_clock::{Mono, Nanos};

use super::pacing::Pace;
use crate::{Lag, ReplOffset};

/// Where a replica can be reached by clients and by Sentinel.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Address {
    pub host: String,
    pub port: u16,
}

/// What INFO and ROLE show of a replica.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ReplicaFacts {
    pub address: Address,
    /// `wait_bgsave`, `send_bulk` or `online`.
    pub state: &'static str,
    pub acknowledged: ReplOffset,
    /// How long it has not acknowledged anything.
    pub lag_seconds: u64,
    /// How far behind it is, by its last acknowledgement; none before it reads the stream.
    pub lag: Option<Lag>,
}

#[derive(Debug)]
pub(super) struct Attached {
    pub(super) address: Address,
    pub(super) capabilities: Capabilities,
    pub(super) contents: Contents,
    pub(super) phase: Phase,
    /// How far it has applied the stream. None before it has said so: then it may not even have loaded the dataset.
    pub(super) acknowledged: Option<ReplOffset>,
    /// As far as the replica has its log on disk: what WAITAOF counts. None before it has said so: then its disk may
    /// lack even what it was sent first.
    pub(super) durable: Option<ReplOffset>,
    pub(super) acknowledged_at: Mono,
    /// The last sign of life: something was read from it, or it took some of the dataset.
    pub(super) heard: Mono,
    pub(super) over_soft_limit_since: Option<Mono>,
    /// While it is on its way from a dataset to being in step.
    pub(super) pace: Option<Pace>,
}

#[derive(Clone, Copy, Default, Debug)]
pub(super) struct Capabilities {
    /// It can read a dataset whose length is not known when it begins.
    pub(super) eof: bool,
    /// It understands a `+CONTINUE` that changes the replication id.
    pub(super) psync2: bool,
}

/// What part of the server a connection wants to have.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(super) struct Contents {
    /// It goes away after the dataset: no stream is kept for it.
    pub(super) rdb_only: bool,
    pub(super) without_keys: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Phase {
    /// It has introduced itself and not asked for anything yet.
    Announcing,
    /// It waits for a dataset. `psync` is false for `SYNC`, which is not told about histories.
    WaitSnapshot { since: Mono, psync: bool },
    /// The dataset as it was at `start` is being made or sent; the stream from there on is kept for it.
    Transfer { start: ReplOffset },
    /// The dataset is under way to it in full. The stream waits until its first acknowledgement, because
    /// until then it may take stream bytes for a part of the dataset.
    Settling { start: ReplOffset },
    /// It is sent the stream and has been sent all before `sent`.
    Online { sent: ReplOffset },
}

impl Attached {
    pub(super) fn announcing(address: Address, now: Mono) -> Attached {
        Attached {
            address,
            capabilities: Capabilities::default(),
            contents: Contents::default(),
            phase: Phase::Announcing,
            acknowledged: None,
            durable: None,
            acknowledged_at: now,
            heard: now,
            over_soft_limit_since: None,
            pace: None,
        }
    }

    /// True from PSYNC on: what INFO counts in `connected_slaves`.
    pub(super) fn is_attached(&self) -> bool {
        self.phase != Phase::Announcing
    }

    pub(super) fn is_online(&self) -> bool {
        matches!(self.phase, Phase::Online { .. })
    }

    /// Whether the dataset is behind it: what INFO calls `online`.
    pub(super) fn is_past_transfer(&self) -> bool {
        matches!(self.phase, Phase::Settling { .. } | Phase::Online { .. })
    }

    /// Whether it has applied everything before `offset`.
    pub(super) fn has_applied(&self, offset: ReplOffset) -> bool {
        self.is_online() && self.acknowledged.is_some_and(|acknowledged| acknowledged >= offset)
    }

    pub(super) fn is_waiting(&self) -> bool {
        matches!(self.phase, Phase::WaitSnapshot { .. })
    }

    /// The first byte of the stream that it still has to be sent, where one is kept for it.
    pub(super) fn needs_stream_from(&self) -> Option<ReplOffset> {
        match self.phase {
            Phase::Announcing | Phase::WaitSnapshot { .. } => None,
            _ if self.contents.rdb_only => None,
            Phase::Transfer { start } | Phase::Settling { start } => Some(start),
            Phase::Online { sent } => Some(sent),
        }
    }

    pub(super) fn facts(&self, lag: Lag, now: Mono) -> ReplicaFacts {
        let state = match self.phase {
            Phase::Announcing | Phase::WaitSnapshot { .. } => "wait_bgsave",
            Phase::Transfer { .. } => "send_bulk",
            Phase::Settling { .. } | Phase::Online { .. } => "online",
        };
        let lag_seconds = if self.is_online() { self.lag(now).as_secs() } else { 0 };
        ReplicaFacts {
            address: self.address.clone(),
            state,
            acknowledged: self.acknowledged.unwrap_or_default(),
            lag_seconds,
            lag: self.is_online().then_some(lag),
        }
    }

    /// How long ago it last acknowledged anything.
    pub(super) fn lag(&self, now: Mono) -> Nanos {
        now.since(self.acknowledged_at)
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.port {
            0 => write!(f, "{} (port unknown)", self.host),
            port => write!(f, "{}:{port}", self.host),
        }
    }
}
