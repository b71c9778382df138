//! Texts saved while a run is on its way: the report shows what ran.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use crate::support::{
    built, data, driver, journal, project, scenario, start, text, turn, wait_for,
};

const CASE: &str = "lab-services/src/cases/timeouts.rs";
const DEPLOYMENT: &str = "deploy/k8s/api-deploy.yaml";
const HPA: &str = "deploy/k8s/api-hpa.yaml";

/// A project of its own, and a `cargo` that has built its services already: these, as they are here.
struct Saved {
    project: tempfile::TempDir,
    reports: tempfile::TempDir,
}

impl Saved {
    /// With a scenario of two seconds that has these edit points; its api has a line of its own in the file.
    fn new(edit: &[&str], api: &str) -> Self {
        built();
        let this = Self {
            project: project(),
            reports: tempfile::tempdir().unwrap(),
        };
        let short = fs::read_to_string(scenario("short")).unwrap();
        let short = short
            .replace("headline =", &format!("edit = {edit:?}\nheadline ="))
            .replace(
                "admission_slots = 16",
                &format!("admission_slots = 16\n{api}"),
            );
        fs::write(this.path("short.toml"), short).unwrap();
        this
    }

    fn path(&self, file: &str) -> PathBuf {
        self.project.path().join(file)
    }

    fn read(&self, file: &str) -> String {
        fs::read_to_string(self.path(file)).unwrap()
    }

    /// A run; the shell commands are what somebody does while cargo builds.
    fn run(&self, meanwhile: &str) -> Command {
        let lab = Path::new(env!("CARGO_BIN_EXE_driver")).with_file_name("lab");
        let built = format!(
            r#"{{"reason":"compiler-artifact","target":{{"kind":["bin"],"name":"lab"}},"executable":"{}"}}"#,
            lab.display()
        );
        fs::write(self.path("built.json"), built).unwrap();
        let cargo = format!("#!/bin/sh\n{meanwhile}\ncat built.json\n");
        fs::write(self.path("script"), cargo).unwrap();
        // By another process: what a test beside this one forks would hold it open, and such a file can't be run.
        let made = Command::new("sh")
            .args(["-c", "cp script cargo && chmod +x cargo"])
            .current_dir(self.project.path())
            .status();
        assert!(made.unwrap().success());
        let mut command = driver(&["run", "--scenario-file"]);
        command
            .arg(self.path("short.toml"))
            .arg("--reports")
            .arg(self.reports.path())
            .current_dir(self.project.path())
            .env("CARGO", self.path("cargo"));
        command
    }

    /// The same, with files saved in the middle of the load.
    fn run_and_save(&self, files: &[(&str, &str)]) -> Output {
        let mut driver = start(&mut self.run(""));
        wait_for("the load is under way", || {
            assert!(
                driver.try_wait().unwrap().is_none(),
                "the driver ended early"
            );
            journal(self.reports.path(), "short").filter(|text| text.contains("\"tick\""))
        });
        for (file, text) in files {
            fs::write(self.path(file), text).unwrap();
        }
        driver.wait_with_output().unwrap()
    }

    /// What the report says that ran.
    fn recorded(&self, output: &Output) -> Vec<String> {
        assert_eq!(output.status.code(), Some(0), "{}", text(output));
        let data = data(self.reports.path(), "short");
        let files = data["sources"].as_array().unwrap();
        let texts = files
            .iter()
            .map(|file| file["text"].as_str().unwrap().to_owned());
        let report = fs::read_dir(self.reports.path().join("short")).unwrap();
        let report = report.flatten().next().unwrap().path().join("report.html");
        assert!(!fs::read_to_string(report).unwrap().contains("saved later"));
        texts.collect()
    }
}

#[test]
fn a_case_saved_during_the_run_is_not_what_ran() {
    let _turn = turn();
    let saved = Saved::new(&[CASE], "");
    let before = saved.read(CASE);
    let output = saved.run_and_save(&[(CASE, "// saved later\n")]);
    assert_eq!(saved.recorded(&output), [before]);
}

#[test]
fn a_case_saved_during_the_build_is_shown_as_it_was_compiled_and_named() {
    let _turn = turn();
    let saved = Saved::new(&[CASE], "");
    let before = saved.read(CASE);
    let output = saved
        .run(&format!("echo '// saved later' >{CASE}"))
        .output()
        .unwrap();
    assert_eq!(saved.recorded(&output), [before]);
    let said = text(&output);
    assert!(said.contains("building once more"), "{said}");
    assert!(
        said.contains(&format!("{CASE} was saved after this run began")),
        "{said}"
    );
}

#[test]
fn manifests_are_read_once() {
    let _turn = turn();
    let saved = Saved::new(&[DEPLOYMENT, HPA], "autoscaled = true");
    // Three replicas from the first moment, which the text saved later doesn't ask for.
    let three = saved
        .read(DEPLOYMENT)
        .replacen("spec:", "spec:\n  replicas: 3", 1);
    fs::write(saved.path(DEPLOYMENT), &three).unwrap();
    let hpa = saved.read(HPA);
    let output = saved.run_and_save(&[(DEPLOYMENT, "# saved later\n"), (HPA, "# saved later\n")]);
    assert_eq!(saved.recorded(&output), [three, hpa]);
    let data = data(saved.reports.path(), "short");
    let started = data["events"].to_string().matches(" started").count();
    assert_eq!(started, 3, "{}", data["events"]);
}
