//! Values on their own: what a command stores, what RENAME carries, what is too large or too rich to
//! lie in an entry's block. New data types become new variants of [`Value`] and [`Kind`].

use super::block::{Content, INLINE_BYTES_MAX};
use crate::hash::Hash;
use crate::list::List;
use crate::number::parse_i64;
use crate::set::Set;
use crate::stream::Stream;
use crate::zset::ZSet;
use bytes::Bytes;

/// The data type of a value, as TYPE names it. The numbers are those that digests are computed with; five
/// was for modules.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum Kind {
    String = 0,
    List = 1,
    Set = 2,
    ZSet = 3,
    Hash = 4,
    Stream = 6,
}

impl Kind {
    pub fn name(self) -> &'static str {
        match self {
            Kind::String => "string",
            Kind::List => "list",
            Kind::Set => "set",
            Kind::ZSet => "zset",
            Kind::Hash => "hash",
            Kind::Stream => "stream",
        }
    }
}

/// A value without its key. A clone of a large collection is cheap, and frozen: both share what neither changes.
#[derive(Clone, PartialEq, Debug)]
pub enum Value {
    String(StringValue),
    List(List),
    Set(Set),
    Hash(Hash),
    Stream(Box<Stream>),
    ZSet(ZSet),
}

/// It lies in the blocks of entries.
const _: () = assert!(size_of::<Value>() <= 32);

/// A string in one of its encodings.
#[derive(Clone, Debug)]
pub enum StringValue {
    /// `int`: it is the decimal spelling of this number.
    Int(i64),
    /// `embstr` or `raw` by its length: set as a whole. Apart, so that all values are as small as collections.
    Bytes(Box<Bytes>),
    /// `raw`: changed in place by APPEND or SETRANGE, with room to grow.
    Buffer(Vec<u8>),
}

/// Strings up to this length are called `embstr`.
pub(super) const EMBSTR_BYTES_MAX: usize = 44;

impl Value {
    /// A string, kept as an integer if it spells one.
    pub fn string(bytes: &[u8]) -> Value {
        Value::String(match parse_i64(bytes) {
            Some(n) => StringValue::Int(n),
            None => StringValue::whole(Bytes::copy_from_slice(bytes)),
        })
    }

    /// As [`Value::string`], without a copy when the string is long.
    pub fn from_bytes(bytes: Bytes) -> Value {
        Value::String(match parse_i64(&bytes) {
            Some(n) => StringValue::Int(n),
            None => StringValue::whole(bytes),
        })
    }

    pub fn kind(&self) -> Kind {
        match self {
            Value::String(_) => Kind::String,
            Value::List(_) => Kind::List,
            Value::Set(_) => Kind::Set,
            Value::Hash(_) => Kind::Hash,
            Value::Stream(_) => Kind::Stream,
            Value::ZSet(_) => Kind::ZSet,
        }
    }

    /// The name that OBJECT ENCODING gives it.
    pub fn encoding(&self) -> &'static str {
        match self {
            Value::String(string) => string.as_ref().encoding(matches!(string, StringValue::Buffer(_))),
            Value::List(list) => list.encoding(),
            Value::Set(set) => set.encoding(),
            Value::Hash(hash) => hash.encoding(),
            Value::Stream(stream) => stream.encoding(),
            Value::ZSet(zset) => zset.encoding(),
        }
    }

    /// How many bytes it holds on the heap, apart from itself.
    #[inline]
    pub(crate) fn heap_bytes(&self) -> usize {
        match self {
            Value::String(StringValue::Int(_)) => 0,
            Value::String(StringValue::Bytes(bytes)) => size_of::<Bytes>() + bytes.len(),
            Value::String(StringValue::Buffer(buffer)) => buffer.capacity(),
            Value::List(list) => list.heap_bytes(),
            Value::Set(set) => set.heap_bytes(),
            Value::Hash(hash) => hash.heap_bytes(),
            Value::Stream(stream) => stream.heap_bytes(),
            Value::ZSet(zset) => zset.heap_bytes(),
        }
    }

    /// Whether it holds nothing, and so is not to be kept under a key.
    pub fn is_empty_collection(&self) -> bool {
        match self {
            Value::String(_) => false,
            Value::List(list) => list.is_empty(),
            Value::Set(set) => set.is_empty(),
            Value::Hash(hash) => hash.is_empty(),
            Value::Stream(_) => false,
            Value::ZSet(zset) => zset.is_empty(),
        }
    }

    /// Frees a part of a large collection that nobody needs any more; false when what is left can be dropped.
    pub(crate) fn free_part(&mut self) -> bool {
        match self {
            Value::String(_) => false,
            Value::List(list) => list.free_part(),
            Value::Set(set) => set.free_part(),
            Value::Hash(hash) => hash.free_part(),
            Value::Stream(stream) => stream.free_part(),
            Value::ZSet(zset) => zset.free_part(),
        }
    }
}

