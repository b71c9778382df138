//! The cluster platform against a cluster of processes: a `kubectl` that the tests bring
//! (`fake-kubectl.py`), whose pods are real services.

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::Path,
    process::{Child, Command},
    sync::{RwLockReadGuard, RwLockWriteGuard},
};

use lab_say::note;
use serde_json::Value;

use crate::support::{
    alive, beside_others, built, data, descendants, driver, has_postgres, journal, last_tick,
    project, root, run_of, scenario, signal, start, text, turn, wait_for,
};

/// A project whose runs use a cluster of their own.
struct Cluster {
    /// The `kubectl`, the state of its cluster, and the reports.
    folder: tempfile::TempDir,
    /// With a lock of its own, so that runs of several tests go on at once.
    project: tempfile::TempDir,
    _machine: Machine,
}

/// Who may run at the same time.
enum Machine {
    Shared {
        _guard: RwLockReadGuard<'static, ()>,
    },
    Alone {
        _guard: RwLockWriteGuard<'static, ()>,
    },
}

impl Cluster {
    fn new() -> Option<Self> {
        Self::on(Machine::Shared {
            _guard: beside_others(),
        })
    }

    /// For runs whose verdict counts.
    fn alone() -> Option<Self> {
        Self::on(Machine::Alone { _guard: turn() })
    }

    fn on(machine: Machine) -> Option<Self> {
        let python = Command::new("python3").arg("--version").output();
        if !python.is_ok_and(|output| output.status.success()) {
            assert!(
                std::env::var_os("LAB_REQUIRE_CLUSTER").is_none(),
                "LAB_REQUIRE_CLUSTER is set, and there is no python3 for the cluster of the tests"
            );
            note!("SKIPPED: no python3 for the cluster of the tests");
            return None;
        }
        built();
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("bin")).unwrap();
        // An administrator has applied deploy/k8s/access.yaml.
        fs::create_dir(folder.path().join("state")).unwrap();
        fs::write(folder.path().join("state/namespace-lab-run"), "").unwrap();
        let kubectl = folder.path().join("bin/kubectl");
        // A link, so that it finds its parts beside it.
        let fake = root().join("driver/tests/whole_program/fake-kubectl.py");
        std::os::unix::fs::symlink(fake, &kubectl).unwrap();
        Some(Self {
            folder,
            project: project(),
            _machine: machine,
        })
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.folder.path().join(name)
    }

    /// A run of a scenario file on this cluster.
    fn run(&self, scenario: &str) -> Command {
        let mut command = run_of(scenario, &self.path("reports"));
        self.equip(&mut command);
        command
    }

    /// A whole step on this cluster: its data.
    fn step(&self, step: &str, code: &str) -> Value {
        let reports = tempfile::tempdir().unwrap();
        let mut command = driver(&["run", step, "--code", code, "--reports"]);
        command.arg(reports.path());
        self.equip(&mut command);
        let output = command.output().unwrap();
        assert!(reports.path().join(step).exists(), "{}", text(&output));
        data(reports.path(), step)
    }

    fn equip(&self, command: &mut Command) {
        let path = std::env::var("PATH").unwrap_or_default();
        let bin = self.path("bin");
        let lab = Path::new(env!("CARGO_BIN_EXE_driver")).with_file_name("lab");
        command
            .args(["--platform", "k3d"])
            .current_dir(self.project.path())
            .env("PATH", format!("{}:{path}", bin.display()))
            .env("FAKE_CLUSTER", self.path("state"))
            .env("FAKE_ACCESS", root().join("deploy/k8s/access.yaml"))
            .env("LAB", lab)
            .env("LAB_IMAGE", "lab:test");
    }

    /// Does to the cluster what people and nodes do to one: see `fake-kubectl.py`.
    fn meddle(&self, arguments: &[&str]) {
        let mut command = Command::new(self.path("bin/kubectl"));
        let lab = Path::new(env!("CARGO_BIN_EXE_driver")).with_file_name("lab");
        let done = command
            .args(arguments)
            .env("FAKE_CLUSTER", self.path("state"))
            .env("FAKE_ACCESS", root().join("deploy/k8s/access.yaml"))
            .env("LAB", lab)
            .status();
        assert!(done.unwrap().success(), "{arguments:?}");
    }

    /// The addresses of the Services.
    fn services(&self) -> serde_json::Value {
        let text = fs::read(self.path("state/addresses.json")).unwrap_or_default();
        serde_json::from_slice(&text).unwrap_or_default()
    }

    /// Process ids of the pods of a service.
    fn pods(&self, app: &str) -> Vec<u32> {
        let files = fs::read_dir(self.path("state")).unwrap().flatten();
        files
            .filter(|file| {
                let name = file.file_name().to_string_lossy().into_owned();
                name.starts_with(&format!("pod-{app}"))
            })
            .filter_map(|file| {
                let pod: Value = serde_json::from_slice(&fs::read(file.path()).ok()?).ok()?;
                u32::try_from(pod["pid"].as_u64()?).ok()
            })
            .collect()
    }

    fn in_the_middle_of(&self, command: &mut Command, scenario: &str) -> Child {
        let mut driver = start(command);
        wait_for("the load is under way", || {
            assert!(
                driver.try_wait().unwrap().is_none(),
                "the driver ended early"
            );
            // Long enough for answers to have come, and for the load pods to have told of them.
            let at = last_tick(&journal(&self.path("reports"), scenario)?)?;
            (at >= 1.0).then_some(())
        });
        driver
    }

    fn is_clean(&self, children: &[(u32, String)]) {
        self.no_pod_is_left(children);
        wait_for("nobody claims the namespace", || {
            (!self.path("state/lease-run.json").exists()).then_some(())
        });
    }

    fn no_pod_is_left(&self, children: &[(u32, String)]) {
        for (pid, command) in children {
            wait_for(&format!("{command} ends"), || (!alive(*pid)).then_some(()));
        }
        wait_for("no pod is left", || {
            ["api", "worker", "dep", "load", "auditor", "postgres"]
                .iter()
                .all(|app| self.pods(app).is_empty())
                .then_some(())
        });
    }
}

