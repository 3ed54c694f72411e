//! `bit`: operations on 32 bits. A number is taken modulo 2^32; results are signed.

use mlua::{Lua, MultiValue, Table};

use super::super::raise;

type Unary = (&'static str, fn(i32) -> i32);
type Fold = (&'static str, fn(i32, i32) -> i32);
type Shift = (&'static str, fn(i32, u32) -> i32);

pub(in super::super) fn bits(lua: &Lua) -> mlua::Result<Table> {
    let table = lua.create_table()?;
    let unary: [Unary; 3] = [("tobit", |x| x), ("bnot", |x| !x), ("bswap", |x: i32| x.swap_bytes())];
    for (name, apply) in unary {
        let function = move |lua: &Lua, args: MultiValue| Ok(apply(bits_argument(lua, &args, 0, name)?));
        table.set(name, lua.create_function(function)?)?;
    }
    let folds: [Fold; 3] = [("band", |a, b| a & b), ("bor", |a, b| a | b), ("bxor", |a, b| a ^ b)];
    for (name, apply) in folds {
        let function = move |lua: &Lua, args: MultiValue| {
            let mut result = bits_argument(lua, &args, 0, name)?;
            for index in 1..args.len() {
                result = apply(result, bits_argument(lua, &args, index, name)?);
            }
            Ok(result)
        };
        table.set(name, lua.create_function(function)?)?;
    }
    // Only the lower five bits of the distance count.
    let shifts: [Shift; 5] = [
        ("lshift", |x, n| x.wrapping_shl(n)),
        ("rshift", |x, n| (x as u32).wrapping_shr(n) as i32),
        ("arshift", |x, n| x.wrapping_shr(n)),
        ("rol", |x, n| x.rotate_left(n & 31)),
        ("ror", |x, n| x.rotate_right(n & 31)),
    ];
    for (name, apply) in shifts {
        let function = move |lua: &Lua, args: MultiValue| {
            let value = bits_argument(lua, &args, 0, name)?;
            Ok(apply(value, bits_argument(lua, &args, 1, name)? as u32))
        };
        table.set(name, lua.create_function(function)?)?;
    }
    table.set("tohex", lua.create_function(to_hex)?)?;
    Ok(table)
}

/// `bit.tohex(x, digits)`: the last digits; in capitals where the number of them is negative.
fn to_hex(lua: &Lua, args: MultiValue) -> mlua::Result<String> {
    let value = bits_argument(lua, &args, 0, "tohex")? as u32;
    let wanted = if args.len() > 1 { bits_argument(lua, &args, 1, "tohex")? } else { 8 };
    let digits = wanted.unsigned_abs().min(8) as usize;
    let text = if wanted < 0 { format!("{value:08X}") } else { format!("{value:08x}") };
    Ok(text[8 - digits..].to_string())
}

fn bits_argument(lua: &Lua, args: &MultiValue, index: usize, name: &str) -> mlua::Result<i32> {
    // Added to 2^52 + 2^51, a number has its integer bits at the low end, rounded; of what is too large for that, the
    // same bits are taken.
    let number = raise::number_argument(lua, args, index, name)? + 6_755_399_441_055_744.0;
    Ok(number.to_bits() as u32 as i32)
}
