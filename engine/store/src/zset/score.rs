//! Scores as text: how clients and old formats spell them, how a packed block keeps them, and what digests are
//! computed from.

use crate::packed::Item;
use squall_resp::DoubleText;

/// Whole numbers below this are kept as integers.
const INTEGER_MAX: f64 = (1u64 << 62) as f64;
/// So many digits tell any double from its neighbours.
const DIGITS_MAX: usize = 17;

/// A score as an element of a packed block.
pub(super) enum PackedScore {
    Int(i64),
    Text(DoubleText),
}

impl PackedScore {
    pub fn of(score: f64) -> PackedScore {
        match score.abs() < INTEGER_MAX && score.trunc() == score {
            true => PackedScore::Int(score as i64),
            false => PackedScore::Text(DoubleText::of(score)),
        }
    }

    pub fn item(&self) -> Item<'_> {
        match self {
            PackedScore::Int(number) => Item::Int(*number),
            PackedScore::Text(text) => Item::Bytes(text.as_bytes()),
        }
    }
}

/// The score that an element of a packed block is, if it is one.
#[inline]
pub(super) fn score_of(item: Item<'_>) -> Option<f64> {
    match item {
        Item::Int(number) => Some(number as f64),
        Item::Bytes(text) => parse_score(text),
    }
}

/// The score that a decimal number spells.
pub(super) fn parse_score(text: &[u8]) -> Option<f64> {
    let number: f64 = std::str::from_utf8(text).ok()?.parse().ok()?;
    (!number.is_nan()).then_some(number)
}

/// The score as C's `%.17g` prints it.
pub(super) fn exact_text(score: f64) -> String {
    if score.is_infinite() {
        return if score > 0.0 { "inf" } else { "-inf" }.to_owned();
    }
    let scientific = format!("{score:.*e}", DIGITS_MAX - 1);
    let (mantissa, exponent) = scientific.split_once('e').expect("an exponent is asked for");
    let exponent: i32 = exponent.parse().expect("an exponent is an integer");
    let (sign, mantissa) = mantissa.strip_prefix('-').map_or(("", mantissa), |mantissa| ("-", mantissa));
    let digits = mantissa.replace('.', "");
    let digits = digits.trim_end_matches('0');
    let digits = if digits.is_empty() { "0" } else { digits };
    if !(-4..DIGITS_MAX as i32).contains(&exponent) {
        let (first, rest) = digits.split_at(1);
        let point = if rest.is_empty() { "" } else { "." };
        let exponent_sign = if exponent < 0 { '-' } else { '+' };
        return format!("{sign}{first}{point}{rest}e{exponent_sign}{:02}", exponent.unsigned_abs());
    }
    match usize::try_from(exponent) {
        Err(_) => format!("{sign}0.{}{digits}", "0".repeat(exponent.unsigned_abs() as usize - 1)),
        Ok(whole) if digits.len() <= whole + 1 => format!("{sign}{digits:0<0$}", whole + 1),
        Ok(whole) => format!("{sign}{}.{}", &digits[..whole + 1], &digits[whole + 1..]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn as_c_prints_it() {
        for (score, text) in [
            (0.0, "0"),
            (-0.0, "-0"),
            (1.0, "1"),
            (-17.5, "-17.5"),
            (0.1, "0.10000000000000001"),
            (100.0, "100"),
            (1e16, "10000000000000000"),
            (1e17, "1e+17"),
            (1.5e300, "1.5000000000000001e+300"),
            (0.0001, "0.0001"),
            (0.00001, "1.0000000000000001e-05"),
            (-1e-300, "-1e-300"),
            (f64::NEG_INFINITY, "-inf"),
        ] {
            assert_eq!(exact_text(score), text);
        }
    }

    proptest! {
        #[test]
        fn a_packed_score_reads_back_the_same(score in prop_oneof![any::<f64>(), (-1e6..1e6), (-1000i64..1000).prop_map(|n| n as f64)]) {
            prop_assume!(!score.is_nan());
            prop_assert_eq!(score_of(PackedScore::of(score).item()), Some(score));
            prop_assert_eq!(parse_score(exact_text(score).as_bytes()), Some(score));
        }
    }
}
