//! The studies that come with the binary: their base scenarios, what they vary, what they take from a run.

use crate::file::Scenario;
use crate::measures::Amount;
use crate::study::statistics::quantile;
use crate::study::{Measured, Outcome, Point, Study, Subject, Sweep, census, elections};

pub const STUDIES: &[Study] = &[
    Study {
        name: "replication-lag",
        title: "How far behind is a replica?",
        method: "One primary and its replicas under steady writes of registers, without faults. The replica's offset \
                 is compared with its primary's 500 times a second; its lag is how long ago the primary stood where \
                 the replica stands. Everything that a curve does not vary is as in the base scenario: 250 µs of \
                 latency one way, no limit of bandwidth, one replica, ten clients that write 100 bytes 20 times a \
                 second each.",
        sweeps: lag_sweeps,
        outcomes: &[
            Measured { name: "lag-mean", axis: "mean lag (ms)", of: |report| lag_mean(report) },
            Measured {
                name: "lag-p99",
                axis: "99th percentile of lag (ms)",
                of: |report| lag_quantile(report, 0.99),
            },
        ],
    },
    Study {
        name: "lost-write-window",
        title: "Which acknowledged writes does a failover lose?",
        method: "A primary with two replicas under appends of which each can be looked for at the end. Five seconds in, \
                 the primary is cut off with a third of its clients (partition), is killed (crash), or loses power; two \
                 seconds later a replica is promoted and the others follow it. A write is lost where its client was \
                 told that it had happened and nobody holds it at the end; the window is from the first such answer to \
                 the last. For appendfsync, the primary has no replica and comes back alone, from its append-only file. \
                 With WAIT, a client counts a write as acknowledged only when so many replicas have it. For the node \
                 timeout, it is the first primary of a cluster of three, which elects its replica by itself.",
        sweeps: loss_sweeps,
        outcomes: &[
            Measured {
                name: "lost-writes",
                axis: "acknowledged writes lost",
                of: |report| number(report, "lost-writes"),
            },
            Measured { name: "lost-window", axis: "window (s)", of: |report| seconds(report, "lost-window") },
        ],
    },
    Study {
        name: "staleness",
        title: "How stale is what a replica answers?",
        method: "Clients set registers at the primary and read them from its replicas, without faults. A read is stale \
                 where the value that it returned had been overwritten, and that had been acknowledged, before the read \
                 began; its age is how long before.",
        sweeps: staleness_sweeps,
        outcomes: &[
            Measured { name: "stale-share", axis: "stale reads (%)", of: stale_share },
            Measured {
                name: "stalest",
                axis: "the stalest read (ms)",
                of: |report| Some(seconds(report, "stalest-read")? * 1e3),
            },
        ],
    },
    Study {
        name: "failover-time",
        title: "How long are writes not served?",
        method: "The primary loses power five seconds in; an operator promotes a replica after the delay that is \
                 swept, or after one second where something else is. The time runs from the fault to the first write \
                 that the promoted node acknowledges, and from one served operation of the worst client to its next.",
        sweeps: failover_sweeps,
        outcomes: &[FAILOVER, OUTAGE],
    },
    census::GOSSIP_COST,
    Study {
        name: "cluster-failover-time",
        title: "How soon does a cluster replace a primary, and how often one that lives?",
        method: "Three primaries with their replicas. The first primary dies three seconds in, or lives and stands still \
                 now and then; clients write to its slots all the time. Failover runs from the fault to the first \
                 write that the elected replica acknowledges; an election while the primary lives is a false alarm. \
                 Quick healing is what Squall's nodes do among themselves; the compatible timing (half a second, half \
                 a second more at random, a second for each better replica) is what they keep in mixed clusters.",
        sweeps: elections::sweeps,
        outcomes: &[
            FAILOVER,
            OUTAGE,
            Measured { name: "elections", axis: "elections", of: |report| number(report, "promotions") },
        ],
    },
];

const FAILOVER: Measured =
    Measured { name: "failover", axis: "failover (s)", of: |report| seconds(report, "failover") };

const OUTAGE: Measured = Measured {
    name: "outage",
    axis: "longest outage of a client (s)",
    of: |report| seconds(report, "longest-outage"),
};

/// What varies in the base scenario of the lag and staleness studies.
#[derive(Clone, Copy)]
struct Calm {
    replicas: usize,
    clients: u32,
    rate: f64,
    value_bytes: u64,
    latency_us: u64,
    bandwidth_kbit: u64,
    reads: f64,
}

const CALM: Calm = Calm {
    replicas: 1,
    clients: 10,
    rate: 20.0,
    value_bytes: 100,
    latency_us: 250,
    bandwidth_kbit: 0,
    reads: 0.0,
};

