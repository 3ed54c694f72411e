//! The ACL command: users and their rules, as an operator gives, takes and tries them.

use rand_core::Rng;
use squall_resp::Args;

use super::{DEFAULT_USER, Denied, User, all_channels, rules, show};
use crate::engine::Engine;
use crate::pubsub::Scope;
use crate::session::ClientId;
use crate::table::{Argument, Category, Command, Flag, Found, Group};
use crate::{CommandError, CommandResult, Context, catalog};

const ADMIN: &[Flag] = &[Flag::Admin, Flag::NoScript, Flag::Loading, Flag::Stale];
const SECRET: &[Flag] = &[Flag::Admin, Flag::NoScript, Flag::Loading, Flag::Stale, Flag::Secret];
const QUIET: &[Flag] = &[Flag::NoScript, Flag::Loading, Flag::Stale];
const PLAIN: &[Flag] = &[Flag::Loading, Flag::Stale];

pub(crate) const ACL: Command =
    Command::container("acl", SUBCOMMANDS).group(Group::Server).since("6.0.0").summary("Who may do what.");

const fn acl(name: &'static str, arity: i32, handler: crate::Handler, flags: &[Flag]) -> Command {
    Command::new(name, arity, handler).group(Group::Server).flags(flags).since("6.0.0")
}

const SUBCOMMANDS: &[Command] = &[
    acl("cat", -2, cat, QUIET)
        .complexity("O(1), or O(N) where N is the number of commands.")
        .summary("The categories, or the commands of one.")
        .arguments(&[Argument::string("category").optional()]),
    acl("deluser", -3, deluser, SECRET)
        .complexity("O(N) where N is the number of users.")
        .tips(&["request_policy:all_nodes", "response_policy:all_succeeded"])
        .summary("Deletes users, and ends their connections.")
        .arguments(&[Argument::string("username").multiple()]),
    acl("dryrun", -4, dryrun, ADMIN)
        .since("7.0.0")
        .summary("Whether a user may execute a command, without executing it.")
        .arguments(&[
            Argument::string("username"),
            Argument::string("command"),
            Argument::string("arg").optional().multiple(),
        ]),
    acl("genpass", -2, genpass, QUIET)
        .summary("A random password, in hexadecimal digits.")
        .arguments(&[Argument::integer("bits").optional()]),
    acl("getuser", 3, show::getuser, SECRET)
        .complexity("O(N) where N is the number of the user's rules.")
        .summary("The rules of a user.")
        .arguments(&[Argument::string("username")]),
    acl("help", 2, catalog::help, PLAIN).summary("Tells what ACL can do."),
    acl("list", 2, show::list, SECRET)
        .complexity("O(N) where N is the number of users.")
        .summary("All users with their rules, as an ACL file has them."),
    acl("load", 2, load, ADMIN)
        .complexity("O(N) where N is the number of users.")
        .summary("Reads the ACL file again."),
    acl("log", -2, show::log, ADMIN)
        .complexity("O(N) where N is the number of entries.")
        .summary("What was refused lately.")
        .arguments(&[Argument::one_of(
            "operation",
            &[Argument::integer("count"), Argument::word("reset", "RESET")],
        )
        .optional()]),
    acl("save", 2, save, ADMIN)
        .complexity("O(N) where N is the number of users.")
        .tips(&["request_policy:all_nodes", "response_policy:all_succeeded"])
        .summary("Writes the ACL file."),
    acl("setuser", -3, setuser, SECRET)
        .complexity("O(N) where N is the number of rules.")
        .tips(&["request_policy:all_nodes", "response_policy:all_succeeded"])
        .summary("Creates or changes a user.")
        .arguments(&[Argument::string("username"), Argument::string("rule").optional().multiple()]),
    acl("users", 2, show::users, ADMIN)
        .complexity("O(N) where N is the number of users.")
        .summary("The names of all users."),
    acl("whoami", 2, whoami, QUIET).summary("The user of this connection."),
];

/// Random bits of a password where nobody says how many, and at most.
const PASSWORD_BITS_DEFAULT: i64 = 256;
const PASSWORD_BITS_MAX: i64 = 4096;

fn whoami(context: &mut Context<'_>) -> CommandResult {
    context.reply.bulk(&context.session.user);
    Ok(())
}

/// All rules, or none of them.
fn setuser(context: &mut Context<'_>) -> CommandResult {
    let name = context.arg(2);
    if name.iter().any(|byte| byte.is_ascii_whitespace() || *byte == 0) {
        return Err(CommandError::line("ERR Usernames can't contain spaces or null characters"));
    }
    let gathered = rules::gather(context.args.iter().skip(3)).map_err(|rule| {
        let start: &[u8] = b"ERR Unmatched parenthesis in acl selector starting at '";
        CommandError::Bytes([start, &rule, b"'."].concat())
    })?;
    let all_channels = all_channels(&context.engine.config);
    let known = context.engine.acl.user(name).cloned();
    let mut user = known.unwrap_or_else(|| User::fresh(all_channels));
    for rule in gathered {
        user.apply(&rule, all_channels).map_err(|reason| {
            let start: &[u8] = b"ERR Error in ACL SETUSER modifier '";
            CommandError::Bytes([start, &rule, b"': ", reason.as_bytes()].concat())
        })?;
    }
    context.engine.acl.users.insert(name.to_vec(), user);
    context.engine.users_changed();
    end_forbidden_subscriptions(context, name);
    context.reply.ok();
    Ok(())
}

