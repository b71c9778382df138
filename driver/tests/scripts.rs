//! The scripts of PLATFORM=k3d with recorded tools: each failure is named with its remedy.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::Path,
    process::{Command, Output},
};

/// A folder of tools that say what they were recorded to say. Tools that are not among them are the
/// machine's.
struct Tools(tempfile::TempDir);

/// Docker 28 with 4 CPUs and 8 GiB; `ctr` in the node lists the image where the file `imported` is there.
const DOCKER: &str = r#"
case "$1" in
info) case "$*" in *NCPU*) echo "4 8321880064" ;; esac ;;
build) echo "built $*" ;;
image) echo sha256:feed ;;
save) echo archive ;;
exec) case "$*" in
    *"images ls"*) [ ! -e "$HERE/imported" ] || echo docker.io/library/lab:0.1.0 ;;
    *"images import"*) cat >"$HERE/imported" ;;
    esac ;;
esac
"#;

const K3D: &str = r#"
case "$1" in
version) echo "k3d version v5.8.3" ;;
cluster) [ "$2" != list ] || [ -e "$HERE/cluster" ] ;;
image) [ -e "$HERE/silent" ] || touch "$HERE/imported" ;;
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

    /// A project of its own, so that nothing is written into this one.
    fn run(&self, script: &str, argument: &str, context: &str) -> (Option<i32>, String) {
        let project = self.0.path().join("project");
        if !project.exists() {
            fs::create_dir(&project).unwrap();
            for folder in ["scripts", "deploy"] {
                let from = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
                let mut copy = Command::new("cp");
                copy.arg("-R").arg(from.join(folder)).arg(&project);
                assert!(copy.status().unwrap().success());
            }
        }
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

#[test]
fn an_unchanged_image_is_loaded_once() {
    let tools = Tools::new();
    let (code, text) = tools.run("image.sh", "", "k3d-lab");
    assert_eq!(code, Some(0), "{text}");
    assert!(text.contains("loaded in"), "{text}");
    let (code, text) = tools.run("image.sh", "", "k3d-lab");
    assert_eq!(code, Some(0), "{text}");
    assert!(text.contains("has it already"), "{text}");
}

#[test]
fn an_import_that_does_nothing_is_noticed_and_made_up_for() {
    let tools = Tools::new();
    tools.touch("silent");
    let (code, text) = tools.run("image.sh", "", "k3d-lab");
    assert_eq!(code, Some(0), "{text}");
    assert!(text.contains("handing it to the node"), "{text}");
    let archive = fs::read_to_string(tools.0.path().join("imported")).unwrap();
    assert_eq!(archive, "archive\n");
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
    tools.put("kind", "exit 0");
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
