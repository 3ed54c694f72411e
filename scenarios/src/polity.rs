//! What became of a cluster: who serves what at rest, and whatever went against the rules of its order along the way:
//! two owners of one slot, two claims under one epoch, two votes in one epoch, followers that follow each other,
//! members that nobody let in.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};
use squall_sim::checkers::{
    Sighting, View, chains, cycles, double_votes, epoch_conflicts, owner_conflicts, strangers,
};

use crate::evidence::Evidence;

#[derive(Clone, Debug, Default)]
pub(crate) struct Polity {
    /// Nothing where the nodes never came to rest.
    pub(crate) at_rest: Option<AtRest>,
    pub(crate) owner_conflicts: Vec<String>,
    pub(crate) epoch_conflicts: Vec<String>,
    pub(crate) double_votes: Vec<String>,
    pub(crate) cycles: Vec<String>,
    pub(crate) strangers: u64,
    pub(crate) members: u64,
    /// Without slots.
    pub(crate) idle_primaries: u64,
    pub(crate) votes: u64,
    /// Slots that are another shard's than at the beginning.
    pub(crate) moved_slots: u64,
    pub(crate) epoch_at_begin: u64,
}

/// The members as they all see each other.
#[derive(Clone, Debug)]
pub(crate) struct AtRest {
    pub(crate) epoch: u64,
    pub(crate) seats: Vec<Seat>,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Seat {
    pub(crate) node: String,
    pub(crate) follows: Option<String>,
    pub(crate) epoch: u64,
    pub(crate) slots: Vec<(u16, u16)>,
}

impl Polity {
    pub(crate) fn of(evidence: &Evidence) -> Polity {
        let sightings = sightings(evidence);
        let rest = &evidence.views_at_rest;
        let names: BTreeMap<&str, &str> =
            sightings.iter().chain(rest).map(|one| (one.view.myself.as_str(), one.node.as_str())).collect();
        let name = |id: &str| names.get(id).map_or_else(|| id.to_owned(), |name| (*name).to_owned());
        let met: Vec<Sighting> =
            rest.iter().filter(|sighting| sighting.view.members.len() > 1).cloned().collect();
        let owners = owner_conflicts(&met);
        // What is no member may claim what it likes.
        let is_member = |one: &&Sighting| evidence.members.contains(&one.view.myself);
        let claims: Vec<Sighting> = sightings.iter().filter(is_member).cloned().collect();
        let round = cycles(&sightings).into_iter().chain(chains(&met)).map(|(node, _)| node);
        let round: BTreeSet<String> = round.collect();
        let at_rest = met.first().map(|sighting| AtRest::of(&sighting.view, name));
        Polity {
            owner_conflicts: owners
                .into_iter()
                .map(|(one, other, slot)| format!("{one} and {other} name different owners of slot {slot}"))
                .collect(),
            epoch_conflicts: epoch_conflicts(&claims)
                .into_iter()
                .map(|(slot, epoch, one, other)| {
                    format!(
                        "{} and {} both claimed slot {slot} under epoch {epoch}",
                        name(&one),
                        name(&other)
                    )
                })
                .collect(),
            double_votes: double_votes(&evidence.votes)
                .into_iter()
                .map(|(voter, epoch)| format!("{} voted for two candidates in epoch {epoch}", name(&voter)))
                .collect(),
            cycles: round.into_iter().map(|node| format!("{node} saw replicas follow replicas")).collect(),
            members: at_rest.as_ref().map_or(0, |rest| rest.seats.len() as u64),
            idle_primaries: at_rest.as_ref().map_or(0, AtRest::idle_primaries),
            strangers: strangers(&met, &evidence.members).len() as u64,
            votes: evidence.votes.len() as u64,
            moved_slots: moved_slots(&sightings, &met),
            at_rest,
            epoch_at_begin: sightings.first().map_or(0, |sighting| sighting.view.current_epoch),
        }
    }

    /// What went against the rules, in words.
    pub(crate) fn broken(&self) -> impl Iterator<Item = &String> {
        self.owner_conflicts.iter().chain(&self.epoch_conflicts).chain(&self.double_votes).chain(&self.cycles)
    }

    pub(crate) fn to_json(&self) -> Value {
        let Some(rest) = &self.at_rest else { return Value::Null };
        let seat = |seat: &Seat| {
            let role = if seat.follows.is_none() { "primary" } else { "replica" };
            let Seat { node, follows, epoch, slots } = seat;
            json!({ "node": node, "role": role, "follows": follows, "epoch": epoch, "slots": slots })
        };
        json!({ "epoch": rest.epoch, "nodes": rest.seats.iter().map(seat).collect::<Vec<_>>() })
    }

