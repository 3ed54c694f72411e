//! ACL, for the one user that there is: `default`, who may do everything, with the password of
//! `requirepass` if there is one.

use rand_core::Rng;

use super::{ADMIN, COUNT, PLAIN, server};
use crate::table::{Argument, Category, Command, Flag};
use crate::{CommandError, CommandResult, Context, catalog};

const QUIET: &[Flag] = &[Flag::NoScript, Flag::Loading, Flag::Stale];

pub(super) const ACL: Command = Command::container("acl", SUBCOMMANDS)
    .group(crate::table::Group::Server)
    .since("6.0.0")
    .summary("Who may do what.");

const SUBCOMMANDS: &[Command] = &[
    server("cat", -2, cat, QUIET)
        .since("6.0.0")
        .complexity("O(1), or O(N) where N is the number of commands.")
        .summary("The categories, or the commands of one.")
        .arguments(&[Argument::string("category").optional()]),
    server("genpass", -2, genpass, QUIET)
        .since("6.0.0")
        .summary("A random password, in hexadecimal digits.")
        .arguments(&[Argument::integer("bits").optional()]),
    server("getuser", 3, getuser, ADMIN)
        .since("6.0.0")
        .complexity("O(N) where N is the number of the user's rules.")
        .summary("The rules of a user.")
        .arguments(&[Argument::string("username")]),
    server("help", 2, catalog::help, PLAIN).since("6.0.0").summary("Tells what ACL can do."),
    server("list", 2, list, ADMIN)
        .since("6.0.0")
        .complexity("O(N) where N is the number of users.")
        .summary("All users with their rules, as an ACL file has them."),
    server("log", -2, log, ADMIN)
        .since("6.0.0")
        .complexity("O(N) where N is the number of entries.")
        .summary("What was refused lately.")
        .arguments(&[Argument::one_of("operation", &[COUNT, Argument::word("reset", "RESET")]).optional()]),
    server("users", 2, users, ADMIN)
        .since("6.0.0")
        .complexity("O(N) where N is the number of users.")
        .summary("The names of all users."),
    server("whoami", 2, whoami, QUIET).since("6.0.0").summary("The user of this connection."),
];

/// Random bits of a password where nobody says how many, and at most.
const PASSWORD_BITS_DEFAULT: i64 = 256;
const PASSWORD_BITS_MAX: i64 = 4096;

fn whoami(context: &mut Context<'_>) -> CommandResult {
    context.reply.bulk_str("default");
    Ok(())
}

fn users(context: &mut Context<'_>) -> CommandResult {
    context.reply.array(1);
    context.reply.bulk_str("default");
    Ok(())
}

fn list(context: &mut Context<'_>) -> CommandResult {
    let secret = password_hash(context).map_or("nopass".to_string(), |hash| format!("#{hash}"));
    context.reply.array(1);
    context.reply.bulk_str(&format!("user default on {secret} ~* &* +@all"));
    Ok(())
}

fn getuser(context: &mut Context<'_>) -> CommandResult {
    if context.arg(2) != b"default" {
        context.reply.null();
        return Ok(());
    }
    let hash = password_hash(context);
    let reply = &mut context.reply;
    reply.map(6);
    reply.bulk_str("flags");
    reply.set(if hash.is_none() { 2 } else { 1 });
    reply.bulk_str("on");
    if hash.is_none() {
        reply.bulk_str("nopass");
    }
    reply.bulk_str("passwords");
    reply.array(hash.iter().count());
    if let Some(hash) = &hash {
        reply.bulk_str(hash);
    }
    for (field, value) in [("commands", "+@all"), ("keys", "~*"), ("channels", "&*")] {
        reply.bulk_str(field);
        reply.bulk_str(value);
    }
    reply.bulk_str("selectors");
    reply.array(0);
    Ok(())
}

/// The SHA-256 of the password, as ACL shows it; none where no password is asked for.
fn password_hash(context: &Context<'_>) -> Option<String> {
    let password = &context.engine.config.requirepass;
    (!password.is_empty()).then(|| {
        use sha2::Digest;
        sha2::Sha256::digest(password.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
    })
}

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
            let category = Category::by_name(name)
                .ok_or_else(|| CommandError::Bytes([b"ERR Unknown category '", name, b"'"].concat()))?;
            let rows = context.engine.table.rows().iter();
            let within: Vec<_> = rows.filter(|row| row.command.all_categories().has(category)).collect();
            context.reply.array(within.len());
            for row in within {
                context.reply.bulk_str(&row.full_name);
            }
        }
        _ => return Err(unknown_or_wrong(context)),
    }
    Ok(())
}

fn genpass(context: &mut Context<'_>) -> CommandResult {
    let bits = match context.args.len() {
        2 => PASSWORD_BITS_DEFAULT,
        3 => context.integer(2)?,
        _ => return Err(unknown_or_wrong(context)),
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

/// Nobody is refused anything but a wrong password, which the statistics count: the log is empty.
fn log(context: &mut Context<'_>) -> CommandResult {
    match context.args.get(2) {
        Some(word) if word.eq_ignore_ascii_case(b"reset") => context.reply.ok(),
        Some(_) => {
            context.integer(2)?;
            context.reply.array(0);
        }
        None => context.reply.array(0),
    }
    Ok(())
}

fn unknown_or_wrong(context: &Context<'_>) -> CommandError {
    CommandError::subcommand_shape("ACL", context.arg(1))
}
