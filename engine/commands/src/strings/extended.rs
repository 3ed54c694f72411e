//! Arithmetic of the x87's 80-bit floats, in which INCRBYFLOAT and HINCRBYFLOAT count on the machines that
//! most Redis servers run on.
//!
//! Clients see its results to the last digit (1000 + 0.1 reads 1000.09999999999999998), so they are computed
//! here exactly, on every machine alike: 64 bits of mantissa, exponents of 15 bits, rounding to nearest even.
//! Reading accepts what C's `strtold` accepts; writing is `%.17Lf` without the zeros at its end.

use std::cmp::Ordering;

/// A longer spelling is not a number.
const TEXT_BYTES_MAX: usize = 5 * 1_024;
const MANTISSA_BITS: i32 = 64;
/// The exponents of the last bit of the smallest and of the largest numbers.
const EXPONENT_MIN: i32 = -16_445;
const EXPONENT_MAX: i32 = 16_320;
/// Beyond these powers of ten every number is infinite, or zero.
const DECIMAL_EXPONENT_MAX: i64 = 4_940;
const DECIMAL_EXPONENT_MIN: i64 = -4_970;
const FRACTION_DIGITS: usize = 17;

/// `mantissa * 2^exponent`, or an infinity. There is no NaN: no text that spells one is accepted, and what
/// would become one is an infinity, which its callers refuse as well.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Extended {
    negative: bool,
    mantissa: u64,
    exponent: i32,
    finite: bool,
}

impl Extended {
    pub const ZERO: Extended =
        Extended { negative: false, mantissa: 0, exponent: EXPONENT_MIN, finite: true };
    const INFINITE: Extended = Extended { negative: false, mantissa: 0, exponent: 0, finite: false };

    /// Reads the whole of `text`; `None` if it is not a number, or too large or too small for one.
    pub fn parse(text: &[u8]) -> Option<Extended> {
        if text.len() >= TEXT_BYTES_MAX {
            return None;
        }
        let (negative, unsigned) = match text {
            [b'-', rest @ ..] => (true, rest),
            [b'+', rest @ ..] => (false, rest),
            rest => (false, rest),
        };
        if unsigned.eq_ignore_ascii_case(b"inf") || unsigned.eq_ignore_ascii_case(b"infinity") {
            return Some(Extended { negative, ..Extended::INFINITE });
        }
        let number = match unsigned {
            [b'0', b'x' | b'X', digits @ ..] => parse_hexadecimal(digits)?,
            digits => parse_decimal(digits)?,
        };
        number.finite.then_some(Extended { negative, ..number })
    }

    /// The nearest double; infinite where there is none.
    pub fn to_f64(self) -> f64 {
        if !self.finite {
            return if self.negative { f64::NEG_INFINITY } else { f64::INFINITY };
        }
        // Two steps, since one factor alone may be out of a double's range.
        let half = self.exponent / 2;
        let size = self.mantissa as f64 * 2f64.powi(half) * 2f64.powi(self.exponent - half);
        if self.negative { -size } else { size }
    }

    pub fn is_finite(self) -> bool {
        self.finite
    }

    pub fn add(self, other: Extended) -> Extended {
        if !self.finite || !other.finite {
            return Extended::INFINITE;
        }
        let (large, small) = if self.exponent >= other.exponent { (self, other) } else { (other, self) };
        // The larger operand is moved up as far as 128 bits allow; what the smaller loses below is kept as one
        // bit that says whether anything was lost, which is all that rounding wants to know.
        let distance = large.exponent - small.exponent;
        let up = distance.min(MANTISSA_BITS - 2);
        let large_bits = u128::from(large.mantissa) << up;
        let small_bits = shift_right_keeping_lost(u128::from(small.mantissa), (distance - up) as u32);
        let exponent = large.exponent - up;
        match (large.negative == small.negative, large_bits.cmp(&small_bits)) {
            (true, _) => Extended::rounded(large_bits + small_bits, exponent).with_sign(large.negative),
            (false, Ordering::Equal) => Extended::ZERO,
            (false, Ordering::Greater) => {
                Extended::rounded(large_bits - small_bits, exponent).with_sign(large.negative)
            }
            (false, Ordering::Less) => {
                Extended::rounded(small_bits - large_bits, exponent).with_sign(small.negative)
            }
        }
    }

