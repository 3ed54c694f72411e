//! CLIENT: what a connection is called, how it is treated, and what one connection may do to another.

use squall_clock::Nanos;

use super::CONNECTION;
use super::client_filter::Filter;
use super::client_line::describe;
use crate::server::Pause;
use crate::session::{ClientId, ReplyMode};
use crate::table::{Argument, Command, Flag, Group};
use crate::tracking::{caching, getredir, tracking, trackinginfo};
use crate::{CommandError, CommandResult, Context, catalog};

const PLAIN: &[Flag] = &[Flag::NoScript, Flag::Loading, Flag::Stale];
const ADMIN: &[Flag] = &[Flag::Admin, Flag::NoScript, Flag::Loading, Flag::Stale];

const ON_OFF: &[Argument] = &[Argument::word("on", "ON"), Argument::word("off", "OFF")];
const TYPES: &[Argument] = &[
    Argument::word("normal", "NORMAL"),
    Argument::word("master", "MASTER"),
    Argument::word("primary", "PRIMARY"),
    Argument::word("slave", "SLAVE"),
    Argument::word("replica", "REPLICA"),
    Argument::word("pubsub", "PUBSUB"),
];
const YES_NO: &[Argument] = &[Argument::word("yes", "YES"), Argument::word("no", "NO")];

/// What CLIENT LIST and CLIENT KILL choose by; see `client_filter`.
const CONDITIONS: &[Argument] = &[
    Argument::integer("client-id").token("ID").multiple(),
    Argument::integer("not-client-id").token("NOT-ID").multiple(),
    Argument::one_of("client-type", TYPES).token("TYPE"),
    Argument::one_of("not-client-type", TYPES).token("NOT-TYPE"),
    Argument::string("username").token("USER"),
    Argument::string("not-username").token("NOT-USER"),
    Argument::string("addr").token("ADDR"),
    Argument::string("not-addr").token("NOT-ADDR"),
    Argument::string("laddr").token("LADDR"),
    Argument::string("not-laddr").token("NOT-LADDR"),
    Argument::string("ip").token("IP"),
    Argument::string("not-ip").token("NOT-IP"),
    Argument::string("flags").token("FLAGS"),
    Argument::string("not-flags").token("NOT-FLAGS"),
    Argument::string("name").token("NAME"),
    Argument::string("not-name").token("NOT-NAME"),
    Argument::string("lib-name").token("LIB-NAME"),
    Argument::string("not-lib-name").token("NOT-LIB-NAME"),
    Argument::string("lib-ver").token("LIB-VER"),
    Argument::string("not-lib-ver").token("NOT-LIB-VER"),
    Argument::integer("db").token("DB"),
    Argument::integer("not-db").token("NOT-DB"),
    Argument::string("capa").token("CAPA"),
    Argument::string("not-capa").token("NOT-CAPA"),
    Argument::one_of("skipme", YES_NO).token("SKIPME"),
    Argument::integer("maxage").token("MAXAGE"),
    Argument::integer("idle").token("IDLE"),
];

pub(super) const CLIENT: Command = Command::container("client", SUBCOMMANDS)
    .group(Group::Connection)
    .since("2.4.0")
    .summary("What connections are called and how they are treated.");

const fn subcommand(name: &'static str, arity: i32, handler: crate::Handler, flags: &[Flag]) -> Command {
    Command::new(name, arity, handler).group(Group::Connection).flags(flags).acl(CONNECTION)
}

