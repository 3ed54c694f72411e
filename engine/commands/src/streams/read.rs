//! Reading what is new: XREAD, and XREADGROUP, which gives each entry to one consumer of a group. Both can wait.

use squall_clock::Mono;
use squall_resp::{Args, OwnedArgs, Reply};
use squall_store::stream::{Pending, Stream, StreamId};
use squall_store::{Kind, parse_i64};

use super::claim::seen;
use super::{ids, no_group, reply_entry, reply_id};
use crate::blocking::Wish;
use crate::config::EventClass;
use crate::{CommandError, CommandResult, Context, Engine};

const AFTER_THE_LAST: &[u8] = b"$";
const FROM_THE_LAST: &[u8] = b"+";
const NEVER_DELIVERED: &[u8] = b">";
const NO_GROUP_TAIL: &str = " in XREADGROUP with GROUP option";

/// What a request asks for.
struct Question<'a> {
    group: Option<GroupReader<'a>>,
    count: usize,
    /// Outer: whether to wait; inner: until when.
    block: Option<Option<Mono>>,
    /// The words that are keys, and as many that are ids.
    keys: Args<'a>,
    ids: Args<'a>,
    ids_at: usize,
}

#[derive(Clone, Copy)]
struct GroupReader<'a> {
    name: &'a [u8],
    consumer: &'a [u8],
    /// NOACK: what is delivered is not kept as pending.
    keeps_no_record: bool,
}

/// From where on a stream is read.
#[derive(Clone, Copy)]
enum Position {
    /// Entries behind this one.
    After(StreamId),
    /// What the group has not delivered.
    New,
    /// What the consumer was given and has not acknowledged, behind this one.
    Own(StreamId),
}

pub(super) fn xread(context: &mut Context<'_>) -> CommandResult {
    let question = Question::parse(context, false)?;
    let mut positions = Vec::with_capacity(question.keys.len());
    for (key, id) in question.keys.iter().zip(question.ids.iter()) {
        positions.push(resolve(context, key, id)?);
    }
    let mark = open(context);
    let mut streams = 0;
    for (key, position) in question.keys.iter().zip(&positions) {
        let Position::After(id) = *position else { unreachable!("XREAD reads after ids") };
        let Some(from) = id.next() else { continue };
        let Some(stream) = context.engine.read::<Stream>(context.session.db, key)? else { continue };
        if stream.last_id < from {
            continue;
        }
        let mut entries = stream.range(from, StreamId::MAX).take(question.count).peekable();
        if entries.peek().is_some() {
            begin_stream(&mut context.reply, key);
            let entries_mark = context.reply.deferred_array();
            let mut written = 0;
            for entry in entries {
                reply_entry(&mut context.reply, &entry);
                written += 1;
            }
            context.reply.set_length(entries_mark, written);
            streams += 1;
        }
    }
    if streams > 0 {
        context.reply.set_length(mark, streams);
        return Ok(());
    }
    // The last entries of now are those of when the waiting began, whenever it ends.
    let request = with_ids(context.args, question.ids_at, &positions);
    wait(context, &question, request);
    Ok(())
}

pub(super) fn xreadgroup(context: &mut Context<'_>) -> CommandResult {
    let question = Question::parse(context, true)?;
    let reader = question.group.expect("XREADGROUP has a group");
    let mut positions = Vec::with_capacity(question.keys.len());
    for (key, id) in question.keys.iter().zip(question.ids.iter()) {
        positions.push(resolve_for_group(context, key, id, reader.name)?);
    }
    let mark = open(context);
    let mut streams = 0;
    for (key, position) in question.keys.iter().zip(positions) {
        let created = meet(context, key, reader);
        let delivered = match position {
            Position::New => deliver(context, key, reader, question.count),
            Position::Own(id) => {
                retell(context, key, reader, id, question.count);
                true
            }
            Position::After(_) => unreachable!("a group has its own position"),
        };
        streams += usize::from(delivered);
        // A replica makes the consumer by itself when it is told what the consumer has been given.
        let is_implied = delivered && matches!(position, Position::New) && !reader.keeps_no_record;
        if created && !is_implied {
            let words: [&[u8]; 5] = [b"XGROUP", b"CREATECONSUMER", key, reader.name, reader.consumer];
            context.engine.propagation.also(context.session.db, &words);
        }
    }
    context.engine.propagation.suppress();
    if streams > 0 {
        context.reply.set_length(mark, streams);
        return Ok(());
    }
    wait(context, &question, OwnedArgs::from_args(context.args));
    Ok(())
}

/// Nothing was there: waits for it where that is wanted and may be. A group is gone with its key.
fn wait(context: &mut Context<'_>, question: &Question<'_>, request: OwnedArgs) {
    let needs_key = question.group.is_some();
    let waits = question.block.is_some_and(|deadline| {
        context.wait_for(question.keys.iter(), Wish { kind: Kind::Stream, needs_key, deadline }, request)
    });
    if !waits {
        context.reply.null_array();
    }
}

