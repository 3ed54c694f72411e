//! Makes a failing scenario smaller while it fails in the same way: fewer faults, orders, clients, nodes, shards and
//! directives, shorter and slower. What is left is a scenario file that can be read, committed and played.
//!
//! Everything that a scenario consists of is data, so a step is a copy with less in it. Lists are cut in halves, then
//! in quarters, down to single entries (delta debugging); numbers are halved. A step that still fails is kept.
//! Since each purpose draws from a generator of its own, taking one thing away does not reshuffle the rest.

mod fewer;

use squall_clock::Nanos;
use squall_sim::{LinkSettings, RunFailure, Size, Span};
use toml::Spanned;

use self::fewer::{leave_zones_to_the_living, smaller_clusters, without_node};
use crate::file::{ClientGroup, Order, Scenario};
use crate::fleet::Stop;
use crate::stage::{RunOptions, play};

/// How big a scenario is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Extent {
    pub nodes: usize,
    pub clients: u32,
    pub faults: usize,
    pub orders: usize,
    pub operations: u64,
}

#[derive(Clone, Debug)]
pub struct Shrunk {
    pub scenario: Scenario,
    pub failure: String,
    pub before: Extent,
    pub after: Extent,
    /// How many smaller scenarios were tried.
    pub tried: u64,
}

/// Why there is nothing to shrink.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Unshrinkable {
    Passes,
}

struct Shrinker<'a, F: FnMut(u64, Extent)> {
    seed: u64,
    wanted: String,
    best: Scenario,
    operations: u64,
    tried: u64,
    stop: &'a Stop,
    tell: F,
}

/// How a run failed, and how many operations it had.
struct Failed {
    texts: Vec<String>,
    operations: u64,
}

const CHAOS_MIN: Nanos = Nanos::from_secs(1);
/// Every full round tries everything once; a scenario that still shrinks after so many is small enough.
const ROUNDS_MAX: usize = 6;

/// Shrinks until nothing more can be taken away, or until a stop is asked for.
pub fn shrink(
    scenario: &Scenario,
    seed: u64,
    stop: &Stop,
    tell: impl FnMut(u64, Extent),
) -> Result<Shrunk, Unshrinkable> {
    let mut whole = scenario.clone();
    // Faults that were drawn are written down, so that they can be taken away one by one.
    whole.faults = scenario.plan(seed).steps.into_iter().map(placeless).collect();
    whole.drawn = None;
    let failed = failure_of(&whole, seed).ok_or(Unshrinkable::Passes)?;
    let failure = failed.texts[0].clone();
    let before = Extent::of(&whole, failed.operations);
    let mut shrinker = Shrinker {
        seed,
        wanted: kind_of(&failure),
        best: whole,
        operations: failed.operations,
        tried: 0,
        stop,
        tell,
    };
    for _ in 0..ROUNDS_MAX {
        if !shrinker.round() {
            break;
        }
    }
    let Shrinker { best, operations, tried, .. } = shrinker;
    let after = Extent::of(&best, operations);
    Ok(Shrunk { scenario: best, failure, before, after, tried })
}

impl Shrunk {
    /// The file to commit: what it came from is said at its top.
    pub fn to_text(&self, name: &str, seed: u64) -> String {
        let failure = self.failure.replace('\n', " ");
        format!("# Shrunk from {name}, seed {seed}: {failure}\n{}", self.scenario.to_text())
    }
}

impl Extent {
    fn of(scenario: &Scenario, operations: u64) -> Extent {
        Extent {
            nodes: scenario.nodes.len(),
            clients: scenario.clients.iter().map(|group| group.get_ref().count).sum(),
            faults: scenario.faults.len(),
            orders: scenario.operator.len(),
            operations,
        }
    }
}

