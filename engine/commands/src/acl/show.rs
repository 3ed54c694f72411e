//! What ACL tells: GETUSER, LIST, USERS, LOG.

use squall_resp::Reply;

use super::user::Selector;
use crate::{CommandError, CommandResult, Context};

/// Entries of the log that are shown where nobody says how many.
const LOG_COUNT_DEFAULT: usize = 10;

pub(super) fn users(context: &mut Context<'_>) -> CommandResult {
    let users = &context.engine.acl.users;
    context.reply.array(users.len());
    users.keys().for_each(|name| context.reply.bulk(name));
    Ok(())
}

pub(super) fn list(context: &mut Context<'_>) -> CommandResult {
    let lines = context.engine.acl.lines();
    context.reply.array(lines.len());
    for line in lines {
        context.reply.bulk(&[b"user ", line.as_slice()].concat());
    }
    Ok(())
}

pub(super) fn getuser(context: &mut Context<'_>) -> CommandResult {
    let Some(user) = context.engine.acl.user(context.args.at(2)) else {
        context.reply.null();
        return Ok(());
    };
    let reply = &mut context.reply;
    reply.map(6);
    reply.bulk_str("flags");
    let flags = user.flags();
    reply.set(flags.len());
    flags.iter().for_each(|flag| reply.bulk_str(flag));
    reply.bulk_str("passwords");
    reply.array(user.passwords.len());
    user.passwords.iter().for_each(|hash| reply.bulk_str(hash));
    show_selector(reply, &user.root);
    reply.bulk_str("selectors");
    reply.array(user.selectors.len());
    for selector in &user.selectors {
        reply.map(3);
        show_selector(reply, selector);
    }
    Ok(())
}

fn show_selector(reply: &mut Reply<'_>, selector: &Selector) {
    reply.bulk_str("commands");
    reply.bulk_str(&selector.rules.join(" "));
    reply.bulk_str("keys");
    reply.bulk(&selector.keys_text());
    reply.bulk_str("channels");
    reply.bulk(&selector.channels_text());
}

pub(super) fn log(context: &mut Context<'_>) -> CommandResult {
    let count = match context.args.get(2) {
        Some(_) if context.args.len() > 3 => return Err(unknown_or_wrong(context)),
        Some(word) if word.eq_ignore_ascii_case(b"reset") => {
            context.engine.acl.log.entries.clear();
            context.reply.ok();
            return Ok(());
        }
        Some(_) => usize::try_from(context.integer(2)?).unwrap_or(0),
        None => LOG_COUNT_DEFAULT,
    };
    let now_ms = context.engine.now.unix_ms().0;
    let entries = &context.engine.acl.log.entries;
    let reply = &mut context.reply;
    reply.array(entries.len().min(count));
    for entry in entries.iter().take(count) {
        reply.map(10);
        reply.bulk_str("count");
        reply.integer(entry.count as i64);
        for (name, value) in [("reason", entry.reason), ("context", entry.context.name())] {
            reply.bulk_str(name);
            reply.bulk_str(value);
        }
        for (name, value) in [("object", &entry.object), ("username", &entry.user)] {
            reply.bulk_str(name);
            reply.bulk(value);
        }
        reply.bulk_str("age-seconds");
        reply.double(now_ms.saturating_sub(entry.created_ms) as f64 / 1_000.0);
        reply.bulk_str("client-info");
        reply.bulk_str(&entry.client);
        let numbers = [
            ("entry-id", entry.id),
            ("timestamp-created", entry.created_ms),
            ("timestamp-last-updated", entry.updated_ms),
        ];
        for (name, number) in numbers {
            reply.bulk_str(name);
            reply.integer(number as i64);
        }
    }
    Ok(())
}

pub(super) fn unknown_or_wrong(context: &Context<'_>) -> CommandError {
    let tail = b"'. Try ACL HELP.";
    let head: &[u8] = b"ERR unknown subcommand or wrong number of arguments for '";
    CommandError::Bytes([head, context.arg(1), tail].concat())
}
