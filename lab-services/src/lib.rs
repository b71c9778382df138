//! The services of the workshop: `api` and `worker` serve requests, `dep` is what they depend on, `auditor` keeps the
//! ledger that payments go into.
//!
//! Start in [`cases`], the files that participants edit. What surrounds a case stands in the room of its step, in `steps`;
//! [`api`], [`worker`], [`dep`] and [`auditor`] are one service each; the rest is what they share.
//!
//! The modules stand here in floors, the highest first: each needs only modules of the floors below its own.
//! `driver/tests/architecture.rs` holds that.

// Services.
pub mod api;
pub mod auditor;
pub mod worker;

// What surrounds a case: a room for each step.
pub(crate) mod steps;

// What participants edit.
pub mod cases;

// What cases are about.
pub mod work;

pub mod job;
pub mod ledger;
pub mod provider;
pub mod quote;
pub mod replica;

// What cases work with, and what becomes of those that fail.
pub mod database;

pub mod failure;

// The dependency: its client for the cases, and the service.
pub mod dep;

// What every service is made of.
pub mod serve;

mod access;
pub mod metrics;
pub mod quota;
pub mod request;

// Alone: they need no other.
pub mod cgroup;
pub mod code;
pub mod cpu;
pub mod deadline;
mod hunger;
pub mod logs;
pub(crate) mod longest_wait;
pub(crate) mod peers;
pub(crate) mod refusal;
pub(crate) mod standstill;