#[test]
fn a_run_on_a_cluster_is_measured_like_any_other() {
    let Some(cluster) = Cluster::new() else {
        return;
    };
    let output = cluster.run("short").output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", text(&output));
    let data = data(&cluster.path("reports"), "short");
    assert_eq!(data["platform"], "k3d");
    assert_eq!(data["complete"], true);
    assert!(
        data["classes"][0]["total"]["counts"]["ok"]
            .as_u64()
            .unwrap()
            > 0
    );
    assert!(data.to_string().contains("v1.36.0-fake"));
    let all = data["series"].as_array().unwrap();
    let in_flight = all.iter().find(|series| series["id"] == "in_flight");
    let points = in_flight.unwrap()["points"].as_array().unwrap();
    assert!(
        points.len() > 5,
        "the pods' metrics were not read: {points:?}"
    );
    cluster.is_clean(&[]);
}

#[test]
fn a_pod_that_dies_makes_the_run_invalid_with_its_reason() {
    let Some(cluster) = Cluster::new() else {
        return;
    };
    let driver = cluster.in_the_middle_of(&mut cluster.run("long"), "long");
    let children = descendants(driver.id());
    cluster.meddle(&["oom", "api"]);
    let output = driver.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(3), "{}", text(&output));
    let said = text(&output);
    let broke = "api-0 broke: it was OOMKilled: its memory limit is 256Mi";
    assert!(said.contains(broke), "{said}");
    cluster.is_clean(&children);
}

/// Step 2 in short: PostgreSQL, its auditor, what clients were told, and a crash of the api.
#[test]
fn payments_are_made_and_audited_on_a_cluster() {
    let Some(cluster) = Cluster::alone().filter(|_| has_postgres()) else {
        return;
    };
    let step = fs::read_to_string(root().join("driver/scenarios/tx.toml")).unwrap();
    let short = step
        .replace("duration = \"2s\"", "duration = \"1s\"")
        .replace("duration = \"9s\"", "duration = \"4s\"")
        .replace("on_cluster = \"12s\"", "on_cluster = \"6s\"");
    let (before_crash, crash) = short.split_at(short.find("[[phases]]\nname = \"crash\"").unwrap());
    let without_crash = &crash[crash.find("[[classes]]").unwrap()..];
    let without_crash =
        without_crash.replace("phases = [\"load\", \"crash\"]", "phases = [\"load\"]");
    let file = cluster.path("tx.toml");
    for (code, text_of_step, outcome) in [
        ("starter", [before_crash, &without_crash].concat(), "fail"),
        ("solved", short.clone(), "pass"),
    ] {
        fs::write(&file, text_of_step).unwrap();
        let reports = cluster.path(code);
        let mut command = driver(&["run", "--code", code, "--scenario-file"]);
        command.arg(&file).arg("--reports").arg(&reports);
        cluster.equip(&mut command);
        let output = command.output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{code}: {}", text(&output));
        let data = data(&reports, "tx");
        assert_eq!(data["verdict"]["outcome"], outcome, "{}", text(&output));
        let counts = &data["classes"][0]["total"]["counts"];
        assert!(counts["ok"].as_u64().unwrap() > 100, "{counts}");
        cluster.is_clean(&[]);
    }
    assert_eq!(cluster.pods("postgres"), [0; 0]);
}

/// A check of a run.
fn check<'a>(data: &'a Value, id: &str) -> &'a Value {
    let mut checks = data["checks"].as_array().unwrap().iter();
    let found = checks.find(|check| check["id"] == id);
    found.unwrap_or_else(|| panic!("{id}: {data}"))
}