fn deluser(context: &mut Context<'_>) -> CommandResult {
    let mut deleted = 0;
    for name in context.args.iter().skip(2) {
        if name == DEFAULT_USER {
            return Err(CommandError::line("ERR The 'default' user cannot be removed"));
        }
        if context.engine.acl.users.remove(name).is_some() {
            deleted += 1;
            end_connections(context, name, |_, _| true);
        }
    }
    context.engine.users_changed();
    context.reply.integer(deleted);
    Ok(())
}

/// Who listens to what the user may no longer hear is disconnected.
fn end_forbidden_subscriptions(context: &mut Context<'_>, name: &[u8]) {
    end_connections(context, name, |engine, id| {
        let user = engine.acl.user(name).expect("the user has just been set");
        let subscriptions = &engine.subscriptions;
        [(Scope::Channel, false), (Scope::Shard, false), (Scope::Pattern, true)].into_iter().any(
            |(scope, is_pattern)| {
                let names = subscriptions.names_of(id, scope);
                names.iter().any(|name| !user.may_listen(name, is_pattern))
            },
        )
    });
}

/// Ends the connections of a user, those for which `ends` is true; this one after its reply.
fn end_connections(context: &mut Context<'_>, name: &[u8], ends: impl Fn(&Engine, ClientId) -> bool) {
    let engine = &mut *context.engine;
    let of_user =
        engine.clients.iter().filter(|client| client.session.authenticated && client.session.user == name);
    let ids: Vec<ClientId> = of_user.map(|client| client.session.id).collect();
    for id in ids.into_iter().filter(|&id| ends(engine, id)).collect::<Vec<_>>() {
        context.server.close_client(engine, id);
    }
    if context.session.user == name && ends(engine, context.session.id) {
        context.session.close_after_reply = true;
    }
}

fn dryrun(context: &mut Context<'_>) -> CommandResult {
    let (name, request) = (context.arg(2), context.args.skip(3));
    let Some(user) = context.engine.acl.user(name) else {
        return Err(CommandError::Bytes([b"ERR User '", name, b"' not found"].concat()));
    };
    let Found::Row(row) = context.engine.table.find(request) else {
        return Err(CommandError::Bytes([b"ERR Command '", request.at(0), b"' not found"].concat()));
    };
    if !row.command.accepts(request.len()) {
        return Err(CommandError::Arity { command: row.full_name.clone() });
    }
    match user.check(row, request) {
        Ok(()) => context.reply.ok(),
        Err(denied) => {
            let text = in_words(name, &denied, request, &row.full_name);
            context.reply.bulk(&text);
        }
    }
    Ok(())
}

fn in_words(user: &[u8], denied: &Denied, _: Args<'_>, command: &str) -> Vec<u8> {
    let start = [b"User ".as_slice(), user, b" has no permissions to "].concat();
    match denied {
        Denied::Command => [start.as_slice(), b"run the '", command.as_bytes(), b"' command"].concat(),
        Denied::Key(key) => [start.as_slice(), b"access the '", key, b"' key"].concat(),
        Denied::Channel(channel) => [start.as_slice(), b"access the '", channel, b"' channel"].concat(),
    }
}

/// So much of a category that nobody knows is repeated to who named it.
const CATEGORY_SHOWN_BYTES_MAX: usize = 128;

fn cat(context: &mut Context<'_>) -> CommandResult {
    match context.args.len() {
        2 => {
            context.reply.array(Category::ALL.len());
            for category in Category::ALL {
                context.reply.bulk_str(category.name());
            }
        }
        3 => {
            let name = context.arg(2);
            let shown = &name[..name.len().min(CATEGORY_SHOWN_BYTES_MAX)];
            let category = Category::by_name(name)
                .ok_or_else(|| CommandError::Bytes([b"ERR Unknown category '", shown, b"'"].concat()))?;
            let rows = context.engine.table.rows().iter();
            let within: Vec<_> = rows.filter(|row| row.command.all_categories().has(category)).collect();
            context.reply.array(within.len());
            for row in within {
                context.reply.bulk_str(&row.full_name);
            }
        }
        _ => return Err(show::unknown_or_wrong(context)),
    }
    Ok(())
}

fn genpass(context: &mut Context<'_>) -> CommandResult {
    let bits = match context.args.len() {
        2 => PASSWORD_BITS_DEFAULT,
        3 => context.integer(2)?,
        _ => return Err(show::unknown_or_wrong(context)),
    };
    if !(1..=PASSWORD_BITS_MAX).contains(&bits) {
        return Err(CommandError::line(
            "ERR ACL GENPASS argument must be the number of bits for the output password, a positive number up to 4096",
        ));
    }
    let digits = (bits as usize).div_ceil(4);
    let mut bytes = vec![0; digits.div_ceil(2)];
    context.engine.rng.fill_bytes(&mut bytes);
    let text: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    context.reply.bulk_str(&text[..digits]);
    Ok(())
}

fn load(context: &mut Context<'_>) -> CommandResult {
    refuse_without_file(context)?;
    context.server.acl_load(context.engine, context.session)
}

fn save(context: &mut Context<'_>) -> CommandResult {
    refuse_without_file(context)?;
    context.server.acl_save(context.engine, context.session)
}

fn refuse_without_file(context: &Context<'_>) -> CommandResult {
    if !context.engine.config.aclfile.is_empty() {
        return Ok(());
    }
    Err(CommandError::line(
        "ERR This Redis instance is not configured to use an ACL file. You may want to specify users via the ACL \
         SETUSER command and then issue a CONFIG REWRITE (assuming you have a Redis configuration file set) in order \
         to store users in the Redis configuration.",
    ))
}
