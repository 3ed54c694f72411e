//! What the machine wants done, carried out: messages to links, texts to the disk, roles to replication,
//! slots to the engine.

use squall_cluster::Event;
use squall_commands::Engine;
use squall_store::Slot;

use super::{RoleWish, push_log, routes};
use crate::effect::Effect;
use crate::services::Services;

/// Keys of lost slots that one slice deletes.
const KEYS_PER_SLICE: usize = 2_000;

impl Services {
    /// Carries out what the machine has decided, until it wants nothing more.
    pub fn settle_cluster(&mut self, engine: &mut Engine) {
        loop {
            let Some(membership) = &mut self.membership else { return };
            let Some(event) = membership.machine.as_mut().and_then(|machine| machine.poll_event()) else {
                break;
            };
            self.carry_out(engine, event);
        }
        self.update_routes(engine);
        self.take_up_role(engine);
    }

    fn carry_out(&mut self, engine: &mut Engine, event: Event) {
        let membership = self.membership.as_mut().expect("the event is its machine's");
        match event {
            Event::Connect { link, host, port } => {
                let id = self.effects.next_link();
                membership.bus.add(id, link);
                let source = Some(engine.config.bind_source_addr.clone()).filter(|source| !source.is_empty());
                let secured = engine.config.tls_cluster;
                self.effects.push(Effect::Connect { link: id, host, port, source, secured });
            }
            Event::Send { link, bytes } => {
                let limit = engine.config.cluster_link_sendbuf_bytes_max;
                if !membership.bus.send(&mut self.effects, link, bytes, limit)
                    && let Some(id) = membership.bus.remove_link(link)
                {
                    self.effects.warning("Freeing a cluster link: too much waits to be sent over it");
                    self.effects.push(Effect::CloseLink(id));
                    membership.machine().link_closed(link, squall_cluster::Closed::Lost, engine.now);
                }
            }
            Event::Close { link } => {
                if let Some(id) = membership.bus.remove_link(link) {
                    self.effects.push(Effect::CloseLink(id));
                }
            }
            Event::Persist { generation, text } => {
                membership.file.write(&mut self.effects, generation, text);
            }
            Event::Promote => membership.role = Some(RoleWish::Primary),
            Event::Follow { host, port, same_shard, .. } => {
                membership.has_synced &= same_shard;
                membership.lost.clear();
                membership.mover.leave();
                membership.role = Some(RoleWish::Replica { host, port });
            }
            Event::SlotsLost(slots) => {
                let slots = slots.iter().filter_map(|slot| Slot::checked(u64::from(slot.number())));
                membership.lost.extend(slots);
            }
            Event::PauseWrites => {
                self.replication.hand_over_shard(engine, true);
                // What was done before the pause is in the offset that the replica is told.
                self.settle(engine, None);
                let offset = self.replication.offset();
                let membership = self.membership.as_mut().expect("looked at above");
                membership.machine().writes_paused(offset, engine.now);
            }
            Event::ResumeWrites => {
                self.replication.hand_over_shard(engine, false);
                self.settle(engine, None);
            }
            Event::Published(published) => {
                match published.sharded {
                    true => engine.publish_to_shard(&published.channel, &published.message),
                    false => engine.publish(&published.channel, &published.message),
                };
                self.settle(engine, None);
            }
            Event::Availability { .. } => {}
            Event::Migration(order) => self.carry_out_migration(engine, order),
            Event::Flush => (0..engine.keyspace.databases()).for_each(|db| engine.discard(db)),
            Event::Log { severity, message } => push_log(&mut self.effects, severity, message),
        }
    }

    /// What the machine knows of slots, for the engine to route by.
    fn update_routes(&mut self, engine: &mut Engine) {
        let Some(membership) = &mut self.membership else { return };
        let Some(machine) = &membership.machine else { return };
        let version = (machine.version(), machine.is_ok());
        if membership.routes_version != Some(version) {
            membership.routes_version = Some(version);
            let routing = routes::routing(machine, &engine.config);
            let before = engine.routing.replace(Box::new(routing));
            engine.slots_moved(before.as_deref());
            // What has waited for a slot knows now where to go.
            let postponed = std::mem::take(&mut self.postponed);
            self.effects.extend(postponed.into_iter().map(Effect::WakeClient));
        }
    }

    /// The role is taken up at the end of what runs, and not before there is a dataset.
    fn take_up_role(&mut self, engine: &mut Engine) {
        if engine.loading {
            return;
        }
        match self.membership.as_mut().and_then(|membership| membership.role.take()) {
            None => {}
            Some(RoleWish::Primary) => self.replication.decide_role(None),
            Some(RoleWish::Replica { host, port }) => self.replication.decide_role(Some((host, port))),
        }
    }

    /// Deletes keys of slots that belong to others now; a slice at a time.
    pub(super) fn drop_lost_keys(&mut self, engine: &mut Engine) {
        let Some(membership) = &mut self.membership else { return };
        let mut budget = KEYS_PER_SLICE;
        while budget > 0
            && let Some(slot) = membership.lost.front().copied()
        {
            let is_mine = routes::is_mine(engine, slot);
            // A slot that has come back meanwhile keeps what is in it.
            let dropped = if is_mine { 0 } else { engine.drop_keys_of_slot(slot, budget) };
            if dropped < budget {
                membership.lost.pop_front();
            }
            budget -= dropped.max(1);
        }
    }
}
