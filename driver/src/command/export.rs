//! `driver export RUN`: a run for other tools.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use clap::Args;
use lab_record::file;
use lab_say::say;

use super::{Ended, Place, compare::find};
use crate::export::{Format, export as text_of};

/// Which run, and how.
#[derive(Debug, Args)]
pub(super) struct Options {
    /// The run: its id, or the end of it that is unique
    run: String,
    /// What to make of it
    #[arg(long)]
    format: Format,
    /// Where to; without it, standard output
    #[arg(long, short)]
    output: Option<PathBuf>,
    #[command(flatten)]
    place: Place,
}

pub(super) fn export(root: &Path, options: &Options) -> Result<Ended> {
    let run = find(&options.place.reports(root), &options.run)?;
    let text = text_of(&run, options.format);
    match &options.output {
        Some(path) => write(path, text.as_bytes())
            .with_context(|| format!("can't write {}", path.display()))?,
        None => say!("{}", text.trim_end()),
    }
    Ok(Ended::Well)
}

/// What stands there and is no file, as `/dev/stdout`, is written to and not replaced by one.
fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    if fs::symlink_metadata(path).is_ok_and(|there| !there.is_file()) {
        fs::write(path, bytes)
    } else {
        file::replace(path, bytes)
    }
}
