//! What the requests of a class carry.

use std::{
    fs::File,
    io::{self, Read as _},
    path::{Path, PathBuf},
};

use lab_load::Template;
use serde::Deserialize;

use super::digest;

/// A body: JSON, another text, or the bytes of a file.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(from = "Written")]
pub enum Body {
    /// JSON, with `{key}`, `{n}` and `{account}` filled in.
    Json(String),
    /// Plain text, with the same filled in.
    Text(String),
    /// A file, sent as it is.
    File {
        /// Relative to the scenario's file.
        path: PathBuf,
        /// What is in it, once the scenario is read.
        content: Vec<u8>,
    },
}

/// A body as the file says it.
#[derive(Deserialize)]
#[serde(
    untagged,
    expecting = "a JSON text, { json = \"…\" }, { text = \"…\" } or { file = \"…\" }"
)]
enum Written {
    Short(String),
    Long(Kind),
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Kind {
    Json(String),
    Text(String),
    File(PathBuf),
}

/// Every request in flight is held beside it, and a plan goes to load pods in one message of at most twice this.
const LARGEST: u64 = 32 << 20;

impl From<Written> for Body {
    fn from(written: Written) -> Self {
        match written {
            Written::Short(text) | Written::Long(Kind::Json(text)) => Self::Json(text),
            Written::Long(Kind::Text(text)) => Self::Text(text),
            Written::Long(Kind::File(path)) => Self::File {
                path,
                content: Vec::new(),
            },
        }
    }
}

impl Body {
    /// Reads the file, if it is one, below `folder`; for a comment that tells which content it had.
    pub(super) fn read(&mut self, folder: &Path) -> Result<Option<String>, String> {
        let Self::File { path, content } = self else {
            return Ok(None);
        };
        let name = path.to_string_lossy().into_owned();
        let named = |problem: &str| format!("its `body`, the file {name}, {problem}");
        *content = read(&folder.join(&*path)).map_err(|error| {
            named(&format!(
                "can't be read from the scenario's folder: {error}"
            ))
        })?;
        if content.len() as u64 > LARGEST {
            return Err(named("is longer than 32 MiB"));
        }
        Ok(Some(format!(
            "\n# the file {name:?} had {} bytes, FNV-1a {:016x}\n",
            content.len(),
            digest::fnv(content)
        )))
    }

    /// Its type, where no header says another.
    pub fn media_type(&self) -> &'static str {
        match self {
            Self::Json(_) => "application/json",
            Self::Text(_) => "text/plain; charset=utf-8",
            Self::File { .. } => "application/octet-stream",
        }
    }

    /// As the load engine sends it.
    pub fn to_sent(&self) -> lab_load::Body {
        match self {
            Self::Json(text) | Self::Text(text) => {
                lab_load::Body::Filled(Template::new(text.as_str()))
            }
            Self::File { content, .. } => lab_load::Body::Fixed(content.clone()),
        }
    }
}

/// One byte more than the largest at most.
fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut content = Vec::new();
    File::open(path)?
        .take(LARGEST + 1)
        .read_to_end(&mut content)?;
    Ok(content)
}
