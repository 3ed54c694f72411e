//! Unions, intersections and differences of sorted sets, with weights: the commands that reply with them, those
//! that store them, and ZINTERCARD. Sets take part as sorted sets whose members all have the score one.

use squall_resp::Args;
use squall_store::packed::Item;
use squall_store::{Kind, Limits, Value, ZSet, parse_i64};

use super::{reply_members, store};
use crate::float::parse_float;
use crate::{CommandError, CommandResult, Context};

/// The score of each member of a set.
const SCORE_IN_SET: f64 = 1.0;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Operation {
    Union,
    Intersection,
    Difference,
}

/// How the scores that a member has in several sets become one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Aggregate {
    Sum,
    Min,
    Max,
}

/// One of the sets that are combined; a frozen copy.
#[derive(Clone)]
struct Source {
    members: Option<Value>,
    weight: f64,
}

/// What stands behind the keys.
#[derive(Clone, Copy)]
struct Options {
    aggregate: Aggregate,
    with_scores: bool,
    /// Counting stops there; zero: never.
    limit: usize,
}

/// What the words behind the keys may be.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Purpose {
    Reply,
    Store,
    Count,
}

pub(super) fn zunion(context: &mut Context<'_>) -> CommandResult {
    reply_combined(context, Operation::Union)
}

pub(super) fn zinter(context: &mut Context<'_>) -> CommandResult {
    reply_combined(context, Operation::Intersection)
}

pub(super) fn zdiff(context: &mut Context<'_>) -> CommandResult {
    reply_combined(context, Operation::Difference)
}

pub(super) fn zunionstore(context: &mut Context<'_>) -> CommandResult {
    store_combined(context, Operation::Union, "zunionstore")
}

pub(super) fn zinterstore(context: &mut Context<'_>) -> CommandResult {
    store_combined(context, Operation::Intersection, "zinterstore")
}

pub(super) fn zdiffstore(context: &mut Context<'_>) -> CommandResult {
    store_combined(context, Operation::Difference, "zdiffstore")
}

pub(super) fn zintercard(context: &mut Context<'_>) -> CommandResult {
    let (mut sources, options) = read_sources(context, 1, Operation::Intersection, Purpose::Count)?;
    sources.sort_by_key(Source::len);
    let mut count = 0;
    let (first, others) = sources.split_first().expect("at least one key");
    for (member, _) in first.iter() {
        let mut digits = itoa::Buffer::new();
        let member = member.as_bytes(&mut digits);
        if others.iter().all(|other| other.score(member).is_some()) {
            count += 1;
            if count == options.limit {
                break;
            }
        }
    }
    context.reply.integer(count as i64);
    Ok(())
}

fn reply_combined(context: &mut Context<'_>, operation: Operation) -> CommandResult {
    let (sources, options) = read_sources(context, 1, operation, Purpose::Reply)?;
    let result = operation.combine(sources, options.aggregate, context.engine.keyspace.limits());
    reply_members(&mut context.reply, result.iter(), options.with_scores);
    Ok(())
}

fn store_combined(context: &mut Context<'_>, operation: Operation, event: &str) -> CommandResult {
    let (sources, options) = read_sources(context, 2, operation, Purpose::Store)?;
    let result = operation.combine(sources, options.aggregate, context.engine.keyspace.limits());
    store(context, context.arg(1), result, event)
}

/// Reads `numkeys key [key ...]` from word `first` on, and the options behind.
fn read_sources(
    context: &mut Context<'_>,
    first: usize,
    operation: Operation,
    purpose: Purpose,
) -> Result<(Vec<Source>, Options), CommandError> {
    let count = context.integer(first)?;
    if count < 1 {
        let name = String::from_utf8_lossy(context.arg(0)).to_lowercase();
        let line = format!("ERR at least 1 input key is needed for '{name}' command");
        return Err(CommandError::line(line));
    }
    let words = context.args.skip(first + 1);
    let count =
        usize::try_from(count).ok().filter(|count| *count <= words.len()).ok_or(CommandError::Syntax)?;
    let mut sources = Vec::with_capacity(count);
    for key in words.first(count) {
        let members = match context.engine.lookup_read(context.session.db, key) {
            None => None,
            Some(entry) if matches!(entry.kind(), Kind::ZSet | Kind::Set) => Some(entry.duplicate_value()),
            Some(_) => return Err(CommandError::WrongType),
        };
        sources.push(Source { members, weight: 1.0 });
    }
    let options = Options::parse(words.skip(count), operation, purpose, &mut sources)?;
    Ok((sources, options))
}

