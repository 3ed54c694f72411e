//! PFADD, PFCOUNT, PFMERGE, and PFDEBUG and PFSELFTEST for those who look inside.

use rand_core::Rng;

use super::{Form, REGISTERS, Registers, dense, estimate, sparse};
use super::{empty, forget, form_of, make_dense, raise, raise_one, remember, remembered};
use crate::config::EventClass;
use crate::engine::Role;
use crate::strings::text_of;
use crate::{CommandError, CommandResult, Context};

/// A self test shows so many random elements.
const SELF_TEST_ELEMENTS: usize = 4_096;

pub(super) fn pfadd(context: &mut Context<'_>) -> CommandResult {
    let (db, key) = (context.session.db, context.arg(1));
    let created = create_if_missing(context, key)?;
    let sparse_bytes_max = context.engine.config.hll_sparse_bytes_max as usize;
    let mut entry = context.engine.lookup_write(db, key).expect("it was there, or has been created");
    let bytes = entry.string_bytes_mut(0);
    let mut changes = u64::from(created);
    let mut corrupt = Ok(());
    for element in context.args.skip(2) {
        let (index, count) = estimate::place(element);
        match raise_one(bytes, index, count, sparse_bytes_max) {
            Ok(was_lower) => changes += u64::from(was_lower),
            Err(error) => {
                corrupt = Err(error);
                break;
            }
        }
    }
    if changes > 0 {
        forget(bytes);
    }
    drop(entry);
    if changes > 0 {
        context.engine.changed(db, key);
        context.engine.notify(EventClass::String, "pfadd", db, key);
        context.engine.dirty += changes - 1;
    }
    corrupt?;
    context.reply.integer(i64::from(changes > 0));
    Ok(())
}

pub(super) fn pfcount(context: &mut Context<'_>) -> CommandResult {
    let (db, key) = (context.session.db, context.arg(1));
    if context.args.len() > 2 {
        let mut registers = [0; REGISTERS];
        raise_by_all(context, &mut registers, 1)?;
        context.reply.integer(estimate::cardinality(&registers) as i64);
        return Ok(());
    }
    let Some(entry) = context.engine.lookup_read(db, key) else {
        context.reply.integer(0);
        return Ok(());
    };
    let mut digits = itoa::Buffer::new();
    let bytes = text_of(entry)?.as_bytes(&mut digits);
    form_of(bytes)?;
    if let Some(cardinality) = remembered(bytes) {
        context.reply.integer(cardinality as i64);
        return Ok(());
    }
    let mut registers = [0; REGISTERS];
    raise(&mut registers, bytes)?;
    let cardinality = estimate::cardinality(&registers);
    context.reply.integer(cardinality as i64);
    // It is remembered in the string itself. A replica leaves that to its primary, so that both hold the same.
    if context.engine.role == Role::Primary {
        let mut entry = context.engine.lookup_write(db, key).expect("it was just read");
        remember(entry.string_bytes_mut(0), cardinality);
        drop(entry);
        context.engine.changed(db, key);
    }
    Ok(())
}

pub(super) fn pfmerge(context: &mut Context<'_>) -> CommandResult {
    let (db, key) = (context.session.db, context.arg(1));
    let mut registers = [0; REGISTERS];
    let becomes_dense = raise_by_all(context, &mut registers, 1)?;
    create_if_missing(context, key)?;
    let sparse_bytes_max = context.engine.config.hll_sparse_bytes_max as usize;
    let mut entry = context.engine.lookup_write(db, key).expect("it was there, or has been created");
    let bytes = entry.string_bytes_mut(0);
    if becomes_dense && form_of(bytes)? == Form::Sparse {
        make_dense(bytes)?;
    }
    for (index, count) in registers.into_iter().enumerate().filter(|(_, count)| *count > 0) {
        raise_one(bytes, index, count, sparse_bytes_max)?;
    }
    forget(bytes);
    drop(entry);
    context.engine.changed(db, key);
    // The event has this name in Redis as well.
    context.engine.notify(EventClass::String, "pfadd", db, key);
    context.reply.ok();
    Ok(())
}

