//! Whole keys, whatever they hold: DEL, UNLINK, EXISTS, TYPE, TOUCH, KEYS, RANDOMKEY, DBSIZE.

use squall_store::glob_match;

use crate::config::EventClass;
use crate::{CommandResult, Context};

/// How often RANDOMKEY draws again, on a replica that may not delete the expired keys that it draws.
const EXPIRED_DRAWS_MAX: usize = 100;

pub(super) fn del(context: &mut Context<'_>) -> CommandResult {
    let db = context.session.db;
    let mut deleted = 0;
    for key in context.args.skip(1) {
        if context.engine.delete(db, key) {
            context.engine.notify(EventClass::Generic, "del", db, key);
            deleted += 1;
        }
    }
    context.reply.integer(deleted);
    Ok(())
}

pub(super) fn unlink(context: &mut Context<'_>) -> CommandResult {
    del(context)
}

pub(super) fn exists(context: &mut Context<'_>) -> CommandResult {
    let db = context.session.db;
    let keys = context.args.skip(1).iter();
    let found = keys.filter(|key| context.engine.lookup_untouched(db, key).is_some()).count();
    context.reply.integer(found as i64);
    Ok(())
}

pub(super) fn touch(context: &mut Context<'_>) -> CommandResult {
    let db = context.session.db;
    let keys = context.args.skip(1).iter();
    let found = keys.filter(|key| context.engine.lookup_read(db, key).is_some()).count();
    context.reply.integer(found as i64);
    Ok(())
}

pub(super) fn type_of(context: &mut Context<'_>) -> CommandResult {
    let entry = context.engine.lookup_untouched(context.session.db, context.args.at(1));
    context.reply.simple(entry.map_or("none", |entry| entry.kind().name()));
    Ok(())
}

pub(super) fn keys(context: &mut Context<'_>) -> CommandResult {
    let pattern = context.arg(1);
    let now = context.engine.now.unix_ms();
    let mark = context.reply.deferred_array();
    let mut count = 0;
    for entry in context.engine.keyspace.db(context.session.db).iter() {
        let is_shown = !entry.is_expired(now) && !context.engine.is_hidden(entry.key());
        if is_shown && (pattern == b"*" || glob_match(pattern, entry.key())) {
            context.reply.bulk(entry.key());
            count += 1;
        }
    }
    context.reply.set_length(mark, count);
    Ok(())
}

pub(super) fn randomkey(context: &mut Context<'_>) -> CommandResult {
    let engine = &mut *context.engine;
    let (db, now) = (context.session.db, engine.now.unix_ms());
    // Where all that is here is hidden no draw would end.
    let mut shown = engine.keyspace.db(db).len() - engine.hidden_keys(db);
    let mut draw = 0;
    while shown > 0 {
        let Some(entry) = engine.keyspace.db(db).random(&mut engine.rng) else { break };
        if engine.is_hidden(entry.key()) {
            continue;
        }
        if !entry.is_expired(now) || draw >= EXPIRED_DRAWS_MAX {
            context.reply.bulk(entry.key());
            return Ok(());
        }
        if engine.deletes_expired() {
            let key = entry.key().to_vec();
            engine.expire(db, &key);
            shown -= 1;
        }
        draw += 1;
    }
    context.reply.null();
    Ok(())
}

pub(super) fn dbsize(context: &mut Context<'_>) -> CommandResult {
    let db = context.session.db;
    let shown = context.engine.keyspace.db(db).len() - context.engine.hidden_keys(db);
    context.reply.integer(shown as i64);
    Ok(())
}
