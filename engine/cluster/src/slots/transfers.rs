//! Slots on their way from one node to another, by an operator's word: SETSLOT MIGRATING at the source,
//! IMPORTING at the target, NODE at the end.

use crate::cluster::Cluster;
use crate::durability::Deferred;
use crate::turns::Turn;
use crate::{NodeId, Slot};

impl Cluster {
    /// The slot was claimed by somebody: what this node had in hand for it is carried on or given up.
    pub(crate) fn follow_transfer(&mut self, slot: Slot, before: Option<NodeId>, owner: NodeId) {
        let myself = self.my_id();
        if before == Some(myself) {
            self.migrating.remove(&slot);
        }
        if let Some(source) = self.importing.get(&slot).copied()
            && Some(source) == before
        {
            // The source was replaced by its replica, which has what is left.
            self.importing.insert(slot, owner);
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
