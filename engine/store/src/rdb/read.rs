//! Reading the parts of RDB data from a slice that may end too early. Nothing is trusted: a length is believed
//! only when that many bytes are there, so no announced size makes anyone allocate.

use super::lzf::decompress;
use super::{RdbFault, STRING_BYTES_MAX, TYPE_NAMES, TYPE_STRING};
use crate::entry::{INLINE_BYTES_MAX, Kind, StringValue, Value};
use crate::hash;
use crate::limits::Limits;
use crate::list;
use crate::set;
use crate::stream;
use crate::zset;
use bytes::Bytes;

/// Why a read came to nothing.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Stop {
    /// The slice must be at least this long.
    Need(usize),
    Bad(RdbFault),
}

impl From<RdbFault> for Stop {
    fn from(fault: RdbFault) -> Stop {
        Stop::Bad(fault)
    }
}

/// A position in a slice.
#[derive(Clone)]
pub(crate) struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
    /// Whether it is Valkey's own series of versions, whose types mean something else from some number on.
    valkeys: bool,
}

/// A value of which the beginning has been read.
pub(crate) enum Reading {
    Whole(Value),
    Elements(Box<dyn Elements>),
}

/// A value that is read piece by piece.
pub(crate) trait Elements {
    /// Reads what comes next; gives the value instead when all of it has been read. After an error that it lacks
    /// bytes it is asked again, with more of them from the same place on.
    fn read_next(&mut self, reader: &mut Reader<'_>, limits: &Limits) -> Result<Option<Value>, Stop>;
}

/// The data type that values behind this type byte have. Most types have had several forms over time.
pub(crate) fn kind_of(type_byte: u8) -> Result<Kind, RdbFault> {
    match (type_byte, TYPE_NAMES.get(usize::from(type_byte))) {
        (TYPE_STRING, _) => Ok(Kind::String),
        (3 | 5 | 12 | 17, _) => Ok(Kind::ZSet),
        (1 | 10 | 14 | 18, _) => Ok(Kind::List),
        (2 | 11 | 20, _) => Ok(Kind::Set),
        (4 | 9 | 13 | 16 | 22..=25, _) => Ok(Kind::Hash),
        (15 | 19 | 21, _) => Ok(Kind::Stream),
        (_, None | Some(&"")) => Err(RdbFault::UnknownType(type_byte)),
        (_, Some(name)) => Err(RdbFault::UnsupportedType(name)),
    }
}

/// What a length prefix says.
enum Length {
    Plain(u64),
    /// The string that follows is encoded in this way.
    Encoded(u8),
}

/// A string as it was written.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum ReadString<'a> {
    Int(i32),
    Plain(&'a [u8]),
    Expanded(Vec<u8>),
}

impl<'a> Reader<'a> {
    pub fn of(bytes: &'a [u8]) -> Reader<'a> {
        Reader { bytes, at: 0, valkeys: false }
    }

    /// The same in a file of this version of Valkey's own series, if it is one.
    pub fn valkeys(self, valkeys: bool) -> Reader<'a> {
        Reader { valkeys, ..self }
    }

    pub fn is_valkeys(&self) -> bool {
        self.valkeys
    }

    /// How many bytes have been read.
    pub fn position(&self) -> usize {
        self.at
    }

    pub fn take(&mut self, count: usize) -> Result<&'a [u8], Stop> {
        let end = self.at.checked_add(count).ok_or(RdbFault::Length)?;
        let taken = self.bytes.get(self.at..end).ok_or(Stop::Need(end))?;
        self.at = end;
        Ok(taken)
    }

    pub fn array<const N: usize>(&mut self) -> Result<[u8; N], Stop> {
        Ok(self.take(N)?.try_into().expect("as many bytes as were asked for"))
    }

    pub fn byte(&mut self) -> Result<u8, Stop> {
        Ok(self.array::<1>()?[0])
    }

    /// A length that is not a string encoding.
    pub fn length(&mut self) -> Result<u64, Stop> {
        match self.length_or_encoding()? {
            Length::Plain(length) => Ok(length),
            Length::Encoded(_) => Err(RdbFault::Length.into()),
        }
    }

