//! The first layer of the image, without an engine: what deploy/Dockerfile copies is enough for cargo to read the
//! workspace, and .dockerignore lets it through.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

/// The project.
fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

/// The instructions of the stage that builds the dependencies, each on a line of its own.
fn instructions() -> Vec<String> {
    let text = fs::read_to_string(root().join("deploy/Dockerfile")).unwrap();
    let text = text.replace("\\\n", " ");
    let stages = text.split("\nFROM ");
    let stage = stages.filter_map(|stage| stage.split_once(" AS dependencies\n"));
    let (_, stage) = stage.last().unwrap();
    stage.lines().map(str::to_owned).collect()
}

/// Whether .dockerignore, which keeps out all but what it names, names `path` or a folder that it is in.
fn is_sent(path: &str) -> bool {
    let text = fs::read_to_string(root().join(".dockerignore")).unwrap();
    assert!(text.lines().any(|line| line == "*"));
    let mut named = text.lines().filter_map(|line| line.strip_prefix('!'));
    named.any(|named| Path::new(path).starts_with(named))
}

/// Runs a shell command there.
fn shell(folder: &Path, command: &str) {
    let mut shell = Command::new("sh");
    shell.args(["-ec", command]).current_dir(folder);
    let output = shell.output().unwrap();
    assert!(output.status.success(), "{command}: {output:?}");
}

#[test]
fn cargo_reads_the_workspace_from_what_is_copied() {
    let layer = tempfile::tempdir().unwrap();
    for instruction in instructions() {
        if let Some(paths) = instruction.strip_prefix("COPY ") {
            let (from, to) = paths.rsplit_once(' ').unwrap();
            let to: PathBuf = layer.path().join(to);
            fs::create_dir_all(&to).unwrap();
            for from in from.split_whitespace() {
                assert!(is_sent(from), "{from}");
                let source = root().join(from);
                // Of a folder Docker copies what is in it.
                let source = if source.is_dir() {
                    source.join(".")
                } else {
                    source
                };
                shell(
                    root(),
                    &format!("cp -R '{}' '{}'", source.display(), to.display()),
                );
            }
        } else if let Some(command) = instruction.strip_prefix("RUN ") {
            let (prepare, build) = command.split_once("&& cargo build ").unwrap();
            shell(layer.path(), prepare.trim());
            let package = build.split_once("--package ").unwrap().1;
            let cargo = env!("CARGO");
            let read = format!("'{cargo}' tree --locked --offline --package {package}");
            shell(layer.path(), &read);
        }
    }
    assert!(layer.path().join("lab-services/src/main.rs").is_file());
}

/// The crates of this workspace that a package needs, itself included, as their folders.
fn crates(package: &str) -> Vec<String> {
    let output = Command::new(env!("CARGO"))
        .args([
            "tree",
            "--locked",
            "--offline",
            "--edges",
            "normal",
            "--prefix",
            "none",
            "--package",
            package,
        ])
        .current_dir(root())
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    let here = format!("({}/", root().display());
    let folders = text
        .lines()
        .filter_map(|line| Some(line.split_once(&here)?.1.split_once(')')?.0.to_owned()));
    folders.collect()
}

/// A stage that builds a program from what stands for its crates in the first layer would build another program, or none.
#[test]
fn each_stage_copies_the_crates_of_its_program_and_makes_them_newer_than_what_stood_for_them() {
    let text = fs::read_to_string(root().join("deploy/Dockerfile")).unwrap();
    let text = text.replace("\\\n", " ");
    for (stage, package) in [("load", "lab-remote"), ("build", "lab-services")] {
        let (_, rest) = text
            .split_once(&format!("FROM dependencies AS {stage}\n"))
            .unwrap();
        let stage = rest.split("\nFROM ").next().unwrap();
        let crates = crates(package);
        assert!(!crates.is_empty());
        for folder in crates {
            assert!(
                stage.contains(&format!("COPY {folder} {folder}\n")),
                "{package} needs {folder}:\n{stage}"
            );
            assert!(
                stage.contains(&format!("{folder}/src/lib.rs")),
                "{folder} is not touched:\n{stage}"
            );
        }
    }
}
