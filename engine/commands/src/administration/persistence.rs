//! SAVE, BGSAVE, BGREWRITEAOF, LASTSAVE, SHUTDOWN: the words of commands, for the node to act on.

use super::server;
use crate::server::ShutdownOptions;
use crate::table::{Argument, Category, Command, Flag};
use crate::{CommandError, CommandResult, Context};

const NOT_WHILE_LOADING: &[Flag] = &[Flag::Admin, Flag::NoScript, Flag::NoAsyncLoading];

pub(super) const SAVE: Command =
    server("save", 1, save, &[Flag::Admin, Flag::NoScript, Flag::NoAsyncLoading, Flag::NoMulti])
        .complexity("O(N) where N is the number of keys.")
        .summary("Saves the dataset, and answers when that is done.");

pub(super) const BGSAVE: Command = server("bgsave", -1, bgsave, NOT_WHILE_LOADING)
    .summary("Saves the dataset in the background.")
    .arguments(&[Argument::one_of(
        "operation",
        &[Argument::word("schedule", "SCHEDULE").since("3.2.2"), Argument::word("cancel", "CANCEL")],
    )
    .optional()]);

pub(super) const BGREWRITEAOF: Command = server("bgrewriteaof", 1, bgrewriteaof, NOT_WHILE_LOADING)
    .summary("Writes the append-only file anew in the background.");

pub(super) const LASTSAVE: Command =
    server("lastsave", 1, lastsave, &[Flag::Loading, Flag::Stale, Flag::Fast])
        .acl(&[Category::Admin, Category::Dangerous])
        .tips(&["nondeterministic_output"])
        .summary("When the dataset was last saved, in Unix seconds.");

pub(super) const SHUTDOWN: Command = server(
    "shutdown",
    -1,
    shutdown,
    &[Flag::Admin, Flag::NoScript, Flag::Loading, Flag::Stale, Flag::NoMulti, Flag::AllowBusy],
)
.complexity("O(N) when saving, where N is the number of keys.")
.summary("Saves the dataset where it should be, and ends the server.")
.arguments(&[
    Argument::one_of("save-selector", &[Argument::word("nosave", "NOSAVE"), Argument::word("save", "SAVE")])
        .optional(),
    Argument::word("now", "NOW").since("7.0.0").optional(),
    Argument::word("force", "FORCE").since("7.0.0").optional(),
    Argument::word("safe", "SAFE").since("9.0.0").optional(),
    Argument::word("failover", "FAILOVER").since("9.0.0").optional(),
    Argument::word("abort", "ABORT").since("7.0.0").optional(),
]);

fn save(context: &mut Context<'_>) -> CommandResult {
    context.server.save(context.engine, context.session, &mut context.reply)
}

fn bgsave(context: &mut Context<'_>) -> CommandResult {
    let schedule = match context.args.len() {
        1 => false,
        2 if context.arg(1).eq_ignore_ascii_case(b"schedule") => true,
        2 if context.arg(1).eq_ignore_ascii_case(b"cancel") => {
            return context.server.cancel_background_save(context.engine, &mut context.reply);
        }
        _ => return Err(CommandError::Syntax),
    };
    context.server.background_save(context.engine, schedule, &mut context.reply)
}

fn bgrewriteaof(context: &mut Context<'_>) -> CommandResult {
    context.server.background_rewrite(context.engine, &mut context.reply)
}

fn lastsave(context: &mut Context<'_>) -> CommandResult {
    context.reply.integer(context.server.last_save() as i64);
    Ok(())
}

fn shutdown(context: &mut Context<'_>) -> CommandResult {
    let mut options = ShutdownOptions::default();
    for word in context.args.iter().skip(1) {
        match word.to_ascii_lowercase().as_slice() {
            b"save" if options.save != Some(false) => options.save = Some(true),
            b"nosave" if options.save != Some(true) => options.save = Some(false),
            b"now" => options.now = true,
            b"force" => options.force = true,
            b"safe" => options.safe = true,
            b"failover" => options.failover = true,
            b"abort" => options.abort = true,
            _ => return Err(CommandError::Syntax),
        }
    }
    if options.abort && context.args.len() > 2 {
        return Err(CommandError::Syntax);
    }
    if options.failover && !context.engine.config.cluster_enabled {
        return Err(CommandError::line("ERR SHUTDOWN FAILOVER is only supported in cluster mode."));
    }
    if context.engine.scripts.is_parked() && options.save != Some(false) && !options.abort {
        return Err(context.engine.busy_error());
    }
    context.server.shutdown(context.engine, context.session, options)?;
    if options.abort {
        context.reply.ok();
    }
    Ok(())
}