const SUBCOMMANDS: &[Command] = &[
    subcommand("caching", 3, caching, PLAIN)
        .since("6.0.0")
        .summary("Whether the next command's keys are remembered for this client's cache.")
        .arguments(&[Argument::one_of("mode", YES_NO)]),
    subcommand("getname", 2, getname, PLAIN).since("2.6.9").summary("The name of this connection."),
    subcommand("getredir", 2, getredir, PLAIN)
        .since("6.0.0")
        .summary("The connection that this one's invalidation messages go to."),
    subcommand("help", 2, catalog::help, &[Flag::Loading, Flag::Stale])
        .since("5.0.0")
        .summary("Tells what CLIENT can do."),
    subcommand("id", 2, id, PLAIN).since("5.0.0").summary("The number of this connection."),
    subcommand("import-source", 3, import_source, &[Flag::NoScript, Flag::Loading, Flag::Stale])
        .since("8.1.0")
        .summary("Whether this connection copies another server's keys here, expired ones too.")
        .arguments(&[Argument::one_of("enabled", ON_OFF)]),
    subcommand("info", 2, info, PLAIN)
        .since("6.2.0")
        .tips(&["nondeterministic_output"])
        .summary("What the server knows of this connection."),
    subcommand("kill", -3, kill, ADMIN)
        .since("2.4.0")
        .complexity("O(N) where N is the number of connections.")
        .summary("Closes connections.")
        .arguments(&[Argument::one_of(
            "filter",
            &[Argument::string("old-format"), Argument::one_of("new-format", CONDITIONS).multiple()],
        )]),
    subcommand("list", -2, list, ADMIN)
        .since("2.4.0")
        .complexity("O(N) where N is the number of connections.")
        .tips(&["nondeterministic_output"])
        .summary("What the server knows of its connections, a line for each.")
        .arguments(&[Argument::one_of("filter", CONDITIONS).optional().multiple()]),
    subcommand("capa", -3, capa, &[Flag::NoScript, Flag::Loading, Flag::Stale, Flag::AllowBusy])
        .since("8.0.0")
        .summary("Takes note of what the client can do; nothing here depends on it.")
        .arguments(&[Argument::string("capability").multiple()]),
    subcommand("no-evict", 3, no_evict, ADMIN)
        .since("7.0.0")
        .summary("Whether this connection is spared where clients use too much memory.")
        .arguments(&[Argument::one_of("enabled", ON_OFF)]),
    subcommand("no-touch", 3, no_touch, PLAIN)
        .since("7.2.0")
        .summary("Whether this connection's commands leave keys' access times as they are.")
        .arguments(&[Argument::one_of("enabled", ON_OFF)]),
    subcommand("pause", -3, pause, ADMIN)
        .since("2.9.50")
        .summary("Holds back the commands of all clients for a while.")
        .arguments(&[
            Argument::integer("timeout"),
            Argument::one_of("mode", &[Argument::word("write", "WRITE"), Argument::word("all", "ALL")])
                .since("6.2.0")
                .optional(),
        ]),
    subcommand("reply", 3, reply, PLAIN)
        .since("3.2.0")
        .summary("Whether this connection's commands are answered.")
        .arguments(&[Argument::one_of(
            "action",
            &[Argument::word("on", "ON"), Argument::word("off", "OFF"), Argument::word("skip", "SKIP")],
        )]),
    subcommand("setinfo", 4, setinfo, PLAIN)
        .since("7.2.0")
        .tips(&["request_policy:all_nodes", "response_policy:all_succeeded"])
        .summary("Tells which library, in which version, speaks here.")
        .arguments(&[Argument::one_of(
            "attr",
            &[Argument::string("libname").token("LIB-NAME"), Argument::string("libver").token("LIB-VER")],
        )]),
    subcommand("setname", 3, setname, PLAIN)
        .since("2.6.9")
        .tips(&["request_policy:all_nodes", "response_policy:all_succeeded"])
        .summary("Gives this connection a name.")
        .arguments(&[Argument::string("connection-name")]),
    subcommand("tracking", -3, tracking, PLAIN)
        .since("6.0.0")
        .summary("Whether this client is told when keys that it has read change.")
        .arguments(&[
            Argument::one_of("status", ON_OFF),
            Argument::integer("client-id").token("REDIRECT").optional(),
            Argument::string("prefix").token("PREFIX").optional().multiple(),
            Argument::word("bcast", "BCAST").optional(),
            Argument::word("optin", "OPTIN").optional(),
            Argument::word("optout", "OPTOUT").optional(),
            Argument::word("noloop", "NOLOOP").optional(),
        ]),
    subcommand("trackinginfo", 2, trackinginfo, PLAIN)
        .since("6.2.0")
        .summary("What this client is told of keys that change."),
    subcommand("unblock", -3, unblock, ADMIN)
        .since("5.0.0")
        .complexity("O(log N) where N is the number of connections.")
        .summary("Ends another connection's waiting.")
        .arguments(&[
            Argument::integer("client-id"),
            Argument::one_of(
                "unblock-type",
                &[Argument::word("timeout", "TIMEOUT"), Argument::word("error", "ERROR")],
            )
            .optional(),
        ]),
    subcommand("unpause", 2, unpause, ADMIN).since("6.2.0").summary("Ends a pause of all clients."),
];

