//! The index of all runs: by scenario in the order of the steps, the newest first.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

use lab_record::{Check, CheckKind, Entry, Others, Outcome, Reports, Run, Validity};
use maud::{Markup, html};

use super::{
    Home, WITH_BEGAN,
    chart::sparkline,
    comparisons, guess, headline, home, is_folder_name,
    number::{NONE, counted, moment},
    page::page as skeleton,
};

/// Runs of a scenario that are shown without unfolding the older ones.
const RECENT: usize = 15;

/// Failing checks that are named in a row; the report has all of them.
const NAMED: usize = 2;

/// A choice that hides the rows it excludes.
struct Filter {
    id: &'static str,
    name: &'static str,
    /// What of a run it is about.
    value: fn(&Run) -> &str,
    /// Each is a class in the style sheet and its name for people.
    choices: &'static [(&'static str, &'static str)],
}

const VERDICT: Filter = Filter {
    id: "verdict",
    name: "Verdict",
    value: |run| run.verdict.outcome.name(),
    choices: &[
        ("pass", "pass"),
        ("fail", "fail"),
        ("invalid", "invalid"),
        ("cancelled", "cancelled"),
    ],
};
const CODE: Filter = Filter {
    id: "code",
    name: "Code",
    value: |run| &run.code,
    choices: &[
        ("mine", "mine"),
        ("starter", "starter"),
        ("solved", "solved"),
        ("cheat", "cheats"),
        ("fix", "other fixes"),
    ],
};
const PLATFORM: Filter = Filter {
    id: "platform",
    name: "Platform",
    value: |run| &run.platform,
    choices: &[
        ("local", "local"),
        ("k3d", "k3d"),
        ("kubernetes", "kubernetes"),
        ("target", "target"),
    ],
};

impl Filter {
    /// The class by which the style sheet knows a row; what the filter doesn't offer shares one.
    fn class(&self, run: &Run) -> String {
        let value = (self.value)(run);
        let value = value.split(':').next().unwrap_or_default();
        let offered = self.choices.iter().any(|(class, _)| *class == value);
        format!("v-{}", if offered { value } else { "other" })
    }

    /// The choices that change what is seen: those that some rows have, where others have another.
    fn useful(&self, runs: &[Run]) -> Vec<(&'static str, &'static str)> {
        let there: BTreeSet<String> = runs.iter().map(|run| self.class(run)).collect();
        let choices = self.choices.iter().copied();
        choices
            .filter(|(class, _)| there.len() > 1 && there.contains(&format!("v-{class}")))
            .collect()
    }
}

/// The index as a page.
pub(crate) fn page(reports: &Reports, home: &Home) -> Markup {
    let (runs, unreadable) = sort(reports);
    let scenarios = by_scenario(&runs);
    let body = html! {
        header {
            h1 { "Runs" }
            @if runs.is_empty() { p.held { "No run yet." } }
            (newest(reports.root(), &runs))
            (home::guide(home))
            p.quiet {
                (counted(runs.len(), "run", "runs")) " of " (counted(scenarios.len(), "scenario", "scenarios"))
            }
            @if !runs.is_empty() { (filters(&runs, &scenarios)) }
        }
        @for runs in &scenarios { (scenario(reports.root(), runs)) }
        (unreadable_list(reports.root(), &unreadable))
    };
    skeleton("Runs", None, &body)
}

/// The newest run of all, with the ways to what there is of it.
fn newest(root: &Path, runs: &[Run]) -> Markup {
    let Some(run) = runs.iter().max_by_key(|run| &run.run_id) else {
        return html! {};
    };
    let of_scenario: Vec<&Run> = runs
        .iter()
        .filter(|other| other.scenario.name == run.scenario.name)
        .collect();
    html! {
        div.newest {
            p.where {
                "The newest: "
                @if let Some(step) = run.scenario.step { "step " (step) " · " }
                (run.scenario.name) " · " (run.code) " · "
                time datetime=(run.started_at) { (moment(run.started_at)) }
            }
            p.held {
                span.badge.(run.verdict.outcome.name()) {
                    (run.verdict_words())
                    @if let Some(score) = run.verdict.score { " " (score) "/100" }
                }
                " " (headline::held(run))
            }
            p.links { (links(root, run, &of_scenario)) }
        }
    }
}

/// Runs whose folder is where they say, and all else with what is wrong about it.
fn sort(reports: &Reports) -> (Vec<Run>, Vec<(PathBuf, String)>) {
    let (mut runs, mut unreadable) = (Vec::new(), Vec::new());
    let mut seen = BTreeSet::new();
    for entry in reports.entries() {
        match entry {
            Entry::Unreadable { folder, error } => unreadable.push((folder, error.to_string())),
            Entry::Run(run) => {
                let name = &run.scenario.name;
                let folder = reports.run_folder(name, &run.run_id);
                if !is_folder_name(name) || !folder.join("data.json").is_file() {
                    let text = format!(
                        "the data of run {} of scenario `{name}` lies in a folder of another name",
                        run.run_id
                    );
                    unreadable.push((reports.root().to_owned(), text));
                } else if seen.insert((name.clone(), run.run_id.clone())) {
                    runs.push(*run);
                }
            }
        }
    }
    (runs, unreadable)
}

