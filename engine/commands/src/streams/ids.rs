//! Ids as clients write them: whole, without a sequence, as an end of an interval, or in part for XADD to complete.

use squall_store::stream::StreamId;

use crate::CommandError;

/// Longer texts are no ids.
const TEXT_BYTES_MAX: usize = 127;

pub(super) const INVALID: CommandError = CommandError::Line(std::borrow::Cow::Borrowed(
    "ERR Invalid stream ID specified as stream command argument",
));

/// The id that XADD is asked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum WantedId {
    /// `*`
    Any,
    /// `123-*`: the next of this millisecond.
    AnyOf {
        ms: u64,
    },
    Exactly(StreamId),
}

/// An id; where it has one number only, `missing_seq` is the other.
pub(super) fn parse(text: &[u8], missing_seq: u64) -> Result<StreamId, CommandError> {
    match parse_wanted(text, missing_seq)? {
        WantedId::Exactly(id) => Ok(id),
        WantedId::Any | WantedId::AnyOf { .. } => Err(INVALID),
    }
}

pub(super) fn parse_wanted(text: &[u8], missing_seq: u64) -> Result<WantedId, CommandError> {
    if text == b"*" {
        return Ok(WantedId::Any);
    }
    if text.len() > TEXT_BYTES_MAX {
        return Err(INVALID);
    }
    let (ms, seq) = match text.iter().position(|&byte| byte == b'-') {
        Some(dash) => (&text[..dash], Some(&text[dash + 1..])),
        None => (text, None),
    };
    let ms = parse_u64(ms).ok_or(INVALID)?;
    Ok(match seq {
        Some(b"*") => WantedId::AnyOf { ms },
        Some(seq) => WantedId::Exactly(StreamId { ms, seq: parse_u64(seq).ok_or(INVALID)? }),
        None => WantedId::Exactly(StreamId { ms, seq: missing_seq }),
    })
}

/// Where an interval begins: `-`, an id, or `(` and the id behind which it begins.
pub(super) fn parse_start(text: &[u8]) -> Result<StreamId, CommandError> {
    match text.split_first() {
        Some((b'(', id)) => {
            end_of_interval(id, 0)?.next().ok_or(CommandError::line("ERR invalid start ID for the interval"))
        }
        _ => end_of_interval(text, 0),
    }
}

/// Where an interval ends: `+`, an id, or `(` and the id before which it ends.
pub(super) fn parse_end(text: &[u8]) -> Result<StreamId, CommandError> {
    match text.split_first() {
        Some((b'(', id)) => end_of_interval(id, u64::MAX)?
            .previous()
            .ok_or(CommandError::line("ERR invalid end ID for the interval")),
        _ => end_of_interval(text, u64::MAX),
    }
}

fn end_of_interval(text: &[u8], missing_seq: u64) -> Result<StreamId, CommandError> {
    match text {
        b"-" => Ok(StreamId::MIN),
        b"+" => Ok(StreamId::MAX),
        id => parse(id, missing_seq),
    }
}

/// Digits, with blanks, zeros or a plus in front of them if need be.
fn parse_u64(text: &[u8]) -> Option<u64> {
    let blanks = text.iter().take_while(|byte| matches!(byte, b' ' | 9..=13)).count();
    let digits = text[blanks..].strip_prefix(b"+").unwrap_or(&text[blanks..]);
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(digits).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(ms: u64, seq: u64) -> StreamId {
        StreamId { ms, seq }
    }

    #[test]
    fn ids_are_read_in_every_form() {
        assert_eq!(parse(b"5-7", 0), Ok(id(5, 7)));
        assert_eq!(parse(b"5", 9), Ok(id(5, 9)));
        assert_eq!(parse(b"18446744073709551615-18446744073709551615", 0), Ok(StreamId::MAX));
        assert_eq!(parse_wanted(b"5-*", 0), Ok(WantedId::AnyOf { ms: 5 }));
        assert_eq!(parse_wanted(b"*", 0), Ok(WantedId::Any));
        assert_eq!(parse_start(b"(5-18446744073709551615"), Ok(id(6, 0)));
        assert_eq!(parse_end(b"(5-0"), Ok(id(4, u64::MAX)));
        assert_eq!((parse_start(b"-"), parse_end(b"+")), (Ok(StreamId::MIN), Ok(StreamId::MAX)));
        for wrong in ["", "-", "+", "$", "x", "5-", "-5", "5-x", "5-5-5", "*-5", "18446744073709551616", "5 "]
        {
            assert_eq!(parse(wrong.as_bytes(), 0), Err(INVALID), "{wrong}");
        }
    }
}
