//! The reference of each step. Spoilers.

pub mod bulkheads;
pub mod timeouts;
pub mod tx;
