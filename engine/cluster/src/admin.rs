//! What operators order: CLUSTER's subcommands that change something. An error is the line that the client
//! gets.

use std::borrow::Cow;

use squall_clock::Now;

use crate::cluster::Cluster;
use crate::durability::Claims;
use crate::event::{Event, Severity};
use crate::node::{Node, Stage};
use crate::nodes::Nodes;
use crate::slots::SlotSet;
use crate::wire::Ports;
use crate::{Epoch, NodeId, ShardId};

pub type OrderResult = Result<(), Cow<'static, str>>;

impl Cluster {
    /// CLUSTER MEET. A handshake that is on its way already is no mistake.
    pub fn meet(&mut self, host: &str, port: u16, bus_port: u16, now: Now) -> OrderResult {
        self.now = now;
        let text = format!("ERR Invalid node address specified: {host}:{port}");
        if host.parse::<std::net::IpAddr>().is_err() || port == 0 || bus_port == 0 {
            return Err(text.into());
        }
        self.start_handshake(host.to_owned(), Ports { client: port, bus: bus_port, plain: 0 }, true);
        self.finish(false);
        Ok(())
    }

    /// CLUSTER FORGET. A failed owner of slots with a replica that lives is still needed: without it the
    /// election in its place could not be judged.
    pub fn forget(&mut self, id: NodeId, now: Now) -> OrderResult {
        self.now = now;
        if id == self.my_id() {
            return Err("ERR I tried hard but I can't forget myself...".into());
        }
        let Some(node) = self.nodes.get(id) else {
            return match self.forgotten.contains_key(&id) {
                true => Ok(()),
                false => Err(format!("ERR Unknown node {id}").into()),
            };
        };
        if self.nodes.me().primary == Some(id) {
            return Err("ERR Can't forget my master!".into());
        }
        let has_heir = self.nodes.replicas_of(id).any(|replica| !replica.is_failed());
        if !node.slots.is_empty() && has_heir {
            return Err("ERR Can't forget a master with slots before its replica has taken them".into());
        }
        self.forget_node(id, now.mono + self.options.forgotten_for);
        self.finish(false);
        Ok(())
    }

    /// CLUSTER REPLICATE. `is_empty`: this node holds no keys.
    pub fn replicate(&mut self, id: NodeId, is_empty: bool, now: Now) -> OrderResult {
        self.now = now;
        let Some(node) = self.nodes.get(id) else { return Err(format!("ERR Unknown node {id}").into()) };
        if id == self.my_id() {
            return Err("ERR Can't replicate myself".into());
        }
        if !node.is_primary() {
            return Err("ERR I can only replicate a master, not a replica.".into());
        }
        let me = self.nodes.me();
        if me.is_primary() && (!me.slots.is_empty() || !is_empty) {
            return Err("ERR To set a master the node must be empty and without assigned slots.".into());
        }
        if me.primary != Some(id) {
            self.follow(id);
            self.announce_when_durable();
        }
        self.finish(false);
        Ok(())
    }

    /// CLUSTER REPLICATE NO ONE (Valkey): a replica gives its dataset up, and is a primary without slots, in a shard of
    /// its own.
    pub fn replicate_nobody(&mut self, now: Now) -> OrderResult {
        self.now = now;
        if !self.nodes.me().is_primary() {
            self.manual = None;
            self.election = None;
            let shard = ShardId::random(&mut self.rng);
            let me = self.nodes.me_mut();
            (me.primary, me.migrate_to, me.shard) = (None, false, Some(shard));
            self.push(Event::Promote);
            self.push(Event::Flush);
            self.log(Severity::Notice, "I replicate nobody, and am an empty primary".to_owned());
        }
        self.order_done()
    }

    /// CLUSTER ADDSLOTS and ADDSLOTSRANGE: all or none.
    pub fn add_slots(&mut self, slots: &SlotSet, now: Now) -> OrderResult {
        self.now = now;
        if let Some(busy) = slots.iter().find(|slot| self.nodes.owner(*slot).is_some()) {
            return Err(format!("ERR Slot {busy} is already busy").into());
        }
        let myself = self.my_id();
        for slot in slots.iter() {
            self.importing.remove(&slot);
            self.nodes.set_owner(slot, Some(myself));
        }
        self.order_done()
    }

