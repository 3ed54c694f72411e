//! The swarm: a scenario that is drawn whole from its seed. Each seed leaves some features out altogether and leans on
//! others (swarm testing), for a plan with a little of everything hides what needs much of one thing.
//!
//! ```text
//! seed   [ course: 16 bits | family: 48 bits ]
//! ```
//!
//! Seeds of one family have the same nodes, configuration, links and clients; the course says what befalls them.
//! A hunt that likes what it found in a family tries other courses of it; the seed alone replays any of them.

use std::collections::BTreeMap;

use rand_chacha::ChaCha8Rng;
use squall_sim::entropy::{below, chance, stream};
use squall_sim::{
    Confirmation, DiskFault, DiskOp, Fault, FaultPlan, FaultStep, Kind, Latency, LinkChange, LinkSettings,
    LogNormal, PlanShape, Size, Span, Workload,
};
use toml::Spanned;

use super::ordeals;
use crate::file::{
    Bound, Chaos, ClientGroup, Expectation, NodeSpec, Observe, OperatorStep, Order, Repair, Route, Scenario,
    Setting, Zone,
};

const FAMILY_BITS: u32 = 48;
/// So many courses a family has beside its first.
pub const COURSES_MAX: u64 = (1 << (64 - FAMILY_BITS)) - 1;
const NODES_MAX: u64 = 6;
const FAULTS_MAX: u64 = 14;

pub fn family_of(seed: u64) -> u64 {
    seed & ((1 << FAMILY_BITS) - 1)
}

/// Another seed of the same family.
pub fn with_course(family: u64, course: u64) -> u64 {
    family_of(family) | (course << FAMILY_BITS)
}

/// The scenario of a seed.
pub fn draw(seed: u64) -> Scenario {
    let mut shape = stream(family_of(seed), "swarm shape", 0);
    let names = node_names(&mut shape);
    let nodes = topology(&mut shape, &names);
    let mut server = configuration(&mut shape);
    let links = links(&mut shape);
    let mut clients = client_groups(&mut shape, &names);
    let (zones, routes) = zones(&mut shape, &names, &clients);
    let mut keeping = stream(family_of(seed), "swarm durability", 0);
    server.extend(durability(&mut keeping));
    // The first group always learns that its writes have happened: the world is not taken for a dead one.
    clients.iter_mut().skip(1).for_each(|group| confirm(&mut keeping, &mut group.work));
    let mut course = stream(seed, "swarm course", 0);
    let lasting = Span::from_secs(8 + below(&mut course, 18));
    let mut faults = faults(&mut course, seed, &names, lasting);
    faults.extend(disk_faults(&mut stream(seed, "swarm disks", 0), &names, lasting));
    faults.extend(damage(&mut stream(family_of(seed), "swarm damage", 0), &mut server, &names, lasting));
    let mut operator = operator(&mut course, &names, &faults, lasting);
    if let Some(ordeal) = ordeals::draw(seed, &names, lasting) {
        server = ordeal.suits(server);
        (faults, operator) = (ordeal.faults, ordeal.operator);
    }
    faults.sort_by_key(|step| step.at);
    let expectations = expectations(&nodes, &server, &clients, &faults, &operator);
    Scenario {
        title: format!("What seed {seed} draws"),
        about: String::new(),
        server,
        cluster: None,
        nodes: nodes.into_iter().map(placeless).collect(),
        links,
        zones: zones.into_iter().map(placeless).collect(),
        routes: routes.into_iter().map(placeless).collect(),
        clients: clients.into_iter().map(placeless).collect(),
        faults: faults.into_iter().map(placeless).collect(),
        drawn: None,
        operator: operator.into_iter().map(placeless).collect(),
        chaos: Chaos { lasting },
        repair: Repair { within: Span::from_secs(90), without: Vec::new() },
        reaches: Vec::new(),
        expectations: expectations.into_iter().map(placeless).collect(),
        observe: Observe::default(),
    }
}

pub(super) fn placeless<T>(value: T) -> Spanned<T> {
    Spanned::new(0..0, value)
}

