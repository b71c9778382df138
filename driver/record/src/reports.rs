//! The folder `reports/`: `<scenario>/<run-id>/{data.json, events.jsonl, report.html}`.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use serde::Deserialize;

use crate::{Run, RunId, SCHEMA};

/// A folder of runs.
#[derive(Clone, Debug)]
pub struct Reports {
    root: PathBuf,
}

/// A run folder as found.
#[derive(Debug)]
pub enum Entry {
    /// A run that can be read.
    Run(Box<Run>),
    /// A folder whose `data.json` is missing, broken or of another version. It is listed, never
    /// deleted.
    Unreadable {
        /// The run's folder.
        folder: PathBuf,
        /// What is wrong with it.
        error: ReadError,
    },
}

/// Why a `data.json` can't be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The file can't be opened or read.
    #[error("{path}: {why}")]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system says.
        why: io::Error,
    },
    /// It is not the JSON of a run.
    #[error("{path}: not the data of a run: {why}")]
    Json {
        /// The file.
        path: PathBuf,
        /// Where and why.
        why: serde_json::Error,
    },
    /// It is the data of another version.
    #[error("{path}: written in format {found}, this program reads formats 1 to {SCHEMA}")]
    Schema {
        /// The file.
        path: PathBuf,
        /// Its version.
        found: u32,
    },
}

impl Reports {
    /// The reports below `root`; it need not exist yet.
    pub fn at(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    /// The folder itself.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Where a run's files are.
    pub fn run_folder(&self, scenario: &str, run: &RunId) -> PathBuf {
        self.root.join(scenario).join(run.as_str())
    }

    /// Every run folder, oldest first. What is not named like a run is passed over, and so is a run
    /// whose services never started: it has logs and neither events nor data. A folder that does not
    /// exist has no runs.
    pub fn entries(&self) -> Vec<Entry> {
        let mut found: Vec<(RunId, PathBuf)> = folders(&self.root)
            .flat_map(|scenario| folders(&scenario))
            .filter_map(|folder| {
                let id = folder.file_name()?.to_str()?.parse().ok()?;
                Some((id, folder))
            })
            .collect();
        found.sort();
        let begun = |folder: &Path| {
            ["data.json", "events.jsonl"]
                .iter()
                .any(|file| folder.join(file).exists())
        };
        found
            .into_iter()
            .filter(|(_, folder)| begun(folder))
            .map(|(_, folder)| match read(&folder.join("data.json")) {
                Ok(run) => Entry::Run(Box::new(run)),
                Err(error) => Entry::Unreadable { folder, error },
            })
            .collect()
    }
}

/// Reads one `data.json`.
pub(crate) fn read(path: &Path) -> Result<Run, ReadError> {
    #[derive(Deserialize)]
    struct Version {
        schema: u32,
    }
    let text = fs::read(path).map_err(|why| ReadError::Io {
        path: path.to_owned(),
        why,
    })?;
    let json = |why| ReadError::Json {
        path: path.to_owned(),
        why,
    };
    let Version { schema } = serde_json::from_slice(&text).map_err(json)?;
    if !(1..=SCHEMA).contains(&schema) {
        return Err(ReadError::Schema {
            path: path.to_owned(),
            found: schema,
        });
    }
    serde_json::from_slice(&text).map_err(json)
}

fn folders(parent: &Path) -> impl Iterator<Item = PathBuf> + use<> {
    fs::read_dir(parent)
        .into_iter()
        .flatten()
        .filter_map(Result::ok)
        .map(|entry| entry.path())
        .filter(|path| path.is_dir())
}
