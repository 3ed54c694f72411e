//! Writing replies, in the protocol that the peer chose.
//!
//! Commands state what they answer ([`Reply::map`], [`Reply::null`], [`Reply::double`]); this file alone knows
//! how RESP2, which has neither maps nor nulls nor doubles, shows it.

use bytes::Bytes;

use crate::double::DoubleText;
use crate::output::Output;

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub enum Protocol {
    #[default]
    Resp2,
    Resp3,
}

/// A writer of replies. Aggregates are announced with their length; their elements follow.
pub struct Reply<'a> {
    output: &'a mut Output,
    protocol: Protocol,
}

/// The place of an aggregate whose length is told when its elements have been written.
#[must_use = "an aggregate without its length breaks the protocol"]
#[derive(Debug)]
pub struct DeferredLength {
    at: usize,
    kind: u8,
    per_element: u64,
}

impl<'a> Reply<'a> {
    pub fn new(output: &'a mut Output, protocol: Protocol) -> Reply<'a> {
        Reply { output, protocol }
    }

    pub fn protocol(&self) -> Protocol {
        self.protocol
    }

    pub fn is_resp3(&self) -> bool {
        self.protocol == Protocol::Resp3
    }

    /// What follows is written in another protocol (HELLO inside a transaction).
    pub fn set_protocol(&mut self, protocol: Protocol) {
        self.protocol = protocol;
    }

    /// Where the replies go, for another writer to go on with.
    pub fn output(&mut self) -> &mut Output {
        self.output
    }

    pub fn ok(&mut self) {
        self.output.extend(b"+OK\r\n");
    }

    pub fn queued(&mut self) {
        self.output.extend(b"+QUEUED\r\n");
    }

    /// A status without line breaks.
    pub fn simple(&mut self, text: &str) {
        debug_assert!(!text.contains(['\r', '\n']), "a status is one line");
        self.output.extend(b"+");
        self.output.extend(text.as_bytes());
        self.output.extend(b"\r\n");
    }

    /// A status that need not be UTF-8.
    pub fn simple_bytes(&mut self, text: &[u8]) {
        self.output.extend_line(b'+', text);
    }

    /// An error: its code, a blank, its text. Line breaks become blanks.
    pub fn error(&mut self, text: &str) {
        self.error_bytes(text.as_bytes());
    }

    /// An error that quotes what the peer sent.
    pub fn error_bytes(&mut self, text: &[u8]) {
        self.output.extend(b"-");
        for (index, line) in text.split(|byte| matches!(byte, b'\r' | b'\n')).enumerate() {
            if index > 0 {
                self.output.extend(b" ");
            }
            self.output.extend(line);
        }
        self.output.extend(b"\r\n");
    }

    #[inline]
    pub fn integer(&mut self, number: i64) {
        match number {
            0..=9 => self.output.extend(&[b':', b'0' + number as u8, b'\r', b'\n']),
            _ => self.output.extend_line(b':', itoa::Buffer::new().format(number).as_bytes()),
        }
    }

    #[inline]
    pub fn bulk(&mut self, bytes: &[u8]) {
        self.header(b'$', bytes.len() as u64);
        self.output.extend(bytes);
        self.output.extend(b"\r\n");
    }

    /// A bulk string that is sent from where it is when it is large.
    pub fn bulk_bytes(&mut self, bytes: Bytes) {
        self.header(b'$', bytes.len() as u64);
        self.output.push_bytes(bytes);
        self.output.extend(b"\r\n");
    }

    pub fn bulk_str(&mut self, text: &str) {
        self.bulk(text.as_bytes());
    }

    /// An integer spelled as a bulk string.
    pub fn bulk_integer(&mut self, number: i64) {
        self.bulk(itoa::Buffer::new().format(number).as_bytes());
    }

    #[inline]
    pub fn null(&mut self) {
        self.output.extend(match self.protocol {
            Protocol::Resp2 => b"$-1\r\n",
            Protocol::Resp3 => b"_\r\n",
        });
    }

    pub fn null_array(&mut self) {
        self.output.extend(match self.protocol {
            Protocol::Resp2 => b"*-1\r\n",
            Protocol::Resp3 => b"_\r\n",
        });
    }

    #[inline]
    pub fn array(&mut self, len: usize) {
        self.header(b'*', len as u64);
    }

    /// `len` pairs follow.
    pub fn map(&mut self, len: usize) {
        match self.protocol {
            Protocol::Resp2 => self.header(b'*', len as u64 * 2),
            Protocol::Resp3 => self.header(b'%', len as u64),
        }
    }

    pub fn set(&mut self, len: usize) {
        match self.protocol {
            Protocol::Resp2 => self.header(b'*', len as u64),
            Protocol::Resp3 => self.header(b'~', len as u64),
        }
    }

    /// A message that no request asked for; in RESP2 an array.
    pub fn push(&mut self, len: usize) {
        match self.protocol {
            Protocol::Resp2 => self.header(b'*', len as u64),
            Protocol::Resp3 => self.header(b'>', len as u64),
        }
    }

    /// `len` pairs about the reply that follows them. RESP2 has no place for them.
    pub fn attribute(&mut self, len: usize) {
        assert!(self.is_resp3(), "attributes exist in RESP3 alone");
        self.header(b'|', len as u64);
    }

    pub fn double(&mut self, number: f64) {
        let text = DoubleText::of(number);
        match self.protocol {
            Protocol::Resp2 => self.bulk(text.as_bytes()),
            Protocol::Resp3 => self.output.extend_line(b',', text.as_bytes()),
        }
    }

    pub fn boolean(&mut self, value: bool) {
        match self.protocol {
            Protocol::Resp2 => self.integer(i64::from(value)),
            Protocol::Resp3 => self.output.extend(if value { b"#t\r\n" } else { b"#f\r\n" }),
        }
    }

    /// A text with a hint of three letters how to show it (`txt`, `mkd`); in RESP2 a bulk string.
    pub fn verbatim(&mut self, format: &str, text: &(impl AsRef<[u8]> + ?Sized)) {
        let text = text.as_ref();
        assert!(format.len() == 3, "a verbatim string's format has three letters");
        match self.protocol {
            Protocol::Resp2 => self.bulk(text),
            Protocol::Resp3 => {
                self.header(b'=', text.len() as u64 + 4);
                self.output.extend(format.as_bytes());
                self.output.extend(b":");
                self.output.extend(text);
                self.output.extend(b"\r\n");
            }
        }
    }

    /// An integer of any length, in decimal; in RESP2 a bulk string.
    pub fn big_number(&mut self, digits: &[u8]) {
        match self.protocol {
            Protocol::Resp2 => self.bulk(digits),
            Protocol::Resp3 => self.output.extend_line(b'(', digits),
        }
    }

    /// Bytes that are already a reply in this peer's protocol.
    pub fn raw(&mut self, encoded: &[u8]) {
        self.output.extend(encoded);
    }

    /// An array whose elements are written before they are counted; [`Reply::set_length`] tells the count.
    /// When several are open, the last opened is closed first.
    pub fn deferred_array(&mut self) -> DeferredLength {
        DeferredLength { at: self.output.len(), kind: b'*', per_element: 1 }
    }

    /// As [`Reply::deferred_array`], for a map: the length counts pairs.
    pub fn deferred_map(&mut self) -> DeferredLength {
        match self.protocol {
            Protocol::Resp2 => DeferredLength { at: self.output.len(), kind: b'*', per_element: 2 },
            Protocol::Resp3 => DeferredLength { at: self.output.len(), kind: b'%', per_element: 1 },
        }
    }

    pub fn deferred_set(&mut self) -> DeferredLength {
        let kind = if self.is_resp3() { b'~' } else { b'*' };
        DeferredLength { at: self.output.len(), kind, per_element: 1 }
    }

    pub fn set_length(&mut self, mark: DeferredLength, len: usize) {
        let mut buffer = itoa::Buffer::new();
        let digits = buffer.format(len as u64 * mark.per_element).as_bytes();
        let mut header = [0; 24];
        header[0] = mark.kind;
        header[1..=digits.len()].copy_from_slice(digits);
        header[digits.len() + 1..digits.len() + 3].copy_from_slice(b"\r\n");
        self.output.insert(mark.at, &header[..digits.len() + 3]);
    }

    #[inline]
    fn header(&mut self, kind: u8, len: u64) {
        match len {
            0..=9 => self.output.extend(&[kind, b'0' + len as u8, b'\r', b'\n']),
            10..=99 => {
                let (tens, ones) = (b'0' + (len / 10) as u8, b'0' + (len % 10) as u8);
                self.output.extend(&[kind, tens, ones, b'\r', b'\n']);
            }
            _ => self.output.extend_line(kind, itoa::Buffer::new().format(len).as_bytes()),
        }
    }
}
