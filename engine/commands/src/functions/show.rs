//! FUNCTION LIST and STATS.

use super::Library;
use crate::scripts::vm::Purpose;
use crate::{CommandError, CommandResult, Context};

pub(super) fn list(context: &mut Context<'_>) -> CommandResult {
    let (mut with_code, mut pattern) = (false, None);
    let mut index = 2;
    while index < context.args.len() {
        let word = context.arg(index);
        if !with_code && word.eq_ignore_ascii_case(b"withcode") {
            with_code = true;
        } else if pattern.is_none() && word.eq_ignore_ascii_case(b"libraryname") {
            index += 1;
            let given = context.args.get(index);
            pattern = Some(given.ok_or(CommandError::line("ERR library name argument was not given"))?);
        } else {
            return Err(CommandError::Bytes([b"ERR Unknown argument ", word].concat()));
        }
        index += 1;
    }
    let libraries = &context.engine.scripts.libraries.by_name;
    let matches = |name: &[u8]| {
        pattern.is_none_or(|pattern| {
            squall_store::glob_match(&pattern.to_ascii_lowercase(), &name.to_ascii_lowercase())
        })
    };
    let reply = &mut context.reply;
    let length = reply.deferred_array();
    let mut count = 0;
    for (name, library) in libraries.iter().filter(|(name, _)| matches(name)) {
        show(reply, name, library, with_code);
        count += 1;
    }
    reply.set_length(length, count);
    Ok(())
}

fn show(reply: &mut squall_resp::Reply<'_>, name: &[u8], library: &Library, with_code: bool) {
    reply.map(if with_code { 4 } else { 3 });
    reply.bulk_str("library_name");
    reply.bulk(name);
    reply.bulk_str("engine");
    reply.bulk_str("LUA");
    reply.bulk_str("functions");
    reply.array(library.functions.len());
    for (name, function) in &library.functions {
        reply.map(3);
        reply.bulk_str("name");
        reply.bulk(name);
        reply.bulk_str("description");
        match &function.description {
            Some(text) => reply.bulk(text),
            None => reply.null(),
        }
        reply.bulk_str("flags");
        reply.set(function.flags.names().count());
        for flag in function.flags.names() {
            reply.simple(flag);
        }
    }
    if with_code {
        reply.bulk_str("library_code");
        reply.bulk(&library.code);
    }
}

pub(super) fn stats(context: &mut Context<'_>) -> CommandResult {
    let engine = &*context.engine;
    let reply = &mut context.reply;
    reply.map(2);
    reply.bulk_str("running_script");
    match &engine.scripts.run {
        Some(run) if run.purpose == Purpose::Functions => {
            reply.map(3);
            reply.bulk_str("name");
            reply.bulk_str(&run.name);
            reply.bulk_str("command");
            let command = run.command.as_args();
            reply.array(command.len());
            for word in command {
                reply.bulk(word);
            }
            reply.bulk_str("duration_ms");
            reply.integer(engine.now.mono.since(run.started.mono).as_millis() as i64);
        }
        _ => reply.null(),
    }
    reply.bulk_str("engines");
    reply.map(1);
    reply.bulk_str("LUA");
    reply.map(2);
    reply.bulk_str("libraries_count");
    reply.integer(engine.scripts.libraries.len() as i64);
    reply.bulk_str("functions_count");
    reply.integer(engine.scripts.libraries.functions() as i64);
    Ok(())
}
