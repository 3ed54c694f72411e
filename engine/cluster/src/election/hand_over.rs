//! The primary's part in a hand-over, an operator's or its own: it holds its clients back until it is replaced, or
//! until it knows that nobody takes its place. A clock alone does not tell: the replica may have won with its last
//! breath, and be cut off from here. So when its time is up it is asked, and so are the voters:
//!
//! - the replica itself says that it follows this node still; or
//! - the majority of voters is in the epoch in which the hand-over began, so they have voted for nobody; or
//! - a winner of whom nobody has heard for so long has found itself in the minority, and serves nobody.

use std::cmp::Reverse;
use std::collections::BTreeSet;

use squall_clock::Mono;

use super::manual::FailoverKind;
use crate::cluster::Cluster;
use crate::event::{Event, Severity};
use crate::wire::{Body, GossipKind, Header};
use crate::{Epoch, NodeId};

/// A primary that is cut off finds itself in the minority within so many node timeouts.
const ISOLATION_TIMEOUTS: u64 = 2;

#[derive(Clone, Debug)]
pub(crate) struct HandOver {
    pub replica: NodeId,
    /// Nobody asks for votes after that: the replica's own time began when it was ordered.
    pub until: Mono,
    /// The cluster's epoch when it began.
    epoch: Epoch,
    /// Where this node stands still; none until clients are held back.
    pub offset: Option<u64>,
    /// Whom a ping has been sent to since the time was up.
    asked: BTreeSet<NodeId>,
    /// Voters that have answered, and have voted for nobody.
    loyal: BTreeSet<NodeId>,
}

impl Cluster {
    /// This primary is about to end: the replica that knows most is told to take over, by the message with which it
    /// would ask for that; several times, where it says nothing. Other servers pass over it when it comes from a
    /// primary, so only Squall's are told.
    pub fn resign(&mut self, now: squall_clock::Now) -> Option<NodeId> {
        self.now = now;
        let myself = self.my_id();
        let is_able = |node: &&crate::Node| node.is_squall && node.link_is_open && node.is_well();
        let able = self.nodes.replicas_of(myself).filter(is_able);
        let heir = able.max_by_key(|node| (!node.no_failover, node.repl_offset, Reverse(node.id)))?.id;
        let header = self.header()?;
        self.send_to(heir, &header, &Body::ManualFailoverStart);
        self.finish(false);
        Some(heir)
    }

    /// MFSTART: a replica of mine wants to take over, or my primary wants me to.
    pub(crate) fn take_hand_over_message(&mut self, sender: NodeId) {
        if self.nodes.me().primary != Some(sender) {
            return self.begin_hand_over(sender);
        }
        self.log(
            Severity::Notice,
            format!("Primary {sender} is about to end, and asks for a manual failover."),
        );
        if let Err(reason) = self.failover(FailoverKind::Agreed, self.now) {
            self.log(Severity::Warning, reason);
        }
    }

    /// The same replica asks again when it was ordered again.
    fn begin_hand_over(&mut self, sender: NodeId) {
        let myself = self.my_id();
        let is_mine = self.nodes.get(sender).is_some_and(|node| node.primary == Some(myself));
        let is_busy = self.hand_over.as_ref().is_some_and(|going| going.replica != sender);
        if !is_mine || !self.nodes.me().is_primary() || is_busy {
            return;
        }
        self.log(Severity::Notice, format!("Manual failover requested by replica {sender}."));
        self.hand_over = Some(HandOver {
            replica: sender,
            until: self.now.mono + self.options.hand_over_timeout,
            epoch: self.current_epoch,
            offset: None,
            asked: BTreeSet::new(),
            loyal: BTreeSet::new(),
        });
        self.push(Event::PauseWrites);
    }

    /// Clients' writes are held back from here on, at this offset: the replica is told.
    pub fn writes_paused(&mut self, offset: u64, now: squall_clock::Now) {
        self.now = now;
        self.replication.offset = offset;
        if let Some(hand_over) = &mut self.hand_over {
            hand_over.offset = Some(offset);
            let replica = hand_over.replica;
            self.ping(replica, GossipKind::Ping);
        }
        self.finish(false);
    }

    pub(crate) fn tend_hand_over(&mut self) {
        let now = self.now.mono;
        let Some(hand_over) = self.hand_over.as_ref().filter(|hand_over| now >= hand_over.until) else {
            return;
        };
        let silent_for = now.since(hand_over.until).0;
        if silent_for > self.options.node_timeout.0.saturating_mul(ISOLATION_TIMEOUTS) {
            return self.give_up_hand_over();
        }
        // Only an answer to what is asked from now on tells what holds now.
        let unasked = |node: &&crate::Node| {
            node.link_is_open && node.ping_sent.is_none() && !hand_over.asked.contains(&node.id)
        };
        let tells = |node: &&crate::Node| node.is_voter() || node.id == hand_over.replica;
        let asked: Vec<NodeId> =
            self.nodes.others().filter(tells).filter(unasked).map(|node| node.id).collect();
        self.hand_over.as_mut().expect("looked at above").asked.extend(&asked);
        asked.into_iter().for_each(|node| self.ping(node, GossipKind::Ping));
    }

    /// The answer to a ping.
    pub(crate) fn hear_of_hand_over(&mut self, header: &Header) {
        let myself = self.my_id();
        let is_voter = self.nodes.get(header.sender).is_some_and(crate::Node::is_voter);
        let Some(hand_over) =
            self.hand_over.as_mut().filter(|hand_over| hand_over.asked.contains(&header.sender))
        else {
            return;
        };
        if is_voter && header.current_epoch == hand_over.epoch {
            hand_over.loyal.insert(header.sender);
        }
        let replica_follows = header.sender == hand_over.replica
            && header.primary == Some(myself)
            && !header.message.force_vote;
        // This node has voted for nobody either, or it would be in another epoch.
        let mine = usize::from(self.current_epoch == hand_over.epoch && self.nodes.me().is_voter());
        if replica_follows || hand_over.loyal.len() + mine >= self.nodes.quorum() {
            self.give_up_hand_over();
        }
    }

    /// Done, given up, or overtaken by a change of role: clients go on at once.
    pub(crate) fn end_hand_over(&mut self) {
        if self.hand_over.take().is_some() {
            self.push(Event::ResumeWrites);
        }
    }

    fn give_up_hand_over(&mut self) {
        self.log(Severity::Warning, "Manual failover timed out.");
        self.end_hand_over();
    }
}
