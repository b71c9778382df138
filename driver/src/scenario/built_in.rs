//! The scenarios of the workshop, compiled in, so that the driver needs no file to find them. Each file in
//! `driver/scenarios/` that has a `[lesson]` is one of its steps.

use super::{Scenario, ScenarioError};

/// The files in `driver/scenarios/`, each with its text.
const FILES: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/scenarios.rs"));

/// The scenarios of the steps, in their order.
pub fn steps() -> Result<Vec<Scenario>, ScenarioError> {
    let all = FILES.iter().map(|(file, text)| Scenario::parse(file, text));
    let mut steps = all.collect::<Result<Vec<_>, _>>()?;
    steps.retain(|scenario| scenario.lesson.is_some());
    steps.sort_by_key(|scenario| scenario.step);
    Ok(steps)
}

/// The scenario of a step, by its name or its number.
pub fn step(wanted: &str) -> Result<Scenario, ScenarioError> {
    let number = wanted.parse().ok();
    let steps = steps()?;
    let is_it = |scenario: &&Scenario| {
        scenario.name == wanted || (number.is_some() && scenario.step == number)
    };
    steps.iter().find(is_it).cloned().ok_or_else(|| {
        let name = |scenario: &Scenario| match scenario.step {
            Some(step) if number.is_some() => format!("{step} ({})", scenario.name),
            _ => scenario.name.clone(),
        };
        let known: Vec<String> = steps.iter().map(name).collect();
        ScenarioError::Unknown {
            wanted: match number {
                Some(number) => format!("step {number}"),
                None => format!("scenario `{wanted}`"),
            },
            known: known.join(", "),
            advice: match number {
                Some(_) => "",
                None => ". For a file of your own: driver run --scenario-file FILE",
            },
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_numbered_from_one_and_each_bears_the_name_of_its_file() {
        for (index, scenario) in steps().unwrap().iter().enumerate() {
            let name = &scenario.name;
            let file = format!("driver/scenarios/{name}.toml");
            assert!(FILES.iter().any(|(path, _)| *path == file), "{file}");
            assert_eq!(scenario.step, u8::try_from(index + 1).ok());
            assert!(!scenario.cheats.is_empty(), "{name} refuses no cheat");
            assert!(!scenario.edit.is_empty(), "{name} has no edit point");
            assert!(scenario.duration().as_secs() <= 30, "{name} takes too long");
        }
    }

    #[test]
    fn every_file_of_the_folder_is_here() {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios");
        assert_eq!(std::fs::read_dir(folder).unwrap().count(), FILES.len());
        assert!(steps().unwrap().len() >= 4);
    }

    #[test]
    fn each_has_checks_of_all_three_kinds() {
        use lab_record::CheckKind::{Correctness, Effect, Mechanism};
        for scenario in steps().unwrap() {
            for kind in [Effect, Mechanism, Correctness] {
                assert!(
                    scenario.checks.iter().any(|check| check.kind == kind),
                    "{} has no {kind:?} check",
                    scenario.name
                );
            }
        }
    }

    #[test]
    fn a_step_is_found_by_name_and_number_and_another_names_those_there_are() {
        assert_eq!(step("2").unwrap().name, "tx");
        assert_eq!(step("tx").unwrap().step, Some(2));
        let error = |wanted| step(wanted).unwrap_err().to_string();
        assert!(
            error("9").starts_with("unknown step 9; there are 1 (timeouts), 2 (tx), "),
            "{}",
            error("9")
        );
        assert!(
            error("chaos").starts_with("unknown scenario `chaos`; there are timeouts, tx, "),
            "{}",
            error("chaos")
        );
        assert!(step("own-service").is_err());
    }
}
