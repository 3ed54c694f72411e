//! The transactions family: MULTI collects commands, EXEC runs them with nobody between, WATCH makes EXEC
//! depend on keys that nobody has changed since.

mod watches;

use squall_resp::{Args, Output, OwnedArgs, Reply};
pub use watches::{WatchedKey, Watches};

use crate::engine::Engine;
use crate::server::Server;
use crate::session::{Blocked, Session, Transaction};
use crate::table::{Argument, Category, Command, Flag, Found, Group, KeyFlag, KeySpec};
use crate::{CommandError, CommandResult, Context};

pub const ROWS: &[Command] = &[
    Command::new("multi", 1, multi)
        .group(Group::Transactions)
        .flags(&[Flag::NoScript, Flag::Loading, Flag::Stale, Flag::Fast, Flag::AllowBusy, Flag::NeverQueued])
        .acl(&[Category::Transaction])
        .since("1.2.0")
        .summary("Begins a transaction: the commands that follow are collected."),
    Command::new("exec", 1, exec)
        .group(Group::Transactions)
        .flags(&[
            Flag::NoScript,
            Flag::Loading,
            Flag::Stale,
            Flag::SkipSlowlog,
            Flag::NeverQueued,
            Flag::ShownLast,
        ])
        .acl(&[Category::Transaction])
        .since("1.2.0")
        .complexity("Depends on the commands in the transaction.")
        .summary("Runs the collected commands, with no other client's commands between them."),
    Command::new("discard", 1, discard)
        .group(Group::Transactions)
        .flags(&[Flag::NoScript, Flag::Loading, Flag::Stale, Flag::Fast, Flag::AllowBusy, Flag::NeverQueued])
        .acl(&[Category::Transaction])
        .since("2.0.0")
        .complexity("O(N) where N is the number of collected commands.")
        .summary("Gives up a transaction."),
    Command::new("watch", -2, watch)
        .group(Group::Transactions)
        .flags(&[Flag::NoScript, Flag::Loading, Flag::Stale, Flag::Fast, Flag::AllowBusy, Flag::NeverQueued])
        .keys(&[KeySpec::rest(1, &[KeyFlag::Ro])])
        .acl(&[Category::Transaction])
        .since("2.2.0")
        .complexity("O(1) for each key.")
        .summary("Makes the next EXEC do nothing if one of the keys changes before it.")
        .arguments(&[Argument::key("key", 0).multiple()]),
    Command::new("unwatch", 1, unwatch)
        .group(Group::Transactions)
        .flags(&[Flag::NoScript, Flag::Loading, Flag::Stale, Flag::Fast, Flag::AllowBusy])
        .acl(&[Category::Transaction])
        .since("2.2.0")
        .summary("Forgets all watched keys."),
];

/// Adds a request to the session's transaction. One that outgrows `client-query-buffer-limit` ends the
/// connection: what is queued is input that waits, as what is not parsed yet is.
pub(crate) fn queue(engine: &mut Engine, session: &mut Session, args: Args<'_>) -> CommandResult {
    let transaction = session.transaction.as_mut().expect("requests are queued in a transaction");
    // A refused transaction runs nothing: there is no need to remember what it would have run.
    if transaction.refused {
        return Ok(());
    }
    transaction.push(args);
    if transaction.queued_bytes() as u64 > engine.config.client_query_buffer_bytes_max {
        transaction.queued.clear();
        session.close_after_reply = true;
        engine.stats.query_buffer_disconnections += 1;
        return Err(CommandError::line("ERR transaction exceeds client-query-buffer-limit"));
    }
    Ok(())
}

/// Ends the session's transaction, if it has one, and its watch.
pub(crate) fn abandon(engine: &mut Engine, session: &mut Session) {
    session.transaction = None;
    forget_watch(engine, session);
}

fn multi(context: &mut Context<'_>) -> CommandResult {
    if context.session.transaction.is_some() {
        return Err(CommandError::line("ERR MULTI calls can not be nested"));
    }
    context.session.transaction = Some(Transaction::default());
    context.reply.ok();
    Ok(())
}

fn discard(context: &mut Context<'_>) -> CommandResult {
    if context.session.transaction.is_none() {
        return Err(CommandError::line("ERR DISCARD without MULTI"));
    }
    abandon(context.engine, context.session);
    context.reply.ok();
    Ok(())
}

fn watch(context: &mut Context<'_>) -> CommandResult {
    if context.session.transaction.is_some() {
        return Err(CommandError::line("ERR WATCH inside MULTI is not allowed"));
    }
    let (engine, session) = (&mut *context.engine, &mut *context.session);
    for key in context.args.iter().skip(1) {
        let db = session.db;
        let now = engine.now.unix_ms();
        let was_expired = engine.keyspace.db(db).lookup(key).is_some_and(|entry| entry.is_expired(now));
        engine.watches.add(session.id, WatchedKey { db, key: key.to_vec(), was_expired });
    }
    session.watching = true;
    context.reply.ok();
    Ok(())
}

fn unwatch(context: &mut Context<'_>) -> CommandResult {
    forget_watch(context.engine, context.session);
    context.reply.ok();
    Ok(())
}

fn forget_watch(engine: &mut Engine, session: &mut Session) {
    if std::mem::take(&mut session.watching) {
        engine.watches.forget(session.id);
    }
}

fn exec(context: &mut Context<'_>) -> CommandResult {
    let Some(transaction) = context.session.transaction.take() else {
        return Err(CommandError::line("ERR EXEC without MULTI"));
    };
    let broken = is_watch_broken(context.engine, context.session);
    forget_watch(context.engine, context.session);
    if transaction.refused {
        return Err(CommandError::line("EXECABORT Transaction discarded because of previous errors."));
    }
    if broken {
        context.reply.null_array();
        return Ok(());
    }
    context.engine.propagation.suppress();
    context.session.deny_blocking = true;
    context.reply.array(transaction.queued.len());
    let Context { engine, session, reply, server, .. } = context;
    run_queued(engine, session, reply.output(), *server, transaction.queued.into_iter());
    Ok(())
}

/// Runs what was collected, or what is left of it after a script that took several slices.
pub(crate) fn run_queued(
    engine: &mut Engine,
    session: &mut Session,
    output: &mut Output,
    server: &mut dyn Server,
    mut queued: std::vec::IntoIter<OwnedArgs>,
) {
    while let Some(request) = queued.next() {
        let args = request.as_args();
        let Found::Row(row) = engine.table.find(args) else { unreachable!("only known commands are queued") };
        // The reply is in the session's protocol, which HELLO may have changed.
        // Permissions may have been taken since the command was queued.
        if let Err(error) = engine.check_permission(session, row, args) {
            Reply::new(output, session.protocol).error_bytes(&error.text());
            continue;
        }
        engine.call(row, session, output, args, server);
        if session.blocked == Some(Blocked::Script) {
            engine.scripts.leave_transaction(queued);
            return;
        }
    }
    session.deny_blocking = false;
}

/// Whether a watched key has changed, or expired, since it was watched.
fn is_watch_broken(engine: &Engine, session: &Session) -> bool {
    let now = engine.now.unix_ms();
    let expired_since = |watched: &WatchedKey| {
        let entry = engine.keyspace.db(watched.db).lookup(&watched.key);
        !watched.was_expired && entry.is_some_and(|entry| entry.is_expired(now))
    };
    engine.watches.is_broken(session.id) || engine.watches.keys_of(session.id).iter().any(expired_since)
}