pub(super) fn pick<'a, T>(rng: &mut ChaCha8Rng, choices: &'a [T]) -> &'a T {
    &choices[below(rng, choices.len() as u64) as usize]
}

fn node_names(rng: &mut ChaCha8Rng) -> Vec<String> {
    // Few nodes are the rule: most that can go wrong between many goes wrong between three.
    let count = 2 + below(rng, NODES_MAX - 1).min(below(rng, NODES_MAX - 1));
    ["a", "b", "c", "d", "e", "f"].iter().take(count as usize).map(|name| (*name).to_owned()).collect()
}

fn topology(rng: &mut ChaCha8Rng, names: &[String]) -> Vec<NodeSpec> {
    let chains = chance(rng, 0.4);
    let node = |(number, name): (usize, &String)| {
        let above = if chains { below(rng, number as u64) as usize } else { 0 };
        let replica_of = (number > 0).then(|| names[above].clone());
        NodeSpec { name: name.clone(), replica_of, config: BTreeMap::new(), is_made: false }
    };
    names.iter().enumerate().map(node).collect()
}

/// Half of the directives are left at their defaults.
fn configuration(rng: &mut ChaCha8Rng) -> BTreeMap<String, Setting> {
    let text = |text: &str| Setting::Text(text.to_owned());
    let choices = [
        ("repl-backlog-size", vec![text("16kb"), text("64kb"), text("256kb")]),
        ("repl-timeout", vec![Setting::Number(3), Setting::Number(5), Setting::Number(10)]),
        ("repl-ping-replica-period", vec![Setting::Number(1), Setting::Number(2)]),
        ("repl-diskless-sync", vec![Setting::Flag(true), Setting::Flag(false)]),
        ("repl-diskless-sync-delay", vec![Setting::Number(0), Setting::Number(1)]),
        ("save", vec![text("1 1"), text("5 20")]),
        ("min-replicas-to-write", vec![Setting::Number(1)]),
        ("min-replicas-max-lag", vec![Setting::Number(2), Setting::Number(5)]),
        ("client-output-buffer-limit", vec![text("replica 8mb 4mb 10")]),
        ("hz", vec![Setting::Number(1), Setting::Number(100)]),
        ("rdbcompression", vec![Setting::Flag(false)]),
    ];
    let mut drawn = BTreeMap::new();
    draw_each(rng, &choices, 0.5, &mut drawn);
    drawn
}

/// Draws a value for each directive, and takes it with this probability.
pub(super) fn draw_each(
    rng: &mut ChaCha8Rng,
    choices: &[(&str, Vec<Setting>)],
    probability: f64,
    drawn: &mut BTreeMap<String, Setting>,
) {
    for (name, values) in choices {
        let value = pick(rng, values).clone();
        if chance(rng, probability) {
            drawn.insert((*name).to_owned(), value);
        }
    }
}

/// In half of the families, what the append-only file is like; and how a replica takes in a dataset.
fn durability(rng: &mut ChaCha8Rng) -> BTreeMap<String, Setting> {
    let text = |text: &str| Setting::Text(text.to_owned());
    let mut drawn = BTreeMap::new();
    if chance(rng, 0.5) {
        let choices = [
            ("appendfsync", vec![text("always"), text("everysec"), text("no")]),
            ("auto-aof-rewrite-min-size", vec![text("2kb"), text("20kb")]),
            ("aof-use-rdb-preamble", vec![Setting::Flag(false)]),
            ("no-appendfsync-on-rewrite", vec![Setting::Flag(true)]),
            ("aof-timestamp-enabled", vec![Setting::Flag(true)]),
        ];
        draw_each(rng, &choices, 0.6, &mut drawn);
        drawn.insert("appendonly".to_owned(), Setting::Flag(true));
    }
    let choices =
        [("repl-diskless-load", vec![text("swapdb"), text("flush-before-load"), text("on-empty-db")])];
    draw_each(rng, &choices, 0.4, &mut drawn);
    drawn
}

