//! CLUSTER SLOT-STATS: what each slot holds and costs. Keys are always counted; time and traffic only where
//! `cluster-slot-stats-enabled` says so. Follows the documentation of Valkey 8 and Redis 8.2.

use squall_clock::Nanos;
use squall_resp::Args;
use squall_store::{SLOT_COUNT, Slot, parse_i64};

use super::{DISABLED, SlotOwner, parse_slot};
use crate::{CommandError, CommandResult, Context, Engine};

/// What the requests for each slot have cost since they were counted.
#[derive(Default)]
pub struct SlotStats {
    /// Empty as long as nothing was counted.
    usages: Vec<Usage>,
}

#[derive(Clone, Copy, Default, Debug)]
struct Usage {
    cpu: Nanos,
    bytes_in: u64,
    bytes_out: u64,
}

/// What a request cost.
#[derive(Clone, Copy, Default, Debug)]
pub(crate) struct Cost {
    pub cpu: Nanos,
    pub bytes_in: u64,
    pub bytes_out: u64,
}

impl SlotStats {
    pub(crate) fn charge(&mut self, slot: Slot, cost: Cost) {
        if self.usages.is_empty() {
            self.usages = vec![Usage::default(); SLOT_COUNT];
        }
        let usage = &mut self.usages[slot.index()];
        usage.cpu = Nanos(usage.cpu.0 + cost.cpu.0);
        usage.bytes_in += cost.bytes_in;
        usage.bytes_out += cost.bytes_out;
    }

    /// The slot has gone to another shard, or nothing is counted any more.
    pub fn forget(&mut self, slot: Slot) {
        if let Some(usage) = self.usages.get_mut(slot.index()) {
            *usage = Usage::default();
        }
    }

    pub fn forget_all(&mut self) {
        self.usages = Vec::new();
    }

    fn of(&self, slot: Slot) -> Usage {
        self.usages.get(slot.index()).copied().unwrap_or_default()
    }
}

