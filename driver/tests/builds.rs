//! What the commands of the workshop have cargo build, and what they say while they wait for it.

use std::{
    collections::BTreeSet,
    fs,
    io::{BufRead as _, BufReader},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::mpsc,
    thread,
    time::Duration,
};

/// Far beyond what cargo takes to find out that it has to wait.
const BOUND: Duration = Duration::from_secs(30);

/// Makes what it is asked for as empty programs, and writes down what that was.
const CARGO: &str = r#"#!/bin/sh
echo "$*" >>"$HERE/asked"
case "$*" in
build*--bin*) programs=$(echo "$*" | tr ' ' '\n' | sed -n '/^--bin$/{n;p;}') ;;
build*) programs="driver lab mdbook-lab pool" ;;
esac
mkdir -p target/lab
for program in $programs; do cp "$HERE/program" "target/lab/$program"; done
"#;

/// The project of this test.
fn project() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .unwrap()
        .to_owned()
}

/// A folder with the Makefile and the scripts of this project.
fn copy() -> tempfile::TempDir {
    let copy = tempfile::tempdir().unwrap();
    let copied = Command::new("cp")
        .arg("-R")
        .args([project().join("Makefile"), project().join("scripts")])
        .arg(copy.path())
        .status();
    assert!(copied.unwrap().success());
    copy
}

/// A command in `folder` that knows nothing of the build of this test.
fn command(folder: &Path, program: &str) -> Command {
    let mut command = Command::new(program);
    command.current_dir(folder);
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        if text.starts_with("CARGO_TARGET") || text.starts_with("MAKE") {
            command.env_remove(&name);
        }
    }
    command
}

/// What cargo is asked for, call by call, by a shell script in a project where nothing is built.
fn asked(script: &str) -> Vec<String> {
    let copy = copy();
    let write = |name: &str, text: &str| fs::write(copy.path().join(name), text).unwrap();
    fs::create_dir(copy.path().join("bin")).unwrap();
    write("bin/cargo", CARGO);
    write("program", "");
    let script = format!("chmod +x bin/cargo program\n{script}");
    let path = std::env::var("PATH").unwrap_or_default();
    let done = command(copy.path(), "sh")
        .args(["-ec", &script])
        .env("HERE", copy.path())
        .env("PATH", format!("{}/bin:{path}", copy.path().display()))
        .output()
        .unwrap();
    assert!(done.status.success(), "{done:?}");
    let asked = fs::read_to_string(copy.path().join("asked")).unwrap();
    asked.lines().map(str::to_owned).collect()
}

#[test]
fn the_first_command_builds_what_it_takes() {
    let first = |script: &str| asked(script).swap_remove(0);
    let all = "build --profile lab --keep-going";
    // A run is not to wait for the guide, which can start runs and what stands in its pages.
    assert_eq!(first("make step1"), format!("{all} --bin driver --bin lab"));
    assert_eq!(first("make book"), all);
    assert_eq!(
        first("sh scripts/run.sh pool"),
        "build --profile lab --bin pool"
    );
}

#[test]
fn no_command_builds_with_other_features() {
    let calls = asked(
        "for target in step1 book preflight up solve2 reset prefetch; do make $target; done\n\
         sh scripts/run.sh pool",
    );
    assert!(calls.len() > 8, "{calls:?}");
    for call in calls {
        let of_lab = call.contains("--profile lab") || call == "fetch --locked";
        // Cargo unites the features of the packages that it is asked for, and `--bin` asks for no other ones.
        let others = ["--package", "-p ", "--example", "--features", "--workspace"];
        assert!(
            of_lab && !others.iter().any(|other| call.contains(other)),
            "{call}"
        );
    }
}

/// A crate as cargo builds it: of which package, with which features, and whether it was there already.
#[derive(serde::Deserialize)]
struct Part {
    package_id: String,
    target: serde_json::Value,
    features: Vec<String>,
    profile: Profile,
    fresh: bool,
}

#[derive(serde::Deserialize)]
struct Profile {
    test: bool,
}

fn parts(arguments: &[&str]) -> Vec<Part> {
    let build = command(&project(), env!("CARGO"))
        .args(arguments)
        .args(["--offline", "--profile", "lab"])
        .arg("--message-format=json")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&build.stderr);
    assert!(build.status.success(), "{said}");
    let messages = build.stdout.split(|byte| *byte == b'\n');
    messages
        .filter_map(|message| serde_json::from_slice(message).ok())
        .collect()
}

