//! The manifest by which replicas of the api are replaced, step 6.

use anyhow::{Result, bail};
use lab_autoscale::manifest::{ManifestFile, Strategy};

use super::Order;
use crate::{
    platform::RollSpec,
    scenario::{Setting, Settings},
};

/// The edit point that is a manifest.
const DEPLOYMENT: &str = "deploy/k8s/api-roll.yaml";

/// A laptop is no cluster: a manifest that asks for more replicas than this is refused.
const MAX_REPLICAS: u32 = 10;

/// The manifest of step 6, read.
pub(super) struct Rolled {
    file: ManifestFile,
    spec: RollSpec,
}

/// Reads the manifest of the order's code; none where the scenario replaces nothing. Where the platform can't do it, this
/// says so.
pub(super) fn manifest(order: &Order<'_>) -> Result<Option<Rolled>> {
    let (scenario, platform) = (order.scenario, order.platform);
    let api = scenario.services.api.as_ref();
    let Some(rolled) = api.and_then(|api| api.rolled) else {
        return Ok(None);
    };
    if !platform.rolls() {
        bail!(
            "`{}` replaces the replicas of the api, which the platform {} can't do yet: run it with PLATFORM=local",
            scenario.name,
            platform.name()
        );
    }
    let file = ManifestFile::read(order.code.path(order.root, scenario, DEPLOYMENT))?;
    let rollout = file.rollout()?;
    if !(1..=MAX_REPLICAS).contains(&rollout.replicas) {
        bail!(
            "{}: spec.replicas is {}; on this platform there are 1 to {MAX_REPLICAS}",
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
    use std::{collections::BTreeMap, path::Path, time::Duration};

    use lab_record::Reports;
    use tokio_util::sync::CancellationToken;

    use super::*;
    use crate::{
        code::Code,
        platform::{Platform, StackSpec, Starting},
        scenario::step,
    };

    /// A platform of a name, which may be able to replace replicas.
    struct Named(&'static str, bool);

    impl Platform for Named {
        fn name(&self) -> &'static str {
            self.0
        }

        fn versions(&self) -> BTreeMap<String, String> {
            BTreeMap::new()
        }

        fn scaling(&self) -> String {
            String::new()
        }

        fn rolls(&self) -> bool {
            self.1
        }

        fn start<'a>(&'a self, _: &'a StackSpec) -> Starting<'a> {
            unreachable!("nothing is started here")
        }
    }

    fn read(scenario: &str, code: Code, platform: &Named) -> Result<Option<Rolled>> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        manifest(&Order {
            root,
            scenario: &step(scenario).unwrap(),
            code,
            platform,
            load_pods: 1,
            fail_fast: false,
            guess: None,
            reports: &Reports::at(root),
            interrupt: &CancellationToken::new(),
        })
    }

    #[test]
    fn each_code_has_the_manifest_that_it_says() {
        let local = Named("local", true);
        let spec = |code| read("shutdown", code, &local).unwrap().unwrap().spec();
        let reference = spec(Code::Solved);
        assert_eq!(reference.listed_for, Duration::from_secs(2));
        assert_eq!(reference.rollout, spec(Code::Starter).rollout);
        let other = spec(Code::Fix("prestop".to_owned()));
        assert_eq!(other.rollout.pre_stop, Duration::from_secs(3));
        let other = spec(Code::Cheat("recreate".to_owned()));
        assert_eq!(other.rollout.strategy, Strategy::Recreate);
        assert!(read("tx", Code::Solved, &local).unwrap().is_none());
    }

    #[test]
    fn a_platform_that_can_t_says_so_by_name() {
        let error = read("shutdown", Code::Solved, &Named("k3d", false)).err();
        let error = error.expect("it can't").to_string();
        assert_eq!(
            error,
            "`shutdown` replaces the replicas of the api, which the platform k3d can't do yet: run it with PLATFORM=local"
        );
    }
}