/// Step 6 in short: the starter by its law, the reference, and that with less time than it needs.
#[test]
fn pods_are_replaced_as_the_manifest_says_and_the_way_they_leave_is_measured() {
    let Some(cluster) = Cluster::alone() else {
        return;
    };
    let step = fs::read_to_string(root().join("driver/scenarios/shutdown.toml")).unwrap();
    let file = cluster.path("shutdown.toml");
    let run = |code: &str, roll: &str, killed: &str| {
        let short = step
            .replace("\"3s\"", "\"1s\"")
            .replace("\"18s\"", roll)
            .replace("\"5s\"\n\n[[classes]]", "\"3s\"\n\n[[classes]]");
        fs::write(&file, short).unwrap();
        let reports = tempfile::tempdir().unwrap();
        let mut command = driver(&["run", "--code", code, "--scenario-file"]);
        command.arg(&file).arg("--reports").arg(reports.path());
        cluster.equip(&mut command);
        let output = command.output().unwrap();
        assert!(output.status.success(), "{code}: {}", text(&output));
        cluster.is_clean(&[]);
        let data = data(reports.path(), "shutdown");
        for (id, seen) in [("capacity", "3"), ("replaced", "3"), ("killed", killed)] {
            assert_eq!(check(&data, id)["seen"], seen, "{id}: {}", text(&output));
        }
        data
    };
    // Who leaves at once has left when the last new one is ready: 7 s, and some for a busy machine.
    let starter = run("starter", "\"11s\"", "0");
    assert_eq!(starter["verdict"]["outcome"], "fail");
    // 94 by the law, give or take a fifth of the two seconds that somebody may be late.
    let failed = check(&starter, "pages_failed")["value"].as_f64().unwrap();
    assert!((75.0..=115.0).contains(&failed), "{failed}");

    let solved = run("solved", "\"16s\"", "0");
    assert_eq!(solved["verdict"]["outcome"], "pass", "{}", solved["checks"]);
    // Of 8 s: its pause of 3 s at least, and no more than earns all points.
    let slowest = check(&solved, "slowest_leave")["value"].as_f64().unwrap();
    assert!((3.0 / 8.0..0.75).contains(&slowest), "{slowest}");

    let project = cluster.project.path();
    let manifest = project.join("deploy/k8s/solved/api-roll.yaml");
    let usual = fs::read_to_string(&manifest).unwrap();
    let brief = usual.replace("PeriodSeconds: 8\n", "PeriodSeconds: 2\n");
    assert_ne!(usual, brief);
    fs::write(&manifest, brief).unwrap();
    let killed = run("solved", "\"13s\"", "3");
    assert_eq!(killed["verdict"]["outcome"], "fail");
}

/// The steps that need no kernel that limits CPU.
const STEPS_WITHOUT_A_LIMIT: [&str; 6] = [
    "timeouts",
    "tx",
    "bulkheads",
    "retries",
    "shutdown",
    "shedding",
];

/// To be sure, some 200 s a round, less with `ONLY=step`: `ROUNDS=10 cargo test --profile lab --workspace --test whole_program rounds -- --ignored --nocapture`.
/// Back to back, which is where shows what a run leaves to the next. Without step 4: the kernel limits no CPU of these pods.
#[test]
#[ignore = "for as long as is wished"]
fn rounds_of_starter_and_reference_end_as_they_must() {
    let Some(cluster) = Cluster::alone().filter(|_| has_postgres()) else {
        return;
    };
    let rounds =
        std::env::var("ROUNDS").map_or(1, |rounds| rounds.parse().expect("ROUNDS, a number"));
    let only = std::env::var("ONLY").ok();
    for round in 1..=rounds {
        for step in STEPS_WITHOUT_A_LIMIT {
            if only.as_ref().is_some_and(|only| only != step) {
                continue;
            }
            for (code, outcome) in [("starter", "fail"), ("solved", "pass")] {
                // A run that the machine disturbed says nothing: it is taken again.
                let data = (0..3)
                    .map(|_| cluster.step(step, code))
                    .find(|data| data["self_check"]["validity"] == "valid")
                    .expect("a machine that is quiet once in three runs");
                assert_eq!(
                    data["verdict"]["outcome"], outcome,
                    "{step} {code}, round {round}: {}",
                    data["checks"]
                );
                for pod in data["load_pods"].as_array().unwrap() {
                    note!(
                        "round {round} {step} {code}: {}, lateness p99 {} ms, floor {} ms",
                        data["verdict"]["score"],
                        pod["lateness_p99_ms"],
                        pod["floor_p99_ms"]
                    );
                }
                cluster.is_clean(&[]);
            }
        }
    }
}

