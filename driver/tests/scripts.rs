//! The scripts of PLATFORM=k3d with recorded tools: each failure is named with its remedy.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Command, Output},
};

/// A folder of tools that say what they were recorded to say. Tools that are not among them are the
/// machine's.
struct Tools(tempfile::TempDir);

/// Docker 28 with 4 CPUs and 8 GiB, whose images are lines of `images`, and one node of a cluster, whose are those
/// of `node`. It has no `BuildKit` where the file `old` is there, a network where `network` is, and a node that
/// imports nothing where `deaf` is.
const DOCKER: &str = r#"
touch "$HERE/images" "$HERE/node"
case "$1 $2" in
"info "*) case "$*" in *NCPU*) echo "4 8321880064" ;; esac ;;
"buildx version") [ ! -e "$HERE/old" ] ;;
"version "*) echo 28.2.2 ;;
"build --tag")
    cat >"$HERE/dockerfile"
    echo "$3" >>"$HERE/images"
    echo "$DOCKER_BUILDKIT $3" >>"$HERE/builds"
    ;;
"image inspect") grep -qx "$3" "$HERE/images" ;;
"image ls") grep "^lab:" "$HERE/images" ;;
"image rm") for name; do :; done; grep -vx "$name" "$HERE/images" >"$HERE/kept"; mv "$HERE/kept" "$HERE/images" ;;
"pull "*) [ -e "$HERE/network" ] && echo "$2" >>"$HERE/images" ;;
"ps "*) case "$*" in *role=server*) echo 5eed ;; esac ;;
"save "*) echo "$2" ;;
"exec "*) case "$*" in
    *"images ls"*) cat "$HERE/node" ;;
    *"images import"*) [ -e "$HERE/deaf" ] || sed 's|^|docker.io/library/|' >>"$HERE/node" ;;
    esac ;;
*) echo "docker does not know $*" >&2; exit 1 ;;
esac
"#;

const K3D: &str = r#"
case "$1" in
version) echo "k3d version v5.8.3" ;;
cluster) [ "$2" != list ] || [ -e "$HERE/cluster" ] ;;
image) echo "docker.io/library/$3" >>"$HERE/node" ;;
esac
"#;

const KUBECTL: &str = r#"
case "$*" in
*"version --client"*) echo "Client Version: v1.34.1" ;;
*) echo "kubectl $*" ;;
esac
"#;

impl Tools {
    fn new() -> Self {
        let tools = Self(tempfile::tempdir().unwrap());
        tools.put("docker", DOCKER);
        tools.put("k3d", K3D);
        tools.put("kubectl", KUBECTL);
        // The ports of this machine are not a matter of these tests: nobody listens.
        tools.put("curl", "exit 7");
        tools
    }

    fn put(&self, name: &str, script: &str) {
        let path = self.0.path().join(name);
        let here = self.0.path().display();
        fs::write(&path, format!("#!/bin/sh\nHERE='{here}'\n{script}\n")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    }

    fn touch(&self, name: &str) {
        fs::write(self.0.path().join(name), "").unwrap();
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.0.path().join(name)).unwrap_or_default()
    }

    /// A project of its own, so that nothing is written into this one: the scripts, and what the image is built from.
    fn project(&self) -> PathBuf {
        let project = self.0.path().join("project");
        if !project.exists() {
            let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
            let ignored = fs::read_to_string(root.join(".dockerignore")).unwrap();
            let built_from = ignored.lines().filter_map(|line| line.strip_prefix('!'));
            for path in ["scripts", "deploy", ".dockerignore"]
                .into_iter()
                .chain(built_from)
            {
                let to = project.join(path);
                fs::create_dir_all(to.parent().unwrap()).unwrap();
                let mut copy = Command::new("cp");
                copy.arg("-R").arg(root.join(path)).arg(to);
                assert!(copy.status().unwrap().success());
            }
        }
        project
    }

