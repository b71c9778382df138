//! What became of a step so far: all runs of the reader's code that say something of the service, read at once.

use lab_record::{Guess, Others, Outcome, Reports, Run};

/// The code whose runs count: the reader's.
pub(crate) const MINE: &str = "mine";

/// The runs of a scenario that matter to its reader.
#[derive(Default)]
pub(crate) struct Story {
    /// Where the reader began: the newest whole run of the starter's text, a VALID one if there is any.
    pub(crate) began: Option<Run>,
    /// Where the reader is: the newest whole run of another text that passed or, where none did, the newest.
    pub(crate) now: Option<Run>,
    /// The answer to the step's question: the newest with a guess or, where there is none, the newest.
    pub(crate) answer: Option<Guess>,
}

impl Story {
    /// Reads it. Runs that say nothing are left out, as those that were cancelled.
    pub(crate) fn of(reports: &Reports, scenario: &str) -> Self {
        let told = reports
            .briefs(scenario)
            .filter(|brief| brief.code == MINE && brief.outcome.judges());
        let runs = told.filter_map(|brief| reports.run(scenario, &brief.run_id).ok());
        Self::tell(runs.filter(Run::is_comparable).collect())
    }

    /// The same of runs, the newest first.
    fn tell(runs: Vec<Run>) -> Self {
        let answers: Vec<&Guess> = runs.iter().filter_map(Run::answer).collect();
        let with_guess = answers.iter().find(|guess| guess.guessed.is_some());
        let answer = with_guess.or(answers.first()).copied().cloned();
        let began = Others::start_of(&runs).map(|run| run.run_id.clone());
        let (starters, mut others): (Vec<Run>, Vec<Run>) =
            runs.into_iter().partition(Run::has_starter_text);
        let passed = |run: &Run| run.verdict.outcome == Outcome::Pass;
        let now = others.iter().position(passed).unwrap_or(0);
        Self {
            began: starters
                .into_iter()
                .find(|run| Some(&run.run_id) == began.as_ref()),
            now: (now < others.len()).then(|| others.swap_remove(now)),
            answer,
        }
    }
}
