//! `COMMAND DOCS`: how commands are used; redis-cli shows its hints from it.

use squall_resp::Reply;

use crate::table::{Argument, ArgumentKind, Row, Table};
use crate::{CommandResult, Context};

/// `COMMAND DOCS [name ...]`: names that nothing has are left out.
pub(super) fn docs(context: &mut Context<'_>) -> CommandResult {
    let table = context.engine.table;
    let rows: Vec<&Row> = if context.args.len() == 2 {
        table.commands().iter().collect()
    } else {
        context.args.iter().skip(2).filter_map(|name| table.by_full_name(name)).collect()
    };
    context.reply.map(rows.len());
    for row in rows {
        write_row(&mut context.reply, table, row);
    }
    Ok(())
}

fn write_row(reply: &mut Reply<'_>, table: &Table, row: &Row) {
    let command = row.command;
    let subcommands = table.subcommands(row);
    let fields = 4
        + 3 * usize::from(command.deprecated.is_some())
        + usize::from(!command.history.is_empty())
        + usize::from(!command.arguments.is_empty())
        + usize::from(!subcommands.is_empty());
    reply.bulk_str(&row.full_name);
    reply.map(fields);
    write_field(reply, "summary", command.summary);
    write_field(reply, "since", command.since);
    write_field(reply, "group", command.group.name());
    write_field(reply, "complexity", command.complexity);
    if let Some((since, replaced_by)) = command.deprecated {
        reply.bulk_str("doc_flags");
        reply.set(1);
        reply.simple("deprecated");
        write_field(reply, "deprecated_since", since);
        write_field(reply, "replaced_by", replaced_by);
    }
    if !command.history.is_empty() {
        reply.bulk_str("history");
        reply.set(command.history.len());
        for (version, change) in command.history {
            reply.array(2);
            reply.bulk_str(version);
            reply.bulk_str(change);
        }
    }
    if !command.arguments.is_empty() {
        reply.bulk_str("arguments");
        write_arguments(reply, command.arguments);
    }
    if !subcommands.is_empty() {
        reply.bulk_str("subcommands");
        reply.map(subcommands.len());
        for subcommand in subcommands {
            write_row(reply, table, subcommand);
        }
    }
}

fn write_arguments(reply: &mut Reply<'_>, arguments: &[Argument]) {
    reply.array(arguments.len());
    for argument in arguments {
        write_argument(reply, argument);
    }
}

fn write_argument(reply: &mut Reply<'_>, argument: &Argument) {
    let flags = [
        (argument.optional, "optional"),
        (argument.multiple, "multiple"),
        (argument.multiple_token, "multiple_token"),
    ];
    let flags: Vec<&str> = flags.iter().filter(|(set, _)| *set).map(|(_, name)| *name).collect();
    let is_group = !argument.children.is_empty();
    let key_spec = match argument.kind {
        ArgumentKind::Key(spec) => Some(spec),
        _ => None,
    };
    let optional_fields = [
        !is_group,
        key_spec.is_some(),
        argument.token.is_some(),
        argument.since.is_some(),
        !flags.is_empty(),
        is_group,
    ];
    reply.map(2 + optional_fields.iter().filter(|present| **present).count());
    write_field(reply, "name", argument.name);
    write_field(reply, "type", argument.kind.name());
    if !is_group {
        write_field(reply, "display_text", argument.name);
    }
    if let Some(spec) = key_spec {
        reply.bulk_str("key_spec_index");
        reply.integer(spec as i64);
    }
    if let Some(token) = argument.token {
        write_field(reply, "token", token);
    }
    if let Some(since) = argument.since {
        write_field(reply, "since", since);
    }
    if !flags.is_empty() {
        reply.bulk_str("flags");
        reply.set(flags.len());
        for flag in flags {
            reply.simple(flag);
        }
    }
    if is_group {
        reply.bulk_str("arguments");
        write_arguments(reply, argument.children);
    }
}

fn write_field(reply: &mut Reply<'_>, name: &str, value: &str) {
    reply.bulk_str(name);
    reply.bulk_str(value);
}