    fn run(&self, script: &str, argument: &str, context: &str) -> (Option<i32>, String) {
        let project = self.project();
        let path = std::env::var("PATH").unwrap_or_default();
        let output = Command::new("sh")
            .arg(project.join("scripts").join(script))
            .arg(argument)
            .env("PATH", format!("{}:{path}", self.0.path().display()))
            .env("LAB_CONTEXT", context)
            .env("PLATFORM", "k3d")
            .env_remove("LAB_IMAGE")
            .output()
            .unwrap();
        (output.status.code(), said(&output))
    }
}

fn said(output: &Output) -> String {
    format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}

#[test]
fn a_machine_that_has_everything_is_ready() {
    let (code, text) = Tools::new().run("cluster.sh", "preflight", "k3d-lab");
    assert_eq!(code, Some(0), "{text}");
    assert!(!text.contains("LACKS"), "{text}");
}

#[test]
fn what_is_lacking_is_named_with_what_to_do() {
    let lacking = |tool: &str, script: &str, words: &[&str]| {
        let tools = Tools::new();
        tools.put(tool, script);
        let (code, text) = tools.run("cluster.sh", "preflight", "k3d-lab");
        assert_eq!(code, Some(1), "{text}");
        let line = text.lines().find(|line| line.starts_with("LACKS")).unwrap();
        for word in words {
            assert!(line.contains(word), "{line}");
        }
    };
    lacking(
        "docker",
        "exit 1",
        &["docker", "does not answer", "start it"],
    );
    lacking("docker", "echo '2 2083807232'", &["1987 MiB", "4 GiB"]);
    lacking("docker", "echo '1 8321880064'", &["1 CPUs"]);
    lacking("k3d", "echo 'k3d version v5.4.6'", &["5.4", "5.6 or later"]);
    lacking(
        "kubectl",
        "echo 'Client Version: v1.20.2'",
        &["1.20", "1.24 or later"],
    );
    // curl ends well where somebody listens.
    lacking("curl", "exit 0", &["30080", "lsof -i :30080"]);
}

/// The image that a script's output ends with.
fn image(text: &str) -> String {
    let name = text.lines().find(|line| line.starts_with("lab:code-"));
    name.unwrap_or_else(|| panic!("no image is named: {text}"))
        .to_owned()
}

#[test]
fn an_unchanged_image_is_neither_built_nor_loaded_again_and_a_changed_one_has_another_name() {
    let tools = Tools::new();
    let (code, text) = tools.run("image.sh", "", "k3d-lab");
    assert_eq!(code, Some(0), "{text}");
    assert!(text.contains("loaded in"), "{text}");
    let first = image(&text);

    let (code, text) = tools.run("image.sh", "", "k3d-lab");
    assert_eq!(code, Some(0), "{text}");
    assert!(text.contains("already"), "{text}");
    assert_eq!(image(&text), first);
    assert_eq!(tools.read("builds").lines().count(), 1);

    let edited = tools.project().join("lab-services/src/cases/timeouts.rs");
    fs::write(&edited, "// Other code.").unwrap();
    let (code, text) = tools.run("image.sh", "", "k3d-lab");
    assert_eq!(code, Some(0), "{text}");
    let second = image(&text);
    assert_ne!(second, first);
    assert_eq!(tools.read("images"), format!("{second}\n"));
    // Pods of before may still run it.
    assert!(tools.read("node").contains(&first));
}

#[test]
fn a_cluster_that_was_made_anew_gets_the_image_again() {
    let tools = Tools::new();
    tools.run("image.sh", "", "k3d-lab");
    tools.touch("node");
    let (code, text) = tools.run("image.sh", "", "k3d-lab");
    assert_eq!(code, Some(0), "{text}");
    assert!(tools.read("node").contains(&image(&text)));
    assert_eq!(tools.read("builds").lines().count(), 1);
}

