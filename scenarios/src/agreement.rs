//! When the nodes of a scenario agree: all follow one primary; or, in a cluster, all have one view of who serves
//! what, everything is served, and every replica is linked.

use std::collections::BTreeSet;

use squall_sim::checkers::{Sighting, View, chains};

use crate::agent::NodeState;
use crate::cast::SLOT_COUNT;
use crate::file::Scenario;

/// Those that must agree in the end.
pub(crate) fn concerned(scenario: &Scenario) -> BTreeSet<String> {
    let without = |name: &String| !scenario.repair.without.contains(name);
    scenario.nodes.iter().map(|node| node.get_ref().name.clone()).filter(without).collect()
}

/// What keeps them from it, if anything does.
pub(crate) fn disagreement(scenario: &Scenario, states: &[(String, NodeState)]) -> Option<String> {
    let concerned = concerned(scenario);
    let states: Vec<&(String, NodeState)> =
        states.iter().filter(|(name, _)| concerned.contains(name)).collect();
    if let Some(silent) = concerned.iter().find(|name| !states.iter().any(|(node, _)| node == *name)) {
        return Some(format!("{silent} does not answer"));
    }
    match scenario.cluster {
        None if agree_on_primary(&states) => None,
        None => Some("not all follow one primary".to_owned()),
        Some(_) => agree_on_views(&states).err(),
    }
}

/// All follow one primary, directly or through others, with every link up.
fn agree_on_primary(states: &[&(String, NodeState)]) -> bool {
    states.iter().filter(|(_, state)| state.is_primary).count() == 1
        && states.iter().all(|(_, state)| state.is_primary || state.link_up && !state.syncing)
}

/// A node that has not been met yet is a cluster of its own.
fn agree_on_views(states: &[&(String, NodeState)]) -> Result<(), String> {
    let met = |state: &&&(String, NodeState)| state.1.view.as_ref().is_none_or(|view| !is_alone(view));
    let mut first: Option<&View> = None;
    for (node, state) in states.iter().filter(met) {
        let Some(view) = &state.view else { return Err(format!("{node} says nothing of its cluster")) };
        if let Some(flaw) = flaw_of(view, state) {
            return Err(format!("{node} {flaw}"));
        }
        if let Some(difference) = first.and_then(|first| view.difference(first)) {
            return Err(format!("{node} sees another cluster than others do: {difference}"));
        }
        first.get_or_insert(view);
    }
    let first = first.ok_or("nobody knows anybody")?;
    let sighting = Sighting { at: squall_clock::Mono(0), node: String::new(), view: first.clone() };
    chains(&[sighting]).is_empty().then_some(()).ok_or_else(|| "replicas follow replicas".to_owned())
}

/// What a node says of itself or others that keeps its cluster from being whole.
fn flaw_of(view: &View, state: &NodeState) -> Option<String> {
    let known = || view.members.values().filter(|member| !member.is_unknown);
    if let Some(member) = known().find(|member| member.is_failed || member.is_suspected) {
        return Some(format!("takes {} for dead", member.address));
    }
    if view.me().is_primary != state.is_primary {
        return Some("has not taken up its role".to_owned());
    }
    if !state.is_primary && (!state.link_up || state.syncing) {
        return Some(format!("is not in step with {}", state.follows));
    }
    if view.slots_owned() != u64::from(SLOT_COUNT) {
        return Some(format!("knows owners of {} slots", view.slots_owned()));
    }
    if let Some(slot) = view.me().open_slots.first() {
        return Some(format!("has slot {slot} open"));
    }
    (!view.ok).then(|| "says that the cluster is down".to_owned())
}

fn is_alone(view: &View) -> bool {
    view.members.len() == 1 && view.slots_owned() == 0
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[test]
    fn nodes_agree_when_one_is_primary_and_all_others_are_linked() {
        let state =
            |is_primary, link_up| (String::new(), NodeState { is_primary, link_up, ..Default::default() });
        let agree = |states: &[(String, NodeState)]| agree_on_primary(&states.iter().collect::<Vec<_>>());
        assert!(agree(&[state(true, false), state(false, true)]));
        assert!(!agree(&[state(true, false), state(false, false)]));
        assert!(!agree(&[state(true, false), state(true, false)]));
        assert!(agree(&[state(true, false)]));
    }

    #[test]
    fn a_cluster_agrees_when_all_views_are_one_and_everything_is_served() {
        let view = |myself: &str, slots: &str, flags: &str| {
            let line = |id: &str, role: &str, rest: &str| {
                let mine = if id == myself { "myself," } else { "" };
                format!("{id} 10.0.0.1:6379@16379 {mine}{role} {rest}\n")
            };
            let text = line("x", "master", &format!("- 0 0 1 connected {slots}"))
                + &line("y", &format!("slave{flags}"), "x 0 0 1 connected");
            let view = View::of("cluster_state:ok\r\n", &text).unwrap();
            let is_primary = view.me().is_primary;
            (
                String::new(),
                NodeState { is_primary, link_up: true, view: Some(Arc::new(view)), ..Default::default() },
            )
        };
        let agree =
            |states: &[(String, NodeState)]| agree_on_views(&states.iter().collect::<Vec<_>>()).is_ok();
        assert!(agree(&[view("x", "0-16383", ""), view("y", "0-16383", "")]));
        assert!(
            !agree(&[view("x", "0-16383", ""), view("y", "0-16382", "")]),
            "a slot is missing in one view"
        );
        assert!(
            !agree(&[view("x", "0-9 11-16383", ""), view("y", "0-9 11-16383", "")]),
            "nobody serves slot 10"
        );
        assert!(!agree(&[view("x", "0-16383", ",fail"), view("y", "0-16383", "")]), "one is thought dead");
        assert!(
            !agree(&[view("x", "0-16383 [7->-y]", ""), view("y", "0-16383", "")]),
            "a slot is on its way"
        );
    }
}
