//! How the objects of runs go. The namespace and its Services stay: what asks for a name must never meet the
//! address of one that is gone, and the answers of name services are kept for half a minute.

use std::{process::Stdio, time::Duration};

use lab_say::note;
use tokio::time::{Instant, sleep};

use super::{Error, kubectl::Kubectl, objects};

/// For the objects of earlier runs to go.
pub(super) const GONE_WITHIN: Duration = Duration::from_mins(1);

/// For the objects of this run to be removed, its API server being away for a while perhaps.
const REMOVED_WITHIN: Duration = Duration::from_mins(1);

/// For one attempt at that.
const ATTEMPT_WITHIN: Duration = Duration::from_secs(20);

/// Between two attempts.
const AGAIN_AFTER: Duration = Duration::from_secs(2);

/// What a run makes and nobody needs afterwards.
const KINDS: &str = "jobs,horizontalpodautoscalers,deployments,statefulsets,secrets";

/// Removes what earlier runs have left, and waits for that. The namespace must be this run's.
pub(super) async fn of_earlier_runs(kubectl: &Kubectl) -> Result<(), Error> {
    let arguments = arguments(KINDS, &objects::of_any_run(), true);
    kubectl
        .run(&strs(&arguments), None, GONE_WITHIN + ATTEMPT_WITHIN)
        .await?;
    Ok(())
}

/// Removes what `run` has made, its Lease last. An API server that is away is asked again when it is back.
async fn of_this_run(kubectl: &Kubectl, run: &str) -> Result<(), Error> {
    let arguments = at_the_end(run);
    let deadline = Instant::now() + REMOVED_WITHIN;
    let mut told = false;
    loop {
        let removed = kubectl.run(&strs(&arguments), None, ATTEMPT_WITHIN).await;
        let Err(error) = removed else {
            return Ok(());
        };
        if !error.may_pass() || Instant::now() > deadline {
            return Err(Error::Left {
                command: kubectl.site.kubectl(&arguments.join(" ")),
                why: error,
            });
        }
        if !told {
            note!(
                "  The cluster does not answer. The run's objects are removed as soon as it does, within {} s.",
                REMOVED_WITHIN.as_secs()
            );
            told = true;
        }
        sleep(AGAIN_AFTER).await;
    }
}

fn at_the_end(run: &str) -> Vec<String> {
    arguments(&format!("{KINDS},leases"), &objects::of_run(run), false)
}

fn arguments(kinds: &str, selector: &str, wait: bool) -> Vec<String> {
    [
        "delete",
        kinds,
        &format!("--selector={selector}"),
        "--ignore-not-found",
        "--timeout=60s",
        &format!("--wait={wait}"),
    ]
    .map(str::to_owned)
    .into()
}

fn strs(arguments: &[String]) -> Vec<&str> {
    arguments.iter().map(String::as_str).collect()
}

/// The objects of a run that nobody has removed yet. Dropped, it has them removed in the background:
/// the run was given up while they were being made.
pub(super) struct Leftover(Option<(Kubectl, String)>);

impl Leftover {
    /// Of a run that has made nothing yet.
    pub(super) fn none() -> Self {
        Self(None)
    }

    /// From now on there may be objects of `run`.
    pub(super) fn expect(&mut self, kubectl: &Kubectl, run: &str) {
        self.0 = Some((kubectl.clone(), run.to_owned()));
    }

    /// Somebody else removes them from now on.
    pub(super) fn hand_over(&mut self) -> Self {
        Self(self.0.take())
    }

    /// Removes them, with patience.
    pub(super) async fn remove(&mut self) -> Result<(), Error> {
        let Some((kubectl, run)) = &self.0 else {
            return Ok(());
        };
        let removed = of_this_run(kubectl, run).await;
        // What could not be removed with patience can't be without, either.
        self.0 = None;
        removed
    }
}

impl Drop for Leftover {
    fn drop(&mut self) {
        let Some((kubectl, run)) = self.0.take() else {
            return;
        };
        let mut command = std::process::Command::new("kubectl");
        command
            .args(kubectl.arguments(&strs(&at_the_end(&run))))
            .stdin(Stdio::null());
        // What stays, the next run removes before it begins.
        let _ = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_takes_away_its_own_objects_and_no_service() {
        let own = at_the_end("20261125T183012Z-4f2a").join(" ");
        assert!(own.contains("instance=20261125T183012Z-4f2a"), "{own}");
        assert!(own.contains(",leases "), "{own}");
        let all = arguments(KINDS, &objects::of_any_run(), true).join(" ");
        // The namespace is claimed by then.
        assert!(!all.contains("leases"), "{all}");
        for command in [own, all] {
            assert!(!command.contains("services"), "{command}");
            assert!(!command.contains("namespaces"), "{command}");
        }
    }
}
