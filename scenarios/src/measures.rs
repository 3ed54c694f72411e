//! What is measured: one row per measure, so that `squall measures`, the summary and the expectations of a
//! scenario all speak of the same things.

use std::collections::BTreeMap;
use std::fmt;

use squall_clock::{Mono, Nanos};
use squall_sim::checkers::{Verdict, diverging, linearizable_keys, lost_writes, stale_reads};
use squall_sim::{Operation, Outcome, Size};

use crate::agent::Sample;
use crate::evidence::Evidence;
use crate::lag::{LagPoint, lag_over_time};

/// A row: its name in `[[expect]]`, and what it means.
#[derive(Clone, Copy, Debug)]
pub struct Measure {
    pub name: &'static str,
    pub meaning: &'static str,
}

const fn measure(name: &'static str, meaning: &'static str) -> Measure {
    Measure { name, meaning }
}

pub const MEASURES: &[Measure] = &[
    measure("acknowledged-writes", "writes that clients were told had happened"),
    measure("refused-operations", "operations that no node served"),
    measure("unknown-operations", "operations of which the client never learnt the outcome"),
    measure("lost-writes", "acknowledged writes to ledgers and counters that are not there at the end"),
    measure("lost-window", "from the acknowledgement of the first lost write to that of the last"),
    measure(
        "risen-writes",
        "writes that are there although they were refused, or more often than they were sent",
    ),
    measure("reads", "reads of registers that were answered"),
    measure("stale-reads", "reads that returned a value that had been overwritten before they began"),
    measure("stalest-read", "how long ago the value of the stalest read had been overwritten"),
    measure("violated-keys", "registers and counters whose history is not linearizable"),
    measure("longest-outage", "the longest time that a client went without an acknowledged operation"),
    measure("failover", "from the first fault to the first write that a promoted node acknowledged"),
    measure("recovery", "from the end of all faults until all nodes agree and a write is acknowledged"),
    measure("promotions", "replicas that became primaries"),
    measure("restarts", "processes that were started again"),
    measure("full-resyncs", "full resynchronisations, beside the first ones"),
    measure("partial-resyncs", "partial resynchronisations that were granted"),
    measure("refused-partial-resyncs", "partial resynchronisations that were refused"),
    measure("interrupted-full-resyncs", "snapshots whose receiver ended before it had them"),
    measure("peak-lag", "the longest time that a replica was behind its primary"),
    measure("peak-lag-bytes", "the most bytes that a replica was behind its primary"),
    measure("diverging-nodes", "pairs of nodes with different data at one point of one history"),
];

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Amount {
    Count(u64),
    Bytes(u64),
    Time(Nanos),
    /// It did not happen.
    Never,
}

/// Every row's amount, and what the summary tells in more detail.
#[derive(Clone, Debug)]
pub struct Measures {
    amounts: BTreeMap<&'static str, Amount>,
    /// When the first and the last lost write were acknowledged, since the beginning.
    pub(crate) lost_between: Option<(Nanos, Nanos)>,
    pub(crate) outage: Option<Outage>,
    pub(crate) lag: BTreeMap<String, Vec<LagPoint>>,
    pub(crate) begin: Mono,
}

/// The longest time that a client went without an acknowledged operation.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Outage {
    pub(crate) client: String,
    pub(crate) from: Mono,
    pub(crate) to: Mono,
}

impl Measures {
    pub(crate) fn of(evidence: &Evidence) -> Measures {
        let history = &evidence.history;
        let empty = Default::default();
        let losses = lost_writes(history, evidence.survivors.as_ref().unwrap_or(&empty));
        let reads = stale_reads(history);
        let verdicts = linearizable_keys(history);
        let outage = longest_outage(history, evidence.begin, evidence.stopped);
        let lag = lag_over_time(&evidence.samples);
        let changes = Changes::among(&evidence.samples, evidence.begin);
        let count = |filter: &dyn Fn(&Operation) -> bool| {
            Amount::Count(history.iter().filter(|operation| filter(operation)).count() as u64)
        };
        let amounts = BTreeMap::from([
            ("acknowledged-writes", count(&|operation| operation.is_write() && operation.is_acknowledged())),
            ("refused-operations", count(&|operation| matches!(operation.outcome, Outcome::Refused(_)))),
            ("unknown-operations", count(&|operation| matches!(operation.outcome, Outcome::Unknown(_)))),
            // Without a look at what survived, nothing can be said about losses.
            (
                "lost-writes",
                match evidence.survivors {
                    Some(_) => Amount::Count(losses.lost.len() as u64 + losses.increments_lost),
                    None => Amount::Never,
                },
            ),
            ("lost-window", Amount::Time(losses.window_length())),
            (
                "risen-writes",
                Amount::Count(
                    (losses.risen.len() + losses.duplicated.len()) as u64 + losses.increments_risen,
                ),
            ),
            ("reads", Amount::Count(reads.reads)),
            ("stale-reads", Amount::Count(reads.stale.len() as u64)),
            ("stalest-read", Amount::Time(reads.oldest())),
            (
                "violated-keys",
                Amount::Count(
                    verdicts.values().filter(|verdict| matches!(verdict, Verdict::Violated { .. })).count()
                        as u64,
                ),
            ),
            ("longest-outage", outage.as_ref().map_or(Amount::Never, |outage| Amount::Time(outage.length()))),
            ("failover", time_or_never(failover(evidence))),
            ("recovery", time_or_never(evidence.recovered.map(|at| at.since(evidence.healed)))),
            ("promotions", Amount::Count(changes.promotions)),
            ("restarts", Amount::Count(evidence.restarts)),
            ("full-resyncs", Amount::Count(changes.full)),
            ("partial-resyncs", Amount::Count(changes.partial)),
            ("refused-partial-resyncs", Amount::Count(changes.refused)),
            ("interrupted-full-resyncs", Amount::Count(changes.interrupted)),
            ("peak-lag", Amount::Time(peak(&lag, |point| point.time.0).map_or(Nanos::ZERO, |p| p.time))),
            ("peak-lag-bytes", Amount::Bytes(peak(&lag, |point| point.bytes).map_or(0, |p| p.bytes))),
            ("diverging-nodes", Amount::Count(diverging(&evidence.at_rest).len() as u64)),
        ]);
        let since = |at: Mono| at.since(evidence.begin);
        let lost_between = losses.window.map(|(first, last)| (since(first), since(last)));
        Measures { amounts, lost_between, outage, lag, begin: evidence.begin }
    }