/// A name without blanks and control characters: it stands in CLIENT LIST.
pub(super) fn valid_name(name: &[u8]) -> Result<&[u8], CommandError> {
    if name.iter().all(|byte| (b'!'..=b'~').contains(byte)) {
        return Ok(name);
    }
    Err(CommandError::line("ERR Client names cannot contain spaces, newlines or special characters."))
}

/// `ON` or `OFF` at `index`.
fn on_off(context: &Context<'_>, index: usize) -> Result<bool, CommandError> {
    match context.arg(index) {
        word if word.eq_ignore_ascii_case(b"on") => Ok(true),
        word if word.eq_ignore_ascii_case(b"off") => Ok(false),
        _ => Err(CommandError::Syntax),
    }
}

fn id(context: &mut Context<'_>) -> CommandResult {
    context.reply.integer(context.session.id.0 as i64);
    Ok(())
}

fn getname(context: &mut Context<'_>) -> CommandResult {
    match context.session.name.as_slice() {
        [] => context.reply.null(),
        name => context.reply.bulk(name),
    }
    Ok(())
}

fn setname(context: &mut Context<'_>) -> CommandResult {
    context.session.name = valid_name(context.arg(2))?.to_vec();
    context.reply.ok();
    Ok(())
}

fn setinfo(context: &mut Context<'_>) -> CommandResult {
    let (attribute, value) = (context.arg(2), context.arg(3));
    let (field, name) = if attribute.eq_ignore_ascii_case(b"lib-name") {
        (&mut context.session.library_name, "lib-name")
    } else if attribute.eq_ignore_ascii_case(b"lib-ver") {
        (&mut context.session.library_version, "lib-ver")
    } else {
        return Err(CommandError::Bytes([b"ERR Unrecognized option '", attribute, b"'"].concat()));
    };
    if !value.iter().all(|byte| (b'!'..=b'~').contains(byte)) {
        return Err(CommandError::line(format!(
            "ERR {name} cannot contain spaces, newlines or special characters."
        )));
    }
    *field = value.to_vec();
    context.reply.ok();
    Ok(())
}

fn info(context: &mut Context<'_>) -> CommandResult {
    let line = describe(context.engine, context.session, None);
    context.reply.verbatim("txt", &format!("{line}\n"));
    Ok(())
}

fn list(context: &mut Context<'_>) -> CommandResult {
    let filter = Filter::of_list(context.args, context.engine)?;
    let text = filter.list(context.engine, context.session, context.server.primary_link());
    context.reply.verbatim("txt", &text);
    Ok(())
}

fn kill(context: &mut Context<'_>) -> CommandResult {
    let old_form = context.args.len() == 3;
    let filter = if old_form {
        Filter::by_address(context.arg(2))
    } else {
        Filter::of_kill(context.args, context.engine)?
    };
    let victims = filter.matching(context.engine, context.session, context.server.primary_link());
    for &victim in &victims {
        if victim == context.session.id {
            context.session.close_after_reply = true;
        } else {
            context.server.close_client(context.engine, victim);
        }
    }
    match (old_form, victims.len()) {
        (true, 0) => return Err(CommandError::line("ERR No such client")),
        (true, _) => context.reply.ok(),
        (false, count) => context.reply.integer(count as i64),
    }
    Ok(())
}