/// The reply: for each stream that has something, its key and its entries.
fn open(context: &mut Context<'_>) -> squall_resp::DeferredLength {
    match context.reply.is_resp3() {
        true => context.reply.deferred_map(),
        false => context.reply.deferred_array(),
    }
}

fn begin_stream(reply: &mut Reply<'_>, key: &[u8]) {
    if !reply.is_resp3() {
        reply.array(2);
    }
    reply.bulk(key);
}

/// The consumer has asked: it exists from now on. True where it did not before.
fn meet(context: &mut Context<'_>, key: &[u8], reader: GroupReader<'_>) -> bool {
    let (db, now_ms) = (context.session.db, context.now_ms());
    let created = edit(context.engine, db, key, |stream| {
        stream.edit_group(reader.name, |group| seen(group, reader.consumer, now_ms).1)
    });
    let created = created.expect("the group was looked up");
    if created {
        context.engine.dirty += 1;
        context.engine.notify(EventClass::Stream, "xgroup-createconsumer", db, key);
    }
    created
}

/// Gives the consumer what the group has not delivered yet; false where that is nothing.
fn deliver(context: &mut Context<'_>, key: &[u8], reader: GroupReader<'_>, count: usize) -> bool {
    let (db, now_ms) = (context.session.db, context.now_ms());
    let stream = stream_of(context.engine, db, key);
    let group = stream.group(reader.name).expect("the group was looked up");
    let consumer = group.consumer_id(reader.consumer).expect("the consumer was just met");
    let from = group.last_id.next().filter(|from| *from <= stream.last_id);
    let mut entries =
        from.into_iter().flat_map(|from| stream.range(from, StreamId::MAX)).take(count).peekable();
    if entries.peek().is_none() {
        return false;
    }
    begin_stream(&mut context.reply, key);
    let mark = context.reply.deferred_array();
    let mut delivered = Vec::new();
    for entry in entries {
        reply_entry(&mut context.reply, &entry);
        delivered.push(entry.id);
    }
    context.reply.set_length(mark, delivered.len());
    let pending = Pending { consumer, delivered_ms: now_ms, deliveries: 1 };
    let record = (!reader.keeps_no_record).then_some(pending);
    let progress = edit(context.engine, db, key, |stream| {
        delivered.iter().for_each(|id| stream.deliver(reader.name, *id, record));
        stream.edit_group(reader.name, |group| {
            group.consumer_mut(consumer).active_ms = Some(now_ms);
            (group.last_id, group.entries_read)
        })
    });
    let (last_id, entries_read) = progress.expect("the group was looked up");
    let engine = &mut *context.engine;
    engine.dirty += 1;
    let last_id = last_id.to_string();
    if record.is_some() {
        for id in delivered {
            engine.propagate_claim(key, reader.name, reader.consumer, id, &pending, &id.to_string());
        }
    }
    let read = entries_read.map_or(-1, |read| read as i64).to_string();
    let words: [&[u8]; 7] =
        [b"XGROUP", b"SETID", key, reader.name, last_id.as_bytes(), b"ENTRIESREAD", read.as_bytes()];
    engine.propagation.also(db, &words);
    true
}

/// Tells the consumer again what it has not acknowledged. Entries that are no longer there are null.
fn retell(context: &mut Context<'_>, key: &[u8], reader: GroupReader<'_>, after: StreamId, count: usize) {
    let (db, now_ms) = (context.session.db, context.now_ms());
    begin_stream(&mut context.reply, key);
    context.engine.dirty += 1;
    let stream = stream_of(context.engine, db, key);
    let group = stream.group(reader.name).expect("the group was looked up");
    let consumer = group.consumer_id(reader.consumer).expect("the consumer was just met");
    let own = after.next().into_iter().flat_map(|from| group.consumer(consumer).pending_from(from));
    let told: Vec<StreamId> = own.take(count).collect();
    context.reply.array(told.len());
    for &id in &told {
        match stream.find(id) {
            Some(entry) => reply_entry(&mut context.reply, &entry),
            None => {
                context.reply.array(2);
                reply_id(&mut context.reply, id);
                context.reply.null_array();
            }
        }
    }
    edit(context.engine, db, key, |stream| {
        let there: Vec<StreamId> = told.into_iter().filter(|id| stream.find(*id).is_some()).collect();
        stream.edit_group(reader.name, |group| {
            for id in there {
                let before = group.pending(id).expect("it was just listed");
                let deliveries = before.deliveries + 1;
                group.assign(id, Pending { delivered_ms: now_ms, deliveries, ..before });
            }
        })
    });
}

fn stream_of<'e>(engine: &'e Engine, db: usize, key: &[u8]) -> &'e Stream {
    let entry = engine.keyspace.db(db).lookup(key).and_then(|entry| entry.collection());
    entry.expect("the stream was looked up")
}

fn edit<R>(engine: &mut Engine, db: usize, key: &[u8], change: impl FnOnce(&mut Stream) -> R) -> R {
    let result = engine.edit(db, key, |stream: &mut Stream, _| change(stream));
    result.ok().flatten().expect("the stream was looked up")
}

