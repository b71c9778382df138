//! What the commands of the workshop have cargo build, and what they say while they wait for it.

use std::{
    collections::BTreeSet,
    fs,
    io::{BufRead as _, BufReader},
    os::unix::process::CommandExt as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::mpsc,
    thread,
    time::{Duration, Instant},
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

/// A workspace of a `driver`, and of a guide whose build stands still until there is a file `go`. It says `begun` then,
/// with the number of its process and of another that it has started.
fn workspace() -> tempfile::TempDir {
    let copy = copy();
    let write = |name: &str, text: &str| {
        let path = copy.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    };
    write(
        "Cargo.toml",
        "[workspace]\nmembers = [\"driver\", \"mdbook-lab\"]\nresolver = \"3\"\n\
         [profile.lab]\ninherits = \"dev\"\n",
    );
    for name in ["driver", "mdbook-lab"] {
        let package = format!("[package]\nname = \"{name}\"\nedition = \"2024\"\n");
        write(&format!("{name}/Cargo.toml"), &package);
        write(&format!("{name}/src/main.rs"), "fn main() {}");
    }
    write(
        "mdbook-lab/build.rs",
        r#"fn main() {
            let sleeper = std::process::Command::new("sleep").arg("1000").spawn().unwrap();
            let numbers = format!("{} {}\n", std::process::id(), sleeper.id());
            std::fs::write("../begun.new", numbers).unwrap();
            std::fs::rename("../begun.new", "../begun").unwrap();
            while !std::path::Path::new("../go").exists() {
                std::thread::sleep(std::time::Duration::from_millis(20));
            }
            let mut sleeper = sleeper;
            sleeper.kill().unwrap();
        }"#,
    );
    copy
}

fn eventually<T>(what: &str, mut is: impl FnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(value) = is() {
            return value;
        }
        assert!(begun.elapsed() < BOUND, "never: {what}");
        thread::sleep(Duration::from_millis(20));
    }
}

fn runs(process: &str) -> bool {
    let mut ps = Command::new("ps");
    let state = ps.args(["-o", "stat=", "-p", process]).output().unwrap();
    let state = String::from_utf8_lossy(&state.stdout).into_owned();
    !state.trim().is_empty() && !state.trim().starts_with('Z')
}

/// The build of the guide stands for any that takes minutes.
#[test]
fn a_run_does_not_wait_for_the_build_of_the_guide() {
    let copy = workspace();
    let begun = copy.path().join("begun");
    for first in [true, false] {
        // Not the first build, but one for which a newer guide has arrived.
        if !first {
            fs::remove_file(copy.path().join("go")).unwrap();
            fs::write(copy.path().join("mdbook-lab/src/main.rs"), "fn main() { }").unwrap();
            let script = copy.path().join("mdbook-lab/build.rs");
            let text = fs::read_to_string(&script).unwrap();
            fs::write(script, text + "// Newer.\n").unwrap();
        }
        let mut guide = command(copy.path(), "sh")
            .args(["scripts/run.sh", "mdbook-lab"])
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let numbers = eventually("the guide's build begins", || {
            fs::read_to_string(&begun).ok()
        });
        fs::remove_file(&begun).unwrap();

        let run = command(copy.path(), "sh")
            .args(["scripts/run.sh", "driver"])
            .output()
            .unwrap();
        assert!(run.status.success(), "{run:?}");
        assert_eq!(guide.try_wait().unwrap(), None);
        for number in numbers.split_whitespace() {
            assert!(!runs(number), "a part of the build that gave way is left");
        }
        eventually("it goes on", || begun.exists().then_some(()));
        fs::write(copy.path().join("go"), "").unwrap();
        let ended = guide.wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&ended.stderr);
        assert!(ended.status.success(), "{said}");
        assert_eq!(
            said.matches("Another command goes first").count(),
            1,
            "{said}"
        );
        fs::remove_file(&begun).unwrap();
    }
}

