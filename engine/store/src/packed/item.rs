//! One element of a packed block: what it means, and its bytes.
//!
//! ```text
//! 0xxxxxxx                    0..=127               11110001 i16 LE
//! 10LLLLLL bytes              up to 63 bytes        11110010 i24 LE
//! 110xxxxx xxxxxxxx           -4096..=4095          11110011 i32 LE
//! 1110LLLL LLLLLLLL bytes     up to 4095 bytes      11110100 i64 LE
//! 11110000 u32 LE bytes       longer
//! ```
//! Behind each stands the length of the above, to be read backwards: seven bits a byte, the lowest in the last
//! byte, the high bit set in all but the first.

use crate::number::parse_i64;
use crate::text::is_same;

/// An element as it is kept: a number where its text is one's canonical spelling, else bytes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Item<'a> {
    Int(i64),
    Bytes(&'a [u8]),
}

impl<'a> Item<'a> {
    /// How `text` is kept.
    #[inline]
    pub fn of(text: &'a [u8]) -> Item<'a> {
        match parse_i64(text) {
            Some(n) => Item::Int(n),
            None => Item::Bytes(text),
        }
    }

    /// The element as text; a number is printed into `digits`.
    #[inline]
    pub fn as_bytes<'b>(&self, digits: &'b mut itoa::Buffer) -> &'b [u8]
    where
        'a: 'b,
    {
        match *self {
            Item::Int(n) => digits.format(n).as_bytes(),
            Item::Bytes(bytes) => bytes,
        }
    }

    pub fn to_vec(&self) -> Vec<u8> {
        self.as_bytes(&mut itoa::Buffer::new()).to_vec()
    }

    /// The length of the element as text.
    pub fn text_len(&self) -> usize {
        match *self {
            Item::Int(n) => itoa::Buffer::new().format(n).len(),
            Item::Bytes(bytes) => bytes.len(),
        }
    }

    /// Whether it is what `text` would be kept as.
    #[inline]
    pub fn is(&self, text: &[u8]) -> bool {
        self.as_bytes(&mut itoa::Buffer::new()) == text
    }
}

/// How many bytes an element takes.
#[inline]
pub(super) fn encoded_len(item: Item<'_>) -> usize {
    let len = match item {
        Item::Int(n) => int_len(n),
        Item::Bytes(text) => text_head_len(text.len()) + text.len(),
    };
    len + back_bytes(len)
}

fn int_len(n: i64) -> usize {
    match n {
        0..=127 => 1,
        -4096..=4095 => 2,
        -0x8000..=0x7fff => 3,
        -0x80_0000..=0x7f_ffff => 4,
        -0x8000_0000..=0x7fff_ffff => 5,
        _ => 9,
    }
}

fn text_head_len(len: usize) -> usize {
    match len {
        0..64 => 1,
        64..4096 => 2,
        _ => 5,
    }
}

const HEAD_BYTES_MAX: usize = 9;
const BACK_BYTES_MAX: usize = 5;

/// An element's bytes, but for a long text's own, which are not copied.
pub(super) struct Encoded<'a> {
    head: [u8; HEAD_BYTES_MAX],
    head_len: usize,
    text: &'a [u8],
    back: [u8; BACK_BYTES_MAX],
    back_len: usize,
}

