//! Everything that a run leaves behind for judgement.

use std::collections::BTreeSet;

use squall_clock::Mono;
use squall_server::Marks;
use squall_sim::checkers::{Heard, Hold, MemorySample, NodeSample, Sighting, Subscription};
use squall_sim::{FaultSpan, Operation, Survivors, Vote};

use crate::agent::Sample;
use crate::operator::Carried;

#[derive(Clone, Debug)]
pub(crate) struct Evidence {
    /// When all replicas were in step for the first time: the scenario's times count from here.
    pub(crate) begin: Mono,
    /// When the first fault began.
    pub(crate) first_fault: Option<Mono>,
    /// When all faults had ended.
    pub(crate) healed: Mono,
    /// When all nodes agreed on a primary again and a write had been acknowledged since the heal.
    pub(crate) recovered: Option<Mono>,
    /// When the clients stopped.
    pub(crate) stopped: Mono,
    pub(crate) history: Vec<Operation>,
    pub(crate) holds: Vec<Hold>,
    pub(crate) heard: Vec<Heard>,
    pub(crate) subscriptions: Vec<Subscription>,
    pub(crate) samples: Vec<Sample>,
    /// What data nodes had along the way.
    pub(crate) digests: Vec<NodeSample>,
    /// What nodes held in memory along the way.
    pub(crate) memory: Vec<MemorySample>,
    pub(crate) orders: Vec<Carried>,
    pub(crate) faults: Vec<FaultSpan>,
    /// The turns that any of the nodes has taken.
    pub(crate) marks: Marks,
    /// How often a process was started again.
    pub(crate) restarts: u64,
    /// Each node at rest, and what the primary holds.
    pub(crate) at_rest: Vec<NodeSample>,
    pub(crate) survivors: Option<Survivors>,
    /// In a cluster: what each node says of all at rest.
    pub(crate) views_at_rest: Vec<Sighting>,
    /// Keys that lie where nobody will look for them.
    pub(crate) stray_keys: u64,
    /// All votes that were sent.
    pub(crate) votes: Vec<Vote>,
    /// The names of the cluster's nodes at the beginning.
    pub(crate) members: BTreeSet<String>,
    /// What kept the run from going on.
    pub(crate) stuck: Option<String>,
}
