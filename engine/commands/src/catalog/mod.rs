//! COMMAND: the table told to clients. Everything here derives from the rows. HELP of every container is
//! here too, for the same reason.

mod docs;
mod help;
mod info;

pub(crate) use help::{help, write_lines};
use squall_resp::Args;

use crate::table::{Argument, Category, Command, Flag, Found, FoundKey, Group, KeyFlag, Row};
use crate::{CommandError, CommandResult, Context};

const PLAIN: &[Flag] = &[Flag::Loading, Flag::Stale];

const fn subcommand(name: &'static str, arity: i32, handler: crate::Handler) -> Command {
    Command::new(name, arity, handler).group(Group::Server).flags(PLAIN).acl(&[Category::Connection])
}

pub const ROWS: &[Command] = &[Command::new("command", -1, info::all)
    .group(Group::Server)
    .flags(PLAIN)
    .acl(&[Category::Connection])
    .since("2.8.13")
    .complexity("O(N) where N is the number of commands.")
    .tips(&["nondeterministic_output_order"])
    .summary("What the server knows of all its commands.")
    .subcommands(SUBCOMMANDS)];

const SUBCOMMANDS: &[Command] = &[
    subcommand("count", 2, count).since("2.8.13").summary("How many commands there are."),
    subcommand("docs", -2, docs::docs)
        .since("7.0.0")
        .complexity("O(N) where N is the number of commands asked for.")
        .tips(&["nondeterministic_output_order"])
        .summary("How commands are used.")
        .arguments(&[Argument::string("command-name").optional().multiple()]),
    subcommand("getkeys", -3, getkeys)
        .since("2.8.13")
        .complexity("O(N) where N is the number of words.")
        .summary("The keys in a whole command.")
        .arguments(&[Argument::string("command"), Argument::string("arg").optional().multiple()]),
    subcommand("getkeysandflags", -3, getkeysandflags)
        .since("7.0.0")
        .complexity("O(N) where N is the number of words.")
        .summary("The keys in a whole command, and what it does to each.")
        .arguments(&[Argument::string("command"), Argument::string("arg").optional().multiple()]),
    subcommand("help", 2, help).since("5.0.0").summary("Tells what COMMAND can do."),
    subcommand("info", -2, info::named)
        .since("2.8.13")
        .complexity("O(N) where N is the number of commands asked for.")
        .tips(&["nondeterministic_output_order"])
        .summary("What the server knows of some commands, or of all.")
        .arguments(&[Argument::string("command-name").optional().multiple()]),
    subcommand("list", -2, list)
        .since("7.0.0")
        .complexity("O(N) where N is the number of commands.")
        .tips(&["nondeterministic_output_order"])
        .summary("The names of all commands, or of those that a filter leaves.")
        .arguments(&[Argument::one_of(
            "filterby",
            &[
                Argument::string("module-name").token("MODULE"),
                Argument::string("category").token("ACLCAT"),
                Argument::pattern("pattern").token("PATTERN"),
            ],
        )
        .token("FILTERBY")
        .optional()]),
];

fn count(context: &mut Context<'_>) -> CommandResult {
    context.reply.integer(context.engine.table.commands().len() as i64);
    Ok(())
}

fn list(context: &mut Context<'_>) -> CommandResult {
    let (args, table) = (context.args, context.engine.table);
    let wanted: Box<dyn Fn(&Row) -> bool> = match args.len() {
        2 => Box::new(|_| true),
        5 if args.at(2).eq_ignore_ascii_case(b"filterby") => {
            let value = args.at(4);
            match args.at(3).to_ascii_lowercase().as_slice() {
                b"module" => Box::new(|_| false),
                b"aclcat" => {
                    let category = Category::by_name(value);
                    Box::new(move |row| {
                        category.is_some_and(|wanted| row.command.all_categories().has(wanted))
                    })
                }
                b"pattern" => {
                    let pattern = value.to_ascii_lowercase();
                    Box::new(move |row| squall_store::glob_match(&pattern, row.full_name.as_bytes()))
                }
                _ => return Err(CommandError::Syntax),
            }
        }
        _ => return Err(CommandError::Syntax),
    };
    let names: Vec<&str> =
        table.rows().iter().filter(|row| wanted(row)).map(|row| row.full_name.as_str()).collect();
    context.reply.array(names.len());
    for name in names {
        context.reply.bulk_str(name);
    }
    Ok(())
}

fn getkeys(context: &mut Context<'_>) -> CommandResult {
    let request = context.args.skip(2);
    let keys = keys_of(context, request)?;
    context.reply.array(keys.len());
    for key in keys {
        context.reply.bulk(request.at(key.index));
    }
    Ok(())
}

fn getkeysandflags(context: &mut Context<'_>) -> CommandResult {
    let request = context.args.skip(2);
    let keys = keys_of(context, request)?;
    context.reply.array(keys.len());
    for key in keys {
        context.reply.array(2);
        context.reply.bulk(request.at(key.index));
        context.reply.set(key.flags.iter().count());
        for flag in key.flags.iter() {
            context.reply.simple(flag.name());
        }
    }
    Ok(())
}

/// The keys of a request that somebody asks about; an error where it could not be executed.
fn keys_of(context: &Context<'_>, request: Args<'_>) -> Result<Vec<FoundKey>, CommandError> {
    let Found::Row(row) = context.engine.table.find(request) else {
        return Err(CommandError::line("ERR Invalid command specified"));
    };
    // What only routes a request is no key.
    if row.command.key_specs.iter().all(|spec| spec.flags.has(KeyFlag::NotKey))
        && row.command.key_finder.is_none()
    {
        return Err(CommandError::line("ERR The command has no key arguments"));
    }
    if !row.command.accepts(request.len()) {
        return Err(CommandError::line("ERR Invalid number of arguments specified for command"));
    }
    let may_have_none = row.command.flags.has(Flag::NoMandatoryKeys);
    let keys = row.command.find_keys(request).filter(|keys| may_have_none || !keys.is_empty());
    keys.ok_or(CommandError::line("ERR Invalid arguments specified for command"))
}
