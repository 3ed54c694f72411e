//! The swarm of clusters: every seed draws a cluster, its configuration, links and clients, what befalls its nodes (by
//! name, and by the part that they play at the time), hand-overs that an operator orders and slots that move meanwhile.
//! Seeds are made up as those of [`super::swarm`].

use std::collections::BTreeMap;

use rand_chacha::ChaCha8Rng;
use squall_sim::entropy::{below, chance, stream};
use squall_sim::{FaultPlan, FaultStep, Kind, PlanShape, Size, Span, Workload};

use super::swarm::{confirm, draw_each, family_of, kind_number, links, never, pick, placeless};
use crate::cast::slots_of_shard;
use crate::file::{
    Chaos, ClientGroup, ClusterSpec, FailoverWay, Formed, Observe, OperatorStep, Order, Repair, Scenario,
    Setting,
};
use crate::formation::names_of;

const FAULTS_MAX: u64 = 8;
const ORDERS_MAX: u64 = 4;
/// So many slots move at most: each takes an operator several round trips.
const MOVED_SLOTS_MAX: u64 = 12;

/// The scenario of a seed.
pub fn draw(seed: u64) -> Scenario {
    let mut shape = stream(family_of(seed), "cluster swarm shape", 0);
    let spec = ClusterSpec {
        primaries: *pick(&mut shape, &[3, 3, 3, 4, 5]),
        replicas: *pick(&mut shape, &[1, 1, 1, 2, 2]),
        spares: 0,
        formed: if chance(&mut shape, 0.1) { Formed::ByOrders } else { Formed::FromFiles },
    };
    let server = configuration(&mut shape);
    let links = links(&mut shape);
    let moved = moved_slots(&mut shape, spec);
    let mut clients = client_groups(&mut shape, moved);
    let mut confirmed = stream(family_of(seed), "cluster swarm confirmed", 0);
    // The first group always learns that its writes have happened: the cluster is not taken for a dead one.
    for group in clients.iter_mut().skip(1) {
        confirm(&mut confirmed, &mut group.work);
        if let Some(wait) = &mut group.work.wait {
            // Nobody waits for more replicas than a shard has, nor for disks that are synced once a second: such a client
            // would never get a write through.
            (wait.replicas, wait.on_disks) = (wait.replicas.min(u64::from(spec.replicas)), false);
        }
    }
    let mut course = stream(seed, "cluster swarm course", 0);
    let lasting = Span::from_secs(8 + below(&mut course, 12));
    let faults = faults(&mut course, seed, spec, lasting);
    let mut operator = orders(&mut course, spec, lasting, moved);
    operator.extend(late_orders(&mut stream(seed, "cluster swarm servers' own", 0), spec, lasting));
    operator.extend(second_thoughts(&mut stream(seed, "cluster swarm second thoughts", 0), spec, lasting));
    operator.extend(saves(&mut stream(seed, "cluster swarm saves", 0), spec, lasting));
    operator.sort_by_key(|step| step.at);
    // A hand-over by force does not wait for what the primary has not sent yet.
    let forced = |step: &OperatorStep| matches!(step.order, Order::Failover { how: FailoverWay::Force, .. });
    let is_calm = faults.is_empty() && !operator.iter().any(forced);
    // Where nothing goes wrong but what an operator wants, no acknowledged write is lost.
    let expectations = if is_calm { vec![never("lost-writes")] } else { Vec::new() };
    let mut scenario = Scenario {
        title: format!("What seed {seed} draws"),
        about: String::new(),
        server,
        cluster: Some(spec),
        nodes: Vec::new(),
        links,
        zones: Vec::new(),
        routes: Vec::new(),
        clients: clients.into_iter().map(placeless).collect(),
        faults: faults.into_iter().map(placeless).collect(),
        drawn: None,
        operator: operator.into_iter().map(placeless).collect(),
        chaos: Chaos { lasting },
        repair: Repair { within: Span::from_secs(120), without: Vec::new() },
        reaches: Vec::new(),
        expectations: expectations.into_iter().map(placeless).collect(),
        observe: Observe::default(),
    };
    scenario.make_cluster();
    scenario
}

