//! From MessagePack to Lua. Lengths are believed only as far as there are bytes; nesting is bounded.

use mlua::{Lua, Value};

use super::super::raise::Raised;

/// Values that a function can return at most: what Lua's stack has room for.
pub(super) const VALUES_MAX: usize = 7_000;
pub(super) const TOO_MANY_VALUES: &str =
    "stack overflow (too many return values at once; use unpack_one or unpack_limit instead.)";
const DEPTH_MAX: usize = 1_000;

pub(super) struct Unpacker<'a> {
    lua: &'a Lua,
    bytes: &'a [u8],
    position: usize,
    depth: usize,
}

impl<'a> Unpacker<'a> {
    pub fn new(lua: &'a Lua, bytes: &'a [u8]) -> Unpacker<'a> {
        Unpacker { lua, bytes, position: 0, depth: 0 }
    }

    pub fn is_at_end(&self) -> bool {
        self.position >= self.bytes.len()
    }

    pub fn position(&self) -> usize {
        self.position
    }

    pub fn value(&mut self) -> mlua::Result<Value> {
        let kind = self.take(1)?[0];
        Ok(match kind {
            0x00..=0x7f => Value::Integer(i64::from(kind)),
            0xe0..=0xff => Value::Integer(i64::from(kind as i8)),
            0xc0 => Value::Nil,
            0xc2 => Value::Boolean(false),
            0xc3 => Value::Boolean(true),
            0xca => Value::Number(f64::from(f32::from_be_bytes(self.array()?))),
            0xcb => Value::Number(f64::from_be_bytes(self.array()?)),
            0xcc => Value::Integer(i64::from(self.array::<1>()?[0])),
            0xcd => Value::Integer(i64::from(u16::from_be_bytes(self.array()?))),
            0xce => Value::Integer(i64::from(u32::from_be_bytes(self.array()?))),
            0xcf => Value::Number(u64::from_be_bytes(self.array()?) as f64),
            0xd0 => Value::Integer(i64::from(self.array::<1>()?[0] as i8)),
            0xd1 => Value::Integer(i64::from(i16::from_be_bytes(self.array()?))),
            0xd2 => Value::Integer(i64::from(i32::from_be_bytes(self.array()?))),
            0xd3 => Value::Integer(i64::from_be_bytes(self.array()?)),
            0xa0..=0xbf => self.string(usize::from(kind & 0x1f))?,
            0xd9 => {
                let len = usize::from(self.array::<1>()?[0]);
                self.string(len)?
            }
            0xda => {
                let len = usize::from(u16::from_be_bytes(self.array()?));
                self.string(len)?
            }
            0xdb => {
                let len = u32::from_be_bytes(self.array()?) as usize;
                self.string(len)?
            }
            0x90..=0x9f => self.list(usize::from(kind & 0xf))?,
            0xdc => {
                let len = usize::from(u16::from_be_bytes(self.array()?));
                self.list(len)?
            }
            0xdd => {
                let len = u32::from_be_bytes(self.array()?) as usize;
                self.list(len)?
            }
            0x80..=0x8f => self.map(usize::from(kind & 0xf))?,
            0xde => {
                let len = usize::from(u16::from_be_bytes(self.array()?));
                self.map(len)?
            }
            0xdf => {
                let len = u32::from_be_bytes(self.array()?) as usize;
                self.map(len)?
            }
            _ => return Err(Raised::text("Bad data format in input.").into()),
        })
    }

    fn string(&mut self, len: usize) -> mlua::Result<Value> {
        let bytes = self.take(len)?;
        Ok(Value::String(self.lua.create_string(bytes)?))
    }

    fn list(&mut self, len: usize) -> mlua::Result<Value> {
        self.descend()?;
        let table = self.lua.create_table()?;
        for index in 1..=len {
            table.raw_set(index, self.value()?)?;
        }
        self.depth -= 1;
        Ok(Value::Table(table))
    }

    fn map(&mut self, len: usize) -> mlua::Result<Value> {
        self.descend()?;
        let table = self.lua.create_table()?;
        for _ in 0..len {
            let (key, value) = (self.value()?, self.value()?);
            match key {
                Value::Nil => return Err(Raised::Bare("table index is nil").into()),
                Value::Number(number) if number.is_nan() => {
                    return Err(Raised::Bare("table index is NaN").into());
                }
                key => table.raw_set(key, value)?,
            }
        }
        self.depth -= 1;
        Ok(Value::Table(table))
    }

    fn descend(&mut self) -> mlua::Result<()> {
        self.depth += 1;
        if self.depth > DEPTH_MAX { Err(Raised::text("Bad data format in input.").into()) } else { Ok(()) }
    }

    fn array<const N: usize>(&mut self) -> mlua::Result<[u8; N]> {
        Ok(self.take(N)?.try_into().expect("as many bytes as were asked for"))
    }

    fn take(&mut self, count: usize) -> mlua::Result<&'a [u8]> {
        match self.bytes[self.position..].get(..count) {
            Some(bytes) => {
                self.position += count;
                Ok(bytes)
            }
            None => Err(Raised::text("Missing bytes in input.").into()),
        }
    }
}