    /// In a few words, for the summary.
    pub(crate) fn told(&self) -> Vec<(&'static str, String)> {
        let Some(rest) = &self.at_rest else { return Vec::new() };
        let (votes, moved) = (self.votes, self.moved_slots);
        let mut rows = vec![(
            "cluster",
            format!("epoch {} from {}, {votes} votes, {moved} slots moved", rest.epoch, self.epoch_at_begin),
        )];
        for primary in rest.seats.iter().filter(|seat| seat.follows.is_none()) {
            let mine = |seat: &&Seat| seat.follows.as_ref() == Some(&primary.node);
            let replicas: Vec<&str> = rest.seats.iter().filter(mine).map(|seat| seat.node.as_str()).collect();
            let slots: Vec<String> =
                primary.slots.iter().map(|(first, last)| format!("{first}-{last}")).collect();
            let slots = if slots.is_empty() { "no slots".to_owned() } else { slots.join(" ") };
            let followed = if replicas.is_empty() {
                "by nobody".to_owned()
            } else {
                format!("by {}", replicas.join(", "))
            };
            rows.push((
                "",
                format!("{} has {slots}, epoch {}, followed {followed}", primary.node, primary.epoch),
            ));
        }
        rows
    }
}

impl AtRest {
    fn idle_primaries(&self) -> u64 {
        self.seats.iter().filter(|seat| seat.follows.is_none() && seat.slots.is_empty()).count() as u64
    }

    fn of(view: &View, name: impl Fn(&str) -> String) -> AtRest {
        let members = view.members.iter().filter(|(_, member)| !member.is_unknown);
        let mut seats: Vec<Seat> = members
            .map(|(id, member)| Seat {
                node: name(id),
                follows: member.follows.as_deref().map(&name),
                epoch: member.epoch,
                slots: member.slots.clone(),
            })
            .collect();
        seats.sort_by(|one, other| one.node.cmp(&other.node));
        AtRest { epoch: view.current_epoch, seats }
    }
}

/// Everything that nodes said along the way.
fn sightings(evidence: &Evidence) -> Vec<Sighting> {
    let mut last: BTreeMap<&str, &View> = BTreeMap::new();
    let mut sightings = Vec::new();
    for sample in &evidence.samples {
        let Some(view) = sample.state.view.as_deref() else { continue };
        // The same again says nothing.
        if last.insert(&sample.node, view) != Some(view) {
            sightings.push(Sighting { at: sample.at, node: sample.node.clone(), view: view.clone() });
        }
    }
    sightings
}

/// Slots whose owner at rest never was in one shard with the first owner: by the first view of all and the last one.
fn moved_slots(sightings: &[Sighting], rest: &[Sighting]) -> u64 {
    let whole = |sighting: &&Sighting| sighting.view.slots_owned() == u64::from(crate::cast::SLOT_COUNT);
    let (Some(first), Some(last)) = (sightings.iter().find(whole), rest.first()) else { return 0 };
    let head = |id: &str| {
        let follows = first.view.members.get(id).and_then(|member| member.follows.clone());
        follows.unwrap_or_else(|| id.to_owned())
    };
    let moved = |slot: &u16| match (first.view.owner(*slot), last.view.owner(*slot)) {
        (Some(before), Some(after)) => head(before) != head(after),
        _ => true,
    };
    (0..crate::cast::SLOT_COUNT as u16).filter(moved).count() as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use squall_clock::Mono;
    use std::slice::from_ref;

    #[test]
    fn slots_that_went_to_another_shard_are_counted() {
        let sighting = |x: &str, y: &str, z: &str| {
            let text =
                format!("x h:1@2 myself,master - 0 0 1 c {x}\ny h:1@2 master - 0 0 2 c {y}\nz h:1@2 {z}\n");
            let view = View::of("cluster_state:ok\r\n", &text).unwrap();
            Sighting { at: Mono(0), node: "a".to_owned(), view }
        };
        let first = sighting("0-99", "100-16383", "slave x 0 0 1 c");
        let moved = sighting("0-98", "99-16383", "slave x 0 0 1 c");
        let heir = sighting("16383", "100-16382", "master - 0 0 3 c 0-99");
        assert_eq!(moved_slots(from_ref(&first), from_ref(&first)), 0);
        assert_eq!(moved_slots(from_ref(&first), &[moved]), 1);
        assert_eq!(moved_slots(&[first], &[heir]), 1, "an heir is of the same shard");
    }
}
