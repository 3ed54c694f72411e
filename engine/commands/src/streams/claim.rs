//! Taking over what other consumers have been given: XCLAIM, XAUTOCLAIM.
//!
//! Replicas get an XCLAIM for each entry that says all that has become of it, when and how often it was
//! delivered included: what was to be claimed is decided here.

use squall_resp::Args;
use squall_store::parse_i64;
use squall_store::stream::{ConsumerId, Group, Pending, Stream, StreamId};

use super::{find_group, ids, reply_entry_or_null, reply_id};
use crate::config::EventClass;
use crate::{CommandError, CommandResult, Context};

/// How many entries XAUTOCLAIM takes over where it is not told, and how many it looks at for each.
const AUTOCLAIM_ENTRIES_DEFAULT: i64 = 100;
const AUTOCLAIM_LOOKS_PER_ENTRY: usize = 10;

/// XCLAIM's options.
#[derive(Clone, Copy, Default)]
struct ClaimOptions {
    delivered_ms: Option<i64>,
    deliveries: Option<i64>,
    force: bool,
    ids_only: bool,
    last_id: Option<StreamId>,
}

/// What becomes of one entry.
enum Claim {
    Taken(StreamId, Pending),
    /// It was pending and is no longer in the stream: now it is neither.
    Gone(StreamId, Pending, Vec<u8>),
}

pub(super) fn xclaim(context: &mut Context<'_>) -> CommandResult {
    let (db, key, name) = (context.session.db, context.arg(1), context.arg(2));
    find_group(context.engine, db, key, name)?;
    let idle_ms_min = idle_ms(context.arg(4), "XCLAIM")?;
    let words = context.args.skip(5);
    let wanted: Vec<StreamId> = words.iter().map_while(|word| ids::parse(word, 0).ok()).collect();
    let now_ms = context.now_ms();
    let options = ClaimOptions::parse(words.skip(wanted.len()), now_ms)?;
    let delivered_ms = options
        .delivered_ms
        .and_then(|at| u64::try_from(at).ok())
        .filter(|at| *at <= now_ms)
        .unwrap_or(now_ms);
    let consumer_name = context.arg(3);
    let claimed = context.engine.edit(db, key, |stream: &mut Stream, _| {
        let advanced = stream.edit_group(name, |group| group.advance_to(options.last_id));
        let (consumer, created) = stream.edit_group(name, |group| seen(group, consumer_name, now_ms))?;
        let mut claims = Vec::new();
        for id in wanted {
            let exists = stream.find(id).is_some();
            let claim = stream.edit_group(name, |group| {
                let before = group.pending(id);
                if !exists {
                    return before.map(|pending| give_up(group, id, pending));
                }
                let too_fresh =
                    before.is_some_and(|pending| now_ms.saturating_sub(pending.delivered_ms) < idle_ms_min);
                if too_fresh || (before.is_none() && !options.force) {
                    return None;
                }
                let counted = before.map_or(1, |pending| pending.deliveries) + u64::from(!options.ids_only);
                let deliveries = options.deliveries.map_or(counted, |count| count as u64);
                Some(take(group, id, Pending { consumer, delivered_ms, deliveries }, now_ms))
            });
            claims.extend(claim.flatten());
        }
        Some((claims, created, advanced == Some(true)))
    })?;
    let (claims, created, advanced) = claimed.flatten().expect("the group exists");
    propagate(context, &claims, created, advanced)?;
    let taken = claims.iter().filter_map(|claim| match claim {
        Claim::Taken(id, _) => Some(*id),
        Claim::Gone(..) => None,
    });
    reply_claimed(context, &taken.collect::<Vec<_>>(), options.ids_only)
}

