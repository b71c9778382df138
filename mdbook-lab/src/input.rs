//! What mdBook sends to a preprocessor. Each series of mdBook sends a book of its own shape, and its version beside
//! it: who can't read the one names the other.

use std::io::{self, Read};

use mdbook_preprocessor::{MDBOOK_VERSION, PreprocessorContext, book::Book};
use serde_json::Value;

/// Why there is no book on standard input.
#[derive(Debug, thiserror::Error)]
pub enum InputError {
    /// It ends before anything came, or a person sits there.
    #[error(
        "there is no book on standard input: mdBook starts this by itself; \
         `mdbook-lab serve` shows the book of the folder that it is started in"
    )]
    Empty,
    /// It breaks off.
    #[error("can't read standard input")]
    Read(#[from] io::Error),
    /// Something else than mdBook wrote it.
    #[error("standard input is not what mdBook sends to a preprocessor")]
    Foreign(#[source] serde_json::Error),
    /// Another series of mdBook.
    #[error(
        "mdbook-lab needs mdBook {wanted}; this is {version}: \
         cargo install mdbook --version {MDBOOK_VERSION} --locked",
        wanted = series_of(MDBOOK_VERSION)
    )]
    Series {
        /// What it says that it is.
        version: String,
    },
    /// Our own series, with something that is new in it.
    #[error(
        "can't read what mdBook {version} sends; mdbook-lab is made for \
         {MDBOOK_VERSION}: cargo install mdbook --version {MDBOOK_VERSION} --locked"
    )]
    New {
        /// What it says that it is.
        version: String,
        /// What is new.
        source: serde_json::Error,
    },
}

/// The book that mdBook sends, and what it is for.
pub fn read(mut input: impl Read) -> Result<(PreprocessorContext, Book), InputError> {
    let mut sent = Vec::new();
    input.read_to_end(&mut sent)?;
    if sent.trim_ascii().is_empty() {
        return Err(InputError::Empty);
    }
    serde_json::from_slice(&sent).map_err(|error| match version(&sent) {
        None => InputError::Foreign(error),
        Some(version) if is_our_series(&version) => InputError::New {
            version,
            source: error,
        },
        Some(version) => InputError::Series { version },
    })
}

/// What mdBook says that it is, whatever else it sends.
fn version(sent: &[u8]) -> Option<String> {
    let sent: Value = serde_json::from_slice(sent).ok()?;
    let version = sent.pointer("/0/mdbook_version")?.as_str()?;
    Some(version.to_owned())
}

/// Whether a version of mdBook promises to be understood here.
pub fn is_our_series(version: &str) -> bool {
    series_of(version) == series_of(MDBOOK_VERSION)
}

/// The part of a version that changes where promises end: before 1.0 its minor number is in it.
fn series_of(version: &str) -> &str {
    let numbers = if version.starts_with("0.") { 2 } else { 1 };
    let end = version.match_indices('.').nth(numbers - 1);
    end.map_or(version, |(end, _)| &version[..end])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_of_one_series_understand_each_other() {
        assert_eq!(series_of("0.5.4"), "0.5");
        assert_eq!(series_of("0.5.0-beta.2"), "0.5");
        assert_eq!(series_of("0.4.52"), "0.4");
        assert_eq!(series_of("1.2.0"), "1");
        assert_eq!(series_of(""), "");
    }
}
