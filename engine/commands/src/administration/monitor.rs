//! MONITOR: every command that is executed is shown to the clients that asked for it, secrets left out.

use squall_resp::{Args, Output, Reply};

use crate::engine::Engine;
use crate::session::Session;
use crate::table::{Flag, Row};
use crate::{CommandResult, Context};

pub fn monitor(context: &mut Context<'_>) -> CommandResult {
    let session = &mut context.session;
    if !session.is_monitor && !session.is_replica {
        session.is_monitor = true;
        context.engine.monitors.push(session.id);
    }
    context.reply.ok();
    Ok(())
}

/// Shows a command to all monitors. `output` is the client's own, in case it is one of them.
#[cold]
pub(crate) fn feed(engine: &mut Engine, row: &Row, session: &Session, output: &mut Output, args: Args<'_>) {
    if row.command.flags.has(Flag::Admin) {
        return;
    }
    let us = engine.now.unix_us;
    let from = if engine.caller.in_script { "lua" } else { &session.peer };
    let mut line = format!("{}.{:06} [{} {from}]", us / 1_000_000, us % 1_000_000, session.db);
    for (index, arg) in args.iter().enumerate() {
        line.push(' ');
        if is_secret(row, args, index) {
            line.push_str("\"(redacted)\"");
        } else {
            push_quoted(&mut line, arg);
        }
    }
    for id in engine.monitors.clone() {
        if id == session.id {
            Reply::new(output, session.protocol).simple(&line);
        } else if let Some(client) = engine.clients.get(id) {
            let protocol = client.session.protocol;
            if let Some(output) = engine.clients.output_of(id) {
                Reply::new(output, protocol).simple(&line);
            }
        }
    }
}

/// Whether the word at `index` may be a password, or a user's name beside one.
pub(crate) fn is_secret(row: &Row, args: Args<'_>, index: usize) -> bool {
    if !row.command.flags.has(Flag::Secret) || index == 0 {
        return false;
    }
    match row.full_name.as_str() {
        "hello" => {
            let before = |distance: usize| index.checked_sub(distance).and_then(|at| args.get(at));
            let follows = |word: Option<&[u8]>| word.is_some_and(|word| word.eq_ignore_ascii_case(b"auth"));
            follows(before(1)) || follows(before(2))
        }
        "config|set" => {
            index > 2 && {
                let parameter = crate::config::Parameter::by_name(args.at(index - 1));
                index % 2 == 1
                    && parameter
                        .is_some_and(|parameter| parameter.traits.has(crate::config::Trait::Sensitive))
            }
        }
        _ => true,
    }
}

/// The word in double quotes, as a person could type it.
pub(crate) fn push_quoted(line: &mut String, word: &[u8]) {
    line.push('"');
    for &byte in word {
        match byte {
            b'\\' | b'"' => line.extend(['\\', char::from(byte)]),
            b'\n' => line.push_str("\\n"),
            b'\r' => line.push_str("\\r"),
            b'\t' => line.push_str("\\t"),
            0x07 => line.push_str("\\a"),
            0x08 => line.push_str("\\b"),
            b' '..=b'~' => line.push(char::from(byte)),
            _ => line.push_str(&format!("\\x{byte:02x}")),
        }
    }
    line.push('"');
}