#[test]
fn code_that_is_saved_while_it_is_built_is_built_again() {
    let tools = Tools::new();
    let build = r#""build --tag")
    [ -e "$HERE/builds" ] || echo "// Saved meanwhile." >>lab-services/src/main.rs"#;
    tools.put("docker", &DOCKER.replace(r#""build --tag")"#, build));
    let (code, text) = tools.run("image.sh", "", "k3d-lab");
    assert_eq!(code, Some(0), "{text}");
    assert!(text.contains("once more"), "{text}");
    let builds = tools.read("builds");
    let last = builds.lines().last().unwrap();
    assert_eq!(builds.lines().count(), 2);
    assert_eq!(last, format!("1 {}", image(&text)));
}

#[test]
fn a_docker_without_buildkit_builds_as_well() {
    let tools = Tools::new();
    let (code, text) = tools.run("image.sh", "", "k3d-lab");
    assert_eq!(code, Some(0), "{text}");
    assert!(tools.read("builds").starts_with("1 "));
    let with = tools.read("dockerfile");
    let mount = " --mount=type=cache,target=/project/target/lab/incremental";
    assert!(with.contains(mount), "{with}");

    let tools = Tools::new();
    tools.touch("old");
    let (code, text) = tools.run("image.sh", "", "k3d-lab");
    assert_eq!(code, Some(0), "{text}");
    assert!(text.contains("docker-buildx"), "{text}");
    assert!(tools.read("builds").starts_with("0 "));
    assert_eq!(tools.read("dockerfile"), with.replace(mount, ""));
}

#[test]
fn an_import_that_does_nothing_is_noticed_and_made_up_for() {
    let tools = Tools::new();
    tools.touch("deaf");
    let (code, text) = tools.run("image.sh", "", "k3d-lab");
    assert_eq!(code, Some(0), "{text}");
    assert!(tools.read("node").contains(&image(&text)));

    tools.put("k3d", "exit 0");
    fs::write(tools.project().join("Cargo.lock"), "").unwrap();
    let (code, text) = tools.run("image.sh", "", "k3d-lab");
    assert_eq!(code, Some(1), "{text}");
    assert!(
        text.contains("could not be loaded") && text.contains("is it up?"),
        "{text}"
    );
}

#[test]
fn a_prefetch_fetches_what_is_missing_and_names_what_it_cannot_get() {
    let tools = Tools::new();
    let (code, text) = tools.run("cluster.sh", "prefetch", "k3d-lab");
    assert_eq!(code, Some(1), "{text}");
    let missing: Vec<&str> = text
        .lines()
        .filter_map(|line| line.trim().strip_prefix("docker pull "))
        .collect();
    assert_eq!(missing.len(), 4, "{text}");
    for image in ["postgres:17-alpine", "rancher/k3s:", "rust:", "distroless"] {
        assert!(missing.iter().any(|name| name.contains(image)), "{text}");
    }

    // One that is there is not asked for.
    fs::write(tools.0.path().join("images"), "postgres:17-alpine\n").unwrap();
    let (code, text) = tools.run("cluster.sh", "prefetch", "k3d-lab");
    assert_eq!(code, Some(1), "{text}");
    assert!(!text.contains("docker pull postgres"), "{text}");

    tools.touch("network");
    let (code, text) = tools.run("cluster.sh", "prefetch", "k3d-lab");
    assert_eq!(code, Some(0), "{text}");
    assert!(tools.read("node").contains("/postgres:17-alpine"));

    fs::remove_file(tools.0.path().join("network")).unwrap();
    let (code, text) = tools.run("cluster.sh", "prefetch", "k3d-lab");
    assert_eq!(code, Some(0), "{text}");
}

#[test]
fn an_image_that_cannot_be_built_or_loaded_says_what_else_to_do() {
    let tools = Tools::new();
    let (code, text) = tools.run("image.sh", "", "arn:aws:eks:lab");
    assert_eq!(code, Some(1), "{text}");
    assert!(
        text.contains("docker push") && text.contains("IMAGE="),
        "{text}"
    );
    tools.put("docker", r#"[ "$1" = info ]"#);
    tools.put("kind", "echo node");
    let (code, text) = tools.run("image.sh", "", "kind-lab");
    assert_eq!(code, Some(1), "{text}");
    assert!(text.contains("LAB_BUILD_BASE"), "{text}");
}

#[test]
fn up_twice_is_fine_and_down_keeps_the_cluster() {
    let tools = Tools::new();
    for _ in 0..2 {
        let (code, text) = tools.run("cluster.sh", "up", "k3d-lab");
        assert_eq!(code, Some(0), "{text}");
        assert!(text.contains("http://127.0.0.1:30080"), "{text}");
        tools.touch("cluster");
    }
    let (code, text) = tools.run("cluster.sh", "down", "k3d-lab");
    assert_eq!(code, Some(0), "{text}");
    assert!(text.contains("k3d cluster delete lab"), "{text}");
}

#[test]
fn another_cluster_s_services_answer_to_its_api_servers_name() {
    let tools = Tools::new();
    tools.put(
        "kind",
        r#"case "$1" in
        get) echo node ;;
        load) echo "docker.io/library/$3" >>"$HERE/node" ;;
        esac"#,
    );
    tools.put(
        "kubectl",
        r#"case "$*" in
        *"config view"*) echo "https://cluster.example:6443/some/path" ;;
        *"set env"*) echo "$*" >"$HERE/set" ;;
        *apply*) cat >/dev/null ;;
        esac"#,
    );
    let (code, text) = tools.run("cluster.sh", "up", "kind-lab");
    assert_eq!(code, Some(0), "{text}");
    let set = fs::read_to_string(tools.0.path().join("set")).unwrap();
    assert_eq!(
        set.trim(),
        "--context=kind-lab --namespace lab set env deployment/api deployment/worker \
         LAB_ALLOWED_HOSTS=cluster.example"
    );
}