fn reply(context: &mut Context<'_>) -> CommandResult {
    let mode = match context.arg(2) {
        word if word.eq_ignore_ascii_case(b"on") => ReplyMode::On,
        word if word.eq_ignore_ascii_case(b"off") => ReplyMode::Off,
        word if word.eq_ignore_ascii_case(b"skip") => ReplyMode::SkipNext,
        _ => return Err(CommandError::Syntax),
    };
    let session = &mut *context.session;
    match (session.reply_mode, mode) {
        // Where replies were off, the dispatcher answers for this one.
        (ReplyMode::On, ReplyMode::On) => context.reply.ok(),
        // SKIP changes nothing where nothing is answered anyway.
        (ReplyMode::Off, ReplyMode::SkipNext) => {}
        _ => session.reply_mode = mode,
    }
    Ok(())
}

/// A client that could follow to another server is not sent there: a replica answers it as any other.
fn capa(context: &mut Context<'_>) -> CommandResult {
    if context.args.iter().skip(2).any(|word| word.eq_ignore_ascii_case(b"redirect")) {
        context.session.is_redirectable = true;
    }
    context.reply.ok();
    Ok(())
}

fn no_evict(context: &mut Context<'_>) -> CommandResult {
    context.session.no_evict = on_off(context, 2)?;
    context.reply.ok();
    Ok(())
}

fn import_source(context: &mut Context<'_>) -> CommandResult {
    if !context.engine.config.import_mode {
        return Err(CommandError::line("ERR Server is not in import mode"));
    }
    context.session.imports = on_off(context, 2)?;
    context.engine.begin_for(context.session);
    context.reply.ok();
    Ok(())
}

fn no_touch(context: &mut Context<'_>) -> CommandResult {
    context.session.no_touch = on_off(context, 2)?;
    context.reply.ok();
    Ok(())
}

fn pause(context: &mut Context<'_>) -> CommandResult {
    let all = match context.args.get(3) {
        None => true,
        Some(word) if word.eq_ignore_ascii_case(b"all") => true,
        Some(word) if word.eq_ignore_ascii_case(b"write") => false,
        Some(_) => return Err(CommandError::line("ERR CLIENT PAUSE mode must be WRITE or ALL")),
    };
    let timeout = context.timeout_ms(2)?;
    let engine = &mut *context.engine;
    let now = engine.now.mono;
    let mut pause = Pause { until: now + Nanos::from_millis(timeout), all };
    // A pause never ends a longer or a stricter one early.
    if let Some(current) = engine.pause.filter(|current| now < current.until) {
        pause = Pause { until: pause.until.max(current.until), all: all || current.all };
    }
    engine.pause = Some(pause);
    context.reply.ok();
    Ok(())
}

fn unpause(context: &mut Context<'_>) -> CommandResult {
    context.engine.pause = None;
    context.reply.ok();
    Ok(())
}

fn unblock(context: &mut Context<'_>) -> CommandResult {
    if context.args.len() > 4 {
        return Err(CommandError::line(
            "ERR unknown subcommand or wrong number of arguments for 'UNBLOCK'. Try CLIENT HELP.",
        ));
    }
    let with_error = match context.args.get(3) {
        None => false,
        Some(word) if word.eq_ignore_ascii_case(b"timeout") => false,
        Some(word) if word.eq_ignore_ascii_case(b"error") => true,
        Some(_) => {
            return Err(CommandError::line("ERR CLIENT UNBLOCK reason should be TIMEOUT or ERROR"));
        }
    };
    let id = ClientId(context.integer(2)? as u64);
    let unblocked = context.engine.unblock(id, with_error)
        || context.server.unblock_client(context.engine, id, with_error);
    context.reply.integer(unblocked.into());
    Ok(())
}
