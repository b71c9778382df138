//! Kubernetes' notation for amounts: `200m`, `0.2`, `1`, `1e-1`, `2Ki`
//! (`apimachinery/pkg/api/resource/quantity.go`).

use std::str::FromStr;

use super::FieldPath;
use crate::hpa::Millicores;

/// A non-negative amount: `mantissa × 2^binary × 10^decimal`, exactly as written.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Quantity {
    mantissa: u128,
    binary: u32,
    decimal: i32,
}

/// A text that is no quantity.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum QuantityError {
    /// It does not follow the notation.
    #[error("`{0}` is not an amount; write it like 50m (thousandths of a core), 0.05 or 1")]
    Malformed(String),
    /// The same where bytes are counted.
    #[error("`{0}` is not an amount of bytes; write it like 64Mi or 64M, without a B")]
    NoSize(String),
    /// It is below zero.
    #[error("`{0}` is below zero; an amount must be 0 or more")]
    Negative(String),
}

impl QuantityError {
    /// The same about a field: what is counted in bytes is written otherwise than what is counted in cores.
    pub(super) fn of(self, field: &FieldPath) -> Self {
        let bytes = |key: &str| matches!(key, "memory" | "ephemeral-storage" | "sizeLimit");
        match self {
            Self::Malformed(text) if field.last_key().is_some_and(bytes) => Self::NoSize(text),
            other => other,
        }
    }
}

/// More digits than any amount needs, and few enough that `10^20 × 2^60` fits into 128 bits.
const MOST_DIGITS: usize = 20;
/// Kubernetes' quantities end at 2^63 - 1.
const MOST: u128 = i64::MAX as u128;
/// Beyond this every amount is either nothing or more than can be counted.
const LARGEST_EXPONENT: i32 = 40;

impl Quantity {
    /// As CPU. What is finer than a thousandth is rounded up, as Kubernetes does.
    pub fn millicores(self) -> Millicores {
        Millicores(self.thousandths().min(i64::MAX as u128) as u64)
    }

    /// In thousandths, rounded up, which is how Kubernetes keeps what containers ask for (`SetDefaults_ResourceList`
    /// in `pkg/apis/core/v1/defaults.go`).
    pub(super) fn thousandths(self) -> u128 {
        let whole = self.mantissa << self.binary;
        let exponent = self.decimal + 3;
        let power = 10_u128.checked_pow(exponent.unsigned_abs());
        let thousandths = if exponent >= 0 {
            power
                .and_then(|power| whole.checked_mul(power))
                .unwrap_or(if whole == 0 { 0 } else { u128::MAX })
        } else {
            power.map_or(u128::from(whole > 0), |power| whole.div_ceil(power))
        };
        thousandths.min(MOST * 1000)
    }

    /// Whether it is nothing at all.
    pub(super) fn is_zero(self) -> bool {
        self.mantissa == 0
    }

    /// Whether it is a whole number.
    pub(super) fn is_whole(self) -> bool {
        self.thousandths().is_multiple_of(1000)
    }

    /// As a plain number.
    pub fn to_f64(self) -> f64 {
        let whole = (self.mantissa << self.binary) as f64;
        let power = 10_f64.powi(self.decimal.abs());
        if self.decimal < 0 {
            whole / power
        } else {
            whole * power
        }
    }
}

impl FromStr for Quantity {
    type Err = QuantityError;

    fn from_str(text: &str) -> Result<Self, QuantityError> {
        let malformed = || QuantityError::Malformed(text.to_owned());
        let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
        let end = unsigned
            .find(|c: char| !c.is_ascii_digit() && c != '.')
            .unwrap_or(unsigned.len());
        let (number, suffix) = unsigned.split_at(end);
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        let digits = format!("{whole}{fraction}");
        if digits.is_empty() || fraction.contains('.') {
            return Err(malformed());
        }
        let digits = digits.trim_start_matches('0');
        let (kept, dropped) = digits.split_at(digits.len().min(MOST_DIGITS));
        let cut = u128::from(dropped.bytes().any(|digit| digit != b'0'));
        let mantissa = kept
            .bytes()
            .fold(0, |sum, digit| sum * 10 + u128::from(digit - b'0'))
            + cut;
        if text.starts_with('-') && mantissa > 0 {
            return Err(QuantityError::Negative(text.to_owned()));
        }
        let (binary, exponent) = scale(suffix).ok_or_else(malformed)?;
        let digits_moved = i32::try_from(dropped.len()).unwrap_or(i32::MAX);
        let fraction = i32::try_from(fraction.len()).unwrap_or(i32::MAX);
        let decimal = exponent
            .saturating_add(digits_moved)
            .saturating_sub(fraction);
        Ok(Self {
            mantissa,
            binary,
            decimal: decimal.clamp(-LARGEST_EXPONENT, LARGEST_EXPONENT),
        })
    }
}

/// The powers of 2 and of 10 that a suffix stands for.
fn scale(suffix: &str) -> Option<(u32, i32)> {
    let decimal = |exponent| Some((0, exponent));
    match suffix {
        "n" => decimal(-9),
        "u" => decimal(-6),
        "m" => decimal(-3),
        "" => decimal(0),
        "k" => decimal(3),
        "M" => decimal(6),
        "G" => decimal(9),
        "T" => decimal(12),
        "P" => decimal(15),
        "E" => decimal(18),
        "Ki" => Some((10, 0)),
        "Mi" => Some((20, 0)),
        "Gi" => Some((30, 0)),
        "Ti" => Some((40, 0)),
        "Pi" => Some((50, 0)),
        "Ei" => Some((60, 0)),
        exponent => decimal(exponent.strip_prefix(['e', 'E'])?.parse().ok()?),
    }
}