/// With the Job goes all that it owns, which is none of its reasons.
#[test]
fn a_load_pod_that_dies_is_named_with_its_reason() {
    let Some(cluster) = Cluster::new() else {
        return;
    };
    for (how, why) in [
        ("oom", "it was OOMKilled: its memory limit is 512Mi"),
        ("evict", "Evicted: The node was low on resource: memory."),
    ] {
        let driver = cluster.in_the_middle_of(&mut cluster.run("long"), "long");
        cluster.meddle(&[how, "load"]);
        let output = driver.wait_with_output().unwrap();
        let said = text(&output);
        assert_eq!(output.status.code(), Some(3), "{said}");
        // Whoever sees it first: a look at the pods, or the stream that broke.
        assert!(said.contains("load pod 0 broke: "), "{said}");
        assert!(said.contains(why), "{said}");
        let findings = data(&cluster.path("reports"), "long")["self_check"]["findings"].to_string();
        assert!(findings.contains(why), "{findings}");
        cluster.is_clean(&[]);
        fs::remove_dir_all(cluster.path("reports")).unwrap();
    }
}

#[test]
fn an_api_server_that_goes_away_ends_the_run() {
    let Some(cluster) = Cluster::new() else {
        return;
    };
    let mut command = cluster.run("long");
    let output = command.env("FAKE_TROUBLE", "no-api").output().unwrap();
    assert_eq!(output.status.code(), Some(3), "{}", text(&output));
    let said = text(&output);
    assert!(said.contains("the cluster's API does not answer"), "{said}");
    cluster.is_clean(&[]);
}

/// An answer that comes 3 s late on its way is nobody's slow service.
#[test]
fn an_api_server_that_stalls_is_not_in_the_way_of_the_load() {
    let Some(cluster) = Cluster::new() else {
        return;
    };
    let driver = cluster.in_the_middle_of(&mut cluster.run("long"), "long");
    cluster.meddle(&["away", "stopped", "3"]);
    let output = driver.wait_with_output().unwrap();
    let said = text(&output);
    assert_eq!(output.status.code(), Some(0), "{said}");
    let data = data(&cluster.path("reports"), "long");
    assert_eq!(data["verdict"]["outcome"], "pass");
    assert_eq!(data["complete"], true);
    cluster.is_clean(&[]);
}

#[test]
fn an_api_server_that_comes_back_has_the_objects_removed() {
    let Some(cluster) = Cluster::new() else {
        return;
    };
    let driver = cluster.in_the_middle_of(&mut cluster.run("long"), "long");
    let children = descendants(driver.id());
    cluster.meddle(&["away", "gone", "20"]);
    let output = driver.wait_with_output().unwrap();
    let said = text(&output);
    assert_eq!(output.status.code(), Some(3), "{said}");
    assert!(said.contains("the cluster broke: "), "{said}");
    assert!(said.contains("removed as soon as it does"), "{said}");
    let data = data(&cluster.path("reports"), "long");
    assert_eq!(data["verdict"]["outcome"], "invalid");
    let total = &data["classes"][0]["total"]["counts"];
    assert!(total["ok"].as_u64().unwrap() > 0, "{total}");
    cluster.is_clean(&children);
}

#[test]
fn an_api_server_that_stays_away_leaves_the_report_and_the_command_that_tidies_up() {
    let Some(cluster) = Cluster::new() else {
        return;
    };
    let driver = cluster.in_the_middle_of(&mut cluster.run("long"), "long");
    cluster.meddle(&["away", "gone", "100000"]);
    let output = driver.wait_with_output().unwrap();
    let said = text(&output);
    assert_eq!(output.status.code(), Some(3), "{said}");
    assert!(
        said.contains("the cluster keeps what this run has made"),
        "{said}"
    );
    let command = "`kubectl --context=k3d-lab --namespace=lab-run delete ";
    assert!(said.contains(command), "{said}");
    let data = data(&cluster.path("reports"), "long");
    assert_eq!(data["verdict"]["outcome"], "invalid");
    let findings = data["self_check"]["findings"].to_string();
    assert!(findings.contains("the cluster keeps"), "{findings}");
    // The pods go all the same: they belong to the Job, which has ended with its stream.
    cluster.no_pod_is_left(&[]);

    cluster.meddle(&["away", "gone", "0"]);
    let output = cluster.run("short").output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", text(&output));
    cluster.is_clean(&[]);
}

#[test]
fn a_pod_that_is_replaced_makes_the_run_invalid_whatever_the_new_ones_name() {
    let Some(cluster) = Cluster::new() else {
        return;
    };
    // One that is listed before the pod that goes, and one that is listed after it.
    for name in ["api--new", "api-new"] {
        let driver = cluster.in_the_middle_of(&mut cluster.run("long"), "long");
        cluster.meddle(&["replace", "api-0", name]);
        let output = driver.wait_with_output().unwrap();
        let said = text(&output);
        assert_eq!(output.status.code(), Some(3), "{name}: {said}");
        assert!(
            said.contains("api-0 broke: it was deleted or evicted"),
            "{name}: {said}"
        );
        cluster.is_clean(&[]);
        fs::remove_dir_all(cluster.path("reports")).unwrap();
    }
}

