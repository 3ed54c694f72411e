//! `HELP` of every container, from the rows of its subcommands.

use crate::table::{Argument, ArgumentKind};
use crate::{CommandResult, Context};

/// The handler of every `HELP` subcommand.
pub(crate) fn help(context: &mut Context<'_>) -> CommandResult {
    let table = context.engine.table;
    let container = table.command(context.arg(0)).expect("the subcommand was found through its container");
    let name = container.command.name.to_uppercase();
    let mut lines = vec![format!("{name} <subcommand> [<arg> [value] [opt] ...]. Subcommands are:")];
    for row in table.subcommands(container).iter().filter(|row| row.command.name != "help") {
        lines.push(with_syntax(row.command.name.to_uppercase(), row.command.arguments));
        lines.push(format!("    {}", row.command.summary));
    }
    lines.push("HELP".into());
    lines.push("    Prints this help.".into());
    write_lines(context, &lines);
    Ok(())
}

/// Lines of help, as Redis's clients expect them: an array of status replies.
pub(crate) fn write_lines(context: &mut Context<'_>, lines: &[String]) {
    context.reply.array(lines.len());
    for line in lines {
        context.reply.simple(line);
    }
}

fn with_syntax(mut line: String, arguments: &[Argument]) -> String {
    for argument in arguments {
        line.push(' ');
        line.push_str(&syntax(argument));
    }
    line
}

/// `[KEYWORD <value> ...]`.
fn syntax(argument: &Argument) -> String {
    let children = |separator: &str| argument.children.iter().map(syntax).collect::<Vec<_>>().join(separator);
    let value = match argument.kind {
        ArgumentKind::PureToken => String::new(),
        ArgumentKind::OneOf => format!("({})", children("|")),
        ArgumentKind::Block => children(" "),
        _ => format!("<{}>", argument.name),
    };
    let mut text = match argument.token {
        Some(token) if value.is_empty() => token.to_string(),
        Some(token) => format!("{token} {value}"),
        None => value,
    };
    if argument.multiple {
        text.push_str(" ...");
    }
    if argument.optional { format!("[{text}]") } else { text }
}