#[test]
fn a_restart_is_asked_for_only_where_the_image_is_the_same() {
    let tools = Tools::new();
    tools.touch("cluster");
    let kubectl = r#"case "$*" in
        *apply*) sed -n 's/^ *image: \(lab:.*\)/\1/p' >"$HERE/applied"; [ ! -s "$HERE/applied" ] || cp "$HERE/applied" "$HERE/runs" ;;
        *"get deployment api"*) [ ! -e "$HERE/runs" ] || tr -d '\n' <"$HERE/runs" ;;
        *"rollout restart"*) touch "$HERE/restarted" ;;
        esac"#;
    tools.put("kubectl", kubectl);
    let (code, text) = tools.run("cluster.sh", "dev", "k3d-lab");
    assert_eq!(code, Some(0), "{text}");
    assert!(tools.read("runs").starts_with("lab:code-"));
    let restarted = tools.0.path().join("restarted");
    assert!(!restarted.exists());
    let (code, text) = tools.run("cluster.sh", "dev", "k3d-lab");
    assert_eq!(code, Some(0), "{text}");
    assert!(restarted.exists());
}

#[test]
fn down_keeps_the_names_of_a_cluster_that_is_somebody_else_s() {
    let (code, text) = Tools::new().run("cluster.sh", "down", "mine");
    assert_eq!(code, Some(0), "{text}");
    let deleted = text
        .lines()
        .find(|line| line.contains("kubectl") && line.contains(" delete "));
    let deleted = deleted.unwrap();
    assert!(!deleted.contains("delete namespace"), "{deleted}");
    assert!(!deleted.contains("service/"), "{deleted}");
    assert!(text.contains("make up PLATFORM=k3d CONTEXT=mine"), "{text}");
    assert!(
        text.contains("--context mine delete namespace lab lab-run"),
        "{text}"
    );
}

#[test]
fn a_wipe_takes_the_workshop_s_namespaces_and_needs_no_cluster() {
    let tools = Tools::new();
    let (code, text) = tools.run("cluster.sh", "wipe", "k3d-lab");
    assert_eq!(code, Some(0), "{text}");
    assert!(text.contains("no cluster"), "{text}");
    tools.touch("cluster");
    let (code, text) = tools.run("cluster.sh", "wipe", "k3d-lab");
    assert_eq!(code, Some(0), "{text}");
    assert!(text.contains("delete namespace lab lab-run"), "{text}");
}

