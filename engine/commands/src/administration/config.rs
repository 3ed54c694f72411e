//! CONFIG: the parameters of a running server.

use std::collections::BTreeMap;

use super::{ADMIN, ALL_NODES, PLAIN, server};
use crate::config::{Config, Parameter, SetError};
use crate::table::{Argument, Command, Flag, Group};
use crate::{CommandError, CommandResult, Context, catalog};

pub(super) const CONFIG: Command = Command::container("config", SUBCOMMANDS)
    .group(Group::Server)
    .since("2.0.0")
    .summary("The parameters of the running server.");

const SUBCOMMANDS: &[Command] = &[
    server("get", -3, get, ADMIN)
        .since("2.0.0")
        .complexity("O(N) where N is the number of parameters.")
        .summary("The values of all parameters that a pattern names.")
        .arguments(&[Argument::string("parameter").multiple()]),
    server("help", 2, catalog::help, PLAIN).since("5.0.0").summary("Tells what CONFIG can do."),
    server("resetstat", 2, resetstat, ADMIN)
        .since("2.0.0")
        .tips(ALL_NODES)
        .summary("Sets the statistics back to nothing."),
    server("rewrite", 2, rewrite, ADMIN)
        .since("2.8.0")
        .tips(ALL_NODES)
        .summary("Brings the configuration file up to date."),
    server("set", -4, set, &[Flag::Admin, Flag::NoScript, Flag::Loading, Flag::Stale, Flag::Secret])
        .since("2.0.0")
        .complexity("O(N) where N is the number of parameters.")
        .tips(ALL_NODES)
        .summary("Changes parameters, all of those given or none.")
        .arguments(&[
            Argument::block("data", &[Argument::string("parameter"), Argument::string("value")]).multiple()
        ]),
];

fn get(context: &mut Context<'_>) -> CommandResult {
    let config = &context.engine.config;
    let patterns: Vec<Vec<u8>> = context.args.iter().skip(2).map(<[u8]>::to_ascii_lowercase).collect();
    // An exact name answers for itself, in any case; a pattern matches names and aliases.
    let mut found = BTreeMap::new();
    for parameter in Parameter::all() {
        for name in parameter.aliases.iter().copied().chain([parameter.name]) {
            if patterns.iter().any(|pattern| squall_store::glob_match(pattern, name.as_bytes())) {
                found.insert(name, parameter.show(config));
            }
        }
    }
    context.reply.map(found.len());
    for (name, value) in found {
        context.reply.bulk_str(name);
        context.reply.bulk_str(&value);
    }
    Ok(())
}

fn set(context: &mut Context<'_>) -> CommandResult {
    let words = context.args.skip(2);
    if !words.len().is_multiple_of(2) {
        return Err(CommandError::Arity { command: "config|set".into() });
    }
    let pairs: Vec<(&[u8], &[u8])> =
        (0..words.len()).step_by(2).map(|i| (words.at(i), words.at(i + 1))).collect();
    let config = &mut context.engine.config;
    let may_protected = Config::permits(config.enable_protected_configs, context.session.is_local());
    let changed = config.set_all(&pairs, may_protected).map_err(|error| match error {
        SetError::Unknown(name) => {
            CommandError::line(format!("ERR Unknown option or number of arguments for CONFIG SET - '{name}'"))
        }
        SetError::Refused { name, what } => CommandError::line(format!(
            "ERR CONFIG SET failed (possibly related to argument '{name}') - {what}"
        )),
    })?;
    context.engine.apply_limits();
    if changed.iter().any(|parameter| parameter.name == "requirepass") {
        let password = context.engine.config.requirepass.clone();
        context.engine.acl.set_default_password(&password);
    }
    for parameter in changed {
        context.server.config_changed(context.engine, parameter.name);
    }
    context.reply.ok();
    Ok(())
}

fn resetstat(context: &mut Context<'_>) -> CommandResult {
    context.engine.stats.reset();
    context.engine.latencies.reset_histograms();
    context.reply.ok();
    Ok(())
}

fn rewrite(context: &mut Context<'_>) -> CommandResult {
    if context.engine.config.config_file.is_empty() {
        return Err(CommandError::line("ERR The server is running without a config file"));
    }
    context.server.config_rewrite(context.engine, context.session)
}