    /// The number in decimal, without exponent, with up to 17 digits after the point.
    pub fn to_text(self) -> String {
        assert!(self.finite, "an infinity has no digits");
        let digits = match self.exponent {
            0.. => Natural::from(self.mantissa).shifted_left(self.exponent as u32).to_decimal(),
            _ => {
                let scaled = u128::from(self.mantissa) * 10u128.pow(FRACTION_DIGITS as u32);
                let digits = format!("{:018}", round_shift_right(scaled, self.exponent.unsigned_abs()));
                let (whole, fraction) = digits.split_at(digits.len() - FRACTION_DIGITS);
                format!("{whole}.{fraction}").trim_end_matches('0').trim_end_matches('.').to_owned()
            }
        };
        if self.negative && digits != "0" { format!("-{digits}") } else { digits }
    }

    fn with_sign(self, negative: bool) -> Extended {
        Extended { negative, ..self }
    }

    /// The nearest number to `bits * 2^exponent`.
    fn rounded(bits: u128, exponent: i32) -> Extended {
        if bits == 0 {
            return Extended::ZERO;
        }
        let surplus = 128 - bits.leading_zeros() as i32 - MANTISSA_BITS;
        let shift = surplus.max(EXPONENT_MIN - exponent);
        let mut exponent = exponent + shift;
        let mut bits = match shift {
            0.. => round_shift_right(bits, shift as u32),
            _ => bits << -shift,
        };
        if bits >> MANTISSA_BITS != 0 {
            bits >>= 1;
            exponent += 1;
        }
        match exponent > EXPONENT_MAX {
            true => Extended::INFINITE,
            false => Extended { negative: false, mantissa: bits as u64, exponent, finite: true },
        }
    }

    /// The nearest number to `numerator / denominator`.
    fn quotient(numerator: Natural, denominator: Natural) -> Extended {
        // The numerator is moved so that the quotient has 66 or 67 bits: more than a mantissa, so that one
        // further bit for the remainder suffices.
        let shift = 66 + denominator.bits() as i32 - numerator.bits() as i32;
        let (mut rest, divisor) = match shift {
            0.. => (numerator.shifted_left(shift as u32), denominator),
            _ => (numerator, denominator.shifted_left(shift.unsigned_abs())),
        };
        let mut quotient = 0u128;
        for bit in (0..=66).rev() {
            let part = divisor.shifted_left(bit);
            if rest.cmp(&part) != Ordering::Less {
                rest.subtract(&part);
                quotient |= 1 << bit;
            }
        }
        let lost = u128::from(rest.bits() > 0);
        Extended::rounded(quotient << 1 | lost, -shift - 1)
    }
}

/// Decimal digits with at most one point, and an exponent behind `e`.
fn parse_decimal(text: &[u8]) -> Option<Extended> {
    let (digits, exponent) = match text.iter().position(|byte| matches!(byte, b'e' | b'E')) {
        Some(at) => (&text[..at], parse_exponent(&text[at + 1..])?),
        None => (text, 0),
    };
    let (number, fraction_digits) = parse_digits(digits, 10)?;
    if number.bits() == 0 {
        return Some(Extended::ZERO);
    }
    let power = exponent - fraction_digits as i64;
    let magnitude = power + digits.len() as i64;
    if power > DECIMAL_EXPONENT_MAX || magnitude < DECIMAL_EXPONENT_MIN {
        return None;
    }
    let mut scale = Natural::from(1);
    (0..power.unsigned_abs()).for_each(|_| scale.multiply_add(10, 0));
    let number = match power {
        0.. => Extended::quotient(number.multiplied(&scale), Natural::from(1)),
        _ => Extended::quotient(number, scale),
    };
    (number.mantissa != 0).then_some(number)
}

