//! Whom a primary votes for: a replica of a primary that has failed, whose slots nobody has taken since, in
//! an epoch in which this node has not voted. The vote is on the disk before it leaves.

use squall_clock::Nanos;

use crate::cluster::Cluster;
use crate::durability::Deferred;
use crate::event::{Severity, epoch_text};
use crate::node::Node;
use crate::turns::Turn;
use crate::wire::{Body, Header};
use crate::{Epoch, NodeId};

/// For so many node timeouts nobody else gets a vote in the place of the same primary.
const LEASE: u64 = 2;
/// Among Squall's nodes, where a candidate that lost tries again soon, and a winner is heard of at once.
const QUICK_LEASE_MAX: Nanos = Nanos::from_secs(3);

impl Cluster {
    pub(crate) fn consider_vote(&mut self, request: &Header) {
        let candidate = request.sender;
        match self.vote_refusal(request) {
            Some(reason) => {
                self.took(Turn::VoteRefused);
                self.log(Severity::Notice, format!("Failover auth denied to {candidate}: {reason}"));
            }
            None => {
                let now = self.now.mono;
                let primary = request.primary.expect("a refusal otherwise");
                self.last_vote_epoch = self.current_epoch;
                if let Some(node) = self.nodes.get_mut(primary) {
                    node.voted = Some((candidate, now));
                }
                let epoch = self.current_epoch;
                self.log(
                    Severity::Notice,
                    format!("Failover auth granted to {candidate} for {}", epoch_text(epoch)),
                );
                self.durability.defer(Deferred::Vote { candidate, epoch });
            }
        }
    }

    fn vote_refusal(&mut self, request: &Header) -> Option<String> {
        if !self.nodes.me().is_voter() {
            return Some("I do not vote".to_owned());
        }
        let (current, asked) = (self.current_epoch, request.current_epoch);
        if asked < current {
            return Some(format!("reqEpoch ({asked}) < curEpoch({current})"));
        }
        if self.last_vote_epoch >= current {
            return Some(format!("already voted for {}", epoch_text(current)));
        }
        let Some(primary) = request.primary else { return Some("it is a master node".to_owned()) };
        let Some(primary) = self.nodes.member(primary) else {
            return Some("I don't know its master".to_owned());
        };
        if !primary.is_failed() && !request.message.force_vote {
            return Some("its master is up".to_owned());
        }
        if let Some((other, when)) = primary.voted
            && other != request.sender
            && self.nodes.get(other).is_some_and(Node::is_well)
            && !request.message.force_vote
        {
            let lease = self.vote_lease();
            let age = self.now.mono.since(when);
            if age < lease {
                let wait = lease.as_millis() - age.as_millis();
                return Some(format!("can't vote about this master before {wait} milliseconds"));
            }
        }
        let newer = request.slots.iter().find_map(|slot| {
            let owner = self.nodes.get(self.nodes.owner(slot)?)?;
            (owner.config_epoch > request.config_epoch).then_some((slot, owner.id, owner.config_epoch))
        });
        let (slot, owner, epoch) = newer?;
        // Refused for good, unless it learns what it does not know.
        self.send_update(request.sender, owner);
        Some(format!("slot {slot} epoch ({epoch}) > reqEpoch ({})", request.config_epoch))
    }

    /// How long a vote in the place of a primary stands.
    pub(crate) fn vote_lease(&self) -> Nanos {
        let lease = Nanos(self.options.node_timeout.0.saturating_mul(LEASE));
        if self.is_quick { lease.min(QUICK_LEASE_MAX) } else { lease }
    }

    /// The vote is durable. One that another epoch has overtaken meanwhile is not cast: the message would
    /// say the later epoch.
    pub(crate) fn send_vote(&mut self, candidate: NodeId, epoch: Epoch) {
        if let Some(header) = self.header().filter(|header| header.current_epoch == epoch) {
            self.send_to(candidate, &header, &Body::Vote);
        }
    }
}
