//! Attacks on `mdbook-lab serve`, tried against the real program: what a page of a stranger, a
//! program on another port or a careless client could send.

#![cfg(unix)]

mod acting;
mod attack;
mod framing;
mod paths;
mod reading;
mod resources;
