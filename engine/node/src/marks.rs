//! Marks: the rare and interesting turns that a node's life has taken, as a set of bits. A simulated hunt reads them
//! to know what a seed has reached, and which turns no seed ever reaches. Nothing decides by them.
//!
//! To add one: a row below, and `effects.mark(Mark::...)` where it happens.

/// A set of marks.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Marks(u64);

macro_rules! marks {
    ($($mark:ident $name:literal $meaning:literal,)*) => {
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
        pub enum Mark { $($mark,)* }

        impl Mark {
            pub const ALL: &[Mark] = &[$(Mark::$mark,)*];

            pub fn name(self) -> &'static str {
                match self { $(Mark::$mark => $name,)* }
            }

            pub fn meaning(self) -> &'static str {
                match self { $(Mark::$mark => $meaning,)* }
            }
        }
    };
}

marks! {
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

const _: () = assert!(Mark::ALL.len() <= u64::BITS as usize, "a set of marks has 64 places");

impl Marks {
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
