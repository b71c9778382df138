//! Names of runs.

use std::{fmt, str::FromStr};

use jiff::{Timestamp, tz::TimeZone};
use serde::{Deserialize, Serialize};

/// The name of one run: UTC time to the second and a short suffix, e.g. `20261123T151302Z-4f2a`.
///
/// Names sort by time and are safe as a folder name; the suffix keeps two runs of one second apart.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RunId(String);

/// A text that is not a run id.
#[derive(Debug, thiserror::Error)]
#[error("`{0}` is not a run id; one looks like 20261123T151302Z-4f2a")]
pub struct RunIdError(String);

impl RunId {
    /// The id of a run that starts at `at`; of `suffix` only the low 16 bits count.
    pub fn new(at: Timestamp, suffix: u64) -> Self {
        let utc = at.to_zoned(TimeZone::UTC);
        Self(format!(
            "{}-{:04x}",
            utc.strftime("%Y%m%dT%H%M%SZ"),
            suffix & 0xffff
        ))
    }

    /// The id as text, also the name of the run's folder.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for RunId {
    type Err = RunIdError;

    fn from_str(text: &str) -> Result<Self, RunIdError> {
        const SHAPE: &[u8] = b"ddddddddTddddddZ-xxxx";
        let fits = text.len() == SHAPE.len()
            && text.bytes().zip(SHAPE).all(|(byte, shape)| match shape {
                b'd' => byte.is_ascii_digit(),
                b'x' => byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte),
                literal => byte == *literal,
            });
        if fits {
            Ok(Self(text.to_owned()))
        } else {
            Err(RunIdError(text.to_owned()))
        }
    }
}

impl TryFrom<String> for RunId {
    type Error = RunIdError;

    fn try_from(text: String) -> Result<Self, RunIdError> {
        text.parse()
    }
}

impl From<RunId> for String {
    fn from(id: RunId) -> Self {
        id.0
    }
}

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_read_back_and_sort_by_time() {
        let early = RunId::new("2026-11-23T15:13:02Z".parse().unwrap(), 0xffff);
        let late = RunId::new("2026-11-23T15:13:03Z".parse().unwrap(), 0x1_0000);
        assert_eq!(early.as_str(), "20261123T151302Z-ffff");
        assert_eq!(late.as_str(), "20261123T151303Z-0000");
        assert!(early < late);
        assert_eq!(late.as_str().parse::<RunId>().unwrap(), late);
    }

    #[test]
    fn a_path_is_not_an_id() {
        for text in [
            "",
            "..",
            "20261123T151302Z-4f2a/..",
            "20261123T151302Z_4f2a",
        ] {
            assert!(text.parse::<RunId>().is_err(), "{text}");
        }
    }
}
