//! Marks: the rare and interesting turns that a node's life has taken, as a set of bits. A simulated hunt reads them
//! to know what a seed has reached, and which turns no seed ever reaches. Nothing decides by them.
//!
//! To add one: a row below, and `effects.mark(Mark::...)` where it happens. What happens in the cluster's machine is a
//! turn there, with a row of the same name in the second part.

use squall_cluster::{Turn, Turns};

/// A set of marks.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Marks(u64);

macro_rules! marks {
    (
        of any server { $($mark:ident $name:literal $meaning:literal,)* }
        turns in a cluster { $($turn:ident $turn_name:literal $turn_meaning:literal,)* }
    ) => {
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
        pub enum Mark { $($mark,)* $($turn,)* }

        impl Mark {
            pub const ALL: &[Mark] = &[$(Mark::$mark,)* $(Mark::$turn,)*];

            pub fn name(self) -> &'static str {
                match self { $(Mark::$mark => $name,)* $(Mark::$turn => $turn_name,)* }
            }

            pub fn meaning(self) -> &'static str {
                match self { $(Mark::$mark => $meaning,)* $(Mark::$turn => $turn_meaning,)* }
            }
        }

        /// The marks that only the nodes of a cluster reach, and by which turns.
        const OF_CLUSTER: &[(Turn, Mark)] = &[$((Turn::$turn, Mark::$turn),)*];
    };
}

marks! {
    of any server {
        Promoted "promoted" "a replica became a primary",
        Demoted "demoted" "a primary became a replica",
        Retargeted "retargeted" "a replica was made to follow another primary",
        FullSyncServed "full-sync-served" "a replica was granted the whole dataset",
        PartialSyncGranted "partial-sync-granted" "a replica was allowed to go on where it was",
        PartialSyncRefused "partial-sync-refused" "a replica asked to go on and was not allowed to",
        ChainServed "chain-served" "a replica served a replica of its own",
        SnapshotReceived "snapshot-received" "a primary's dataset was put in place",
        SnapshotDamaged "snapshot-damaged" "a dataset on its way in was found damaged",
        SnapshotForeign "snapshot-foreign" "a dataset on its way in was of a lineage that is not wanted",
        MadeRoom "made-room" "the old dataset went before the primary's was complete",
        SnapshotBroken "snapshot-broken" "the link was lost while a dataset came in",
        StreamBroken "stream-broken" "the link was lost while the stream came in",
        LinkTimedOut "link-timed-out" "a replica gave its link up for silence",
        HistoryRenamed "history-renamed" "a replica went on under another replication id",
        ReplicaDropped "replica-dropped" "a primary closed the connection of a replica",
        HistoryRestored "history-restored" "a process took up the history of the file that it loaded",
        LoadFailed "load-failed" "a dataset on disk could not be loaded",
        SaveDone "save-done" "a snapshot was made durable",
        SaveFailed "save-failed" "a snapshot could not be written",
        SaveAborted "save-aborted" "a snapshot was given up",
        LogRewritten "log-rewritten" "the append-only file was written anew",
        LogTailCut "log-tail-cut" "a torn or damaged end of the append-only file was cut off",
        LogAppendFailed "log-append-failed" "the append-only file could not be written, and writes were refused",
        LogSyncFailed "log-sync-failed" "the append-only file could not be synced, and was no longer trusted",
        LogSyncDelayed "log-sync-delayed" "replies waited for a sync of the append-only file that took too long",
        FailedOver "failed-over" "a primary handed its role to a replica",
        FailoverEnded "failover-ended" "a planned change of roles was given up",
        WaitAnswered "wait-answered" "a client had to wait for replicas, and they came",
        WaitExpired "wait-expired" "a client waited in vain for replicas",
        WaitUnblocked "wait-unblocked" "a client that waited was sent away by a change of role",
    }
    turns in a cluster {
        Suspected "node-suspected" "a node of the cluster was silent for another (PFAIL)",
        Failed "node-failed" "the majority found a node of the cluster silent (FAIL)",
        ToldOfFailure "told-of-failure" "a node was told that another one has failed",
        FailureCleared "failure-cleared" "a failed node was heard again before it was replaced",
        ElectionBegun "election-begun" "a replica asked for votes",
        ElectionWon "election-won" "the majority voted for a replica",
        ElectionLost "election-lost" "a replica found no majority in time",
        VoteRefused "vote-refused" "a primary was asked for its vote and kept it",
        EpochCollision "epoch-collision" "two primaries had one epoch, and one of them took another",
        ClaimCorrected "claim-corrected" "a primary claimed slots that others had taken since, and was told so",
        HandOverAsked "hand-over-asked" "a replica was ordered to take over with its primary's help",
        HandOverAgreed "hand-over-agreed" "a primary stood still until its replica knew all that it knew",
        HandOverExpired "hand-over-expired" "a hand-over took too long and was given up",
        HandOverForced "hand-over-forced" "a replica was ordered to take over without its primary's help",
        TookOver "took-over" "a replica was ordered to take over without any votes",
        Unavailable "cluster-down" "the cluster ceased to work for a node",
        ReplicaMigrated "replica-migrated" "a replica went to a primary that had none",
        AddressLearnt "address-learnt" "a node of the cluster was found at another address",
        ConfigurationUnsaved "configuration-unsaved" "nodes.conf could not be written",
        SlotOpened "slot-opened" "a slot was opened, to be moved key by key",
        SlotMoved "slot-moved" "a slot was given to another node by an operator's word",
        SlotClosed "slot-closed" "an open slot was closed again where it was",
        MigrationBegun "migration-begun" "a server began to move slots as a whole",
        MigrationRetried "migration-retried" "an attempt to move slots as a whole failed",
        MigrationDone "migration-done" "slots were moved as a whole",
        MigrationFailed "migration-failed" "slots could not be moved as a whole",
        MigrationCancelled "migration-cancelled" "slots were no longer to be moved as a whole",
    }
}

const _: () = assert!(Mark::ALL.len() <= u64::BITS as usize, "a set of marks has 64 places");

impl Mark {
    /// Only the nodes of a cluster reach it.
    pub fn is_of_cluster(self) -> bool {
        OF_CLUSTER.iter().any(|(_, mark)| *mark == self)
    }
}

impl Marks {
    /// What a member of a cluster has reached.
    pub fn of_cluster(turns: Turns) -> Marks {
        let mut marks = Marks::default();
        let reached = OF_CLUSTER.iter().filter(|(turn, _)| turns.has(*turn));
        reached.for_each(|(_, mark)| marks.reach(*mark));
        marks
    }

    pub fn reach(&mut self, mark: Mark) {
        self.0 |= 1 << mark as u64;
    }

    pub fn join(&mut self, other: Marks) {
        self.0 |= other.0;
    }

    pub fn has(self, mark: Mark) -> bool {
        self.0 >> (mark as u64) & 1 == 1
    }

    pub fn iter(self) -> impl Iterator<Item = Mark> {
        Mark::ALL.iter().copied().filter(move |mark| self.has(*mark))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_are_told_apart() {
        let mut marks = Marks::default();
        marks.reach(Mark::Promoted);
        let mut others = Marks::default();
        others.reach(Mark::WaitUnblocked);
        marks.join(others);
        assert_eq!(marks.iter().collect::<Vec<_>>(), [Mark::Promoted, Mark::WaitUnblocked]);
        let mut names: Vec<_> = Mark::ALL.iter().map(|mark| mark.name()).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), Mark::ALL.len());
    }
}