#[test]
fn services_and_their_addresses_stay_from_run_to_run() {
    let Some(cluster) = Cluster::new() else {
        return;
    };
    let addresses = || {
        let output = cluster.run("short").output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{}", text(&output));
        cluster.is_clean(&[]);
        cluster.services()
    };
    let first = addresses();
    for name in ["api", "worker", "dep", "auditor", "postgres"] {
        assert!(first["of"][name]["address"].is_string(), "{name}: {first}");
    }
    assert_eq!(addresses(), first);
}

#[test]
fn a_service_that_does_not_find_another_is_named_before_the_load() {
    let Some(cluster) = Cluster::new() else {
        return;
    };
    let mut command = cluster.run("short");
    let output = command.env("FAKE_TROUBLE", "no-names").output().unwrap();
    let said = text(&output);
    assert_eq!(output.status.code(), Some(2), "{said}");
    for word in [
        "api does not reach dep: ",
        "the name dep",
        "kube-dns",
        "networkpolicies",
    ] {
        assert!(said.contains(word), "{word}: {said}");
    }
    cluster.is_clean(&[]);
}

#[test]
fn a_namespace_of_ones_own_has_all_of_a_run() {
    let Some(cluster) = Cluster::new() else {
        return;
    };
    let ada = |admin: bool| {
        let mut command = cluster.run("short");
        command.args(["--namespace", "lab-run-ada"]);
        if admin {
            command.env("FAKE_ADMIN", "1");
        }
        command.output().unwrap()
    };
    // Whoever has only the Role has it in no namespace that is not there.
    let output = ada(false);
    let said = text(&output);
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(
        said.contains("cannot get resource \"leases\"")
            && said.contains("in the namespace \"lab-run-ada\"")
            && said.contains("deploy/k8s/access.yaml"),
        "{said}"
    );
    assert!(!cluster.path("state/namespace-lab-run-ada").exists());
    // Whoever may make namespaces needs nobody.
    let output = ada(true);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output));
    assert!(cluster.path("state/namespace-lab-run-ada").exists());
    cluster.is_clean(&[]);

    let output = cluster.run("short").env("LAB_NAMESPACE", "lab").output();
    let output = output.unwrap();
    assert_eq!(output.status.code(), Some(2), "{}", text(&output));
    assert!(text(&output).contains("lab-run-me"), "{}", text(&output));
}

#[test]
fn a_second_run_in_a_namespace_is_refused_by_the_name_of_the_first() {
    let Some(cluster) = Cluster::new() else {
        return;
    };
    let first = cluster.in_the_middle_of(&mut cluster.run("long"), "long");
    let children = descendants(first.id());
    // Another person's project; in one project a lock does the same.
    let project = project();
    let mut command = driver(&["run", "--scenario-file"]);
    command
        .arg(scenario("short"))
        .arg("--reports")
        .arg(cluster.path("theirs"));
    cluster.equip(&mut command);
    command.current_dir(project.path());
    let output = command.output().unwrap();
    let said = text(&output);
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(
        said.contains("the namespace lab-run is in use: ") && said.contains(" runs long with mine"),
        "{said}"
    );
    // Nothing was taken from the first.
    assert!(!cluster.pods("api").is_empty());
    signal("INT", first.id());
    let output = first.wait_with_output().unwrap();
    let said = text(&output);
    assert_eq!(output.status.code(), Some(130), "{said}");
    assert!(!said.contains("broke"), "{said}");
    cluster.is_clean(&children);
}

#[test]
fn a_run_that_has_lost_its_namespace_says_to_whom_and_leaves_theirs_alone() {
    let Some(cluster) = Cluster::new() else {
        return;
    };
    let driver = cluster.in_the_middle_of(&mut cluster.run("long"), "long");
    cluster.meddle(&["take", "bob@desk runs tx"]);
    let output = driver.wait_with_output().unwrap();
    let said = text(&output);
    assert_eq!(output.status.code(), Some(3), "{said}");
    assert!(
        said.contains("the cluster broke: bob@desk runs tx, since "),
        "{said}"
    );
    wait_for("no pod is left", || {
        cluster.pods("api").is_empty().then_some(())
    });
    let lease = fs::read_to_string(cluster.path("state/lease-run.json")).unwrap();
    assert!(lease.contains("bob@desk"), "{lease}");
}

/// Where nobody has figures a run would wait for them in vain for a minute and a half, and then not begin.
#[test]
fn figures_that_cannot_come_are_not_waited_for_and_the_last_reason_is_told() {
    let Some(cluster) = Cluster::new() else {
        return;
    };
    let mut command = cluster.run("scaled");
    command.args(["--code", "starter"]);
    let output = command.env("FAKE_TROUBLE", "no-figures").output().unwrap();
    let said = text(&output);
    assert_eq!(output.status.code(), Some(0), "{said}");
    for reason in [
        "no figure will come",
        "as before; failed to get cpu utilization: no metrics returned from resource metrics API",
        "as before; failed to get cpu utilization: no metrics returned matched known pods",
    ] {
        assert_eq!(said.matches(reason).count(), 1, "{reason}: {said}");
    }
    // What a manifest lacks is for the reader to find: it is told when the run is over.
    let at = |text: &str| said.find(text).unwrap_or_else(|| panic!("{text}: {said}"));
    let told = [
        "(FailedGetResourceMetric), and why is told after the run",
        "\n  only ",
        "no figure will come",
        "no metrics returned matched known pods",
    ];
    assert!(told.map(at).is_sorted(), "{said}");
    cluster.is_clean(&[]);
}

