//! Finding requests in a read buffer: the first thing that every byte from a client meets.
//!
//! The buffer is not owned here. A request is parsed in place; when it is not whole yet, the parser remembers
//! how far it came, and the next call goes on from there, so the time spent is linear in the bytes received
//! however they were cut. Until [`Parsed::Command`] or [`Parsed::Empty`] is returned, the buffer must keep
//! starting at the same byte and may only grow.
//!
//! ```text
//! *3\r\n  $3\r\n SET\r\n  $1\r\n k\r\n  $5\r\n value\r\n        an array of bulk strings
//! SET k "va\x6cue"\r\n                                          or a line, see `inline`
//! ```

use std::borrow::Cow;
use std::fmt;

use crate::args::{ArgRange, Args};
use crate::inline::split_line;
use crate::limits::Limits;

/// Ranges and unquoted text kept for the next request; more than this is given back after a large one.
const RANGES_KEPT_MAX: usize = 1_024;
const TEXT_KEPT_BYTES_MAX: usize = 4_096;

/// What is known of the request at the start of the buffer.
#[derive(Default)]
pub struct RequestParser {
    /// The arguments found so far, in the buffer or, for an inline command, in `text`.
    ranges: Vec<ArgRange>,
    /// Arguments still to come; zero before the count is read, and after the last.
    missing: u32,
    /// The length of the argument at `position`, once its header is read.
    bulk_bytes: Option<u32>,
    /// How far the buffer is understood.
    position: usize,
    /// How far the buffer is known to hold no end of the line that starts at `position`.
    scanned: usize,
    /// The unquoted arguments of an inline command.
    text: Vec<u8>,
    inline: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Parsed {
    /// More bytes are needed.
    Incomplete,
    /// Bytes that ask for nothing: an empty line, an array of no elements.
    Empty { consumed: usize },
    /// A request; [`RequestParser::args`] yields it until the next call of `parse`.
    Command { consumed: usize },
}

/// The peer does not speak the protocol, or asks for more than its limits allow. It reads the error and is
/// disconnected, because the start of its next request is not known.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ProtocolError {
    InvalidMultibulkLength,
    InvalidBulkLength,
    ExpectedBulk { got: u8 },
    InlineTooBig,
    MultibulkCountTooBig,
    BulkCountTooBig,
    UnbalancedQuotes,
    UnauthenticatedMultibulkLength,
    UnauthenticatedBulkLength,
}

impl RequestParser {
    pub fn new() -> RequestParser {
        RequestParser::default()
    }

    /// Reads on in `buf`, which starts with the request that the last call left incomplete, or with a new one.
    #[inline]
    pub fn parse(&mut self, buf: &[u8], limits: &Limits) -> Result<Parsed, ProtocolError> {
        if self.missing == 0 {
            if self.position != 0 || !self.ranges.is_empty() {
                self.reset();
            }
            match buf.first() {
                Some(b'*') => {}
                Some(_) => return self.parse_inline(buf, limits),
                None => return Ok(Parsed::Incomplete),
            }
            match self.parse_count(buf, limits)? {
                Parsed::Command { .. } => {}
                other => return Ok(other),
            }
        }
        self.parse_bulks(buf, limits)
    }

    /// The arguments of the request that `parse` has just found in `buf`.
    #[inline]
    pub fn args<'a>(&'a self, buf: &'a [u8]) -> Args<'a> {
        debug_assert!(self.missing == 0, "the request is not whole");
        Args::over(if self.inline { &self.text } else { buf }, &self.ranges)
    }

