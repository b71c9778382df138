//! The copy itself: the sources, the programs as they were built, and a cargo that has nothing to do.

use std::{
    fs,
    os::unix::fs::{PermissionsExt, symlink},
    path::Path,
};

use anyhow::{Context, Result, ensure};

/// What is no source.
const NOT_COPIED: [&str; 6] = [
    "target",
    ".git",
    ".lab",
    "reports",
    ".github",
    "node_modules",
];

/// What `make step1` and its like do, and what they do in the copy: seconds are enough there.
const STEP: (&str, &str) = (
    "run $* $(how)",
    "run --scenario-file chaos/scenarios/plain.toml $(how)",
);

/// Copies the project to `root`, with its programs in `bin`.
pub(super) fn make(project: &Path, root: &Path, bin: &Path) -> Result<()> {
    folder(project, root)?;
    let makefile = root.join("Makefile");
    let text = fs::read_to_string(&makefile)?;
    ensure!(text.contains(STEP.0), "`make step1` does something else");
    fs::write(&makefile, text.replace(STEP.0, STEP.1))?;

    let built = root.join("target/lab");
    fs::create_dir_all(bin)?;
    fs::create_dir_all(&built)?;
    for program in ["driver", "lab", "mdbook-lab"] {
        let original = project.join("target/lab").join(program);
        fs::copy(&original, bin.join(program)).with_context(|| {
            format!("{} is missing; `make chaos` builds it", original.display())
        })?;
        symlink(bin.join(program), built.join(program))?;
    }
    let cargo = bin.join("cargo");
    fs::write(&cargo, cargo_of(&bin.display().to_string()))?;
    Ok(fs::set_permissions(
        &cargo,
        fs::Permissions::from_mode(0o755),
    )?)
}

/// Cargo where nothing has changed. `CHAOS_BUILD` is how long it takes to find out, `CHAOS_COMPILER` a script that is the
/// build instead.
fn cargo_of(bin: &str) -> String {
    format!(
        r#"#!/bin/sh
case "$1" in
build)
    [ -z "$CHAOS_COMPILER" ] || exec sh "$CHAOS_COMPILER"
    sleep "${{CHAOS_BUILD:-0}}"
    echo '{{"reason":"compiler-artifact","target":{{"kind":["bin"],"name":"lab"}},"executable":"{bin}/lab"}}'
    echo '{{"reason":"build-finished","success":true}}' ;;
run)
    while [ "$1" != -- ]; do shift; done
    shift
    exec '{bin}/driver' "$@" ;;
--version) echo 'cargo of the chaos' ;;
esac
"#
    )
}

fn folder(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let (source, target) = (entry.path(), to.join(entry.file_name()));
        let kind = entry.file_type()?;
        if NOT_COPIED.iter().any(|name| entry.file_name() == *name) {
            continue;
        }
        if kind.is_dir() {
            folder(&source, &target)?;
        } else if kind.is_file() {
            fs::copy(&source, &target)?;
        }
    }
    Ok(())
}
