//! Runs the workshop's scenarios. Data flows one way:
//! [`scenario`] → [`lab_load`] and [`observe`] on a [`platform`] → [`score`] → [`lab_report`],
//! put together by [`run`] and asked for by [`command`].
//!
//! The modules stand here in floors, the highest first: each needs only modules of the floors below its own.
//! `driver/tests/architecture.rs` holds that.
//!
//! The crates below, each knowing only those before it: [`lab_say`], [`lab_exposition`] and [`lab_autoscale`] know none;
//! [`lab_record`] is what a run leaves behind; [`lab_load`] and `lab_stage` stand on that, [`lab_report`] on the stage and
//! [`lab_remote`] on the load.

// What is asked for.
pub mod command;

// One run, from its scenario to its report.
pub mod run;

// What a run comes to: whether it can be trusted.
pub mod selfcheck;

// Judged by its checks.
pub mod score;

// What is known of it, and where it takes place.
pub mod books;
pub mod code;
pub mod observe;
pub mod platform;

// What participants edit, and what tells them of it.
pub mod edit;
pub mod guide;

// Alone: they need no other.
pub mod board;
pub mod environment;
pub mod export;
pub mod host;
mod http;
pub mod interrupt;
pub mod limits;
pub mod pauses;
pub mod scenario;
mod secret;
