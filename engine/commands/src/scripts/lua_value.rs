//! From a reply to the value that a script gets. The bytes are the server's own reply, in RESP2 or RESP3:
//!
//! ```text
//! :1 $1 *2         number, string, list           +OK          {ok = "OK"}
//! $-1 *-1          false                          -ERR x       {err = "ERR x"}
//! _                nil                            ,1.5         {double = 1.5}
//! #t               true                           (12          {big_number = "12"}
//! %1               {map = {k = v}}                =..txt:a     {verbatim_string = {format =, string =}}
//! ~1               {set = {member = true}}
//! ```

use mlua::{Lua, Table, Value};

use super::raise;

/// The value of a whole reply.
pub(crate) fn of_reply(lua: &Lua, reply: &[u8]) -> mlua::Result<Value> {
    Reader { lua, rest: reply }.value()
}

struct Reader<'a> {
    lua: &'a Lua,
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    fn value(&mut self) -> mlua::Result<Value> {
        let line = self.line();
        let (kind, text) = line.split_first().expect("a reply has a type");
        Ok(match kind {
            b'$' | b'*' if text == b"-1" => Value::Boolean(false),
            b'$' => {
                let bytes = self.bulk(text);
                Value::String(self.lua.create_string(bytes)?)
            }
            b':' => Value::Number(integer(text) as f64),
            b'+' => self.named("ok", text)?,
            b'-' => {
                let Value::Table(table) = raise::error_table(self.lua, text)? else {
                    unreachable!("an error is a table")
                };
                table.raw_set("ignore_error_stats_update", true)?;
                Value::Table(table)
            }
            b'*' | b'>' => {
                let len = integer(text) as usize;
                let list = self.lua.create_table_with_capacity(len, 0)?;
                for index in 1..=len {
                    list.raw_set(index, self.value()?)?;
                }
                Value::Table(list)
            }
            b'%' => {
                let map = self.lua.create_table()?;
                for _ in 0..integer(text) {
                    let key = self.value()?;
                    let value = self.value()?;
                    set_unless_nil(&map, key, value)?;
                }
                self.within("map", Value::Table(map))?
            }
            b'~' => {
                let set = self.lua.create_table()?;
                for _ in 0..integer(text) {
                    let member = self.value()?;
                    set_unless_nil(&set, member, Value::Boolean(true))?;
                }
                self.within("set", Value::Table(set))?
            }
            b'_' => Value::Nil,
            b'#' => Value::Boolean(text == b"t"),
            b',' => self.within("double", Value::Number(double(text)))?,
            b'(' => self.named("big_number", text)?,
            b'=' => {
                let bytes = self.bulk(text);
                let verbatim = self.lua.create_table()?;
                verbatim.raw_set("format", self.lua.create_string(&bytes[..3])?)?;
                verbatim.raw_set("string", self.lua.create_string(&bytes[4..])?)?;
                self.within("verbatim_string", Value::Table(verbatim))?
            }
            b'|' => {
                for _ in 0..2 * integer(text) {
                    self.value()?;
                }
                self.value()?
            }
            other => unreachable!("the server sends no {:?}", char::from(*other)),
        })
    }

    fn named(&self, name: &str, text: &[u8]) -> mlua::Result<Value> {
        self.within(name, Value::String(self.lua.create_string(text)?))
    }

    fn within(&self, name: &str, value: Value) -> mlua::Result<Value> {
        let table = self.lua.create_table_with_capacity(0, 1)?;
        table.raw_set(name, value)?;
        Ok(Value::Table(table))
    }

    fn line(&mut self) -> &'a [u8] {
        let end = self.rest.windows(2).position(|pair| pair == b"\r\n").expect("a reply is whole");
        let line = &self.rest[..end];
        self.rest = &self.rest[end + 2..];
        line
    }

    fn bulk(&mut self, len: &[u8]) -> &'a [u8] {
        let (bytes, rest) = self.rest.split_at(integer(len) as usize);
        self.rest = &rest[2..];
        bytes
    }
}

/// Lua has no place for a key that is nil or not a number.
fn set_unless_nil(table: &Table, key: Value, value: Value) -> mlua::Result<()> {
    match key {
        Value::Nil => Ok(()),
        Value::Number(number) if number.is_nan() => Ok(()),
        key => table.raw_set(key, value),
    }
}

fn integer(text: &[u8]) -> i64 {
    squall_store::parse_i64(text).expect("the server writes its numbers well")
}

fn double(text: &[u8]) -> f64 {
    std::str::from_utf8(text).ok().and_then(|text| text.parse().ok()).unwrap_or(f64::NAN)
}
