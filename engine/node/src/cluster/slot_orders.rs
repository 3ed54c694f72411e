//! CLUSTER SETSLOT. The replicas are told first, in their primary's stream, and the order is carried out when those
//! that are in step have acknowledged it, or refused when they do not in time: so a failover at any moment
//! finds the slot as open, or as settled, as the operator was told that it is. As documented for Valkey 8.

use squall_clock::{Mono, Nanos};
use squall_cluster::{NodeId, Slot, SlotStep};
use squall_commands::session::Blocked;
use squall_commands::{ClientId, CommandError, CommandResult, Engine, Role, Session};
use squall_replication::ReplicaKey;
use squall_resp::{Args, Reply};
use squall_store::parse_i64;

use super::{orders, routes};
use crate::services::Services;

/// Between two looks at what the replicas have acknowledged.
const ACKNOWLEDGEMENT_POLL: Nanos = Nanos::from_millis(1);

/// Orders that wait until the replicas have them.
#[derive(Default)]
pub(super) struct SlotOrders {
    waiting: Vec<Waiting>,
    /// The replicas that have been told which slots are open.
    told: Vec<ReplicaKey>,
}

struct Waiting {
    slot: Slot,
    step: SlotStep,
    client: ClientId,
    /// Where the order is in the stream.
    offset: u64,
    until: Mono,
}

impl SlotOrders {
    pub fn next_timeout(&self, now: Mono) -> Option<Mono> {
        (!self.waiting.is_empty()).then_some(now + ACKNOWLEDGEMENT_POLL)
    }
}

impl Services {
    pub(super) fn set_slot(
        &mut self,
        engine: &mut Engine,
        session: &mut Session,
        args: Args<'_>,
        reply: &mut Reply<'_>,
    ) -> CommandResult {
        let has_replicas = self.replication.replicas_in_step().next().is_some();
        let membership = self.membership.as_mut().expect("the caller has looked");
        let (slot, step, patience) = parse(args)?;
        let machine = membership.machine();
        let has_keys = engine.keys_in_slot(routes::store_slot(slot)) > 0;
        machine.may_set_slot(slot, step, has_keys).map_err(CommandError::line)?;
        let tells = machine.replicas_take_slot_orders();
        let until = engine.now.mono + patience.unwrap_or(machine.order_patience());
        // Also where none is in step: one that comes back reads on where it was, and has heard of the slot before.
        if tells {
            self.tell_replicas(engine, slot, step);
        }
        let membership = self.membership.as_mut().expect("looked at above");
        if tells && has_replicas && !session.deny_blocking {
            let offset = self.replication.offset();
            let waiting = Waiting { slot, step, client: session.id, offset, until };
            membership.slot_orders.waiting.push(waiting);
            session.blocked = Some(Blocked::Disk);
            return Ok(());
        }
        membership.machine().set_slot(slot, step, has_keys, engine.now).map_err(CommandError::line)?;
        self.answer_when_saved(engine, session, reply)
    }

    /// This replica's primary was ordered that. What the log says of the past, nodes.conf knows better.
    pub(super) fn hear_slot_order(&mut self, engine: &mut Engine, args: Args<'_>) -> CommandResult {
        let Some(membership) = self.membership.as_mut().filter(|membership| membership.machine.is_some())
        else {
            return Ok(());
        };
        if !engine.loading {
            let (slot, step, _) = parse(args)?;
            membership.machine().primary_sets_slot(slot, step, engine.now);
            self.settle_cluster(engine);
        }
        Ok(())
    }

    /// Carries out what the replicas have, and refuses what they did not take in time.
    pub(super) fn advance_slot_orders(&mut self, engine: &mut Engine) {
        self.tell_who_came(engine);
        let Some(membership) = &mut self.membership else { return };
        for order in std::mem::take(&mut membership.slot_orders.waiting) {
            if self.replication.has_reached_all(order.offset) {
                self.carry_out_slot_order(engine, &order);
            } else if engine.now.mono >= order.until {
                self.refuse_slot_order(engine, &order);
            } else {
                let membership = self.membership.as_mut().expect("looked at above");
                membership.slot_orders.waiting.push(order);
            }
        }
    }

    fn carry_out_slot_order(&mut self, engine: &mut Engine, order: &Waiting) {
        let membership = self.membership.as_mut().expect("the caller has looked");
        let has_keys = engine.keys_in_slot(routes::store_slot(order.slot)) > 0;
        let done = membership.machine().set_slot(order.slot, order.step, has_keys, engine.now);
        match (done, membership.machine().pending_save()) {
            (Err(error), _) => {
                self.take_back(engine, order.slot);
                self.answer(engine, order.client, |reply| reply.error(&error));
            }
            (Ok(()), Some(generation)) => membership.waiting.push((generation, order.client)),
            (Ok(()), None) => self.answer(engine, order.client, |reply| reply.ok()),
        }
        self.settle_cluster(engine);
    }