/// A log is always kept: a primary that loses its data and comes back before it is missed has none, and its replicas
/// wait for an operator's word.
fn configuration(rng: &mut ChaCha8Rng) -> BTreeMap<String, Setting> {
    let text = |text: &str| Setting::Text(text.to_owned());
    let mut drawn = BTreeMap::from([
        ("appendonly".to_owned(), Setting::Flag(true)),
        // What a loss of power leaves behind the last record is cut off, however it looks.
        ("aof-load-corrupt-tail-max-size".to_owned(), text("1mb")),
        ("repl-diskless-sync-delay".to_owned(), Setting::Number(0)),
        ("repl-ping-replica-period".to_owned(), Setting::Number(1)),
        ("cluster-node-timeout".to_owned(), Setting::Number(*pick(rng, &[1_000, 2_000, 4_000]))),
    ]);
    let choices = [
        ("appendfsync", vec![text("always"), text("no")]),
        ("cluster-require-full-coverage", vec![Setting::Flag(false)]),
        ("cluster-replica-validity-factor", vec![Setting::Number(0), Setting::Number(50)]),
        ("cluster-migration-barrier", vec![Setting::Number(0), Setting::Number(2)]),
        ("cluster-allow-replica-migration", vec![Setting::Flag(false)]),
        ("repl-timeout", vec![Setting::Number(3), Setting::Number(10)]),
        ("repl-backlog-size", vec![text("16kb"), text("256kb")]),
        ("min-replicas-to-write", vec![Setting::Number(1)]),
        ("hz", vec![Setting::Number(100)]),
    ];
    draw_each(rng, &choices, 0.4, &mut drawn);
    drawn
}

fn moved_slots(rng: &mut ChaCha8Rng, spec: ClusterSpec) -> Option<[u16; 2]> {
    let (first, _) = slots_of_shard(spec.primaries, 1 + below(rng, u64::from(spec.primaries)) as u16);
    let count = 1 + below(rng, MOVED_SLOTS_MAX) as u16;
    chance(rng, 0.5).then_some([first, first + count - 1])
}

/// Some clients are after the slots that move; the keys of the others lie anywhere.
fn client_groups(rng: &mut ChaCha8Rng, moved: Option<[u16; 2]>) -> Vec<ClientGroup> {
    let kinds = [
        ("g", Kind::Ledgers),
        ("l", Kind::Lists),
        ("s", Kind::Sets),
        ("i", Kind::Counters),
        ("p", Kind::Pairs),
        ("r", Kind::Registers),
    ];
    let mut groups = Vec::new();
    for (number, (name, kind)) in kinds.into_iter().enumerate() {
        let wanted = chance(rng, 0.4) || (number + 1 == kinds.len() && groups.is_empty());
        let grows = matches!(kind, Kind::Ledgers | Kind::Lists | Kind::Sets);
        let reads = if grows { 0.0 } else { *pick(rng, &[0.0, 0.3, 0.7]) };
        let work = Workload {
            rate: *pick(rng, &[5.0, 20.0]),
            reads,
            replica_reads: chance(rng, 0.3) && reads > 0.0 && kind == Kind::Registers,
            keys: *pick(rng, &[1, 8, 50]),
            value: *pick(rng, &[Size(0), Size(64), Size(500)]),
            slots: moved.filter(|_| chance(rng, 0.5)),
            ..Workload::writing(kind, Vec::new(), *pick(rng, &[300, 500, 1_000]))
        };
        let count = 1 + below(rng, 3) as u32;
        if wanted {
            groups.push(ClientGroup { name: name.to_owned(), count, work });
        }
    }
    groups
}

fn faults(rng: &mut ChaCha8Rng, seed: u64, spec: ClusterSpec, lasting: Span) -> Vec<FaultStep> {
    let steps = below(rng, FAULTS_MAX) as usize;
    let parts = (1..=spec.primaries)
        .flat_map(|shard| ["primary", "replica"].map(|role| format!("{role} of shard {shard}")));
    let nodes = names_of(spec).into_iter().chain(parts).collect();
    let plan = FaultPlan::draw(seed, &PlanShape { nodes, within: lasting, steps });
    let left_out: Vec<_> = (0..3).map(|_| below(rng, 20)).collect();
    plan.steps.into_iter().filter(|step| !left_out.contains(&kind_number(&step.fault))).collect()
}

fn orders(
    rng: &mut ChaCha8Rng,
    spec: ClusterSpec,
    lasting: Span,
    moved: Option<[u16; 2]>,
) -> Vec<OperatorStep> {
    let shard = |rng: &mut ChaCha8Rng| 1 + below(rng, u64::from(spec.primaries)) as u16;
    let count = below(rng, ORDERS_MAX);
    let millis = lasting.0.as_millis();
    let mut times: Vec<u64> = (0..count).map(|_| below(rng, millis * 4 / 5)).collect();
    times.sort_unstable();
    let mut steps = Vec::new();
    for at in times {
        let how = *pick(rng, &[FailoverWay::Agreed, FailoverWay::Agreed, FailoverWay::Force]);
        let order = Order::Failover { node: format!("replica of shard {}", shard(rng)), how };
        steps.push(OperatorStep { at: Span::from_millis(at), order });
    }
    if let Some(slots) = moved {
        let home = (1..=spec.primaries).find(|shard| slots_of_shard(spec.primaries, *shard).0 == slots[0]);
        let from = home.expect("they are the first of a shard");
        let to = 1 + (from + below(rng, u64::from(spec.primaries) - 1) as u16) % spec.primaries;
        let part = |shard: u16| format!("primary of shard {shard}");
        let order = Order::Reshard { from: part(from), to: part(to), slots };
        let at = below(rng, millis / 2);
        let place = steps.partition_point(|step| step.at.0.as_millis() <= at);
        steps.insert(place, OperatorStep { at: Span::from_millis(at), order });
    }
    steps
}

