//! The text of a double: the shortest that reads back as the same number, laid out as Redis 8 lays it out.
//!
//! A number without a fraction, below 2^62, is written as an integer. Otherwise, with `d` digits and the
//! decimal exponent `e` of the first of them: plain digits while fewer than eight zeros would be appended,
//! a decimal point for small exponents, and `1.5e+21`, `1e-7` beyond.

use std::fmt::Write;

/// Up to here integral numbers are written as integers, as Redis writes them: with all their digits.
const INTEGER_MAX: f64 = 4_611_686_018_427_387_904.0;

/// The text of one double, on the stack.
pub struct DoubleText {
    text: [u8; 32],
    len: usize,
}

impl DoubleText {
    pub fn of(number: f64) -> DoubleText {
        let mut out = DoubleText { text: [0; 32], len: 0 };
        if number.is_nan() {
            out.push("nan");
        } else if number.is_infinite() {
            out.push(if number > 0.0 { "inf" } else { "-inf" });
        } else if number == 0.0 && number.is_sign_negative() {
            out.push("-0");
        } else if number.abs() <= INTEGER_MAX && number.trunc() == number {
            out.push(itoa::Buffer::new().format(number as i64));
        } else {
            out.push_shortest(number);
        }
        out
    }

    pub fn as_str(&self) -> &str {
        std::str::from_utf8(self.as_bytes()).expect("only ASCII is pushed")
    }

    pub fn as_bytes(&self) -> &[u8] {
        &self.text[..self.len]
    }

    fn push_shortest(&mut self, number: f64) {
        let (digits, count, exponent) = shortest_digits(number.abs());
        let digits = std::str::from_utf8(&digits[..count]).expect("digits are ASCII");
        if number < 0.0 {
            self.push("-");
        }
        let first = exponent + count as i32 - 1;
        if exponent >= 0 && first < count as i32 + 7 {
            self.push(digits);
            (0..exponent).for_each(|_| self.push("0"));
        } else if exponent < 0 && (exponent > -7 || first.abs() < 4) {
            self.push_with_point(digits, first + 1);
        } else {
            self.push(&digits[..1]);
            if count > 1 {
                self.push(".");
                self.push(&digits[1..]);
            }
            write!(self, "e{first:+}").expect("the text holds any double");
        }
    }

    /// Writes `digits` with the point after `whole` of them.
    fn push_with_point(&mut self, digits: &str, whole: i32) {
        if whole > 0 {
            self.push(&digits[..whole as usize]);
            self.push(".");
            self.push(&digits[whole as usize..]);
        } else {
            self.push("0.");
            (whole..0).for_each(|_| self.push("0"));
            self.push(digits);
        }
    }

    fn push(&mut self, text: &str) {
        self.text[self.len..self.len + text.len()].copy_from_slice(text.as_bytes());
        self.len += text.len();
    }
}

impl Write for DoubleText {
    fn write_str(&mut self, text: &str) -> std::fmt::Result {
        self.push(text);
        Ok(())
    }
}

/// The shortest digits of a finite positive number, without zeros at either end, how many they are, and the
/// power of ten that they are multiplied by.
fn shortest_digits(number: f64) -> ([u8; 20], usize, i32) {
    let mut buffer = ryu::Buffer::new();
    let text = buffer.format_finite(number);
    let (mantissa, mut exponent) = match text.split_once('e') {
        Some((mantissa, exponent)) => (mantissa, exponent.parse().expect("ryu writes an integer")),
        None => (text, 0i32),
    };
    let (mut digits, mut count) = ([0u8; 20], 0);
    let mut past_point = false;
    for byte in mantissa.bytes() {
        match byte {
            b'.' => past_point = true,
            b'0' if count == 0 => exponent -= i32::from(past_point),
            digit => {
                digits[count.min(19)] = digit;
                count += 1;
                exponent -= i32::from(past_point);
            }
        }
    }
    assert!(count <= digits.len(), "a shortest double has at most 17 digits");
    while count > 1 && digits[count - 1] == b'0' {
        count -= 1;
        exponent += 1;
    }
    (digits, count, exponent)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layouts() {
        for (number, text) in [
            (0.0, "0"),
            (-0.0, "-0"),
            (3.0, "3"),
            (-17.0, "-17"),
            (0.1, "0.1"),
            (-1.5, "-1.5"),
            (2.75159, "2.75159"),
            (1e-5, "0.00001"),
            (1e-6, "0.000001"),
            (1e-7, "1e-7"),
            (1.25e-7, "1.25e-7"),
            (1e15, "1000000000000000"),
            (4_611_686_018_427_387_904.0, "4611686018427387904"),
            (9e18, "9e+18"),
            (1e20, "1e+20"),
            (1.5e300, "1.5e+300"),
            (f64::MAX, "1.7976931348623157e+308"),
            (-f64::MIN_POSITIVE, "-2.2250738585072014e-308"),
            (f64::INFINITY, "inf"),
            (f64::NEG_INFINITY, "-inf"),
            (f64::NAN, "nan"),
        ] {
            assert_eq!(DoubleText::of(number).as_str(), text);
        }
    }
}
