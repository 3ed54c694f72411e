//! What each node was over time, for the band of its lane: from what it said about itself, and from what became
//! of its process, which nobody needs to be asked about.

use squall_clock::Mono;
use squall_sim::{MachineStatus, Run};

use crate::agent::{NodeState, Sample};
use crate::evidence::Evidence;

/// From one moment to another a node was of one kind.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct StateSpan {
    pub(super) from: Mono,
    pub(super) until: Mono,
    /// `primary`, `in-step`, `syncing`, `apart`, `paused`, `off`; the page has a colour for each.
    pub(super) kind: &'static str,
    pub(super) text: String,
}

pub(super) fn states_of(node: &str, run: &Run<Evidence>) -> Vec<StateSpan> {
    let end = Mono(run.simulated.0);
    let mut changes: Vec<(Mono, &'static str, String)> = Vec::new();
    for sample in run.outcome.samples.iter().filter(|sample| sample.node == node) {
        let (kind, text) = of_sample(sample);
        changes.push((sample.at, kind, text));
    }
    let processes = stops_of(node, run);
    // While the process does not run, what it said last says nothing.
    changes.retain(|(at, _, _)| !processes.iter().any(|stop| stop.from <= *at && *at < stop.until));
    for stop in &processes {
        changes.push((stop.from, stop.kind, stop.text.clone()));
        changes.push((stop.until, "starting", "started, not yet heard of".to_owned()));
    }
    changes.sort_by_key(|(at, kind, _)| (*at, *kind != "starting"));
    let mut spans: Vec<StateSpan> = Vec::new();
    for (at, kind, text) in changes {
        match spans.last_mut() {
            Some(last) if last.kind == kind && last.text == text => {}
            Some(last) => {
                last.until = at;
                spans.push(StateSpan { from: at, until: end, kind, text });
            }
            None => spans.push(StateSpan { from: at, until: end, kind, text }),
        }
    }
    spans.retain(|span| span.from < span.until);
    spans
}

fn of_sample(sample: &Sample) -> (&'static str, String) {
    let NodeState { is_primary, follows, link_up, syncing, .. } = &sample.state;
    match (is_primary, link_up, syncing) {
        (true, _, _) => ("primary", "primary".to_owned() + &offices(sample)),
        (false, true, _) => ("in-step", format!("replica of {follows}")),
        (false, false, true) => ("syncing", format!("receives the dataset of {follows}")),
        (false, false, false) => ("apart", format!("replica of {follows}, link down")),
    }
}

/// Under which epoch a cluster's primary serves what.
fn offices(sample: &Sample) -> String {
    let Some(view) = &sample.state.view else { return String::new() };
    let me = view.me();
    let slots: Vec<String> = me.slots.iter().map(|(first, last)| format!("{first}-{last}")).collect();
    let state = if view.ok { "" } else { ", the cluster is down" };
    format!(
        ", epoch {}, slots {}{state}",
        me.epoch,
        if slots.is_empty() { "none".into() } else { slots.join(" ") }
    )
}

/// When the node's process did not run.
fn stops_of(node: &str, run: &Run<Evidence>) -> Vec<StateSpan> {
    let machine = run.chronicle.machines.iter().position(|name| name == node);
    let own = run.chronicle.statuses.iter().filter(|change| Some(change.machine.index()) == machine);
    let mut stops: Vec<StateSpan> = Vec::new();
    for change in own {
        if let Some(open) = stops.last_mut().filter(|stop| stop.until == Mono(u64::MAX)) {
            open.until = change.at;
        }
        let (kind, text) = match change.status {
            MachineStatus::Off => ("off", "without power"),
            MachineStatus::Idle => ("off", "the process has ended"),
            MachineStatus::Paused => ("paused", "the process stands still"),
            MachineStatus::Running => continue,
        };
        stops.push(StateSpan { from: change.at, until: Mono(u64::MAX), kind, text: text.to_owned() });
    }
    let end = Mono(run.simulated.0);
    stops.iter_mut().for_each(|stop| stop.until = stop.until.min(end));
    stops
}
