//! Runs the workshop's scenarios. Data flows one way:
//! [`scenario`] → [`lab_load`] and [`observe`] on a [`platform`] → [`score`] → [`report`],
//! put together by [`run`] and asked for by [`command`].

pub mod books;
pub mod code;
pub mod command;
pub mod compare;
pub mod edit;
pub mod environment;
pub mod export;
pub mod file;
pub mod host;
pub mod hpa;
mod http;
pub mod interrupt;
pub mod limits;
pub mod manifest;
pub mod observe;
pub mod pauses;
pub mod platform;
pub mod report;
pub mod run;
pub mod scenario;
pub mod score;
mod secret;
pub mod selfcheck;
