//! CONFIG: the parameters of a running server.

use std::collections::BTreeMap;

use super::{ADMIN, ALL_NODES, PLAIN, server};
use crate::config::{Config, Parameter, SetError};
use crate::server::Server;
use crate::table::{Argument, Command, Flag, Group};
use crate::{CommandError, CommandResult, Context, Engine, catalog};

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
    let Context { engine, session, server, .. } = context;
    let may_protected = Config::permits(engine.config.enable_protected_configs, session.is_local());
    if let Some((name, _)) = pairs.iter().find(|(name, _)| Parameter::is_about_encryption(name)) {
        let mut wanted = engine.config.clone();
        wanted.set_all(&pairs, may_protected).map_err(told)?;
        if wanted.encrypts() && session.deny_blocking {
            let what = "certificates can't be read within a transaction".to_owned();
            return Err(told(SetError::Refused { name: String::from_utf8_lossy(name).into_owned(), what }));
        }
        if wanted.encrypts() {
            let pairs = pairs.iter().map(|(name, value)| (name.to_vec(), value.to_vec())).collect();
            return server.secure(session, wanted, ConfigChange { pairs, may_protected });
        }
    }
    change(engine, *server, &pairs, may_protected)?;
    context.reply.ok();
    Ok(())
}

/// What CONFIG SET is to change, once it is known that it can be.
pub struct ConfigChange {
    pairs: Vec<(Vec<u8>, Vec<u8>)>,
    may_protected: bool,
}

impl ConfigChange {
    /// The first parameter that belongs to encryption: what an error is related to.
    pub fn subject(&self) -> String {
        let found = self.pairs.iter().find(|(name, _)| Parameter::is_about_encryption(name));
        found.map(|(name, _)| String::from_utf8_lossy(name).into_owned()).unwrap_or_default()
    }

    pub fn carry_out(&self, engine: &mut Engine, server: &mut dyn Server) -> CommandResult {
        let pairs: Vec<(&[u8], &[u8])> =
            self.pairs.iter().map(|(name, value)| (name.as_slice(), value.as_slice())).collect();
        change(engine, server, &pairs, self.may_protected)
    }
}

/// Changes all parameters, and tells those whom it concerns.
fn change(
    engine: &mut Engine,
    server: &mut dyn Server,
    pairs: &[(&[u8], &[u8])],
    may_protected: bool,
) -> CommandResult {
    let changed = engine.config.set_all(pairs, may_protected).map_err(told)?;
    engine.apply_limits();
    if changed.iter().any(|parameter| parameter.name == "requirepass") {
        let password = engine.config.requirepass.clone();
        engine.acl.set_default_password(&password);
    }
    for parameter in changed {
        server.config_changed(engine, parameter.name);
    }
    Ok(())
}

fn told(error: SetError) -> CommandError {
    match error {
        SetError::Unknown(name) => {
            CommandError::line(format!("ERR Unknown option or number of arguments for CONFIG SET - '{name}'"))
        }
        SetError::Refused { name, what } => CommandError::line(format!(
            "ERR CONFIG SET failed (possibly related to argument '{name}') - {what}"
        )),
    }
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
