//! Durations, sizes and rates as people write them in a scenario: `250us`, `1.5s`, `64kb`, `10mbit`.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use squall_clock::Nanos;

/// A duration: `10us`, `250ms`, `1.5s`, `2m`, `1h`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default, Hash)]
pub struct Span(pub Nanos);

/// A number of bytes: `512`, `64kb`, `16mb` (powers of 1024, as redis.conf has them).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default, Hash)]
pub struct Size(pub u64);

/// Bytes per second, written in bits: `64kbit`, `10mbit`, `1gbit`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default, Hash)]
pub struct Rate {
    pub bytes_per_second: u64,
}

const SPAN_UNITS: &[(&str, u64)] = &[
    ("ns", 1),
    ("us", 1_000),
    ("ms", 1_000_000),
    ("s", 1_000_000_000),
    ("m", 60_000_000_000),
    ("h", 3_600_000_000_000),
];
const SIZE_UNITS: &[(&str, u64)] = &[("", 1), ("b", 1), ("kb", 1 << 10), ("mb", 1 << 20), ("gb", 1 << 30)];
const RATE_UNITS: &[(&str, u64)] = &[("byte/s", 1), ("kbit", 125), ("mbit", 125_000), ("gbit", 125_000_000)];

impl Span {
    pub const fn from_millis(millis: u64) -> Span {
        Span(Nanos::from_millis(millis))
    }

    pub const fn from_micros(micros: u64) -> Span {
        Span(Nanos::from_micros(micros))
    }

    pub const fn from_secs(seconds: u64) -> Span {
        Span(Nanos::from_secs(seconds))
    }
}

impl FromStr for Span {
    type Err = String;
    fn from_str(text: &str) -> Result<Span, String> {
        parse(text, SPAN_UNITS, "a duration such as 250us, 10ms, 1.5s, 2m or 1h").map(|n| Span(Nanos(n)))
    }
}

impl FromStr for Size {
    type Err = String;
    fn from_str(text: &str) -> Result<Size, String> {
        parse(text, SIZE_UNITS, "a size such as 512, 64kb or 16mb").map(Size)
    }
}

impl FromStr for Rate {
    type Err = String;
    fn from_str(text: &str) -> Result<Rate, String> {
        let bytes_per_second = parse(text, RATE_UNITS, "a rate such as 64kbit, 10mbit or 1gbit")?;
        if bytes_per_second == 0 {
            return Err("a rate must be above zero; to let nothing through, cut the link".to_owned());
        }
        Ok(Rate { bytes_per_second })
    }
}

impl fmt::Display for Span {
    /// The shortest of the units that shows the duration as a whole number.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        show(f, self.0.0, &SPAN_UNITS[1..], "ns")
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        show(f, self.0, &SIZE_UNITS[1..], "b")
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        show(f, self.bytes_per_second, &RATE_UNITS[1..], "byte/s")
    }
}

macro_rules! as_text {
    ($($quantity:ty),*) => {$(
        impl Serialize for $quantity {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $quantity {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
            }
        }
    )*};
}
as_text!(Span, Size, Rate);

fn parse(text: &str, units: &[(&str, u64)], wanted: &str) -> Result<u64, String> {
    let refuse = || format!("`{text}` is not {wanted}");
    let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let unit = unit.trim().to_ascii_lowercase();
    let &(_, scale) = units.iter().find(|(name, _)| *name == unit).ok_or_else(refuse)?;
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if whole.is_empty() || (number.contains('.') && fraction.is_empty()) {
        return Err(refuse());
    }
    let mut value = whole.parse::<u64>().ok().and_then(|n| n.checked_mul(scale)).ok_or_else(refuse)?;
    let mut digit_worth = scale;
    for digit in fraction.chars() {
        digit_worth /= 10;
        value += digit_worth * u64::from(digit.to_digit(10).ok_or_else(refuse)?);
    }
    Ok(value)
}

fn show(f: &mut fmt::Formatter<'_>, value: u64, units: &[(&str, u64)], smallest: &str) -> fmt::Result {
    match units.iter().rev().find(|(_, scale)| value.is_multiple_of(*scale) && value != 0) {
        Some((unit, scale)) => write!(f, "{}{unit}", value / scale),
        None if value == 0 => write!(f, "0{}", units[0].0),
        None => write!(f, "{value}{smallest}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantities_are_read_and_shown() {
        for (text, nanos) in [("250us", 250_000), ("1.5s", 1_500_000_000), ("2m", 120_000_000_000)] {
            assert_eq!(text.parse::<Span>().unwrap().0.0, nanos);
        }
        assert_eq!("1.5s".parse::<Span>().unwrap().to_string(), "1500ms");
        assert_eq!("64kb".parse::<Size>().unwrap().to_string(), "64kb");
        assert_eq!("10mbit".parse::<Rate>().unwrap().bytes_per_second, 1_250_000);
        assert_eq!(Span::default().to_string(), "0us");
    }

    #[test]
    fn what_is_not_a_quantity_is_refused_with_an_example() {
        for text in ["", "ms", "-5s", "5", "5 parsecs", "1..2s", "99999999999h", "1.s"] {
            let refusal = text.parse::<Span>().unwrap_err();
            assert!(refusal.contains("such as"), "{text}: {refusal}");
        }
        assert!("0kbit".parse::<Rate>().unwrap_err().contains("above zero"));
    }
}
