//! Runs the workshop's scenarios. Data flows one way:
//! [`scenario`] → [`lab_load`] and [`observe`] on a [`platform`] → [`score`] → [`lab_report`],
//! put together by [`run`] and asked for by [`command`].
//!
//! The crates below it, each knowing only those before it: [`lab_say`], [`lab_exposition`] and [`lab_autoscale`] know none;
//! [`lab_record`] is what a run leaves behind; [`lab_load`] and [`lab_report`] stand on that, and [`lab_remote`] on the load.

pub mod books;
pub mod code;
pub mod command;
pub mod edit;
pub mod environment;
pub mod export;
pub mod host;
mod http;
pub mod interrupt;
pub mod limits;
pub mod observe;
pub mod pauses;
pub mod platform;
pub mod run;
pub mod scenario;
pub mod score;
mod secret;
pub mod selfcheck;