    /// One of them, as long as `buf` is there; none of a request that came inline, whose quotes are taken off elsewhere.
    #[inline]
    pub fn arg_in<'a>(&self, buf: &'a [u8], index: usize) -> Option<&'a [u8]> {
        if self.inline { None } else { self.ranges.get(index).map(|range| range.of(buf)) }
    }

    /// Forgets a request that is not whole: the buffer starts anew.
    pub fn reset(&mut self) {
        self.ranges.clear();
        self.missing = 0;
        self.bulk_bytes = None;
        self.position = 0;
        self.scanned = 0;
        if self.inline {
            self.inline = false;
            self.text.clear();
            self.text.shrink_to(TEXT_KEPT_BYTES_MAX);
        }
        if self.ranges.capacity() > RANGES_KEPT_MAX {
            self.ranges.shrink_to(RANGES_KEPT_MAX);
        }
    }

    /// How many more bytes the argument being received needs, given that `buf_len` have arrived: what a reader
    /// should make room for, so that a large value is received into one allocation. Zero when unknown.
    pub fn bytes_wanted(&self, buf_len: usize) -> usize {
        match self.bulk_bytes {
            Some(len) => (self.position + len as usize + 2).saturating_sub(buf_len),
            None => 0,
        }
    }

    /// Reads `*<count>`. `Command` here means that arguments follow.
    #[inline]
    fn parse_count(&mut self, buf: &[u8], limits: &Limits) -> Result<Parsed, ProtocolError> {
        let (count, header_len) = match *buf {
            [_, digit @ b'1'..=b'9', b'\r', _, ..] => (i64::from(digit - b'0'), 4),
            _ => match self.line(buf, limits.inline_bytes_max) {
                Line::Whole { text, len } => {
                    (canonical_integer(&text[1..]).ok_or(ProtocolError::InvalidMultibulkLength)?, len)
                }
                Line::Partial => return Ok(Parsed::Incomplete),
                Line::TooLong => return Err(ProtocolError::MultibulkCountTooBig),
            },
        };
        if count > i64::from(limits.multibulk_count_max) {
            return Err(match limits.authenticated || count > i64::from(i32::MAX) {
                true => ProtocolError::InvalidMultibulkLength,
                false => ProtocolError::UnauthenticatedMultibulkLength,
            });
        }
        if count <= 0 {
            self.scanned = 0;
            return Ok(Parsed::Empty { consumed: header_len });
        }
        self.missing = count as u32;
        self.position = header_len;
        Ok(Parsed::Command { consumed: header_len })
    }

    /// Reads `$<length>` and the bytes that follow, for each argument that is missing.
    #[inline]
    fn parse_bulks(&mut self, buf: &[u8], limits: &Limits) -> Result<Parsed, ProtocolError> {
        loop {
            let len = match self.bulk_bytes {
                Some(len) => len,
                None => match self.parse_bulk_header(buf, limits)? {
                    Some(len) => len,
                    None => return Ok(Parsed::Incomplete),
                },
            };
            let end = self.position + len as usize;
            // What stands in the place of the CR LF is not looked at.
            if end + 2 > buf.len() {
                self.bulk_bytes = Some(len);
                return Ok(Parsed::Incomplete);
            }
            self.bulk_bytes = None;
            self.ranges.push(ArgRange { start: self.position as u32, len });
            self.position = end + 2;
            self.missing -= 1;
            if self.missing == 0 {
                return Ok(Parsed::Command { consumed: self.position });
            }
        }
    }

    /// Reads the header at `position` and moves behind it; `None` when it has not arrived yet.
    #[inline]
    fn parse_bulk_header(&mut self, buf: &[u8], limits: &Limits) -> Result<Option<u32>, ProtocolError> {
        let (len, header_len) = match buf[self.position..] {
            [b'$', digit @ b'0'..=b'9', b'\r', _, ..] => (u64::from(digit - b'0'), 4),
            [b'$', tens @ b'1'..=b'9', ones @ b'0'..=b'9', b'\r', _, ..] => {
                (u64::from(tens - b'0') * 10 + u64::from(ones - b'0'), 5)
            }
            _ => match self.parse_long_bulk_header(buf, limits)? {
                Some(header) => header,
                None => return Ok(None),
            },
        };
        let start = self.position + header_len;
        if len > limits.bulk_bytes_max || start as u64 + len + 2 > u64::from(u32::MAX) {
            return Err(match limits.authenticated || len > Limits::default().bulk_bytes_max {
                true => ProtocolError::InvalidBulkLength,
                false => ProtocolError::UnauthenticatedBulkLength,
            });
        }
        self.position = start;
        Ok(Some(len as u32))
    }

    /// A header of three digits or more, a partial one, or a wrong one.
    fn parse_long_bulk_header(
        &mut self,
        buf: &[u8],
        limits: &Limits,
    ) -> Result<Option<(u64, usize)>, ProtocolError> {
        match self.line(buf, limits.inline_bytes_max) {
            Line::Whole { text: [b'$', digits @ ..], len } => {
                let number = canonical_integer(digits).and_then(|number| u64::try_from(number).ok());
                Ok(Some((number.ok_or(ProtocolError::InvalidBulkLength)?, len)))
            }
            Line::Whole { .. } => Err(ProtocolError::ExpectedBulk { got: buf[self.position] }),
            Line::Partial => Ok(None),
            Line::TooLong => Err(ProtocolError::BulkCountTooBig),
        }
    }

    /// The line at `position`, ended by a CR and one more byte.
    fn line<'a>(&mut self, buf: &'a [u8], bytes_max: usize) -> Line<'a> {
        let from = self.scanned.max(self.position);
        match buf[from..].iter().position(|byte| *byte == b'\r') {
            Some(at) if from + at + 1 < buf.len() => {
                let end = from + at;
                Line::Whole { text: &buf[self.position..end], len: end + 2 - self.position }
            }
            Some(at) => {
                self.scanned = from + at;
                Line::Partial
            }
            None if buf.len() - self.position > bytes_max => Line::TooLong,
            None => {
                self.scanned = buf.len();
                Line::Partial
            }
        }
    }

    #[cold]
    fn parse_inline(&mut self, buf: &[u8], limits: &Limits) -> Result<Parsed, ProtocolError> {
        let Some(at) = buf[self.scanned..].iter().position(|byte| *byte == b'\n') else {
            self.scanned = buf.len();
            return match buf.len() > limits.inline_bytes_max {
                true => Err(ProtocolError::InlineTooBig),
                false => Ok(Parsed::Incomplete),
            };
        };
        let end = self.scanned + at;
        let line = buf[..end].strip_suffix(b"\r").unwrap_or(&buf[..end]);
        self.inline = true;
        self.position = end + 1;
        split_line(line, &mut self.text, &mut self.ranges).map_err(|_| ProtocolError::UnbalancedQuotes)?;
        Ok(match self.ranges.is_empty() {
            true => Parsed::Empty { consumed: end + 1 },
            false => Parsed::Command { consumed: end + 1 },
        })
    }
}

