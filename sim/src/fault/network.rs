//! Faults of the paths and connections between machines.

use super::turns::by_turns;
use super::{Fault, Remedy};
use crate::bus::Meddling;
use crate::machine::MachineId;
use crate::theatre::Theatre;

impl Fault {
    /// Does it, and says how it is undone where it can be.
    pub(super) fn inflict<W: Theatre>(&self, world: &W) -> Result<Option<Remedy<W>>, String> {
        let (left, right) = self.names();
        match self {
            Fault::Cut { .. } => Ok(Some(cut_paths(world, pairs(world, &left, &right)))),
            Fault::Partition { .. } => Ok(Some(cut_paths(world, both_ways(pairs(world, &left, &right))))),
            Fault::Isolate { .. } => {
                let all = world.machine_ids();
                let of = |id: MachineId| all.iter().filter(move |other| **other != id).map(move |o| (id, *o));
                let mut paths: Vec<_> = side(world, &left, &[]).into_iter().flat_map(of).collect();
                paths = both_ways(paths);
                paths.sort();
                paths.dedup();
                Ok(Some(cut_paths(world, paths)))
            }
            Fault::Bridge { .. } | Fault::Ring { .. } => {
                let nodes = side(world, &left, &right);
                let apart = |one: usize, other: usize| match self {
                    Fault::Ring { .. } => {
                        let distance = one.abs_diff(other);
                        distance > 1 && distance < nodes.len() - 1
                    }
                    _ => one != other,
                };
                let count = nodes.len();
                let all = (0..count).flat_map(|one| (0..count).map(move |other| (one, other)));
                let paths = all.filter(|(one, other)| apart(*one, *other));
                Ok(Some(cut_paths(world, paths.map(|(one, other)| (nodes[one], nodes[other])).collect())))
            }
            Fault::Flapping { down, up, .. } => {
                let paths = both_ways(pairs(world, &left, &right));
                let apart = move |world: &W| cut_paths(world, paths.clone());
                Ok(Some(by_turns(world, apart, down.0, up.0)))
            }
            Fault::Link { change, .. } => {
                let changes: Vec<_> = pairs(world, &left, &right)
                    .into_iter()
                    .map(|(from, to)| (from, to, world.change_link(from, to, change)))
                    .collect();
                Ok(Some(Box::new(move |world| {
                    changes
                        .into_iter()
                        .for_each(|(from, to, number)| world.undo_link_change(from, to, number));
                })))
            }
            Fault::Reset { .. } => {
                for (from, to) in pairs(world, &left, &right) {
                    world.connections(from, to).into_iter().for_each(|id| world.reset_connection(id));
                }
                Ok(None)
            }
            Fault::Proxied { .. } => {
                let paths = pairs(world, &left, &right);
                paths.iter().for_each(|(from, to)| world.put_proxy(*from, *to));
                Ok(Some(Box::new(move |world| {
                    paths.into_iter().for_each(|(from, to)| world.take_proxy_away(from, to));
                })))
            }
            Fault::Bus { messages, delay, garbled, .. } => {
                let meddling = Meddling::of(delay.map(|span| span.0), *garbled);
                let rules: Vec<u64> = pairs(world, &left, &right)
                    .into_iter()
                    .map(|(from, to)| world.meddle(from, to, messages, meddling))
                    .collect();
                Ok(Some(Box::new(move |world| rules.into_iter().for_each(|rule| world.stop_meddling(rule)))))
            }
            Fault::Mute { answers, .. } => {
                for (from, to) in pairs(world, &left, &right) {
                    world
                        .connections(from, to)
                        .into_iter()
                        .for_each(|id| world.mute_connection(id, *answers));
                }
                Ok(None)
            }
            _ => self.befall(world, side(world, &left, &[])[0]),
        }
    }
}

/// The machines that `names` stand for; `*` is everyone whom `others` does not name.
fn side(world: &impl Theatre, names: &[&str], others: &[&str]) -> Vec<MachineId> {
    if names.contains(&"*") {
        let named = |id: &MachineId| others.contains(&world.machine_name(*id).as_str());
        return world.machine_ids().into_iter().filter(|id| !named(id)).collect();
    }
    names.iter().filter_map(|name| world.machine_named(name)).collect()
}

fn pairs(world: &impl Theatre, left: &[&str], right: &[&str]) -> Vec<(MachineId, MachineId)> {
    let targets = side(world, right, left);
    let sources = side(world, left, right);
    sources.into_iter().flat_map(|from| targets.iter().map(move |to| (from, *to))).collect()
}

fn both_ways(paths: Vec<(MachineId, MachineId)>) -> Vec<(MachineId, MachineId)> {
    paths.into_iter().flat_map(|(from, to)| [(from, to), (to, from)]).collect()
}

fn cut_paths<W: Theatre>(world: &W, paths: Vec<(MachineId, MachineId)>) -> Remedy<W> {
    let paths: Vec<_> = paths.into_iter().filter(|(from, to)| from != to).collect();
    paths.iter().for_each(|(from, to)| world.cut(*from, *to));
    Box::new(move |world| paths.into_iter().for_each(|(from, to)| world.heal(from, to)))
}