pub(super) fn xautoclaim(context: &mut Context<'_>) -> CommandResult {
    let idle_ms_min = idle_ms(context.arg(4), "XAUTOCLAIM")?;
    let start = ids::parse_start(context.arg(5))?;
    let (count, ids_only) = parse_autoclaim(context.args)?;
    let (db, key, name) = (context.session.db, context.arg(1), context.arg(2));
    find_group(context.engine, db, key, name)?;
    let (now_ms, consumer_name) = (context.now_ms(), context.arg(3));
    let claimed = context.engine.edit(db, key, |stream: &mut Stream, _| {
        let (consumer, created) = stream.edit_group(name, |group| seen(group, consumer_name, now_ms))?;
        let looks = count.saturating_mul(AUTOCLAIM_LOOKS_PER_ENTRY);
        let listed = stream.group(name)?.pending_from(start).take(looks.saturating_add(1));
        let listed: Vec<(StreamId, Pending)> = listed.collect();
        let (mut claims, mut next) = (Vec::new(), StreamId::MIN);
        for (look, (id, pending)) in listed.into_iter().enumerate() {
            if look == looks || claims.len() == count {
                next = id;
                break;
            }
            let exists = stream.find(id).is_some();
            let too_fresh = now_ms.saturating_sub(pending.delivered_ms) < idle_ms_min;
            if exists && too_fresh {
                continue;
            }
            claims.extend(stream.edit_group(name, |group| match exists {
                false => give_up(group, id, pending),
                true => {
                    let deliveries = pending.deliveries + u64::from(!ids_only);
                    take(group, id, Pending { consumer, delivered_ms: now_ms, deliveries }, now_ms)
                }
            }));
        }
        Some((claims, created, next))
    })?;
    let (claims, created, next) = claimed.flatten().expect("the group exists");
    propagate(context, &claims, created, false)?;
    let (mut taken, mut gone) = (Vec::new(), Vec::new());
    for claim in claims {
        match claim {
            Claim::Taken(id, _) => taken.push(id),
            Claim::Gone(id, ..) => gone.push(id),
        }
    }
    context.reply.array(3);
    reply_id(&mut context.reply, next);
    reply_claimed(context, &taken, ids_only)?;
    context.reply.array(gone.len());
    gone.into_iter().for_each(|id| reply_id(&mut context.reply, id));
    Ok(())
}

/// The consumer of that name, made if there is none; and whether it was made.
pub(super) fn seen(group: &mut Group, name: &[u8], now_ms: u64) -> (ConsumerId, bool) {
    match group.consumer_id(name) {
        Some(id) => {
            group.consumer_mut(id).seen_ms = now_ms;
            (id, false)
        }
        None => (group.add_consumer(name, now_ms), true),
    }
}

fn take(group: &mut Group, id: StreamId, pending: Pending, now_ms: u64) -> Claim {
    group.assign(id, pending);
    group.consumer_mut(pending.consumer).active_ms = Some(now_ms);
    Claim::Taken(id, pending)
}

fn give_up(group: &mut Group, id: StreamId, pending: Pending) -> Claim {
    group.acknowledge(id);
    Claim::Gone(id, pending, group.consumer(pending.consumer).name.to_vec())
}

fn reply_claimed(context: &mut Context<'_>, claimed: &[StreamId], ids_only: bool) -> CommandResult {
    let (db, key) = (context.session.db, context.args.at(1));
    let stream = context.engine.read::<Stream>(db, key)?.expect("the stream is there");
    context.reply.array(claimed.len());
    for &id in claimed {
        match ids_only {
            true => reply_id(&mut context.reply, id),
            false => reply_entry_or_null(&mut context.reply, stream.find(id)),
        }
    }
    Ok(())
}

fn propagate(context: &mut Context<'_>, claims: &[Claim], created: bool, advanced: bool) -> CommandResult {
    let (db, key, name, consumer) = (context.session.db, context.arg(1), context.arg(2), context.arg(3));
    let (_, group) = find_group(context.engine, db, key, name)?;
    let last_id = group.last_id.to_string();
    let read = group.entries_read.map_or(-1, |read| read as i64).to_string();
    let engine = &mut *context.engine;
    if created {
        engine.notify(EventClass::Stream, "xgroup-createconsumer", db, key);
    }
    if claims.is_empty() && !created && !advanced {
        return Ok(());
    }
    engine.changed(db, key);
    engine.dirty += (claims.len() as u64).saturating_sub(1);
    if created && !claims.iter().any(|claim| matches!(claim, Claim::Taken(..))) {
        engine.propagation.replace(&[b"XGROUP", b"CREATECONSUMER", key, name, consumer]);
    }
    if claims.is_empty() && advanced {
        let words: [&[u8]; 7] =
            [b"XGROUP", b"SETID", key, name, last_id.as_bytes(), b"ENTRIESREAD", read.as_bytes()];
        engine.propagation.replace(&words);
    }
    for claim in claims {
        let (id, pending, consumer) = match claim {
            Claim::Taken(id, pending) => (id, pending, consumer),
            Claim::Gone(id, pending, consumer) => (id, pending, &consumer[..]),
        };
        engine.propagate_claim(key, name, consumer, *id, pending, &last_id);
    }
    Ok(())
}