impl Options {
    fn parse(
        args: Args<'_>,
        operation: Operation,
        purpose: Purpose,
        sources: &mut [Source],
    ) -> Result<Options, CommandError> {
        let mut options = Options { aggregate: Aggregate::Sum, with_scores: false, limit: 0 };
        let is_weighted = operation != Operation::Difference && purpose != Purpose::Count;
        let mut index = 0;
        while index < args.len() {
            let left = args.len() - index - 1;
            let is = |name: &[u8]| args.at(index).eq_ignore_ascii_case(name);
            if is_weighted && is(b"WEIGHTS") && left >= sources.len() {
                for source in &mut *sources {
                    index += 1;
                    let weight = parse_float(args.at(index));
                    source.weight = weight.ok_or(CommandError::line("ERR weight value is not a float"))?;
                }
            } else if is_weighted && is(b"AGGREGATE") && left >= 1 {
                index += 1;
                options.aggregate = Aggregate::parse(args.at(index))?;
            } else if purpose == Purpose::Reply && is(b"WITHSCORES") {
                options.with_scores = true;
            } else if purpose == Purpose::Count && is(b"LIMIT") && left >= 1 {
                index += 1;
                let limit = parse_i64(args.at(index)).and_then(|limit| usize::try_from(limit).ok());
                options.limit = limit.ok_or(CommandError::line("ERR LIMIT can't be negative"))?;
            } else {
                return Err(CommandError::Syntax);
            }
            index += 1;
        }
        Ok(options)
    }
}

impl Operation {
    fn combine(self, mut sources: Vec<Source>, aggregate: Aggregate, limits: &Limits) -> ZSet {
        let mut result = ZSet::default();
        let mut digits = itoa::Buffer::new();
        if self != Operation::Difference {
            // Sums of doubles depend on the order: it is that of Redis, the smallest set first.
            sources.sort_by_key(Source::len);
        }
        match self {
            Operation::Union => {
                for source in &sources {
                    for (member, score) in source.iter() {
                        let member = member.as_bytes(&mut digits);
                        let score = source.weigh(score);
                        let joint = result.score(member).map(|other| aggregate.join(other, score));
                        result.insert(member, joint.unwrap_or(score), limits);
                    }
                }
            }
            Operation::Intersection => {
                let (first, others) = sources.split_first().expect("at least one key");
                for (member, score) in first.iter() {
                    let member = member.as_bytes(&mut digits);
                    let joint = others.iter().try_fold(first.weigh(score), |joint, other| {
                        // The product is joined as it is: not a number, it makes the sum zero.
                        Some(aggregate.join(joint, other.score(member)? * other.weight))
                    });
                    if let Some(score) = joint {
                        result.insert(member, score, limits);
                    }
                }
            }
            Operation::Difference => {
                let (first, others) = sources.split_first().expect("at least one key");
                for (member, score) in first.iter() {
                    let member = member.as_bytes(&mut digits);
                    if others.iter().all(|other| other.score(member).is_none()) {
                        result.insert(member, score, limits);
                    }
                }
            }
        }
        result
    }
}

impl Aggregate {
    fn parse(word: &[u8]) -> Result<Aggregate, CommandError> {
        match word.to_ascii_uppercase().as_slice() {
            b"SUM" => Ok(Aggregate::Sum),
            b"MIN" => Ok(Aggregate::Min),
            b"MAX" => Ok(Aggregate::Max),
            _ => Err(CommandError::Syntax),
        }
    }

    /// Infinities of both signs make zero together.
    fn join(self, one: f64, other: f64) -> f64 {
        match self {
            Aggregate::Sum => number_or_zero(one + other),
            Aggregate::Min => {
                if other < one {
                    other
                } else {
                    one
                }
            }
            Aggregate::Max => {
                if other > one {
                    other
                } else {
                    one
                }
            }
        }
    }
}

impl Source {
    fn len(&self) -> usize {
        match &self.members {
            Some(Value::ZSet(zset)) => zset.len(),
            Some(Value::Set(set)) => set.len(),
            _ => 0,
        }
    }

    fn score(&self, member: &[u8]) -> Option<f64> {
        match &self.members {
            Some(Value::ZSet(zset)) => zset.score(member),
            Some(Value::Set(set)) => set.contains(member).then_some(SCORE_IN_SET),
            _ => None,
        }
    }

    fn iter(&self) -> impl Iterator<Item = (Item<'_>, f64)> {
        let (zset, set) = match &self.members {
            Some(Value::ZSet(zset)) => (Some(zset), None),
            Some(Value::Set(set)) => (None, Some(set)),
            _ => (None, None),
        };
        let in_set = set.into_iter().flat_map(|set| set.iter()).map(|member| (member, SCORE_IN_SET));
        zset.into_iter().flat_map(ZSet::iter).chain(in_set)
    }

    fn weigh(&self, score: f64) -> f64 {
        number_or_zero(self.weight * score)
    }
}

fn number_or_zero(number: f64) -> f64 {
    if number.is_nan() { 0.0 } else { number }
}
