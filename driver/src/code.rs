//! Which implementation runs, and where its text is.

use std::{
    fmt,
    path::{Path, PathBuf},
};

use anyhow::{Result, bail};

use crate::{
    edit::{Variant, source_path},
    scenario::Scenario,
};

/// Which implementation runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Code {
    /// The participant's file.
    Mine,
    /// The file as the workshop begins, whatever the participant did since.
    Starter,
    /// The reference.
    Solved,
    /// A variant that must fail, by name.
    Cheat(String),
}

impl Code {
    /// Reads `mine`, `starter`, `solved` or `cheat:<name>`, where the scenario knows the cheat.
    pub fn parse(text: &str, scenario: &Scenario) -> Result<Self> {
        Ok(match text {
            "mine" => Self::Mine,
            "starter" => Self::Starter,
            "solved" => Self::Solved,
            _ => match text.strip_prefix("cheat:") {
                Some(name) if scenario.cheats.iter().any(|cheat| cheat == name) => {
                    Self::Cheat(name.to_owned())
                }
                _ => {
                    let cheats = scenario.cheats.iter().map(|name| format!(", cheat:{name}"));
                    bail!(
                        "unknown code `{text}` for {}; there are mine, starter, solved{}",
                        scenario.name,
                        cheats.collect::<String>()
                    )
                }
            },
        })
    }

    /// Where this code's text of an edit point is. Only manifests of a cheat are files; other cheats
    /// are compiled in and have the text that they stand in for.
    pub fn path(&self, root: &Path, scenario: &Scenario, file: &str) -> PathBuf {
        match self {
            Self::Mine => root.join(file),
            Self::Starter => source_path(root, file, Some(Variant::Starter)),
            Self::Solved => source_path(root, file, Some(Variant::Solved)),
            Self::Cheat(name) => {
                let name_of_file = Path::new(file).file_name().unwrap_or_default();
                let folder = Path::new("driver/cheats").join(&scenario.name).join(name);
                let manifest = root.join(folder).join(name_of_file);
                if manifest.exists() {
                    manifest
                } else {
                    root.join("lab-services/src/cases/cheats")
                        .join(name_of_file)
                }
            }
        }
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Mine => f.write_str("mine"),
            Self::Starter => f.write_str("starter"),
            Self::Solved => f.write_str("solved"),
            Self::Cheat(name) => write!(f, "cheat:{name}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::{NAMES, built_in};

    #[test]
    fn an_unknown_code_lists_those_there_are() {
        let scenario = built_in("timeouts").unwrap();
        let error = Code::parse("cheat:luck", &scenario)
            .unwrap_err()
            .to_string();
        assert!(error.contains("unknown code `cheat:luck`"), "{error}");
        assert!(error.contains("cheat:short-timeout"), "{error}");
    }

    #[test]
    fn every_text_of_every_code_is_there() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        for name in NAMES {
            let scenario = built_in(name).unwrap();
            let cheats = scenario.cheats.iter().map(|cheat| format!("cheat:{cheat}"));
            for code in ["mine", "starter", "solved"]
                .map(str::to_owned)
                .into_iter()
                .chain(cheats)
            {
                let code = Code::parse(&code, &scenario).unwrap();
                for file in &scenario.edit {
                    let path = code.path(root, &scenario, file);
                    assert!(path.is_file(), "{name} {code}: {}", path.display());
                }
            }
        }
    }
}
