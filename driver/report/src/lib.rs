//! What people see of runs: pages, each one HTML file, and what [`compare`] finds between two runs or two groups.
//!
//! From the bottom up: [`number`] writes figures, [`failures`] tells why requests failed, [`compare`] says what
//! changed, and `pages` shows it all. It reads and writes [`lab_record`]'s folder of reports, and knows nothing of how a
//! run came about.

pub mod compare;
pub mod failures;
pub mod number;
mod pages;
#[cfg(any(test, feature = "sample"))]
pub mod sample;

pub use pages::*;
