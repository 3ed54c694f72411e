//! What the gossip of a cluster costs by its size, and how soon it finds and replaces a dead primary: counted in the
//! message world, where a thousand nodes fit.

use squall_message_world::census::{Death, Setting, SteadyCost, replacement_ms, steady_cost};

use crate::study::{Measured, Outcome, Point, Study, Subject, Sweep};

pub(super) const GOSSIP_COST: Study = Study {
    name: "gossip-cost",
    title: "What does a cluster's gossip cost, and how soon does it replace a dead primary?",
    method: "Half of the nodes are primaries, each with one replica, under the default node timeout of 15 seconds; the \
             messages of the bus alone, without keys and clients. Bytes and messages are counted over ten seconds in \
             which nothing happens. Then a primary's process is killed, and after that the machine of another loses \
             power; each time it is waited until every node knows the new owner of its slots. Large clusters are tried \
             with fewer seeds.",
    sweeps,
    outcomes: &[
        Measured { name: "bytes", axis: "bytes a second and node", of: |outcome| Some(cost(outcome)?.bytes) },
        Measured {
            name: "messages",
            axis: "messages a second and node",
            of: |outcome| Some(cost(outcome)?.messages),
        },
        Measured {
            name: "process-replaced",
            axis: "replaced after the process died (ms)",
            of: |outcome| Some(outcome.census()?.process_replaced_ms as f64),
        },
        Measured {
            name: "machine-replaced",
            axis: "replaced after the machine died (ms)",
            of: |outcome| Some(outcome.census()?.machine_replaced_ms as f64),
        },
    ],
};

const NODE_TIMEOUT_MS: u64 = 15_000;
const COUNTED_SECONDS: u64 = 10;

/// What was counted in one cluster.
pub(crate) struct Census {
    cost: SteadyCost,
    process_replaced_ms: u64,
    machine_replaced_ms: u64,
}

impl Census {
    pub fn take(setting: &Setting, seed: u64) -> Census {
        let mut world = setting.world(seed);
        Census {
            cost: steady_cost(&mut world, COUNTED_SECONDS),
            process_replaced_ms: replacement_ms(&mut world, 0, Death::OfProcess),
            machine_replaced_ms: replacement_ms(&mut world, 1, Death::OfMachine),
        }
    }
}

fn cost(outcome: &Outcome) -> Option<SteadyCost> {
    Some(outcome.census()?.cost)
}

fn sweeps() -> Vec<Sweep> {
    let of = |series, is_sparse, sizes: &[usize]| -> Vec<Point> {
        let setting = |nodes| Setting { nodes, node_timeout_ms: NODE_TIMEOUT_MS, is_sparse, is_quick: true };
        let point =
            |nodes: &usize| Point { series, x: *nodes as f64, subject: Subject::Cluster(setting(*nodes)) };
        sizes.iter().map(point).collect()
    };
    let mut points = of("few watch each", true, &[10, 30, 100, 300, 1_000]);
    points.extend(of("all ask all, as other servers' nodes do", false, &[10, 30, 100, 300]));
    vec![Sweep { name: "nodes", axis: "nodes", is_logarithmic: true, points }]
}
