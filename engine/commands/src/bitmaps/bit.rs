//! SETBIT and GETBIT.

use super::{bit_offset, read};
use crate::config::EventClass;
use crate::strings::text_of;
use crate::{CommandError, CommandResult, Context};

pub(super) fn setbit(context: &mut Context<'_>) -> CommandResult {
    let offset = bit_offset(context, context.arg(2), None)?;
    let wanted = match context.arg(3) {
        b"0" => false,
        b"1" => true,
        _ => return Err(CommandError::line("ERR bit is not an integer or out of range")),
    };
    let (db, key) = (context.session.db, context.arg(1));
    let (at, mask) = ((offset / 8) as usize, 0x80u8 >> (offset % 8));
    let mut entry = context.engine.string_to_change(db, key)?;
    let grows = text_of(&entry)?.len() <= at;
    let byte = &mut entry.string_bytes_mut(at + 1)[at];
    let was_set = *byte & mask != 0;
    *byte = if wanted { *byte | mask } else { *byte & !mask };
    drop(entry);
    if grows || was_set != wanted {
        context.engine.changed(db, key);
        context.engine.notify(EventClass::String, "setbit", db, key);
    }
    context.reply.integer(i64::from(was_set));
    Ok(())
}

pub(super) fn getbit(context: &mut Context<'_>) -> CommandResult {
    let offset = bit_offset(context, context.arg(2), None)?;
    let byte = read(context, |bytes| bytes.get((offset / 8) as usize).copied().unwrap_or(0))?;
    context.reply.integer(i64::from(byte >> (7 - offset % 8) & 1));
    Ok(())
}
