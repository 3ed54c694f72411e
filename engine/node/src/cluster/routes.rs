//! The machine's slots in the engine's terms, and how nodes are named to clients.

use std::collections::BTreeMap;

use squall_cluster::{Cluster, Node, NodeId};
use squall_commands::Engine;
use squall_commands::cluster::{Routing, SlotOwner};
use squall_commands::config::{Config, PreferredEndpoint};
use squall_store::Slot;

pub(super) fn routing(machine: &Cluster, config: &Config) -> Routing {
    let mut routing = Routing::default();
    routing.ok = machine.is_ok();
    let mut numbers: BTreeMap<NodeId, u16> = BTreeMap::new();
    for node in machine.nodes() {
        let address = format!("{}:{}", endpoint(node, config).unwrap_or_default(), node.ports.client);
        numbers.insert(node.id, routing.add_endpoint(address));
    }
    let me = machine.my_node();
    for node in machine.nodes() {
        let owner = if node.id == me.id { SlotOwner::Me } else { SlotOwner::Other(numbers[&node.id]) };
        node.slots.iter().for_each(|slot| routing.set_owner(store_slot(slot), owner));
    }
    routing.my_primary = me.primary.and_then(|primary| numbers.get(&primary).copied());
    let (migrating, importing) = machine.transfers();
    let known = |(slot, to): (&squall_cluster::Slot, &NodeId)| Some((store_slot(*slot), *numbers.get(to)?));
    routing.migrating = migrating.iter().filter_map(known).collect();
    routing.held = machine.held_slots().iter().map(store_slot).collect();
    routing.hidden = machine.hidden_slots().iter().map(store_slot).collect();
    routing.importing = importing.keys().map(|slot| store_slot(*slot)).collect();
    routing
}

/// How clients are told to reach a node; none: by the address at which they reached this one.
pub(super) fn endpoint<'a>(node: &'a Node, config: &Config) -> Option<&'a str> {
    match config.cluster_preferred_endpoint_type {
        PreferredEndpoint::Ip => Some(&node.host),
        PreferredEndpoint::Hostname if node.hostname.is_empty() => Some("?"),
        PreferredEndpoint::Hostname => Some(&node.hostname),
        PreferredEndpoint::Unknown => None,
    }
}

pub(super) fn is_mine(engine: &Engine, slot: Slot) -> bool {
    engine.routing.as_ref().is_some_and(|routing| routing.owner(slot) == SlotOwner::Me)
}

pub(super) fn store_slot(slot: squall_cluster::Slot) -> Slot {
    Slot::checked(u64::from(slot.number())).expect("both count the same slots")
}