/// From where on XREAD reads a stream.
fn resolve(context: &mut Context<'_>, key: &[u8], id: &[u8]) -> Result<Position, CommandError> {
    let stream = context.engine.read::<Stream>(context.session.db, key)?;
    match id {
        AFTER_THE_LAST => Ok(Position::After(stream.map_or(StreamId::MIN, |stream| stream.last_id))),
        FROM_THE_LAST => {
            let last = stream.and_then(Stream::last).and_then(|entry| entry.id.previous());
            Ok(Position::After(last.or(stream.map(|stream| stream.last_id)).unwrap_or_default()))
        }
        NEVER_DELIVERED => Err(CommandError::line(
            "ERR The > ID can be specified only when calling XREADGROUP using the GROUP <group> <consumer> option.",
        )),
        id => ids::parse(id, 0).map(Position::After),
    }
}

fn resolve_for_group(
    context: &mut Context<'_>,
    key: &[u8],
    id: &[u8],
    group: &[u8],
) -> Result<Position, CommandError> {
    let stream = context.engine.read::<Stream>(context.session.db, key)?;
    if stream.is_none_or(|stream| stream.group(group).is_none()) {
        return Err(no_group(key, group, NO_GROUP_TAIL));
    }
    match id {
        AFTER_THE_LAST | FROM_THE_LAST => Err(CommandError::line(
            "ERR The $ ID is meaningless in the context of XREADGROUP: you want to read the history of this consumer by \
             specifying a proper ID, or use the > ID to get new messages. The $ ID would just return an empty result set.",
        )),
        NEVER_DELIVERED => Ok(Position::New),
        // Nobody can be given anything behind the largest id: asking for it is asking for what is new.
        id => ids::parse(id, 0).map(|id| match id {
            StreamId::MAX => Position::New,
            id => Position::Own(id),
        }),
    }
}

/// The request with the ids that its words stood for.
fn with_ids(args: Args<'_>, ids_at: usize, positions: &[Position]) -> OwnedArgs {
    let spelled: Vec<String> = positions
        .iter()
        .map(|position| match position {
            Position::After(id) | Position::Own(id) => id.to_string(),
            Position::New => ">".to_owned(),
        })
        .collect();
    let words: Vec<&[u8]> = args.first(ids_at).iter().chain(spelled.iter().map(String::as_bytes)).collect();
    OwnedArgs::from_slices(&words)
}

impl<'a> Question<'a> {
    fn parse(context: &Context<'a>, for_group: bool) -> Result<Question<'a>, CommandError> {
        let args = context.args;
        let (mut group, mut keeps_no_record, mut count, mut block) = (None, false, usize::MAX, None);
        let mut index = 1;
        let streams = loop {
            let Some(word) = args.get(index) else { return Err(CommandError::Syntax) };
            let more = args.len() - 1 - index;
            let is = |name: &str| word.eq_ignore_ascii_case(name.as_bytes());
            if is("BLOCK") && more > 0 {
                block = Some(context.deadline_from_ms(args.at(index + 1))?);
                index += 1;
            } else if is("COUNT") && more > 0 {
                let number = parse_i64(args.at(index + 1)).ok_or(CommandError::NotAnInteger)?;
                count = usize::try_from(number).ok().filter(|&count| count > 0).unwrap_or(usize::MAX);
                index += 1;
            } else if is("STREAMS") && more > 0 {
                break args.skip(index + 1);
            } else if is("GROUP") && more >= 2 {
                if !for_group {
                    return Err(only_for_groups("GROUP"));
                }
                group = Some((args.at(index + 1), args.at(index + 2)));
                index += 2;
            } else if is("NOACK") {
                if !for_group {
                    return Err(only_for_groups("NOACK"));
                }
                keeps_no_record = true;
            } else {
                return Err(CommandError::Syntax);
            }
            index += 1;
        };
        if !streams.len().is_multiple_of(2) {
            return Err(unbalanced(for_group));
        }
        let group = group.map(|(name, consumer)| GroupReader { name, consumer, keeps_no_record });
        if for_group && group.is_none() {
            return Err(CommandError::line("ERR Missing GROUP option for XREADGROUP"));
        }
        let half = streams.len() / 2;
        let (keys, ids) = (streams.first(half), streams.skip(half));
        Ok(Question { group, count, block, keys, ids, ids_at: args.len() - half })
    }
}

fn only_for_groups(option: &str) -> CommandError {
    CommandError::line(format!(
        "ERR The {option} option is only supported by XREADGROUP. You called XREAD instead."
    ))
}

fn unbalanced(for_group: bool) -> CommandError {
    let (command, words) = match for_group {
        true => ("xreadgroup", "'>'"),
        false => ("xread", "'+', or '$'"),
    };
    CommandError::line(format!(
        "ERR Unbalanced '{command}' list of streams: for each stream key an ID, {words} must be specified."
    ))
}
