//! The services of the workshop: `api` and `worker` serve requests, `dep` is what they depend on, `auditor` keeps the
//! ledger that payments go into.
//!
//! Start in [`cases`], the files that participants edit. [`api`], [`worker`], [`dep`] and [`auditor`] are one service each;
//! the rest is what they share.

mod access;
pub mod api;
pub mod auditor;
pub mod cases;
pub mod cgroup;
pub mod code;
pub mod cpu;
pub mod database;
pub mod deadline;
pub mod dep;
pub mod failure;
mod hunger;
pub mod ledger;
pub mod logs;
pub mod metrics;
pub(crate) mod peers;
pub mod quota;
pub mod request;
pub mod serve;
pub(crate) mod standstill;
pub mod worker;
