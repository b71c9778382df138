//! Quotes: what is asked, and what is answered.

use serde::Serialize;

use crate::deadline::Deadline;
use crate::dep::Receipt;

/// Asks for a quote.
#[derive(Clone, Debug)]
pub struct Ask {
    /// What for.
    pub key: String,
    /// When the caller stops waiting.
    pub deadline: Deadline,
}

/// A quote, which is as good as its receipt.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Quote {
    /// From `dep`.
    pub receipt: Receipt,
}
