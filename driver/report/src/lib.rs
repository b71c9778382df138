//! What people see of runs: pages, each one HTML file, and what [`compare`] finds between two runs or two groups.
//!
//! From the bottom up: [`words`] write figures and tell why requests failed, [`compare`] says what changed, and `pages`
//! show it all. They read and write [`lab_record`]'s folder of reports, and know nothing of how a run came about.

pub mod compare;
mod pages;
// For tests, those of others too. A feature for it would have them build all that stands on this crate once more.
#[doc(hidden)]
pub mod sample;
pub mod words;

pub use pages::{
    Bench, Compared, Home, Row, StepPage, WITH_BEGAN, WITH_PREVIOUS, WriteError, group_line,
    run_folder, runs, write, write_comparison, write_comparisons, write_data, write_groups,
    write_index, write_run,
};
