//! Attacks on `mdbook-lab serve` and `mdbook-lab board`, tried against the real program: what a page of a stranger, a
//! program on another port, another user or a careless client could send. `make attacks` counts them.

#![cfg(unix)]

mod acting;
#[allow(dead_code, reason = "browsers need more of it than these attacks do")]
mod attack;
mod board;
mod editor;
mod framing;
mod keeping;
mod others;
mod pages;
mod paths;
mod reading;
mod resources;
mod room;