#[test]
fn ctrl_c_leaves_no_process_and_no_pod() {
    let Some(cluster) = Cluster::new() else {
        return;
    };
    let driver = cluster.in_the_middle_of(&mut cluster.run("long"), "long");
    let children = descendants(driver.id());
    assert!(
        children
            .iter()
            .any(|(_, command)| command.contains("attach --stdin"))
    );
    signal("INT", driver.id());
    let output = driver.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130), "{}", text(&output));
    cluster.is_clean(&children);
}

#[test]
fn several_load_pods_share_the_load_and_stand_in_the_report() {
    let Some(cluster) = Cluster::new() else {
        return;
    };
    let mut command = cluster.run("short");
    let output = command.args(["--load-pods", "2"]).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", text(&output));
    let data = data(&cluster.path("reports"), "short");
    let pods = data["load_pods"].as_array().unwrap();
    let sent: Vec<u64> = pods
        .iter()
        .map(|pod| pod["sent"].as_u64().unwrap())
        .collect();
    let all = data["classes"][0]["total"]["counts"]["offered"].as_u64();
    assert_eq!(sent, [all.unwrap() / 2, all.unwrap() / 2]);
    assert!(
        pods.iter().all(|pod| pod["floor_p99_ms"].is_number()),
        "{pods:?}"
    );
    let report = fs::read_dir(cluster.path("reports/short")).unwrap().next();
    let report = report.unwrap().unwrap().path().join("report.html");
    let page = fs::read_to_string(report).unwrap();
    assert!(page.contains("2 load pods in the cluster"));
    cluster.is_clean(&[]);
}

#[test]
fn a_stream_that_breaks_makes_the_run_invalid_by_name() {
    let Some(cluster) = Cluster::new() else {
        return;
    };
    let driver = cluster.in_the_middle_of(&mut cluster.run("long"), "long");
    let children = descendants(driver.id());
    let attached = children
        .iter()
        .find(|(_, command)| command.contains("attach --stdin"));
    signal("KILL", attached.unwrap().0);
    let output = driver.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(3), "{}", text(&output));
    let said = text(&output);
    assert!(said.contains("the stream to load pod 0 broke"), "{said}");
    // What was measured is kept, and marked.
    let data = data(&cluster.path("reports"), "long");
    assert_eq!(
        (&data["complete"], &data["verdict"]["outcome"]),
        (&false.into(), &"invalid".into())
    );
    let counts = &data["classes"][0]["total"]["counts"];
    assert!(counts["ok"].as_u64().unwrap() > 0, "{counts}");
    let findings = data["self_check"]["findings"].as_array().unwrap();
    let books = findings.iter().find(|finding| finding["name"] == "books");
    assert_eq!(books.unwrap()["validity"], "valid");
    cluster.is_clean(&children);
}

#[test]
fn a_load_pod_of_another_build_is_refused_with_the_remedy() {
    let Some(cluster) = Cluster::new() else {
        return;
    };
    let other = cluster.path("bin/load");
    fs::write(
        &other,
        "#!/bin/sh\nread greeting; echo 'lab-load 1 of last week'; cat >/dev/null\n",
    )
    .unwrap();
    fs::set_permissions(&other, fs::Permissions::from_mode(0o755)).unwrap();
    let output = cluster.run("short").env("FAKE_LOAD", other).output();
    let output = output.unwrap();
    assert_eq!(output.status.code(), Some(2), "{}", text(&output));
    let said = text(&output);
    assert!(
        said.contains("load pod 0 is `lab-load 1 of last week`") && said.contains("make image"),
        "{said}"
    );
    cluster.is_clean(&[]);
}

#[test]
fn load_pods_send_a_scenario_of_one_s_own_to_a_service_by_its_name() {
    let Some(cluster) = Cluster::new() else {
        return;
    };
    let example = fs::read_to_string(root().join("driver/scenarios/own-service.toml")).unwrap();
    let short = example
        .replace("\"10s\"", "\"2s\"")
        .replace("duration = \"5s\"", "duration = \"1s\"");
    let file = cluster.path("my.toml");
    fs::write(&file, short).unwrap();
    let url = crate::target::serve().replace("127.0.0.1", "localhost");
    let mut command = driver(&[
        "run",
        "--target",
        &url,
        "--load-pods",
        "2",
        "--scenario-file",
    ]);
    command
        .arg(&file)
        .arg("--reports")
        .arg(cluster.path("reports"));
    cluster.equip(&mut command);
    let output = command.output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", text(&output));
    let data = data(&cluster.path("reports"), "own-service");
    assert_eq!(
        (&data["platform"], &data["verdict"]["outcome"]),
        (&"target".into(), &"pass".into())
    );
    assert_eq!(data["load_pods"].as_array().unwrap().len(), 2);
    assert_eq!(data["versions"]["target"], url);
    cluster.is_clean(&[]);
}

