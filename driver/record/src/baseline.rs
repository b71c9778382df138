//! What a run is compared with when nobody says otherwise: where everybody began, and the run before.

use crate::{Run, Scenario, Validity};

/// The runs that `run` is compared with. All are older, of the same scenario text and platform, and say something of
/// the service over its whole length; a run that doesn't, as one that was cancelled or is INVALID, is compared with
/// none.
#[derive(Clone, Copy, Debug, Default)]
pub struct Others<'a> {
    /// Where everybody began: the newest run of the starter's text, a VALID one if there is any. What somebody tried
    /// since is never taken for it.
    pub began: Option<&'a Run>,
    /// The newest run of the same code, where it is another than that: the one that the last edit changed.
    pub previous: Option<&'a Run>,
    /// Where neither is there because the scenario was changed: the newest run of its text before.
    pub changed_since: Option<&'a Run>,
}

impl<'a> Others<'a> {
    /// Those among `runs`.
    pub fn among(runs: impl IntoIterator<Item = &'a Run>, run: &Run) -> Self {
        let (same, changed): (Vec<&Run>, Vec<&Run>) =
            candidates(runs, run).partition(|other| other.scenario.is_same(&run.scenario));
        let began = Self::start_of(same.iter().copied());
        let previous = same
            .iter()
            .copied()
            .filter(|other| other.code == run.code)
            .max_by_key(|other| &other.run_id);
        let is_began = |other: &Run| began.is_some_and(|began| began.run_id == other.run_id);
        Self {
            began,
            previous: previous.filter(|previous| !is_began(previous)),
            changed_since: changed
                .into_iter()
                .filter(|_| began.is_none() && previous.is_none())
                .max_by_key(|other| &other.run_id),
        }
    }

    /// Where everybody began, of runs that are alike: the newest of the starter's text, a VALID one if there is any.
    pub fn start_of(runs: impl IntoIterator<Item = &'a Run>) -> Option<&'a Run> {
        let starters = runs.into_iter().filter(|run| run.has_starter_text());
        starters.max_by_key(|run| {
            let is_valid = run.self_check.validity == Validity::Valid;
            (is_valid, &run.run_id)
        })
    }

    /// Those that there are, where one began first.
    pub fn iter(&self) -> impl Iterator<Item = &'a Run> + use<'a> {
        [self.began, self.previous].into_iter().flatten()
    }
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

impl Run {
    /// Where nobody has begun what somebody's own text is compared with: how to, with commands in backticks.
    pub fn way_to_a_start(&self) -> Option<String> {
        let step = self.scenario.step?;
        let wants_one = self.code == "mine" && self.is_comparable() && !self.has_starter_text();
        wants_one.then(|| {
            format!("no run of the starter counts yet: `make step{step} CODE=starter`, then `make step{step}` again")
        })
    }

    /// True where the text that the workshop begins with ran. Older data does not say which text it is, except by the
    /// code that was asked for.
    pub fn has_starter_text(&self) -> bool {
        self.starter || self.code == "starter"
    }
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
