//! Slots on their way from one node to another, by an operator's word: SETSLOT MIGRATING at the source,
//! IMPORTING at the target, NODE at the end.

use squall_clock::{Mono, Nanos, Now};

use crate::admin::OrderResult;
use crate::cluster::Cluster;
use crate::durability::Deferred;
use crate::turns::Turn;
use crate::{NodeId, Slot};

/// So many node timeouts after its replicas have heard an order a primary carries it out no more.
const ORDER_PATIENCE_TIMEOUTS: u64 = 2;

/// What CLUSTER SETSLOT may say of a slot.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SlotStep {
    Stable,
    Migrating(NodeId),
    Importing(NodeId),
    Owner(NodeId),
}

/// At a replica: whose a slot is, by an order that its primary was given and may not have carried out yet.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Promise {
    pub owner: NodeId,
    since: Mono,
}

impl Cluster {
    /// How long the replicas are given to hear an order, where the operator does not say.
    pub fn order_patience(&self) -> Nanos {
        Nanos(self.options.node_timeout.0.saturating_mul(ORDER_PATIENCE_TIMEOUTS))
    }

    /// Whether a slot may be set so. `has_keys`: keys of that slot are here.
    pub fn may_set_slot(&self, slot: Slot, step: SlotStep, has_keys: bool) -> OrderResult {
        if !self.nodes.me().is_primary() {
            return Err("ERR Please use SETSLOT only with masters.".into());
        }
        let is_mine = self.nodes.owner(slot) == Some(self.my_id());
        // Under the epoch with which it takes the slot it would take back all that its successor has by now.
        if step == SlotStep::Owner(self.my_id()) && !is_mine && self.may_have_been_replaced() {
            return Err("ERR This node may have been replaced meanwhile: it hands over, has voted for a replica of its own, \
                        or has been without the majority. Try again after a node timeout."
                .into());
        }
        let (SlotStep::Migrating(other) | SlotStep::Importing(other) | SlotStep::Owner(other)) = step else {
            return Ok(());
        };
        match step {
            SlotStep::Migrating(_) if !is_mine => {
                return Err(format!("ERR I'm not the owner of hash slot {slot}").into());
            }
            SlotStep::Importing(_) if is_mine => {
                return Err(format!("ERR I'm already the owner of hash slot {slot}").into());
            }
            _ => {}
        }
        match self.nodes.get(other) {
            None => return Err(format!("ERR I don't know about node {other}").into()),
            Some(node) if !node.is_primary() => return Err("ERR Target node is not a master".into()),
            Some(_) => {}
        }
        if matches!(step, SlotStep::Owner(_)) && is_mine && other != self.my_id() && has_keys {
            return Err(format!(
                "ERR Can't assign hashslot {slot} to a different node while I still hold keys for this hash slot."
            )
            .into());
        }
        Ok(())
    }

    /// CLUSTER SETSLOT, at a primary.
    pub fn set_slot(&mut self, slot: Slot, step: SlotStep, has_keys: bool, now: Now) -> OrderResult {
        self.now = now;
        self.may_set_slot(slot, step, has_keys)?;
        match step {
            SlotStep::Stable | SlotStep::Migrating(_) | SlotStep::Importing(_) => {
                let was_open = self.is_open(slot);
                self.open_slot(slot, step);
                match step {
                    SlotStep::Stable if was_open => self.took(Turn::SlotClosed),
                    SlotStep::Stable => {}
                    _ => self.took(Turn::SlotOpened),
                }
                self.intent_noted()
            }
            SlotStep::Owner(owner) => {
                match owner == self.my_id() {
                    true => self.take_slot(slot),
                    false => self.give_slot(slot, owner),
                }
                self.assess();
                self.finish(false);
                Ok(())
            }
        }
    }

    /// How the slot stands here, in the words of the order that leads to it.
    pub fn slot_step(&self, slot: Slot) -> SlotStep {
        let migrating = self.migrating.get(&slot).map(|to| SlotStep::Migrating(*to));
        migrating
            .or_else(|| self.importing.get(&slot).map(|from| SlotStep::Importing(*from)))
            .unwrap_or(SlotStep::Stable)
    }

