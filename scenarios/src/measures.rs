//! What is measured: one row per measure, so that `squall measures`, the summary and the expectations of a
//! scenario all speak of the same things.

use std::cell::OnceCell;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use squall_clock::{Mono, Nanos};
use squall_sim::checkers::{
    Channels, Deliveries, Divergence, ImpossibleOffset, LostWrites, Memory, Position, SessionReads,
    SharedHold, StaleReads, Torn, Verdict, channels, deliveries, diverging, impossible_offsets,
    linearizable_keys, lost_writes, memory, session_reads, shared_holds, stale_reads, torn,
};
use squall_sim::{OpId, Operation, Outcome, Size};

use crate::agent::Sample;
use crate::evidence::Evidence;
use crate::lag::{LagPoint, lag_over_time};
use crate::polity::Polity;

/// A row: its name in `[[expect]]`, what it means, and how it follows from a run.
#[derive(Clone, Copy)]
pub struct Measure {
    pub name: &'static str,
    pub meaning: &'static str,
    of: fn(&Judged<'_>) -> Amount,
    /// The operations that show it, the most telling first.
    proof: fn(&Judged<'_>) -> Vec<OpId>,
}

const fn row(name: &'static str, meaning: &'static str, of: fn(&Judged<'_>) -> Amount) -> Measure {
    Measure { name, meaning, of, proof: |_| Vec::new() }
}

impl Measure {
    const fn proven_by(self, proof: fn(&Judged<'_>) -> Vec<OpId>) -> Measure {
        Measure { proof, ..self }
    }
}

pub const MEASURES: &[Measure] = &[
    row("acknowledged-writes", "writes that clients were told had happened", |run| {
        run.operations(|operation| operation.is_write() && operation.is_acknowledged())
    }),
    row("refused-operations", "operations that no node served", |run| {
        run.operations(|operation| matches!(operation.outcome, Outcome::Refused(_)))
    })
    .proven_by(|run| run.ids(|operation| matches!(operation.outcome, Outcome::Refused(_)))),
    row("unknown-operations", "operations of which the client never learnt the outcome", |run| {
        run.operations(|operation| matches!(operation.outcome, Outcome::Unknown(_)))
    })
    .proven_by(|run| run.ids(|operation| matches!(operation.outcome, Outcome::Unknown(_)))),
    row("lost-writes", "acknowledged writes to ledgers and counters that are not there at the end", |run| {
        // Without a look at what survived, nothing can be said about losses.
        let losses = run.evidence.survivors.as_ref().map(|_| &run.losses);
        losses.map_or(Amount::Never, |losses| count(losses.lost.len() as u64 + losses.increments_lost))
    })
    .proven_by(|run| run.losses.lost.clone()),
    row("lost-window", "from the acknowledgement of the first lost write to that of the last", |run| {
        Amount::Time(run.losses.window_length())
    })
    .proven_by(|run| run.losses.lost.first().into_iter().chain(run.losses.lost.last()).copied().collect()),
    row("risen-writes", "writes that are there although they were refused, or more often than sent", |run| {
        let given = run.deliveries.risen.len() + run.channels.risen.len();
        let written = run.losses.risen.len() + run.losses.duplicated.len();
        count((given + written) as u64 + run.losses.increments_risen)
    })
    .proven_by(|run| {
        let written = run.losses.risen.iter().chain(&run.losses.duplicated);
        written.chain(&run.deliveries.risen).chain(&run.channels.risen).copied().collect()
    }),
    row("reads", "reads of registers that were answered", |run| count(run.reads.reads)),
    row("stale-reads", "reads that returned a value that had been overwritten before they began", |run| {
        count(run.reads.stale.len() as u64)
    })
    .proven_by(|run| run.reads.stale.iter().map(|(id, _)| *id).collect()),
    row("stalest-read", "how long ago the value of the stalest read had been overwritten", |run| {
        Amount::Time(run.reads.oldest())
    })
    .proven_by(|run| {
        let mut stale = run.reads.stale.clone();
        stale.sort_by_key(|(_, age)| std::cmp::Reverse(*age));
        stale.into_iter().map(|(id, _)| id).collect()
    }),
    row(
        "backward-reads",
        "reads that returned something older than the same client had read before",
        |run| count(run.sessions.backward.len() as u64),
    )
    .proven_by(|run| run.sessions.backward.clone()),
    row("blind-reads", "reads that returned something older than the same client had written", |run| {
        count(run.sessions.blind.len() as u64)
    })
    .proven_by(|run| run.sessions.blind.clone()),
    row(
        "torn-transactions",
        "times that half of a transaction or script was seen, or is left at the end",
        |run| count(run.torn.count()),
    )
    .proven_by(|run| run.torn.seen.clone()),
    row("deliveries", "elements of queues and entries of streams that somebody was given", |run| {
        count(run.deliveries.delivered)
    }),
    row("repeated-deliveries", "elements that were popped more often than they were put", |run| {
        count(run.deliveries.repeated.len() as u64)
    })
    .proven_by(|run| run.deliveries.repeated.clone()),
    row("repeated-claims", "claims of what had been given to a client before", |run| {
        count(run.deliveries.claimed_again)
    }),
    row(
        "missing-deliveries",
        "acknowledged elements that nobody was given and that do not wait, either",
        |run| {
            let deliveries = run.evidence.survivors.as_ref().map(|_| &run.deliveries);
            deliveries.map_or(Amount::Never, |deliveries| count(deliveries.missing.len() as u64))
        },
    )
    .proven_by(|run| run.deliveries.missing.clone()),
    row("heard-messages", "messages of channels that listeners heard", |run| count(run.channels.heard)),
    row("repeated-messages", "messages that a listener heard twice over one connection", |run| {
        count(run.channels.repeated.len() as u64)
    })
    .proven_by(|run| run.channels.repeated.clone()),
    row("reordered-messages", "messages heard after one that was published later at the same node", |run| {
        count(run.channels.reordered.len() as u64)
    })
    .proven_by(|run| run.channels.reordered.clone()),
    row("missed-messages", "messages that somebody did not hear who was subscribed all the while", |run| {
        count(run.channels.missed.len() as u64)
    })
    .proven_by(|run| run.channels.missed.clone()),
    row("longest-deafness", "how long a listener was without a subscription, between two of them", |run| {
        Amount::Time(run.channels.longest_deafness)
    }),
    row("shared-locks", "times that a client took a lock while another held it", |run| {
        count(run.shared_locks.len() as u64)
    }),
    row("longest-shared-lock", "how long two clients held one lock at once", |run| {
        Amount::Time(run.shared_locks.iter().map(|shared| shared.length).max().unwrap_or_default())
    }),
    row("violated-keys", "registers and counters whose history is not linearizable", |run| {
        run.keys(|verdict| matches!(verdict, Verdict::Violated { .. }))
    })
    .proven_by(|run| run.verdicts().values().filter_map(stuck).collect()),
    row("undecided-keys", "registers and counters whose history took too long to judge", |run| {
        run.keys(|verdict| matches!(verdict, Verdict::Undecided { .. }))
    }),
    row("longest-outage", "the longest time that a client went without an acknowledged operation", |run| {
        time_or_never(run.outage.as_ref().map(Outage::length))
    })
    .proven_by(|run| {
        let Some(outage) = &run.outage else { return Vec::new() };
        let during = |operation: &&Operation| {
            operation.client == outage.client
                && operation.invoked >= outage.from
                && operation.invoked < outage.to
        };
        run.evidence.history.iter().filter(during).map(|operation| operation.id).collect()
    }),
    row("failover", "from the first fault to the first write that a promoted node acknowledged", |run| {
        time_or_never(failover(run.evidence))
    }),
    row("recovery", "from the end of all faults until all nodes agree and a write is acknowledged", |run| {
        time_or_never(run.evidence.recovered.map(|at| at.since(run.evidence.healed)))
    }),
    row("promotions", "replicas that became primaries", |run| count(run.changes.promotions)),
    row("restarts", "processes that were started again", |run| count(run.evidence.restarts)),
    row("full-resyncs", "full resynchronisations, beside the first ones", |run| count(run.changes.full)),
    row("partial-resyncs", "partial resynchronisations that were granted", |run| count(run.changes.partial)),
    row("refused-partial-resyncs", "partial resynchronisations that were refused", |run| {
        count(run.changes.refused)
    }),
    row("interrupted-full-resyncs", "snapshots whose receiver ended before it had them", |run| {
        count(run.changes.interrupted)
    }),
    row("peak-lag", "the longest time that a replica was behind its primary", |run| {
        Amount::Time(run.lags().map(|point| point.time).max().unwrap_or_default())
    }),
    row("peak-lag-bytes", "the most bytes that a replica was behind its primary", |run| {
        Amount::Bytes(run.lags().map(|point| point.bytes).max().unwrap_or_default())
    }),
    row("impossible-offsets", "offsets that went back, or replicas ahead of their primary", |run| {
        count(run.impossible.len() as u64)
    }),
    row("peak-dataset", "the most that a node's dataset took", |run| Amount::Bytes(run.memory.peak_dataset)),
    row("peak-backlog", "the longest stretch of its stream that a node had on offer", |run| {
        Amount::Bytes(run.memory.peak_backlog)
    }),
    row("peak-buffers", "the most that a node kept for its replicas and clients", |run| {
        Amount::Bytes(run.memory.peak_buffers)
    }),
    row("peak-bus-link", "the most that waited at once for one peer of the cluster's bus", |run| {
        Amount::Bytes(run.memory.peak_bus_link)
    }),
    row("overgrown-memory", "times that a node held more than its configuration allows", |run| {
        count(run.memory.overgrown.len() as u64)
    }),
    row("votes", "votes of primaries for replicas, in a cluster", |run| count(run.polity.votes)),
    row("epoch", "the epoch of the cluster at rest", |run| {
        run.polity.at_rest.as_ref().map_or(Amount::Never, |rest| count(rest.epoch))
    }),
    row("moved-slots", "slots that are another shard's than at the beginning", |run| {
        count(run.polity.moved_slots)
    }),
    row("owner-conflicts", "pairs of nodes that name different owners of a slot, at rest", |run| {
        count(run.polity.owner_conflicts.len() as u64)
    }),
    row("epoch-conflicts", "pairs of nodes that claimed a slot under one configuration epoch", |run| {
        count(run.polity.epoch_conflicts.len() as u64)
    }),
    row("double-votes", "voters that voted for two candidates in one epoch", |run| {
        count(run.polity.double_votes.len() as u64)
    }),
    row("cycles", "nodes that saw replicas follow each other, or replicas of replicas at rest", |run| {
        count(run.polity.cycles.len() as u64)
    }),
    row("strangers", "members of the cluster at rest that were none at the beginning", |run| {
        count(run.polity.strangers)
    }),
    row("members", "nodes of the cluster at rest", |run| count(run.polity.members)),
    row("idle-primaries", "primaries without slots at rest", |run| count(run.polity.idle_primaries)),
    row("stray-keys", "keys at a primary, at rest, in slots that are another's", |run| {
        count(run.evidence.stray_keys)
    }),
    row("diverging-nodes", "pairs of nodes with different data at one point of one history", |run| {
        count(run.diverging.len() as u64)
    }),
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
    proofs: BTreeMap<&'static str, Vec<OpId>>,
    /// When the first and the last lost write were acknowledged, since the beginning.
    pub(crate) lost_between: Option<(Nanos, Nanos)>,
    pub(crate) outage: Option<Outage>,
    pub(crate) lag: BTreeMap<String, Vec<LagPoint>>,
    pub(crate) diverging: Vec<Divergence>,
    pub(crate) impossible: Vec<ImpossibleOffset>,
    pub(crate) polity: Polity,
    pub(crate) begin: Mono,
}

/// A run with what the checkers say about it.
struct Judged<'a> {
    evidence: &'a Evidence,
    losses: LostWrites,
    reads: StaleReads,
    /// The search for an order takes long: it is only made where somebody wants to know.
    verdicts: OnceCell<BTreeMap<String, Verdict>>,
    sessions: SessionReads,
    shared_locks: Vec<SharedHold>,
    torn: Torn,
    deliveries: Deliveries,
    channels: Channels,
    outage: Option<Outage>,
    lag: BTreeMap<String, Vec<LagPoint>>,
    changes: Changes,
    impossible: Vec<ImpossibleOffset>,
    memory: Memory,
    diverging: Vec<Divergence>,
    polity: Polity,
}

/// The longest time that a client went without an acknowledged operation.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Outage {
    pub(crate) client: String,
    pub(crate) from: Mono,
    pub(crate) to: Mono,
}

impl Measures {
    /// Those that are wanted.
    pub(crate) fn of(evidence: &Evidence, is_wanted: impl Fn(&str) -> bool) -> Measures {
        let run = Judged::of(evidence);
        let wanted = || MEASURES.iter().filter(|measure| is_wanted(measure.name));
        let amounts = wanted().map(|measure| (measure.name, (measure.of)(&run))).collect();
        let proofs = wanted().map(|measure| (measure.name, (measure.proof)(&run))).collect();
        let since = |at: Mono| at.since(evidence.begin);
        let lost_between = run.losses.window.map(|(first, last)| (since(first), since(last)));
        let Judged { outage, lag, diverging, impossible, polity, .. } = run;
        let begin = evidence.begin;
        Measures { amounts, proofs, lost_between, outage, lag, diverging, impossible, polity, begin }
    }

    /// The amount of a row; what nobody wanted to know was never seen.
    pub fn get(&self, name: &str) -> Amount {
        self.amounts.get(name).copied().unwrap_or(Amount::Never)
    }

    /// The operations that show why a row's amount is what it is.
    pub fn proof(&self, name: &str) -> &[OpId] {
        self.proofs.get(name).map(Vec::as_slice).unwrap_or_default()
    }

    /// In the order of the table.
    pub fn all(&self) -> impl Iterator<Item = (&'static str, Amount)> + '_ {
        MEASURES.iter().map(|measure| (measure.name, self.get(measure.name)))
    }
}

impl Judged<'_> {
    fn of(evidence: &Evidence) -> Judged<'_> {
        let history = &evidence.history;
        let survivors = evidence.survivors.clone().unwrap_or_default();
        Judged {
            losses: lost_writes(history, &survivors),
            reads: stale_reads(history),
            verdicts: OnceCell::new(),
            sessions: session_reads(history),
            shared_locks: shared_holds(&evidence.holds),
            torn: torn(history, &survivors),
            deliveries: deliveries(history, &survivors),
            channels: channels(history, &evidence.heard, &evidence.subscriptions),
            outage: longest_outage(history, evidence.begin, evidence.stopped),
            lag: lag_over_time(&evidence.samples, evidence.begin),
            changes: Changes::among(&evidence.samples, evidence.begin),
            impossible: impossible_offsets(&positions(&evidence.samples)),
            memory: memory(&evidence.memory),
            diverging: diverging(&[&evidence.digests[..], &evidence.at_rest].concat()),
            polity: Polity::of(evidence),
            evidence,
        }
    }

    fn verdicts(&self) -> &BTreeMap<String, Verdict> {
        self.verdicts.get_or_init(|| linearizable_keys(&self.evidence.history))
    }

    fn operations(&self, which: fn(&Operation) -> bool) -> Amount {
        count(self.evidence.history.iter().filter(|operation| which(operation)).count() as u64)
    }

    fn ids(&self, which: fn(&Operation) -> bool) -> Vec<OpId> {
        self.evidence
            .history
            .iter()
            .filter(|operation| which(operation))
            .map(|operation| operation.id)
            .collect()
    }

    fn keys(&self, which: fn(&Verdict) -> bool) -> Amount {
        count(self.verdicts().values().filter(|verdict| which(verdict)).count() as u64)
    }

    fn lags(&self) -> impl Iterator<Item = &LagPoint> {
        self.lag.values().flatten()
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
            // A process that was started anew counts from nothing, however much it had counted before one looked.
            let anew = before.start != sample.start;
            let gained = |was, is| if anew { is } else { gained(was, is) };
            changes.full += gained(was.full_syncs, is.full_syncs);
            changes.partial += gained(was.partial_syncs, is.partial_syncs);
            changes.refused += gained(was.refused_partial_syncs, is.refused_partial_syncs);
            // Who was receiving a snapshot, and now is another process or neither receives nor has it, lost it.
            let lost = anew || !is.syncing && !is.link_up;
            changes.interrupted += u64::from(was.syncing && lost);
        }
        changes
    }
}

