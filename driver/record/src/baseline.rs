//! Which of two runs was before and which is after: what a run is compared with when nobody says otherwise.

use crate::{Run, Scenario};

/// The run that `run` is compared with: of the older ones of the same scenario text and
/// platform that say something of the service the oldest with the starter's text, for that is where everybody began;
/// without such a run the oldest. A run that says nothing itself, or ended early, is compared with none.
pub fn baseline<'a>(runs: impl IntoIterator<Item = &'a Run>, run: &Run) -> Option<&'a Run> {
    // Older data does not say which text it is, except by the code that was asked for.
    let edited = |other: &Run| !(other.starter || other.code == "starter");
    candidates(runs, run)
        .filter(|other| other.scenario.is_same(&run.scenario))
        .min_by_key(|other| (edited(other), &other.run_id))
}

/// The newest run that `run` might be compared with, had its scenario not been changed since; none where there is a
/// [`baseline`].
pub fn changed_since<'a>(runs: impl IntoIterator<Item = &'a Run>, run: &Run) -> Option<&'a Run> {
    let candidates: Vec<&Run> = candidates(runs, run).collect();
    if baseline(candidates.iter().copied(), run).is_some() {
        return None;
    }
    candidates.into_iter().max_by_key(|other| &other.run_id)
}

/// The older runs of a scenario of that name, on that platform, that say something of the service.
fn candidates<'a>(
    runs: impl IntoIterator<Item = &'a Run>,
    run: &Run,
) -> impl Iterator<Item = &'a Run> {
    let alike =
        |other: &Run| other.scenario.name == run.scenario.name && other.platform == run.platform;
    runs.into_iter()
        .filter(|_| run.is_comparable())
        .filter(move |other| alike(other) && other.is_comparable() && other.run_id < run.run_id)
}

impl Scenario {
    /// True where it is the same experiment: the same name and the same text, comments aside. Of data from before there
    /// were digests the whole text has to be the same: it may say no where nothing but a comment changed, and never yes
    /// where something else did.
    pub fn is_same(&self, other: &Self) -> bool {
        self.name == other.name
            && match (&self.digest, &other.digest) {
                (Some(one), Some(other)) => one == other,
                _ => self.toml == other.toml,
            }
    }
}
