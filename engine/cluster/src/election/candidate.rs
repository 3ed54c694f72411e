//! A replica whose primary has failed. It lets the news spread and better replicas go first: half a second,
//! up to half a second more at random, and a second for each replica that knows more. When all nodes are
//! Squall's nothing has to be waited for that can be known: the failure is told together with the request,
//! and the replicas tell one another how far they are, so the best one stands as soon as it knows that it
//! is, and the others later in their order.

use std::collections::BTreeSet;

use rand_core::Rng;
use squall_clock::{Mono, Nanos};

use crate::cluster::Cluster;
use crate::durability::Deferred;
use crate::event::{Event, Severity};
use crate::node::Node;
use crate::turns::Turn;
use crate::wire::{Body, Header};
use crate::{Epoch, NodeId};

const DELAY_FIXED: Nanos = Nanos::from_millis(500);
const DELAY_RANDOM_MS: u64 = 500;
const DELAY_PER_RANK: Nanos = Nanos::from_secs(1);
/// Among Squall's nodes: how far the elections of different shards stand apart, so that each gets all votes.
const STAGGER: Nanos = Nanos::from_millis(20);
/// And how long the votes are waited for, which come within a round trip and a write to the disk.
const QUICK_PATIENCE: Nanos = Nanos::from_secs(1);
const PATIENCE_MIN: Nanos = Nanos::from_secs(2);

#[derive(Clone, Debug)]
pub(crate) struct Election {
    /// In whose place.
    primary: NodeId,
    scheduled: Mono,
    rank: usize,
    /// By a hand-over: at once, and although the primary lives.
    manual: bool,
    /// Once it has begun.
    epoch: Option<Epoch>,
    votes: BTreeSet<NodeId>,
}

impl Election {
    pub fn has_begun(&self) -> bool {
        self.epoch.is_some()
    }
}

impl Cluster {
    pub(crate) fn election_deadline(&self) -> Option<Mono> {
        let election = self.election.as_ref()?;
        Some(if election.has_begun() { self.next_election } else { election.scheduled })
    }

    /// Stands, schedules, begins or gives up, whatever it is time for.
    pub(crate) fn tend_election(&mut self) {
        let now = self.now.mono;
        let manual = self.manual.as_ref().is_some_and(|manual| manual.may_begin);
        let Some(primary) = self.replaceable_primary(manual) else {
            self.election = None;
            return;
        };
        match &self.election {
            Some(election) if election.primary != primary || (manual && !election.manual) => {
                self.election = None
            }
            Some(election) if election.has_begun() && now < self.next_election => return,
            Some(election) if election.has_begun() => {
                self.took(Turn::ElectionLost);
                self.log(Severity::Warning, "Failover attempt expired");
                self.election = None;
            }
            Some(_) | None => {}
        }
        if self.election.is_none() {
            if now < self.next_election && !manual {
                return;
            }
            self.schedule_election(primary, manual);
        }
        self.reconsider_rank();
        if self.election.as_ref().is_some_and(|election| election.scheduled <= now) {
            self.begin_election();
        }
    }

    /// The primary that this node may replace: failed (or handing over), an owner of slots, and its data
    /// here are young enough. A replica that never had its dataset does not stand: it would win the slots
    /// and lose what was in them.
    fn replaceable_primary(&mut self, manual: bool) -> Option<NodeId> {
        let me = self.nodes.me();
        let primary = self.nodes.get(me.primary?)?;
        let wanted = manual || (primary.is_failed() && !self.options.no_failover);
        if !wanted || primary.slots.is_empty() {
            return None;
        }
        let id = primary.id;
        if !manual && (!self.replication.has_synced || self.is_too_old()) {
            return None;
        }
        Some(id)
    }

    fn is_too_old(&self) -> bool {
        let factor = self.options.replica_validity_factor;
        let Some(since) = self.replication.down_since.filter(|_| factor > 0) else { return false };
        // The silence by which the failure was noticed is not the data's age.
        let age = Nanos(self.now.mono.since(since).0.saturating_sub(self.options.node_timeout.0));
        let age_max = self.options.node_timeout.0.saturating_mul(factor);
        age > Nanos(age_max) + self.options.replica_ping_period
    }

    fn schedule_election(&mut self, primary: NodeId, manual: bool) {
        let now = self.now.mono;
        let rank = self.my_rank(primary);
        let drawn = Nanos::from_millis(u64::from(self.rng.next_u32()) % DELAY_RANDOM_MS);
        let random = self.options.election_delay.unwrap_or(drawn);
        let delay = match manual {
            true => Nanos::ZERO,
            false => DELAY_FIXED + random + Nanos(DELAY_PER_RANK.0 * rank as u64),
        };
        self.election = Some(Election {
            primary,
            scheduled: now + delay,
            rank,
            manual,
            epoch: None,
            votes: BTreeSet::new(),
        });
        if !manual {
            self.log(
                Severity::Notice,
                format!(
                    "Start of election delayed for at most {} milliseconds (rank #{rank}, offset {}).",
                    delay.as_millis(),
                    self.replication.offset
                ),
            );
            // The others learn how far this one is, and it how far they are.
            self.announce_offset();
        }
    }

    /// What others have said meanwhile may show that this replica is not the best, or that it is.
    fn reconsider_rank(&mut self) {
        let now = self.now.mono;
        let Some(election) =
            self.election.clone().filter(|election| !election.has_begun() && !election.manual)
        else {
            return;
        };
        let rank = self.my_rank(election.primary);
        let mut scheduled = election.scheduled;
        if rank > election.rank {
            scheduled = scheduled + Nanos(DELAY_PER_RANK.0 * (rank - election.rank) as u64);
        }
        if self.is_quick && rank == 0 && self.siblings_have_spoken(election.primary) {
            let since = self.failed_since(election.primary).unwrap_or(now);
            scheduled = scheduled.min(since + Nanos(STAGGER.0 * self.shards_before(election.primary) as u64));
        }
        let election = self.election.as_mut().expect("looked at above");
        election.rank = election.rank.max(rank);
        election.scheduled = scheduled;
    }

