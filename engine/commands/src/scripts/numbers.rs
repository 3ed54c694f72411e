//! Numbers as C's `%g` writes them: what scripts send, pack and encode is read by others.

/// `%.{precision}g`.
pub(crate) fn general(number: f64, precision: usize) -> String {
    if number.is_nan() {
        return if number.is_sign_negative() { "-nan".into() } else { "nan".into() };
    }
    if number.is_infinite() {
        return if number > 0.0 { "inf".into() } else { "-inf".into() };
    }
    let scientific = format!("{number:.*e}", precision.max(1) - 1);
    let (digits, exponent) = scientific.split_once('e').expect("scientific notation has an exponent");
    let exponent: i32 = exponent.parse().expect("an exponent is a number");
    if exponent < -4 || exponent >= precision.max(1) as i32 {
        let sign = if exponent < 0 { '-' } else { '+' };
        return format!("{}e{sign}{:02}", trimmed(digits), exponent.abs());
    }
    let decimals = (precision.max(1) as i32 - 1 - exponent).max(0) as usize;
    trimmed(&format!("{number:.decimals$}")).to_string()
}

/// A number as a command's argument: an integer where it is one, else all of its digits.
pub(crate) fn argument(number: f64) -> String {
    let whole = number as i64;
    if whole as f64 == number && !(number == 0.0 && number.is_sign_negative()) && number.abs() < 9.2e18 {
        return whole.to_string();
    }
    general(number, 17)
}

/// Without the zeros behind the point that say nothing.
fn trimmed(digits: &str) -> &str {
    if digits.contains('.') { digits.trim_end_matches('0').trim_end_matches('.') } else { digits }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_as_in_c() {
        let cases = [
            (0.1, 17, "0.10000000000000001"),
            (0.1, 14, "0.1"),
            (1e20, 17, "1e+20"),
            (-0.0, 17, "-0"),
            (1e-5, 14, "1e-05"),
            (0.0001, 14, "0.0001"),
            (123456789012345.0, 14, "1.2345678901234e+14"),
            (99999999999999.9, 14, "1e+14"),
            (3.0, 14, "3"),
            (1e300, 14, "1e+300"),
        ];
        for (number, precision, text) in cases {
            assert_eq!(general(number, precision), text);
        }
    }
}
