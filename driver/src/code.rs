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
    /// A variant other than the reference that must pass, by name.
    Fix(String),
}

impl Code {
    /// Every code of a scenario, in the order in which they are told.
    pub fn all(scenario: &Scenario) -> Vec<Self> {
        let cheats = scenario.cheats.iter().cloned().map(Self::Cheat);
        let fixes = scenario.fixes.iter().cloned().map(Self::Fix);
        [Self::Mine, Self::Starter, Self::Solved]
            .into_iter()
            .chain(cheats)
            .chain(fixes)
            .collect()
    }

    /// Reads `mine`, `starter`, `solved`, `cheat:<name>` or `fix:<name>`, where the scenario knows it.
    pub fn parse(text: &str, scenario: &Scenario) -> Result<Self> {
        let all = Self::all(scenario);
        let names: Vec<String> = all.iter().map(Self::to_string).collect();
        match names.iter().position(|name| name == text) {
            Some(index) => Ok(all[index].clone()),
            None => bail!(
                "unknown code `{text}` for {}; there are {}",
                scenario.name,
                names.join(", ")
            ),
        }
    }

    /// Whether it is compiled for `verify` alone.
    pub fn is_variant(&self) -> bool {
        matches!(self, Self::Cheat(_) | Self::Fix(_))
    }

    /// Where this code's text of an edit point is. A variant's manifests are files, as far as they
    /// differ from the reference; its Rust is compiled in, from the file of all variants of its kind.
    pub fn path(&self, root: &Path, scenario: &Scenario, file: &str) -> PathBuf {
        let (kind, name) = match self {
            Self::Mine => return root.join(file),
            Self::Starter => return source_path(root, file, Some(Variant::Starter)),
            Self::Solved => return source_path(root, file, Some(Variant::Solved)),
            Self::Cheat(name) => ("cheats", name),
            Self::Fix(name) => ("fixes", name),
        };
        let of_file = Path::new(file).file_name().unwrap_or_default();
        let rust = root.join("lab-services/src/cases").join(kind).join(of_file);
        if rust.exists() {
            return rust;
        }
        let folder = Path::new("driver")
            .join(kind)
            .join(&scenario.name)
            .join(name);
        let manifest = root.join(folder).join(of_file);
        if manifest.exists() {
            manifest
        } else {
            source_path(root, file, Some(Variant::Solved))
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
            Self::Fix(name) => write!(f, "fix:{name}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::{step, steps};

    #[test]
    fn an_unknown_code_lists_those_there_are() {
        let scenario = step("timeouts").unwrap();
        let error = Code::parse("cheat:luck", &scenario)
            .unwrap_err()
            .to_string();
        assert!(error.contains("unknown code `cheat:luck`"), "{error}");
        assert!(error.contains("cheat:short-timeout"), "{error}");
    }

    #[test]
    fn every_text_of_every_code_is_there() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        for scenario in steps().unwrap() {
            for code in Code::all(&scenario) {
                for file in &scenario.edit {
                    let path = code.path(root, &scenario, file);
                    assert!(
                        path.is_file(),
                        "{} {code}: {}",
                        scenario.name,
                        path.display()
                    );
                }
            }
        }
    }

    #[test]
    fn a_variant_of_manifests_says_what_it_is_in_a_file_of_its_own() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        let scenario = step("autoscale").unwrap();
        for code in Code::all(&scenario).iter().filter(|code| code.is_variant()) {
            let text = |code: &Code, file: &String| {
                std::fs::read_to_string(code.path(root, &scenario, file)).unwrap()
            };
            let differs = |file: &String| text(code, file) != text(&Code::Solved, file);
            assert!(scenario.edit.iter().any(differs), "{code}");
        }
    }
}
