//! What the machine wants done: plain values, polled in order.

use bytes::Bytes;
use squall_clock::Mono;

use crate::slot_migration::MigrationOrder;
use crate::slots::SlotSet;
use crate::wire::Published;
use crate::{Epoch, NodeId};

/// A connection of the bus, in either direction; never used twice.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Hash)]
pub struct BusLink(pub u64);

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Severity {
    Debug,
    Verbose,
    Notice,
    Warning,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Event {
    /// Dial; the answer is `link_opened` or `link_closed`.
    Connect {
        link: BusLink,
        host: String,
        port: u16,
    },
    Send {
        link: BusLink,
        bytes: Bytes,
    },
    /// Drop the connection; `link_closed` is not called for it.
    Close {
        link: BusLink,
    },
    /// Make this the content of nodes.conf, durably, then call `persisted` with the number.
    Persist {
        generation: u64,
        text: String,
    },
    /// This node is a primary from now on: stop following.
    Promote,
    /// Follow this node; also when it is at another address than before.
    Follow {
        primary: NodeId,
        host: String,
        port: u16,
        /// What is here is its shard's data, though perhaps not all of it.
        same_shard: bool,
    },
    /// These slots belong to others now: their keys are to be dropped.
    SlotsLost(SlotSet),
    /// A hand-over begins: hold clients' writes back, then call `writes_paused`.
    PauseWrites,
    /// The hand-over is over, one way or the other.
    ResumeWrites,
    /// Somebody published at another node.
    Published(Published),
    /// The cluster began or ceased to work, seen from here.
    Availability {
        ok: bool,
    },
    /// A part of the migration of whole slots.
    Migration(MigrationOrder),
    /// Forget the dataset: this node was reset.
    Flush,
    Log {
        severity: Severity,
        message: String,
    },
}

/// What the machine knows of this node's replication: facts that the node tells it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct ReplicationFacts {
    /// The position in the history: of a primary what it wrote, of a replica what it applied.
    pub offset: u64,
    /// A replica that is in step with its primary's stream.
    pub link_up: bool,
    /// Since when it is not; none while it is, and for a primary.
    pub down_since: Option<Mono>,
    /// How many replicas follow this primary's stream.
    pub replicas_online: usize,
    /// Whether the dataset has ever been a primary's: a replica that never finished its first
    /// synchronisation has nothing to serve.
    pub has_synced: bool,
}

/// The epochs of a vote, for logs.
pub(crate) fn epoch_text(epoch: Epoch) -> String {
    format!("epoch {epoch}")
}
