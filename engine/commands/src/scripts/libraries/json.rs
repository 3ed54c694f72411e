//! `cjson`: the table of the library and its settings. `json_encode` and `json_decode` do the work.

use std::cell::Cell;
use std::rc::Rc;

use mlua::{Lua, MultiValue, Table, Value};

use super::super::raise::{self, Raised};
use super::{json_decode, json_encode};

/// What a script may set.
#[derive(Clone, Copy, Debug)]
pub(super) struct Settings {
    /// A list with many holes becomes an object instead of an error.
    pub sparse_convert: bool,
    pub sparse_ratio: i64,
    pub sparse_safe: i64,
    pub encode_depth_max: i64,
    pub decode_depth_max: i64,
    pub precision: i64,
    pub encode_invalid: Invalid,
    pub decode_invalid: bool,
    keep_buffer: bool,
}

/// What becomes of NaN and infinities.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Invalid {
    Refused,
    Written,
    Null,
}

/// Values are never nested deeper than this, whatever a script sets.
pub(super) const DEPTH_MAX: usize = 5_000;

const DEFAULTS: Settings = Settings {
    sparse_convert: false,
    sparse_ratio: 2,
    sparse_safe: 10,
    encode_depth_max: 1_000,
    decode_depth_max: 1_000,
    precision: 14,
    encode_invalid: Invalid::Refused,
    decode_invalid: true,
    keep_buffer: true,
};

type Shared = Rc<Cell<Settings>>;

pub(in super::super) fn cjson(lua: &Lua) -> mlua::Result<Table> {
    let settings: Shared = Rc::new(Cell::new(DEFAULTS));
    let table = lua.create_table()?;
    let shared = settings.clone();
    table.set(
        "encode",
        lua.create_function(move |lua, args: MultiValue| {
            let value = single(&args, "encode")?;
            lua.create_string(json_encode::text(shared.get(), value)?)
        })?,
    )?;
    let shared = settings.clone();
    table.set(
        "decode",
        lua.create_function(move |lua, args: MultiValue| {
            single(&args, "decode")?;
            let text = raise::string_argument(&args, 0, "decode")?;
            json_decode::value(lua, shared.get(), &text)
        })?,
    )?;
    integer_setting(lua, &table, &settings, "encode_max_depth", 1, i64::from(i32::MAX), |s| {
        &mut s.encode_depth_max
    })?;
    integer_setting(lua, &table, &settings, "decode_max_depth", 1, i64::from(i32::MAX), |s| {
        &mut s.decode_depth_max
    })?;
    integer_setting(lua, &table, &settings, "encode_number_precision", 1, 14, |s| &mut s.precision)?;
    table.set("encode_keep_buffer", boolean_setting(lua, &settings, |s| &mut s.keep_buffer)?)?;
    table.set("decode_invalid_numbers", boolean_setting(lua, &settings, |s| &mut s.decode_invalid)?)?;
    let shared = settings.clone();
    table.set(
        "encode_invalid_numbers",
        lua.create_function(move |lua, args| encode_invalid(lua, &shared, &args))?,
    )?;
    table.set("encode_sparse_array", lua.create_function(move |_, args| sparse(&settings, &args))?)?;
    table.set("new", lua.create_function(|lua, ()| cjson(lua))?)?;
    table.set("null", Value::NULL)?;
    table.set("_NAME", "cjson")?;
    table.set("_VERSION", "2.1.0")?;
    Ok(table)
}

fn single<'a>(args: &'a MultiValue, name: &str) -> mlua::Result<&'a Value> {
    match (args.len(), args.front()) {
        (1, Some(value)) => Ok(value),
        _ => Err(Raised::text(format!("bad argument #1 to '{name}' (expected 1 argument)")).into()),
    }
}

fn integer_setting(
    lua: &Lua,
    table: &Table,
    settings: &Shared,
    name: &'static str,
    min: i64,
    max: i64,
    field: fn(&mut Settings) -> &mut i64,
) -> mlua::Result<()> {
    let settings = settings.clone();
    let function = move |lua: &Lua, args: MultiValue| {
        let mut changed = settings.get();
        if args.front().is_some_and(|value| !value.is_nil()) {
            let number = raise::number_argument(lua, &args, 0, name)? as i64;
            if !(min..=max).contains(&number) {
                let text = format!("bad argument #1 to '{name}' (expected integer between {min} and {max})");
                return Err(Raised::text(text).into());
            }
            *field(&mut changed) = number;
            settings.set(changed);
        }
        Ok(*field(&mut changed))
    };
    table.set(name, lua.create_function(function)?)
}

fn boolean_setting(
    lua: &Lua,
    settings: &Shared,
    field: fn(&mut Settings) -> &mut bool,
) -> mlua::Result<mlua::Function> {
    let settings = settings.clone();
    lua.create_function(move |_, args: MultiValue| {
        let mut changed = settings.get();
        if let Some(Value::Boolean(value)) = args.front() {
            *field(&mut changed) = *value;
            settings.set(changed);
        }
        Ok(*field(&mut changed))
    })
}

fn encode_invalid(lua: &Lua, settings: &Shared, args: &MultiValue) -> mlua::Result<Value> {
    let mut changed = settings.get();
    match args.front() {
        None | Some(Value::Nil) => {}
        Some(Value::Boolean(true)) => changed.encode_invalid = Invalid::Written,
        Some(Value::Boolean(false)) => changed.encode_invalid = Invalid::Refused,
        Some(Value::String(word)) if word.as_bytes() == b"null" => changed.encode_invalid = Invalid::Null,
        _ => return Err(Raised::text("bad argument #1 to 'encode_invalid_numbers' (invalid option)").into()),
    }
    settings.set(changed);
    Ok(match changed.encode_invalid {
        Invalid::Refused => Value::Boolean(false),
        Invalid::Written => Value::Boolean(true),
        Invalid::Null => Value::String(lua.create_string("null")?),
    })
}

fn sparse(settings: &Shared, args: &MultiValue) -> mlua::Result<(bool, i64, i64)> {
    let mut changed = settings.get();
    if let Some(Value::Boolean(convert)) = args.front() {
        changed.sparse_convert = *convert;
    }
    if let Some(Value::Integer(ratio)) = args.get(1) {
        changed.sparse_ratio = (*ratio).max(0);
    }
    if let Some(Value::Integer(safe)) = args.get(2) {
        changed.sparse_safe = (*safe).max(0);
    }
    settings.set(changed);
    Ok((changed.sparse_convert, changed.sparse_ratio, changed.sparse_safe))
}
