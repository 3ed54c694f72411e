//! How long a cluster takes to replace a primary, and how often it replaces one that lives: with the quick healing that
//! Squall's nodes keep among themselves, and with the timing that they keep where other servers are among them.

use crate::file::Scenario;
use crate::study::{Point, Subject, Sweep};

/// What varies in the base scenario.
#[derive(Clone, Copy)]
struct Electing {
    quick: bool,
    timeout_ms: u64,
    primaries: u16,
    replicas: u16,
    fault: Trouble,
}

#[derive(Clone, Copy)]
enum Trouble {
    /// The machine goes dark: nothing answers, nothing refuses.
    PowerLoss,
    /// The process ends, and its machine refuses connections.
    Crash,
    /// Nobody dies: the first primary is cut off with half of its clients.
    Partition,
    /// Nobody dies: the first primary stands still for that share of the node timeout, now and then.
    Stalls { percent: u64 },
}

const ELECTING: Electing =
    Electing { quick: true, timeout_ms: 5_000, primaries: 3, replicas: 1, fault: Trouble::PowerLoss };

impl Electing {
    fn scenario(self) -> Scenario {
        let Electing { quick, timeout_ms, primaries, replicas, fault } = self;
        let quick = if quick { "yes" } else { "no" };
        let lasting = 6_000 + 4 * timeout_ms;
        let fault = match fault {
            Trouble::PowerLoss => {
                format!(
                    "at = \"3s\"\nfor = \"{}ms\"\nfault = \"power-loss\"\nnode = \"a1\"\n",
                    3 * timeout_ms + 2_000
                )
            }
            Trouble::Crash => {
                format!(
                    "at = \"3s\"\nfor = \"{}ms\"\nfault = \"crash\"\nnode = \"a1\"\n",
                    3 * timeout_ms + 2_000
                )
            }
            Trouble::Partition => {
                format!(
                    "at = \"3s\"\nfor = \"{}ms\"\nfault = \"partition\"\nleft = [\"a1\", \"w1\", \"w2\"]\n\
                     right = [\"*\"]\n",
                    3 * timeout_ms + 2_000
                )
            }
            Trouble::Stalls { percent } => format!(
                "at = \"3s\"\nfault = \"stutter\"\nnode = \"a1\"\nwork = \"{}ms\"\nstall = \"{}ms\"\n",
                timeout_ms / 2,
                timeout_ms * percent / 100
            ),
        };
        let text = format!(
            "title = \"election\"\n[cluster]\nprimaries = {primaries}\nreplicas = {replicas}\n\
             [server]\nrepl-diskless-sync-delay = 0\ncluster-node-timeout = {timeout_ms}\n\
             cluster-quick-failover = \"{quick}\"\n\
             [links]\nlatency = {{ median = \"300us\", sigma = 0.4 }}\n\
             [[clients]]\nname = \"w\"\ncount = 4\nwork = {{ kind = \"ledgers\", rate = 10, slots = [0, 1000], \
             timeout = \"300ms\" }}\n\
             [[fault]]\n{fault}[chaos]\nlasting = \"{lasting}ms\"\n[repair]\nwithin = \"120s\"\n"
        );
        Scenario::read("study", &text).unwrap_or_else(|error| panic!("{error}\n{text}"))
    }
}

/// Both timings at each value.
fn both(values: &[u64], x: fn(u64) -> f64, change: fn(u64) -> Electing) -> Vec<Point> {
    let series = [("quick healing", true), ("compatible timing", false)];
    let point = |series, quick, value| {
        let scenario = Electing { quick, ..change(value) }.scenario();
        Point { series, x: x(value), subject: Subject::Scenario(Box::new(scenario)) }
    };
    series
        .into_iter()
        .flat_map(|(name, quick)| values.iter().map(move |value| point(name, quick, *value)))
        .collect()
}

/// What a cluster loses by how long it waits before it replaces a primary.
pub(super) fn loss_sweep() -> Sweep {
    let troubles =
        [("partition", Trouble::Partition), ("crash", Trouble::Crash), ("loss of power", Trouble::PowerLoss)];
    let point = |series, fault, timeout_ms: u64| {
        let scenario = Electing { timeout_ms, fault, ..ELECTING }.scenario();
        Point { series, x: timeout_ms as f64 / 1e3, subject: Subject::Scenario(Box::new(scenario)) }
    };
    let values = [1_000, 2_000, 5_000, 15_000];
    let points = troubles
        .into_iter()
        .flat_map(|(series, fault)| values.into_iter().map(move |value| point(series, fault, value)));
    Sweep {
        name: "node-timeout",
        axis: "cluster-node-timeout (s), of a cluster that replaces the primary by itself",
        is_logarithmic: true,
        points: points.collect(),
    }
}

pub(super) fn sweeps() -> Vec<Sweep> {
    let seconds = |ms| ms as f64 / 1e3;
    vec![
        Sweep {
            name: "node-timeout",
            axis: "cluster-node-timeout (s), the primary loses power",
            is_logarithmic: true,
            points: both(&[1_000, 2_000, 5_000, 15_000], seconds, |timeout_ms| Electing {
                timeout_ms,
                ..ELECTING
            }),
        },
        Sweep {
            name: "node-timeout-of-a-crash",
            axis: "cluster-node-timeout (s), the primary's process ends",
            is_logarithmic: true,
            points: both(&[1_000, 2_000, 5_000, 15_000], seconds, |timeout_ms| Electing {
                timeout_ms,
                fault: Trouble::Crash,
                ..ELECTING
            }),
        },
        Sweep {
            name: "replicas",
            axis: "replicas of each primary",
            is_logarithmic: false,
            points: both(
                &[1, 2, 3],
                |count| count as f64,
                |count| Electing { replicas: count as u16, ..ELECTING },
            ),
        },
        Sweep {
            name: "stalls",
            axis: "the primary lives, and stands still for (% of cluster-node-timeout)",
            is_logarithmic: false,
            points: both(
                &[50, 80, 95, 110, 130],
                |percent| percent as f64,
                |percent| Electing { timeout_ms: 2_000, fault: Trouble::Stalls { percent }, ..ELECTING },
            ),
        },
    ]
}
