//! The table of nodes, and with it who owns which slot: each slot stands in the map and in its owner's set,
//! and only the functions here change either.

use std::collections::BTreeMap;
use std::ops::Bound;

use rand_core::Rng;

use crate::NodeId;
use crate::node::Node;
use crate::slots::{Slot, SlotMap, SlotSet};

pub struct Nodes {
    by_id: BTreeMap<NodeId, Node>,
    /// The same names in an order to draw from.
    order: Vec<NodeId>,
    myself: NodeId,
    slots: SlotMap,
    /// Slots that their owner no longer claims: anybody's claim is better than its.
    disowned: SlotSet,
    /// What primaries owned that follow somebody now, as long as nobody has claimed it.
    vacated: BTreeMap<NodeId, SlotSet>,
}

impl Nodes {
    pub fn of(myself: Node) -> Nodes {
        let id = myself.id;
        let mut nodes = Nodes {
            by_id: BTreeMap::new(),
            order: Vec::new(),
            myself: id,
            slots: SlotMap::default(),
            disowned: SlotSet::default(),
            vacated: BTreeMap::new(),
        };
        nodes.insert(myself);
        nodes
    }

    pub fn my_id(&self) -> NodeId {
        self.myself
    }

    pub fn me(&self) -> &Node {
        &self.by_id[&self.myself]
    }

    pub fn me_mut(&mut self) -> &mut Node {
        self.by_id.get_mut(&self.myself).expect("a node knows itself")
    }

    pub fn get(&self, id: NodeId) -> Option<&Node> {
        self.by_id.get(&id)
    }

    pub fn get_mut(&mut self, id: NodeId) -> Option<&mut Node> {
        self.by_id.get_mut(&id)
    }

    /// The node, if it belongs to the cluster.
    pub fn member(&self, id: NodeId) -> Option<&Node> {
        self.get(id).filter(|node| node.is_member())
    }

    pub fn len(&self) -> usize {
        self.order.len()
    }

    pub fn iter(&self) -> impl Iterator<Item = &Node> {
        self.by_id.values()
    }

    /// The others in the order of their names, from the one that follows `id`, round to the one before it.
    pub fn after(&self, id: NodeId) -> impl Iterator<Item = &Node> {
        let next = self.by_id.range((Bound::Excluded(id), Bound::Unbounded));
        next.chain(self.by_id.range(..id)).map(|(_, node)| node)
    }

    /// The same, the other way round.
    pub fn before(&self, id: NodeId) -> impl Iterator<Item = &Node> {
        let previous = self.by_id.range(..id).rev();
        let rest = self.by_id.range((Bound::Excluded(id), Bound::Unbounded)).rev();
        previous.chain(rest).map(|(_, node)| node)
    }

    pub fn others(&self) -> impl Iterator<Item = &Node> {
        let myself = self.myself;
        self.iter().filter(move |node| node.id != myself)
    }

    /// Any node, all equally likely.
    pub fn draw(&self, rng: &mut impl Rng) -> &Node {
        let index = (u64::from(rng.next_u32()) * self.order.len() as u64) >> 32;
        &self.by_id[&self.order[index as usize]]
    }

    pub fn insert(&mut self, node: Node) {
        let slots = node.slots.clone();
        let id = node.id;
        if self.by_id.insert(id, Node { slots: SlotSet::default(), ..node }).is_none() {
            self.order.push(id);
        }
        for slot in slots.iter() {
            self.set_owner(slot, Some(id));
        }
    }

    /// Forgets a node, what it owned and what it said.
    pub fn remove(&mut self, id: NodeId) -> Option<Node> {
        assert_ne!(id, self.myself, "a node never forgets itself");
        let slots = self.get(id)?.slots.clone();
        for slot in slots.iter() {
            self.set_owner(slot, None);
        }
        let node = self.by_id.remove(&id)?;
        self.vacated.remove(&id);
        self.order.retain(|other| *other != id);
        for other in self.by_id.values_mut() {
            other.reports.remove(&id);
            if other.primary == Some(id) && other.id != self.myself {
                other.primary = None;
            }
        }
        Some(node)
    }