fn name(part: &Part) -> String {
    format!("{} {} {:?}", part.package_id, part.target, part.features)
}

#[test]
fn nothing_is_built_later_that_a_prefetch_did_not_build() {
    let prefetched: BTreeSet<_> = parts(&["build", "--locked"]).iter().map(name).collect();
    for program in [
        "driver",
        "lab",
        "mdbook-lab",
        "load",
        "bulkhead",
        "deadline",
        "pool",
        "throttle",
    ] {
        let later = parts(&["build", "--bin", program]);
        assert!(later.len() > 5, "{program}");
        for part in later {
            let name = name(&part);
            assert!(
                part.fresh && prefetched.contains(&name),
                "{program}: {name}"
            );
        }
    }
}

/// Else they would test other programs, too, than people run. What brings a feature is most often a crate for tests only.
#[test]
fn tests_build_no_crate_of_the_workshop_with_other_features() {
    let built = parts(&["build"]);
    let workshop: BTreeSet<_> = built.iter().map(name).collect();
    let packages: BTreeSet<_> = built.iter().map(|part| &part.package_id).collect();
    let tests = parts(&["test", "--workspace", "--no-run"]);
    assert!(tests.len() > workshop.len());
    for part in tests {
        let of_it = packages.contains(&part.package_id);
        let is_compiled_for_it =
            ["lib", "proc-macro"].contains(&part.target["kind"][0].as_str().unwrap());
        if of_it && is_compiled_for_it && !part.profile.test {
            assert!(workshop.contains(&name(&part)), "{}", name(&part));
        }
    }
}

#[test]
fn all_that_the_workshop_runs_is_in_that_build() {
    let cargo = command(&project(), env!("CARGO"))
        .args([
            "metadata",
            "--no-deps",
            "--format-version",
            "1",
            "--offline",
        ])
        .output()
        .unwrap();
    let metadata: serde_json::Value = serde_json::from_slice(&cargo.stdout).unwrap();
    let built = metadata["workspace_default_members"].as_array().unwrap();
    let packages = metadata["packages"].as_array().unwrap().iter();
    let programs: BTreeSet<&str> = packages
        .filter(|package| built.contains(&package["id"]))
        .flat_map(|package| package["targets"].as_array().unwrap())
        .filter(|target| target["kind"][0] == "bin")
        .map(|target| target["name"].as_str().unwrap())
        .collect();
    for program in ["driver", "lab", "mdbook-lab"] {
        assert!(programs.contains(program), "{programs:?}");
    }
    let pages = fs::read_dir(project().join("lab-services/examples")).unwrap();
    let pages = pages.map(|entry| entry.unwrap().path());
    for page in pages.filter(|path| path.extension().is_some_and(|of| of == "rs")) {
        let program = page.file_stem().unwrap().to_str().unwrap();
        assert!(programs.contains(program), "{program}: {programs:?}");
    }
}

#[test]
fn who_waits_for_another_build_is_told() {
    let copy = copy();
    let write = |name: &str, text: &str| {
        let path = copy.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    };
    write(
        "Cargo.toml",
        "[package]\nname = \"driver\"\nedition = \"2024\"\n[workspace]\n[profile.lab]\ninherits = \"dev\"\n",
    );
    write("src/main.rs", "fn main() {}");
    let run = || {
        let mut run = command(copy.path(), "sh");
        run.args(["scripts/run.sh", "driver"]);
        run
    };
    assert!(run().output().unwrap().status.success());

    let lock = fs::File::open(copy.path().join("target/lab/.cargo-lock")).unwrap();
    lock.lock().unwrap();
    let mut waiting = run().stderr(Stdio::piped()).spawn().unwrap();
    let stderr = BufReader::new(waiting.stderr.take().unwrap());
    let (say, said) = mpsc::channel();
    thread::spawn(move || {
        stderr
            .lines()
            .map_while(Result::ok)
            .try_for_each(|line| say.send(line))
    });
    let said = said.recv_timeout(BOUND);
    assert_eq!(said.unwrap(), "Waiting for another cargo build to end …");
    assert_eq!(waiting.try_wait().unwrap(), None);
    drop(lock);
    assert!(waiting.wait().unwrap().success());
}
