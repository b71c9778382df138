//! What a run comes to, in words for people: numbers with their units, and why requests failed.

pub mod failures;
pub mod number;
