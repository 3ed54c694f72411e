//! Scenarios with fewer machines than another: without one of its nodes, or with a smaller cluster. What was said about
//! those that are gone goes, too.

use crate::cast::Part;
use crate::file::{ClusterSpec, Formed, Order, Scenario};

use super::placeless;

/// The scenario without one of its nodes; nothing where the rest would make no sense.
pub(super) fn without_node(scenario: &Scenario, name: &str) -> Option<Scenario> {
    let mut smaller = scenario.clone();
    let gone = smaller.nodes.iter().position(|node| node.get_ref().name == name)?;
    let above = smaller.nodes.remove(gone).into_inner().replica_of;
    if smaller.nodes.is_empty() {
        return None;
    }
    for node in &mut smaller.nodes {
        let mut spec = node.get_ref().clone();
        if spec.replica_of.as_deref() == Some(name) {
            spec.replica_of.clone_from(&above);
        }
        *node = placeless(spec);
    }
    forget(&mut smaller, |other| other == name);
    Some(smaller)
}

/// The scenario with a smaller cluster, or a simpler one, in each way that there is; nothing where it has none.
pub(super) fn smaller_clusters(scenario: &Scenario) -> Vec<Scenario> {
    let Some(spec) = scenario.cluster else { return Vec::new() };
    let fewer = |count: u16, least: u16| count.saturating_sub(1).max(least);
    let specs = [
        ClusterSpec { spares: 0, ..spec },
        ClusterSpec { primaries: fewer(spec.primaries, 1), ..spec },
        ClusterSpec { replicas: fewer(spec.replicas, 0), ..spec },
        ClusterSpec { spares: fewer(spec.spares, 0), ..spec },
        ClusterSpec { formed: Formed::FromFiles, ..spec },
    ];
    specs.into_iter().filter(|other| *other != spec).map(|spec| with_cluster(scenario, spec)).collect()
}

fn with_cluster(scenario: &Scenario, spec: ClusterSpec) -> Scenario {
    let mut smaller = Scenario { cluster: Some(spec), ..scenario.clone() };
    smaller.make_cluster();
    let names = |scenario: &Scenario| -> Vec<String> {
        scenario.nodes.iter().map(|node| node.get_ref().name.clone()).collect()
    };
    let (before, after) = (names(scenario), names(&smaller));
    let is_gone = |name: &str| match Part::parse(name) {
        Some(part) => part.shard > spec.primaries,
        None => before.iter().any(|node| node == name) && !after.iter().any(|node| node == name),
    };
    forget(&mut smaller, is_gone);
    smaller
}

/// Nobody speaks of those that are gone any more.
fn forget(scenario: &mut Scenario, is_gone: impl Fn(&str) -> bool) {
    for group in &mut scenario.clients {
        let mut own = group.get_ref().clone();
        own.work.write_to.retain(|node| !is_gone(node));
        own.work.read_from.retain(|node| !is_gone(node));
        *group = placeless(own);
    }
    scenario.operator.retain(|step| !speaks_of(&step.get_ref().order, &is_gone));
    let mut faults = Vec::new();
    for step in &scenario.faults {
        let mut step = step.get_ref().clone();
        let (left, right) = step.fault.names();
        let named: Vec<String> = left.into_iter().chain(right).map(str::to_owned).collect();
        if named.iter().filter(|name| is_gone(name)).all(|name| step.fault.forget(name)) {
            faults.push(placeless(step));
        }
    }
    scenario.faults = faults;
    scenario.repair.without.retain(|node| !is_gone(node));
    scenario.observe.lag_of = scenario.observe.lag_of.take().filter(|node| !is_gone(node));
}

/// Whether an order is for one of those, or names one in its words, as `{id a2}`.
fn speaks_of(order: &Order, is_gone: &impl Fn(&str) -> bool) -> bool {
    let named = |word: &str| {
        let inner = word.strip_prefix('{').and_then(|word| word.strip_suffix('}')?.split_once(' '));
        inner.is_some_and(|(_, name)| is_gone(name))
    };
    let words = match order {
        Order::Command { words, .. } | Order::Try { words, .. } => words.as_slice(),
        _ => &[],
    };
    order.nodes().into_iter().any(is_gone) || words.iter().any(|word| named(word))
}

/// Takes the machines that are no more out of their zones.
pub(super) fn leave_zones_to_the_living(scenario: &mut Scenario) {
    let machines = scenario.machines();
    for zone in &mut scenario.zones {
        let mut own = zone.get_ref().clone();
        own.machines.retain(|machine| machines.contains(machine));
        *zone = placeless(own);
    }
}