#[test]
fn a_driver_that_is_killed_at_any_moment_leaves_nothing() {
    let Some(cluster) = Cluster::new() else {
        return;
    };
    // From before the first object is made to the last look at the services.
    for after in [0.2, 0.9, 1.6, 2.4, 3.5, 5.0, 7.0] {
        let mut driver = start(&mut cluster.run("short"));
        std::thread::sleep(std::time::Duration::from_secs_f64(after));
        let children = descendants(driver.id());
        driver.kill().unwrap();
        driver.wait().unwrap();
        cluster.no_pod_is_left(&children);
        // A claim that was made before the Job that owns it is given up by not being renewed.
        wait_for("no claim is left that has an owner", || {
            let claim = fs::read_to_string(cluster.path("state/lease-run.json"));
            (!claim.is_ok_and(|claim| claim.contains("ownerReferences"))).then_some(())
        });
        let _ = fs::remove_file(cluster.path("state/lease-run.json"));
        wait_for("no object is left", || {
            let kept = fs::read(cluster.path("state/applied.json")).unwrap_or(b"[]".into());
            let kept: Vec<serde_json::Value> = serde_json::from_slice(&kept).ok()?;
            let mine = |item: &serde_json::Value| {
                !["Namespace", "Service"]
                    .map(Into::into)
                    .contains(&item["kind"])
            };
            let job = cluster.path("state/job.json").exists();
            (!job && !kept.iter().any(mine)).then_some(())
        });
    }
}

#[test]
fn a_killed_driver_leaves_no_process_of_this_machine() {
    let Some(cluster) = Cluster::new() else {
        return;
    };
    let mut driver = cluster.in_the_middle_of(&mut cluster.run("long"), "long");
    let children = descendants(driver.id());
    driver.kill().unwrap();
    driver.wait().unwrap();
    for (pid, command) in &children {
        wait_for(&format!("{command} ends"), || (!alive(*pid)).then_some(()));
    }
    // The pods are the cluster's, and the next run removes them when it has seen that nobody has them.
    let output = cluster.run("short").output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", text(&output));
    cluster.is_clean(&[]);
}

#[test]
fn what_a_cluster_lacks_is_named_with_the_remedy() {
    let Some(cluster) = Cluster::new() else {
        return;
    };
    let trouble = |name: &str| {
        let output = cluster.run("short").env("FAKE_TROUBLE", name).output();
        let output = output.unwrap();
        assert_eq!(output.status.code(), Some(2), "{}", text(&output));
        text(&output)
    };
    let said = trouble("unreachable");
    assert!(
        said.contains("was refused") && said.contains("make up"),
        "{said}"
    );
    let said = trouble("no-image");
    assert!(
        said.contains("ErrImageNeverPull") && said.contains("make image"),
        "{said}"
    );
    let said = trouble("no-way");
    assert!(
        said.contains("the load pod does not reach it") && said.contains("refused"),
        "{said}"
    );
    cluster.is_clean(&[]);
}

/// Whether the cluster admits these objects to a namespace that enforces the Pod Security Standard `restricted`; a run's
/// own it judges when they are applied.
fn admitted(cluster: &Cluster, objects: &[Value]) -> String {
    let list = cluster.path("admitted.json");
    fs::write(&list, serde_json::json!({ "items": objects }).to_string()).unwrap();
    let output = Command::new(cluster.path("bin/kubectl"))
        .arg("admit")
        .env("FAKE_CLUSTER", cluster.path("state"))
        .env("FAKE_ACCESS", root().join("deploy/k8s/access.yaml"))
        .stdin(fs::File::open(list).unwrap())
        .output()
        .unwrap();
    text(&output)
}

