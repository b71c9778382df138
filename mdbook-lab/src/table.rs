//! Tables of the steps in Markdown, which every renderer draws.

use std::path::Path;

use lab_record::Part;

use crate::step::Step;

/// A column: its heading, and what it says of a step.
type Column = (&'static str, fn(&Step) -> String);

/// What the steps are about.
pub(crate) const STEPS: &[Column] = &[
    ("scenario", |step| format!("`{}`", step.scenario)),
    ("what goes wrong", |step| step.wrong.clone()),
    ("what you learn to bound", |step| step.bound.clone()),
    ("you edit", |step| {
        codes(step.edit.iter().map(|file| file.display().to_string()))
    }),
];

/// The variants that their scenarios are tried with.
pub(crate) const VARIANTS: &[Column] = &[
    ("cheats", |step| codes(step.cheats.iter().cloned())),
    ("fixes", |step| codes(step.fixes.iter().cloned())),
];

/// All checks of all steps.
pub(crate) fn checks(steps: &[Step]) -> String {
    let headings = ["check", "kind", "limit", "full", "weight"];
    let mut table = row("step", &headings) + &row("---", &["---"; 5]);
    for (number, step) in (1..).zip(steps) {
        for (at, rule) in step.rules.iter().enumerate() {
            let first = if at == 0 {
                format!("{number}")
            } else {
                String::new()
            };
            let told = format!("`{}`: {}", rule.check, rule.title);
            let cells = [&told, &rule.kind, &rule.limit, &rule.full, &rule.weight];
            table.push_str(&row(&first, &cells.map(|cell| cell.replace('|', "\\|"))));
        }
    }
    table
}

fn codes(names: impl Iterator<Item = String>) -> String {
    let names: Vec<String> = names.map(|name| format!("`{name}`")).collect();
    names.join(", ")
}

/// The table, on the page at `here`; columns in which no step says anything are left out.
pub(crate) fn of(columns: &[Column], steps: &[Step], here: &Path) -> String {
    let is_told = |(_, cell): &&Column| steps.iter().any(|step| !cell(step).is_empty());
    let columns: Vec<_> = columns.iter().filter(is_told).collect();
    let headings: Vec<&str> = columns.iter().map(|(heading, _)| *heading).collect();
    let mut table = row("step", &headings);
    table.push_str(&row("---", &vec!["---"; columns.len()]));
    for (number, step) in (1..).zip(steps) {
        let cells: Vec<String> = columns
            .iter()
            .map(|(_, cell)| cell(step).replace('|', "\\|"))
            .collect();
        let later = match step.part {
            Part::Hour => "",
            Part::Afterwards => ", after the event",
        };
        let first = format!("[{number}]({}){later}", link(here, &step.chapter));
        table.push_str(&row(&first, &cells));
    }
    table
}

fn row(first: &str, cells: &[impl AsRef<str>]) -> String {
    let cells = cells.iter().map(|cell| format!(" {} |", cell.as_ref()));
    format!("| {first} |{}\n", cells.collect::<String>())
}

/// A chapter as a link from the page at `here` has it.
fn link(here: &Path, chapter: &Path) -> String {
    let up = here.parent().unwrap_or(Path::new("")).components().count();
    format!("<{}{}>", "../".repeat(up), chapter.display())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::step::Rule;

    fn step(scenario: &str, wrong: &str, part: Part) -> Step {
        Step {
            edit: vec!["a.rs".into(), "b.rs".into()],
            part,
            wrong: wrong.to_owned(),
            fixes: vec!["f".to_owned(), "g".to_owned()],
            ..Step::for_tests(scenario, &format!("{scenario}.md"))
        }
    }

    #[test]
    fn a_row_a_step_and_no_column_without_a_word() {
        let all = [
            step("x", "a | b", Part::Hour),
            step("y", "", Part::Afterwards),
        ];
        assert_eq!(
            of(STEPS, &all, Path::new("more/page.md")),
            "| step | scenario | what goes wrong | you edit |\n\
             | --- | --- | --- | --- |\n\
             | [1](<../x.md>) | `x` | a \\| b | `a.rs`, `b.rs` |\n\
             | [2](<../y.md>), after the event | `y` |  | `a.rs`, `b.rs` |\n"
        );
        assert_eq!(
            of(VARIANTS, &all[..1], Path::new("page.md")),
            "| step | fixes |\n| --- | --- |\n| [1](<x.md>) | `f`, `g` |\n"
        );
    }

    #[test]
    fn each_check_has_its_row_and_correctness_no_weight() {
        let rule = |check: &str, kind: &str, weight: &str| Rule {
            check: check.to_owned(),
            title: "a | b".to_owned(),
            kind: kind.to_owned(),
            limit: "≤ 1".to_owned(),
            full: String::new(),
            weight: weight.to_owned(),
        };
        let mut one = step("x", "", Part::Hour);
        one.rules = vec![rule("p95", "effect", "3"), rule("kept", "correctness", "")];
        assert_eq!(
            checks(&[one]),
            "| step | check | kind | limit | full | weight |\n\
             | --- | --- | --- | --- | --- | --- |\n\
             | 1 | `p95`: a \\| b | effect | ≤ 1 |  | 3 |\n\
             |  | `kept`: a \\| b | correctness | ≤ 1 |  |  |\n"
        );
    }
}