impl Calm {
    fn scenario(self) -> Scenario {
        let Calm { replicas, clients, rate, value_bytes, latency_us, bandwidth_kbit, reads } = self;
        // Who reads is asked about what was read; otherwise the offsets tell, and they must be looked at often.
        let (lasting, every) = if reads > 0.0 { ("8s", "500ms") } else { ("2s", "2ms") };
        let bandwidth = match bandwidth_kbit {
            0 => String::new(),
            kbit => format!("bandwidth = \"{kbit}kbit\"\n"),
        };
        let names: Vec<String> = (1..=replicas).map(|number| format!("\"r{number}\"")).collect();
        let read_from = if reads > 0.0 { names.join(", ") } else { String::new() };
        let nodes: String =
            names.iter().map(|name| format!("[[node]]\nname = {name}\nreplica_of = \"p\"\n")).collect();
        read(&format!(
            "title = \"calm\"\n[server]\nrepl-diskless-sync-delay = 0\n[[node]]\nname = \"p\"\n{nodes}\
             [links]\nlatency = {{ median = \"{latency_us}us\", sigma = 0.3 }}\n{bandwidth}\
             [[clients]]\nname = \"c\"\ncount = {clients}\nwork = {{ kind = \"registers\", rate = {rate:?}, keys = 50, \
             reads = {reads:?}, write_to = [\"p\"], read_from = [{read_from}], value = \"{value_bytes}\" }}\n\
             [chaos]\nlasting = \"{lasting}\"\n[repair]\nwithin = \"60s\"\n[observe]\nevery = \"{every}\"\n"
        ))
    }
}

/// What becomes of the primary.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Blow {
    Partition,
    Crash,
    PowerLoss,
}

impl Blow {
    const ALL: [Blow; 3] = [Blow::Partition, Blow::Crash, Blow::PowerLoss];

    fn name(self) -> &'static str {
        match self {
            Blow::Partition => "partition",
            Blow::Crash => "crash",
            Blow::PowerLoss => "loss of power",
        }
    }

    fn fault(self) -> &'static str {
        match self {
            Blow::Partition => "fault = \"partition\"\nleft = [\"p\", \"c1\", \"c2\"]\nright = [\"*\"]\n",
            Blow::Crash => "fault = \"crash\"\nnode = \"p\"\n",
            Blow::PowerLoss => "fault = \"power-loss\"\nnode = \"p\"\n",
        }
    }
}

/// What varies in the base scenario of the failover studies.
#[derive(Clone, Copy)]
struct Failing {
    blow: Blow,
    fault_ms: u64,
    promote_after_ms: u64,
    latency_us: u64,
    rate: f64,
    min_replicas: u64,
    max_lag_s: u64,
    timeout_ms: u64,
    /// How many replicas must have a write before it counts; 0 asks none.
    wait: u64,
}

const FAILING: Failing = Failing {
    blow: Blow::Partition,
    fault_ms: 8_000,
    promote_after_ms: 2_000,
    latency_us: 250,
    rate: 20.0,
    min_replicas: 0,
    max_lag_s: 10,
    timeout_ms: 500,
    wait: 0,
};

impl Failing {
    fn scenario(self) -> Scenario {
        let Failing {
            blow,
            fault_ms,
            promote_after_ms,
            latency_us,
            rate,
            min_replicas,
            max_lag_s,
            timeout_ms,
            wait,
        } = self;
        let fault = blow.fault();
        let wait = match wait {
            0 => String::new(),
            replicas => format!(", wait = {{ replicas = {replicas}, within = \"{}ms\" }}", timeout_ms / 2),
        };
        let (promote, rejoin, chaos) =
            (5_000 + promote_after_ms, 5_000 + fault_ms, 6_000 + fault_ms.max(promote_after_ms));
        let order = |at, what: &str| format!("[[operator]]\nat = \"{at}ms\"\n{what}\n");
        read(&format!(
            "title = \"failover\"\n[server]\nrepl-diskless-sync-delay = 0\nmin-replicas-to-write = {min_replicas}\n\
             min-replicas-max-lag = {max_lag_s}\n[[node]]\nname = \"p\"\n[[node]]\nname = \"q\"\nreplica_of = \"p\"\n\
             [[node]]\nname = \"r\"\nreplica_of = \"p\"\n[links]\nlatency = {{ median = \"{latency_us}us\", sigma = 0.3 }}\n\
             [[clients]]\nname = \"c\"\ncount = 6\nwork = {{ kind = \"ledgers\", rate = {rate:?}, write_to = [\"p\", \"q\", \"r\"], \
             timeout = \"{timeout_ms}ms\"{wait} }}\n[[fault]]\nat = \"5s\"\nfor = \"{fault_ms}ms\"\n{fault}{}{}{}\
             [chaos]\nlasting = \"{chaos}ms\"\n[repair]\nwithin = \"60s\"\n",
            order(promote, "do = \"promote\"\nnode = \"q\""),
            order(promote, "do = \"replicate\"\nnode = \"r\"\nof = \"q\""),
            order(rejoin, "do = \"replicate\"\nnode = \"p\"\nof = \"q\""),
        ))
    }
}