pub(super) fn links(rng: &mut ChaCha8Rng) -> LinkSettings {
    let median = Span::from_micros(100 + below(rng, 900));
    let latency = Latency::LogNormal(LogNormal { median, sigma: *pick(rng, &[0.0, 0.3, 0.8]) });
    LinkSettings {
        latency,
        bandwidth: None,
        window: *pick(rng, &[Size(256 << 10), Size(64 << 10), Size(4 << 10)]),
        loss: *pick(rng, &[0.0, 0.0, 0.001, 0.01]),
        short: *pick(rng, &[0.0, 0.0, 0.05, 0.3]),
    }
}

/// In some families the machines stand in two places that are far from each other.
fn zones(rng: &mut ChaCha8Rng, names: &[String], clients: &[ClientGroup]) -> (Vec<Zone>, Vec<Route>) {
    let (apart, latency) = (chance(rng, 0.15), Span::from_millis(5 + below(rng, 40)));
    let machines = names.iter().cloned().chain(clients.iter().flat_map(ClientGroup::machines));
    let mut zones = ["near", "far"].map(|name| Zone { name: name.to_owned(), machines: Vec::new() });
    machines.for_each(|machine| zones[below(rng, 2) as usize].machines.push(machine));
    if !apart {
        return (Vec::new(), Vec::new());
    }
    let link = LinkChange { latency: Some(Latency::Fixed(latency)), ..Default::default() };
    let between = ["near", "far"].map(str::to_owned);
    (zones.to_vec(), vec![Route { between, link }])
}

fn client_groups(rng: &mut ChaCha8Rng, names: &[String]) -> Vec<ClientGroup> {
    let mut groups = Vec::new();
    let kinds = [
        ("g", Kind::Ledgers),
        ("l", Kind::Lists),
        ("s", Kind::Sets),
        ("i", Kind::Counters),
        ("p", Kind::Pairs),
        ("x", Kind::Scripts),
        ("k", Kind::Locks),
        ("q", Kind::Queues),
        ("j", Kind::Jobs),
        ("m", Kind::Streams),
        ("h", Kind::Channels),
        ("r", Kind::Registers),
    ];
    for (number, (name, kind)) in kinds.into_iter().enumerate() {
        let wanted = chance(rng, 0.2) || (number + 1 == kinds.len() && groups.is_empty());
        let work = work(rng, kind, names);
        let count = 1 + below(rng, 4) as u32;
        if wanted {
            groups.push(ClientGroup { name: name.to_owned(), count, work });
        }
    }
    groups
}

fn work(rng: &mut ChaCha8Rng, kind: Kind, names: &[String]) -> Workload {
    let reads_replicas = chance(rng, 0.5) && !kind.is_taken_from();
    let reads = match kind {
        kind if kind.grows() || kind.is_heard() || kind == Kind::Locks => [0.0; 3],
        // Who never takes anything has no deliveries, and who mostly does has an empty queue.
        Kind::Queues | Kind::Jobs | Kind::Streams => [0.3, 0.5, 0.6],
        _ => [0.0, 0.3, 0.7],
    };
    let waits = kind == Kind::Locks || kind.is_taken_from();
    Workload {
        kind,
        rate: *pick(rng, &[5.0, 20.0, 60.0]),
        reads: *pick(rng, &reads),
        skew: *pick(rng, &[0.0, 0.0, 1.0]),
        open: chance(rng, 0.3) && !waits,
        keys: *pick(rng, &[1, 4, 50]),
        value: *pick(rng, &[Size(0), Size(64), Size(500), Size(2 << 10)]),
        retries: *pick(rng, &[0, 0, 0, 2]),
        read_from: if reads_replicas { names[1..].to_vec() } else { Vec::new() },
        ..Workload::writing(kind, names.to_vec(), *pick(rng, &[200, 500, 1_000]))
    }
}

