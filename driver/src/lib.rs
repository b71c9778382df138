//! Runs the scenarios. Data flows one way:
//! [`scenario`] → [`load`] and [`observe`] on a [`platform`] → [`score`] → [`report`].

pub mod compare;
pub mod report;