fn read(text: &str) -> Scenario {
    Scenario::read("study", text).unwrap_or_else(|error| panic!("{error}\n{text}"))
}

fn points<P: Copy>(
    series: &'static str,
    values: &[P],
    x: fn(P) -> f64,
    scenario: impl Fn(P) -> Scenario,
) -> Vec<Point> {
    let subject = |value| Subject::Scenario(Box::new(scenario(value)));
    values.iter().map(|value| Point { series, x: x(*value), subject: subject(*value) }).collect()
}

fn whole(value: u64) -> f64 {
    value as f64
}

fn lag_sweeps() -> Vec<Sweep> {
    let latency = |latency_us| Calm { latency_us, ..CALM }.scenario();
    let rate = |rate| Calm { rate: rate / 10.0, ..CALM }.scenario();
    let value = |value_bytes| Calm { value_bytes, ..CALM }.scenario();
    let bandwidth = |bandwidth_kbit| Calm { bandwidth_kbit, value_bytes: 1_000, ..CALM }.scenario();
    let replicas = |replicas: u64| Calm { replicas: replicas as usize, ..CALM }.scenario();
    vec![
        Sweep {
            name: "link-latency",
            axis: "latency of the link, one way (ms)",
            is_logarithmic: true,
            points: points("", &[100, 300, 1_000, 3_000, 10_000, 30_000], |us| us as f64 / 1e3, latency),
        },
        Sweep {
            name: "write-rate",
            axis: "writes a second",
            is_logarithmic: true,
            points: points("", &[10.0, 30.0, 100.0, 300.0, 1_000.0], |rate| rate, rate),
        },
        Sweep {
            name: "value-size",
            axis: "size of a value (bytes)",
            is_logarithmic: true,
            points: points("", &[10, 100, 1_000, 10_000, 50_000], whole, value),
        },
        Sweep {
            name: "bandwidth",
            axis: "bandwidth of the link (Mbit/s), with 1.7 Mbit/s of writes",
            is_logarithmic: true,
            points: points(
                "",
                &[1_500, 2_000, 3_000, 5_000, 10_000, 30_000],
                |kbit| kbit as f64 / 1e3,
                bandwidth,
            ),
        },
        Sweep {
            name: "replicas",
            axis: "replicas",
            is_logarithmic: false,
            points: points("", &[1, 2, 4, 6], whole, replicas),
        },
    ]
}

fn loss_sweeps() -> Vec<Sweep> {
    let each = |change: fn(u64) -> Failing, values: &[u64], x: fn(u64) -> f64| {
        let of = |blow: Blow| {
            points(blow.name(), values, x, move |value| Failing { blow, ..change(value) }.scenario())
        };
        Blow::ALL.into_iter().flat_map(of).collect()
    };
    let guarded = |max_lag_s| Failing { min_replicas: 1, max_lag_s, ..FAILING }.scenario();
    let mut sweeps = vec![
        elections::loss_sweep(),
        Sweep {
            name: "fault-length",
            axis: "the primary is away for (s)",
            is_logarithmic: false,
            points: each(
                |fault_ms| Failing { fault_ms, ..FAILING },
                &[3_000, 5_000, 8_000, 12_000],
                |ms| ms as f64 / 1e3,
            ),
        },
        Sweep {
            name: "link-latency",
            axis: "latency of the link, one way (ms)",
            is_logarithmic: true,
            points: each(
                |latency_us| Failing { latency_us, ..FAILING },
                &[100, 1_000, 10_000, 50_000],
                |us| us as f64 / 1e3,
            ),
        },
        Sweep {
            name: "min-replicas-max-lag",
            axis: "min-replicas-max-lag (s), with min-replicas-to-write 1, in a partition",
            is_logarithmic: false,
            points: points("", &[1, 2, 3, 5, 8], whole, guarded),
        },
        Sweep {
            name: "min-replicas-to-write",
            axis: "min-replicas-to-write, with min-replicas-max-lag 2",
            is_logarithmic: false,
            points: each(|min_replicas| Failing { min_replicas, max_lag_s: 2, ..FAILING }, &[0, 1, 2], whole),
        },
        Sweep {
            name: "wait",
            axis: "replicas that WAIT must name",
            is_logarithmic: false,
            points: each(|wait| Failing { wait, ..FAILING }, &[0, 1, 2], whole),
        },
    ];
    sweeps.push(fsync_sweep());
    sweeps
}