impl<F: FnMut(u64, Extent)> Shrinker<'_, F> {
    /// Tries everything once; true where something could be taken away.
    fn round(&mut self) -> bool {
        let before = self.best.to_text();
        self.cut(|scenario| &mut scenario.faults);
        self.cut(|scenario| &mut scenario.clients);
        self.cut(|scenario| &mut scenario.operator);
        self.cut_nodes();
        self.cut_cluster();
        self.cut(|scenario| &mut scenario.expectations);
        self.cut_directives();
        self.calm_links();
        self.slow_clients();
        self.shorten();
        self.narrow_moves();
        self.best.to_text() != before
    }

    /// Takes entries of a list away: half of them at once, then fewer, down to one.
    fn cut<T: Clone>(&mut self, list: impl Fn(&mut Scenario) -> &mut Vec<T>) {
        let mut chunk = list(&mut self.best).len();
        while chunk > 0 {
            let mut start = 0;
            while start < list(&mut self.best).len() {
                let mut candidate = self.best.clone();
                let entries = list(&mut candidate);
                let end = (start + chunk).min(entries.len());
                entries.drain(start..end);
                if !self.accept(candidate) {
                    start += chunk;
                }
            }
            chunk /= 2;
        }
    }

    fn cut_nodes(&mut self) {
        let own = self.best.nodes.iter().map(Spanned::get_ref).filter(|node| !node.is_made);
        let names: Vec<String> = own.map(|node| node.name.clone()).collect();
        for name in names.iter().rev() {
            if let Some(candidate) = without_node(&self.best, name) {
                self.accept(candidate);
            }
        }
    }

    /// Fewer shards, replicas and spares, as long as one of them can be done without.
    fn cut_cluster(&mut self) {
        while smaller_clusters(&self.best).into_iter().any(|candidate| self.accept(candidate)) {}
    }

    fn cut_directives(&mut self) {
        let names: Vec<String> = self.best.server.keys().cloned().collect();
        for name in names {
            let mut candidate = self.best.clone();
            candidate.server.remove(&name);
            self.accept(candidate);
        }
    }

    fn calm_links(&mut self) {
        if !self.best.routes.is_empty() {
            let mut candidate = self.best.clone();
            candidate.routes.clear();
            self.accept(candidate);
        }
        if self.best.links != LinkSettings::default() {
            let mut candidate = self.best.clone();
            candidate.links = LinkSettings::default();
            self.accept(candidate);
        }
    }

    fn slow_clients(&mut self) {
        for number in 0..self.best.clients.len() {
            self.change_clients(number, |group| group.count = 1);
            while self.change_clients(number, |group| group.count = group.count.div_ceil(2)) {}
            while self.change_clients(number, |group| group.work.rate = (group.work.rate / 2.0).max(0.5)) {}
            self.change_clients(number, |group| group.work.value = Size(0));
            self.change_clients(number, |group| group.work.keys = 1);
            self.change_clients(number, |group| group.work.read_from.clear());
            self.change_clients(number, |group| group.work.reads = 0.0);
            self.change_clients(number, |group| group.work.slots = None);
            self.change_clients(number, |group| group.work.replica_reads = false);
            self.change_clients(number, |group| (group.work.skew, group.work.open) = (0.0, false));
            self.change_clients(number, |group| (group.work.retries, group.work.wait) = (0, None));
        }
    }

    fn change_clients(&mut self, number: usize, change: impl Fn(&mut ClientGroup)) -> bool {
        let mut candidate = self.best.clone();
        let mut group = candidate.clients[number].get_ref().clone();
        change(&mut group);
        candidate.clients[number] = placeless(group);
        self.try_change(candidate)
    }

    /// Less time: for everything at once, for the end, and for each fault.
    fn shorten(&mut self) {
        while self.best.chaos.lasting.0 > CHAOS_MIN && self.try_change(hastened(&self.best)) {}
        while self.best.chaos.lasting.0 > CHAOS_MIN {
            let mut candidate = self.best.clone();
            let half = Nanos((candidate.chaos.lasting.0.0 * 3 / 4).max(CHAOS_MIN.0));
            candidate.chaos.lasting = Span::from_millis(half.as_millis());
            if !self.try_change(candidate) {
                break;
            }
        }
        for number in 0..self.best.faults.len() {
            for _ in 0..8 {
                let mut candidate = self.best.clone();
                let mut step = candidate.faults[number].get_ref().clone();
                let Some(lasting) = step.lasting else { break };
                step.lasting = Some(Span::from_millis(lasting.0.as_millis() / 2));
                candidate.faults[number] = placeless(step);
                if !self.try_change(candidate) {
                    break;
                }
            }
        }
    }

    fn narrow_moves(&mut self) {
        for number in 0..self.best.operator.len() {
            loop {
                let mut candidate = self.best.clone();
                let mut step = candidate.operator[number].get_ref().clone();
                let Order::Reshard { slots: [first, last], .. } = &mut step.order else { break };
                *last = *first + (*last - *first) / 2;
                candidate.operator[number] = placeless(step);
                if !self.try_change(candidate) {
                    break;
                }
            }
        }
    }

    /// A candidate that differs from the best.
    fn try_change(&mut self, candidate: Scenario) -> bool {
        candidate.to_text() != self.best.to_text() && self.accept(candidate)
    }

    /// Whether the candidate can be played and fails as the original did; then it is the best so far.
    fn accept(&mut self, mut candidate: Scenario) -> bool {
        if self.stop.is_asked() {
            return false;
        }
        leave_zones_to_the_living(&mut candidate);
        let Ok(candidate) = Scenario::read("candidate", &candidate.to_text()) else { return false };
        self.tried += 1;
        let failed = failure_of(&candidate, self.seed);
        let alike = failed.filter(|failed| failed.texts.iter().any(|text| kind_of(text) == self.wanted));
        let accepted = alike.is_some();
        if let Some(failed) = alike {
            self.operations = failed.operations;
            self.best = candidate;
        }
        (self.tell)(self.tried, Extent::of(&self.best, self.operations));
        accepted
    }
}

