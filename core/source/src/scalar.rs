//! Plain scalars: which are numbers, Booleans or null. YAML 1.2's core schema, and the spellings of numbers of YAML 1.1
//! that cannot be taken for something else (`1_000`); `yes`, `no`, `on`, `off` and `1:30` are strings.

use crate::{Number, Value};

/// The value of a plain scalar.
pub(crate) fn resolve(text: &str) -> Value {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => Value::Null,
        "true" | "True" | "TRUE" => Value::Bool(true),
        "false" | "False" | "FALSE" => Value::Bool(false),
        _ => number(text).map_or_else(|| Value::String(text.into()), Value::Number),
    }
}

/// A number, if `text` is one.
fn number(text: &str) -> Option<Number> {
    let (sign, body) = match text.as_bytes().first()? {
        b'-' => (-1.0, &text[1..]),
        b'+' => (1.0, &text[1..]),
        _ => (1.0, text),
    };
    let written = |value: f64, integer: Option<i128>| Some(Number { value, integer, text: text.into() });
    match body {
        ".inf" | ".Inf" | ".INF" => return written(sign * f64::INFINITY, None),
        ".nan" | ".NaN" | ".NAN" if body.len() == text.len() => return written(f64::NAN, None),
        _ => {}
    }
    for (prefix, radix) in [("0x", 16), ("0o", 8)] {
        if let Some(digits) = body.strip_prefix(prefix) {
            let known = !digits.is_empty() && digits.bytes().all(|b| char::from(b).is_digit(radix));
            let integer = i128::from_str_radix(digits, radix).ok().filter(|_| known)?;
            let integer = if sign < 0.0 { -integer } else { integer };
            return written(integer as f64, Some(integer));
        }
    }
    let digits = without_underscores(body)?;
    let is_integer = digits.bytes().all(|b| b.is_ascii_digit());
    if !is_integer && !is_float(&digits) {
        return None;
    }
    let value = sign * digits.parse::<f64>().ok()?;
    let integer = digits.parse::<i128>().ok().filter(|_| is_integer).map(|i| if sign < 0.0 { -i } else { i });
    written(value, integer)
}

/// Digits with single underscores between them taken out; None if an underscore stands elsewhere.
fn without_underscores(body: &str) -> Option<String> {
    let b = body.as_bytes();
    let digit = |i: usize| b.get(i).is_some_and(u8::is_ascii_digit);
    let fits = (0..b.len()).all(|i| b[i] != b'_' || (i > 0 && digit(i - 1) && digit(i + 1)));
    (fits && !body.is_empty()).then(|| body.replace('_', ""))
}

/// digits, with a point and an exponent in their places; at least one digit before the exponent and one in it.
fn is_float(body: &str) -> bool {
    let (mantissa, exponent) = match body.find(['e', 'E']) {
        Some(at) => (&body[..at], Some(&body[at + 1..])),
        None => (body, None),
    };
    let all_digits = |s: &str| s.bytes().all(|b| b.is_ascii_digit());
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let exponent_fits = exponent.is_none_or(|e| {
        let digits = e.strip_prefix(['+', '-']).unwrap_or(e);
        !digits.is_empty() && all_digits(digits)
    });
    all_digits(whole) && all_digits(fraction) && whole.len() + fraction.len() > 0 && exponent_fits
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_both_versions() {
        let cases = [
            ("1", 1.0),
            ("-17", -17.0),
            ("+3", 3.0),
            ("1.0e9", 1e9),
            ("1.0e+9", 1e9),
            ("1e-3", 1e-3),
            ("1E3", 1e3),
            (".5", 0.5),
            ("5.", 5.0),
            ("-.5e1", -5.0),
            ("1_000", 1000.0),
            ("0x1F", 31.0),
            ("0o17", 15.0),
            (".inf", f64::INFINITY),
            ("-.INF", f64::NEG_INFINITY),
        ];
        for (text, value) in cases {
            let Value::Number(n) = resolve(text) else { panic!("{text} is a number") };
            assert_eq!(n.value, value, "{text}");
            assert_eq!(n.text, text);
        }
        assert!(matches!(resolve(".nan"), Value::Number(n) if n.value.is_nan()));
    }

    #[test]
    fn strings_stay_strings() {
        for text in
            ["on", "yes", "no", "off", "y", "1:30", "1.2.3", "e3", ".", "-", "+", "1e", "1e+", "_1", "1_", "1__0"]
        {
            assert_eq!(resolve(text), Value::String(text.into()));
        }
        for text in ["0x", "0xg", "0x+1", "inf", "nan", "-.nan", "1 000", "--1", "1,5", "infinity", "1-", "1f"] {
            assert_eq!(resolve(text), Value::String(text.into()));
        }
        assert_eq!(resolve("~"), Value::Null);
        assert_eq!(resolve("True"), Value::Bool(true));
    }

    #[test]
    fn integers_are_exact() {
        let Value::Number(n) = resolve("18446744073709551615") else { panic!() };
        assert_eq!(n.as_u64(), Some(u64::MAX));
        let Value::Number(n) = resolve("9007199254740993") else { panic!() };
        assert_eq!(n.as_u64(), Some(9_007_199_254_740_993));
        let Value::Number(n) = resolve("2.5") else { panic!() };
        assert_eq!(n.as_u64(), None);
    }
}
