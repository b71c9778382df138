//! `[preprocessor.lab]` in `book.toml`: which chapters are the steps, said there or in the scenarios that it names.

use std::path::{Path, PathBuf};

use mdbook_preprocessor::config::Config;
use serde::Deserialize;

use crate::{flaw::Flaw, scenarios, step::Step};

/// The table, read strictly.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct Options {
    /// Where runs are, relative to the project.
    #[serde(default = "reports")]
    pub(crate) reports: PathBuf,
    /// The folder of scenario files, relative to the project: those with a `[lesson]` are the steps.
    #[serde(default)]
    pub(crate) scenarios: Option<PathBuf>,
    /// The steps in their order: the first is step 1. A book may have none.
    #[serde(default)]
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

fn reports() -> PathBuf {
    PathBuf::from("reports")
}

impl Options {
    /// The options in the `book.toml` of the project at `root`.
    pub(crate) fn of(config: &Config, root: &Path) -> Result<Self, Flaw> {
        let flaw = |text: String| Flaw::of("book.toml", text);
        let mut options: Self = config
            .get("preprocessor.lab")
            .map_err(|error| flaw(format!("[preprocessor.lab]: {error:#}")))?
            .ok_or_else(|| {
                flaw("there is no [preprocessor.lab], the table of mdbook-lab".to_owned())
            })?;
        if let Some(folder) = &options.scenarios {
            if !is_inside(folder) || !options.steps.is_empty() {
                return Err(flaw(format!(
                    "[preprocessor.lab]: `scenarios` is the folder inside the project whose files say what the steps are, \
                     instead of `steps`, not `{}` beside {} of them",
                    folder.display(),
                    options.steps.len()
                )));
            }
            options.steps = scenarios::steps(root, folder)?;
        }
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

    /// Those of a book with these steps.
    #[cfg(test)]
    pub(crate) fn for_tests(steps: Vec<Step>) -> Self {
        Self {
            steps,
            reports: reports(),
            ..toml::from_str("").unwrap()
        }
    }

    /// Where it is said what the steps are.
    pub(crate) fn place(&self) -> String {
        let folder = self.scenarios.as_ref();
        folder.map_or("book.toml".to_owned(), |folder| {
            folder.display().to_string()
        })
    }

    /// The step of a scenario, and its number; the error names those that there are.
    pub(crate) fn known_step(&self, scenario: &str) -> Result<(usize, &Step), String> {
        self.step(scenario).ok_or_else(|| {
            if self.steps.is_empty() {
                return NO_STEPS.to_owned();
            }
            let known: Vec<_> = self.steps.iter().map(|step| &*step.scenario).collect();
            format!(
                "no step of {} has the scenario `{scenario}`; there are {}",
                self.place(),
                known.join(", ")
            )
        })
    }

    /// The step of a scenario, and its number.
    pub(crate) fn step(&self, scenario: &str) -> Option<(usize, &Step)> {
        (1..)
            .zip(&self.steps)
            .find(|(_, step)| step.scenario == scenario)
    }
}

/// What is wrong with a page that tells of steps, where there are none.
pub(crate) const NO_STEPS: &str = "this tells of steps, and book.toml names none: they are [[preprocessor.lab.steps]], or in the folder `scenarios`";

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
        Options::of(&config, Path::new("nowhere")).map_err(|flaw| flaw.to_string())
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
        assert_eq!((number, &*step.page()), (2, "two.html"));
        assert_eq!(options.step("none"), None);
        assert_eq!(read("").unwrap().steps, []);
    }

    #[test]
    fn pages_are_linked_as_mdbook_names_them() {
        for (chapter, page) in [
            ("a/README.md", "a/index.html"),
            ("what is #1?.md", "what%20is%20%231%3F.html"),
            ("größe.md", "gr%C3%B6%C3%9Fe.html"),
        ] {
            let table =
                format!("steps = [{{ scenario = 'a', title = 'A', chapter = '{chapter}' }}]");
            assert_eq!(read(&table).unwrap().steps[0].page(), page);
        }
    }

    #[test]
    fn mistakes_are_named() {
        for (table, said) in [
            ("steps = []\nreport = 'x'", "unknown field `report`"),
            ("steps = []\nreports = '../x'", "inside the project"),
            ("steps = []\nreports = '/tmp'", "inside the project"),
            (
                "steps = [{ scenario = '../x', title = '', chapter = '', edit = [] }]",
                "no name of a scenario",
            ),
            ("scenarios = '../x'", "inside the project"),
            ("scenarios = 'x'", "x: can't be read"),
            (
                "scenarios = 'x'\nsteps = [{ scenario = 'a', title = 'A', chapter = 'a.md' }]",
                "instead of `steps`",
            ),
        ] {
            let error = read(table).unwrap_err();
            assert!(
                error.contains("book.toml: ") || error.starts_with("x: "),
                "{error}"
            );
            assert!(error.contains(said), "{error}");
        }
        let none = Options::of(&"".parse().unwrap(), Path::new("nowhere")).unwrap_err();
        assert!(none.text.contains("no [preprocessor.lab]"), "{none}");
    }
}
