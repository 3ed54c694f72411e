//! Ordeals: what a few families of the swarm are put to in place of drawn faults. Each is about a promise that takes
//! several things together to break, which faults that are drawn one by one hardly ever bring about.

use std::collections::BTreeMap;

use rand_chacha::ChaCha8Rng;
use squall_sim::entropy::{below, chance, stream};
use squall_sim::{DiskFault, DiskOp, Fault, FaultStep, Span, TornTail};

use super::swarm::{family_of, hand_over, pick};
use crate::file::{OperatorStep, Order, Setting};

pub(super) struct Ordeal {
    /// Directives and their values; those without one are left at their defaults.
    server: Vec<(&'static str, Option<Setting>)>,
    pub faults: Vec<FaultStep>,
    pub operator: Vec<OperatorStep>,
}

/// How often power is lost at most.
const LOSSES_MAX: u64 = 4;
/// How many keys expire.
const EXPIRING_KEYS: u64 = 6;

/// What this seed's family is put to, if anything; its course says when.
pub(super) fn draw(seed: u64, names: &[String], lasting: Span) -> Option<Ordeal> {
    let mut shape = stream(family_of(seed), "swarm ordeal", 0);
    let mut course = stream(seed, "swarm ordeal's course", 0);
    match below(&mut shape, 16) {
        0 => Some(power(&mut shape, &mut course, names, lasting)),
        1 => Some(expiry(&mut course, names, lasting)),
        _ => None,
    }
}

impl Ordeal {
    /// The configuration that it takes.
    pub fn suits(&self, mut server: BTreeMap<String, Setting>) -> BTreeMap<String, Setting> {
        for (name, value) in &self.server {
            match value {
                Some(value) => drop(server.insert((*name).to_owned(), value.clone())),
                None => drop(server.remove(*name)),
            }
        }
        server
    }
}

/// The primary syncs every write, on a disk that is slow or fails, and loses power while nobody takes its place:
/// whatever it has acknowledged is there afterwards. In some families its log is rewritten meanwhile.
fn power(shape: &mut ChaCha8Rng, course: &mut ChaCha8Rng, names: &[String], lasting: Span) -> Ordeal {
    let primary = &names[0];
    let text = |text: &str| Some(Setting::Text(text.to_owned()));
    let rewritten = chance(shape, 0.5).then(|| Setting::Text("2kb".to_owned()));
    let server = vec![
        ("appendonly", Some(Setting::Flag(true))),
        ("appendfsync", text("always")),
        ("no-appendfsync-on-rewrite", None),
        ("auto-aof-rewrite-min-size", rewritten),
        // What a loss of power leaves behind the last record is cut off, however it looks.
        ("aof-load-corrupt-tail-max-size", text("1mb")),
        // A primary that waits for replicas acknowledges little.
        ("min-replicas-to-write", None),
    ];
    let torn_tail = *pick(shape, &[TornTail::Lost, TornTail::Lost, TornTail::Any]);
    let latency = Some(Span::from_millis(*pick(shape, &[1, 4, 40])));
    let slow = DiskFault { latency, torn_tail, ..DiskFault::default() };
    let mut faults = vec![disk(primary, 0, lasting.0.as_millis(), slow)];
    let losses = 1 + below(course, LOSSES_MAX);
    let apart = lasting.0.as_millis() / (losses + 1);
    for number in 1..=losses {
        let at = number * apart + below(course, apart / 2);
        if chance(course, 0.5) {
            let failing = DiskFault { fails: vec![DiskOp::Sync], torn_tail, ..DiskFault::default() };
            faults.push(disk(primary, at - 100, 150, failing));
        }
        let lost = Fault::PowerLoss { node: primary.clone(), empty_disk: false };
        faults.push(step(at, 100 + below(course, 500), lost));
    }
    let (mut operator, afterwards) = (Vec::new(), Span::from_millis(lasting.0.as_millis() + 500));
    hand_over(&mut operator, afterwards, primary, names.iter().collect());
    Ordeal { server, faults, operator }
}

/// Keys pass their time while nothing removes them, and replicas restart from snapshots with clocks of their own: when
/// a key is gone is for the primary to say.
fn expiry(course: &mut ChaCha8Rng, names: &[String], lasting: Span) -> Ordeal {
    let server = vec![
        ("save", Some(Setting::Text("1 1".to_owned()))),
        ("appendonly", None),
        ("repl-backlog-size", None),
        ("repl-diskless-load", None),
    ];
    let attempt = |at: u64, node: &String, words: &[&str]| {
        let words = words.iter().map(|word| (*word).to_owned()).collect();
        OperatorStep { at: Span::from_millis(at), order: Order::Try { node: node.clone(), words } }
    };
    let mut operator = vec![attempt(300, &names[0], &["DEBUG", "SET-ACTIVE-EXPIRE", "0"])];
    for number in 0..EXPIRING_KEYS {
        let (key, ms) = (format!("expiring:{number}"), (1_000 + below(course, 6_000)).to_string());
        let at = 400 + below(course, 2_000);
        operator.push(attempt(at, &names[0], &["SET", &key, "passing", "PX", &ms]));
    }
    operator.sort_by_key(|step| step.at);
    let mut faults = Vec::new();
    let millis = lasting.0.as_millis();
    for replica in &names[1..] {
        // Its snapshot has been written by then, a second after the first keys came.
        let down = 3_500 + below(course, millis - 5_000);
        faults.push(step(down, 500 + below(course, 2_000), Fault::Crash { node: replica.clone() }));
        if chance(course, 0.5) {
            let by_ms = below(course, 20_000) as i64 - 5_000;
            faults.push(step(down - 100, millis, Fault::ClockJump { node: replica.clone(), by_ms }));
        }
    }
    Ordeal { server, faults, operator }
}

fn disk(node: &str, at_ms: u64, lasting_ms: u64, state: DiskFault) -> FaultStep {
    step(at_ms, lasting_ms, Fault::Disk { node: node.to_owned(), state })
}

fn step(at_ms: u64, lasting_ms: u64, fault: Fault) -> FaultStep {
    FaultStep { at: Span::from_millis(at_ms), lasting: Some(Span::from_millis(lasting_ms)), fault }
}
