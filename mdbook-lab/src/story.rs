//! What became of a step so far: all runs of the reader's code that say something of the service, read at once.

use lab_record::{Guess, Reports, Run};

/// The code whose runs count: the reader's.
pub(crate) const MINE: &str = "mine";

/// The runs of a scenario that matter to its reader.
pub(crate) struct Story {
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
        Self::tell(&runs.filter(Run::is_comparable).collect::<Vec<_>>())
    }

    /// The same of runs, the newest first.
    fn tell(runs: &[Run]) -> Self {
        let answers: Vec<&Guess> = runs.iter().filter_map(Run::answer).collect();
        let with_guess = answers.iter().find(|guess| guess.guessed.is_some());
        let answer = with_guess.or(answers.first()).copied().cloned();
        Self { answer }
    }
}