#[test]
fn another_cluster_is_asked_through_its_api() {
    let tools = Tools::new();
    let (code, text) = tools.run("cluster.sh", "preflight", "mine");
    assert_eq!(code, Some(0), "{text}");
    let (code, text) = tools.run("smoke.sh", "", "mine");
    assert_eq!(code, Some(1), "{text}");
    assert!(text.contains("`kubectl proxy` does not run"), "{text}");

    tools.put(
        "kubectl",
        "echo Starting to serve on 127.0.0.1:41234; exec sleep 60",
    );
    tools.put("curl", r#"for url; do :; done; echo "$url""#);
    let (code, text) = tools.run("smoke.sh", "", "mine");
    assert_eq!(code, Some(0), "{text}");
    let payments = "http://127.0.0.1:41234/api/v1/namespaces/lab/services/api:http/proxy/cases/tx";
    assert!(text.contains(payments), "{text}");

    tools.put(
        "kubectl",
        r#"case "$*" in *metrics*) exit 1 ;; *) echo "Client Version: v1.34.1" ;; esac"#,
    );
    let (code, text) = tools.run("cluster.sh", "preflight", "mine");
    assert_eq!(code, Some(1), "{text}");
    assert!(
        text.contains("apply -f deploy/k8s/metrics-server.yaml"),
        "{text}"
    );
}

#[test]
fn a_cluster_that_cannot_be_made_points_at_preflight() {
    let tools = Tools::new();
    tools.put("k3d", "exit 1");
    let (code, text) = tools.run("cluster.sh", "up", "k3d-lab");
    assert_eq!(code, Some(1), "{text}");
    assert!(text.contains("make preflight PLATFORM=k3d"), "{text}");
}

#[test]
fn help_lists_each_step_by_name_and_one_more_with_its_file() {
    let folder = tempfile::tempdir().unwrap();
    let project = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let copied = Command::new("cp")
        .arg("-R")
        .args(["Makefile", "scripts", "driver/scenarios"].map(|part| project.join(part)))
        .arg(folder.path())
        .status()
        .unwrap();
    assert!(copied.success());
    fs::create_dir(folder.path().join("driver")).unwrap();
    let scenarios = folder.path().join("driver/scenarios");
    fs::rename(folder.path().join("scenarios"), &scenarios).unwrap();
    let more = fs::read_to_string(scenarios.join("tx.toml")).unwrap();
    let more = more
        .replace("step = 2", "step = 10")
        .replace("part = \"hour\"", "part = \"afterwards\"")
        .replace("\"Transaction scope\"", "\"More\"");
    fs::write(scenarios.join("more.toml"), more).unwrap();

    let help = Command::new("sh")
        .arg(folder.path().join("scripts/help.sh"))
        .output()
        .unwrap();
    let help = String::from_utf8(help.stdout).unwrap();
    let mut lines = help.lines().filter(|line| line.contains("with your code"));
    let mut solves = String::new();
    for scenario in driver::scenario::steps().unwrap() {
        let (number, lesson) = (scenario.step.unwrap(), scenario.lesson.unwrap());
        let title = lesson.title.to_lowercase();
        let later = match lesson.part {
            lab_record::Part::Hour => "",
            lab_record::Part::Afterwards => ", after the event",
        };
        let line = format!(
            "  step{number}                          run step {number}, {title}, with your code{later}"
        );
        assert_eq!(lines.next(), Some(&*line));
        solves = format!("{solves}solve{number} ");
    }
    let last =
        "  step10                         run step 10, more, with your code, after the event";
    assert_eq!(lines.next(), Some(last), "{help}");
    assert!(
        help.contains(&format!("\n  {solves}solve10 put the reference")),
        "{help}"
    );
}