/// Some clients want to hear that replicas, or disks, have what they wrote.
pub(super) fn confirm(rng: &mut ChaCha8Rng, work: &mut Workload) {
    let wants = chance(rng, 0.4);
    let (replicas, on_disks) = (1 + below(rng, 2), chance(rng, 0.3));
    let in_script = work.kind == Kind::Ledgers && chance(rng, 0.2);
    let within = Span::from_millis(work.timeout.0.as_millis() * 3 / 4);
    let writes = [Kind::Registers, Kind::Counters, Kind::Pairs, Kind::Ledgers, Kind::Lists, Kind::Sets];
    if wants && writes.contains(&work.kind) {
        work.wait = Some(Confirmation { replicas, within, on_disks, in_script });
    }
}

fn faults(rng: &mut ChaCha8Rng, seed: u64, names: &[String], lasting: Span) -> Vec<FaultStep> {
    let steps = below(rng, FAULTS_MAX) as usize;
    let plan = FaultPlan::draw(seed, &PlanShape { nodes: names.to_vec(), within: lasting, steps });
    // A course leaves some kinds of faults out.
    let left_out: Vec<_> = (0..3).map(|_| below(rng, 20)).collect();
    let kept = |step: &FaultStep| !left_out.contains(&kind_number(&step.fault));
    plan.steps.into_iter().filter(kept).collect()
}

/// In some courses disks fill up, fail, stall, and lose bits; a machine whose files have lost some ends up with
/// another disk.
fn disk_faults(rng: &mut ChaCha8Rng, names: &[String], lasting: Span) -> Vec<FaultStep> {
    let mut steps = Vec::new();
    if !chance(rng, 0.4) {
        return steps;
    }
    let millis = lasting.0.as_millis();
    for _ in 0..1 + below(rng, 3) {
        let (node, at) = (pick(rng, names).clone(), below(rng, millis / 2));
        let mut step = |at: u64, lasting: u64, fault| {
            let (at, lasting) = (Span::from_millis(at), Some(Span::from_millis(lasting)));
            steps.push(FaultStep { at, lasting, fault });
        };
        let lasting = 50 + below(rng, 4_000);
        let broken = |state| Fault::Disk { node: node.clone(), state };
        let failing = |op| DiskFault { fails: vec![op], ..DiskFault::default() };
        match below(rng, 6) {
            0 => {
                let capacity = Some(Size(below(rng, 64 << 10)));
                step(at, lasting, broken(DiskFault { capacity, ..DiskFault::default() }));
            }
            1 => step(at, lasting, broken(failing(DiskOp::Sync))),
            2 => step(at, lasting, broken(failing(DiskOp::Append))),
            3 => step(at, lasting, broken(DiskFault { read_only: true, ..DiskFault::default() })),
            4 => {
                let latency = Some(Span::from_millis(500 + below(rng, 3_000)));
                step(at, lasting, broken(DiskFault { latency, ..DiskFault::default() }));
            }
            _ => {
                let files = ["dump.rdb", "appendonlydir/appendonly.aof.1.incr.aof"];
                let (path, offset) = ((*pick(rng, &files)).to_owned(), below(rng, 600));
                step(at, 0, Fault::FlipBit { node: node.clone(), path, offset });
                step(at + 1, 100, Fault::Crash { node: node.clone() });
                step(at + 2_500, 500, Fault::PowerLoss { node, empty_disk: true });
            }
        }
    }
    steps
}

/// In some families datasets go through a disk that turns bits in them, to a replica that has lost its own.
fn damage(
    rng: &mut ChaCha8Rng,
    server: &mut BTreeMap<String, Setting>,
    names: &[String],
    lasting: Span,
) -> Vec<FaultStep> {
    let (damages, replica) = (chance(rng, 0.05), pick(rng, &names[1..]).clone());
    if !damages {
        return Vec::new();
    }
    server.insert("repl-diskless-sync".to_owned(), Setting::Flag(false));
    let state = DiskFault { rots: "temp-repl-".to_owned(), ..DiskFault::default() };
    let rotten = |node: &String| FaultStep {
        at: Span::from_millis(1),
        lasting: Some(lasting),
        fault: Fault::Disk { node: node.clone(), state: state.clone() },
    };
    let mut steps: Vec<FaultStep> = names.iter().map(rotten).collect();
    let lost = Fault::PowerLoss { node: replica, empty_disk: true };
    let (at, lasting) = (Span::from_millis(2_000), Some(Span::from_millis(500)));
    steps.push(FaultStep { at, lasting, fault: lost });
    steps
}

