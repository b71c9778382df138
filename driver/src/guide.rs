//! What the driver knows of the guide: where its steps stand, the one next thing to do, and where the built book's pages are.

use std::path::{Path, PathBuf};

use lab_record::{Next, Part, Reports, Standing};
use lab_report::{Home, StepPage};

use crate::scenario::{Scenario, ScenarioError, steps};

/// Where each of the steps stands, in their order.
pub fn standings(root: &Path, reports: &Reports) -> Result<Vec<Standing>, ScenarioError> {
    Ok(standings_of(&steps()?, root, reports))
}

/// The one next thing to do, by the runs in the folder of reports and what stands at the edit points.
pub fn next(root: &Path, reports: &Reports) -> Result<Next, ScenarioError> {
    Ok(Next::of(&standings(root, reports)?))
}

/// What the index of the reports leads to. Scenarios that can't be read are told of by whoever runs them.
pub(crate) fn home(root: &Path, reports: &Reports) -> Home {
    let steps = steps().unwrap_or_default();
    let next = Next::of(&standings_of(&steps, root, reports));
    let about = next.about().map_or_else(String::new, |about| about + ": ");
    let book = book(root);
    let step = |(number, step): (usize, &Scenario)| {
        let lesson = step.lesson.as_ref()?;
        let page = book.as_ref().map(|book| book.join(&lesson.chapter));
        let page = page.map(|page| page.with_extension("html"));
        Some(StepPage {
            scenario: step.name.clone(),
            name: match lesson.part {
                Part::Hour => format!("Step {number}: {}", lesson.title),
                Part::Afterwards => format!("Step {number}, after the event: {}", lesson.title),
            },
            page: page
                .filter(|page| page.is_file())
                .and_then(|page| link(root, reports, &page)),
        })
    };
    Home {
        next: (!steps.is_empty()).then(|| format!("{}{about}{}", next.lead(), next.what())),
        steps: (1..).zip(&steps).filter_map(step).collect(),
    }
}

fn standings_of(steps: &[Scenario], root: &Path, reports: &Reports) -> Vec<Standing> {
    let standing = |step: &Scenario| {
        let lesson = step.lesson.as_ref();
        let title = lesson.map_or(&step.title, |lesson| &lesson.title);
        Standing::of(root, reports, &step.name, (title, step.part()), &step.edit)
    };
    steps.iter().map(standing).collect()
}

/// The folder that `mdbook build` writes to, as `book.toml` says it.
fn book(root: &Path) -> Option<PathBuf> {
    let text = std::fs::read_to_string(root.join("book.toml")).ok()?;
    let config: toml::Table = text.parse().ok()?;
    let folder = config
        .get("build")
        .and_then(|build| build.get("build-dir")?.as_str());
    Some(root.join(folder.unwrap_or("book")))
}

/// A file of the project as a link in the reports has it; none where they are elsewhere.
fn link(root: &Path, reports: &Reports, file: &Path) -> Option<String> {
    let up = reports.root().strip_prefix(root).ok()?.components().count();
    let file = file.strip_prefix(root).ok()?.to_str()?;
    Some("../".repeat(up) + file)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use lab_record::{beside, file};

    use super::*;

    #[test]
    fn the_index_leads_to_the_pages_of_a_book_that_is_there() {
        let root = tempfile::tempdir().unwrap();
        let reports = Reports::at(root.path().join("reports"));
        let pages = || -> Vec<_> {
            let steps = home(root.path(), &reports).steps.into_iter();
            steps.filter_map(|step| step.page).collect()
        };
        assert!(pages().is_empty());
        let book = root.path().join("target/book");
        fs::create_dir_all(&book).unwrap();
        fs::write(
            root.path().join("book.toml"),
            "[build]\nbuild-dir = \"target/book\"\n",
        )
        .unwrap();
        fs::write(book.join("step1-timeouts.html"), "").unwrap();
        assert_eq!(pages(), ["../target/book/step1-timeouts.html"]);
        assert!(
            reports
                .root()
                .join(&pages()[0])
                .parent()
                .unwrap()
                .starts_with(root.path())
        );
    }

    #[test]
    fn without_a_run_the_first_step_is_next() {
        let root = tempfile::tempdir().unwrap();
        let reports = Reports::at(root.path().join("reports"));
        for file in steps().unwrap().iter().flat_map(|step| &step.edit) {
            for place in [
                Path::new(file).to_owned(),
                beside(Path::new(file), "starter"),
            ] {
                file::replace(&root.path().join(place), b"").unwrap();
            }
        }
        let said = next(root.path(), &reports).unwrap().to_string();
        assert_eq!(
            said,
            "Step 1, Timeouts: make step1 as it is, to see it fail."
        );
        let told = home(root.path(), &reports).next.unwrap();
        assert_eq!(told.replace('`', ""), said);
    }
}
