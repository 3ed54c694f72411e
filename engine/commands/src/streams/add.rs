//! Appending and trimming: XADD, XTRIM, XSETID.

use squall_store::parse_i64;
use squall_store::stream::{Stream, StreamId};

use super::ids::{self, WantedId};
use super::reply_id;
use super::trimming::Trimming;
use crate::config::EventClass;
use crate::{CommandError, CommandResult, Context};

/// No entry is larger.
const ENTRY_BYTES_MAX: usize = 1 << 30;

pub(super) fn xadd(context: &mut Context<'_>) -> CommandResult {
    let args = context.args;
    let (mut trimming, mut creates, mut index) = (Trimming::default(), true, 2);
    let wanted = loop {
        if index == args.len() {
            return Err(arity());
        }
        let word = args.at(index);
        if word == b"*" {
            break WantedId::Any;
        } else if let Some(words) = trimming.take(args, index)? {
            index += words;
        } else if word.eq_ignore_ascii_case(b"NOMKSTREAM") {
            creates = false;
            index += 1;
        } else {
            break ids::parse_wanted(word, 0)?;
        }
    };
    let trim = trimming.resolve(&context.engine.config, context.session.is_primary_link)?;
    let pairs = args.skip(index + 1);
    if pairs.is_empty() || !pairs.len().is_multiple_of(2) {
        return Err(arity());
    }
    if wanted == WantedId::Exactly(StreamId::MIN) {
        return Err(CommandError::line("ERR The ID specified in XADD must be greater than 0-0"));
    }
    if pairs.iter().map(<[u8]>::len).sum::<usize>() > ENTRY_BYTES_MAX {
        return Err(CommandError::line("ERR Elements are too large to be stored"));
    }
    let (db, key, now_ms) = (context.session.db, context.arg(1), context.now_ms());
    if !creates && context.engine.lookup_write(db, key).is_none() {
        context.reply.null();
        return Ok(());
    }
    let is_heard = context.engine.propagation.is_heard();
    let mut words: Vec<Vec<u8>> = Vec::new();
    let added = context.engine.edit_or_create(db, key, |stream: &mut Stream, limits| {
        let id = choose_id(stream.last_id, wanted, now_ms)?;
        let fields = (0..pairs.len() / 2).map(|pair| (pairs.at(2 * pair), pairs.at(2 * pair + 1)));
        stream.push(id, fields, limits);
        let trimmed = trim.map_or(0, |trim| stream.trim(trim, trimming.references));
        let is_chosen = !matches!(wanted, WantedId::Exactly(_));
        if is_heard && (is_chosen || trimming.is_approximate()) {
            words = args.iter().map(<[u8]>::to_vec).collect();
            if is_chosen {
                words[index] = id.to_string().into_bytes();
            }
            trimming.make_exact(&mut words, stream);
        }
        Ok::<_, CommandError>((id, trimmed))
    });
    let (id, trimmed) = added??;
    context.engine.wrote(db, key, 1, EventClass::Stream, "xadd");
    if trimmed > 0 {
        context.engine.notify(EventClass::Stream, "xtrim", db, key);
    }
    propagate(context, &words);
    reply_id(&mut context.reply, id);
    Ok(())
}

pub(super) fn xtrim(context: &mut Context<'_>) -> CommandResult {
    let args = context.args;
    let (mut trimming, mut index) = (Trimming::default(), 2);
    while index < args.len() {
        index += trimming.take(args, index)?.ok_or(CommandError::Syntax)?;
    }
    let trim = trimming.resolve(&context.engine.config, context.session.is_primary_link)?;
    let trim =
        trim.ok_or(CommandError::line("ERR syntax error, XTRIM must be called with a trimming strategy"))?;
    let (db, key) = (context.session.db, context.arg(1));
    let mut words: Vec<Vec<u8>> = Vec::new();
    let trimmed = context.engine.edit(db, key, |stream: &mut Stream, _| {
        let trimmed = stream.trim(trim, trimming.references);
        if trimming.is_approximate() && trimmed > 0 {
            words = args.iter().map(<[u8]>::to_vec).collect();
            trimming.make_exact(&mut words, stream);
        }
        trimmed
    })?;
    let trimmed = trimmed.unwrap_or(0);
    context.engine.wrote(db, key, trimmed, EventClass::Stream, "xtrim");
    propagate(context, &words);
    context.reply.integer(trimmed as i64);
    Ok(())
}

