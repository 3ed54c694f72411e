//! The connection family: what a client says about itself and its conversation.

mod client;
mod client_filter;
mod client_line;
mod hello;

pub(crate) use client_line::describe;

use crate::session::{ReplyMode, Session};
use crate::table::{Argument, Category, Command, Flag, Group};
use crate::{CommandError, CommandResult, Context, transactions};

const CONNECTION: &[Category] = &[Category::Connection];
pub const ROWS: &[Command] = &[
    Command::new("ping", -1, ping)
        .group(Group::Connection)
        .flags(&[Flag::Fast, Flag::WhileSubscribed])
        .acl(CONNECTION)
        .tips(&["request_policy:all_shards", "response_policy:all_succeeded"])
        .summary("Answers PONG, or the given message: is the server there?")
        .arguments(&[Argument::string("message").optional()]),
    Command::new("echo", 2, echo)
        .group(Group::Connection)
        .flags(&[Flag::Loading, Flag::Stale, Flag::Fast])
        .acl(CONNECTION)
        .summary("Answers the given message.")
        .arguments(&[Argument::string("message")]),
    hello::HELLO,
    hello::AUTH,
    Command::new("quit", -1, quit)
        .group(Group::Connection)
        .flags(&[
            Flag::NoScript,
            Flag::Loading,
            Flag::Stale,
            Flag::Fast,
            Flag::NoAuth,
            Flag::AllowBusy,
            Flag::NeverQueued,
            Flag::WhileSubscribed,
        ])
        .acl(CONNECTION)
        .deprecated("7.2.0", "just closing the connection")
        .summary("Closes the connection."),
    Command::new("reset", 1, reset)
        .group(Group::Connection)
        .flags(&[
            Flag::NoScript,
            Flag::Loading,
            Flag::Stale,
            Flag::Fast,
            Flag::NoAuth,
            Flag::AllowBusy,
            Flag::NeverQueued,
            Flag::WhileSubscribed,
        ])
        .acl(CONNECTION)
        .since("6.2.0")
        .summary("Puts the connection back to how it was when it was opened."),
    client::CLIENT,
];

fn ping(context: &mut Context<'_>) -> CommandResult {
    let in_messages = context.session.subscribed && !context.reply.is_resp3();
    match context.args.len() {
        // Where everything that arrives is a message, the answer looks like one.
        1 | 2 if in_messages => {
            context.reply.array(2);
            context.reply.bulk(b"pong");
            context.reply.bulk(context.args.get(1).unwrap_or_default());
        }
        1 => context.reply.simple("PONG"),
        2 => context.reply.bulk(context.arg(1)),
        _ => return Err(CommandError::Arity { command: "ping".into() }),
    }
    Ok(())
}

fn echo(context: &mut Context<'_>) -> CommandResult {
    context.reply.bulk(context.arg(1));
    Ok(())
}

fn quit(context: &mut Context<'_>) -> CommandResult {
    context.session.close_after_reply = true;
    context.reply.ok();
    Ok(())
}

fn reset(context: &mut Context<'_>) -> CommandResult {
    let (engine, session) = (&mut *context.engine, &mut *context.session);
    if session.is_primary_link || session.is_replica {
        return Err(CommandError::line("ERR can only reset normal connections"));
    }
    transactions::abandon(engine, session);
    engine.forget_client(session.id);
    let before = std::mem::replace(
        session,
        Session::new(session.id, String::new(), String::new(), engine.acl.default_is_open(), engine.now),
    );
    session.peer = before.peer;
    session.local = before.local;
    session.created = before.created;
    session.last_write_offset = before.last_write_offset;
    session.last_write_log = before.last_write_log;
    session.log_position = before.log_position;
    session.library_name = before.library_name;
    session.library_version = before.library_version;
    session.commands_processed = before.commands_processed;
    session.input_bytes = before.input_bytes;
    session.output_bytes = before.output_bytes;
    // Replies that were off come back with this one, which the dispatcher writes.
    if before.reply_mode == ReplyMode::On {
        context.reply.set_protocol(session.protocol);
        context.reply.simple("RESET");
    }
    Ok(())
}
