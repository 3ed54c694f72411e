//! From the value that a script returns to the reply that its client reads.

use mlua::{Lua, LuaString, Table, Value};
use squall_resp::{DoubleText, Output, Protocol, Reply};

use super::order;

/// How deep a value may be nested: about as deep as Redis, whose Lua stack ends there, goes.
const DEPTH_MAX: usize = 7_995;

/// Who reads the reply: the protocol of the client, and the one that the script has chosen to speak in,
/// which decides on how booleans are sent.
#[derive(Clone, Copy)]
pub(crate) struct Reader {
    pub client: Protocol,
    pub script: Protocol,
}

/// The reply for `value`, as it is sent. An error, too, is a reply.
pub(crate) fn value(lua: &Lua, value: &Value, reader: Reader) -> mlua::Result<Vec<u8>> {
    let mut output = Output::new();
    write(lua, &mut Reply::new(&mut output, reader.client), value, reader, 0)?;
    Ok(bytes_of(&output))
}

fn write(lua: &Lua, reply: &mut Reply<'_>, value: &Value, reader: Reader, depth: usize) -> mlua::Result<()> {
    match value {
        Value::String(text) => reply.bulk(&text.as_bytes()),
        Value::Integer(number) => reply.integer(*number),
        Value::Number(number) => reply.integer(whole(*number)),
        Value::Boolean(value) if reader.script == Protocol::Resp3 => reply.boolean(*value),
        Value::Boolean(true) => reply.integer(1),
        Value::Table(_) if depth >= DEPTH_MAX => reply.error("ERR reached lua stack limit"),
        Value::Table(table) => return write_table(lua, reply, table, reader, depth),
        _ => reply.null(),
    }
    Ok(())
}

/// A table with one of the reserved fields stands for a reply of that kind; any other is a list, up to the
/// first nil.
fn write_table(
    lua: &Lua,
    reply: &mut Reply<'_>,
    table: &Table,
    reader: Reader,
    depth: usize,
) -> mlua::Result<()> {
    let field = |name: &str| table.raw_get::<Value>(name);
    if let Value::String(line) = field("err")? {
        reply.error_bytes(without_line_end(up_to_nul(&line.as_bytes())));
    } else if let Value::String(text) = field("ok")? {
        reply.simple_bytes(&one_line(up_to_nul(&text.as_bytes())));
    } else if let Some(number) = number(&field("double")?) {
        match reader.client {
            Protocol::Resp2 => reply.bulk(DoubleText::of(number).as_bytes()),
            Protocol::Resp3 => reply.double(number),
        }
    } else if let Value::Table(map) = field("map")? {
        let length = reply.deferred_map();
        let mut count = 0;
        for (key, value) in order::pairs(&map)? {
            write(lua, reply, &key, reader, depth + 1)?;
            write(lua, reply, &value, reader, depth + 1)?;
            count += 1;
        }
        reply.set_length(length, count);
    } else if let Value::Table(set) = field("set")? {
        let length = reply.deferred_set();
        let mut count = 0;
        for (member, _) in order::pairs(&set)? {
            write(lua, reply, &member, reader, depth + 1)?;
            count += 1;
        }
        reply.set_length(length, count);
    } else if let Value::String(digits) = field("big_number")? {
        reply.big_number(&one_line(&digits.as_bytes()));
    } else if let Some((format, text)) = verbatim(&field("verbatim_string")?)? {
        reply.verbatim(&format, &text.as_bytes());
    } else {
        let length = reply.deferred_array();
        let mut count = 0;
        loop {
            match table.raw_get::<Value>(count + 1)? {
                Value::Nil => break,
                element => write(lua, reply, &element, reader, depth + 1)?,
            }
            count += 1;
        }
        reply.set_length(length, count);
    }
    Ok(())
}

/// The format has three letters; a script may have put anything there.
fn verbatim(value: &Value) -> mlua::Result<Option<(String, LuaString)>> {
    let Value::Table(table) = value else { return Ok(None) };
    let (format, text) = (table.raw_get::<Value>("format")?, table.raw_get::<Value>("string")?);
    let (Value::String(format), Value::String(text)) = (format, text) else { return Ok(None) };
    let letters: String =
        format.to_string_lossy().chars().filter(char::is_ascii).chain("   ".chars()).take(3).collect();
    Ok(Some((letters, text)))
}

/// Errors and states are texts of C: they end before their first NUL.
fn up_to_nul(text: &[u8]) -> &[u8] {
    text.split(|byte| *byte == 0).next().unwrap_or_default()
}

fn without_line_end(mut text: &[u8]) -> &[u8] {
    while let [rest @ .., b'\r' | b'\n'] = text {
        text = rest;
    }
    text
}

fn number(value: &Value) -> Option<f64> {
    match value {
        Value::Integer(number) => Some(*number as f64),
        Value::Number(number) => Some(*number),
        _ => None,
    }
}

fn one_line(bytes: &[u8]) -> Vec<u8> {
    bytes.iter().map(|byte| if matches!(byte, b'\r' | b'\n') { b' ' } else { *byte }).collect()
}

/// A number without its fraction; one that does not fit is what x86 makes of it, on every machine.
fn whole(number: f64) -> i64 {
    let fits = number > -9_223_372_036_854_775_808.0 && number < 9_223_372_036_854_775_808.0;
    if fits { number as i64 } else { i64::MIN }
}

/// All that was written.
pub(crate) fn bytes_of(output: &Output) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(output.len());
    output.copy_to(&mut bytes);
    bytes
}
