//! Reading replies: links to other servers, and tests. The peer is not trusted: nesting and lengths are
//! bounded, and memory is taken only for bytes that have arrived.

use std::fmt;

use bytes::Bytes;

const DEPTH_MAX: usize = 64;
const BULK_BYTES_MAX: u64 = 4 << 30;
const ELEMENTS_MAX: u64 = 1 << 32;
/// Room taken on the strength of an announced length alone.
const ELEMENTS_RESERVED_MAX: usize = 256;
const LINE_BYTES_MAX: usize = 64 << 10;

/// One reply of either protocol. RESP2's null bulk and null array are both `Null`.
#[derive(Clone, PartialEq, Debug)]
pub enum Value {
    Simple(String),
    Error(String),
    Integer(i64),
    Bulk(Bytes),
    Null,
    Array(Vec<Value>),
    Map(Vec<(Value, Value)>),
    Set(Vec<Value>),
    Push(Vec<Value>),
    Double(f64),
    Boolean(bool),
    BigNumber(String),
    Verbatim { format: String, text: String },
}

/// The bytes are not a reply.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum DecodeError {
    UnknownType(u8),
    InvalidLength,
    InvalidNumber,
    LineTooLong,
    TooDeep,
}

/// Reads the reply at the start of `bytes`, and how long it is; `None` when it is not whole yet.
/// Attributes, which speak about the reply that follows them, are passed over.
pub fn decode(bytes: &[u8]) -> Result<Option<(Value, usize)>, DecodeError> {
    let mut reader = Reader { bytes, position: 0 };
    Ok(reader.value(0)?.map(|value| (value, reader.position)))
}

struct Reader<'a> {
    bytes: &'a [u8],
    position: usize,
}

/// What is read, or `None` when it has not arrived.
type Read<T> = Result<Option<T>, DecodeError>;

macro_rules! arrived {
    ($read:expr) => {
        match $read? {
            Some(value) => value,
            None => return Ok(None),
        }
    };
}

impl<'a> Reader<'a> {
    fn value(&mut self, depth: usize) -> Read<Value> {
        if depth > DEPTH_MAX {
            return Err(DecodeError::TooDeep);
        }
        let line = arrived!(self.line());
        let (kind, text) = line.split_first().ok_or(DecodeError::UnknownType(b'\r'))?;
        Ok(Some(match kind {
            b'+' => Value::Simple(lossy(text)),
            b'-' => Value::Error(lossy(text)),
            b':' => Value::Integer(number(text)?),
            b',' => Value::Double(number(text)?),
            b'(' => Value::BigNumber(lossy(text)),
            b'_' => Value::Null,
            b'#' => Value::Boolean(match text {
                b"t" => true,
                b"f" => false,
                _ => return Err(DecodeError::InvalidNumber),
            }),
            b'$' | b'*' if text == b"-1" => Value::Null,
            b'$' => Value::Bulk(Bytes::copy_from_slice(arrived!(self.bulk(text)))),
            b'!' => Value::Error(lossy(arrived!(self.bulk(text)))),
            b'=' => verbatim(arrived!(self.bulk(text)))?,
            b'*' => Value::Array(arrived!(self.elements(text, depth))),
            b'~' => Value::Set(arrived!(self.elements(text, depth))),
            b'>' => Value::Push(arrived!(self.elements(text, depth))),
            b'%' => Value::Map(arrived!(self.pairs(text, depth))),
            b'|' => {
                arrived!(self.pairs(text, depth));
                arrived!(self.value(depth + 1))
            }
            other => return Err(DecodeError::UnknownType(*other)),
        }))
    }

    fn elements(&mut self, text: &[u8], depth: usize) -> Read<Vec<Value>> {
        let count = length(text, ELEMENTS_MAX)?;
        let mut elements = Vec::with_capacity(count.min(ELEMENTS_RESERVED_MAX));
        for _ in 0..count {
            elements.push(arrived!(self.value(depth + 1)));
        }
        Ok(Some(elements))
    }

    fn pairs(&mut self, text: &[u8], depth: usize) -> Read<Vec<(Value, Value)>> {
        let count = length(text, ELEMENTS_MAX)?;
        let mut pairs = Vec::with_capacity(count.min(ELEMENTS_RESERVED_MAX));
        for _ in 0..count {
            pairs.push((arrived!(self.value(depth + 1)), arrived!(self.value(depth + 1))));
        }
        Ok(Some(pairs))
    }

    fn bulk(&mut self, text: &[u8]) -> Read<&'a [u8]> {
        let len = length(text, BULK_BYTES_MAX)?;
        if self.left() < len + 2 {
            return Ok(None);
        }
        let bytes = &self.bytes[self.position..self.position + len];
        self.position += len + 2;
        Ok(Some(bytes))
    }

    fn line(&mut self) -> Read<&'a [u8]> {
        let rest = &self.bytes[self.position..];
        let mut ends = memchr::memchr_iter(b'\r', rest);
        match ends.find(|end| rest.get(end + 1) == Some(&b'\n')) {
            Some(end) => {
                self.position += end + 2;
                Ok(Some(&rest[..end]))
            }
            None if rest.len() > LINE_BYTES_MAX => Err(DecodeError::LineTooLong),
            None => Ok(None),
        }
    }

    fn left(&self) -> usize {
        self.bytes.len() - self.position
    }
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            DecodeError::UnknownType(byte) => write!(f, "unknown reply type '{}'", byte.escape_ascii()),
            DecodeError::InvalidLength => f.write_str("invalid length in a reply"),
            DecodeError::InvalidNumber => f.write_str("invalid number in a reply"),
            DecodeError::LineTooLong => f.write_str("a reply's line has no end"),
            DecodeError::TooDeep => f.write_str("a reply is nested too deeply"),
        }
    }
}

impl std::error::Error for DecodeError {}

fn verbatim(bytes: &[u8]) -> Result<Value, DecodeError> {
    match bytes {
        [a, b, c, b':', text @ ..] => Ok(Value::Verbatim { format: lossy(&[*a, *b, *c]), text: lossy(text) }),
        _ => Err(DecodeError::InvalidLength),
    }
}

fn length(text: &[u8], max: u64) -> Result<usize, DecodeError> {
    let len: u64 = number(text).map_err(|_| DecodeError::InvalidLength)?;
    if len > max {
        return Err(DecodeError::InvalidLength);
    }
    usize::try_from(len).map_err(|_| DecodeError::InvalidLength)
}

fn number<T: std::str::FromStr>(text: &[u8]) -> Result<T, DecodeError> {
    std::str::from_utf8(text).ok().and_then(|text| text.parse().ok()).ok_or(DecodeError::InvalidNumber)
}

fn lossy(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