/// Everything happens a quarter earlier, and takes a quarter less.
fn hastened(scenario: &Scenario) -> Scenario {
    let sooner = |span: Span| Span::from_millis(span.0.as_millis() * 3 / 4);
    let mut candidate = scenario.clone();
    candidate.chaos.lasting = sooner(candidate.chaos.lasting).max(Span::from_millis(CHAOS_MIN.as_millis()));
    for fault in &mut candidate.faults {
        let mut step = fault.get_ref().clone();
        (step.at, step.lasting) = (sooner(step.at), step.lasting.map(sooner));
        *fault = placeless(step);
    }
    for order in &mut candidate.operator {
        let mut step = order.get_ref().clone();
        step.at = sooner(step.at);
        *order = placeless(step);
    }
    candidate
}

fn placeless<T>(value: T) -> Spanned<T> {
    Spanned::new(0..0, value)
}

fn failure_of(scenario: &Scenario, seed: u64) -> Option<Failed> {
    match play("candidate", scenario, RunOptions::verdict(seed)) {
        Ok(report) if report.passed() => None,
        Ok(report) => {
            let texts = report.failures.iter().map(|failure| failure.text.clone()).collect();
            Some(Failed { texts, operations: report.operations })
        }
        Err(RunFailure { message }) => {
            Some(Failed { texts: vec![format!("panic: {message}")], operations: 0 })
        }
    }
}

