//! Members by their names: SADD, SREM, SMOVE, SISMEMBER, SMISMEMBER; all of them: SCARD, SMEMBERS, SSCAN.

use squall_store::packed::Item;
use squall_store::{Set, glob_match};

use crate::config::EventClass;
use crate::generic::scan::{ScanOf, ScanOptions, parse_cursor, reply_page};
use crate::lists::reply_item;
use crate::{CommandResult, Context};

pub(super) fn sadd(context: &mut Context<'_>) -> CommandResult {
    let (db, key, members) = (context.session.db, context.arg(1), context.args.skip(2));
    let added = context.engine.edit_or_create(db, key, |set: &mut Set, limits| {
        match set.is_empty() {
            true => *set = Set::for_members(members.len(), members.at(0), limits),
            false => set.expect(members.len(), limits),
        }
        members.iter().filter(|member| set.add(member, limits)).count()
    })?;
    context.engine.wrote(db, key, added as u64, EventClass::Set, "sadd");
    context.reply.integer(added as i64);
    Ok(())
}

pub(super) fn srem(context: &mut Context<'_>) -> CommandResult {
    let (db, key, members) = (context.session.db, context.arg(1), context.args.skip(2));
    let removed = context
        .engine
        .edit(db, key, |set: &mut Set, _| members.iter().filter(|member| set.remove(member)).count())?
        .unwrap_or(0);
    context.engine.wrote(db, key, removed as u64, EventClass::Set, "srem");
    context.reply.integer(removed as i64);
    Ok(())
}

pub(super) fn smove(context: &mut Context<'_>) -> CommandResult {
    let (db, source, destination, member) =
        (context.session.db, context.arg(1), context.arg(2), context.arg(3));
    let engine = &mut *context.engine;
    let moved = match engine.edit(db, source, |set: &mut Set, _| set.contains(member))? {
        None => false,
        // Nothing may be taken before it is known that it can be put.
        Some(is_member) => {
            engine.edit(db, destination, |_: &mut Set, _| ())?;
            is_member
        }
    };
    if moved && source != destination {
        engine.edit(db, source, |set: &mut Set, _| set.remove(member))?;
        engine.wrote(db, source, 1, EventClass::Set, "srem");
        let added =
            engine.edit_or_create(db, destination, |set: &mut Set, limits| set.add(member, limits))?;
        engine.wrote(db, destination, u64::from(added), EventClass::Set, "sadd");
    }
    context.reply.integer(i64::from(moved));
    Ok(())
}

pub(super) fn sismember(context: &mut Context<'_>) -> CommandResult {
    let member = context.arg(2);
    let set = context.engine.read::<Set>(context.session.db, context.args.at(1))?;
    let is_member = set.is_some_and(|set| set.contains(member));
    context.reply.integer(i64::from(is_member));
    Ok(())
}

pub(super) fn smismember(context: &mut Context<'_>) -> CommandResult {
    let members = context.args.skip(2);
    let set = context.engine.read::<Set>(context.session.db, context.args.at(1))?;
    context.reply.array(members.len());
    for member in members.iter() {
        let is_member = set.is_some_and(|set| set.contains(member));
        context.reply.integer(i64::from(is_member));
    }
    Ok(())
}

pub(super) fn scard(context: &mut Context<'_>) -> CommandResult {
    let len = context.engine.read::<Set>(context.session.db, context.args.at(1))?.map_or(0, Set::len);
    context.reply.integer(len as i64);
    Ok(())
}

pub(super) fn smembers(context: &mut Context<'_>) -> CommandResult {
    let Some(set) = context.engine.read::<Set>(context.session.db, context.args.at(1))? else {
        context.reply.set(0);
        return Ok(());
    };
    context.reply.set(set.len());
    set.iter().for_each(|member| reply_item(&mut context.reply, member));
    Ok(())
}

pub(super) fn sscan(context: &mut Context<'_>) -> CommandResult {
    let cursor = parse_cursor(context.arg(2))?;
    let set = context.engine.read::<Set>(context.session.db, context.args.at(1))?;
    let Some(set) = set else {
        reply_page(&mut context.reply, 0, &[]);
        return Ok(());
    };
    let options = ScanOptions::parse(context.args.skip(3), ScanOf::Members)?;
    let mut found: Vec<Vec<u8>> = Vec::new();
    let next = set.scan(cursor, options.count, |member: Item<'_>| {
        let mut digits = itoa::Buffer::new();
        let text = member.as_bytes(&mut digits);
        if options.pattern.is_none_or(|pattern| glob_match(pattern, text)) {
            found.push(text.to_vec());
        }
    });
    reply_page(&mut context.reply, next, &found);
    Ok(())
}