/// In some courses servers move slots by themselves, and are told to leave it. Each order is given once, whatever comes
/// of it. No replica is told to take over without votes: nothing is promised of what others agree on meanwhile.
fn late_orders(rng: &mut ChaCha8Rng, spec: ClusterSpec, lasting: Span) -> Vec<OperatorStep> {
    let mut steps = Vec::new();
    let millis = lasting.0.as_millis();
    let mut give = |at: u64, node: String, words: &[&str]| steps.push(once(at, node, words));
    let shard = 1 + below(rng, u64::from(spec.primaries)) as u16;
    let next = 1 + shard % spec.primaries;
    let (primary, target) = (format!("primary of shard {shard}"), format!("{{id primary of shard {next}}}"));
    // Behind those that an operator moves key by key.
    let first = slots_of_shard(spec.primaries, shard).0 + 100 + below(rng, 50) as u16;
    let range = [first.to_string(), (first + below(rng, 200) as u16).to_string()];
    let (moves, at) = (chance(rng, 0.4), below(rng, millis / 2));
    let (cancels, later) = (chance(rng, 0.3), 1 + below(rng, 400));
    if moves {
        let words = ["CLUSTER", "MIGRATESLOTS", "SLOTSRANGE", &range[0], &range[1], "NODE", &target];
        give(at, primary.clone(), &words);
        if cancels {
            give(at + later, primary, &["CLUSTER", "CANCELSLOTMIGRATIONS"]);
        }
    }
    steps
}

/// In some courses nodes are told to write a snapshot, which a failing disk or a full one may refuse.
fn saves(rng: &mut ChaCha8Rng, spec: ClusterSpec, lasting: Span) -> Vec<OperatorStep> {
    let names = names_of(spec);
    let count = if chance(rng, 0.3) { 1 + below(rng, 3) } else { 0 };
    let steps = (0..count).map(|_| {
        let at = below(rng, lasting.0.as_millis());
        once(at, pick(rng, &names).clone(), &["BGSAVE"])
    });
    steps.collect()
}

/// In some courses an operator opens a slot, and then leaves it where it is. Opened it is in one attempt or not at all;
/// closed it must be in the end, by whoever has it then.
fn second_thoughts(rng: &mut ChaCha8Rng, spec: ClusterSpec, lasting: Span) -> Vec<OperatorStep> {
    let (wanted, at) = (chance(rng, 0.15), below(rng, lasting.0.as_millis() / 2));
    let shard = 1 + below(rng, u64::from(spec.primaries)) as u16;
    // Behind those that move.
    let slot = (slots_of_shard(spec.primaries, shard).0 + 400 + below(rng, 50) as u16).to_string();
    let (primary, next) = (format!("primary of shard {shard}"), 1 + shard % spec.primaries);
    let target = format!("{{id primary of shard {next}}}");
    let words = ["CLUSTER", "SETSLOT", &slot, "STABLE"].map(str::to_owned).to_vec();
    let later = Span::from_millis(at + 100 + below(rng, 2_000));
    let opens = once(at, primary.clone(), &["CLUSTER", "SETSLOT", &slot, "MIGRATING", &target]);
    let closes = OperatorStep { at: later, order: Order::Command { node: primary, words } };
    if wanted { vec![opens, closes] } else { Vec::new() }
}

/// A command that is sent once, whatever comes of it.
fn once(at_ms: u64, node: String, words: &[&str]) -> OperatorStep {
    let words = words.iter().map(|word| (*word).to_owned()).collect();
    OperatorStep { at: Span::from_millis(at_ms), order: Order::Try { node, words } }
}

#[cfg(test)]
mod tests {
    use super::super::swarm::tests::a_file_can_hold_each_of;
    use super::super::swarm::with_course;
    use super::*;

    #[test]
    fn every_seed_draws_a_cluster_that_can_be_played_and_written_down() {
        a_file_can_hold_each_of(200, draw);
    }

    #[test]
    fn a_family_shares_its_cluster_and_a_course_its_faults() {
        let (first, second) = (draw(7), draw(with_course(7, 5)));
        assert_eq!(first.cluster, second.cluster);
        assert_eq!(format!("{:?}", first.server), format!("{:?}", second.server));
        assert_ne!(format!("{:?}", first.faults), format!("{:?}", second.faults));
    }
}