impl StringValue {
    /// A string that is set as a whole, kept as it is even where it spells an integer.
    pub fn whole(bytes: Bytes) -> StringValue {
        StringValue::Bytes(Box::new(bytes))
    }

    pub fn as_ref(&self) -> StringRef<'_> {
        match self {
            StringValue::Int(n) => StringRef::Int(*n),
            StringValue::Bytes(bytes) if bytes.len() > INLINE_BYTES_MAX => StringRef::Shared(bytes),
            StringValue::Bytes(bytes) => StringRef::Bytes(bytes),
            StringValue::Buffer(buffer) => StringRef::Bytes(buffer),
        }
    }
}

/// Two strings are equal when a client could not tell them apart by reading them.
impl PartialEq for StringValue {
    fn eq(&self, other: &StringValue) -> bool {
        let (mut this, mut that) = (itoa::Buffer::new(), itoa::Buffer::new());
        self.as_ref().as_bytes(&mut this) == other.as_ref().as_bytes(&mut that)
    }
}

/// A string that is being read.
#[derive(Clone, Copy, Debug)]
pub enum StringRef<'a> {
    Int(i64),
    Bytes(&'a [u8]),
    /// Longer than [`INLINE_BYTES_MAX`], and shared by cloning instead of copied.
    Shared(&'a Bytes),
}

impl<'a> StringRef<'a> {
    /// The bytes of the string; an integer is printed into `digits`.
    pub fn as_bytes<'b>(&self, digits: &'b mut itoa::Buffer) -> &'b [u8]
    where
        'a: 'b,
    {
        match *self {
            StringRef::Int(n) => digits.format(n).as_bytes(),
            StringRef::Bytes(bytes) => bytes,
            StringRef::Shared(bytes) => bytes,
        }
    }

    /// The bytes of the string, owned: shared if they can be, else copied.
    pub fn to_bytes(&self) -> Bytes {
        match *self {
            StringRef::Shared(bytes) => bytes.clone(),
            other => Bytes::copy_from_slice(other.as_bytes(&mut itoa::Buffer::new())),
        }
    }

    /// The length of the string in bytes.
    #[expect(clippy::len_without_is_empty, reason = "its length is asked for, never its emptiness alone")]
    pub fn len(&self) -> usize {
        match *self {
            StringRef::Int(n) => itoa::Buffer::new().format(n).len(),
            StringRef::Bytes(bytes) => bytes.len(),
            StringRef::Shared(bytes) => bytes.len(),
        }
    }

    /// The name of the encoding, given whether the string was changed in place.
    pub(super) fn encoding(&self, changed_in_place: bool) -> &'static str {
        match self {
            StringRef::Int(_) => "int",
            StringRef::Bytes(bytes) if bytes.len() <= EMBSTR_BYTES_MAX && !changed_in_place => "embstr",
            StringRef::Bytes(_) | StringRef::Shared(_) => "raw",
        }
    }
}

/// Chooses how a string that is set as a whole is kept.
pub(crate) fn string_content(bytes: &[u8]) -> Content<'_> {
    if bytes.len() <= INLINE_BYTES_MAX {
        match parse_i64(bytes) {
            Some(n) => Content::Int(n),
            None => Content::Text(bytes),
        }
    } else {
        Content::Rich(Value::String(StringValue::whole(Bytes::copy_from_slice(bytes))))
    }
}

/// Runs `place` with the way in which `value` is best kept.
pub(crate) fn with_content<R>(value: Value, place: impl FnOnce(Content<'_>) -> R) -> R {
    match value {
        Value::String(StringValue::Int(n)) => place(Content::Int(n)),
        Value::String(StringValue::Bytes(bytes)) if bytes.len() <= INLINE_BYTES_MAX => {
            place(Content::Text(&bytes))
        }
        value => place(Content::Rich(value)),
    }
}
