//! `COMMAND` and `COMMAND INFO`: a row as ten fields.

use squall_resp::Reply;

use crate::table::{BeginSearch, FindKeys, Flag, KeySpec, Row, Table};
use crate::{CommandResult, Context};

/// `COMMAND`: all rows.
pub(super) fn all(context: &mut Context<'_>) -> CommandResult {
    let table = context.engine.table;
    context.reply.array(table.commands().len());
    for row in table.commands() {
        write_row(&mut context.reply, table, row);
    }
    Ok(())
}

/// `COMMAND INFO [name ...]`: null for names that nothing has.
pub(super) fn named(context: &mut Context<'_>) -> CommandResult {
    if context.args.len() == 2 {
        return all(context);
    }
    let table = context.engine.table;
    context.reply.array(context.args.len() - 2);
    for name in context.args.iter().skip(2) {
        match table.by_full_name(name) {
            Some(row) => write_row(&mut context.reply, table, row),
            None => context.reply.null(),
        }
    }
    Ok(())
}

fn write_row(reply: &mut Reply<'_>, table: &Table, row: &Row) {
    let command = row.command;
    reply.array(10);
    reply.bulk_str(&row.full_name);
    reply.integer(command.arity.into());
    let flags: Vec<Flag> = command.all_flags().shown().collect();
    reply.set(flags.len());
    for flag in flags {
        reply.simple(flag.name());
    }
    let (first, last, step) = command.key_triple();
    reply.integer(first);
    reply.integer(last);
    reply.integer(step);
    let categories = command.all_categories();
    reply.set(categories.iter().count());
    for category in categories.iter() {
        reply.simple(&format!("@{}", category.name()));
    }
    reply.set(command.tips.len());
    for tip in command.tips {
        reply.bulk_str(tip);
    }
    reply.set(command.key_specs.len());
    for spec in command.key_specs {
        write_key_spec(reply, spec);
    }
    let subcommands = table.subcommands(row);
    reply.set(subcommands.len());
    for subcommand in subcommands {
        write_row(reply, table, subcommand);
    }
}

fn write_key_spec(reply: &mut Reply<'_>, spec: &KeySpec) {
    let has_notes = !spec.notes.is_empty();
    reply.map(3 + usize::from(has_notes));
    if has_notes {
        reply.bulk_str("notes");
        reply.bulk_str(spec.notes);
    }
    reply.bulk_str("flags");
    reply.set(spec.flags.iter().count());
    for flag in spec.flags.iter() {
        reply.simple(flag.name());
    }
    reply.bulk_str("begin_search");
    match spec.begin {
        BeginSearch::Index(index) => write_part(reply, "index", &[("index", index as i64)]),
        BeginSearch::Keyword { keyword, start_from } => {
            announce_part(reply, "keyword", 2);
            reply.bulk_str("keyword");
            reply.bulk_str(keyword);
            reply.bulk_str("startfrom");
            reply.integer(start_from.into());
        }
        BeginSearch::Unknown => write_part(reply, "unknown", &[]),
    }
    reply.bulk_str("find_keys");
    match spec.find {
        FindKeys::Range { last, step, limit } => {
            let fields = [("lastkey", last.into()), ("keystep", step as i64), ("limit", limit as i64)];
            write_part(reply, "range", &fields);
        }
        FindKeys::Counted { count_index, first, step } => {
            let fields =
                [("keynumidx", count_index as i64), ("firstkey", first as i64), ("keystep", step as i64)];
            write_part(reply, "keynum", &fields);
        }
        FindKeys::Unknown => write_part(reply, "unknown", &[]),
    }
}

fn announce_part(reply: &mut Reply<'_>, kind: &str, fields: usize) {
    reply.map(2);
    reply.bulk_str("type");
    reply.bulk_str(kind);
    reply.bulk_str("spec");
    reply.map(fields);
}

fn write_part(reply: &mut Reply<'_>, kind: &str, fields: &[(&str, i64)]) {
    announce_part(reply, kind, fields.len());
    for (name, value) in fields {
        reply.bulk_str(name);
        reply.integer(*value);
    }
}