/// A failure without its short names and its numbers: `lost-writes is 3; at most 0 expected` is alike with any count.
fn kind_of(failure: &str) -> String {
    let telling = |word: &&str| word.len() > 2 && !word.chars().any(|c| c.is_ascii_digit());
    failure.split_whitespace().filter(telling).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two nodes and one client are enough to lose what a primary acknowledged while it was cut off; a third node,
    /// readers, slow links, a slow disk and a wrong clock have nothing to do with it.
    const CROWDED: &str = r#"
title = "a promotion loses writes, among much else"
[server]
repl-timeout = 5
repl-diskless-sync-delay = 0
repl-ping-replica-period = 2
[[node]]
name = "a"
[[node]]
name = "b"
replica_of = "a"
[[node]]
name = "c"
replica_of = "a"
[links]
latency = { median = "400us", sigma = 0.4 }
short = 0.05
[[clients]]
name = "w"
count = 4
work = { kind = "ledgers", rate = 16, write_to = ["a"] }
[[clients]]
name = "r"
count = 2
work = { kind = "registers", rate = 10, reads = 0.5, write_to = ["a", "b"], read_from = ["c"] }
[[fault]]
at = "500ms"
for = "1s"
fault = "clock-jump"
node = "b"
by_ms = 3000
[[fault]]
at = "1s"
for = "6s"
fault = "partition"
left = ["b"]
right = ["a", "c"]
[[fault]]
at = "2s"
for = "2s"
fault = "disk"
node = "c"
state = { latency = "5ms" }
[[fault]]
at = "3s"
for = "1s"
fault = "link"
from = ["c"]
to = ["*"]
change = { latency = "20ms" }
[[operator]]
at = "3s"
do = "promote"
node = "b"
[[operator]]
at = "8s"
do = "replicate"
node = "a"
of = "b"
[[operator]]
at = "8s"
do = "replicate"
node = "c"
of = "b"
[chaos]
lasting = "10s"
[repair]
within = "60s"
[[expect]]
measure = "lost-writes"
at_most = 0
[[expect]]
measure = "acknowledged-writes"
at_least = 1
"#;

    /// What is left of a crowded scenario, and the file that says it, which fails as the whole did.
    fn shrunk(crowded: &str, failure: &str) -> (Shrunk, String) {
        let scenario = Scenario::read("crowded.toml", crowded).unwrap();
        let shrunk = shrink(&scenario, 1, &Stop::default(), |_, _| {}).unwrap();
        let text = shrunk.to_text("crowded.toml", 1);
        let again = Scenario::read("shrunk.toml", &text).unwrap();
        let failed = failure_of(&again, 1).expect("what was written down fails, too");
        assert!(failed.texts[0].starts_with(failure), "{:?}\n{text}", failed.texts);
        (shrunk, text)
    }

    #[test]
    fn only_what_the_failure_needs_is_left() {
        let (shrunk, text) = shrunk(CROWDED, "lost-writes is");
        assert_eq!((shrunk.before.nodes, shrunk.before.faults, shrunk.before.clients), (3, 4, 6));
        assert_eq!((shrunk.after.nodes, shrunk.after.clients), (2, 1), "{text}");
        // Once b alone is left, what it did before it was promoted need not even be a fault.
        assert!(
            shrunk.after.faults <= 1 && shrunk.after.operations < shrunk.before.operations / 10,
            "{text}"
        );
        assert!(!text.contains("repl-timeout") && !text.contains("clock-jump"), "{text}");
    }

    /// That a replica is promoted takes three primaries, of which one dies, and one replica each.
    const CROWDED_CLUSTER: &str = r#"
title = "a primary dies, among much else"
[cluster]
primaries = 4
replicas = 2
spares = 1
[server]
cluster-node-timeout = 1000
repl-diskless-sync-delay = 0
[[clients]]
name = "w"
count = 3
work = { kind = "ledgers", rate = 10, timeout = "500ms" }
[[fault]]
at = "500ms"
for = "1s"
fault = "pause"
node = "primary of shard 4"
[[fault]]
at = "500ms"
fault = "crash"
node = "primary of shard 1"
[[fault]]
at = "1s"
for = "500ms"
fault = "link"
from = ["a2"]
to = ["c4", "b3"]
change = { latency = "5ms" }
[[operator]]
at = "1s"
do = "reshard"
from = "primary of shard 2"
to = "primary of shard 3"
slots = [4096, 4097]
[chaos]
lasting = "4s"
[repair]
within = "30s"
[[expect]]
measure = "promotions"
at_most = 0
"#;

    #[test]
    fn a_cluster_loses_what_the_failure_does_not_need() {
        let (shrunk, text) = shrunk(CROWDED_CLUSTER, "promotions is");
        let spec = shrunk.scenario.cluster.expect("it is still a cluster");
        assert_eq!((shrunk.before.nodes, shrunk.before.faults, shrunk.before.orders), (13, 3, 1));
        assert_eq!((spec.primaries, spec.replicas, spec.spares), (3, 1, 0), "{text}");
        assert_eq!((shrunk.after.clients, shrunk.after.faults, shrunk.after.orders), (0, 1, 0), "{text}");
    }

    #[test]
    fn what_passes_is_not_shrunk() {
        let passes = CROWDED.replace("at_most = 0", "at_least = 0");
        let scenario = Scenario::read("crowded.toml", &passes).unwrap();
        assert_eq!(shrink(&scenario, 1, &Stop::default(), |_, _| {}).err(), Some(Unshrinkable::Passes));
    }
}
