//! Numbers for people: three significant digits, always with a unit. Counts stay exact.

use jiff::{Timestamp, tz::TimeZone};
use lab_record::Quantile;

/// Joins a number and its unit, so that no line breaks between them.
const NO_BREAK: char = '\u{a0}';
/// Groups thousands; narrow, and no line breaks at it.
const THIN: char = '\u{202f}';
/// Stands where there is no number.
pub const NONE: &str = "–";

/// A value in its unit. Milliseconds become µs or s where that reads better.
pub fn quantity(value: f64, unit: &str) -> String {
    match unit {
        _ if !value.is_finite() => NONE.to_owned(),
        "ms" => duration(value),
        "s" => duration(value * 1000.0),
        "" => three_digits(value),
        unit => {
            let number = three_digits(value);
            let unit = if number == "1" { one(unit) } else { unit };
            format!("{number}{NO_BREAK}{unit}")
        }
    }
}

/// A unit that is a plural, such as `requests`, for one of it.
fn one(unit: &str) -> &str {
    let is_word = unit.bytes().all(|byte| byte.is_ascii_alphabetic());
    unit.strip_suffix('s').filter(|_| is_word).unwrap_or(unit)
}

/// A time, given in milliseconds.
pub fn duration(ms: f64) -> String {
    let size = round_to_three(ms).abs();
    let (value, unit) = if !ms.is_finite() {
        return NONE.to_owned();
    } else if size >= 1000.0 {
        (ms / 1000.0, "s")
    } else if size >= 1.0 || size == 0.0 {
        (ms, "ms")
    } else {
        (ms * 1000.0, "µs")
    };
    format!("{}{NO_BREAK}{unit}", three_digits(value))
}

/// A moment or a length of a run, given in seconds.
pub fn seconds(s: f64) -> String {
    if s == 0.0 {
        format!("0{NO_BREAK}s")
    } else {
        duration(s * 1000.0)
    }
}

/// A quantile; one that is only a lower bound begins with "≥".
pub fn quantile(quantile: Option<Quantile>) -> String {
    match quantile {
        None => NONE.to_owned(),
        Some(Quantile { ms, censored: true }) => format!("≥{NO_BREAK}{}", duration(ms)),
        Some(Quantile { ms, .. }) => duration(ms),
    }
}

/// A share of 1 as a percentage. Only a true 1 reads as 100 %, only a true 0 as 0 %.
pub fn share(share: f64) -> String {
    let percent = share * 100.0;
    if !percent.is_finite() {
        NONE.to_owned()
    } else if share < 1.0 && percent > 99.95 {
        format!(">{NO_BREAK}99.9{NO_BREAK}%")
    } else if share > 0.0 && percent < 0.05 {
        format!("<{NO_BREAK}0.1{NO_BREAK}%")
    } else {
        let digits = usize::from(percent.fract() != 0.0);
        format!("{percent:.digits$}{NO_BREAK}%")
    }
}

/// An exact count, in groups of three.
pub fn count(count: u64) -> String {
    group(&count.to_string())
}

/// "1 check", "2 checks".
pub fn counted(count: usize, one: &str, many: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { many })
}

/// A moment on the clocks of this machine, to the second, with how far they are from UTC.
pub fn moment(at: Timestamp) -> String {
    // Pages under test are the same everywhere.
    moment_in(
        at,
        if cfg!(test) {
            TimeZone::UTC
        } else {
            TimeZone::system()
        },
    )
}

fn moment_in(at: Timestamp, zone: TimeZone) -> String {
    let text = at.to_zoned(zone).strftime("%Y-%m-%d %H:%M:%S UTC%:z");
    text.to_string().replace("UTC+00:00", "UTC")
}

/// A number with three significant digits; without the zeros behind the point where it is whole.
pub fn three_digits(value: f64) -> String {
    if !value.is_finite() {
        return NONE.to_owned();
    }
    let rounded = round_to_three(value);
    if rounded == 0.0 {
        return "0".to_owned();
    }
    let decimals = (2 - magnitude(rounded)).clamp(0, 12) as usize;
    let sign = if rounded < 0.0 { "−" } else { "" };
    let text = format!("{:.decimals$}", rounded.abs());
    match text.split_once('.') {
        Some((whole, fraction)) if fraction.bytes().any(|digit| digit != b'0') => {
            format!("{sign}{whole}.{fraction}")
        }
        Some((whole, _)) => format!("{sign}{}", group(whole)),
        None => format!("{sign}{}", group(&text)),
    }
}

fn round_to_three(value: f64) -> f64 {
    if value == 0.0 || !value.is_finite() {
        return value;
    }
    let unit = 10f64.powi(magnitude(value) - 2);
    if unit == 0.0 {
        // Too small for a float to divide by.
        return 0.0;
    }
    let rounded = (value / unit).round() * unit;
    // The largest of all would be rounded up to infinity.
    if rounded.is_finite() { rounded } else { value }
}

/// The power of ten of the first digit; the little extra keeps 1000.0 from being read as 999.99….
fn magnitude(value: f64) -> i32 {
    (value.abs().log10() + 1e-12).floor() as i32
}

fn group(digits: &str) -> String {
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(THIN);
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_digits_and_no_more() {
        let cases = [
            (0.0, "0"),
            (4.1, "4.10"),
            (20.0, "20"),
            (0.001_234_5, "0.00123"),
            (999.6, "1\u{202f}000"),
            (12_345.0, "12\u{202f}300"),
            (-2.5, "−2.50"),
            (1000.0, "1\u{202f}000"),
            (f64::NAN, "–"),
            (f64::INFINITY, "–"),
        ];
        for (value, text) in cases {
            assert_eq!(three_digits(value), text);
        }
    }

    #[test]
    fn a_moment_is_local_and_says_how_far_from_utc() {
        let at: Timestamp = "2026-11-23T15:13:02Z".parse().unwrap();
        let east = TimeZone::fixed(jiff::tz::offset(5));
        assert_eq!(moment_in(at, east), "2026-11-23 20:13:02 UTC+05:00");
        assert_eq!(moment(at), "2026-11-23 15:13:02 UTC");
    }

    #[test]
    fn one_of_something_is_no_plural() {
        let cases = [
            (1.0, "requests", "1 request"),
            (1.04, "slots", "1.04 slots"),
            (2.0, "calls", "2 calls"),
            (1.0, "req/s", "1 req/s"),
            (1.0, "× 20 ms", "1 × 20 ms"),
        ];
        for (value, unit, text) in cases {
            assert_eq!(quantity(value, unit).replace(NO_BREAK, " "), text);
        }
    }

    #[test]
    fn times_take_the_unit_that_reads_best() {
        let cases = [
            (0.0, "0 ms"),
            (0.0123, "12.3 µs"),
            (3.0, "3 ms"),
            (999.9, "1 s"),
            (7312.0, "7.31 s"),
        ];
        for (ms, text) in cases {
            assert_eq!(duration(ms).replace(NO_BREAK, " "), text);
        }
    }

    #[test]
    fn a_share_is_never_rounded_to_all_or_nothing() {
        let cases = [
            (1.0, "100 %"),
            (0.9999, "> 99.9 %"),
            (0.4119, "41.2 %"),
            (0.000_1, "< 0.1 %"),
            (0.0, "0 %"),
        ];
        for (value, text) in cases {
            assert_eq!(share(value).replace(NO_BREAK, " "), text);
        }
    }
}
