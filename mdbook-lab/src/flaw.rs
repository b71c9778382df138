//! Mistakes in the guide: where, and what to do about it.

use std::{
    fmt,
    path::{Path, PathBuf},
};

/// One mistake.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Flaw {
    /// The file, relative to the project.
    pub file: PathBuf,
    /// Its line, counted from 1; none where it is the whole file's.
    pub line: Option<usize>,
    /// What is wrong, and what would be right.
    pub text: String,
}

impl Flaw {
    /// A mistake of a whole file.
    pub(crate) fn of(file: impl AsRef<Path>, text: impl Into<String>) -> Self {
        Self {
            file: file.as_ref().to_owned(),
            line: None,
            text: text.into(),
        }
    }

    /// A mistake in a line.
    pub(crate) fn at(file: impl AsRef<Path>, line: usize, text: impl Into<String>) -> Self {
        Self {
            line: Some(line),
            ..Self::of(file, text)
        }
    }
}

impl fmt::Display for Flaw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:", self.file.display())?;
        if let Some(line) = self.line {
            write!(f, "{line}:")?;
        }
        write!(f, " {}", self.text)
    }
}

/// All mistakes that were found, a line each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Flaws(pub Vec<Flaw>);

impl fmt::Display for Flaws {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, flaw) in self.0.iter().enumerate() {
            if index > 0 {
                writeln!(f)?;
            }
            write!(f, "{flaw}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Flaws {}