impl crate::Engine {
    /// Tells replicas with whom a pending entry is now.
    pub(super) fn propagate_claim(
        &mut self,
        key: &[u8],
        group: &[u8],
        consumer: &[u8],
        id: StreamId,
        pending: &Pending,
        last_id: &str,
    ) {
        let (id, at) = (id.to_string(), pending.delivered_ms.to_string());
        let deliveries = pending.deliveries.to_string();
        self.propagation.replace(&[
            b"XCLAIM",
            key,
            group,
            consumer,
            b"0",
            id.as_bytes(),
            b"TIME",
            at.as_bytes(),
            b"RETRYCOUNT",
            deliveries.as_bytes(),
            b"FORCE",
            b"JUSTID",
            b"LASTID",
            last_id.as_bytes(),
        ]);
    }
}

fn idle_ms(text: &[u8], command: &str) -> Result<u64, CommandError> {
    match parse_i64(text) {
        Some(ms) => Ok(ms.max(0) as u64),
        None => Err(CommandError::line(format!("ERR Invalid min-idle-time argument for {command}"))),
    }
}

/// `[COUNT count] [JUSTID]`
fn parse_autoclaim(args: Args<'_>) -> Result<(usize, bool), CommandError> {
    let (mut count, mut ids_only) = (AUTOCLAIM_ENTRIES_DEFAULT, false);
    let mut words = args.skip(6).iter();
    while let Some(word) = words.next() {
        if word.eq_ignore_ascii_case(b"COUNT") && words.len() > 0 {
            count = words.next().and_then(parse_i64).unwrap_or(0);
            if count <= 0 || count > i64::MAX / size_of::<StreamId>() as i64 {
                return Err(CommandError::line("ERR COUNT must be > 0"));
            }
        } else if word.eq_ignore_ascii_case(b"JUSTID") {
            ids_only = true;
        } else {
            return Err(CommandError::Syntax);
        }
    }
    Ok((count as usize, ids_only))
}

impl ClaimOptions {
    fn parse(args: Args<'_>, now_ms: u64) -> Result<ClaimOptions, CommandError> {
        let mut options = ClaimOptions::default();
        let mut words = args.iter();
        while let Some(word) = words.next() {
            let name = word.to_ascii_uppercase();
            let number = |text: Option<&[u8]>| {
                let name = String::from_utf8_lossy(&name);
                let invalid = || CommandError::line(format!("ERR Invalid {name} option argument for XCLAIM"));
                text.and_then(parse_i64).ok_or_else(invalid)
            };
            match name.as_slice() {
                b"FORCE" => options.force = true,
                b"JUSTID" => options.ids_only = true,
                b"IDLE" if words.len() > 0 => {
                    options.delivered_ms = Some((now_ms as i64).saturating_sub(number(words.next())?));
                }
                b"TIME" if words.len() > 0 => options.delivered_ms = Some(number(words.next())?),
                b"RETRYCOUNT" if words.len() > 0 => {
                    options.deliveries = Some(number(words.next())?).filter(|count| *count >= 0);
                }
                b"LASTID" if words.len() > 0 => {
                    options.last_id = Some(ids::parse(words.next().unwrap_or_default(), 0)?);
                }
                _ => {
                    let head: &[u8] = b"ERR Unrecognized XCLAIM option '";
                    return Err(CommandError::Bytes([head, word, b"'"].concat()));
                }
            }
        }
        Ok(options)
    }
}
