//! What a run comes to, in words for people: numbers with their units, and why requests failed.

pub(crate) mod failures;
pub(crate) mod number;
