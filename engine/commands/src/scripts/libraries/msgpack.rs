//! `cmsgpack`: values as MessagePack, after its specification. Integral numbers are packed as integers, a
//! table with the keys 1 to n as a list.

use mlua::{Lua, MultiValue, Table, Value};

use super::super::order;
use super::super::raise::{self, Raised};
use super::msgpack_unpack::{self, Unpacker};

/// Tables deeper than this are packed as nil.
const DEPTH_MAX: usize = 16;

pub(in super::super) fn cmsgpack(lua: &Lua) -> mlua::Result<Table> {
    let table = lua.create_table()?;
    table.set("pack", lua.create_function(pack)?)?;
    table.set("unpack", lua.create_function(|lua, args| unpack(lua, &args, "unpack", None))?)?;
    table.set("unpack_one", lua.create_function(|lua, args| unpack(lua, &args, "unpack_one", Some(1)))?)?;
    table.set(
        "unpack_limit",
        lua.create_function(|lua, args: MultiValue| {
            let limit = raise::number_argument(lua, &args, 1, "unpack_limit")? as i64;
            // The offset stands behind the limit here.
            let mut rest: Vec<Value> = args.iter().cloned().collect();
            rest.remove(1);
            unpack(lua, &MultiValue::from_iter(rest), "unpack_limit", Some(limit))
        })?,
    )?;
    table.set("_NAME", "cmsgpack")?;
    table.set("_VERSION", "lua-cmsgpack 0.4.0")?;
    table.set("_DESCRIPTION", "MessagePack C implementation for Lua")?;
    table.set("_COPYRIGHT", "")?;
    Ok(table)
}

fn pack(lua: &Lua, args: MultiValue) -> mlua::Result<mlua::LuaString> {
    if args.is_empty() {
        return Err(Raised::text("bad argument #0 to 'pack' (MessagePack pack needs input.)").into());
    }
    let mut out = Vec::new();
    for value in &args {
        write(&mut out, value, 0)?;
    }
    lua.create_string(out)
}

fn write(out: &mut Vec<u8>, value: &Value, depth: usize) -> mlua::Result<()> {
    match value {
        Value::Boolean(value) => out.push(if *value { 0xc3 } else { 0xc2 }),
        Value::Integer(number) => write_integer(out, *number),
        Value::Number(number) => write_number(out, *number),
        Value::String(text) => write_string(out, &text.as_bytes()),
        Value::Table(_) if depth == DEPTH_MAX => out.push(0xc0),
        Value::Table(table) => return write_table(out, table, depth + 1),
        _ => out.push(0xc0),
    }
    Ok(())
}

fn write_table(out: &mut Vec<u8>, table: &Table, depth: usize) -> mlua::Result<()> {
    let (mut count, mut max, mut is_list) = (0u32, 0, true);
    for pair in table.pairs::<Value, Value>() {
        match pair?.0 {
            Value::Integer(key) if key > 0 => max = max.max(key),
            _ => is_list = false,
        }
        count += 1;
    }
    if is_list && max == i64::from(count) {
        write_header(out, count, 0x90, 0xdc);
        for index in 1..=count {
            write(out, &table.raw_get::<Value>(index)?, depth)?;
        }
        return Ok(());
    }
    write_header(out, count, 0x80, 0xde);
    for (key, value) in order::pairs(table)? {
        write(out, &key, depth)?;
        write(out, &value, depth)?;
    }
    Ok(())
}

/// The header of a list or a map: `fixed` holds lengths below 16, `sixteen` is followed by two bytes, the
/// code after it by four.
fn write_header(out: &mut Vec<u8>, count: u32, fixed: u8, sixteen: u8) {
    match count {
        0..=15 => out.push(fixed | count as u8),
        16..=0xffff => {
            out.push(sixteen);
            out.extend((count as u16).to_be_bytes());
        }
        _ => {
            out.push(sixteen + 1);
            out.extend(count.to_be_bytes());
        }
    }
}

fn write_string(out: &mut Vec<u8>, text: &[u8]) {
    match text.len() {
        len @ 0..=31 => out.push(0xa0 | len as u8),
        len @ 32..=0xff => out.extend([0xd9, len as u8]),
        len @ 0x100..=0xffff => {
            out.push(0xda);
            out.extend((len as u16).to_be_bytes());
        }
        len => {
            out.push(0xdb);
            out.extend((len as u32).to_be_bytes());
        }
    }
    out.extend(text);
}

fn write_number(out: &mut Vec<u8>, number: f64) {
    if number.trunc() == number && number.abs() < 9.2e18 {
        write_integer(out, number as i64);
    } else if f64::from(number as f32) == number {
        out.push(0xca);
        out.extend((number as f32).to_be_bytes());
    } else {
        out.push(0xcb);
        out.extend(number.to_be_bytes());
    }
}

fn write_integer(out: &mut Vec<u8>, number: i64) {
    match number {
        0..=127 => out.push(number as u8),
        -32..0 => out.push(number as i8 as u8),
        128..=0xff => out.extend([0xcc, number as u8]),
        0x100..=0xffff => {
            out.push(0xcd);
            out.extend((number as u16).to_be_bytes());
        }
        0x1_0000..=0xffff_ffff => {
            out.push(0xce);
            out.extend((number as u32).to_be_bytes());
        }
        0x1_0000_0000.. => {
            out.push(0xcf);
            out.extend((number as u64).to_be_bytes());
        }
        -128..-32 => out.extend([0xd0, number as i8 as u8]),
        -0x8000..-128 => {
            out.push(0xd1);
            out.extend((number as i16).to_be_bytes());
        }
        -0x8000_0000..-0x8000 => {
            out.push(0xd2);
            out.extend((number as i32).to_be_bytes());
        }
        _ => {
            out.push(0xd3);
            out.extend(number.to_be_bytes());
        }
    }
}

/// `unpack(text)`: all values. With a limit: at most so many, after the position of what is left (-1: nothing).
fn unpack(lua: &Lua, args: &MultiValue, name: &str, limit: Option<i64>) -> mlua::Result<MultiValue> {
    let text = raise::string_argument(args, 0, name)?;
    let offset = match (limit, args.get(1)) {
        (Some(_), Some(_)) => raise::number_argument(lua, args, 1, name)? as i64,
        _ => 0,
    };
    let limit_text = limit.unwrap_or(0);
    if offset < 0 || limit_text < 0 {
        let text = format!("Invalid request to unpack with offset of {offset} and limit of {}.", text.len());
        return Err(Raised::text(text).into());
    }
    if offset > text.len() as i64 {
        let text = format!("Start offset {offset} greater than input length {}.", text.len());
        return Err(Raised::text(text).into());
    }
    let wanted = if limit_text == 0 { usize::MAX } else { limit_text as usize };
    let mut unpacker = Unpacker::new(lua, &text[offset as usize..]);
    let mut values = Vec::new();
    while !unpacker.is_at_end() && values.len() < wanted {
        if values.len() >= msgpack_unpack::VALUES_MAX {
            return Err(Raised::text(msgpack_unpack::TOO_MANY_VALUES).into());
        }
        values.push(unpacker.value()?);
    }
    if limit.is_some() {
        let left = if unpacker.is_at_end() { -1 } else { offset + unpacker.position() as i64 };
        values.insert(0, Value::Integer(left));
    }
    Ok(MultiValue::from_iter(values))
}