pub(super) fn kind_number(fault: &Fault) -> u64 {
    match fault {
        Fault::Partition { .. } => 0,
        Fault::Cut { .. } => 1,
        Fault::Crash { .. } => 2,
        Fault::PowerLoss { .. } => 3,
        Fault::Pause { .. } => 4,
        Fault::Link { .. } => 5,
        Fault::Reset { .. } => 6,
        Fault::Disk { .. } => 7,
        Fault::ClockJump { .. } => 8,
        Fault::Flapping { .. } => 9,
        Fault::Stutter { .. } => 10,
        Fault::Move { .. } => 11,
        Fault::Mute { .. } => 12,
        Fault::Isolate { .. } => 13,
        Fault::Ring { .. } | Fault::Bridge { .. } => 14,
        Fault::ClockDrift { .. } => 15,
        Fault::FlipBit { .. } | Fault::Bus { .. } | Fault::Proxied { .. } => 16,
    }
}

/// Up to two failovers in the midst of it; and where there was one, the order of things afterwards, since a process
/// that was started again follows what its configuration says.
fn operator(
    rng: &mut ChaCha8Rng,
    names: &[String],
    faults: &[FaultStep],
    lasting: Span,
) -> Vec<OperatorStep> {
    let failovers = below(rng, 3);
    if failovers == 0 && !faults.iter().any(|step| ends_process_of(step, &names[0])) {
        return Vec::new();
    }
    let millis = lasting.0.as_millis();
    let mut times: Vec<u64> = (0..failovers).map(|_| below(rng, millis * 4 / 5)).collect();
    times.sort_unstable();
    let (mut steps, mut given_up) = (Vec::new(), Vec::new());
    let mut chosen = names[0].clone();
    for at in times {
        if chance(rng, 0.3) {
            // Whoever leads then hands over to whom it likes, or nobody does.
            let words = ["FAILOVER", "TIMEOUT", "1500"].map(str::to_owned).to_vec();
            let words = if chance(rng, 0.5) { words } else { words[..1].to_vec() };
            let order = |node: &String| Order::Try { node: node.clone(), words: words.clone() };
            let at = Span::from_millis(at);
            steps.extend(names.iter().map(|node| OperatorStep { at, order: order(node) }));
            continue;
        }
        chosen = pick(rng, names).clone();
        let others: Vec<_> = names.iter().filter(|_| chance(rng, 0.7)).collect();
        hand_over(&mut steps, Span::from_millis(at), &chosen, others);
    }
    // A primary that came back without its data is not obeyed: each replica has to be told to give its own up.
    let afterwards = Span::from_millis(millis + 500);
    for node in names.iter().filter(|_| steps.iter().any(|step| matches!(step.order, Order::Try { .. }))) {
        let words = ["FAILOVER", "ABORT"].map(str::to_owned).to_vec();
        given_up.push(OperatorStep { at: afterwards, order: Order::Try { node: node.clone(), words } });
    }
    steps.append(&mut given_up);
    for node in names.iter().filter(|node| failovers > 0 && **node != chosen) {
        steps.push(OperatorStep { at: afterwards, order: Order::Promote { node: node.clone() } });
    }
    hand_over(&mut steps, afterwards, &chosen, names.iter().collect());
    steps
}

pub(super) fn hand_over(steps: &mut Vec<OperatorStep>, at: Span, chosen: &str, others: Vec<&String>) {
    steps.push(OperatorStep { at, order: Order::Promote { node: chosen.to_owned() } });
    for node in others.into_iter().filter(|node| *node != chosen) {
        let order = Order::Replicate { node: node.clone(), of: chosen.to_owned() };
        steps.push(OperatorStep { at, order });
    }
}

