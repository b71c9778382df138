//! The driver, the services or both stand still for a while: that is nobody's FAIL, and no excuse for one.

use std::{process::Child, thread, time::Duration};

use serde_json::Value;

use crate::support::{
    data, descendants, driver, journal, last_tick, signal, start, text, turn, wait_for,
};

/// Step 1 with this code, `whom` of its processes stopped for so long from `at` on; its exit code and data.
fn stopped(
    code: &str,
    at: f64,
    whom: impl Fn(&Child) -> Vec<u32>,
    length: Duration,
) -> (Option<i32>, Value, String) {
    let _turn = turn();
    let reports = tempfile::tempdir().unwrap();
    let mut command = driver(&["run", "timeouts", "--code", code, "--reports"]);
    let mut driver = start(command.arg(reports.path()));
    wait_for("the load is under way", || {
        assert!(
            driver.try_wait().unwrap().is_none(),
            "the driver ended early"
        );
        let journal = journal(reports.path(), "timeouts")?;
        last_tick(&journal).filter(|tick| *tick >= at)
    });
    let processes = whom(&driver);
    for process in &processes {
        signal("STOP", *process);
    }
    // The pause itself.
    thread::sleep(length);
    for process in &processes {
        signal("CONT", *process);
    }
    let output = driver.wait_with_output().unwrap();
    let data = data(reports.path(), "timeouts");
    (output.status.code(), data, text(&output))
}

fn itself(driver: &Child) -> Vec<u32> {
    vec![driver.id()]
}

fn its_services(driver: &Child) -> Vec<u32> {
    let children = descendants(driver.id()).into_iter();
    let services = children.filter(|(_, command)| command.contains(" --exit-with-parent"));
    let services: Vec<u32> = services.map(|(pid, _)| pid).collect();
    assert!(!services.is_empty());
    services
}

/// The driver last, so that it sees no service go.
fn all(driver: &Child) -> Vec<u32> {
    [its_services(driver), itself(driver)].concat()
}

fn finding<'a>(data: &'a Value, name: &str) -> &'a Value {
    let findings = data["self_check"]["findings"].as_array().unwrap();
    findings
        .iter()
        .find(|finding| finding["name"] == name)
        .unwrap()
}

/// In these the reference passes without the pause; where the machine is busy enough to spoil that, too, they would be
/// INVALID or FAIL for reasons of their own, which the text would not say.
#[test]
fn a_driver_that_stood_still_for_a_second_has_no_verdict() {
    let (code, data, said) = stopped("solved", 8.0, itself, Duration::from_secs(1));
    assert_eq!(code, Some(3), "{said}");
    assert_eq!(data["verdict"]["outcome"], "invalid");
    let finding = finding(&data, "pauses and verdict");
    assert_eq!(finding["validity"], "invalid", "{finding}");
    let text = finding["text"].as_str().unwrap();
    assert!(
        text.contains("decides: without") && text.contains("Bystanders get a good answer"),
        "{text}"
    );
    assert!(said.contains(text), "{said}");
}

#[test]
fn services_that_stood_still_for_a_second_have_no_verdict() {
    let (code, data, said) = stopped("solved", 8.0, its_services, Duration::from_secs(1));
    assert_eq!(code, Some(3), "{said}");
    let finding = finding(&data, "pauses and verdict");
    assert_eq!(finding["validity"], "invalid", "{finding}");
    let text = finding["text"].as_str().unwrap();
    let services = ["A pause of api of ", "A pause of dep of "];
    assert!(
        services.iter().any(|start| text.starts_with(start)),
        "{text}"
    );
    let bands = data["pauses"].as_array().unwrap();
    assert!(
        bands.iter().any(|pause| pause["service"] == "dep"),
        "{bands:?}"
    );
}

#[test]
fn a_machine_that_stood_still_near_the_end_has_no_verdict() {
    let (code, data, said) = stopped("solved", 16.0, all, Duration::from_secs(2));
    assert_eq!(code, Some(3), "{said}");
    assert_eq!(data["verdict"]["outcome"], "invalid");
}

#[test]
fn a_starter_fails_whatever_stood_still() {
    let (code, data, said) = stopped("starter", 8.0, itself, Duration::from_secs(2));
    assert_eq!(code, Some(0), "{said}");
    assert_eq!(data["verdict"]["outcome"], "fail", "{said}");
    assert_eq!(data["self_check"]["validity"], "suspect", "{said}");
    assert!(said.contains("/100 FAIL SUSPECT "), "{said}");
    let text = finding(&data, "pauses and verdict")["text"].to_string();
    assert!(text.contains("fails all the same"), "{text}");
}
