//! Autoscaling as a cluster would do it: [`manifest`] reads what participants write, [`hpa`] decides by it.
//!
//! `hpa` knows nothing of manifests, and nothing here knows of the driver, of HTTP or of a clock.

pub mod hpa;
pub mod manifest;
