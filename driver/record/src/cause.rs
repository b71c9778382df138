//! Why a request has no answer.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Why a request has no whole answer, though its client did not give up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// Nobody takes connections there.
    Refused,
    /// The other side, or something on the way, broke the connection off (RST).
    Reset,
    /// The other side closed the connection in order, before the first byte of an answer.
    Closed,
    /// The other side closed the connection in the middle of an answer.
    Cut,
    /// What came is no HTTP answer, or one that nobody asked for.
    Malformed,
    /// The two sides could not agree on TLS, or one does not trust the other.
    Tls,
    /// No way leads to the host, or it says nothing at all.
    Unreachable,
    /// No replica was ready to be asked.
    NoTarget,
    /// This machine lacked files or ports: the driver's own failure and not the service's.
    Starved,
    /// Something that the system calls otherwise.
    Other,
}

/// In words that go with a number: `2 connection refused`.
impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Refused => "connection refused",
            Self::Reset => "connection reset",
            Self::Closed => "closed without an answer",
            Self::Cut => "cut off within the answer",
            Self::Malformed => "not an HTTP answer",
            Self::Tls => "TLS failed",
            Self::Unreachable => "host unreachable",
            Self::NoTarget => "without a ready replica",
            Self::Starved => "without a file or port on this machine",
            Self::Other => "other errors",
        })
    }
}