    /// The amount of a row; rows are known by name since the scenario was checked.
    pub fn get(&self, name: &str) -> Amount {
        self.amounts[name]
    }

    /// In the order of the table.
    pub fn all(&self) -> impl Iterator<Item = (&'static str, Amount)> + '_ {
        MEASURES.iter().map(|measure| (measure.name, self.get(measure.name)))
    }
}

impl Amount {
    /// As a plain number, where there is one: a count, bytes or nanoseconds.
    pub fn number(self) -> Option<u64> {
        match self {
            Amount::Count(number) | Amount::Bytes(number) => Some(number),
            Amount::Time(time) => Some(time.0),
            Amount::Never => None,
        }
    }

    /// A bound written as a plain number, shown as this amount is.
    pub(crate) fn like(self, number: u64) -> Amount {
        match self {
            Amount::Count(_) | Amount::Never => Amount::Count(number),
            Amount::Bytes(_) => Amount::Bytes(number),
            Amount::Time(_) => Amount::Time(Nanos(number)),
        }
    }
}

impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Amount::Count(count) => write!(f, "{count}"),
            Amount::Bytes(bytes) if *bytes < 10_000 => write!(f, "{bytes} bytes"),
            Amount::Bytes(bytes) if bytes.is_multiple_of(1 << 10) => write!(f, "{}", Size(*bytes)),
            Amount::Bytes(bytes) => write!(f, "{} kb", bytes >> 10),
            Amount::Time(time) => write!(f, "{}", Seconds(*time)),
            Amount::Never => f.write_str("never"),
        }
    }
}

/// A duration in seconds, to the millisecond.
pub(crate) struct Seconds(pub(crate) Nanos);

impl fmt::Display for Seconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let millis = (self.0.0 + 500_000) / 1_000_000;
        write!(f, "{}.{:03} s", millis / 1_000, millis % 1_000)
    }
}

impl Outage {
    pub(crate) fn length(&self) -> Nanos {
        self.to.since(self.from)
    }
}

/// What changed from sample to sample, since the beginning.
#[derive(Default)]
struct Changes {
    promotions: u64,
    full: u64,
    partial: u64,
    refused: u64,
    interrupted: u64,
}

impl Changes {
    fn among(samples: &[Sample], begin: Mono) -> Changes {
        let mut changes = Changes::default();
        let mut last: BTreeMap<&str, &Sample> = BTreeMap::new();
        for sample in samples {
            let before = last.insert(&sample.node, sample);
            let Some(before) = before.filter(|_| sample.at > begin) else { continue };
            let (was, is) = (&before.state, &sample.state);
            changes.promotions += u64::from(is.is_primary && !was.is_primary);
            changes.full += gained(was.full_syncs, is.full_syncs);
            changes.partial += gained(was.partial_syncs, is.partial_syncs);
            changes.refused += gained(was.refused_partial_syncs, is.refused_partial_syncs);
            // Who was receiving a snapshot, and now is another process or neither receives nor has it, lost it.
            let lost = before.start != sample.start || !is.syncing && !is.link_up;
            changes.interrupted += u64::from(was.syncing && lost);
        }
        changes
    }
}

/// How much a counter grew; one that fell began anew with its process.
fn gained(was: u64, is: u64) -> u64 {
    if is >= was { is - was } else { is }
}

fn time_or_never(time: Option<Nanos>) -> Amount {
    time.map_or(Amount::Never, Amount::Time)
}

fn failover(evidence: &Evidence) -> Option<Nanos> {
    let (order, node) = evidence.orders.iter().find_map(|order| Some((order, order.promoted.as_deref()?)))?;
    let served = evidence
        .history
        .iter()
        .filter(|operation| operation.node == node && operation.is_write() && operation.is_acknowledged());
    let first = served.filter_map(|operation| operation.completed).filter(|at| *at >= order.at).min()?;
    Some(first.since(evidence.first_fault?))
}

fn longest_outage(history: &[Operation], begin: Mono, stopped: Mono) -> Option<Outage> {
    let mut served: BTreeMap<&str, Vec<Mono>> = BTreeMap::new();
    for operation in history {
        let times = served.entry(&operation.client).or_insert_with(|| vec![begin]);
        times.extend(operation.completed.filter(|_| operation.is_acknowledged()));
    }
    let gaps = served.into_iter().flat_map(|(client, mut times)| {
        times.push(stopped.max(*times.last().unwrap_or(&begin)));
        let gaps = times.windows(2).map(|pair| (pair[0], pair[1])).collect::<Vec<_>>();
        gaps.into_iter().map(move |(from, to)| Outage { client: client.to_owned(), from, to })
    });
    gaps.fold(None, |longest: Option<Outage>, gap| match longest {
        Some(longest) if longest.length() >= gap.length() => Some(longest),
        _ => Some(gap),
    })
}

fn peak(lag: &BTreeMap<String, Vec<LagPoint>>, by: impl Fn(&LagPoint) -> u64) -> Option<LagPoint> {
    lag.values().flatten().copied().max_by_key(by)
}
