//! The manifest by which replicas of the api are replaced, step 6.

use std::path::Path;

use anyhow::{Result, bail};
use lab_autoscale::manifest::{ManifestFile, Strategy};

use crate::{
    code::Code,
    platform::RollSpec,
    scenario::{Scenario, Setting, Settings},
};

/// The edit point that is a manifest.
const DEPLOYMENT: &str = "deploy/k8s/api-roll.yaml";

/// A laptop is no data centre: a manifest that asks for more replicas than this is refused.
const MAX_REPLICAS: u32 = 10;

/// The manifest of step 6, read.
pub(super) struct Rolled {
    file: ManifestFile,
    spec: RollSpec,
}

/// Reads the manifest of a code; none where the scenario replaces nothing.
pub(super) fn manifest(root: &Path, scenario: &Scenario, code: &Code) -> Result<Option<Rolled>> {
    let api = scenario.services.api.as_ref();
    let Some(rolled) = api.and_then(|api| api.rolled) else {
        return Ok(None);
    };
    let file = ManifestFile::read(code.path(root, scenario, DEPLOYMENT))?;
    let rollout = file.rollout()?;
    if !(1..=MAX_REPLICAS).contains(&rollout.replicas) {
        bail!(
            "{}: spec.replicas is {}; there may be 1 to {MAX_REPLICAS}",
            file.path.display(),
            rollout.replicas
        );
    }
    Ok(Some(Rolled {
        file,
        spec: RollSpec {
            rollout,
            listed_for: rolled.listed_for,
        },
    }))
}

impl Rolled {
    pub(super) fn spec(&self) -> RollSpec {
        self.spec.clone()
    }

    /// Replicas that there are to be.
    pub(super) fn replicas(&self) -> u32 {
        self.spec.rollout.replicas
    }

    /// Replicas that there are at most, those that leave among them.
    pub(super) fn most_replicas(&self) -> u32 {
        let surge = match self.spec.rollout.strategy {
            Strategy::Recreate => 0,
            Strategy::Rolling { max_surge, .. } => max_surge,
        };
        2 * self.replicas() + surge
    }

    /// The text of the edit point, where it is this one.
    pub(super) fn text(&self, edit: &str) -> Option<&str> {
        (edit == DEPLOYMENT).then_some(self.file.text.as_str())
    }

    /// What checks want to know of it.
    pub(super) fn settings(&self) -> Settings {
        let grace = self.spec.rollout.grace.as_secs_f64();
        Settings::from([(Setting::GracePeriod, grace)])
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::scenario::step;

    fn read(scenario: &str, code: &Code) -> Option<Rolled> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        manifest(root, &step(scenario).unwrap(), code).unwrap()
    }

    #[test]
    fn each_code_has_the_manifest_that_it_says() {
        let spec = |code| read("shutdown", &code).unwrap().spec();
        let reference = spec(Code::Solved);
        assert_eq!(reference.listed_for, Duration::from_secs(2));
        assert_eq!(reference.rollout, spec(Code::Starter).rollout);
        let other = spec(Code::Fix("prestop".to_owned()));
        assert_eq!(other.rollout.pre_stop, Duration::from_secs(3));
        let other = spec(Code::Cheat("recreate".to_owned()));
        assert_eq!(other.rollout.strategy, Strategy::Recreate);
        assert!(read("tx", &Code::Solved).is_none());
    }
}
