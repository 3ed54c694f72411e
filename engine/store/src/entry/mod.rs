//! An entry: a key with its value, its expiry time and its access word. `block.rs` lays it out in one
//! allocation, `value.rs` has the values on their own; here is what reading and changing one means.

mod block;
#[cfg(test)]
mod tests;
mod value;

pub(crate) use block::{Body, Content};
pub use block::{Entry, INLINE_BYTES_MAX};
pub use value::{Kind, StringRef, StringValue, Value};
pub(crate) use value::{string_content, with_content};

use crate::table::Table;
use squall_clock::UnixMs;

impl Entry {
    /// Whether the entry's time has come at `now`. What that means is the caller's business.
    pub fn is_expired(&self, now: UnixMs) -> bool {
        self.expire_at().is_some_and(|at| at <= now)
    }

    /// The value, if it is a string.
    #[inline]
    pub fn string(&self) -> Option<StringRef<'_>> {
        match self.body() {
            Body::Int(n) => Some(StringRef::Int(n)),
            Body::Text(bytes) => Some(StringRef::Bytes(bytes)),
            Body::Rich(Value::String(string)) => Some(string.as_ref()),
            Body::Rich(_) => None,
        }
    }

    /// The table that a large collection is.
    pub(crate) fn table(&self) -> Option<&Table> {
        match self.body() {
            Body::Rich(Value::Set(set)) => set.table(),
            Body::Rich(Value::Hash(hash)) => hash.table(),
            Body::Rich(Value::ZSet(zset)) => zset.table(),
            _ => None,
        }
    }

    /// The name that OBJECT ENCODING gives the value.
    pub fn encoding(&self) -> &'static str {
        match self.body() {
            Body::Int(n) => StringRef::Int(n).encoding(false),
            Body::Text(bytes) => StringRef::Bytes(bytes).encoding(false),
            Body::Rich(value) => value.encoding(),
        }
    }

    /// A copy of the value that does not change with it: cheap where the value is large.
    pub fn duplicate_value(&self) -> Value {
        match self.body() {
            Body::Int(n) => Value::String(StringValue::Int(n)),
            Body::Text(bytes) => Value::String(StringValue::whole(bytes::Bytes::copy_from_slice(bytes))),
            Body::Rich(value) => value.clone(),
        }
    }

    /// When the first field of a hash expires, if any does.
    #[inline]
    pub(crate) fn next_field_expiry(&self) -> Option<UnixMs> {
        match self.rich() {
            Some(Value::Hash(hash)) => hash.next_expiry(),
            _ => None,
        }
    }

    /// How much memory the entry holds, with its value, without the allocator's own overhead.
    #[inline]
    pub fn memory_bytes(&self) -> usize {
        self.block_bytes() + self.rich().map_or(0, Value::heap_bytes)
    }

    pub(crate) fn append(&mut self, tail: &[u8]) {
        let buffer = self.buffer_mut(tail.len());
        buffer.extend_from_slice(tail);
    }

    pub(crate) fn set_range(&mut self, offset: usize, patch: &[u8]) {
        if patch.is_empty() {
            return;
        }
        let end = offset.checked_add(patch.len()).expect("the caller checked the resulting length");
        self.string_bytes_mut(end)[offset..end].copy_from_slice(patch);
    }

    pub(crate) fn string_bytes_mut(&mut self, len_min: usize) -> &mut Vec<u8> {
        let buffer = self.buffer_mut(0);
        if buffer.len() < len_min {
            buffer.resize(len_min, 0);
        }
        buffer
    }

    /// The string as a buffer that can be changed in place; made into one first if it is not.
    fn buffer_mut(&mut self, room: usize) -> &mut Vec<u8> {
        let string = self.string().expect("the caller checked the type");
        if !matches!(self.body(), Body::Rich(Value::String(StringValue::Buffer(_)))) {
            let mut digits = itoa::Buffer::new();
            let old = string.as_bytes(&mut digits);
            let mut buffer = Vec::with_capacity(old.len() + room);
            buffer.extend_from_slice(old);
            self.set_content(Content::Rich(Value::String(StringValue::Buffer(buffer))));
        }
        match self.rich_mut() {
            Some(Value::String(StringValue::Buffer(buffer))) => buffer,
            _ => unreachable!("the value was just made a buffer"),
        }
    }
}

impl std::fmt::Debug for Entry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Entry")
            .field("key", &bytes::Bytes::copy_from_slice(self.key()))
            .field("value", &self.body())
            .field("expire_at", &self.expire_at())
            .finish()
    }
}

/// An entry that is no longer in the keyspace. Dropping it frees the value; keep it to do so later.
#[derive(Debug)]
pub struct Removed(pub(crate) Entry);

impl Removed {
    /// Whether the value is more than a small string, so that freeing it may take long.
    pub fn is_apart(&self) -> bool {
        self.0.rich().is_some()
    }

    pub fn into_value(self) -> Value {
        match self.0.body() {
            Body::Int(_) | Body::Text(_) => self.0.duplicate_value(),
            Body::Rich(_) => self.0.into_rich().expect("the value is rich"),
        }
    }
}

impl std::ops::Deref for Removed {
    type Target = Entry;

    fn deref(&self) -> &Entry {
        &self.0
    }
}