/// How many bytes a request is on the wire.
pub(crate) fn request_bytes(args: Args<'_>) -> u64 {
    let head = |number: usize| 3 + number.max(1).ilog10() as u64 + 1;
    args.iter().map(|arg| head(arg.len()) + arg.len() as u64 + 2).sum::<u64>() + head(args.len())
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Metric {
    Keys,
    Cpu,
    BytesIn,
    BytesOut,
}

const METRICS: [(&str, Metric); 4] = [
    ("key-count", Metric::Keys),
    ("cpu-usec", Metric::Cpu),
    ("network-bytes-in", Metric::BytesIn),
    ("network-bytes-out", Metric::BytesOut),
];

struct Order {
    metric: Metric,
    limit: usize,
    ascending: bool,
}

pub(super) fn slot_stats(context: &mut Context<'_>) -> CommandResult {
    if !context.engine.config.cluster_enabled {
        return Err(DISABLED);
    }
    let engine = &*context.engine;
    let slots = match context.arg(2).to_ascii_lowercase().as_slice() {
        b"slotsrange" if context.args.len() == 5 => {
            let (first, last) = (parse_slot(context.arg(3))?, parse_slot(context.arg(4))?);
            if first > last {
                return Err(CommandError::line(format!(
                    "ERR Start slot number {} is greater than end slot number {}",
                    first.number(),
                    last.number()
                )));
            }
            let is_within = |slot: &Slot| *slot >= first && *slot <= last;
            engine.slots_of_shard().filter(is_within).collect()
        }
        b"orderby" => {
            let order = Order::parse(context.args.skip(3), engine.config.cluster_slot_stats_enabled)?;
            engine.slots_in_order(&order)
        }
        _ => return Err(CommandError::Syntax),
    };
    write(context, &slots);
    Ok(())
}

fn write(context: &mut Context<'_>, slots: &[Slot]) {
    let engine = &*context.engine;
    let shown = if engine.config.cluster_slot_stats_enabled { &METRICS[..] } else { &METRICS[..1] };
    let reply = &mut context.reply;
    reply.array(slots.len());
    for slot in slots {
        reply.array(2);
        reply.integer(i64::from(slot.number()));
        reply.map(shown.len());
        for (name, metric) in shown {
            reply.bulk_str(name);
            reply.integer(engine.slot_metric(*slot, *metric) as i64);
        }
    }
}

impl Order {
    /// `metric [LIMIT limit] [ASC|DESC]`
    fn parse(words: Args<'_>, all_counted: bool) -> Result<Order, CommandError> {
        let name = words.get(0).ok_or(CommandError::Syntax)?.to_ascii_lowercase();
        let metric = METRICS.iter().find(|(known, _)| known.as_bytes() == name).map(|(_, metric)| *metric);
        let metric = metric.filter(|metric| all_counted || *metric == Metric::Keys);
        let metric = metric.ok_or(CommandError::line("ERR Unrecognized sort metric for ORDERBY."))?;
        let mut order = Order { metric, limit: SLOT_COUNT, ascending: false };
        let mut rest = words.iter().skip(1);
        let (mut limited, mut directed) = (false, false);
        while let Some(word) = rest.next() {
            match word.to_ascii_lowercase().as_slice() {
                b"limit" if !limited => {
                    limited = true;
                    let limit = parse_i64(rest.next().ok_or(CommandError::Syntax)?);
                    let limit = limit.and_then(|limit| usize::try_from(limit).ok());
                    let limit = limit.filter(|limit| (1..=SLOT_COUNT).contains(limit));
                    order.limit = limit.ok_or(CommandError::line(
                        "ERR Limit has to lie in between 1 and 16384 (maximum number of slots).",
                    ))?;
                }
                b"asc" if !directed => (directed, order.ascending) = (true, true),
                b"desc" if !directed => directed = true,
                _ => return Err(CommandError::Syntax),
            }
        }
        Ok(order)
    }
}

impl Engine {
    /// The slots that this node or its primary serves.
    fn slots_of_shard(&self) -> impl Iterator<Item = Slot> + '_ {
        let routing = self.routing.as_deref();
        (0..SLOT_COUNT as u64).filter_map(Slot::checked).filter(move |slot| {
            routing.is_some_and(|routing| match routing.owner(*slot) {
                SlotOwner::Me => true,
                SlotOwner::Other(number) => routing.my_primary == Some(number),
                SlotOwner::Nobody => false,
            })
        })
    }

    fn slots_in_order(&self, order: &Order) -> Vec<Slot> {
        let mut slots: Vec<(u64, Slot)> =
            self.slots_of_shard().map(|slot| (self.slot_metric(slot, order.metric), slot)).collect();
        // Of equals the lower slot comes first, whichever way.
        slots.sort_by(|(one, first), (other, second)| {
            let by_metric = if order.ascending { one.cmp(other) } else { other.cmp(one) };
            by_metric.then(first.cmp(second))
        });
        slots.into_iter().take(order.limit).map(|(_, slot)| slot).collect()
    }

    fn slot_metric(&self, slot: Slot, metric: Metric) -> u64 {
        let usage = self.slot_stats.of(slot);
        match metric {
            Metric::Keys => self.keys_in_slot(slot) as u64,
            Metric::Cpu => usage.cpu.as_micros(),
            Metric::BytesIn => usage.bytes_in,
            Metric::BytesOut => usage.bytes_out,
        }
    }
}

#[cfg(test)]
mod tests {
    use squall_resp::OwnedArgs;

    use super::*;

    #[test]
    fn a_request_is_as_long_as_it_is_on_the_wire() {
        let long = vec![b'x'; 1_000];
        for words in [vec![&b"GET"[..], b"k"], vec![b"SET", b"key", &long], vec![b"PING"], vec![b"GET", b""]]
        {
            let mut encoded = bytes::BytesMut::new();
            squall_resp::encode_command(&mut encoded, words.iter().copied());
            assert_eq!(request_bytes(OwnedArgs::from_slices(&words).as_args()), encoded.len() as u64);
        }
    }
}
