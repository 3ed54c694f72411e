//! Reading zipmaps: how Redis before 2.6 kept small hashes.
//!
//! ```text
//! zipmap := pairs:u8 (field:part value:part)* 0xff
//! part   := length:u8 (0xfe: and u32 LE), of a value then free:u8, bytes, of a value then `free` unused bytes
//! ```

const END: u8 = 0xff;
const LONG: u8 = 0xfe;

/// All fields and values of a zipmap, or `None` if any byte of it is wrong.
pub(crate) fn decode(bytes: &[u8]) -> Option<Vec<(&[u8], &[u8])>> {
    let count = *bytes.first()?;
    let (mut pairs, mut at) = (Vec::new(), 1);
    while *bytes.get(at)? != END {
        let (field_len, field_at) = length(bytes, at)?;
        let field_end = field_at.checked_add(field_len)?;
        let field = bytes.get(field_at..field_end)?;
        let (value_len, free_at) = length(bytes, field_end)?;
        let free = usize::from(*bytes.get(free_at)?);
        let value_end = (free_at + 1).checked_add(value_len)?;
        pairs.push((field, bytes.get(free_at + 1..value_end)?));
        at = value_end.checked_add(free)?;
    }
    let told = usize::from(count) == pairs.len() || count >= LONG;
    (told && at + 1 == bytes.len()).then_some(pairs)
}

/// A length, and where what follows it starts.
fn length(bytes: &[u8], at: usize) -> Option<(usize, usize)> {
    match *bytes.get(at)? {
        END => None,
        LONG => Some((u32::from_le_bytes(bytes.get(at + 1..at + 5)?.try_into().ok()?) as usize, at + 5)),
        len => Some((usize::from(len), at + 1)),
    }
}
