//! Numbers that JSON can hold. It knows no NaN and no infinity: a writer makes `null` of them, which no reader takes
//! for a number. What is measured or computed from what others say goes through these types, so that none gets in.

use std::ops::Deref;

use serde::{Deserialize, Serialize};

/// A number that is neither NaN nor infinite.
#[derive(Clone, Copy, Debug, Default, PartialEq, PartialOrd, Serialize, Deserialize)]
#[serde(try_from = "f64")]
pub struct Finite(f64);

/// A number that is not finite.
#[derive(Debug, thiserror::Error)]
#[error("{0} is not finite")]
pub struct NotFinite(f64);

impl Finite {
    /// The number; none where it is NaN or infinite.
    pub fn new(number: f64) -> Option<Self> {
        number.is_finite().then_some(Self(number))
    }

    /// As a plain number.
    pub fn get(self) -> f64 {
        self.0
    }

    /// The nearest number with so many significant digits, one at least.
    pub fn rounded(self, digits: usize) -> f64 {
        let text = format!("{:.*e}", digits.saturating_sub(1), self.0);
        text.parse().unwrap_or(self.0)
    }
}

impl TryFrom<f64> for Finite {
    type Error = NotFinite;

    fn try_from(number: f64) -> Result<Self, NotFinite> {
        Self::new(number).ok_or(NotFinite(number))
    }
}

impl From<u32> for Finite {
    fn from(number: u32) -> Self {
        Self(number.into())
    }
}

/// Times in seconds with a value each, in order of time, all finite. What is not has no point: a gap, as where nothing
/// was seen.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(from = "Vec<(f64, f64)>")]
pub struct Points(Vec<(f64, f64)>);

impl FromIterator<(f64, f64)> for Points {
    fn from_iter<I: IntoIterator<Item = (f64, f64)>>(points: I) -> Self {
        let finite = |(at, value): &(f64, f64)| at.is_finite() && value.is_finite();
        Self(points.into_iter().filter(finite).collect())
    }
}

impl From<Vec<(f64, f64)>> for Points {
    fn from(points: Vec<(f64, f64)>) -> Self {
        points.into_iter().collect()
    }
}

impl Deref for Points {
    type Target = [(f64, f64)];

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_finite_is_no_number_and_no_point() {
        for odd in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            assert_eq!(Finite::new(odd), None);
            assert!(Finite::try_from(odd).is_err());
            let points: Points = [(0.0, 1.0), (1.0, odd), (odd, 2.0), (2.0, 3.0)]
                .into_iter()
                .collect();
            assert_eq!(*points, [(0.0, 1.0), (2.0, 3.0)]);
        }
        assert_eq!(serde_json::to_string(&Finite::from(2)).unwrap(), "2.0");
        assert!(serde_json::from_str::<Finite>("null").is_err());
        assert!(serde_json::from_str::<Points>("[[0.0,null]]").is_err());
    }
}
