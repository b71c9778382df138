//! `[preprocessor.lab]` in `book.toml`: which chapters are the steps.

use std::path::{Path, PathBuf};

use mdbook_preprocessor::config::Config;
use serde::Deserialize;

use crate::flaw::Flaw;

/// The table, read strictly.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct Options {
    /// Where runs are, relative to the project.
    #[serde(default = "reports")]
    pub(crate) reports: PathBuf,
    /// The steps in their order: the first is step 1.
    pub(crate) steps: Vec<Step>,

    // mdBook's own keys of the table, so that any other is a mistake.
    #[serde(default, rename = "command")]
    _command: Option<String>,
    #[serde(default, rename = "before")]
    _before: Vec<String>,
    #[serde(default, rename = "after")]
    _after: Vec<String>,
    #[serde(default, rename = "optional")]
    _optional: bool,
    #[serde(default, rename = "renderers")]
    _renderers: Vec<String>,
}

/// A step of the workshop.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Step {
    /// Its scenario, which is also the folder of its runs.
    pub(crate) scenario: String,
    /// Its chapter's title.
    pub(crate) title: String,
    /// Its chapter, relative to the book's sources.
    pub(crate) chapter: PathBuf,
    /// The files that a participant edits, relative to the project.
    pub(crate) edit: Vec<PathBuf>,
}

fn reports() -> PathBuf {
    PathBuf::from("reports")
}

impl Options {
    /// The options in `book.toml`.
    pub(crate) fn of(config: &Config) -> Result<Self, Flaw> {
        let flaw = |text: String| Flaw::of("book.toml", text);
        let options: Self = config
            .get("preprocessor.lab")
            .map_err(|error| flaw(format!("[preprocessor.lab]: {error:#}")))?
            .ok_or_else(|| flaw("there is no [preprocessor.lab] with the steps".to_owned()))?;
        for step in &options.steps {
            if !is_folder_name(&step.scenario) {
                let name = &step.scenario;
                return Err(flaw(format!(
                    "[preprocessor.lab]: `{name}` is no name of a scenario: letters, digits, `-`, `_`"
                )));
            }
        }
        if !is_inside(&options.reports) {
            let path = options.reports.display();
            return Err(flaw(format!(
                "[preprocessor.lab]: `reports` must be a folder inside the project, not `{path}`"
            )));
        }
        Ok(options)
    }

    /// The step of a scenario, and its number.
    pub(crate) fn step(&self, scenario: &str) -> Option<(usize, &Step)> {
        (1..)
            .zip(&self.steps)
            .find(|(_, step)| step.scenario == scenario)
    }
}

impl Step {
    /// The chapter's page, relative to the book.
    pub(crate) fn page(&self) -> PathBuf {
        self.chapter.with_extension("html")
    }
}

/// Whether a path stays below the folder that it is relative to.
pub(crate) fn is_inside(path: &Path) -> bool {
    use std::path::Component::Normal;
    path.components().next().is_some() && path.components().all(|part| matches!(part, Normal(_)))
}

fn is_folder_name(name: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    !name.is_empty() && name.bytes().all(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(table: &str) -> Result<Options, String> {
        let config = format!("[preprocessor.lab]\n{table}").parse().unwrap();
        Options::of(&config).map_err(|flaw| flaw.to_string())
    }

    #[test]
    fn steps_are_numbered_in_their_order() {
        let options = read(
            r#"command = "mdbook-lab"
            after = ["links"]
            steps = [
                { scenario = "timeouts", title = "Timeouts", chapter = "one.md", edit = ["a.rs"] },
                { scenario = "tx", title = "Scope", chapter = "two.md", edit = ["b.rs"] },
            ]"#,
        )
        .unwrap();
        assert_eq!(options.reports, Path::new("reports"));
        let (number, step) = options.step("tx").unwrap();
        assert_eq!((number, step.page()), (2, PathBuf::from("two.html")));
        assert_eq!(options.step("none"), None);
    }

    #[test]
    fn mistakes_are_named() {
        for (table, said) in [
            ("steps = []\nreport = 'x'", "unknown field `report`"),
            ("", "missing field `steps`"),
            ("steps = []\nreports = '../x'", "inside the project"),
            ("steps = []\nreports = '/tmp'", "inside the project"),
            (
                "steps = [{ scenario = '../x', title = '', chapter = '', edit = [] }]",
                "no name of a scenario",
            ),
        ] {
            let error = read(table).unwrap_err();
            assert!(error.starts_with("book.toml: "), "{error}");
            assert!(error.contains(said), "{error}");
        }
        let none = Options::of(&"".parse().unwrap()).unwrap_err();
        assert!(none.text.contains("no [preprocessor.lab]"));
    }
}
