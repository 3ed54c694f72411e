//! `struct`: values as the bytes of C structures, after format strings (see `struct_format`).

use mlua::{Lua, MultiValue, Table, Value};

use super::super::raise::{self, Raised};
use super::msgpack_unpack::VALUES_MAX;
use super::struct_format::{Format, Item};

/// The longest structure.
const BYTES_MAX: usize = 512 << 20;

pub(in super::super) fn structs(lua: &Lua) -> mlua::Result<Table> {
    let table = lua.create_table()?;
    table.set("pack", lua.create_function(pack)?)?;
    table.set("unpack", lua.create_function(unpack)?)?;
    table.set("size", lua.create_function(size)?)?;
    Ok(table)
}

fn pack(lua: &Lua, args: MultiValue) -> mlua::Result<mlua::LuaString> {
    let text = raise::string_argument(&args, 0, "pack")?;
    let mut format = Format::new(&text, "pack");
    let mut out: Vec<u8> = Vec::new();
    let mut index = 1;
    while let Some(placed) = format.next(out.len())? {
        if out.len() + placed.alignment_gap + placed.bytes > BYTES_MAX {
            return Err(Raised::text("format result too large").into());
        }
        out.resize(out.len() + placed.alignment_gap, 0);
        if placed.item == Item::Padding {
            out.push(0);
            continue;
        }
        match placed.item {
            Item::Integer { bytes, .. } => {
                let number = raise::number_argument(lua, &args, index, "pack")?;
                push_integer(&mut out, integer(number), bytes, format.big_endian);
            }
            Item::Float => {
                let number = raise::number_argument(lua, &args, index, "pack")? as f32;
                push_bytes(&mut out, number.to_le_bytes(), format.big_endian);
            }
            Item::Double => {
                let number = raise::number_argument(lua, &args, index, "pack")?;
                push_bytes(&mut out, number.to_le_bytes(), format.big_endian);
            }
            Item::Characters(count) => {
                let string = raise::string_argument(&args, index, "pack")?;
                let count = if count == 0 { string.len() } else { count };
                let Some(characters) = string.get(..count) else {
                    let text = format!("bad argument #{} to 'pack' (string too short)", index + 2);
                    return Err(Raised::text(text).into());
                };
                out.extend(characters);
            }
            Item::ZeroTerminated => {
                out.extend(raise::string_argument(&args, index, "pack")?);
                out.push(0);
            }
            Item::Padding => unreachable!("padding takes no value"),
        }
        index += 1;
    }
    lua.create_string(out)
}

fn unpack(lua: &Lua, args: MultiValue) -> mlua::Result<MultiValue> {
    let text = raise::string_argument(&args, 0, "unpack")?;
    let data = raise::string_argument(&args, 1, "unpack")?;
    let start = if args.len() > 2 { raise::number_argument(lua, &args, 2, "unpack")? as i64 } else { 1 };
    let mut position = match usize::try_from(start - 1) {
        Ok(position) => position,
        Err(_) => {
            return Err(Raised::text("bad argument #3 to 'unpack' (offset must be 1 or greater)").into());
        }
    };
    let mut format = Format::new(&text, "unpack");
    let mut values: Vec<Value> = Vec::new();
    while let Some(placed) = format.next(position)? {
        position = position.saturating_add(placed.alignment_gap);
        let rest = data.get(position..).filter(|rest| rest.len() >= placed.bytes).ok_or_else(too_short)?;
        if values.len() >= VALUES_MAX {
            return Err(Raised::text("too many results to unpack").into());
        }
        let mut taken = placed.bytes;
        match placed.item {
            Item::Padding => {}
            Item::Integer { bytes, signed } => {
                values.push(read_integer(&rest[..bytes], signed, format.big_endian));
            }
            Item::Float => {
                values.push(Value::Number(f64::from(f32::from_le_bytes(ordered(rest, format.big_endian)))));
            }
            Item::Double => values.push(Value::Number(f64::from_le_bytes(ordered(rest, format.big_endian)))),
            Item::Characters(0) => {
                let count = match values.pop() {
                    Some(Value::Integer(count)) => Ok(usize::try_from(count).unwrap_or(usize::MAX)),
                    Some(Value::Number(count)) => Ok(count as usize),
                    _ => Err(Raised::text("format 'c0' needs a previous size")),
                }?;
                let characters = rest.get(..count).ok_or_else(too_short)?;
                values.push(Value::String(lua.create_string(characters)?));
                taken = count;
            }
            Item::Characters(count) => values.push(Value::String(lua.create_string(&rest[..count])?)),
            Item::ZeroTerminated => {
                let end = rest.iter().position(|&byte| byte == 0);
                let end = end.ok_or_else(|| Raised::text("unfinished string in data"))?;
                values.push(Value::String(lua.create_string(&rest[..end])?));
                taken = end + 1;
            }
        }
        position += taken;
    }
    values.push(Value::Integer(position as i64 + 1));
    Ok(MultiValue::from_iter(values))
}

fn size(_: &Lua, args: MultiValue) -> mlua::Result<usize> {
    let text = raise::string_argument(&args, 0, "size")?;
    let mut format = Format::new(&text, "size");
    let mut position: usize = 0;
    while let Some(placed) = format.next(position)? {
        match placed.item {
            Item::ZeroTerminated => {
                return Err(Raised::text("bad argument #1 to 'size' (option 's' has no fixed size)").into());
            }
            Item::Characters(0) => {
                return Err(Raised::text("bad argument #1 to 'size' (option 'c0' has no fixed size)").into());
            }
            _ => position = position.saturating_add(placed.alignment_gap + placed.bytes),
        }
    }
    Ok(position)
}

fn too_short() -> mlua::Error {
    Raised::text("bad argument #2 to 'unpack' (data string too short)").into()
}

/// A number as the 64 bits of an integer: negative ones in two's complement. What is too large for them, infinity
/// too, leaves none of its bits there, and what is no number the highest alone.
fn integer(number: f64) -> u64 {
    match number {
        number if number < 0.0 => number as i64 as u64,
        number if number >= u64::MAX as f64 => 0,
        number if number.is_nan() => 1 << 63,
        number => number as u64,
    }
}

fn push_integer(out: &mut Vec<u8>, number: u64, bytes: usize, big_endian: bool) {
    let start = out.len();
    let digits = number.to_le_bytes();
    out.extend((0..bytes).map(|index| digits.get(index).copied().unwrap_or(0)));
    if big_endian {
        out[start..].reverse();
    }
}

fn push_bytes<const N: usize>(out: &mut Vec<u8>, mut little: [u8; N], big_endian: bool) {
    if big_endian {
        little.reverse();
    }
    out.extend(little);
}

fn ordered<const N: usize>(rest: &[u8], big_endian: bool) -> [u8; N] {
    let mut bytes: [u8; N] = rest[..N].try_into().expect("as many bytes as the item has");
    if big_endian {
        bytes.reverse();
    }
    bytes
}

fn read_integer(bytes: &[u8], signed: bool, big_endian: bool) -> Value {
    let step = |number: u64, &byte: &u8| number << 8 | u64::from(byte);
    let number = if big_endian { bytes.iter().fold(0, step) } else { bytes.iter().rev().fold(0, step) };
    if !signed {
        return Value::Number(number as f64);
    }
    let unused = 64usize.saturating_sub(bytes.len() * 8).min(63) as u32;
    Value::Number((((number << unused) as i64) >> unused) as f64)
}