/// Steps first, in order, then scenarios of one's own by name; runs of each from old to new.
fn by_scenario(runs: &[Run]) -> Vec<Vec<&Run>> {
    let mut groups: BTreeMap<&str, Vec<&Run>> = BTreeMap::new();
    for run in runs {
        groups.entry(&run.scenario.name).or_default().push(run);
    }
    let mut groups: Vec<Vec<&Run>> = groups.into_values().collect();
    for group in &mut groups {
        group.sort_by_key(|run| &run.run_id);
    }
    groups.sort_by_key(|group| {
        group
            .last()
            .and_then(|run| run.scenario.step)
            .unwrap_or(u8::MAX)
    });
    groups
}

/// Radio buttons; the style sheet hides the rows that the chosen ones exclude.
fn filters(runs: &[Run], scenarios: &[Vec<&Run>]) -> Markup {
    let filters = [VERDICT, CODE, PLATFORM].map(|filter| {
        let choices = filter.useful(runs);
        (filter, choices)
    });
    html! {
        @if filters.iter().any(|(_, choices)| !choices.is_empty()) {
            form.filters {
                @for (filter, choices) in filters.iter().filter(|(_, choices)| !choices.is_empty()) {
                    fieldset {
                        legend { (filter.name) }
                        label { input type="radio" name=(filter.id) checked; "all" }
                        @for (class, choice) in choices {
                            label { input.{ "f-" (class) } type="radio" name=(filter.id); (choice) }
                        }
                    }
                }
            }
        }
        @if scenarios.len() > 1 {
            nav.jump aria-label="Scenarios" {
                @for run in scenarios.iter().filter_map(|runs| runs.last()) {
                    a href={ "#" (run.scenario.name) } { (run.scenario.name) }
                }
            }
        }
    }
}

fn scenario(root: &Path, runs: &[&Run]) -> Markup {
    let Some(newest) = runs.last() else {
        return html! {};
    };
    // A trend is one of the same experiment.
    let alike = |run: &&&Run| run.scenario.is_same(&newest.scenario);
    let scores: Vec<_> = runs
        .iter()
        .filter(alike)
        .map(|run| {
            let passed = run.verdict.outcome == Outcome::Pass;
            run.verdict.score.map(|score| (score, passed))
        })
        .collect();
    // One that ended early has only the checks that were decided.
    let whole = runs.iter().rev().find(|run| run.ended_early.is_none());
    let columns = Columns {
        code: differ(runs, |run| (&run.code, run.is_unedited())),
        platform: differ(runs, |run| &run.platform),
        figures: headline_checks(whole.unwrap_or(newest)),
    };
    let newest_first: Vec<&Run> = runs.iter().rev().copied().collect();
    let (recent, older) = newest_first.split_at(newest_first.len().min(RECENT));
    html! {
        section.scenario id=(newest.scenario.name) {
            div.title {
                h2 {
                    @if let Some(step) = newest.scenario.step { "Step " (step) ": " }
                    (newest.scenario.name)
                    " " small { (newest.scenario.title) }
                }
                (sparkline(&scores))
            }
            (guess::spread(runs))
            (table(root, None, recent, runs, &columns))
            @if !older.is_empty() {
                details.older {
                    summary { (counted(older.len(), "older run", "older runs")) }
                    (table(root, recent.last().copied(), older, runs, &columns))
                }
            }
        }
    }
}

/// The checks that stand for the scenario: the weightiest of each kind, by id and title.
fn headline_checks(run: &Run) -> Vec<(String, String)> {
    [
        CheckKind::Effect,
        CheckKind::Mechanism,
        CheckKind::Correctness,
    ]
    .into_iter()
    .filter_map(|kind| {
        // Of equal weights the first.
        let of_kind = run.checks.iter().rev().filter(|check| check.kind == kind);
        of_kind.max_by(|a, b| a.weight.get().total_cmp(&b.weight.get()))
    })
    .map(|check| (check.id.clone(), check.title.clone()))
    .collect()
}

/// Which columns a scenario's tables have: of what all runs have in common there is nothing to read.
struct Columns {
    code: bool,
    platform: bool,
    figures: Vec<(String, String)>,
}

impl Columns {
    fn count(&self) -> usize {
        4 + usize::from(self.code) + usize::from(self.platform) + self.figures.len()
    }
}

/// Whether runs differ in something.
fn differ<'a, T: PartialEq>(runs: &[&'a Run], of: impl Fn(&'a Run) -> T) -> bool {
    runs.windows(2).any(|pair| of(pair[0]) != of(pair[1]))
}

