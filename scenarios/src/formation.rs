//! How the nodes of a scenario's cluster come to know each other: from files that an installer put on their disks, or
//! by the orders that redis-cli gives.

use std::collections::BTreeMap;

use rand_chacha::rand_core::Rng;
use squall_clock::{Mono, Nanos};
use squall_sim::checkers::View;
use squall_sim::entropy::stream;
use squall_sim::{Resident, Theatre, World};
use toml::Spanned;

use crate::cast::{Troupe, slots_of_shard};
use crate::file::{ClusterSpec, Formed, NodeSpec, Scenario};
use crate::operator::{insist, view_of};

/// Rows of replicas are called by letters.
const ROWS: &[u8] = b"abcdefghijklmnopqrstuvw";
const NAME_BYTES: usize = 20;
/// Those who do not know each other after that are introduced again.
const ACQUAINTED_WITHIN: Nanos = Nanos::from_secs(10);
/// Where a node listens for its peers, above its port for clients.
pub(crate) const BUS_PORT_STEP: u16 = 10_000;

/// A node's place in the cluster.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Place {
    machine: String,
    id: String,
    shard: u16,
    /// The name of the node that it follows.
    follows: Option<String>,
}

impl Scenario {
    /// Adds the nodes of `[cluster]`, and lets its clients know what a cluster is.
    pub(crate) fn make_cluster(&mut self) {
        let Some(spec) = self.cluster else { return };
        self.nodes.retain(|node| !node.get_ref().is_made);
        let members = names_of(spec);
        let spares = (1..=spec.spares).map(|number| format!("x{number}"));
        for name in members.iter().cloned().chain(spares) {
            let node = NodeSpec { name, replica_of: None, config: BTreeMap::new(), is_made: true };
            self.nodes.push(Spanned::new(0..0, node));
        }
        for group in &mut self.clients {
            let place = group.span();
            let mut changed = group.get_ref().clone();
            let work = &mut changed.work;
            work.cluster.get_or_insert(true);
            if work.write_to.is_empty() {
                work.write_to.clone_from(&members);
            }
            *group = Spanned::new(place, changed);
        }
    }
}

/// The members by rows: all primaries, then the first replica of each, and so on.
pub(crate) fn names_of(spec: ClusterSpec) -> Vec<String> {
    let row = |letter: u8| (1..=spec.primaries).map(move |shard| format!("{}{shard}", char::from(letter)));
    ROWS.iter().take(usize::from(spec.replicas) + 1).flat_map(|letter| row(*letter)).collect()
}

/// Puts a nodes.conf that names all members on the disk of this one, where the scenario wants that; one that has run
/// before has a file of its own.
pub(crate) fn place_file(world: &World, scenario: &Scenario, node: &NodeSpec, troupe: &Troupe) {
    let Some(machine) = world.machine_named(&node.name).filter(|machine| world.starts(*machine) == 0) else {
        return;
    };
    if let Some(text) = file_of(world, scenario, node, troupe, Writing::Shards) {
        world.place_file(machine, "nodes.conf", text.as_bytes());
    }
}

/// What a nodes.conf says beside what every server reads.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Writing {
    /// Of each node, to which shard it belongs.
    Shards,
    /// Nothing: older servers would take it for a name.
    Plain,
}

/// The nodes.conf that a member finds at its first start, where the scenario's cluster is formed from files.
pub(crate) fn file_of(
    world: &impl Theatre,
    scenario: &Scenario,
    node: &NodeSpec,
    troupe: &Troupe,
    writing: Writing,
) -> Option<String> {
    let spec = scenario.cluster.filter(|spec| spec.formed == Formed::FromFiles)?;
    let places = places(world.seed(), spec);
    let me = places.iter().find(|place| place.machine == node.name)?;
    troupe.name(&me.id, &me.machine);
    let mut text = String::new();
    for place in &places {
        let port = world.address_of(&place.machine).port;
        let mut address = format!("{}:{port}@{}", world.ip_of(&place.machine), port + BUS_PORT_STEP);
        if writing == Writing::Shards {
            address.push_str(&format!(",,shard-id={:040x}", place.shard));
        }
        text.push_str(&line(place, &address, spec, place == me));
    }
    text.push_str(&format!("vars currentEpoch {} lastVoteEpoch 0\n", spec.primaries));
    Some(text)
}