#[test]
fn every_pod_is_admitted_where_pod_security_is_restricted() {
    let Some(cluster) = Cluster::new() else {
        return;
    };
    let mut pods = 0;
    for folder in ["deploy/k8s", "deploy/k8s/starter", "deploy/k8s/solved"] {
        for file in fs::read_dir(root().join(folder)).unwrap().flatten() {
            if file.path().extension().is_some_and(|end| end == "yaml") {
                let objects = lab_autoscale::manifest::read_objects(&file.path()).unwrap();
                pods += objects
                    .iter()
                    .filter(|object| object["spec"]["template"].is_object())
                    .count();
                assert_eq!(
                    admitted(&cluster, &objects),
                    "",
                    "{}",
                    file.path().display()
                );
            }
        }
    }
    assert!(pods >= 8, "{pods}");

    let api =
        lab_autoscale::manifest::read_objects(&root().join("deploy/k8s/api-deploy.yaml")).unwrap();
    let pod = "/spec/template/spec";
    for (place, value, reason) in [
        (
            "",
            serde_json::json!({ "hostNetwork": true }),
            "hostNetwork",
        ),
        (
            "",
            serde_json::json!({ "volumes": [{ "name": "x", "hostPath": {} }] }),
            "volume x",
        ),
        (
            "/securityContext",
            serde_json::json!({ "runAsNonRoot": false }),
            "runAsNonRoot != true",
        ),
        (
            "/securityContext",
            serde_json::json!({ "runAsUser": 0 }),
            "runAsUser=0",
        ),
        (
            "/securityContext",
            serde_json::json!({ "seccompProfile": {} }),
            "seccompProfile",
        ),
        (
            "/containers/0/securityContext",
            serde_json::json!({ "privileged": true }),
            "privileged",
        ),
        (
            "/containers/0/securityContext",
            serde_json::json!({ "capabilities": {} }),
            "capabilities",
        ),
        (
            "/containers/0/securityContext",
            serde_json::json!({ "allowPrivilegeEscalation": true }),
            "allowPrivilegeEscalation != false",
        ),
    ] {
        let mut worse = api.clone();
        let at = worse[0].pointer_mut(&format!("{pod}{place}")).unwrap();
        at.as_object_mut()
            .unwrap()
            .extend(value.as_object().unwrap().clone());
        let said = admitted(&cluster, &worse);
        assert!(
            said.contains("violates PodSecurity") && said.contains(reason),
            "{reason}: {said}"
        );
    }
}

/// Every other test here is one that the Role is enough.
#[test]
fn a_right_that_is_missing_is_named_with_where_it_is_given() {
    let Some(cluster) = Cluster::new() else {
        return;
    };
    let role = fs::read_to_string(root().join("deploy/k8s/access.yaml")).unwrap();
    let less = cluster.path("access.yaml");
    let lacking = |resources: &str, verb: &str| {
        let lines = role.lines().map(|line| {
            let concerned = line.contains(&format!("resources: [{resources}"));
            let line = if concerned {
                line.replace(verb, "watch")
            } else {
                line.to_owned()
            };
            line + "\n"
        });
        fs::write(&less, lines.collect::<String>()).unwrap();
        let output = cluster
            .run("short")
            .env("FAKE_ACCESS", &less)
            .output()
            .unwrap();
        let said = text(&output);
        assert_eq!(output.status.code(), Some(2), "{said}");
        let right = format!("cannot {verb} resource \"{resources}\"");
        assert!(
            said.contains(&right) && said.contains("deploy/k8s/access.yaml"),
            "{said}"
        );
        cluster.no_pod_is_left(&[]);
        // Who may not remove all that runs make may leave a claim, which the next run would watch for a while.
        let _ = fs::remove_file(cluster.path("state/lease-run.json"));
    };
    lacking("services", "create");
    lacking("deployments", "list");
    lacking("pods", "list");
}

#[test]
fn who_may_not_watch_the_pods_is_told_when_they_are_replaced() {
    let Some(cluster) = Cluster::new() else {
        return;
    };
    let role = fs::read_to_string(root().join("deploy/k8s/access.yaml")).unwrap();
    let less = cluster.path("access.yaml");
    fs::write(&less, role.replace(", watch]", "]")).unwrap();
    let mut command = driver(&["run", "shutdown", "--code", "starter", "--reports"]);
    command.arg(cluster.path("reports"));
    cluster.equip(&mut command);
    let output = command.env("FAKE_ACCESS", &less).output().unwrap();
    let said = text(&output);
    assert_eq!(output.status.code(), Some(3), "{said}");
    assert!(
        said.contains("cannot watch resource \"pods\"") && said.contains("deploy/k8s/access.yaml"),
        "{said}"
    );
    cluster.is_clean(&[]);
}

#[test]
fn an_image_of_other_code_is_refused() {
    let Some(cluster) = Cluster::new() else {
        return;
    };
    // A project whose edit point is not what the services were built from.
    let project = project();
    let edited = project.path().join("lab-services/src/cases/timeouts.rs");
    let text_before = fs::read_to_string(&edited).unwrap();
    fs::write(&edited, format!("{text_before}// edited\n")).unwrap();

    let mut command = driver(&["run", "--scenario-file"]);
    command
        .arg(scenario("short"))
        .arg("--reports")
        .arg(cluster.path("reports"));
    cluster.equip(&mut command);
    command.current_dir(project.path());
    let output = command.output().unwrap();
    assert_eq!(output.status.code(), Some(2), "{}", text(&output));
    let said = text(&output);
    assert!(
        said.contains("lab-services/src/cases/timeouts.rs") && said.contains("make image"),
        "{said}"
    );
    cluster.is_clean(&[]);
}