    /// At a replica: its primary is ordered that, and will have done it when the operator is answered. It is kept
    /// for the day on which this node takes its place.
    pub fn primary_sets_slot(&mut self, slot: Slot, step: SlotStep, now: Now) {
        self.now = now;
        if self.nodes.me().is_primary() {
            return;
        }
        self.promised.remove(&slot);
        self.open_slot(slot, step);
        if let SlotStep::Owner(owner) = step
            && self.nodes.owner(slot) != Some(owner)
        {
            self.promised.insert(slot, Promise { owner, since: now.mono });
        }
        self.durability.want_soon();
        self.finish(false);
    }

    /// Who may take this node's place understands SETSLOT in its stream.
    pub fn replicas_take_slot_orders(&self) -> bool {
        self.nodes.replicas_of(self.my_id()).all(|node| node.is_squall)
    }

    fn is_open(&self, slot: Slot) -> bool {
        self.migrating.contains_key(&slot) || self.importing.contains_key(&slot)
    }

    fn open_slot(&mut self, slot: Slot, step: SlotStep) {
        match step {
            SlotStep::Migrating(to) => drop(self.migrating.insert(slot, to)),
            SlotStep::Importing(from) => drop(self.importing.insert(slot, from)),
            SlotStep::Stable | SlotStep::Owner(_) => {
                self.importing.remove(&slot);
                self.migrating.remove(&slot);
            }
        }
    }

    /// This node takes the place of `primary`, and with it what that one was ordered and may have told nobody.
    pub(crate) fn keep_promises(&mut self, primary: NodeId) {
        let myself = self.my_id();
        let heard = self.nodes.get(primary).and_then(|node| node.data_received).unwrap_or(Mono(0));
        for (slot, promise) in std::mem::take(&mut self.promised) {
            // It has said otherwise long after it was ordered: it has not carried the order out.
            if promise.since + self.order_patience() < heard {
                continue;
            }
            if promise.owner == primary {
                self.nodes.set_owner(slot, Some(myself));
            } else if self.nodes.owner(slot) == Some(myself) && self.nodes.member(promise.owner).is_some() {
                self.nodes.set_owner(slot, Some(promise.owner));
            }
        }
        // What has been settled meanwhile, and was not heard of in the stream.
        let owner = |slot: &Slot| self.nodes.owner(*slot);
        self.migrating.retain(|slot, _| owner(slot) == Some(myself));
        self.importing.retain(|slot, _| owner(slot) != Some(myself));
    }

    /// The slot was claimed by somebody: what this node had in hand for it is carried on or given up.
    pub(crate) fn follow_transfer(&mut self, slot: Slot, before: Option<NodeId>, owner: NodeId) {
        let mine = self.nodes.my_shard_primary();
        // What the primary gave up may still be said in its name by what was on its way.
        if self.promised.get(&slot).is_some_and(|promise| promise.owner == owner || owner != mine) {
            self.promised.remove(&slot);
        }
        if before == Some(mine) {
            self.migrating.remove(&slot);
        }
        match self.importing.get(&slot) {
            Some(_) if owner == mine => drop(self.importing.remove(&slot)),
            // The source was replaced by its replica, which has what is left.
            Some(source) if Some(*source) == before => drop(self.importing.insert(slot, owner)),
            Some(_) | None => {}
        }
    }

    /// SETSLOT NODE with this node's name: the slot is taken, under an epoch that makes all others follow.
    pub(crate) fn take_slot(&mut self, slot: Slot) {
        let myself = self.my_id();
        let was_importing = self.importing.remove(&slot).is_some();
        self.took(Turn::SlotMoved);
        let before = self.nodes.owner(slot);
        self.nodes.set_owner(slot, Some(myself));
        // Also without IMPORTING: a claim under a low epoch would be ignored for ever.
        let highest = self.nodes.iter().map(|node| node.config_epoch).max().unwrap_or_default();
        let is_highest = self.nodes.me().config_epoch == highest && highest.0 > 0;
        if (was_importing || before.is_some_and(|owner| owner != myself)) && !is_highest {
            self.take_next_epoch();
        } else {
            self.durability.defer(Deferred::Announce);
        }
    }

    /// SETSLOT NODE with another's name.
    pub(crate) fn give_slot(&mut self, slot: Slot, to: NodeId) {
        if self.nodes.owner(slot) == Some(self.my_id()) {
            self.migrating.remove(&slot);
        }
        self.took(Turn::SlotMoved);
        self.importing.remove(&slot);
        self.nodes.set_owner(slot, Some(to));
        // To give up a slot is no claim: a node that forgets it in a crash is told again.
        self.durability.want_soon();
    }
}
