//! XGROUP: making, moving and removing consumer groups, and naming their consumers.

use squall_resp::Args;
use squall_store::parse_i64;
use squall_store::stream::{Group, Stream, StreamId};

use super::{ids, no_group_of_key};
use crate::config::EventClass;
use crate::{CommandError, CommandResult, Context};

/// `[MKSTREAM] [ENTRIESREAD number]`
#[derive(Default)]
struct GroupOptions {
    makes_stream: bool,
    /// The outer option: whether it was given; the inner: whether the number is known.
    entries_read: Option<Option<u64>>,
}

pub(super) fn create(context: &mut Context<'_>) -> CommandResult {
    let options = GroupOptions::parse(context.args, true)?;
    let (db, key, name) = (context.session.db, context.arg(2), context.arg(3));
    let stream = context.engine.read::<Stream>(db, key)?;
    let last_id = stream.map(|stream| stream.last_id);
    if last_id.is_none() && !options.makes_stream {
        return Err(no_key());
    }
    refuse_more_than(context, 8)?;
    let id = starting_id(context.arg(4), last_id.unwrap_or_default())?;
    let created = context.engine.edit_or_create(db, key, |stream: &mut Stream, _| {
        let read = options.entries_read.flatten().map(|read| read.min(stream.entries_added));
        stream.add_group(name, Group::starting_after(id, read))
    })?;
    if !created {
        return Err(CommandError::line("BUSYGROUP Consumer Group name already exists"));
    }
    context.engine.wrote(db, key, 1, EventClass::Stream, "xgroup-create");
    context.reply.ok();
    Ok(())
}

pub(super) fn setid(context: &mut Context<'_>) -> CommandResult {
    let options = GroupOptions::parse(context.args, false)?;
    let last_id = existing_group(context)?;
    refuse_more_than(context, 7)?;
    let (db, key, name) = (context.session.db, context.arg(2), context.arg(3));
    let id = starting_id(context.arg(4), last_id)?;
    context.engine.edit(db, key, |stream: &mut Stream, _| {
        let read = options.entries_read.flatten().map(|read| read.min(stream.entries_added));
        stream.edit_group(name, |group| (group.last_id, group.entries_read) = (id, read))
    })?;
    context.engine.wrote(db, key, 1, EventClass::Stream, "xgroup-setid");
    context.reply.ok();
    Ok(())
}

pub(super) fn destroy(context: &mut Context<'_>) -> CommandResult {
    let (db, key, name) = (context.session.db, context.arg(2), context.arg(3));
    let destroyed = context
        .engine
        .edit(db, key, |stream: &mut Stream, _| stream.remove_group(name))?
        .ok_or_else(no_key)?;
    context.engine.wrote(db, key, u64::from(destroyed), EventClass::Stream, "xgroup-destroy");
    context.reply.integer(destroyed.into());
    Ok(())
}

pub(super) fn createconsumer(context: &mut Context<'_>) -> CommandResult {
    existing_group(context)?;
    let (db, key, name, consumer) = (context.session.db, context.arg(2), context.arg(3), context.arg(4));
    let now_ms = context.now_ms();
    let created = context.engine.edit(db, key, |stream: &mut Stream, _| {
        stream.edit_group(name, |group| {
            let is_missing = group.consumer_id(consumer).is_none();
            if is_missing {
                group.add_consumer(consumer, now_ms);
            }
            is_missing
        })
    })?;
    let created = created.flatten().expect("the group exists");
    context.engine.wrote(db, key, u64::from(created), EventClass::Stream, "xgroup-createconsumer");
    context.reply.integer(created.into());
    Ok(())
}

pub(super) fn delconsumer(context: &mut Context<'_>) -> CommandResult {
    existing_group(context)?;
    let (db, key, name, consumer) = (context.session.db, context.arg(2), context.arg(3), context.arg(4));
    let removed = context.engine.edit(db, key, |stream: &mut Stream, _| {
        stream.edit_group(name, |group| group.remove_consumer(consumer))
    })?;
    let removed = removed.flatten().expect("the group exists");
    context.engine.wrote(db, key, u64::from(removed.is_some()), EventClass::Stream, "xgroup-delconsumer");
    context.reply.integer(removed.unwrap_or(0) as i64);
    Ok(())
}

/// Makes sure that the named group exists; tells the last id of its stream.
fn existing_group(context: &mut Context<'_>) -> Result<StreamId, CommandError> {
    let (db, key, name) = (context.session.db, context.arg(2), context.arg(3));
    let stream = context.engine.read::<Stream>(db, key)?.ok_or_else(no_key)?;
    match stream.group(name) {
        Some(_) => Ok(stream.last_id),
        None => Err(no_group_of_key(key, name)),
    }
}

/// Options may be repeated only as far as there is room for all of them once.
fn refuse_more_than(context: &Context<'_>, words: usize) -> CommandResult {
    match context.args.len() > words {
        true => Err(CommandError::subcommand_shape("XGROUP", context.arg(1))),
        false => Ok(()),
    }
}

/// `$`, or an id.
fn starting_id(text: &[u8], last_id: StreamId) -> Result<StreamId, CommandError> {
    if text == b"$" { Ok(last_id) } else { ids::parse(text, 0) }
}

fn no_key() -> CommandError {
    CommandError::line(
        "ERR The XGROUP subcommand requires the key to exist. Note that for CREATE you may want to use the MKSTREAM \
         option to create an empty stream automatically.",
    )
}

impl GroupOptions {
    fn parse(args: Args<'_>, creates: bool) -> Result<GroupOptions, CommandError> {
        let mut options = GroupOptions::default();
        let mut index = 5;
        while let Some(word) = args.get(index) {
            if creates && word.eq_ignore_ascii_case(b"MKSTREAM") {
                options.makes_stream = true;
                index += 1;
            } else if word.eq_ignore_ascii_case(b"ENTRIESREAD") && index + 1 < args.len() {
                let number = parse_i64(args.at(index + 1)).ok_or(CommandError::NotAnInteger)?;
                if number < -1 {
                    return Err(CommandError::line("ERR value for ENTRIESREAD must be positive or -1"));
                }
                options.entries_read = Some(u64::try_from(number).ok());
                index += 2;
            } else {
                return Err(CommandError::subcommand_shape("XGROUP", args.at(1)));
            }
        }
        Ok(options)
    }
}
