//! From Lua to JSON. A table whose keys are all positive integers is a list; an empty one is an object.

use mlua::{Table, Value};

use super::super::numbers::general;
use super::super::order;
use super::super::raise::Raised;
use super::json::{DEPTH_MAX, Invalid, Settings};

pub(super) fn text(settings: Settings, value: &Value) -> mlua::Result<Vec<u8>> {
    let mut out = Vec::new();
    write(settings, &mut out, value, 0)?;
    Ok(out)
}

fn write(settings: Settings, out: &mut Vec<u8>, value: &Value, depth: usize) -> mlua::Result<()> {
    match value {
        Value::Nil => out.extend(b"null"),
        Value::Boolean(true) => out.extend(b"true"),
        Value::Boolean(false) => out.extend(b"false"),
        Value::Integer(number) => return write_number(settings, out, *number as f64),
        Value::Number(number) => return write_number(settings, out, *number),
        Value::String(text) => write_string(out, &text.as_bytes()),
        Value::Table(table) => return write_table(settings, out, table, depth + 1),
        value if *value == Value::NULL => out.extend(b"null"),
        other => {
            let kind = match other {
                Value::LightUserData(_) => "userdata",
                other => other.type_name(),
            };
            return Err(Raised::text(format!("Cannot serialise {kind}: type not supported")).into());
        }
    }
    Ok(())
}

fn write_table(settings: Settings, out: &mut Vec<u8>, table: &Table, depth: usize) -> mlua::Result<()> {
    if depth as i64 > settings.encode_depth_max || depth > DEPTH_MAX {
        return Err(Raised::text(format!("Cannot serialise, excessive nesting ({depth})")).into());
    }
    match list_length(settings, table)? {
        Some(length) => {
            out.push(b'[');
            for index in 1..=length {
                if index > 1 {
                    out.push(b',');
                }
                write(settings, out, &table.raw_get::<Value>(index)?, depth)?;
            }
            out.push(b']');
        }
        None => {
            out.push(b'{');
            for (count, (key, value)) in order::pairs(table)?.into_iter().enumerate() {
                if count > 0 {
                    out.push(b',');
                }
                write_key(settings, out, &key)?;
                out.push(b':');
                write(settings, out, &value, depth)?;
            }
            out.push(b'}');
        }
    }
    Ok(())
}

/// The length of the list that the table is; none where it is an object.
fn list_length(settings: Settings, table: &Table) -> mlua::Result<Option<i64>> {
    let (mut max, mut items) = (0, 0);
    for pair in table.pairs::<Value, Value>() {
        match pair?.0 {
            Value::Integer(key) if key > 0 => {
                max = max.max(key);
                items += 1;
            }
            _ => return Ok(None),
        }
    }
    if items == 0 {
        return Ok(None);
    }
    let sparse =
        settings.sparse_ratio > 0 && max > items * settings.sparse_ratio && max > settings.sparse_safe;
    match (sparse, settings.sparse_convert) {
        (false, _) => Ok(Some(max)),
        (true, true) => Ok(None),
        (true, false) => Err(Raised::text("Cannot serialise table: excessively sparse array").into()),
    }
}

fn write_key(settings: Settings, out: &mut Vec<u8>, key: &Value) -> mlua::Result<()> {
    match key {
        Value::String(text) => write_string(out, &text.as_bytes()),
        Value::Integer(_) | Value::Number(_) => {
            out.push(b'"');
            write(settings, out, key, 0)?;
            out.push(b'"');
        }
        _ => return Err(Raised::text("Cannot serialise table: table key must be a number or string").into()),
    }
    Ok(())
}

fn write_number(settings: Settings, out: &mut Vec<u8>, number: f64) -> mlua::Result<()> {
    if !number.is_finite() {
        match settings.encode_invalid {
            Invalid::Refused => {
                return Err(Raised::text("Cannot serialise number: must not be NaN or Inf").into());
            }
            Invalid::Null => out.extend(b"null"),
            Invalid::Written if number.is_nan() => out.extend(b"nan"),
            Invalid::Written => out.extend(if number > 0.0 { b"inf".as_slice() } else { b"-inf" }),
        }
        return Ok(());
    }
    out.extend(general(number, settings.precision as usize).as_bytes());
    Ok(())
}

fn write_string(out: &mut Vec<u8>, text: &[u8]) {
    out.push(b'"');
    for &byte in text {
        match byte {
            b'"' => out.extend(b"\\\""),
            b'\\' => out.extend(b"\\\\"),
            b'/' => out.extend(b"\\/"),
            0x08 => out.extend(b"\\b"),
            b'\t' => out.extend(b"\\t"),
            b'\n' => out.extend(b"\\n"),
            0x0c => out.extend(b"\\f"),
            b'\r' => out.extend(b"\\r"),
            0..=0x1f | 0x7f => out.extend(format!("\\u{byte:04x}").as_bytes()),
            _ => out.push(byte),
        }
    }
    out.push(b'"');
}
