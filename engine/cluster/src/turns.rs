//! Turns that a member's life has taken: what is rare and interesting about a cluster, as a set of bits. Whoever
//! tests reads them to know what a run has reached; nothing decides by them.

use crate::cluster::Cluster;

/// A turn; `self.took(Turn::...)` stands where it happens.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Turn {
    /// This node found another one silent (PFAIL).
    Suspected,
    /// The majority did, and this node was the first to see it (FAIL).
    Failed,
    /// Another one saw it first.
    ToldOfFailure,
    /// A failed node was heard again before anybody had replaced it.
    FailureCleared,
    ElectionBegun,
    ElectionWon,
    /// No majority voted for this node in time.
    ElectionLost,
    VoteRefused,
    /// Two primaries under one epoch.
    EpochCollision,
    /// A claim under an older epoch was answered with what is known here.
    ClaimCorrected,
    /// A replica asked its primary to hand over.
    HandOverAsked,
    /// The primary stood still, and the replica knew all that it knew.
    HandOverAgreed,
    HandOverExpired,
    /// CLUSTER FAILOVER FORCE.
    HandOverForced,
    /// CLUSTER FAILOVER TAKEOVER.
    TookOver,
    /// The cluster ceased to work, seen from here.
    Unavailable,
    /// A replica went to a primary that had none.
    ReplicaMigrated,
    AddressLearnt,
    ConfigurationUnsaved,
    /// By SETSLOT: a slot was opened, given or taken, or closed again where it was.
    SlotOpened,
    SlotMoved,
    SlotClosed,
    /// By the servers themselves: a migration of whole slots.
    MigrationBegun,
    MigrationRetried,
    MigrationDone,
    MigrationFailed,
    MigrationCancelled,
}

/// A set of turns.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Turns(u32);

impl Turns {
    pub fn has(self, turn: Turn) -> bool {
        self.0 >> (turn as u32) & 1 == 1
    }

    fn insert(&mut self, turn: Turn) {
        self.0 |= 1 << turn as u32;
    }
}

impl Cluster {
    /// Those that this node's life has taken since it was started.
    pub fn turns(&self) -> Turns {
        self.turns
    }

    pub(crate) fn took(&mut self, turn: Turn) {
        self.turns.insert(turn);
    }
}
