//! Who is dead. A node that does not answer for `cluster-node-timeout` is suspected (PFAIL) by whoever asked;
//! suspicions travel with gossip; when the majority of primaries shares one, the node has failed (FAIL), and
//! everybody is told.
//!
//! Among Squall's nodes a refused connection counts: a process that lives does not refuse. It takes a while
//! of refusals, though, so that a quick restart is none, and a majority all the same.

use squall_clock::{Mono, Nanos};

use crate::NodeId;
use crate::cluster::Cluster;
use crate::event::Severity;
use crate::node::{Health, Node};
use crate::turns::Turn;
use crate::wire::Body;

/// A report is believed for so many node timeouts.
const REPORT_VALIDITY: u64 = 2;
/// A failed primary that answers again, and that nobody has replaced for so many node timeouts, is well.
const UNDO_AFTER: u64 = 2;
/// Refusals count as silence after this share of the node timeout, within these bounds.
const REFUSAL_SHARE: u64 = 10;
const REFUSAL_MIN: Nanos = Nanos::from_millis(500);
const REFUSAL_MAX: Nanos = Nanos::from_secs(3);
/// Failures are told again each so many ticks, while the failed node owns slots.
const TICKS_PER_REPEAT: u64 = 10;

impl Cluster {
    pub(crate) fn suspect_the_silent(&mut self) {
        let timeout = self.options.node_timeout;
        let refusal = Nanos(timeout.0 / REFUSAL_SHARE).max(REFUSAL_MIN).min(REFUSAL_MAX).min(timeout);
        let now = self.now.mono;
        let is_silent = |node: &&Node| {
            let refused = node.refused_since.is_some_and(|since| now.since(since) > refusal);
            self.silence_of(node) > timeout || (self.is_quick && refused)
        };
        let well = self.nodes.others().filter(|node| node.is_member() && node.is_well());
        let silent: Vec<NodeId> = well.filter(is_silent).map(|node| node.id).collect();
        for id in &silent {
            self.took(Turn::Suspected);
            self.log(Severity::Debug, format!("*** NODE {id} possibly failing"));
            self.nodes.get_mut(*id).expect("it is there").health = Health::Suspected;
        }
        if !silent.is_empty() {
            self.note_doubts();
            self.report_suspects();
        }
        let me = self.nodes.me();
        if me.is_voter() && self.nodes.quorum() == 1 {
            // The only voter is a majority.
            silent.iter().for_each(|id| self.weigh_reports(*id));
        }
        let suspected = self.nodes.others().filter(|node| node.health == Health::Suspected);
        let suspected: Vec<NodeId> = suspected.map(|node| node.id).collect();
        suspected.into_iter().for_each(|id| self.weigh_reports(id));
    }

    /// A voter says that a node is silent, or that it is not.
    pub(crate) fn note_report(&mut self, voter: NodeId, id: NodeId, silent: bool) {
        let now = self.now.mono;
        let Some(node) = self.nodes.get_mut(id) else { return };
        match silent {
            true => {
                node.reports.insert(voter, now);
                self.weigh_reports(id);
            }
            false => {
                node.reports.remove(&voter);
            }
        }
    }

    /// Whether enough of those that decide find the node silent, this one included.
    fn weigh_reports(&mut self, id: NodeId) {
        let validity = Nanos(self.options.node_timeout.0.saturating_mul(REPORT_VALIDITY));
        let now = self.now.mono;
        let needed = self.nodes.quorum();
        let i_count = usize::from(self.nodes.me().is_voter());
        let Some(node) = self.nodes.get_mut(id) else { return };
        if node.health != Health::Suspected {
            return;
        }
        node.reports.retain(|_, said| now.since(*said) <= validity);
        if node.reports.len() + i_count < needed {
            return;
        }
        node.health = Health::Failed { since: now };
        self.took(Turn::Failed);
        self.log(Severity::Notice, format!("Marking node {id} as failing (quorum reached)."));
        self.durability.want_soon();
        self.broadcast(&Body::Fail(id), |_| true);
        self.assess();
    }

    /// The majority has decided, says somebody who saw it.
    pub(crate) fn told_of_failure(&mut self, teller: NodeId, id: NodeId) {
        let now = self.now.mono;
        if id == self.my_id() {
            return;
        }
        let Some(node) = self.nodes.get_mut(id) else { return };
        if node.is_failed() || !node.is_member() {
            return;
        }
        node.health = Health::Failed { since: now };
        self.took(Turn::ToldOfFailure);
        self.log(Severity::Notice, format!("FAIL message received from {teller} about {id}"));
        self.durability.want_soon();
        self.assess();
    }

    /// A failed node answers. One that owns nothing is simply back; an owner of slots only when nobody will
    /// take its place any more.
    pub(crate) fn clear_failure(&mut self, id: NodeId) {
        let now = self.now.mono;
        let undo = Nanos(self.options.node_timeout.0.saturating_mul(UNDO_AFTER));
        let Some(node) = self.nodes.get(id) else { return };
        let Health::Failed { since } = node.health else { return };
        let has_heirs = self.nodes.replicas_of(id).any(|replica| !replica.is_failed());
        if node.is_primary() && !node.slots.is_empty() && has_heirs && now.since(since) <= undo {
            return;
        }
        self.nodes.get_mut(id).expect("looked up above").health = Health::Ok;
        self.took(Turn::FailureCleared);
        self.log(Severity::Notice, format!("Clear FAIL state for node {id}: it is reachable again"));
        self.durability.want_soon();
        self.assess();
    }

    /// That a node has failed is not said once only: whoever missed it hears it again.
    pub(crate) fn repeat_failures(&mut self) {
        if !self.ticks.is_multiple_of(TICKS_PER_REPEAT) || !self.nodes.me().is_voter() {
            return;
        }
        let recent = Nanos(self.options.node_timeout.0.saturating_mul(REPORT_VALIDITY));
        let now = self.now.mono;
        let fresh = |node: &&Node| match node.health {
            Health::Failed { since } => now.since(since) <= recent && !node.slots.is_empty(),
            _ => false,
        };
        // One voter repeats for all: the first that is well.
        let first =
            self.nodes.owners().filter(|node| node.is_voter() && node.is_well()).map(|node| node.id).min();
        if first != Some(self.my_id()) {
            return;
        }
        let failed: Vec<NodeId> = self.nodes.others().filter(fresh).map(|node| node.id).collect();
        failed.into_iter().for_each(|id| self.broadcast(&Body::Fail(id), |_| true));
    }

    /// When a failed node was found to be so.
    pub(crate) fn failed_since(&self, id: NodeId) -> Option<Mono> {
        match self.nodes.get(id)?.health {
            Health::Failed { since } => Some(since),
            _ => None,
        }
    }
}
