//! Databases that are not there or not good.

use std::{fs, os::unix::fs::PermissionsExt, path::Path};

use anyhow::ensure;

use crate::{trial::Trial, world::works};

pub(crate) fn postgres(trial: &mut Trial<'_>) {
    for (name, script) in [
        ("too old on the PATH", "echo 'postgres (PostgreSQL) 12.22'"),
        ("broken on the PATH", "exit 1"),
    ] {
        trial.case(name, |world, _| {
            let folder = world.tmp().join("programs");
            fs::create_dir_all(&folder)?;
            for program in ["postgres", "initdb"] {
                let path = folder.join(program);
                fs::write(&path, format!("#!/bin/sh\n{script}\n"))?;
                fs::set_permissions(&path, fs::Permissions::from_mode(0o755))?;
            }
            let mut command = world.run("everything");
            let path = std::env::var("PATH").unwrap_or_default();
            let own = world.root.join("chaos-bin");
            command.env(
                "PATH",
                format!("{}:{}:{path}", folder.display(), own.display()),
            );
            // The one of the system is taken instead.
            world.start(&mut command)?.end()?.measured()?;
            Ok(())
        });
    }
    if !(world_hides(trial)) {
        return;
    }
    for (name, url, says) in [
        ("missing", None, "PostgreSQL is not installed"),
        (
            "DATABASE_URL dead",
            Some("postgres://me:secret@127.0.0.1:1/x"),
            "DATABASE_URL",
        ),
        (
            "DATABASE_URL of MySQL",
            Some("mysql://me:secret@127.0.0.1:1/x"),
            "no URL of a PostgreSQL server",
        ),
        (
            "DATABASE_URL nonsense",
            Some("secret"),
            "no URL of a PostgreSQL server",
        ),
    ] {
        trial.case(name, |world, _| {
            let hide = "for bin in /usr/lib/postgresql; do [ ! -d $bin ] || mount -t tmpfs none $bin; done; exec \"$@\"";
            let mut command = world.command(Path::new("sh"), &["-c", hide, "sh", "driver"]);
            command.args(["run", "--scenario-file", "chaos/scenarios/everything.toml"]);
            if let Some(url) = url {
                command.env("DATABASE_URL", url);
            }
            let ended = world.start(&mut command)?.end()?;
            ended.with(&[2])?.says(says)?;
            ensure!(!ended.text.contains("secret"), "it shows the password:\n{}", ended.text);
            Ok(())
        });
    }
}

/// Whether the system's PostgreSQL can be hidden from a program here.
fn world_hides(trial: &mut Trial<'_>) -> bool {
    let there = Path::new("/usr/lib/postgresql").is_dir();
    let hides = there
        && works(
            "unshare",
            &["-m", "mount", "-t", "tmpfs", "none", "/usr/lib/postgresql"],
        );
    if !hides {
        trial.skip(
            "PostgreSQL missing, DATABASE_URL",
            "they take root and Debian's PostgreSQL",
        );
    }
    hides
}