    /// How many replicas of the primary know more than this one; of equals, the smaller name goes first
    /// where everybody follows that rule.
    fn my_rank(&self, primary: NodeId) -> usize {
        let (myself, offset) = (self.my_id(), self.replication.offset);
        let better = |node: &&Node| {
            let more = node.repl_offset > offset
                || (self.is_quick && node.repl_offset == offset && node.id < myself);
            node.id != myself && !node.no_failover && !node.is_failed() && more
        };
        self.nodes.replicas_of(primary).filter(better).count()
    }

    /// Every other replica that lives has said how far it is since the primary failed.
    fn siblings_have_spoken(&self, primary: NodeId) -> bool {
        let Some(failed) = self.failed_since(primary) else { return false };
        let myself = self.my_id();
        let live = |node: &&Node| node.id != myself && node.is_well();
        self.nodes
            .replicas_of(primary)
            .filter(live)
            .all(|node| node.is_squall && node.offset_heard.is_some_and(|heard| heard >= failed))
    }

    /// Primaries with a smaller name that have failed, whose replicas stand before this one. Of one that is only silent
    /// here others may know already.
    fn shards_before(&self, primary: NodeId) -> usize {
        self.nodes.owners().filter(|node| !node.is_well() && node.id < primary).count()
    }

    fn begin_election(&mut self) {
        let now = self.now.mono;
        let timeout = self.options.node_timeout;
        self.current_epoch = self.current_epoch.next();
        let primary = self.election.as_ref().expect("an election was scheduled").primary;
        if self.is_taking_slots(primary) {
            // The next epoch may be its own by now, and nobody has heard of it.
            self.current_epoch = self.current_epoch.next();
        }
        let epoch = self.current_epoch;
        let election = self.election.as_mut().expect("an election was scheduled");
        election.epoch = Some(epoch);
        let patience = match self.is_quick {
            // Neighbours that failed together try again at different times.
            true => QUICK_PATIENCE + Nanos::from_millis(u64::from(self.rng.next_u32()) % DELAY_RANDOM_MS),
            false => Nanos(timeout.0.saturating_mul(2)).max(PATIENCE_MIN),
        };
        self.next_election = now + patience;
        self.took(Turn::ElectionBegun);
        self.log(Severity::Notice, format!("Starting a failover election for epoch {epoch}."));
        self.durability.defer(Deferred::RequestVotes { epoch });
    }

    /// At its replica: whether that primary, as it has said in its stream, is about to take slots from others.
    fn is_taking_slots(&self, primary: NodeId) -> bool {
        self.migrations.is_about_to_take() || self.promised.values().any(|promise| promise.owner == primary)
    }

    /// The epoch is durable. Whoever is asked hears of the failure first: over the same link, in order.
    pub(crate) fn request_votes(&mut self, epoch: Epoch) {
        let Some(election) = self.election.clone().filter(|election| election.epoch == Some(epoch)) else {
            return;
        };
        if self.failed_since(election.primary).is_some() {
            self.broadcast(&Body::Fail(election.primary), |_| true);
        }
        self.broadcast(&Body::VoteRequest, |_| true);
    }

    pub(crate) fn count_vote(&mut self, header: &Header) {
        let is_voter = self.nodes.get(header.sender).is_some_and(Node::is_voter);
        // What comes after the end of a hand-over is too late: the primary goes on.
        self.tend_manual_failover();
        let is_over = self.manual.is_none();
        let Some(election) = self.election.as_mut().filter(|election| !(election.manual && is_over)) else {
            return;
        };
        if !is_voter || election.epoch.is_none_or(|epoch| header.current_epoch < epoch) {
            return;
        }
        election.votes.insert(header.sender);
        let votes = election.votes.len();
        if votes >= self.nodes.quorum() {
            self.took(Turn::ElectionWon);
            self.log(Severity::Notice, "Failover election won: I'm the new master.");
            let election = self.election.take().expect("looked at above");
            self.take_over(election.primary, election.epoch.expect("it has begun"));
        }
    }

    /// Takes the primary's place under `epoch`, in the table. The world hears of it when it is durable.
    pub(crate) fn take_over(&mut self, primary: NodeId, epoch: Epoch) {
        let myself = self.my_id();
        let slots = self.nodes.get(primary).expect("its replica knows it").slots.clone();
        let old = self.nodes.get_mut(primary).expect("looked up above");
        old.migrate_to = false;
        let has_siblings = self.nodes.replicas_of(primary).count() > 1;
        let me = self.nodes.me_mut();
        me.primary = None;
        me.config_epoch = me.config_epoch.max(epoch);
        me.migrate_to = has_siblings;
        me.voted = None;
        slots.iter().for_each(|slot| self.nodes.set_owner(slot, Some(myself)));
        self.keep_promises(primary);
        self.resume_migrations();
        self.election = None;
        self.manual = None;
        self.durability.defer(Deferred::Promote);
    }

    pub(crate) fn promoted(&mut self) {
        if !self.nodes.me().is_primary() {
            return;
        }
        let epoch = self.nodes.me().config_epoch;
        self.log(Severity::Notice, format!("configEpoch set to {epoch} after successful failover"));
        self.push(Event::Promote);
        self.announce();
        self.assess();
    }
}
