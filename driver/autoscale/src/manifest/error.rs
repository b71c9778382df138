//! What can be wrong with a manifest, and where.

use std::fmt;
use std::path::PathBuf;

use super::QuantityError;

/// A manifest that cannot be used: where, what, and what to do.
#[derive(Debug, thiserror::Error)]
#[error("{}: {problem}", self.place())]
pub struct ManifestError {
    /// The file.
    pub file: PathBuf,
    /// The line, from 1, where one is known.
    pub line: Option<u64>,
    /// What is wrong. It is in this error's own message, so it is no `source`.
    pub problem: Problem,
}

impl ManifestError {
    fn place(&self) -> String {
        let file = self.file.display();
        self.line
            .map_or_else(|| file.to_string(), |line| format!("{file}:{line}"))
    }
}

/// What is wrong with a manifest.
#[derive(Debug, thiserror::Error)]
pub enum Problem {
    /// The file could not be read.
    #[error("cannot be read ({0}); put it back with `make reset`")]
    Unreadable(std::io::Error),
    /// It is not YAML.
    #[error("is not valid YAML ({0}); check the indentation of this line and the one above")]
    Syntax(String),
    /// A key stands in a mapping twice.
    #[error("`{0}` is there twice in one mapping; keep one of them")]
    Twice(String),
    /// No object in it.
    #[error("has no object in it; `make reset` brings the starter back")]
    Empty,
    /// Several objects in one file.
    #[error("a second document starts after `---`; keep one object in this file")]
    SeveralDocuments,
    /// Another kind of object.
    #[error("expected {expected}, found {found}; correct apiVersion and kind")]
    WrongKind {
        /// The kind with its API version.
        expected: String,
        /// What the file says.
        found: String,
    },
    /// A field that its kind does not have.
    #[error("{field} is not a field of {kind}; check its spelling and indentation")]
    UnknownField {
        /// The field.
        field: FieldPath,
        /// The kind with its API version.
        kind: String,
    },
    /// A value that is no quantity.
    #[error("{field}: {why}")]
    Quantity {
        /// The field.
        field: FieldPath,
        /// What is wrong with it.
        why: QuantityError,
    },
    /// A value that the API server refuses: of a wrong type, or against a rule.
    #[error("{field} {rule}")]
    Refused {
        /// The field.
        field: FieldPath,
        /// The rule that it breaks, as the rest of a sentence.
        rule: String,
    },
    /// Something that Kubernetes knows and the local platform does not.
    #[error(
        "{field}: {what} is not modelled on PLATFORM=local; {instead}, or run it with PLATFORM=k3d"
    )]
    NotModelled {
        /// The field.
        field: FieldPath,
        /// What it asks for.
        what: String,
        /// What to write instead.
        instead: &'static str,
    },
}

/// The way to a field.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct FieldPath(pub(super) Vec<Step>);

/// One step of the way.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Step {
    /// Into a mapping.
    Key(String),
    /// Into a list, counted from 0.
    Index(usize),
}

impl FieldPath {
    /// The path that `text` writes, such as `spec.metrics`; keys with a dot cannot be written so.
    pub(super) fn new(text: &str) -> Self {
        Self::default().keys(text)
    }

    /// This path and then that of `text`.
    pub(super) fn keys(&self, text: &str) -> Self {
        let keys = text.split('.').map(|key| Step::Key(key.to_owned()));
        Self(self.0.iter().cloned().chain(keys).collect())
    }

    /// This path and then one key, which may have dots.
    pub(super) fn key(&self, key: &str) -> Self {
        self.step(Step::Key(key.to_owned()))
    }

    /// The last key of it.
    pub(super) fn last_key(&self) -> Option<&str> {
        self.0.iter().rev().find_map(|step| match step {
            Step::Key(key) => Some(key.as_str()),
            Step::Index(_) => None,
        })
    }

    /// This path and then an entry of the list there.
    pub(super) fn index(&self, index: usize) -> Self {
        self.step(Step::Index(index))
    }

    /// This path and one more step.
    pub(super) fn step(&self, step: Step) -> Self {
        Self(self.0.iter().cloned().chain([step]).collect())
    }
}

impl fmt::Display for FieldPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, step) in self.0.iter().enumerate() {
            match step {
                Step::Key(key) if position == 0 => f.write_str(key)?,
                Step::Key(key) => write!(f, ".{key}")?,
                Step::Index(index) => write!(f, "[{index}]")?,
            }
        }
        Ok(())
    }
}
