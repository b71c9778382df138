//! The participants' files as they were at the start, for comparison and for a fresh beginning.

pub mod bulkheads;
pub mod timeouts;
pub mod tx;
