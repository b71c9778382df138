//! The real binary, over HTTP. One test program, so that it links once.

mod access;
mod api;
mod browser;
mod dep;
mod files;
mod leaving;
mod limits;
mod payments;
mod program;
mod shedding;
mod support;
mod worker;
