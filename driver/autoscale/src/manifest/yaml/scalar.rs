//! What an unquoted scalar is, by the rules of YAML 1.1 as go-yaml v2 has them (`resolve.go`).

use super::{Number, Value};

/// What `text` is where it is not quoted and has no tag.
pub(in crate::manifest) fn resolve(text: &str) -> Value {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => Value::Null,
        "y" | "Y" | "yes" | "Yes" | "YES" | "true" | "True" | "TRUE" | "on" | "On" | "ON" => {
            Value::Bool(true, text.to_owned())
        }
        "n" | "N" | "no" | "No" | "NO" | "false" | "False" | "FALSE" | "off" | "Off" | "OFF" => {
            Value::Bool(false, text.to_owned())
        }
        _ => match number(text) {
            Some(number) => Value::Number(number, text.to_owned()),
            None => Value::Text(text.to_owned()),
        },
    }
}

/// The number that `text` is. Dates and sexagesimal numbers are text.
fn number(text: &str) -> Option<Number> {
    match text.trim_start_matches(['+', '-']) {
        ".inf" | ".Inf" | ".INF" if signs(text) <= 1 => {
            return Some(Number::Float(if text.starts_with('-') {
                f64::NEG_INFINITY
            } else {
                f64::INFINITY
            }));
        }
        ".nan" | ".NaN" | ".NAN" if signs(text) == 0 => return Some(Number::Float(f64::NAN)),
        _ => {}
    }
    match text.chars().next()? {
        // Only what begins with a digit or a sign may have underscores.
        '.' => float(text),
        '0'..='9' | '+' | '-' => {
            let plain = text.replace('_', "");
            whole(&plain).map(Number::Whole).or_else(|| float(&plain))
        }
        _ => None,
    }
}

fn signs(text: &str) -> usize {
    text.chars().take_while(|c| matches!(c, '+' | '-')).count()
}

/// A whole number with its base as Go writes it: `0x1f`, `0o17` or `017`, `0b11`.
fn whole(text: &str) -> Option<i128> {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    let lower = digits.to_ascii_lowercase();
    let (base, digits) = match lower.as_bytes() {
        [b'0', b'x', ..] => (16, &lower[2..]),
        [b'0', b'o', ..] => (8, &lower[2..]),
        [b'0', b'b', ..] => (2, &lower[2..]),
        [b'0', _, ..] => (8, &lower[1..]),
        _ => (10, lower.as_str()),
    };
    if !digits.starts_with(|c: char| c.is_ascii_alphanumeric()) {
        return None;
    }
    let value = i128::from_str_radix(digits, base).ok()?;
    Some(if text.starts_with('-') { -value } else { value })
}

/// A decimal with or without an exponent; `08` is one too, since it is no octal number.
fn float(text: &str) -> Option<Number> {
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let begins = unsigned.trim_start_matches('.');
    if unsigned.len() - begins.len() > 1 || !begins.starts_with(|c: char| c.is_ascii_digit()) {
        return None;
    }
    let value: f64 = text.parse().ok().filter(|value: &f64| value.is_finite())?;
    // JSON writes a float below 10^21 without an exponent, and then nobody sees that it was one.
    Some(if value.fract() == 0.0 && value.abs() < 1e21 {
        Number::Whole(value as i128)
    } else {
        Number::Float(value)
    })
}