/// `newer` is the run above the first row.
fn table(
    root: &Path,
    newer: Option<&Run>,
    rows: &[&Run],
    all: &[&Run],
    columns: &Columns,
) -> Markup {
    let newer = std::iter::once(newer).chain(rows.iter().copied().map(Some));
    html! {
        div.scroll {
            table.runs {
                thead {
                    tr {
                        th scope="col" { "Started" }
                        @if columns.code { th scope="col" { "Code" } }
                        @if columns.platform { th.platform scope="col" { "Platform" } }
                        th scope="col" { "Verdict" }
                        th.n scope="col" { "Score" }
                        @for (_, title) in &columns.figures { th.n.figure scope="col" { (title) } }
                        th scope="col" { "Open" }
                    }
                }
                tbody {
                    @for (newer, run) in newer.zip(rows) {
                        @if newer.is_some_and(|newer| !newer.scenario.is_same(&run.scenario)) {
                            (scenario_changed(run, columns))
                        }
                        (row(root, run, all, columns))
                    }
                }
            }
        }
    }
}

/// Stands above the last run of another text.
fn scenario_changed(run: &Run, columns: &Columns) -> Markup {
    html! {
        tr.changed {
            td colspan=(columns.count()) {
                // Of its own, so that it stays in sight on a phone, where the table is wider than the page.
                span {
                    "The scenario changed since " time datetime=(run.started_at) { (moment(run.started_at)) }
                    ": no run is compared across this line."
                }
            }
        }
    }
}

fn row(root: &Path, run: &Run, all: &[&Run], columns: &Columns) -> Markup {
    html! {
        tr.(VERDICT.class(run)).(CODE.class(run)).(PLATFORM.class(run)) {
            // On a phone the column of links is beyond the edge.
            td { a href=[report(root, run)] { time datetime=(run.started_at) { (clock(run)) } } }
            @if columns.code { td { (run.code) @if run.is_unedited() { " " small.also { "the starter’s text" } } } }
            @if columns.platform { td.platform { (run.platform) } }
            td.outcome { (verdict(run, &columns.figures)) }
            td.n { b { @if let Some(score) = run.verdict.score { (score) } @else { (NONE) } } }
            @for (id, _) in &columns.figures {
                td.n {
                    @if let Some(check) = run.checks.iter().find(|check| check.id == *id) {
                        (check.seen)
                        @if run.verdict.outcome.judges() {
                            span.sign.(if check.passed { "pass" } else { "fail" }) {
                                (if check.passed { " ✓" } else { " ✗" })
                            }
                        }
                    } @else { (NONE) }
                }
            }
            td.links { (links(root, run, all)) }
        }
    }
}

/// When a run started, without the zone: it is that of all.
fn clock(run: &Run) -> String {
    let moment = moment(run.started_at);
    moment
        .split_once(" UTC")
        .map_or(moment.clone(), |(clock, _)| clock.to_owned())
}

/// The verdict, and what it is for where no column shows it.
fn verdict(run: &Run, figures: &[(String, String)]) -> Markup {
    let shown = |check: &&Check| figures.iter().any(|(id, _)| check.id == *id);
    let failing: Vec<&Check> = run
        .checks
        .iter()
        .filter(|check| run.verdict.outcome == Outcome::Fail && !check.passed && !shown(check))
        .collect();
    html! {
        span.badge.(run.verdict.outcome.name()) { (run.verdict.outcome.word()) }
        @if run.is_doubted() { " " small { (Validity::Suspect.word()) } }
        @if run.ended_early.is_some() { " " small { "ended early" } }
        @else if !run.complete && run.verdict.outcome != Outcome::Cancelled { " " small { "cut short" } }
        @for check in failing.iter().take(NAMED) {
            small.also { span.sign.fail { "✗ " } (check.title) ": " (check.seen.replace(' ', "\u{a0}")) }
        }
        @if failing.len() > NAMED { small.also { "and " (failing.len() - NAMED) " more" } }
    }
}

/// Links to what is there: a page that was never written gets none.
fn links(root: &Path, run: &Run, all: &[&Run]) -> Markup {
    let others = Others::among(all.iter().copied(), run);
    let comparisons = comparisons(run, &others).filter(|(_, file)| root.join(file).is_file());
    html! {
        @if let Some(report) = report(root, run) { a href=(report) { "report" } " " }
        @for (with, file) in comparisons {
            a href=(file) title={ "compared " (with) } { (if with == WITH_BEGAN { "compare" } else { "previous" }) } " "
        }
        a href={ (folder(run)) "/data.json" } { "data" }
    }
}

fn report(root: &Path, run: &Run) -> Option<String> {
    let report = format!("{}/report.html", folder(run));
    root.join(&report).is_file().then_some(report)
}

fn folder(run: &Run) -> String {
    format!("{}/{}", run.scenario.name, run.run_id)
}

fn unreadable_list(root: &Path, unreadable: &[(PathBuf, String)]) -> Markup {
    html! {
        @if !unreadable.is_empty() {
            section #unreadable {
                h2 { "Can't be read" }
                p.note { "These folders are left as they are." }
                ul {
                    @for (folder, reason) in unreadable {
                        @let shown = folder.strip_prefix(root).unwrap_or(folder);
                        li { code { (shown.display()) } " " (relative(root, reason)) }
                    }
                }
            }
        }
    }
}

/// A message without the place of the reports on this machine: the page may be handed on.
fn relative(root: &Path, reason: &str) -> String {
    reason.replace(&format!("{}/", root.display()), "")
}