fn ends_process_of(step: &FaultStep, name: &str) -> bool {
    match &step.fault {
        Fault::Crash { node } | Fault::Move { node } | Fault::PowerLoss { node, .. } => node == name,
        // A server that cannot keep its promises ends itself.
        Fault::Disk { node, state } => {
            node == name && *state != DiskFault { latency: state.latency, ..DiskFault::default() }
        }
        _ => false,
    }
}

/// What must hold whatever happens is checked in every run. Where nobody but the first primary ever serves, and its
/// process never ends or finds all of its log again, more must hold: nothing is lost, and what it says of itself is
/// the truth.
fn expectations(
    nodes: &[NodeSpec],
    server: &BTreeMap<String, Setting>,
    clients: &[ClientGroup],
    faults: &[FaultStep],
    operator: &[OperatorStep],
) -> Vec<Expectation> {
    let primary = &nodes[0].name;
    let leads_on = |step: &OperatorStep| match &step.order {
        Order::Promote { node } => node == primary,
        Order::Replicate { node, .. } => node != primary,
        Order::Try { words, .. } => words[0] != "FAILOVER",
        _ => false,
    };
    let keeps_all = !faults.iter().any(|step| ends_process_of(step, primary))
        || finds_its_log_again(server, faults, primary);
    let mut expected = vec![never("overgrown-memory")];
    if keeps_all && operator.iter().all(leads_on) {
        for measure in ["lost-writes", "missing-deliveries", "repeated-deliveries"] {
            expected.push(never(measure));
        }
        // A client whose node is gone may read from the next one, which need not be the primary.
        if clients.iter().all(|group| group.work.reads == 0.0) {
            expected.push(never("violated-keys"));
        }
    }
    expected
}

pub(super) fn never(measure: &str) -> Expectation {
    Expectation { measure: measure.to_owned(), at_least: None, at_most: Some(Bound::Count(0)) }
}

/// Whether all that the node acknowledges is there when it starts again: it was synced before, or the machine has
/// never been without power.
fn finds_its_log_again(server: &BTreeMap<String, Setting>, faults: &[FaultStep], node: &str) -> bool {
    let is = |name: &str, wanted: &str| {
        server.get(name).is_some_and(|value| value.lines(name) == [format!("{name} {wanted}")])
    };
    let syncs_each = is("appendfsync", "always") && !is("no-appendfsync-on-rewrite", "yes");
    is("appendonly", "yes")
        && !faults.iter().any(|step| match &step.fault {
            Fault::FlipBit { node: other, .. } => other == node,
            Fault::PowerLoss { node: other, empty_disk } => other == node && (*empty_disk || !syncs_each),
            _ => false,
        })
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// Whatever is drawn can be played, written down, and read back as the same.
    pub fn a_file_can_hold_each_of(seeds: u64, draw: fn(u64) -> Scenario) {
        for seed in (0..seeds).map(|n| with_course(n, n % 3)) {
            let text = draw(seed).to_text();
            let again = Scenario::read("swarm.toml", &text).unwrap_or_else(|error| panic!("{error}\n{text}"));
            assert_eq!(again.to_text(), text);
        }
    }

    #[test]
    fn every_seed_draws_a_scenario_that_a_file_can_hold() {
        a_file_can_hold_each_of(300, draw);
    }

    #[test]
    fn a_family_shares_all_but_its_course() {
        let (first, second) = (draw(7), draw(with_course(7, 5)));
        let nodes = |scenario: &Scenario| {
            scenario.nodes.iter().map(|node| node.get_ref().name.clone()).collect::<Vec<_>>()
        };
        assert_eq!(nodes(&first), nodes(&second));
        assert_eq!(format!("{:?}", first.server), format!("{:?}", second.server));
        assert_ne!(format!("{:?}", first.faults), format!("{:?}", second.faults));
        assert_eq!(family_of(with_course(7, COURSES_MAX)), 7);
    }
}