/// Hexadecimal digits with at most one point, and a binary exponent behind `p`.
fn parse_hexadecimal(text: &[u8]) -> Option<Extended> {
    let (digits, exponent) = match text.iter().position(|byte| matches!(byte, b'p' | b'P')) {
        Some(at) => (&text[..at], parse_exponent(&text[at + 1..])?),
        None => (text, 0),
    };
    let (number, fraction_digits) = parse_digits(digits, 16)?;
    if number.bits() == 0 {
        return Some(Extended::ZERO);
    }
    let power = exponent - 4 * fraction_digits as i64;
    if power.abs() > 40_000 {
        return None;
    }
    let number = match power {
        0.. => Extended::quotient(number.shifted_left(power as u32), Natural::from(1)),
        _ => Extended::quotient(number, Natural::from(1).shifted_left(power.unsigned_abs() as u32)),
    };
    (number.mantissa != 0).then_some(number)
}

/// The digits as one integer, and how many of them stand behind the point.
fn parse_digits(text: &[u8], radix: u32) -> Option<(Natural, usize)> {
    let mut number = Natural::from(0);
    let (mut digits, mut point) = (0, None);
    for byte in text {
        match (char::from(*byte).to_digit(radix), byte) {
            (Some(digit), _) => {
                number.multiply_add(radix, digit);
                digits += 1;
            }
            (None, b'.') if point.is_none() => point = Some(digits),
            _ => return None,
        }
    }
    (digits > 0).then(|| (number, point.map_or(0, |point| digits - point)))
}

/// A decimal integer with an optional sign, kept within bounds that no number survives.
fn parse_exponent(text: &[u8]) -> Option<i64> {
    let digits = match text {
        [b'+' | b'-', digits @ ..] => digits,
        digits => digits,
    };
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let size = digits.iter().fold(0i64, |size, digit| (size * 10 + i64::from(digit - b'0')).min(1_000_000));
    Some(if text[0] == b'-' { -size } else { size })
}

/// `bits / 2^shift`, rounded to nearest, ties to even.
fn round_shift_right(bits: u128, shift: u32) -> u128 {
    if shift == 0 {
        return bits;
    }
    // Below half of a unit whatever the bits are: both callers leave the topmost bit clear.
    if shift > 127 {
        return 0;
    }
    let (kept, lost, half) = (bits >> shift, bits & ((1 << shift) - 1), 1 << (shift - 1));
    kept + u128::from(lost > half || (lost == half && kept & 1 == 1))
}

/// `bits / 2^shift`, its last bit set if anything was lost.
fn shift_right_keeping_lost(bits: u128, shift: u32) -> u128 {
    match bits.checked_shr(shift) {
        Some(kept) => kept | u128::from(kept << shift != bits),
        None => u128::from(bits != 0),
    }
}

/// A natural number of any size: digits of 32 bits, the least first, none of them a leading zero.
#[derive(Clone)]
struct Natural(Vec<u32>);

impl Natural {
    fn bits(&self) -> u32 {
        self.0.last().map_or(0, |last| self.0.len() as u32 * 32 - last.leading_zeros())
    }

    fn multiply_add(&mut self, factor: u32, summand: u32) {
        let mut carry = u64::from(summand);
        for digit in &mut self.0 {
            carry += u64::from(*digit) * u64::from(factor);
            *digit = carry as u32;
            carry >>= 32;
        }
        if carry > 0 {
            self.0.push(carry as u32);
        }
    }

    fn multiplied(&self, other: &Natural) -> Natural {
        let mut product = vec![0u32; self.0.len() + other.0.len()];
        for (place, factor) in self.0.iter().enumerate() {
            let mut carry = 0u64;
            for (digit, other) in product[place..].iter_mut().zip(other.0.iter().chain([&0])) {
                carry += u64::from(*digit) + u64::from(*factor) * u64::from(*other);
                *digit = carry as u32;
                carry >>= 32;
            }
        }
        Natural(product).trimmed()
    }

