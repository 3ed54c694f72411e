//! Doubles as clients write them: everything that C's `strtod` reads.

use crate::CommandError;
use crate::strings::extended::Extended;

/// The double that the whole of `text` spells; `None` where it spells none, or is beyond what a double holds.
pub(crate) fn parse_float(text: &[u8]) -> Option<f64> {
    let number = read(text)?;
    let digits = text.iter().take_while(|byte| !matches!(byte, b'e' | b'E' | b'p' | b'P'));
    let is_lost = number == 0.0 && digits.clone().any(|byte| matches!(byte, b'1'..=b'9'));
    let is_too_large = number.is_infinite() && digits.clone().any(u8::is_ascii_digit);
    (!is_lost && !is_too_large).then_some(number)
}

/// As [`parse_float`], with Redis's error.
pub(crate) fn float_argument(text: &[u8]) -> Result<f64, CommandError> {
    parse_float(text).ok_or(CommandError::NotAFloat)
}

/// The double that a bound of a range is: in decimal digits, what is too large is infinite, nothing is zero, and a
/// zero byte ends it.
pub(crate) fn parse_bound(text: &[u8]) -> Option<f64> {
    let text = text.split(|byte| *byte == 0).next().unwrap_or(&[]);
    if text.is_empty() {
        return Some(0.0);
    }
    fast_float2::parse(text).ok().filter(|number: &f64| !number.is_nan())
}

fn read(text: &[u8]) -> Option<f64> {
    let unsigned = text.strip_prefix(b"-").or(text.strip_prefix(b"+")).unwrap_or(text);
    if unsigned.starts_with(b"0x") || unsigned.starts_with(b"0X") {
        return Extended::parse(text).map(Extended::to_f64);
    }
    fast_float2::parse(text).ok().filter(|number: &f64| !number.is_nan())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings() {
        for (text, number) in [
            ("1", 1.0),
            ("+.5", 0.5),
            ("5.", 5.0),
            ("-1e3", -1000.0),
            ("0x1p3", 8.0),
            ("-INF", f64::NEG_INFINITY),
            ("infinity", f64::INFINITY),
            ("0e9", 0.0),
            ("1e-320", 1e-320),
        ] {
            assert_eq!(parse_float(text.as_bytes()), Some(number), "{text}");
        }
        for text in ["", " 1", "1 ", ".", "1_0", "nan", "1e400", "1e-400", "0x", "--1", "1e", "1\0"] {
            assert_eq!(parse_float(text.as_bytes()), None, "{text:?}");
        }
        for (text, number) in [("", 0.0), ("1e400", f64::INFINITY), ("2\0x", 2.0), ("1e-400", 0.0)] {
            assert_eq!(parse_bound(text.as_bytes()), Some(number), "{text:?}");
        }
        for text in ["1x", " 1", "0x1", "nan"] {
            assert_eq!(parse_bound(text.as_bytes()), None, "{text}");
        }
    }
}