    pub fn string(&mut self) -> Result<ReadString<'a>, Stop> {
        Ok(match self.length_or_encoding()? {
            Length::Plain(length) => ReadString::Plain(self.take(string_len(length)?)?),
            Length::Encoded(0) => ReadString::Int(i8::from_le_bytes(self.array()?).into()),
            Length::Encoded(1) => ReadString::Int(i16::from_le_bytes(self.array()?).into()),
            Length::Encoded(2) => ReadString::Int(i32::from_le_bytes(self.array()?)),
            Length::Encoded(3) => {
                let packed_len = string_len(self.length()?)?;
                let plain_len = string_len(self.length()?)?;
                let packed = self.take(packed_len)?;
                ReadString::Expanded(decompress(packed, plain_len).ok_or(RdbFault::Compression)?)
            }
            Length::Encoded(other) => return Err(RdbFault::StringEncoding(other).into()),
        })
    }

    /// A string that is neither an integer nor compressed; another one is passed over.
    pub fn text(&mut self) -> Result<Option<&'a [u8]>, Stop> {
        let mut ahead = self.clone();
        if let Length::Plain(length) = ahead.length_or_encoding()? {
            let text = ahead.take(string_len(length)?)?;
            *self = ahead;
            return Ok(Some(text));
        }
        self.skip_string().map(|()| None)
    }

    /// Passes over a string without expanding it.
    pub fn skip_string(&mut self) -> Result<(), Stop> {
        let len = match self.length_or_encoding()? {
            Length::Plain(length) => string_len(length)?,
            Length::Encoded(width @ 0..=2) => 1 << width,
            Length::Encoded(3) => {
                let packed_len = string_len(self.length()?)?;
                self.length()?;
                packed_len
            }
            Length::Encoded(other) => return Err(RdbFault::StringEncoding(other).into()),
        };
        self.take(len).map(drop)
    }

    /// Begins the value that follows a type byte and its key. A type reads its small forms whole, and the
    /// others element by element, so that a large value need not be there as a whole.
    pub fn begin_value(&mut self, type_byte: u8, limits: &Limits) -> Result<Reading, Stop> {
        match kind_of(type_byte)? {
            Kind::List => list::rdb::begin(type_byte, self, limits),
            Kind::Set => set::rdb::begin(type_byte, self, limits),
            Kind::Hash => hash::rdb::begin(type_byte, self, limits),
            Kind::Stream => stream::rdb::begin(type_byte, self),
            Kind::ZSet => zset::rdb::begin(type_byte, self, limits),
            _ => Ok(Reading::Whole(self.string()?.into_value())),
        }
    }

    /// The value that follows a type byte, all of which is there.
    pub fn value(&mut self, type_byte: u8, limits: &Limits) -> Result<Value, Stop> {
        let mut elements = match self.begin_value(type_byte, limits)? {
            Reading::Whole(value) => return Ok(value),
            Reading::Elements(elements) => elements,
        };
        loop {
            if let Some(value) = elements.read_next(self, limits)? {
                return Ok(value);
            }
        }
    }

    /// Passes over a module's auxiliary data: its id, when it was written, then marked values up to an end mark.
    pub fn skip_module_aux(&mut self) -> Result<(), Stop> {
        let _module_id = self.length()?;
        let _when_mark = self.length()?;
        let _when = self.length()?;
        loop {
            match self.length()? {
                0 => return Ok(()),
                1 | 2 => drop(self.length()?),
                3 => drop(self.array::<4>()?),
                4 => drop(self.array::<8>()?),
                5 => drop(self.string()?),
                _ => return Err(RdbFault::ModuleData.into()),
            }
        }
    }

    fn length_or_encoding(&mut self) -> Result<Length, Stop> {
        let first = self.byte()?;
        Ok(match (first >> 6, first) {
            (0, _) => Length::Plain(u64::from(first)),
            (1, _) => Length::Plain(u64::from(first & 0x3f) << 8 | u64::from(self.byte()?)),
            (2, 0x80) => Length::Plain(u32::from_be_bytes(self.array()?).into()),
            (2, 0x81) => Length::Plain(u64::from_be_bytes(self.array()?)),
            (2, _) => return Err(RdbFault::Length.into()),
            _ => Length::Encoded(first & 0x3f),
        })
    }
}

impl ReadString<'_> {
    /// The bytes; an integer is printed into `digits`.
    pub fn as_bytes<'b>(&'b self, digits: &'b mut itoa::Buffer) -> &'b [u8] {
        match self {
            ReadString::Int(n) => digits.format(*n).as_bytes(),
            ReadString::Plain(bytes) => bytes,
            ReadString::Expanded(bytes) => bytes,
        }
    }

    pub fn into_bytes(self) -> Bytes {
        match self {
            ReadString::Expanded(bytes) => bytes.into(),
            other => Bytes::copy_from_slice(other.as_bytes(&mut itoa::Buffer::new())),
        }
    }

    /// Whether it is too long for an entry's own block.
    pub fn is_long(&self) -> bool {
        match self {
            ReadString::Int(_) => false,
            ReadString::Plain(bytes) => bytes.len() > INLINE_BYTES_MAX,
            ReadString::Expanded(bytes) => bytes.len() > INLINE_BYTES_MAX,
        }
    }

    pub fn into_value(self) -> Value {
        match self {
            ReadString::Int(n) => Value::String(StringValue::Int(n.into())),
            ReadString::Plain(bytes) => Value::string(bytes),
            ReadString::Expanded(bytes) => Value::from_bytes(bytes.into()),
        }
    }
}

fn string_len(length: u64) -> Result<usize, Stop> {
    if length > STRING_BYTES_MAX {
        return Err(RdbFault::Length.into());
    }
    usize::try_from(length).map_err(|_| RdbFault::Length.into())
}
