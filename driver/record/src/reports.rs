//! The folder `reports/`: `<scenario>/<run-id>/{data.json, events.jsonl, report.html}`.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use serde::Deserialize;
use serde_json::Value;

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
    /// It has `null` for a number. Programs before this one wrote that for what is not finite.
    #[error(
        "{path}: {place} is null where a number must be: what was measured or computed was NaN or infinite, which JSON \
         can't hold; the run can't be shown, so run it again"
    )]
    NotFinite {
        /// The file.
        path: PathBuf,
        /// Where in it, as in `series[3].points[0][1]`, and the id of what that belongs to.
        place: String,
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
    serde_json::from_slice(&text).map_err(|source| match null_number(&text) {
        Some(place) => ReadError::NotFinite {
            path: path.to_owned(),
            place,
        },
        None => json(source),
    })
}

/// Where the first `null` stands that no run has: in a list, which have numbers and texts and no gaps.
fn null_number(text: &[u8]) -> Option<String> {
    fn within(value: &Value, place: &str) -> Option<String> {
        match value {
            Value::Array(items) => items.iter().enumerate().find_map(|(n, item)| {
                let id = item.get("id").and_then(Value::as_str);
                let id = id.map_or_else(String::new, |id| format!(" `{id}`"));
                let place = format!("{place}[{n}]{id}");
                item.is_null()
                    .then(|| place.clone())
                    .or_else(|| within(item, &place))
            }),
            Value::Object(fields) => fields.iter().find_map(|(name, field)| {
                let dot = if place.is_empty() { "" } else { "." };
                within(field, &format!("{place}{dot}{name}"))
            }),
            _ => None,
        }
    }
    within(&serde_json::from_slice(text).ok()?, "")
}

fn folders(parent: &Path) -> impl Iterator<Item = PathBuf> + use<> {
    fs::read_dir(parent)
        .into_iter()
        .flatten()
        .filter_map(Result::ok)
        .map(|entry| entry.path())
        .filter(|path| path.is_dir())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Why data is refused that has this in place of that.
    fn refused(from: &str, to: &str) -> String {
        let old = Path::new(env!("CARGO_MANIFEST_DIR")).join("schema/old/1.json");
        let text = fs::read_to_string(old).unwrap();
        let mut data: Value = serde_json::from_str(&text).unwrap();
        *data.pointer_mut(from).unwrap() = serde_json::from_str(to).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("data.json");
        fs::write(&path, data.to_string()).unwrap();
        read(&path).unwrap_err().to_string()
    }

    #[test]
    fn a_null_for_a_number_is_named_with_its_place() {
        let said = refused("/series/0/points/1/1", "null");
        assert!(
            said.contains("series[0] `offered`.points[1][1] is null"),
            "{said}"
        );
        assert!(
            said.contains("data.json") && said.contains("run it again"),
            "{said}"
        );
        let said = refused("/checks/0/weight", "null");
        assert!(
            said.contains("not the data of a run: invalid type: null"),
            "{said}"
        );
    }
}
