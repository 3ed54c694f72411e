//! FUNCTION LOAD, DELETE, FLUSH, DUMP and RESTORE: what changes the libraries, or moves them.

use bytes::Bytes;
use squall_store::rdb;

use super::Library;
use crate::engine::Engine;
use crate::generic::databases::is_flush_mode;
use crate::{CommandError, CommandResult, Context};

/// Loads a library and makes it known under its name, which is given back.
pub(super) fn add(engine: &mut Engine, code: &Bytes, replace: bool) -> Result<Vec<u8>, CommandError> {
    let (name, code_at) = Library::read_name(code)?;
    if !replace && engine.scripts.libraries.by_name.contains_key(&name) {
        return Err(CommandError::Bytes([b"ERR Library '", name.as_slice(), b"' already exists"].concat()));
    }
    let library = Library::load(engine, code, code_at)?;
    refuse_known_functions(engine, &name, &library)?;
    engine.scripts.libraries.by_name.insert(name.clone(), library);
    Ok(name)
}

/// No two libraries have a function of one name.
fn refuse_known_functions(engine: &Engine, name: &[u8], library: &Library) -> CommandResult {
    let others = engine.scripts.libraries.by_name.iter().filter(|(other, _)| *other != name);
    for (_, other) in others {
        if let Some(known) = library.functions.keys().find(|known| other.function(known).is_some()) {
            let line = [b"ERR Function ", known.as_slice(), b" already exists"].concat();
            return Err(CommandError::Bytes(line));
        }
    }
    Ok(())
}

pub(super) fn load(context: &mut Context<'_>) -> CommandResult {
    let mut index = 2;
    let mut replace = false;
    while index < context.args.len() - 1 {
        if !context.arg(index).eq_ignore_ascii_case(b"replace") {
            let line = [b"ERR Unknown option given: ", context.arg(index)].concat();
            return Err(CommandError::Bytes(line));
        }
        replace = true;
        index += 1;
    }
    let code = Bytes::copy_from_slice(context.arg(index));
    let name = add(context.engine, &code, replace)?;
    context.engine.dirty += 1;
    context.reply.bulk(&name);
    Ok(())
}

pub(super) fn delete(context: &mut Context<'_>) -> CommandResult {
    if context.engine.scripts.libraries.by_name.remove(context.arg(2)).is_none() {
        return Err(CommandError::line("ERR Library not found"));
    }
    context.engine.dirty += 1;
    context.reply.ok();
    Ok(())
}

pub(super) fn flush(context: &mut Context<'_>) -> CommandResult {
    if !is_flush_mode(context.args.skip(2)) {
        return Err(CommandError::line("ERR FUNCTION FLUSH only supports SYNC|ASYNC option"));
    }
    context.engine.scripts.libraries.clear();
    context.engine.dirty += 1;
    context.reply.ok();
    Ok(())
}

pub(super) fn dump(context: &mut Context<'_>) -> CommandResult {
    context.reply.bulk(&rdb::dump_functions(&context.engine.library_codes()));
    Ok(())
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Policy {
    Flush,
    Append,
    Replace,
}

/// All libraries of the payload, or none: what was there comes back where one of them is refused.
pub(super) fn restore(context: &mut Context<'_>) -> CommandResult {
    let policy = match context.args.get(3).map(<[u8]>::to_ascii_lowercase).as_deref() {
        None | Some(b"append") => Policy::Append,
        Some(b"flush") => Policy::Flush,
        Some(b"replace") => Policy::Replace,
        Some(_) => {
            return Err(CommandError::line(
                "ERR Wrong restore policy given, value should be either FLUSH, APPEND or REPLACE.",
            ));
        }
    };
    if context.args.len() > 4 {
        return Err(CommandError::Arity { command: "function|restore".into() });
    }
    let codes = rdb::restore_functions(context.arg(2))
        .map_err(|_| CommandError::line("ERR DUMP payload version or checksum are wrong"))?;
    let before = context.engine.library_codes();
    if policy == Policy::Flush {
        context.engine.scripts.libraries.clear();
    }
    for code in &codes {
        if let Err(error) = add(context.engine, code, policy == Policy::Replace) {
            context.engine.replace_libraries(&before).expect("these libraries have been loaded before");
            return Err(error);
        }
    }
    context.engine.dirty += 1;
    context.reply.ok();
    Ok(())
}
