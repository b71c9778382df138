//! The program as a person meets it: real runs, real signals, real mistakes.

mod bad_input;
mod cluster;
mod faults;
mod output;
mod paused;
mod runs;
mod saved;
mod shell;
mod status;
mod support;
mod target;
mod why;
