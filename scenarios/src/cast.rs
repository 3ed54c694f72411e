//! Who plays which part in a cluster: `primary of shard 2` is whoever serves the middle of the second part of the
//! slots when it is asked, seen by the nodes themselves at that moment.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;

use squall_sim::Cast;
use squall_sim::checkers::View;

use crate::file::ClusterSpec;

pub(crate) const SLOT_COUNT: u32 = 16_384;

/// A part, as faults and orders name it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Part {
    role: Role,
    /// Counted from 1.
    pub(crate) shard: u16,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Role {
    Primary,
    /// Any one of the replicas.
    Replica,
    Replicas,
    Nodes,
}

/// The processes of a scenario's nodes that run now, and what their nodes are called in the cluster.
#[derive(Clone, Default)]
pub(crate) struct Troupe {
    spec: Rc<Cell<Option<ClusterSpec>>>,
    running: Rc<RefCell<BTreeMap<String, Look>>>,
    machines: Rc<RefCell<BTreeMap<String, String>>>,
}

/// What CLUSTER INFO and CLUSTER NODES of a process say now.
type Look = Rc<dyn Fn() -> Option<(String, String)>>;

impl Part {
    pub(crate) fn parse(name: &str) -> Option<Part> {
        let (role, shard) = name.split_once(" of shard ")?;
        let role = match role {
            "primary" => Role::Primary,
            "replica" => Role::Replica,
            "replicas" => Role::Replicas,
            "nodes" => Role::Nodes,
            _ => return None,
        };
        Some(Part { role, shard: shard.parse().ok()? })
    }
}

/// The first and the last slot of the n-th part, counted from 1.
pub(crate) fn slots_of_shard(primaries: u16, shard: u16) -> (u16, u16) {
    let bound = |number: u16| u32::from(number) * SLOT_COUNT / u32::from(primaries);
    (bound(shard - 1) as u16, (bound(shard) - 1) as u16)
}

impl Troupe {
    /// The scenario's cluster, if it is about one.
    pub(crate) fn assemble(&self, spec: Option<ClusterSpec>) {
        self.spec.set(spec);
    }

    pub(crate) fn is_clustered(&self) -> bool {
        self.spec.get().is_some()
    }

    pub(crate) fn enter(&self, node: String, look: Look) {
        self.running.borrow_mut().insert(node, look);
    }

    pub(crate) fn leave(&self, node: &str) {
        self.running.borrow_mut().remove(node);
    }

    /// The machine of a node is known by its name in the cluster, also when its process has ended.
    pub(crate) fn name(&self, id: &str, machine: &str) {
        self.machines.borrow_mut().insert(id.to_owned(), machine.to_owned());
    }

    pub(crate) fn id_of(&self, machine: &str) -> Option<String> {
        if let Some(view) = self.views().remove(machine) {
            return Some(view.myself);
        }
        let machines = self.machines.borrow();
        machines.iter().find(|(_, other)| *other == machine).map(|(id, _)| id.clone())
    }

    pub(crate) fn machine_of(&self, id: &str) -> Option<String> {
        self.machines.borrow().get(id).cloned()
    }

    /// What each node that runs says now.
    pub(crate) fn views(&self) -> BTreeMap<String, View> {
        let mut views = BTreeMap::new();
        for (machine, look) in &*self.running.borrow() {
            if let Some(view) = look().and_then(|(info, nodes)| View::of(&info, &nodes)) {
                self.name(&view.myself, machine);
                views.insert(machine.clone(), view);
            }
        }
        views
    }

    /// The machines that play this part now.
    pub(crate) fn play(&self, part: Part) -> Vec<String> {
        let Some(spec) = self.spec.get() else { return Vec::new() };
        let (first, last) = slots_of_shard(spec.primaries, part.shard);
        let middle = first + (last - first) / 2;
        let views = self.views();
        let Some(primary) = owner_of(&views, middle) else { return Vec::new() };
        let follows = |view: &View| view.me().follows.as_deref() == Some(primary.as_str());
        let replicas: Vec<String> =
            views.iter().filter(|(_, view)| follows(view)).map(|(machine, _)| machine.clone()).collect();
        let primary = self.machine_of(&primary);
        match part.role {
            Role::Primary => primary.into_iter().collect(),
            Role::Replica => replicas.into_iter().take(1).collect(),
            Role::Replicas => replicas,
            Role::Nodes => primary.into_iter().chain(replicas).collect(),
        }
    }

    /// For faults.
    pub(crate) fn cast(&self) -> Cast {
        let troupe = self.clone();
        Rc::new(move |name| Part::parse(name).map(|part| troupe.play(part)).unwrap_or_default())
    }
}

/// Who owns the slot, by the word of the owner with the highest epoch; a dead owner by that of the others.
fn owner_of(views: &BTreeMap<String, View>, slot: u16) -> Option<String> {
    let claims = views.values().filter_map(|view| {
        let owner = view.owner(slot)?;
        Some((view.members[owner].epoch, owner == view.myself, owner.to_owned()))
    });
    claims.max().map(|(_, _, owner)| owner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_read() {
        assert_eq!(Part::parse("primary of shard 2"), Some(Part { role: Role::Primary, shard: 2 }));
        assert_eq!(Part::parse("primary of shard two"), None);
        assert_eq!(Part::parse("heir of shard 2"), None);
    }

    #[test]
    fn shards_share_all_slots() {
        for primaries in [1, 3, 7, 100] {
            let parts: Vec<_> = (1..=primaries).map(|shard| slots_of_shard(primaries, shard)).collect();
            assert_eq!((parts[0].0, parts[parts.len() - 1].1), (0, 16_383));
            assert!(parts.windows(2).all(|pair| pair[0].1 + 1 == pair[1].0));
        }
        assert_eq!(slots_of_shard(3, 2), (5461, 10_921));
    }
}
