//! The scenarios of the workshop, compiled in, so that the driver needs no file to find them.

use super::{Scenario, ScenarioError};

/// Names of the built-in scenarios, in the order of the steps.
pub const NAMES: [&str; 4] = ["timeouts", "tx", "bulkheads", "autoscale"];

const TEXTS: [(&str, &str); 4] = [
    (
        "driver/scenarios/timeouts.toml",
        include_str!("../../scenarios/timeouts.toml"),
    ),
    (
        "driver/scenarios/tx.toml",
        include_str!("../../scenarios/tx.toml"),
    ),
    (
        "driver/scenarios/bulkheads.toml",
        include_str!("../../scenarios/bulkheads.toml"),
    ),
    (
        "driver/scenarios/autoscale.toml",
        include_str!("../../scenarios/autoscale.toml"),
    ),
];

/// The scenario of that name.
pub fn built_in(name: &str) -> Result<Scenario, ScenarioError> {
    let index = NAMES
        .iter()
        .position(|known| *known == name)
        .ok_or_else(|| ScenarioError::Unknown(name.to_owned()))?;
    let (file, text) = TEXTS[index];
    Scenario::parse(file, text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_is_a_step_and_bears_its_name() {
        for (index, name) in NAMES.into_iter().enumerate() {
            let scenario = built_in(name).unwrap_or_else(|error| panic!("{error}"));
            assert_eq!(scenario.name, name);
            assert_eq!(scenario.step, u8::try_from(index + 1).ok());
            assert!(!scenario.cheats.is_empty(), "{name} refuses no cheat");
            assert!(scenario.duration().as_secs() <= 30, "{name} takes too long");
        }
    }

    #[test]
    fn each_has_checks_of_all_three_kinds() {
        use lab_record::CheckKind::{Correctness, Effect, Mechanism};
        for name in NAMES {
            let scenario = built_in(name).unwrap();
            for kind in [Effect, Mechanism, Correctness] {
                assert!(
                    scenario.checks.iter().any(|check| check.kind == kind),
                    "{name} has no {kind:?} check"
                );
            }
        }
    }
}