/// How much a counter grew; one that fell began anew with its process.
fn gained(was: u64, is: u64) -> u64 {
    if is >= was { is - was } else { is }
}

/// Where nodes stood; before its first replica came a node counts nothing.
fn positions(samples: &[Sample]) -> Vec<Position> {
    let mut positions: Vec<Position> = samples
        .iter()
        .map(|Sample { at, answered, node, start, state }| Position {
            at: *at,
            answered: *answered,
            node: node.clone(),
            start: *start,
            is_primary: state.is_primary,
            replid: state.replid.clone(),
            offset: state.offset,
        })
        .collect();
    positions.sort_by_key(|position| position.at);
    positions
}

fn stuck(verdict: &Verdict) -> Option<OpId> {
    match verdict {
        Verdict::Violated { stuck } => Some(*stuck),
        _ => None,
    }
}

fn count(number: u64) -> Amount {
    Amount::Count(number)
}

fn time_or_never(time: Option<Nanos>) -> Amount {
    time.map_or(Amount::Never, Amount::Time)
}

fn failover(evidence: &Evidence) -> Option<Nanos> {
    let fault = evidence.first_fault?;
    let ordered = evidence.orders.iter().find_map(|order| Some((order.at, order.promoted.clone()?)));
    let (after, node) = ordered.or_else(|| first_elected(evidence, fault))?;
    let served = evidence
        .history
        .iter()
        .filter(|operation| operation.node == node && operation.is_write() && operation.is_acknowledged());
    let first = served.filter_map(|operation| operation.completed).filter(|at| *at >= after).min()?;
    Some(first.since(fault))
}

/// The first replica that was seen to be a primary since the fault. It was one before it was seen.
fn first_elected(evidence: &Evidence, fault: Mono) -> Option<(Mono, String)> {
    let mut replicas: BTreeSet<&str> = BTreeSet::new();
    for sample in evidence.samples.iter().filter(|sample| sample.state.view.is_some()) {
        match sample.state.is_primary {
            false => drop(replicas.insert(&sample.node)),
            true if sample.at > fault && replicas.contains(sample.node.as_str()) => {
                return Some((fault, sample.node.clone()));
            }
            true => drop(replicas.remove(sample.node.as_str())),
        }
    }
    None
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