impl<'a> Encoded<'a> {
    #[inline]
    pub fn of(item: Item<'a>) -> Encoded<'a> {
        let mut head = [0; HEAD_BYTES_MAX];
        let (head_len, text) = match item {
            Item::Int(n) => (put_int(&mut head, n), &b""[..]),
            Item::Bytes(text) => (put_text_head(&mut head, text.len()), text),
        };
        let (back, back_len) = back_length(head_len + text.len());
        Encoded { head, head_len, text, back, back_len }
    }

    #[inline]
    pub fn len(&self) -> usize {
        self.head_len + self.text.len() + self.back_len
    }

    /// Fills `place`, which is as long as this.
    #[inline]
    pub fn write(&self, place: &mut [u8]) {
        let (head, rest) = place.split_at_mut(self.head_len);
        let (text, back) = rest.split_at_mut(self.text.len());
        head.copy_from_slice(&self.head[..self.head_len]);
        text.copy_from_slice(self.text);
        back.copy_from_slice(&self.back[..self.back_len]);
    }

    /// Whether the element at the start of `bytes` is this one.
    #[inline]
    pub fn begins(&self, bytes: &[u8]) -> bool {
        let Some((head, rest)) = bytes.split_at_checked(self.head_len) else { return false };
        let Some(text) = rest.get(..self.text.len()) else { return false };
        is_same(head, &self.head[..self.head_len]) && is_same(text, self.text)
    }
}

fn put_int(head: &mut [u8; HEAD_BYTES_MAX], n: i64) -> usize {
    let len = int_len(n);
    head[0] = match len {
        1 => n as u8,
        2 => 0xc0 | (n >> 8) as u8 & 0x1f,
        3 => 0xf1,
        4 => 0xf2,
        5 => 0xf3,
        _ => 0xf4,
    };
    head[1..len].copy_from_slice(&n.to_le_bytes()[..len - 1]);
    len
}

fn put_text_head(head: &mut [u8; HEAD_BYTES_MAX], len: usize) -> usize {
    let head_len = text_head_len(len);
    match head_len {
        1 => head[0] = 0x80 | len as u8,
        2 => head[..2].copy_from_slice(&[0xe0 | (len >> 8) as u8, len as u8]),
        _ => {
            let len = u32::try_from(len).expect("nothing of 4 GiB is packed");
            head[0] = 0xf0;
            head[1..5].copy_from_slice(&len.to_le_bytes());
        }
    }
    head_len
}

/// What stands behind an element whose head and text are so long.
#[inline]
fn back_length(len: usize) -> ([u8; BACK_BYTES_MAX], usize) {
    let mut back = [0; BACK_BYTES_MAX];
    let count = back_bytes(len);
    for (place, byte) in back[..count].iter_mut().enumerate() {
        let bits = (len >> (7 * (count - 1 - place))) as u8 & 0x7f;
        *byte = if place == 0 { bits } else { bits | 0x80 };
    }
    (back, count)
}

/// How many bytes tell the length of an element whose head and text are so long.
#[inline]
pub(super) fn back_bytes(len: usize) -> usize {
    match len {
        0..=0x7f => 1,
        0x80..0x3fff => 2,
        0x3fff..0x1f_ffff => 3,
        0x1f_ffff..0x0fff_ffff => 4,
        _ => BACK_BYTES_MAX,
    }
}

/// The length of head and text of the element that ends where `bytes` ends, and of what tells it.
#[inline]
pub(super) fn length_before(bytes: &[u8]) -> Option<(usize, usize)> {
    let mut len = 0;
    for count in 1..=BACK_BYTES_MAX {
        let byte = *bytes.get(bytes.len().checked_sub(count)?)?;
        len |= usize::from(byte & 0x7f) << (7 * (count - 1));
        if byte & 0x80 == 0 {
            return Some((len, count));
        }
    }
    None
}

/// The lengths of the head and of the text of the element that starts `bytes`; `None` where no element starts so.
#[inline]
pub(super) fn lengths(bytes: &[u8]) -> Option<(usize, usize)> {
    Some(match *bytes.first()? {
        0..0x80 => (1, 0),
        byte @ 0x80..0xc0 => (1, usize::from(byte & 0x3f)),
        0xc0..0xe0 => (2, 0),
        byte @ 0xe0..0xf0 => (2, usize::from(byte & 0x0f) << 8 | usize::from(*bytes.get(1)?)),
        0xf0 => (5, u32::from_le_bytes(bytes.get(1..5)?.try_into().ok()?) as usize),
        0xf1 => (3, 0),
        0xf2 => (4, 0),
        0xf3 => (5, 0),
        0xf4 => (9, 0),
        0xf5.. => return None,
    })
}

/// The element that starts `bytes`, all of which is there.
#[inline]
pub(super) fn decode(bytes: &[u8]) -> Item<'_> {
    let (head, text) = lengths(bytes).expect("an element starts here");
    match bytes[0] {
        byte @ 0..0x80 => Item::Int(i64::from(byte)),
        0x80..0xc0 | 0xe0..=0xf0 => Item::Bytes(&bytes[head..head + text]),
        byte @ 0xc0..0xe0 => {
            let bits = i64::from(byte & 0x1f) << 8 | i64::from(bytes[1]);
            Item::Int(bits << 51 >> 51)
        }
        _ => {
            let width = head - 1;
            let mut number = [0; 8];
            number[8 - width..].copy_from_slice(&bytes[1..head]);
            Item::Int(i64::from_le_bytes(number) >> (64 - 8 * width))
        }
    }
}
