//! The real binary, over HTTP. One test program, so that it links once.

mod api;
mod dep;
mod examples;
mod files;
mod payments;
mod program;
mod support;
mod worker;