    /// Gives the node that was known by its address alone its name.
    pub fn rename(&mut self, from: NodeId, to: NodeId) {
        assert!(!self.by_id.contains_key(&to), "a name belongs to one node");
        let slots = self.by_id[&from].slots.clone();
        for slot in slots.iter() {
            self.set_owner(slot, None);
        }
        let mut node = self.by_id.remove(&from).expect("looked at above");
        node.id = to;
        self.by_id.insert(to, node);
        let place = self.order.iter().position(|id| *id == from).expect("both hold the same names");
        self.order[place] = to;
        if self.myself == from {
            self.myself = to;
        }
        for slot in slots.iter() {
            self.set_owner(slot, Some(to));
        }
    }

    // --- Slots ---

    pub fn owner(&self, slot: Slot) -> Option<NodeId> {
        self.slots.owner(slot)
    }

    pub fn bound_slots(&self) -> usize {
        self.slots.bound()
    }

    pub fn owners(&self) -> impl Iterator<Item = &Node> {
        self.slots.owners().map(|id| &self.by_id[&id])
    }

    pub fn set_owner(&mut self, slot: Slot, owner: Option<NodeId>) {
        self.disowned.remove(slot);
        let before = self.slots.set(slot, owner);
        if before == owner {
            return;
        }
        if let Some(before) = before.and_then(|id| self.by_id.get_mut(&id)) {
            before.slots.remove(slot);
        }
        if owner.is_some() {
            self.vacated.retain(|_, slots| {
                slots.remove(slot);
                !slots.is_empty()
            });
        }
        if let Some(owner) = owner {
            self.by_id.get_mut(&owner).expect("only nodes own slots").slots.insert(slot);
        }
    }

    pub fn drop_slots_of(&mut self, id: NodeId) {
        let slots = self.by_id[&id].slots.clone();
        slots.iter().for_each(|slot| self.set_owner(slot, None));
    }

    /// A primary that turns replica gives up its slots, and its seat among those who decide is empty until its heir's
    /// claim arrives: fewer would be a majority otherwise, for that long.
    pub fn vacate(&mut self, id: NodeId) {
        let mut claimed = SlotSet::default();
        for slot in self.by_id[&id].slots.without(&self.disowned) {
            claimed.insert(slot);
        }
        self.drop_slots_of(id);
        if !claimed.is_empty() {
            self.vacated.insert(id, claimed);
        }
    }

    pub fn is_disowned(&self, slot: Slot) -> bool {
        self.disowned.contains(slot)
    }

    /// The owner has said which slots it claims: of those that stand under its name.
    pub fn note_claims(&mut self, owner: NodeId, claims: &SlotSet) {
        let Some(node) = self.by_id.get(&owner) else { return };
        if node.slots == *claims && self.disowned.is_empty() {
            return;
        }
        for slot in node.slots.iter() {
            match claims.contains(slot) {
                true => self.disowned.remove(slot),
                false => self.disowned.insert(slot),
            };
        }
    }

    // --- Roles ---

    /// How many primaries own slots.
    pub fn voters(&self) -> usize {
        self.owners().filter(|node| node.is_voter()).count()
    }

    /// Seats among those who decide whose holder is not known at the moment.
    pub fn vacant_seats(&self) -> usize {
        self.vacated.len()
    }

    /// How many voters are more than half of all seats.
    pub fn quorum(&self) -> usize {
        (self.voters() + self.vacant_seats()) / 2 + 1
    }

    pub fn replicas_of(&self, primary: NodeId) -> impl Iterator<Item = &Node> {
        self.iter().filter(move |node| node.primary == Some(primary) && node.is_member())
    }

    /// The primary of this node's shard: itself, where it is one.
    pub fn my_shard_primary(&self) -> NodeId {
        self.me().primary.unwrap_or(self.myself)
    }
}
