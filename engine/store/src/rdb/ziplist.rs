//! Reading ziplists: how Redis before 7.0 kept small lists, hashes and sorted sets.
//!
//! ```text
//! ziplist := bytes:u32 LE last:u32 LE entries:u16 LE entry* 0xff
//! entry   := previous:u8 (0xfe: and u32 LE) body
//! body    := 00LLLLLL bytes | 01LLLLLL L bytes | 0x80 L:u32 BE bytes
//!          | 0xc0 i16 | 0xd0 i32 | 0xe0 i64 | 0xf0 i24 | 0xfe i8 (all LE) | 1111xxxx: xxxx - 1 (of 1 to 13)
//! ```

use crate::packed::Item;

const HEADER_BYTES: usize = 10;
const END: u8 = 0xff;
const LONG_PREVIOUS: u8 = 0xfe;

/// All entries of a ziplist, or `None` if any byte of it is wrong.
pub(crate) fn decode(bytes: &[u8]) -> Option<Vec<Item<'_>>> {
    let header = bytes.get(..HEADER_BYTES)?;
    let [total, last] =
        [&header[..4], &header[4..8]].map(|part| u32::from_le_bytes(part.try_into().expect("four")));
    let count = u16::from_le_bytes([header[8], header[9]]);
    if total as usize != bytes.len() {
        return None;
    }
    let (mut items, mut at, mut previous) = (Vec::new(), HEADER_BYTES, 0);
    let mut last_at = HEADER_BYTES;
    while *bytes.get(at)? != END {
        let (told, body_at) = match bytes[at] {
            LONG_PREVIOUS => {
                (u32::from_le_bytes(bytes.get(at + 1..at + 5)?.try_into().ok()?) as usize, at + 5)
            }
            told => (usize::from(told), at + 1),
        };
        let (item, len) = body(bytes.get(body_at..)?)?;
        if told != previous {
            return None;
        }
        items.push(item);
        last_at = at;
        previous = body_at + len - at;
        at = body_at + len;
    }
    let complete = at + 1 == bytes.len() && last as usize == last_at;
    (complete && (usize::from(count) == items.len() || count == u16::MAX)).then_some(items)
}

/// An entry's content, and how many bytes it takes.
fn body(bytes: &[u8]) -> Option<(Item<'_>, usize)> {
    let first = *bytes.first()?;
    let text =
        |head: usize, len: usize| Some((Item::Bytes(bytes.get(head..head.checked_add(len)?)?), head + len));
    match first {
        0x00..0x40 => text(1, usize::from(first)),
        0x40..0x80 => text(2, usize::from(first & 0x3f) << 8 | usize::from(*bytes.get(1)?)),
        0x80 => text(5, u32::from_be_bytes(bytes.get(1..5)?.try_into().ok()?) as usize),
        0xc0 => integer(bytes, 2),
        0xd0 => integer(bytes, 4),
        0xe0 => integer(bytes, 8),
        0xf0 => integer(bytes, 3),
        0xfe => integer(bytes, 1),
        0xf1..=0xfd => Some((Item::Int(i64::from(first & 0x0f) - 1), 1)),
        _ => None,
    }
}

fn integer(bytes: &[u8], width: usize) -> Option<(Item<'_>, usize)> {
    let mut number = [0; 8];
    number[8 - width..].copy_from_slice(bytes.get(1..1 + width)?);
    Some((Item::Int(i64::from_le_bytes(number) >> (64 - 8 * width)), 1 + width))
}