    fn shifted_left(&self, bits: u32) -> Natural {
        let mut shifted = vec![0; (bits / 32) as usize];
        let mut carry = 0u64;
        for digit in &self.0 {
            carry |= u64::from(*digit) << (bits % 32);
            shifted.push(carry as u32);
            carry >>= 32;
        }
        shifted.push(carry as u32);
        Natural(shifted).trimmed()
    }

    fn subtract(&mut self, other: &Natural) {
        let mut borrow = false;
        for (digit, other) in self.0.iter_mut().zip(other.0.iter().chain(std::iter::repeat(&0))) {
            let (less, first) = digit.overflowing_sub(*other);
            let (less, second) = less.overflowing_sub(u32::from(borrow));
            (*digit, borrow) = (less, first || second);
        }
        assert!(!borrow, "the subtrahend is the larger");
        while self.0.last() == Some(&0) {
            self.0.pop();
        }
    }

    fn cmp(&self, other: &Natural) -> Ordering {
        self.0.len().cmp(&other.0.len()).then_with(|| self.0.iter().rev().cmp(other.0.iter().rev()))
    }

    fn to_decimal(&self) -> String {
        let (mut rest, mut groups) = (self.clone(), Vec::new());
        while !rest.0.is_empty() {
            let mut remainder = 0u64;
            for digit in rest.0.iter_mut().rev() {
                remainder = remainder << 32 | u64::from(*digit);
                *digit = (remainder / 1_000_000_000) as u32;
                remainder %= 1_000_000_000;
            }
            groups.push(format!("{remainder:09}"));
            rest = rest.trimmed();
        }
        groups.reverse();
        let digits = groups.concat();
        let digits = digits.trim_start_matches('0');
        if digits.is_empty() { "0".to_owned() } else { digits.to_owned() }
    }

    fn trimmed(mut self) -> Natural {
        while self.0.last() == Some(&0) {
            self.0.pop();
        }
        self
    }
}

impl From<u64> for Natural {
    fn from(number: u64) -> Natural {
        Natural(vec![number as u32, (number >> 32) as u32]).trimmed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a running Redis on x86-64 makes of a missing key and this increment.
    #[test]
    fn spelled_as_redis_spells_it() {
        for (text, spelled) in [
            ("1000.1", "1000.09999999999999998"),
            ("123456.7", "123456.70000000000000284"),
            ("1e20", "100000000000000000000"),
            ("0.1", "0.1"),
            ("-5e-18", "0"),
            ("1.5e-17", "0.00000000000000002"),
            ("123456789012345678901234567890", "123456789012345678899921813504"),
            ("0.333333333333333333333", "0.33333333333333333"),
            ("1e-4950", "0"),
            ("0x1.8p-1", "0.75"),
            ("5.", "5"),
            ("+.5E+1", "5"),
            ("-0.0", "0"),
            ("-12.25", "-12.25"),
        ] {
            assert_eq!(
                Extended::ZERO.add(Extended::parse(text.as_bytes()).unwrap()).to_text(),
                spelled,
                "{text}"
            );
        }
        for text in
            ["", ".", "1e", "1e5000", "1e-5000", " 1", "1 ", "nan", "1_0", "0x", "--1", "1.2.3", "e5", "1e+"]
        {
            assert_eq!(Extended::parse(text.as_bytes()), None, "{text}");
        }
        assert!(!Extended::parse(b"-Infinity").unwrap().is_finite());
        let largest = Extended::parse(b"1e4932").unwrap();
        assert!(!largest.add(largest).is_finite());
    }

    #[test]
    fn sums() {
        for (left, right, sum) in [
            ("10.5", "0.1", "10.6"),
            ("3.0e3", "200", "3200"),
            ("0.1", "0.2", "0.3"),
            ("1e30", "-1e30", "0"),
            ("1", "-1e-19", "1"),
            ("1e18", "0.5", "1000000000000000000.5"),
            ("-1e18", "1", "-999999999999999999"),
        ] {
            let (left, right) =
                (Extended::parse(left.as_bytes()).unwrap(), Extended::parse(right.as_bytes()).unwrap());
            assert_eq!(left.add(right).to_text(), sum);
            assert_eq!(right.add(left).to_text(), sum);
        }
    }
}
