//! `driver status`: where the participant is, at a glance. It runs nothing and builds nothing.

use std::{path::Path, time::SystemTime};

use anyhow::Result;
use clap::Args;
use console::{StyledObject, Term, measure_text_width, style};
use lab_record::{Account, EditPoint, Latest, Next, Outcome, Part, Reports, Standing, State};
use lab_report::words::number::counted;
use lab_say::say;
use serde::Serialize;

use super::{Ended, Place};
use crate::{guide, scenario::steps};

/// How to say it.
#[derive(Debug, Args)]
pub(super) struct Options {
    /// As JSON, for programs
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    place: Place,
}

/// A step with all that is told of it.
struct Told {
    number: usize,
    scenario: String,
    standing: Standing,
    account: Account,
}

pub(super) fn status(root: &Path, options: &Options) -> Result<Ended> {
    let reports = options.place.reports(root);
    let all = told(root, &reports)?;
    let standings: Vec<Standing> = all.iter().map(|step| step.standing.clone()).collect();
    let next = Next::of(&standings);
    if options.json {
        say!(
            "{}",
            serde_json::to_string_pretty(&Json::of(root, &all, &next))?
        );
        return Ok(Ended::Well);
    }
    // Who reads it from a file or a pipe wraps it himself.
    let width = Term::stdout().size_checked();
    let width = width.map_or(usize::MAX, |(_, columns)| usize::from(columns));
    for line in lines(root, &all, &next) {
        say!("{}", wrapped(&line, width));
    }
    Ok(Ended::Well)
}

fn told(root: &Path, reports: &Reports) -> Result<Vec<Told>> {
    let (now, steps) = (SystemTime::now(), steps()?);
    let standings = guide::standings(root, reports)?;
    let all = (1..).zip(steps.iter().zip(standings));
    let told = all.map(|(number, (step, standing))| Told {
        number,
        scenario: step.name.clone(),
        standing,
        account: Account::of(reports, &step.name, now),
    });
    Ok(told.collect())
}

/// What is said, a line each; what belongs below a line is indented.
fn lines(root: &Path, all: &[Told], next: &Next) -> Vec<String> {
    let mut lines = Vec::new();
    let later = all
        .iter()
        .position(|step| step.standing.part == Part::Afterwards);
    for (at, step) in all.iter().enumerate() {
        if later == Some(at) {
            lines.push("After the event:".to_owned());
        }
        lines.push(step.line());
        let edits = step.standing.edits.iter();
        lines.extend(edits.map(|edit| format!("    {}: {edit}", edit.file.display())));
    }
    let texts: usize = all.iter().map(|step| step.standing.saved()).sum();
    if texts > 0 {
        let texts = counted(texts, "text of yours is", "texts of yours are");
        lines.push(format!("{texts} saved: make restore lists them"));
    }
    for damaged in all.iter().flat_map(|step| &step.account.damaged) {
        let folder = within(root, &damaged.folder);
        lines.push(format!(
            "{} {}: {}",
            style("damaged").red(),
            folder.display(),
            damaged.why
        ));
    }
    lines.push(format!("Next: {next}"));
    lines.extend(next.late().map(|late| late.replace('`', "")));
    lines
}

/// A path as somebody in the project's folder has it.
fn within<'a>(root: &Path, path: &'a Path) -> &'a Path {
    path.strip_prefix(root).unwrap_or(path)
}

impl Told {
    /// `1  Timeouts  FAIL 41, best 100, 5 runs`
    fn line(&self) -> String {
        let Account {
            runs, latest, best, ..
        } = &self.account;
        let (number, title) = (self.number, &self.standing.title);
        let told = latest.as_ref().map(|latest| {
            let best = best.map_or_else(String::new, |best| format!(", best {best}"));
            format!(
                "{}{best}, {}",
                coloured(latest),
                counted(*runs, "run", "runs")
            )
        });
        let told = told.unwrap_or_else(|| State::New.to_string());
        format!("{number}  {title:<18}  {told}")
    }
}

fn coloured(latest: &Latest) -> StyledObject<String> {
    let words = style(latest.words());
    match latest.outcome {
        Outcome::Pass => words.green(),
        Outcome::Fail => words.red(),
        Outcome::Invalid | Outcome::Cancelled => words.yellow(),
    }
}

/// A line broken between words, where it is wider than that; what goes on stands further in than the line began.
fn wrapped(line: &str, width: usize) -> String {
    let begun = line.len() - line.trim_start().len();
    if measure_text_width(line) <= width {
        return line.to_owned();
    }
    let mut broken = " ".repeat(begun);
    let mut at = begun;
    let mut is_first = true;
    for word in line.split_whitespace() {
        let length = measure_text_width(word);
        if !is_first && at + 1 + length > width {
            at = begun + 2;
            broken += "\n";
            broken += &" ".repeat(at);
        } else if !is_first {
            at += 1;
            broken += " ";
        }
        is_first = false;
        at += length;
        broken += word;
    }
    broken
}

/// The same for programs.
#[derive(Serialize)]
struct Json<'a> {
    /// The version of this form.
    format: u32,
    steps: Vec<JsonStep<'a>>,
    next: String,
    /// The number of the step that is next; none where all are done.
    next_step: Option<usize>,
}

#[derive(Serialize)]
struct JsonStep<'a> {
    step: usize,
    scenario: &'a str,
    title: &'a str,
    part: Part,
    /// `pass`, `fail` or `new`.
    state: &'static str,
    runs: usize,
    latest: Option<&'a Latest>,
    best: Option<u8>,
    edits: &'a [EditPoint],
    damaged: Vec<JsonDamaged<'a>>,
}

#[derive(Serialize)]
struct JsonDamaged<'a> {
    folder: &'a Path,
    why: &'a str,
}

impl<'a> Json<'a> {
    fn of(root: &Path, all: &'a [Told], next: &Next) -> Self {
        let step = |told: &'a Told| JsonStep {
            step: told.number,
            scenario: &told.scenario,
            title: &told.standing.title,
            part: told.standing.part,
            state: told.standing.state.name(),
            runs: told.account.runs,
            latest: told.account.latest.as_ref(),
            best: told.account.best,
            edits: &told.standing.edits,
            damaged: (told.account.damaged.iter())
                .map(|damaged| JsonDamaged {
                    folder: within(root, &damaged.folder),
                    why: &damaged.why,
                })
                .collect(),
        };
        Self {
            format: 1,
            steps: all.iter().map(step).collect(),
            next: next.to_string(),
            next_step: next.number(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_narrow_terminal_breaks_lines_between_words() {
        let line = "    lab-services/src/cases/tx.rs: yours; 2 saved";
        assert_eq!(wrapped(line, 80), line);
        let narrow = wrapped(line, 34);
        assert_eq!(
            narrow,
            "    lab-services/src/cases/tx.rs:\n      yours; 2 saved"
        );
        // A word that fits nowhere has a line of its own.
        assert_eq!(wrapped("aaaa bbbbbbbb cc", 6), "aaaa\n  bbbbbbbb\n  cc");
    }

    #[test]
    fn a_colour_takes_no_room() {
        let line = format!(
            "1  Timeouts  {}",
            style("PASS 100").green().force_styling(true)
        );
        assert_eq!(wrapped(&line, 21), line);
    }
}
