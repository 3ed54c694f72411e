//! What a primary says that it owns, held against what is known here. A claim wins where the slot is free,
//! where its owner has given it up, or where the claim's configuration epoch is higher; an older claim is
//! answered with an UPDATE. Only the word of a primary moves slots, and its epoch and its slots are taken
//! together.

use crate::cluster::Cluster;
use crate::durability::Deferred;
use crate::event::Severity;
use crate::node::Node;
use crate::slots::SlotSet;
use crate::turns::Turn;
use crate::wire::{Body, Header};
use crate::{Epoch, NodeId, ShardId};

impl Cluster {
    pub(crate) fn take_claims(&mut self, header: &Header) {
        let sender = header.sender;
        self.nodes.note_claims(sender, &header.slots);
        let node = self.nodes.get(sender).expect("a member");
        if node.slots == header.slots {
            return;
        }
        // Slots that it owned here and gives up stay under its name until somebody claims them.
        self.bind_claims(sender, header.config_epoch, &header.slots);
        self.correct_claims(header);
    }

    /// Binds to `sender` what it may claim, and draws the consequences for this node.
    pub(crate) fn bind_claims(&mut self, sender: NodeId, epoch: Epoch, slots: &SlotSet) {
        let myself = self.my_id();
        if self.was_replaced(sender, epoch) {
            return;
        }
        let mine = self.nodes.my_shard_primary();
        let had_slots = self.nodes.get(mine).is_some_and(|node| !node.slots.is_empty());
        let known = self.nodes.get(sender).expect("a member").slots.clone();
        let (mut lost, mut from_mine, mut taken) = (SlotSet::default(), 0, 0);
        for slot in slots.without(&known) {
            let owner = self.nodes.owner(slot);
            let wins = match owner.and_then(|owner| self.nodes.get(owner)) {
                None => true,
                Some(owner) => self.nodes.is_disowned(slot) || owner.config_epoch < epoch,
            };
            if !wins {
                continue;
            }
            if owner == Some(myself) {
                lost.insert(slot);
            }
            from_mine += usize::from(owner == Some(mine));
            self.nodes.set_owner(slot, Some(sender));
            self.follow_transfer(slot, owner, sender);
            taken += 1;
        }
        if taken == 0 {
            return;
        }
        self.durability.want_now();
        let is_bare = had_slots && self.nodes.get(mine).is_none_or(|node| node.slots.is_empty());
        if from_mine > 0 && is_bare && sender != myself && self.inherits(sender, from_mine) {
            let heir = self.shard_heir(mine).unwrap_or(sender);
            self.log(Severity::Notice, format!("Configuration change detected. I follow {heir} from now on"));
            self.follow(heir);
        } else {
            self.push_lost(lost);
        }
        self.assess();
    }

    /// Another primary of its shard owns slots under a higher epoch: what the sender took before that, and told
    /// nobody, is its successor's to claim.
    fn was_replaced(&self, sender: NodeId, epoch: Epoch) -> bool {
        let Some(shard) = self.nodes.get(sender).and_then(|node| node.shard) else { return false };
        self.other_primaries(shard, sender).any(|node| node.config_epoch > epoch)
    }

    /// Who leads this shard by now in place of `primary`. Most of its slots were taken by that one, though the last of
    /// them may have gone to another shard before.
    fn shard_heir(&self, primary: NodeId) -> Option<NodeId> {
        let shard = self.nodes.me().shard?;
        let heirs = self.other_primaries(shard, primary);
        let heirs = heirs.filter(|node| node.id != self.my_id() && !node.is_failed());
        heirs.max_by_key(|node| node.config_epoch).map(|node| node.id)
    }

    /// Those that own slots in the name of a shard, but for that one.
    fn other_primaries(&self, shard: ShardId, than: NodeId) -> impl Iterator<Item = &Node> {
        let leads = move |node: &&Node| node.id != than && node.is_voter() && node.shard == Some(shard);
        self.nodes.owners().filter(leads)
    }

    /// Whether the node that took the last slots of this shard took its place as well.
    fn inherits(&self, sender: NodeId, from_mine: usize) -> bool {
        if self.options.allow_replica_migration {
            return true;
        }
        let sender = self.nodes.get(sender).expect("a member");
        match (sender.shard, self.nodes.me().shard) {
            (Some(theirs), Some(mine)) => theirs == mine,
            // It has said nothing of its shard. One that owns just what was ours has come from us.
            _ => sender.slots.len() == from_mine,
        }
    }

    /// A member has said which shard it belongs to: mine, perhaps, whose slots it took before it said so.
    pub(crate) fn shard_became_known(&mut self, sender: NodeId) {
        let mine = self.nodes.my_shard_primary();
        let Some(node) = self.nodes.get(sender) else { return };
        let same_shard = node.shard.is_some() && node.shard == self.nodes.me().shard;
        let replaced = node.is_voter() && sender != mine && sender != self.my_id();
        let i_own_nothing = self.nodes.get(mine).is_none_or(|node| node.slots.is_empty());
        let newer = node.config_epoch > self.nodes.me().config_epoch;
        if same_shard && replaced && i_own_nothing && newer && !self.options.allow_replica_migration {
            self.log(Severity::Notice, format!("{sender} is the primary of my shard, and I follow it"));
            self.follow(sender);
        }
    }

    /// Tells the sender who owns what it claims in vain. One owner at a time: the others follow with the
    /// next message.
    fn correct_claims(&mut self, header: &Header) {
        let sender = self.nodes.get(header.sender).expect("a member");
        let owner = header.slots.without(&sender.slots).find_map(|slot| {
            let owner = self.nodes.get(self.nodes.owner(slot)?)?;
            let newer = owner.config_epoch > header.config_epoch && !self.nodes.is_disowned(slot);
            (newer && owner.id != header.sender).then_some(owner.id)
        });
        if let Some(owner) = owner {
            self.took(Turn::ClaimCorrected);
            self.send_update(header.sender, owner);
        }
    }

    pub(crate) fn send_update(&mut self, to: NodeId, owner: NodeId) {
        let Some(header) = self.header() else { return };
        let node = self.nodes.get(owner).expect("an owner is known");
        // Of this node itself only what is durable is said.
        let (config_epoch, slots) = match owner == self.my_id() {
            true => (header.config_epoch, header.slots.clone()),
            false => (node.config_epoch, node.slots.clone()),
        };
        self.send_to(to, &header, &Body::Update { config_epoch, node: owner, slots });
    }

    /// Two primaries under one epoch: the one with the smaller name takes a higher one.
    pub(crate) fn resolve_collision(&mut self, header: &Header) {
        let me = self.nodes.me();
        let sender_is_primary = self.nodes.get(header.sender).is_some_and(Node::is_primary);
        let collides = me.is_primary() && sender_is_primary && header.config_epoch == me.config_epoch;
        // What it claims under a higher epoch would be its successor's by now. The next message collides as well.
        if !collides || header.sender <= me.id || self.may_have_been_replaced() {
            return;
        }
        self.took(Turn::EpochCollision);
        self.take_next_epoch();
        let epoch = self.nodes.me().config_epoch;
        self.log(
            Severity::Debug,
            format!("WARNING: configEpoch collision with node {}. configEpoch set to {epoch}", header.sender),
        );
    }

    /// A configuration epoch that nobody has, without asking anybody.
    pub(crate) fn take_next_epoch(&mut self) {
        self.current_epoch = self.current_epoch.next();
        self.nodes.me_mut().config_epoch = self.current_epoch;
        self.durability.defer(Deferred::Announce);
    }
}
