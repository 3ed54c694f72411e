//! REPLICAOF, FAILOVER, ROLE, REPLCONF, PSYNC, SYNC, WAIT, WAITAOF: the words of commands, for the node to act on.

use squall_clock::Nanos;

use super::server;
use crate::engine::Role;
use crate::server::{FailoverRequest, WantedDisks};
use crate::table::{Argument, Category, Command, Flag, Group};
use crate::{CommandError, CommandResult, Context};

const FOLLOW: &[Flag] = &[Flag::Admin, Flag::NoScript, Flag::Stale, Flag::NoAsyncLoading];
const SYNCHRONISE: &[Flag] = &[Flag::Admin, Flag::NoScript, Flag::NoAsyncLoading, Flag::NoMulti];

const PRIMARY: &[Argument] = &[Argument::one_of(
    "args",
    &[
        Argument::block("host-port", &[Argument::string("host"), Argument::integer("port")]),
        Argument::block("no-one", &[Argument::word("no", "NO"), Argument::word("one", "ONE")]),
    ],
)];

pub(super) const REPLICAOF: Command = server("replicaof", 3, replicaof, FOLLOW)
    .since("5.0.0")
    .summary("Makes this server a replica of another, or a primary.")
    .arguments(PRIMARY);

pub(super) const SLAVEOF: Command = server("slaveof", 3, replicaof, FOLLOW)
    .deprecated("5.0.0", "`REPLICAOF`")
    .summary("Makes this server a replica of another, or a primary.")
    .arguments(PRIMARY);

pub(super) const FAILOVER: Command =
    server("failover", -1, failover, &[Flag::Admin, Flag::NoScript, Flag::Stale])
        .since("6.2.0")
        .summary("Hands this server's role of a primary to one of its replicas, without losing a write.")
        .arguments(&[
            Argument::block(
                "target",
                &[
                    Argument::string("host"),
                    Argument::integer("port"),
                    Argument::word("force", "FORCE").optional(),
                ],
            )
            .token("TO")
            .optional(),
            Argument::word("abort", "ABORT").optional(),
            Argument::integer("milliseconds").token("TIMEOUT").optional(),
        ]);

pub(super) const ROLE: Command =
    server("role", 1, role, &[Flag::NoScript, Flag::Loading, Flag::Stale, Flag::Fast])
        .acl(&[Category::Admin, Category::Dangerous])
        .since("2.8.12")
        .summary("What this server is in replication, and with whom.");

pub(super) const REPLCONF: Command = server(
    "replconf",
    -1,
    replconf,
    &[Flag::Admin, Flag::NoScript, Flag::Loading, Flag::Stale, Flag::AllowBusy],
)
.since("3.0.0")
.summary("What replicas tell their primary about themselves.");

pub(super) const PSYNC: Command = server("psync", -3, psync, SYNCHRONISE)
    .since("2.8.0")
    .summary("Begins or continues to follow this server's writes.")
    .arguments(&[Argument::string("replicationid"), Argument::integer("offset")]);

pub(super) const SYNC: Command = server("sync", 1, psync, SYNCHRONISE)
    .summary("Begins to follow this server's writes, in the oldest way.");

pub(super) const WAIT: Command = Command::new("wait", 3, wait)
    .group(Group::Generic)
    .flags(&[Flag::Blocking])
    .acl(&[Category::Connection])
    .since("3.0.0")
    .tips(&["request_policy:all_shards", "response_policy:agg_min"])
    .summary("Waits until so many replicas have this connection's writes, or a time has passed.")
    .arguments(&[Argument::integer("numreplicas"), Argument::integer("timeout")]);

pub(super) const WAITAOF: Command = Command::new("waitaof", 4, waitaof)
    .group(Group::Generic)
    .flags(&[Flag::Blocking])
    .acl(&[Category::Connection])
    .since("7.2.0")
    .tips(&["request_policy:all_shards", "response_policy:agg_min"])
    .summary("Waits until this connection's writes are on so many disks, or a time has passed.")
    .arguments(&[
        Argument::integer("numlocal"),
        Argument::integer("numreplicas"),
        Argument::integer("timeout"),
    ]);

fn replicaof(context: &mut Context<'_>) -> CommandResult {
    if context.engine.config.cluster_enabled {
        return Err(CommandError::line("ERR REPLICAOF not allowed in cluster mode."));
    }
    let (host, port) = (context.arg(1), context.arg(2));
    let primary = if host.eq_ignore_ascii_case(b"no") && port.eq_ignore_ascii_case(b"one") {
        None
    } else {
        let port = squall_store::parse_i64(port).and_then(|port| u16::try_from(port).ok());
        let port = port.ok_or(CommandError::line("ERR Invalid master port"))?;
        Some((String::from_utf8_lossy(host).into_owned(), port))
    };
    context.server.replica_of(context.engine, primary, &mut context.reply)
}

