//! `driver`: runs the workshop's scenarios. See `driver --help`.

use std::process::ExitCode;

use clap::Parser;
use driver::command::{self, Cli};

fn main() -> ExitCode {
    command::execute(Cli::parse())
}
