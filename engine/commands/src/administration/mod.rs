//! The server family: what operators, tools and other servers ask of this one.

pub mod command_log;
pub mod config;
mod debug;
mod debug_protocol;
pub mod info;
mod info_memory;
mod info_stats;
pub mod latency;
mod lolwut;
mod memory;
pub mod monitor;
mod persistence;
mod replication;

use crate::table::{Argument, Command, Flag, Group};
use crate::{CommandError, CommandResult, Context, catalog};

/// Subcommands that only tell.
const PLAIN: &[Flag] = &[Flag::Loading, Flag::Stale];
const MODULES: &[Flag] = &[Flag::Admin, Flag::NoAsyncLoading, Flag::NoScript];
const ADMIN: &[Flag] = &[Flag::Admin, Flag::NoScript, Flag::Loading, Flag::Stale];
const ALL_NODES: &[&str] = &["request_policy:all_nodes", "response_policy:all_succeeded"];

const fn server(name: &'static str, arity: i32, handler: crate::Handler, flags: &[Flag]) -> Command {
    Command::new(name, arity, handler).group(Group::Server).flags(flags)
}

pub const ROWS: &[Command] = &[
    crate::acl::ACL,
    config::CONFIG,
    debug::DEBUG,
    info::INFO,
    latency::LATENCY,
    lolwut::LOLWUT,
    memory::MEMORY,
    server("module", -2, catalog::help, &[])
        .since("4.0.0")
        .complexity("Depends on subcommand.")
        .summary("Modules, of which there are none.")
        .subcommands(&[
            server("help", 2, catalog::help, PLAIN).since("5.0.0").summary("Tells what MODULE can do."),
            server("list", 2, module_list, &[Flag::Admin, Flag::NoScript])
                .since("4.0.0")
                .complexity("O(N) where N is the number of modules.")
                .tips(&["nondeterministic_output_order"])
                .summary("The modules that are loaded."),
            server("load", -3, module_load, MODULES)
                .since("4.0.0")
                .summary("Refuses to load a module: they are made for another server.")
                .arguments(&[Argument::string("path"), Argument::string("arg").optional().multiple()]),
            server("loadex", -3, module_load, MODULES)
                .since("7.0.0")
                .summary("Refuses to load a module: they are made for another server.")
                .arguments(&[Argument::string("path")]),
            server("unload", 3, module_unload, MODULES)
                .since("4.0.0")
                .summary("Refuses to unload a module: there is none.")
                .arguments(&[Argument::string("name")]),
        ]),
    server("monitor", 1, monitor::monitor, ADMIN)
        .summary("Shows every command that the server executes, as it does."),
    persistence::SAVE,
    persistence::BGSAVE,
    persistence::BGREWRITEAOF,
    persistence::LASTSAVE,
    persistence::SHUTDOWN,
    replication::REPLICAOF,
    replication::SLAVEOF,
    replication::FAILOVER,
    replication::ROLE,
    replication::REPLCONF,
    replication::PSYNC,
    replication::SYNC,
    replication::WAIT,
    replication::WAITAOF,
    command_log::SLOWLOG,
    command_log::COMMANDLOG,
    server("time", 1, time, &[Flag::Loading, Flag::Stale, Flag::Fast])
        .since("2.6.0")
        .tips(&["nondeterministic_output"])
        .summary("The server's time: Unix seconds, and the microseconds of the second."),
];

fn module_list(context: &mut Context<'_>) -> CommandResult {
    context.reply.array(0);
    Ok(())
}

fn module_load(context: &mut Context<'_>) -> CommandResult {
    let refusal = modules_refusal(context, "ERR Error loading the extension. Please check the server logs.");
    Err(CommandError::line(refusal))
}

fn module_unload(context: &mut Context<'_>) -> CommandResult {
    let refusal = modules_refusal(context, "ERR Error unloading module: no such module with that name");
    Err(CommandError::line(refusal))
}

/// What is said where modules are not even spoken of, and what where they are.
fn modules_refusal(context: &Context<'_>, spoken_of: &'static str) -> &'static str {
    const NOT_ALLOWED: &str = "ERR MODULE command not allowed. If the enable-module-command option is set to \
        \"local\", you can run it from a local connection, otherwise you need to set this option in the \
        configuration file, and then restart the server.";
    match context.engine.config.enable_module_command {
        crate::config::Protection::No => NOT_ALLOWED,
        _ => spoken_of,
    }
}

fn time(context: &mut Context<'_>) -> CommandResult {
    let us = context.engine.now.unix_us;
    context.reply.array(2);
    context.reply.bulk_str(&(us / 1_000_000).to_string());
    context.reply.bulk_str(&(us % 1_000_000).to_string());
    Ok(())
}

/// A word of help for a count: `[count]`, optional.
const COUNT: Argument = Argument::integer("count").optional();
