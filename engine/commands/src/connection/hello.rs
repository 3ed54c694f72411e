//! HELLO and AUTH: which protocol is spoken, and who is speaking.

use squall_resp::Protocol;

use super::{CONNECTION, client};
use crate::engine::{Engine, Role};
use crate::table::{Argument, Command, Flag, Group};
use crate::{CommandError, CommandResult, Context, REDIS_VERSION};

pub(super) const HELLO: Command = Command::new("hello", -1, hello)
    .group(Group::Connection)
    .flags(&[
        Flag::NoScript,
        Flag::Loading,
        Flag::Stale,
        Flag::Fast,
        Flag::NoAuth,
        Flag::AllowBusy,
        Flag::Secret,
    ])
    .acl(CONNECTION)
    .since("6.0.0")
    .summary("Agrees on the protocol's version, and tells who the server is.")
    .arguments(&[Argument::block(
        "arguments",
        &[
            Argument::integer("protover"),
            Argument::block("auth", &[Argument::string("username"), Argument::string("password")])
                .token("AUTH")
                .optional(),
            Argument::string("clientname").token("SETNAME").optional(),
        ],
    )
    .optional()]);

pub(super) const AUTH: Command = Command::new("auth", -2, auth)
    .group(Group::Connection)
    .flags(&[
        Flag::NoScript,
        Flag::Loading,
        Flag::Stale,
        Flag::Fast,
        Flag::NoAuth,
        Flag::AllowBusy,
        Flag::Secret,
    ])
    .acl(CONNECTION)
    .summary("Authenticates the connection.")
    .history(&[("6.0.0", "Takes a user's name too.")])
    .arguments(&[Argument::string("username").since("6.0.0").optional(), Argument::string("password")]);

/// What kind of server this is, as HELLO and INFO call it.
fn mode_name(engine: &Engine) -> &'static str {
    if engine.config.cluster_enabled { "cluster" } else { "standalone" }
}

fn auth(context: &mut Context<'_>) -> CommandResult {
    let (user, password): (&[u8], &[u8]) = match context.args.len() {
        2 if context.engine.acl.default_needs_no_password() => {
            return Err(CommandError::line(
                "ERR AUTH <password> called without any password configured for the default user. \
                 Are you sure your configuration is correct?",
            ));
        }
        2 => (b"default", context.arg(1)),
        3 => (context.arg(1), context.arg(2)),
        _ => return Err(CommandError::Syntax),
    };
    context.engine.authenticate(context.session, user, password)?;
    context.reply.ok();
    Ok(())
}

fn hello(context: &mut Context<'_>) -> CommandResult {
    let mut protocol = context.session.protocol;
    if context.args.len() > 1 {
        protocol = match squall_store::parse_i64(context.arg(1)) {
            Some(2) => Protocol::Resp2,
            Some(3) => Protocol::Resp3,
            Some(_) => return Err(CommandError::line("NOPROTO unsupported protocol version")),
            None => {
                return Err(CommandError::line("ERR Protocol version is not an integer or out of range"));
            }
        };
    }
    let mut credentials = None;
    let mut name = None;
    let mut index = 2;
    while index < context.args.len() {
        let option = context.arg(index);
        let following = context.args.len() - index - 1;
        if option.eq_ignore_ascii_case(b"auth") && following >= 2 {
            credentials = Some((context.arg(index + 1), context.arg(index + 2)));
            index += 3;
        } else if option.eq_ignore_ascii_case(b"setname") && following >= 1 {
            name = Some(client::valid_name(context.arg(index + 1))?);
            index += 2;
        } else {
            return Err(CommandError::Bytes([b"ERR Syntax error in HELLO option '", option, b"'"].concat()));
        }
    }
    if let Some((user, password)) = credentials {
        context.engine.authenticate(context.session, user, password)?;
    }
    if !context.session.authenticated {
        return Err(CommandError::line(
            "NOAUTH HELLO must be called with the client already authenticated, otherwise the HELLO <proto> AUTH \
             <user> <pass> option can be used to authenticate the client and select the RESP protocol version at \
             the same time",
        ));
    }
    if let Some(name) = name {
        context.session.name = name.to_vec();
    }
    context.session.protocol = protocol;
    introduce(context, protocol);
    Ok(())
}

fn introduce(context: &mut Context<'_>, protocol: Protocol) {
    let (engine, reply) = (&*context.engine, &mut context.reply);
    reply.set_protocol(protocol);
    reply.map(7);
    reply.bulk_str("server");
    reply.bulk_str("redis");
    reply.bulk_str("version");
    reply.bulk_str(REDIS_VERSION);
    reply.bulk_str("proto");
    reply.integer(if protocol == Protocol::Resp3 { 3 } else { 2 });
    reply.bulk_str("id");
    reply.integer(context.session.id.0 as i64);
    reply.bulk_str("mode");
    reply.bulk_str(mode_name(engine));
    reply.bulk_str("role");
    reply.bulk_str(if engine.role == Role::Primary { "master" } else { "replica" });
    reply.bulk_str("modules");
    reply.array(0);
}