/// One node without a replica comes back from its append-only file: all that counts is what was on its disk.
fn fsync_sweep() -> Sweep {
    const POLICIES: [&str; 3] = ["no", "everysec", "always"];
    let alone = |blow: Blow| {
        move |policy: u64| {
            let (policy, fault) = (POLICIES[policy as usize], blow.fault());
            read(&format!(
                "title = \"alone\"\n[server]\nappendonly = true\nappendfsync = \"{policy}\"\n[[node]]\nname = \"p\"\n\
                 [[clients]]\nname = \"c\"\ncount = 6\nwork = {{ kind = \"ledgers\", rate = 20.0, write_to = [\"p\"], \
                 timeout = \"500ms\" }}\n[[fault]]\nat = \"5500ms\"\nfor = \"1s\"\n{fault}\
                 [chaos]\nlasting = \"8s\"\n[repair]\nwithin = \"60s\"\n"
            ))
        }
    };
    let of = |blow: Blow| points(blow.name(), &[0, 1, 2], whole, alone(blow));
    Sweep {
        name: "appendfsync",
        axis: "appendfsync: no (0), everysec (1), always (2)",
        is_logarithmic: false,
        points: [Blow::Crash, Blow::PowerLoss].into_iter().flat_map(of).collect(),
    }
}

fn staleness_sweeps() -> Vec<Sweep> {
    let base = Calm { reads: 0.5, replicas: 2, ..CALM };
    let latency = move |latency_us| Calm { latency_us, ..base }.scenario();
    let rate = move |rate| Calm { rate: rate / 10.0, ..base }.scenario();
    vec![
        Sweep {
            name: "link-latency",
            axis: "latency of the link, one way (ms)",
            is_logarithmic: true,
            points: points("", &[100, 300, 1_000, 3_000, 10_000, 30_000], |us| us as f64 / 1e3, latency),
        },
        Sweep {
            name: "operation-rate",
            axis: "operations a second, on 50 keys",
            is_logarithmic: true,
            points: points("", &[30.0, 100.0, 300.0, 1_000.0], |rate| rate, rate),
        },
    ]
}

fn failover_sweeps() -> Vec<Sweep> {
    let base = Failing { blow: Blow::PowerLoss, promote_after_ms: 1_000, ..FAILING };
    let delay = move |promote_after_ms| Failing { promote_after_ms, ..base }.scenario();
    let timeout = move |timeout_ms| Failing { timeout_ms, ..base }.scenario();
    let latency = move |latency_us| Failing { latency_us, ..base }.scenario();
    vec![
        Sweep {
            name: "detection",
            axis: "the operator promotes after (s)",
            is_logarithmic: false,
            points: points("", &[100, 500, 1_000, 2_000, 4_000], |ms| ms as f64 / 1e3, delay),
        },
        Sweep {
            name: "client-timeout",
            axis: "clients wait for an answer for (ms)",
            is_logarithmic: true,
            points: points("", &[100, 300, 1_000, 3_000], whole, timeout),
        },
        Sweep {
            name: "link-latency",
            axis: "latency of the link, one way (ms)",
            is_logarithmic: true,
            points: points("", &[100, 1_000, 10_000, 50_000], |us| us as f64 / 1e3, latency),
        },
    ]
}

/// All lags of all replicas, in milliseconds, the least first.
fn lags(outcome: &Outcome) -> Vec<f64> {
    let points = outcome.report().into_iter().flat_map(|report| report.measures.lag.values()).flatten();
    let mut lags: Vec<f64> = points.map(|point| point.time.0 as f64 / 1e6).collect();
    lags.sort_by(f64::total_cmp);
    lags
}

fn lag_mean(outcome: &Outcome) -> Option<f64> {
    let lags = lags(outcome);
    (!lags.is_empty()).then(|| lags.iter().sum::<f64>() / lags.len() as f64)
}

fn lag_quantile(outcome: &Outcome, q: f64) -> Option<f64> {
    quantile(&lags(outcome), q)
}

fn stale_share(outcome: &Outcome) -> Option<f64> {
    let reads = number(outcome, "reads").filter(|reads| *reads > 0.0)?;
    Some(number(outcome, "stale-reads")? * 100.0 / reads)
}

fn number(outcome: &Outcome, measure: &str) -> Option<f64> {
    outcome.report()?.measures.get(measure).number().map(|number| number as f64)
}

fn seconds(outcome: &Outcome, measure: &str) -> Option<f64> {
    match outcome.report()?.measures.get(measure) {
        Amount::Time(time) => Some(time.0 as f64 / 1e9),
        _ => None,
    }
}