pub(super) fn pfdebug(context: &mut Context<'_>) -> CommandResult {
    let (db, key) = (context.session.db, context.arg(2));
    let entry = context.engine.lookup_read(db, key);
    let entry = entry.ok_or(CommandError::line("ERR The specified key does not exist"))?;
    let bytes = text_of(entry)?.to_bytes();
    let form = form_of(&bytes)?;
    match context.arg(1).to_ascii_lowercase().as_slice() {
        b"getreg" => {
            let mut registers = [0; REGISTERS];
            raise(&mut registers, &bytes)?;
            make_dense_at(context, key)?;
            context.reply.array(REGISTERS);
            registers.into_iter().for_each(|count| context.reply.integer(i64::from(count)));
        }
        b"decode" => {
            if form == Form::Dense {
                return Err(CommandError::line("ERR HLL encoding is not sparse"));
            }
            context.reply.bulk_str(&sparse::describe(&bytes)?);
        }
        b"encoding" => context.reply.simple(if form == Form::Dense { "dense" } else { "sparse" }),
        b"todense" => {
            make_dense_at(context, key)?;
            context.reply.integer(i64::from(form == Form::Sparse));
        }
        _ => {
            let name = context.arg(1);
            return Err(CommandError::Bytes([b"ERR Unknown PFDEBUG subcommand '", name, b"'"].concat()));
        }
    }
    Ok(())
}

/// Shows the same random elements to both forms, and compares them with each other and with the truth.
pub(super) fn pfselftest(context: &mut Context<'_>) -> CommandResult {
    let (mut sparse, mut dense) = (empty(), empty());
    make_dense(&mut dense)?;
    for _ in 0..SELF_TEST_ELEMENTS {
        let (index, count) = estimate::place(&context.engine.rng.next_u64().to_le_bytes());
        raise_one(&mut sparse, index, count, usize::MAX)?;
        dense::raise_one(&mut dense, index, count);
    }
    let (mut from_sparse, mut from_dense) = ([0; REGISTERS], [0; REGISTERS]);
    raise(&mut from_sparse, &sparse)?;
    raise(&mut from_dense, &dense)?;
    if from_sparse != from_dense {
        return Err(CommandError::line("ERR TESTFAILED Both forms hold different registers"));
    }
    let estimate = estimate::cardinality(&from_dense);
    if estimate.abs_diff(SELF_TEST_ELEMENTS as u64) * 10 > SELF_TEST_ELEMENTS as u64 {
        return Err(CommandError::line(format!("ERR TESTFAILED Too large an error: {estimate}")));
    }
    context.reply.ok();
    Ok(())
}

/// Raises the registers by all keys from word `first` on that exist; true if any of them is dense.
fn raise_by_all(
    context: &mut Context<'_>,
    registers: &mut Registers,
    first: usize,
) -> Result<bool, CommandError> {
    let mut any_dense = false;
    for key in context.args.skip(first) {
        let Some(entry) = context.engine.lookup_read(context.session.db, key) else { continue };
        let mut digits = itoa::Buffer::new();
        let bytes = text_of(entry)?.as_bytes(&mut digits);
        any_dense |= form_of(bytes)? == Form::Dense;
        raise(registers, bytes)?;
    }
    Ok(any_dense)
}

/// Makes sure that the key holds a string of this family; true if there was none, and now is an empty one.
fn create_if_missing(context: &mut Context<'_>, key: &[u8]) -> Result<bool, CommandError> {
    let db = context.session.db;
    if let Some(entry) = context.engine.lookup_write(db, key) {
        form_of(text_of(&entry)?.as_bytes(&mut itoa::Buffer::new()))?;
        return Ok(false);
    }
    context.engine.string_to_change(db, key)?.string_bytes_mut(0).extend(empty());
    Ok(true)
}

fn make_dense_at(context: &mut Context<'_>, key: &[u8]) -> CommandResult {
    let db = context.session.db;
    let mut entry = context.engine.lookup_write(db, key).expect("it was just read");
    let bytes = entry.string_bytes_mut(0);
    if form_of(bytes)? == Form::Sparse {
        make_dense(bytes)?;
        drop(entry);
        context.engine.changed(db, key);
    }
    Ok(())
}
