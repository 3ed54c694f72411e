//! The connection family: what a client says about itself and its conversation.

use crate::table::{Argument, Category, Command, Flag, Group};
use crate::{CommandError, CommandResult, Context};

pub const ROWS: &[Command] = &[
    Command::new("ping", -1, ping)
        .group(Group::Connection)
        .flags(&[Flag::Fast])
        .acl(&[Category::Connection])
        .tips(&["request_policy:all_shards", "response_policy:all_succeeded"])
        .summary("Answers PONG, or the given message: is the server there?")
        .arguments(&[Argument::string("message").optional()]),
    Command::new("echo", 2, echo)
        .group(Group::Connection)
        .flags(&[Flag::Fast])
        .acl(&[Category::Connection])
        .summary("Answers the given message.")
        .arguments(&[Argument::string("message")]),
];

fn ping(context: &mut Context<'_>) -> CommandResult {
    match context.args.len() {
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