    fn refuse_slot_order(&mut self, engine: &mut Engine, order: &Waiting) {
        self.take_back(engine, order.slot);
        self.answer(engine, order.client, |reply| {
            reply.error("NOREPLICAS Not enough good replicas to write.");
        });
    }

    /// Those replicas that have heard the order hear that the slot stays as it is.
    fn take_back(&mut self, engine: &mut Engine, slot: Slot) {
        let machine = self.membership.as_mut().expect("the caller has looked").machine();
        if machine.my_node().is_primary() {
            let step = machine.slot_step(slot);
            self.tell_replicas(engine, slot, step);
        }
    }

    /// A replica that comes later learns which slots are open as well, and what the others have been told.
    fn tell_who_came(&mut self, engine: &mut Engine) {
        let Some(membership) = self.membership.as_mut().filter(|membership| membership.machine.is_some())
        else {
            return;
        };
        let orders = &mut membership.slot_orders;
        if self.replication.replicas_in_step().eq(orders.told.iter().copied()) {
            return;
        }
        let before = std::mem::replace(&mut orders.told, self.replication.replicas_in_step().collect());
        let nobody_came = orders.told.iter().all(|key| before.contains(key));
        let ordered: Vec<_> = orders.waiting.iter().map(|order| (order.slot, order.step)).collect();
        let machine = membership.machine();
        if nobody_came || !machine.my_node().is_primary() || !machine.replicas_take_slot_orders() {
            return;
        }
        let (migrating, importing) = machine.transfers();
        let open: Vec<Slot> = migrating.keys().chain(importing.keys()).copied().collect();
        let open = open.into_iter().map(|slot| (slot, machine.slot_step(slot)));
        let steps: Vec<_> = open.chain(ordered).collect();
        steps.into_iter().for_each(|(slot, step)| self.tell_replicas(engine, slot, step));
        let offset = self.replication.offset();
        let orders = &mut self.membership.as_mut().expect("looked at above").slot_orders;
        orders.waiting.iter_mut().for_each(|order| order.offset = offset);
    }

    fn tell_replicas(&mut self, engine: &mut Engine, slot: Slot, step: SlotStep) {
        // The shard's history is its primary's to write.
        if engine.role != Role::Primary {
            return;
        }
        let (word, node) = match step {
            SlotStep::Stable => ("STABLE", None),
            SlotStep::Migrating(node) => ("MIGRATING", Some(node)),
            SlotStep::Importing(node) => ("IMPORTING", Some(node)),
            SlotStep::Owner(node) => ("NODE", Some(node)),
        };
        let (slot, node) = (slot.to_string(), node.map(|node| node.to_string()));
        let words = ["CLUSTER", "SETSLOT", &slot, word].into_iter().chain(node.as_deref());
        let words: Vec<&[u8]> = words.map(str::as_bytes).collect();
        engine.record_apart(&words);
        self.settle(engine, None);
        self.replication.ask_replicas();
    }
}

/// `CLUSTER SETSLOT slot MIGRATING|IMPORTING|NODE node-id | STABLE [TIMEOUT milliseconds]`. Whether the node is known is
/// another matter: a replica may hear of it before it has met it.
fn parse(args: Args<'_>) -> Result<(Slot, SlotStep, Option<Nanos>), CommandError> {
    let slot = orders::slot(args.at(2))?;
    let node = || match args.get(4) {
        Some(name) => NodeId::parse(name)
            .ok_or_else(|| CommandError::Bytes([b"ERR I don't know about node ", name].concat())),
        None => Err(CommandError::line(UNKNOWN_ACTION)),
    };
    let word = args.at(3).to_ascii_lowercase();
    let (step, rest) = match word.as_slice() {
        b"stable" => (SlotStep::Stable, 4),
        b"migrating" => (SlotStep::Migrating(node()?), 5),
        b"importing" => (SlotStep::Importing(node()?), 5),
        b"node" => (SlotStep::Owner(node()?), 5),
        _ => return Err(CommandError::line(UNKNOWN_ACTION)),
    };
    let patience = match (args.len() - rest, args.get(rest).map(<[u8]>::to_ascii_lowercase).as_deref()) {
        (0, _) => None,
        (2, Some(b"timeout")) => {
            let ms = parse_i64(args.at(rest + 1)).and_then(|ms| u64::try_from(ms).ok());
            Some(ms.ok_or(CommandError::line("ERR timeout is not an integer or out of range"))?)
        }
        _ => return Err(CommandError::line(UNKNOWN_ACTION)),
    };
    Ok((slot, step, patience.map(Nanos::from_millis)))
}

const UNKNOWN_ACTION: &str = "ERR Invalid CLUSTER SETSLOT action or number of arguments. Try CLUSTER HELP";
