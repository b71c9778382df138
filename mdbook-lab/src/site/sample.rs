//! The runs that a site shows: of each step the newest of the starter, that of the reference, and their comparison.
//! They are written anew from their data, so nothing else of the machine's reports comes along.

use std::path::Path;

use lab_record::{Others, Part, Reports, Run};
use lab_report::{Home, StepPage, WriteError};
use maud::{Markup, html};

use crate::{options::Options, status::Ways, step::Step};

/// One for each step.
pub(super) struct Sample<'a>(Vec<OfStep<'a>>);

struct OfStep<'a> {
    number: usize,
    step: &'a Step,
    starter: Option<Run>,
    solved: Option<Run>,
}

impl<'a> Sample<'a> {
    /// Of the runs in `reports`.
    pub(super) fn of(reports: &Reports, options: &'a Options) -> Self {
        let newest = |scenario: &str, code: &str, is: &dyn Fn(&Run) -> bool| {
            reports
                .briefs(scenario)
                .filter(|brief| brief.code == code && brief.outcome.judges())
                .filter_map(|brief| reports.run(scenario, &brief.run_id).ok())
                .find(|run| run.is_comparable() && is(run))
        };
        let of = |(number, step): (usize, &'a Step)| {
            let scenario = &*step.scenario;
            let solved = newest(scenario, "solved", &|_| true);
            let pairs = |run: &Run| solved.as_ref().is_none_or(|solved| is_pair(run, solved));
            let is_before = |run: &Run| {
                let solved = solved.as_ref();
                solved.is_none_or(|solved| run.run_id < solved.run_id)
            };
            // One that the reference is compared with, if there is any: the index tells of those before it.
            let starter = newest(scenario, "starter", &|run| pairs(run) && is_before(run))
                .or_else(|| newest(scenario, "starter", &pairs))
                .or_else(|| newest(scenario, "starter", &|_| true));
            OfStep {
                number,
                step,
                starter,
                solved,
            }
        };
        Self((1..).zip(&options.steps).map(of).collect())
    }

    /// Writes the runs and their pages into `folder`, with an index whose links lead to the guide beside it.
    pub(super) fn write(&self, folder: &Path) -> Result<(), WriteError> {
        let reports = Reports::at(folder);
        for of in &self.0 {
            for run in of.runs() {
                lab_report::write_data(&reports, run)?;
            }
            if let Some((starter, solved)) = of.pair() {
                lab_report::write_comparison(&reports, starter, solved)?;
            }
            let began = of.pair().map(|(starter, _)| starter);
            let others = Others {
                began,
                ..Others::default()
            };
            if let Some(solved) = &of.solved {
                lab_report::write_run(&reports, solved, &others)?;
            }
            if let Some(starter) = &of.starter {
                lab_report::write_run(&reports, starter, &Others::default())?;
            }
        }
        lab_report::write_index(&reports, &self.home()).map(drop)
    }

    fn home(&self) -> Home {
        let demo = "`make demo` measures the same on your own machine";
        let missing = self.missing();
        let next = if missing.is_empty() {
            demo.to_owned()
        } else {
            format!("{demo}. This sample has no {}", missing.join(", and no "))
        };
        let page = |of: &OfStep<'_>| StepPage {
            scenario: of.step.scenario.clone(),
            name: format!("Step {}: {}", of.number, of.step.title),
            page: Some(format!("../{}", of.step.page())),
        };
        Home {
            next: Some(next),
            steps: self.0.iter().map(page).collect(),
        }
    }

    /// What is not there, to be read after "no".
    pub(super) fn missing(&self) -> Vec<String> {
        self.0.iter().filter_map(OfStep::missing).collect()
    }

    /// What goes into the place for a step's latest run.
    pub(super) fn status(&self, scenario: &str, ways: &Ways) -> Markup {
        let of = self.0.iter().find(|of| of.step.scenario == scenario);
        html! {
            @if let Some(of) = of { (of.status(ways.reports.as_deref().unwrap_or_default())) }
        }
    }
}

impl OfStep<'_> {
    fn runs(&self) -> impl Iterator<Item = &Run> {
        self.starter.iter().chain(&self.solved)
    }

    fn pair(&self) -> Option<(&Run, &Run)> {
        let pair = (self.starter.as_ref()?, self.solved.as_ref()?);
        is_pair(pair.0, pair.1).then_some(pair)
    }

    fn missing(&self) -> Option<String> {
        let number = self.number;
        match (&self.starter, &self.solved) {
            (None, None) => Some(format!("run of step {number}")),
            (None, _) => Some(format!("run of step {number} with the starter")),
            (_, None) => Some(format!("run of step {number} with the reference")),
            _ if self.pair().is_none() => Some(format!(
                "pair of runs of step {number} with the scenario as it is now"
            )),
            _ => None,
        }
    }

    fn status(&self, reports: &str) -> Markup {
        let named = [
            ("the starter", &self.starter),
            ("the reference", &self.solved),
        ];
        let runs: Vec<_> = named
            .into_iter()
            .filter_map(|(name, run)| Some((name, run.as_ref()?)))
            .collect();
        html! {
            @if let Some((_, run)) = runs.first() {
                p {
                    "A sample, measured on " (run.host.os) " with " (run.host.cores) " cores: "
                    @for (at, (name, run)) in runs.iter().enumerate() {
                        @if at > 0 { ", " }
                        (name) " "
                        strong class={ "lab-verdict lab-" (run.verdict.outcome.name()) } { (run.verdict_words()) }
                        @if let Some(score) = run.verdict.score { " " (score) " of 100" }
                    }
                    "."
                }
            }
            @if let Some(missing) = self.missing() {
                @let demo = if self.step.part == Part::Hour { "make demo" } else { "make demo ALL=1" };
                p { "No " (missing) " in this sample; " code { (demo) } " measures it." }
            }
            p {
                @for (name, run) in &runs {
                    a href={ (reports) (run.scenario.name) "/" (run.run_id) "/report.html" } { "Report of " (name) }
                    " · "
                }
                @if let Some((starter, solved)) = self.pair() {
                    a href={ (reports) "compare/" (starter.run_id) "--" (solved.run_id) ".html" } { "Compared" }
                    " · "
                }
                a href={ (reports) "index.html" } { "All of the sample" }
            }
        }
    }
}

/// Whether two runs are of the same experiment in the same place.
fn is_pair(starter: &Run, solved: &Run) -> bool {
    starter.scenario.is_same(&solved.scenario) && starter.platform == solved.platform
}
