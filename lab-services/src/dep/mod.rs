//! The dependency: answers a key with a receipt, and fails as its fault plan says.

mod blips;
mod client;
mod faults;
mod line;
mod receipts;
mod server;

use anyhow::Result;
use clap::Args;

pub use client::{Dep, DepError, Receipt};

use crate::serve::{ListenArgs, serve};

/// Flags of `lab dep`.
#[derive(Args, Debug)]
pub struct DepArgs {
    #[command(flatten)]
    listen: ListenArgs,
}

/// Serves until a signal.
pub async fn run(args: DepArgs) -> Result<()> {
    serve(&args.listen, 8082, server::routes()).await
}
