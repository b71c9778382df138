//! Which of two runs was before and which is after: what a run is compared with when nobody says otherwise.

use crate::Run;

/// The run that `run` is compared with: of the older ones of the same scenario text and
/// platform that say something of the service the oldest with the starter's text, for that is where everybody began;
/// without such a run the oldest. A run that says nothing itself is compared with none.
pub fn baseline<'a>(runs: impl IntoIterator<Item = &'a Run>, run: &Run) -> Option<&'a Run> {
    let alike = |other: &&Run| {
        other.scenario.name == run.scenario.name
            && other.scenario.toml == run.scenario.toml
            && other.platform == run.platform
    };
    // Older data does not say which text it is, except by the code that was asked for.
    let edited = |other: &Run| !(other.starter || other.code == "starter");
    runs.into_iter()
        .filter(|_| run.verdict.outcome.judges())
        .filter(alike)
        .filter(|other| other.verdict.outcome.judges() && other.run_id < run.run_id)
        .min_by_key(|other| (edited(other), &other.run_id))
}
