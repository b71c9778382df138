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
