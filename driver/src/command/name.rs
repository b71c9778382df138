//! `driver name`, and the line of a run with that name to paste into a chat.

use std::{fs, io, path::Path};

use anyhow::{Context, Result, anyhow};
use clap::Args;
use lab_record::{Run, ShareCode, ShareName, file};
use lab_say::{note, reason, say};

use super::Ended;

/// Where the name is kept, in the project.
const FILE: &str = ".lab/name";

/// What to be called.
#[derive(Debug, Args)]
pub(super) struct Options {
    /// The name in your share codes, at most 40 characters; may be empty. Without one: which it is
    #[arg(env = "LAB_NAME")]
    name: Option<String>,
}

pub(super) fn name(root: &Path, options: &Options) -> Result<Ended> {
    if let Some(name) = &options.name {
        let name: ShareName = name.parse()?;
        let path = root.join(FILE);
        let text = format!("{}\n", name.as_str());
        file::replace(&path, text.as_bytes())
            .with_context(|| format!("can't write {}", path.display()))?;
    }
    match chosen(root)? {
        Some(name) if name.as_str().is_empty() => say!("Your share codes have no name."),
        Some(name) => say!("Your share codes have the name {}.", name.as_str()),
        None => say!(
            "You have chosen no name: make name NAME=ada, or make name NAME= for share codes without one."
        ),
    }
    Ok(Ended::Well)
}

/// The name that was chosen; none where nobody was asked yet.
fn chosen(root: &Path) -> Result<Option<ShareName>> {
    let path = root.join(FILE);
    match fs::read_to_string(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).with_context(|| format!("can't read {}", path.display())),
        Ok(text) => {
            let name = text.parse();
            let name = name.map_err(|error| {
                anyhow!(
                    "{}: {error}; choose another: make name NAME=ada",
                    path.display()
                )
            })?;
            Ok(Some(name))
        }
    }
}

/// What there is to share of a run.
pub(super) struct Shared {
    pub(super) code: ShareCode,
    /// Whether nobody was asked for a name yet.
    asks: bool,
}

/// The code of a run that counts: a step, with the participant's own code. What keeps it from being made takes nothing
/// from the run.
pub(super) fn shared(root: &Path, run: &Run) -> Option<Shared> {
    if run.code != "mine" {
        return None;
    }
    let name = chosen(root).unwrap_or_else(|error| {
        note!("no name in the share code: {}", reason(error.as_ref()));
        Some(ShareName::default())
    });
    let asks = name.is_none();
    let code = ShareCode::of(run, name.unwrap_or_default())?;
    Some(Shared { code, asks })
}

impl Shared {
    /// Prints it.
    pub(super) fn tell(&self) {
        say!("  share    {}", self.code);
        if self.asks {
            say!(
                "           with your name in it: make name NAME=ada; without one: make name NAME="
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_kept_and_may_be_empty() {
        let root = tempfile::tempdir().unwrap();
        let choose = |text: &str| {
            name(
                root.path(),
                &Options {
                    name: Some(text.to_owned()),
                },
            )
        };
        assert_eq!(chosen(root.path()).unwrap(), None);
        for text in ["ada", "", "<b>李 & 雷</b>"] {
            choose(text).unwrap();
            assert_eq!(chosen(root.path()).unwrap().unwrap().as_str(), text);
        }
        let error = choose(&"x".repeat(10_000)).unwrap_err().to_string();
        assert_eq!(
            error,
            "a name has at most 40 characters; this one has 10000"
        );
        assert_eq!(
            chosen(root.path()).unwrap().unwrap().as_str(),
            "<b>李 & 雷</b>"
        );

        fs::write(root.path().join(FILE), [0xff]).unwrap();
        let error = chosen(root.path()).unwrap_err();
        assert!(
            format!("{error:#}").contains("name: stream did not contain valid UTF-8"),
            "{error:#}"
        );
    }
}