enum Line<'a> {
    /// The line without its end, and its length with it.
    Whole {
        text: &'a [u8],
        len: usize,
    },
    Partial,
    TooLong,
}

impl ProtocolError {
    /// What the peer reads after `ERR Protocol error: `: bytes, because one of them may be its own.
    pub fn text(&self) -> Cow<'static, [u8]> {
        let text: &[u8] = match self {
            ProtocolError::InvalidMultibulkLength => b"invalid multibulk length",
            ProtocolError::InvalidBulkLength => b"invalid bulk length",
            ProtocolError::ExpectedBulk { got } => {
                return Cow::Owned([b"expected '$', got '".as_slice(), &[*got], b"'"].concat());
            }
            ProtocolError::InlineTooBig => b"too big inline request",
            ProtocolError::MultibulkCountTooBig => b"too big mbulk count string",
            ProtocolError::BulkCountTooBig => b"too big bulk count string",
            ProtocolError::UnbalancedQuotes => b"unbalanced quotes in request",
            ProtocolError::UnauthenticatedMultibulkLength => b"unauthenticated multibulk length",
            ProtocolError::UnauthenticatedBulkLength => b"unauthenticated bulk length",
        };
        Cow::Borrowed(text)
    }
}

impl fmt::Display for ProtocolError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&String::from_utf8_lossy(&self.text()))
    }
}

impl std::error::Error for ProtocolError {}

/// A decimal integer in the only spelling that is accepted: no blanks, no plus, no leading zero.
fn canonical_integer(text: &[u8]) -> Option<i64> {
    let digits = text.strip_prefix(b"-").unwrap_or(text);
    let spelled_once = matches!(digits, [b'0'] | [b'1'..=b'9', ..]) && text != b"-0";
    if !spelled_once || text.len() > 20 || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(text).ok()?.parse().ok()
}
