//! XINFO: what is known of a stream, its groups and their consumers.

use squall_resp::Reply;
use squall_store::parse_i64;
use squall_store::stream::{Consumer, Group, Stream, StreamId};

use super::{no_group_of_key, reply_entry, reply_entry_or_null, reply_id};
use crate::{CommandError, CommandResult, Context};

/// How many entries of each kind `XINFO STREAM FULL` shows where it is not told.
const FULL_ENTRIES_DEFAULT: usize = 10;

pub(super) fn stream(context: &mut Context<'_>) -> CommandResult {
    let (db, key) = (context.session.db, context.args.at(2));
    let stream = context.engine.read::<Stream>(db, key)?.ok_or(CommandError::NoSuchKey)?;
    let full = match (context.args.get(3), context.args.get(4), context.args.len()) {
        (None, _, _) => None,
        (Some(word), None, 4) if word.eq_ignore_ascii_case(b"FULL") => Some(FULL_ENTRIES_DEFAULT),
        (Some(word), Some(option), 6)
            if word.eq_ignore_ascii_case(b"FULL") && option.eq_ignore_ascii_case(b"COUNT") =>
        {
            Some(match parse_i64(context.args.at(5)).ok_or(CommandError::NotAnInteger)? {
                0 => usize::MAX,
                ..0 => FULL_ENTRIES_DEFAULT,
                count => count as usize,
            })
        }
        _ => return Err(CommandError::subcommand_shape("XINFO", context.args.at(1))),
    };
    let reply = &mut context.reply;
    reply.map(if full.is_some() { 9 } else { 10 });
    field(reply, "length", stream.len());
    field(reply, "radix-tree-keys", stream.blocks_len() as u64);
    field(reply, "radix-tree-nodes", stream.blocks_len() as u64 + 1);
    id_field(reply, "last-generated-id", stream.last_id);
    id_field(reply, "max-deleted-entry-id", stream.max_deleted_id);
    field(reply, "entries-added", stream.entries_added);
    id_field(reply, "recorded-first-entry-id", stream.first_id());
    match full {
        Some(count) => full_fields(reply, stream, count),
        None => {
            field(reply, "groups", stream.groups().len() as u64);
            reply.bulk_str("first-entry");
            reply_entry_or_null(reply, stream.first());
            reply.bulk_str("last-entry");
            reply_entry_or_null(reply, stream.last());
        }
    }
    Ok(())
}

pub(super) fn groups(context: &mut Context<'_>) -> CommandResult {
    let (db, key) = (context.session.db, context.args.at(2));
    let stream = context.engine.read::<Stream>(db, key)?.ok_or(CommandError::NoSuchKey)?;
    let reply = &mut context.reply;
    reply.array(stream.groups().len());
    for (name, group) in stream.groups() {
        reply.map(6);
        reply.bulk_str("name");
        reply.bulk(name);
        field(reply, "consumers", group.consumers().len() as u64);
        field(reply, "pending", group.pending_len() as u64);
        id_field(reply, "last-delivered-id", group.last_id);
        progress_fields(reply, stream, group);
    }
    Ok(())
}

pub(super) fn consumers(context: &mut Context<'_>) -> CommandResult {
    let now_ms = context.now_ms();
    let (db, key, name) = (context.session.db, context.args.at(2), context.args.at(3));
    let stream = context.engine.read::<Stream>(db, key)?.ok_or(CommandError::NoSuchKey)?;
    let group = stream.group(name).ok_or_else(|| no_group_of_key(key, name))?;
    let reply = &mut context.reply;
    reply.array(group.consumers().len());
    for (_, consumer) in group.consumers() {
        reply.map(4);
        reply.bulk_str("name");
        reply.bulk(&consumer.name);
        field(reply, "pending", consumer.pending_len() as u64);
        field(reply, "idle", now_ms.saturating_sub(consumer.seen_ms));
        reply.bulk_str("inactive");
        reply.integer(consumer.active_ms.map_or(-1, |active| now_ms.saturating_sub(active) as i64));
    }
    Ok(())
}

fn full_fields(reply: &mut Reply<'_>, stream: &Stream, count: usize) {
    reply.bulk_str("entries");
    reply.array(count.min(stream.len() as usize));
    stream.range(StreamId::MIN, StreamId::MAX).take(count).for_each(|entry| reply_entry(reply, &entry));
    reply.bulk_str("groups");
    reply.array(stream.groups().len());
    for (name, group) in stream.groups() {
        reply.map(7);
        reply.bulk_str("name");
        reply.bulk(name);
        id_field(reply, "last-delivered-id", group.last_id);
        progress_fields(reply, stream, group);
        field(reply, "pel-count", group.pending_len() as u64);
        reply.bulk_str("pending");
        reply.array(count.min(group.pending_len()));
        for (id, pending) in group.pending_from(StreamId::MIN).take(count) {
            reply.array(4);
            reply_id(reply, id);
            reply.bulk(&group.consumer(pending.consumer).name);
            reply.integer(pending.delivered_ms as i64);
            reply.integer(pending.deliveries as i64);
        }
        reply.bulk_str("consumers");
        reply.array(group.consumers().len());
        group.consumers().for_each(|(_, consumer)| full_consumer(reply, group, consumer, count));
    }
}

fn full_consumer(reply: &mut Reply<'_>, group: &Group, consumer: &Consumer, count: usize) {
    reply.map(5);
    reply.bulk_str("name");
    reply.bulk(&consumer.name);
    field(reply, "seen-time", consumer.seen_ms);
    reply.bulk_str("active-time");
    reply.integer(consumer.active_ms.map_or(-1, |active| active as i64));
    field(reply, "pel-count", consumer.pending_len() as u64);
    reply.bulk_str("pending");
    reply.array(count.min(consumer.pending_len()));
    for id in consumer.pending_from(StreamId::MIN).take(count) {
        let pending = group.pending(id).expect("what a consumer has is pending");
        reply.array(3);
        reply_id(reply, id);
        reply.integer(pending.delivered_ms as i64);
        reply.integer(pending.deliveries as i64);
    }
}

/// How far a group has come, as far as it is known.
fn progress_fields(reply: &mut Reply<'_>, stream: &Stream, group: &Group) {
    let read = group.entries_read.map(|read| read as i64);
    for (name, number) in [("entries-read", read), ("lag", stream.lag(group))] {
        reply.bulk_str(name);
        match number {
            Some(number) => reply.integer(number),
            None => reply.null(),
        }
    }
}

fn field(reply: &mut Reply<'_>, name: &str, number: u64) {
    reply.bulk_str(name);
    reply.integer(number as i64);
}

fn id_field(reply: &mut Reply<'_>, name: &str, id: StreamId) {
    reply.bulk_str(name);
    reply_id(reply, id);
}
