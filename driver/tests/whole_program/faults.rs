//! What breaks in the middle of a run: it ends INVALID with the reason, what was measured is kept,
//! and nothing is left running.

use std::{process::Child, sync::RwLockWriteGuard};

use crate::support::{
    alive, data, descendants, has_postgres, journal, last_tick, run_of, signal, start, text, turn,
    wait_for,
};

/// A run that is in the middle of its load, with the processes below it.
struct Running {
    driver: Child,
    reports: tempfile::TempDir,
    children: Vec<(u32, String)>,
    _turn: RwLockWriteGuard<'static, ()>,
}

fn in_the_middle_of(scenario: &str) -> Running {
    let turn = turn();
    let reports = tempfile::tempdir().unwrap();
    let mut driver = start(&mut run_of(scenario, reports.path()));
    wait_for("the load is under way", || {
        assert!(
            driver.try_wait().unwrap().is_none(),
            "the driver ended early"
        );
        let at = last_tick(&journal(reports.path(), scenario)?)?;
        (at >= 0.5).then_some(())
    });
    let children = descendants(driver.id());
    Running {
        driver,
        reports,
        children,
        _turn: turn,
    }
}

impl Running {
    fn child(&self, name: &str) -> u32 {
        let found = self
            .children
            .iter()
            .find(|(_, command)| command.contains(name));
        found
            .unwrap_or_else(|| panic!("no `{name}` in {:?}", self.children))
            .0
    }

    /// Waits for the end; nothing may be left. Gives exit code and text.
    fn end(self) -> (Option<i32>, String, tempfile::TempDir) {
        let output = self.driver.wait_with_output().unwrap();
        for (pid, command) in &self.children {
            wait_for(&format!("{command} ends"), || (!alive(*pid)).then_some(()));
        }
        (output.status.code(), text(&output), self.reports)
    }
}

#[test]
fn ctrl_c_keeps_what_was_measured_and_leaves_nothing() {
    let running = in_the_middle_of("long");
    signal("INT", running.driver.id());
    let (code, text, reports) = running.end();
    assert_eq!(code, Some(130), "{text}");
    assert!(
        text.contains("SCORE long --/100 CANCELLED  [mine on"),
        "{text}"
    );
    let data = data(reports.path(), "long");
    assert_eq!(data["complete"], false);
    assert_eq!(data["verdict"]["outcome"], "cancelled");
    assert_eq!(data["verdict"]["score"], serde_json::Value::Null);
    assert!(
        data["classes"][0]["total"]["counts"]["ok"]
            .as_u64()
            .unwrap()
            > 0
    );
}

#[test]
fn ctrl_c_before_the_load_leaves_nothing() {
    let _turn = turn();
    let reports = tempfile::tempdir().unwrap();
    let mut driver = start(&mut run_of("database", reports.path()));
    // The first child is the build or a service on its way up.
    let children = wait_for("a child", || {
        assert!(
            driver.try_wait().unwrap().is_none(),
            "the driver ended early"
        );
        Some(descendants(driver.id())).filter(|children| !children.is_empty())
    });
    signal("INT", driver.id());
    let output = driver.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130), "{}", text(&output));
    for (pid, command) in children {
        wait_for(&format!("{command} ends"), || (!alive(pid)).then_some(()));
    }
}

#[test]
fn a_service_that_crashes_makes_the_run_invalid_and_shows_its_last_words() {
    let running = in_the_middle_of("long");
    signal("KILL", running.child(" api "));
    let (code, text, reports) = running.end();
    assert_eq!(code, Some(3), "{text}");
    assert!(text.contains("api"), "{text}");
    let data = data(reports.path(), "long");
    assert_eq!(data["verdict"]["outcome"], "invalid");
    assert!(
        data["self_check"].to_string().contains("api"),
        "{}",
        data["self_check"]
    );
}

#[test]
fn a_postgres_that_dies_makes_the_run_invalid() {
    if !has_postgres() {
        return;
    }
    let running = in_the_middle_of("database");
    let postmaster = running.children.iter().find(|(_, command)| {
        command.contains("postgres")
            && command.contains("-D")
            && !command.contains("postgres-guard")
    });
    signal("KILL", postmaster.expect("a postmaster").0);
    let (code, text, reports) = running.end();
    assert_eq!(code, Some(3), "{text}");
    let data = data(reports.path(), "database");
    assert!(
        data["self_check"].to_string().contains("postgres"),
        "{}",
        data["self_check"]
    );
}

#[test]
fn a_killed_driver_takes_everything_with_it() {
    let running = in_the_middle_of(if has_postgres() { "database" } else { "long" });
    signal("KILL", running.driver.id());
    running.end();
}

#[test]
fn a_second_run_is_refused_by_name() {
    let running = in_the_middle_of("long");
    let reports = tempfile::tempdir().unwrap();
    let second = run_of("short", reports.path()).output().unwrap();
    assert_eq!(second.status.code(), Some(2), "{}", text(&second));
    assert!(text(&second).contains("long"), "{}", text(&second));
    signal("INT", running.driver.id());
    running.end();
}
