//! Runs the workshop's scenarios. Data flows one way:
//! [`scenario`] → [`lab_load`] and [`observe`] on a [`platform`] → [`score`] → [`report`],
//! put together by [`run`] and asked for by [`command`].
//!
//! The modules stand here in floors, the highest first: each needs only modules of the floors below its own.
//! `driver/tests/architecture.rs` holds that.

// What is asked for.
pub mod command;

// One run, from its scenario to its report.
pub mod run;

// What a run comes to: whether it can be trusted, what is told of it.
pub mod report;
pub mod selfcheck;

// Judged: by its checks, against another.
pub mod compare;
pub mod score;

// What is known of it, and where it takes place.
pub mod books;
pub mod code;
pub mod observe;
pub mod platform;

// What participants edit.
pub mod edit;
pub mod manifest;

// Alone: they need no other.
pub mod environment;
pub mod export;
pub mod file;
pub mod host;
pub mod hpa;
mod http;
pub mod interrupt;
pub mod limits;
pub mod pauses;
pub mod scenario;
mod secret;
mod words;