pub(super) fn xsetid(context: &mut Context<'_>) -> CommandResult {
    let id = ids::parse(context.arg(2), 0)?;
    let (mut added, mut max_deleted, mut index) = (None, None, 3);
    while index < context.args.len() {
        let (word, Some(value)) = (context.arg(index), context.args.get(index + 1)) else {
            return Err(CommandError::Syntax);
        };
        if word.eq_ignore_ascii_case(b"ENTRIESADDED") {
            let number = parse_i64(value).ok_or(CommandError::NotAnInteger)?;
            let number = u64::try_from(number)
                .map_err(|_| CommandError::line("ERR entries_added must be positive"))?;
            added = Some(number);
        } else if word.eq_ignore_ascii_case(b"MAXDELETEDID") {
            let deleted = ids::parse(value, 0)?;
            if id < deleted {
                return Err(CommandError::line(
                    "ERR The ID specified in XSETID is smaller than the provided max_deleted_entry_id",
                ));
            }
            max_deleted = Some(deleted);
        } else {
            return Err(CommandError::Syntax);
        }
        index += 2;
    }
    let (db, key) = (context.session.db, context.arg(1));
    let set = context.engine.edit(db, key, |stream: &mut Stream, _| {
        let deleted = max_deleted.unwrap_or(stream.max_deleted_id);
        if id < deleted {
            return Err("ERR The ID specified in XSETID is smaller than current max_deleted_entry_id");
        }
        if stream.last().is_some_and(|last| id < last.id) {
            return Err("ERR The ID specified in XSETID is smaller than the target stream top item");
        }
        if added.is_some_and(|added| added < stream.len()) {
            return Err("ERR The entries_added specified in XSETID is smaller than the target stream length");
        }
        stream.last_id = id;
        stream.entries_added = added.unwrap_or(stream.entries_added);
        stream.max_deleted_id = deleted;
        Ok(())
    })?;
    set.ok_or(CommandError::NoSuchKey)?.map_err(CommandError::line)?;
    context.engine.wrote(db, key, 1, EventClass::Stream, "xsetid");
    context.reply.ok();
    Ok(())
}

/// The id of the entry that follows `last`.
fn choose_id(last: StreamId, wanted: WantedId, now_ms: u64) -> Result<StreamId, CommandError> {
    let too_small = || {
        CommandError::line("ERR The ID specified in XADD is equal or smaller than the target stream top item")
    };
    let next = last.next().ok_or(CommandError::line(
        "ERR The stream has exhausted the last possible ID, unable to add more items",
    ))?;
    match wanted {
        WantedId::Any => Ok(next.max(StreamId { ms: now_ms, seq: 0 })),
        WantedId::AnyOf { ms } if ms > last.ms => Ok(StreamId { ms, seq: 0 }),
        WantedId::AnyOf { ms } => Some(next).filter(|next| next.ms == ms).ok_or_else(too_small),
        WantedId::Exactly(id) => Some(id).filter(|id| *id > last).ok_or_else(too_small),
    }
}

/// Replicas get the command with the id that was chosen and with what was trimmed, if they cannot find out.
fn propagate(context: &mut Context<'_>, words: &[Vec<u8>]) {
    if !words.is_empty() {
        let words: Vec<&[u8]> = words.iter().map(Vec::as_slice).collect();
        context.engine.propagation.replace(&words);
    }
}

fn arity() -> CommandError {
    CommandError::Arity { command: "xadd".into() }
}