/// Each primary has an epoch of its own.
fn line(place: &Place, address: &str, spec: ClusterSpec, is_me: bool) -> String {
    let Place { id, shard, follows, .. } = place;
    let myself = if is_me { "myself," } else { "" };
    match follows {
        Some(primary) => format!("{id} {address} {myself}slave {primary} 0 0 {shard} connected\n"),
        None => {
            let (first, last) = slots_of_shard(spec.primaries, *shard);
            format!("{id} {address} {myself}master - 0 0 {shard} connected {first}-{last}\n")
        }
    }
}

fn places(seed: u64, spec: ClusterSpec) -> Vec<Place> {
    let mut rng = stream(seed, "names of nodes", 0);
    let mut places: Vec<Place> = Vec::new();
    for (number, machine) in names_of(spec).into_iter().enumerate() {
        let mut bytes = [0; NAME_BYTES];
        rng.fill_bytes(&mut bytes);
        let id = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        let column = number % usize::from(spec.primaries);
        let follows = (number >= usize::from(spec.primaries)).then(|| places[column].id.clone());
        places.push(Place { machine, id, shard: column as u16 + 1, follows });
    }
    places
}

/// Introduces the members to each other, as `redis-cli --cluster create` does.
pub(crate) async fn form_by_orders(host: &impl Resident, spec: ClusterSpec, deadline: Mono) -> bool {
    let names = names_of(spec);
    let primaries = usize::from(spec.primaries);
    for (number, name) in names.iter().enumerate() {
        let epoch = (number + 1).to_string();
        let mut orders = vec![words(&["CLUSTER", "SET-CONFIG-EPOCH", &epoch])];
        if number < primaries {
            let (first, last) = slots_of_shard(spec.primaries, number as u16 + 1);
            orders.insert(0, words(&["CLUSTER", "ADDSLOTSRANGE", &first.to_string(), &last.to_string()]));
        }
        for order in orders {
            if !insist(host, name, &[&order], deadline).await {
                return false;
            }
        }
    }
    let knows_all =
        |view: &View| view.members.values().filter(|member| !member.is_unknown).count() == names.len();
    let first = loop {
        if !introduce(host, &names, deadline).await {
            return false;
        }
        let until = deadline.min(host.now().mono + ACQUAINTED_WITHIN);
        match view_of(host, &names[0], until, knows_all).await {
            Some(view) => break view,
            None if host.now().mono >= deadline => return false,
            None => {}
        }
    };
    let mut ids = vec![first.myself];
    for name in &names[1..] {
        let Some(view) = view_of(host, name, deadline, knows_all).await else { return false };
        ids.push(view.myself);
    }
    for (number, name) in names.iter().enumerate().skip(primaries) {
        let order = words(&["CLUSTER", "REPLICATE", &ids[number % primaries]]);
        if !insist(host, name, &[&order], deadline).await {
            return false;
        }
    }
    true
}

/// Tells the first where the others are. A node that is met and does not answer for the node timeout is forgotten.
async fn introduce(host: &impl Resident, names: &[String], deadline: Mono) -> bool {
    for name in &names[1..] {
        let (ip, port) = (host.world().ip_of(name), host.world().address_of(name).port.to_string());
        let order = words(&["CLUSTER", "MEET", &ip, &port]);
        if !insist(host, &names[0], &[&order], deadline).await {
            return false;
        }
    }
    true
}

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_what_a_view_reads() {
        let spec = ClusterSpec { primaries: 3, replicas: 1, spares: 0, formed: Formed::FromFiles };
        let places = places(7, spec);
        let text: String = places
            .iter()
            .map(|place| line(place, "10.0.0.1:6379@16379", spec, place.machine == "b2"))
            .collect();
        let view = View::of("cluster_state:ok\r\n", &text).unwrap();
        assert_eq!(names_of(spec), ["a1", "a2", "a3", "b1", "b2", "b3"]);
        assert_eq!((view.members.len(), view.slots_owned()), (6, 16_384));
        assert_eq!(view.me().follows.as_ref(), Some(&places[1].id));
        assert_eq!(view.me().epoch, 2);
    }
}
