//! Quantities as a scenario file writes them: `"30/s"`, `"500ms"`, `"99%"`.

use std::{fmt, time::Duration};

use jiff::SignedDuration;
use serde::{Deserialize, Deserializer, de};

/// An arrival rate, requests per second, constant or changing evenly over a phase.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rate {
    /// At the start of the phase, req/s.
    pub from: f64,
    /// At its end, req/s.
    pub to: f64,
}

impl Rate {
    /// Whether it changes over the phase.
    pub fn is_ramp(&self) -> bool {
        (self.from - self.to).abs() > f64::EPSILON
    }

    /// `"30/s"` or, for a ramp, `"10/s..40/s"`.
    fn parse(text: &str) -> Result<Self, String> {
        let one = |text: &str| -> Result<f64, String> {
            text.trim()
                .strip_suffix("/s")
                .and_then(|number| number.trim().parse::<f64>().ok())
                .filter(|rate| rate.is_finite() && *rate >= 0.0)
                .ok_or_else(|| {
                    format!("`{text}` is not a rate; write \"30/s\", or \"10/s..40/s\" for a ramp, not below 0")
                })
        };
        let (from, to) = match text.split_once("..") {
            Some((from, to)) => (one(from)?, one(to)?),
            None => (one(text)?, one(text)?),
        };
        Ok(Self { from, to })
    }
}

impl<'de> Deserialize<'de> for Rate {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).map_err(de::Error::custom)
    }
}

/// Reads `"500ms"`, `"2s"`, `"1m 30s"`; for `#[serde(deserialize_with = …)]`.
pub(crate) fn duration<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    let text = String::deserialize(deserializer)?;
    parse_duration(&text).map_err(de::Error::custom)
}

/// A duration that is a value of a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct Length(#[serde(deserialize_with = "duration")] pub Duration);

/// The same for a field that may be missing; needs `#[serde(default)]` too.
pub(crate) fn optional_duration<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Duration>, D::Error> {
    duration(deserializer).map(Some)
}

fn parse_duration(text: &str) -> Result<Duration, String> {
    text.parse::<SignedDuration>()
        .ok()
        .and_then(|duration| Duration::try_from(duration).ok())
        .ok_or_else(|| {
            format!("`{text}` is not a duration; write \"500ms\" or \"2s\", not below 0")
        })
}

/// Reads a number that can be measured with: TOML has `nan` and `inf`, too.
pub(crate) fn finite<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
    let number = f64::deserialize(deserializer)?;
    if number.is_finite() {
        Ok(number)
    } else {
        Err(de::Error::custom(format!(
            "`{number}` is no number to measure with"
        )))
    }
}

/// Beyond this differences of numbers lose all that was measured, or are infinite.
const LARGEST: f64 = 1e18;

/// Reads a share written as `"20%"` into 0 to 1.
pub(crate) fn share<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
    let text = String::deserialize(deserializer)?;
    Quantity::parse(&text)
        .ok()
        .filter(|quantity| quantity.dimension == Dimension::Share)
        .map(|quantity| quantity.value)
        .filter(|share| (0.0..=1.0).contains(share))
        .ok_or_else(|| {
            de::Error::custom(format!("`{text}` is not a share; write \"0%\" to \"100%\""))
        })
}

/// A number with its dimension, as checks measure and limit it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Quantity {
    /// In the base unit of the dimension.
    pub value: f64,
    /// What it counts.
    pub dimension: Dimension,
}

/// What a number counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dimension {
    /// A part of a whole, 0 to 1, written in percent.
    Share,
    /// Time in milliseconds.
    Time,
    /// Anything else, a plain number.
    Count,
}

impl Quantity {
    fn parse(text: &str) -> Result<Self, String> {
        let number = |text: &str| {
            text.trim()
                .parse::<f64>()
                .ok()
                .filter(|n| n.abs() <= LARGEST)
        };
        let of = |value, dimension| Some(Self { value, dimension });
        text.strip_suffix('%')
            .and_then(number)
            .and_then(|percent| of(percent / 100.0, Dimension::Share))
            .or_else(|| number(text).and_then(|value| of(value, Dimension::Count)))
            .or_else(|| {
                let time = parse_duration(text).ok()?;
                of(time.as_secs_f64() * 1e3, Dimension::Time)
            })
            .ok_or_else(|| {
                format!("`{text}` is not a quantity; write \"99%\", \"500ms\", \"2s\" or \"8\"")
            })
    }
}

impl<'de> Deserialize<'de> for Quantity {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).map_err(de::Error::custom)
    }
}

impl fmt::Display for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let value = self.value;
        match self.dimension {
            Dimension::Share => write!(f, "{} %", significant(value * 100.0)),
            Dimension::Time if value.abs() >= 1000.0 => {
                write!(f, "{} s", significant(value / 1000.0))
            }
            Dimension::Time => write!(f, "{} ms", significant(value)),
            Dimension::Count => f.write_str(&significant(value)),
        }
    }
}

impl fmt::Display for Dimension {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Share => "a share, like \"99%\"",
            Self::Time => "a time, like \"500ms\"",
            Self::Count => "a plain number, like \"8\"",
        })
    }
}

/// Three significant digits, without digits that were not measured.
fn significant(value: f64) -> String {
    let decimals = match value.abs() {
        v if v >= 100.0 || v.fract() == 0.0 => 0,
        v if v >= 10.0 => 1,
        _ => 2,
    };
    format!("{value:.decimals$}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_constant_or_ramps() {
        assert_eq!(
            Rate::parse("30/s").unwrap(),
            Rate {
                from: 30.0,
                to: 30.0
            }
        );
        assert_eq!(
            Rate::parse("1/s..2.5/s").unwrap(),
            Rate { from: 1.0, to: 2.5 }
        );
        for wrong in ["30", "-1/s", "30/min", "inf/s", "..", ""] {
            assert!(Rate::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn quantities_know_their_dimension() {
        let parse = |text| Quantity::parse(text).unwrap();
        assert_eq!(
            parse("99%"),
            Quantity {
                value: 0.99,
                dimension: Dimension::Share
            }
        );
        assert_eq!(
            parse("1500ms"),
            Quantity {
                value: 1500.0,
                dimension: Dimension::Time
            }
        );
        assert_eq!(
            parse("8"),
            Quantity {
                value: 8.0,
                dimension: Dimension::Count
            }
        );
        for wrong in ["", "fast", "-2s", "NaN", "%"] {
            assert!(Quantity::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn quantities_are_shown_with_three_digits() {
        let shown = |value, dimension| Quantity { value, dimension }.to_string();
        assert_eq!(shown(0.412_34, Dimension::Share), "41.2 %");
        assert_eq!(shown(0.99, Dimension::Share), "99 %");
        assert_eq!(shown(7312.4, Dimension::Time), "7.31 s");
        assert_eq!(shown(13.27, Dimension::Time), "13.3 ms");
        assert_eq!(shown(208.0, Dimension::Count), "208");
    }
}