fn failover(context: &mut Context<'_>) -> CommandResult {
    if context.engine.config.cluster_enabled {
        return Err(CommandError::line("ERR FAILOVER not allowed in cluster mode."));
    }
    let request = failover_request(context)?;
    context.server.failover(context.engine, request, &mut context.reply)
}

fn failover_request(context: &Context<'_>) -> Result<FailoverRequest, CommandError> {
    let (mut target, mut timeout, mut force) = (None, None, false);
    let (mut at, end) = (1, context.args.len());
    while at < end {
        let word = context.arg(at);
        if word.eq_ignore_ascii_case(b"abort") && end == 2 {
            return Ok(FailoverRequest::Abort);
        } else if word.eq_ignore_ascii_case(b"timeout") && at + 1 < end && timeout.is_none() {
            let milliseconds = context.integer(at + 1)?;
            if milliseconds <= 0 {
                return Err(CommandError::line("ERR FAILOVER timeout must be greater than 0"));
            }
            timeout = Some(Nanos::from_millis(milliseconds as u64));
            at += 2;
        } else if word.eq_ignore_ascii_case(b"to") && at + 2 < end && target.is_none() {
            let host = String::from_utf8_lossy(context.arg(at + 1)).into_owned();
            target = Some((host, context.integer(at + 2)?));
            at += 3;
        } else if word.eq_ignore_ascii_case(b"force") && !force {
            force = true;
            at += 1;
        } else {
            return Err(CommandError::Syntax);
        }
    }
    Ok(FailoverRequest::Begin { target, timeout, force })
}

fn role(context: &mut Context<'_>) -> CommandResult {
    context.server.role(context.engine, &mut context.reply);
    Ok(())
}

fn replconf(context: &mut Context<'_>) -> CommandResult {
    if context.args.len().is_multiple_of(2) {
        return Err(CommandError::Syntax);
    }
    context.server.replconf(context.engine, context.session, context.args, &mut context.reply)
}

fn psync(context: &mut Context<'_>) -> CommandResult {
    context.server.psync(context.engine, context.session, context.args, &mut context.reply)
}

fn wait(context: &mut Context<'_>) -> CommandResult {
    if context.engine.role == Role::Replica {
        return Err(CommandError::line(
            "ERR WAIT cannot be used with replica instances. Please also note that since Redis 4.0 if a replica is \
             configured to be writable (which is not the default) writes to replicas are just local and are not \
             propagated.",
        ));
    }
    let replicas = context.integer(1)?;
    let timeout_ms = context.timeout_ms(2)?;
    let timeout = (timeout_ms != 0).then(|| Nanos::from_millis(timeout_ms));
    let replicas = u64::try_from(replicas).unwrap_or(0);
    if has_kept_its_writes_back(context) {
        context.reply.integer(0);
        return Ok(());
    }
    context.server.wait(context.engine, context.session, replicas, timeout, &mut context.reply)
}

/// What a script or a transaction has written is not on its way before its end: nobody, and no disk, can have it.
fn has_kept_its_writes_back(context: &Context<'_>) -> bool {
    context.session.deny_blocking && context.engine.propagation.is_within_request()
}

fn waitaof(context: &mut Context<'_>) -> CommandResult {
    let local = context.integer(1)?;
    if !(0..=1).contains(&local) {
        return Err(CommandError::line("ERR value is out of range, value must between 0 and 1"));
    }
    let replicas = context.integer(2)?;
    let Ok(replicas) = u64::try_from(replicas) else {
        return Err(CommandError::line("ERR value is out of range, must be positive"));
    };
    let timeout_ms = context.timeout_ms(3)?;
    if context.engine.role == Role::Replica {
        return Err(CommandError::line(
            "ERR WAITAOF cannot be used with replica instances. Please also note that writes to replicas are just local \
             and are not propagated.",
        ));
    }
    if local > 0 && !context.engine.config.appendonly {
        return Err(CommandError::line(
            "ERR WAITAOF cannot be used when numlocal is set but appendonly is disabled.",
        ));
    }
    if has_kept_its_writes_back(context) {
        context.reply.array(2);
        context.reply.integer(0);
        context.reply.integer(0);
        return Ok(());
    }
    let timeout = (timeout_ms != 0).then(|| Nanos::from_millis(timeout_ms));
    let wanted = WantedDisks { local: local > 0, replicas };
    context.server.wait_for_disks(context.engine, context.session, wanted, timeout, &mut context.reply)
}