/// The process that goes first may have ended without a word.
#[test]
fn nobody_waits_for_a_run_that_is_gone() {
    let copy = workspace();
    let mut gone = Command::new("true").spawn().unwrap();
    gone.wait().unwrap();
    fs::create_dir(copy.path().join(".lab")).unwrap();
    fs::write(
        copy.path().join(".lab/build.first"),
        format!("{}\n", gone.id()),
    )
    .unwrap();
    fs::write(copy.path().join("go"), "").unwrap();
    let guide = command(copy.path(), "sh")
        .args(["scripts/run.sh", "mdbook-lab"])
        .output()
        .unwrap();
    assert!(guide.status.success(), "{guide:?}");
}

#[test]
fn ctrl_c_ends_the_build_of_the_guide_with_all_that_it_has_started() {
    let copy = workspace();
    let mut guide = command(copy.path(), "sh")
        .args(["scripts/run.sh", "mdbook-lab"])
        .process_group(0)
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let begun = copy.path().join("begun");
    let numbers = eventually("its build begins", || fs::read_to_string(&begun).ok());
    let group = format!("-{}", guide.id());
    let sent = Command::new("kill")
        .args(["-s", "INT", "--", &group])
        .status();
    assert!(sent.unwrap().success());
    assert_eq!(guide.wait().unwrap().code(), Some(130));
    for number in numbers.split_whitespace() {
        eventually("all of it ends", || (!runs(number)).then_some(()));
    }
}

/// As cargo writes where it is asked to draw and nobody watches.
const COLD: &str = r#"#!/bin/sh
draw() { printf '    Building [=>     ] %s/40: a, b(build)   \r' "$1" >&2; }
n=0
while [ "$n" -lt 40 ]; do
    [ "$n" = 0 ] || draw "$n"
    printf '   Compiling crate%s v1.0.0\n' "$n" >&2
    n=$((n + 1))
done
draw 40
printf 'warning: Building [1] of 1/x: y\n' >&2
printf '    Finished `lab` profile\n' >&2
"#;

#[test]
fn a_cold_build_says_how_far_it_is_in_few_lines() {
    let copy = copy();
    let write = |name: &str, text: &str| fs::write(copy.path().join(name), text).unwrap();
    write("cargo", COLD);
    let path = std::env::var("PATH").unwrap_or_default();
    let mut build = command(copy.path(), "sh");
    build
        .args(["-ec", "chmod +x cargo; exec sh scripts/build.sh --first"])
        .env("PATH", format!("{}:{path}", copy.path().display()));
    let said = |build: &mut Command| {
        let done = build.output().unwrap();
        assert!(done.status.success(), "{done:?}");
        String::from_utf8(done.stderr).unwrap()
    };
    let lines = said(build.env_remove("CARGO_TERM_PROGRESS_WHEN"));
    let lines: Vec<&str> = lines.lines().collect();
    assert_eq!(lines[0], "   Compiling crate0 v1.0.0");
    assert_eq!(
        lines[2],
        "   Compiling crate4 v1.0.0, 4 of 40 crates are built"
    );
    assert_eq!(lines[lines.len() - 1], "warning: Building [1] of 1/x: y");
    assert_eq!(lines.len(), 12, "{lines:#?}");
    // Whoever has asked for the drawings, as the guide does, makes something of them.
    let drawn = said(build.env("CARGO_TERM_PROGRESS_WHEN", "always"));
    assert_eq!(drawn.matches("a, b(build)").count(), 39, "{drawn}");
}

/// A shell looks for the last of a thing in the square of a text's length: minutes for this one.
#[test]
fn a_line_of_any_length_is_passed_on_at_once() {
    let folder = copy();
    let script = "#!/bin/sh\nprintf '\\r%0200000d\\nend\\n' 0\n";
    fs::write(folder.path().join("cargo"), script).unwrap();
    let path = format!(
        "{}:{}",
        folder.path().display(),
        std::env::var("PATH").unwrap()
    );
    let mut build = command(folder.path(), "sh")
        .args([
            "-ec",
            "chmod +x cargo; exec sh scripts/build.sh --bin driver",
        ])
        .env("PATH", path)
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let said = BufReader::new(build.stderr.take().unwrap());
    let (told, heard) = mpsc::channel();
    thread::spawn(move || {
        said.lines()
            .map_while(Result::ok)
            .try_for_each(|line| told.send(line))
    });
    let line = heard.recv_timeout(BOUND);
    let _ = build.kill();
    let _ = build.wait();
    assert_eq!(line.unwrap().trim_start_matches('\r').len(), 200_000);
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