    /// CLUSTER DELSLOTS and DELSLOTSRANGE: all or none.
    pub fn delete_slots(&mut self, slots: &SlotSet, now: Now) -> OrderResult {
        self.now = now;
        if let Some(free) = slots.iter().find(|slot| self.nodes.owner(*slot).is_none()) {
            return Err(format!("ERR Slot {free} is already unassigned").into());
        }
        for slot in slots.iter() {
            self.migrating.remove(&slot);
            self.nodes.set_owner(slot, None);
        }
        self.order_done()
    }

    /// CLUSTER FLUSHSLOTS. `is_empty`: this node holds no keys.
    pub fn flush_slots(&mut self, is_empty: bool, now: Now) -> OrderResult {
        self.now = now;
        if !is_empty {
            return Err("ERR DB must be empty to perform CLUSTER FLUSHSLOTS.".into());
        }
        self.give_up_slots();
        self.order_done()
    }

    /// CLUSTER BUMPEPOCH: the epoch, and whether it was raised; it is not where it is the highest already.
    pub fn bump_epoch(&mut self, now: Now) -> (bool, Epoch) {
        self.now = now;
        let mine = self.nodes.me().config_epoch;
        let highest = self.nodes.iter().map(|node| node.config_epoch).max().unwrap_or_default();
        let bumps = mine == Epoch::ZERO || mine != highest.max(self.current_epoch);
        if bumps {
            self.take_next_epoch();
        }
        self.finish(false);
        (bumps, self.nodes.me().config_epoch)
    }

    /// CLUSTER SET-CONFIG-EPOCH: for a node that is still alone and has none.
    pub fn set_config_epoch(&mut self, epoch: Epoch, now: Now) -> OrderResult {
        self.now = now;
        if self.nodes.len() > 1 {
            return Err("ERR The user can assign a config epoch only when the node does not know any other \
                        node."
                .into());
        }
        if self.nodes.me().config_epoch != Epoch::ZERO {
            return Err("ERR Node config epoch is already non-zero".into());
        }
        self.nodes.me_mut().config_epoch = epoch;
        self.current_epoch = self.current_epoch.max(epoch);
        self.order_done()
    }

    /// CLUSTER RESET. `is_empty`: this node holds no keys, which a primary must not.
    pub fn reset(&mut self, hard: bool, is_empty: bool, now: Now) -> OrderResult {
        self.now = now;
        let was_replica = !self.nodes.me().is_primary();
        if !was_replica && !is_empty {
            return Err("ERR CLUSTER RESET can't be called with master nodes containing keys".into());
        }
        let others: Vec<NodeId> = self.nodes.others().map(|node| node.id).collect();
        others.into_iter().for_each(|id| self.close_links_of(id));
        self.manual = None;
        self.end_hand_over();
        self.leave_migrations();
        let mut me = self.nodes.me().clone();
        me.slots = SlotSet::default();
        me.primary = None;
        me.migrate_to = false;
        if hard {
            me.id = NodeId::random(&mut self.rng);
            me.config_epoch = Epoch::ZERO;
            self.current_epoch = Epoch::ZERO;
            self.last_vote_epoch = Epoch::ZERO;
        }
        if hard || was_replica {
            me.shard = Some(ShardId::random(&mut self.rng));
        }
        self.nodes = Nodes::of(Node { stage: Stage::Member, ..me });
        self.election = None;
        self.migrating.clear();
        self.importing.clear();
        self.forgotten.clear();
        self.durability.forget_waiting();
        if hard {
            self.durability.announced = Claims::default();
        }
        if was_replica {
            self.push(Event::Promote);
            self.push(Event::Flush);
        }
        self.log(Severity::Notice, format!("Cluster reset; I am {}", self.my_id()));
        self.order_done()
    }

    /// CLUSTER SAVECONFIG.
    pub fn save(&mut self, now: Now) {
        self.now = now;
        self.durability.want_now();
        self.finish(false);
    }

    /// What is only meant to happen claims nothing, and is written with the next tick.
    pub(crate) fn intent_noted(&mut self) -> OrderResult {
        self.durability.want_soon();
        self.finish(false);
        Ok(())
    }

    fn order_done(&mut self) -> OrderResult {
        self.durability.want_now();
        self.assess();
        self.finish(false);
        Ok(())
    }
}
