//! Shells, networks, databases and files as participants may have them.

use std::{fs, os::unix::fs::PermissionsExt, path::Path, process::Command};

use anyhow::ensure;

use crate::{trial::Trial, world::works};

/// What a shell may say.
const SETTINGS: [(&str, &[(&str, &str)]); 6] = [
    (
        "an odd locale and zone",
        &[
            ("LANG", "tr_TR.UTF-8"),
            ("LC_ALL", "xx"),
            ("TZ", "Asia/Kathmandu"),
        ],
    ),
    ("no HOME", &[("HOME", "")]),
    (
        "settings of PostgreSQL",
        &[
            ("PGPORT", "1"),
            ("PGHOST", "nowhere"),
            ("PGUSER", "me"),
            ("PGDATA", "/nowhere"),
            ("PGSSLMODE", "verify-full"),
            ("PGOPTIONS", "-c no_such_setting=on"),
        ],
    ),
    (
        "a proxy",
        &[
            ("http_proxy", "http://127.0.0.1:1"),
            ("HTTPS_PROXY", "http://127.0.0.1:1"),
            ("ALL_PROXY", "socks5://127.0.0.1:1"),
        ],
    ),
    (
        "settings of the services",
        &[
            ("LAB_LISTEN", "0.0.0.0:1"),
            ("LAB_CODE", "solved"),
            ("LAB_DATABASE_URL", "x"),
        ],
    ),
    (
        "a wide terminal that is none",
        &[("COLUMNS", "0"), ("TERM", "dumb"), ("NO_COLOR", "1")],
    ),
];

pub(crate) fn environments(trial: &mut Trial<'_>) {
    let all = SETTINGS.len();
    for number in 0..trial.times(3, all) {
        // Three in a row, from another place each time.
        let (name, settings) = SETTINGS[(number * 5 + trial.tried()) % all];
        trial.case(name, |world, _| {
            let mut command = world.run("everything");
            command.envs(settings.iter().copied());
            world.start(&mut command)?.end()?.with(&[0])?.says("PASS")?;
            Ok(())
        });
    }
    trial.case("few files and a strict umask", |world, _| {
        let script = r#"ulimit -n 200; umask 077; exec "$@""#;
        let mut command = world.command(Path::new("sh"), &["-c", script, "sh", "driver"]);
        command.args(["run", "--scenario-file", "chaos/scenarios/everything.toml"]);
        world.start(&mut command)?.end()?.with(&[0])?;
        Ok(())
    });
}

/// Networks of their own, which take root and Linux.
pub(crate) fn network(trial: &mut Trial<'_>) {
    if !works("unshare", &["-n", "ip", "link", "set", "lo", "up"]) {
        return trial.skip("no loopback, IPv6 only", "they take root, unshare and ip");
    }
    for (name, script) in [
        ("no loopback", ":"),
        (
            "IPv6 only",
            "ip link set lo up && ip addr del 127.0.0.1/8 dev lo",
        ),
    ] {
        trial.case(name, |world, _| {
            let script = format!("{script}; exec \"$@\"");
            let mut command = Command::new("unshare");
            command.args(["-n", "sh", "-c", &script, "sh"]);
            let run = world.run("everything");
            command.arg(run.get_program()).args(run.get_args());
            let settings = run
                .get_envs()
                .filter_map(|(name, value)| Some((name, value?)));
            command
                .envs(settings)
                .env_remove("CARGO")
                .current_dir(&world.root);
            let begun = std::time::Instant::now();
            world
                .start(&mut command)?
                .end()?
                .with(&[2])?
                .says("127.0.0.1")?;
            ensure!(
                begun.elapsed().as_secs() < 5,
                "it took {:?}",
                begun.elapsed()
            );
            Ok(())
        });
    }
}

/// Databases that are not there or not good.
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
            world.start(&mut command)?.end()?.with(&[0])?;
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

/// Scenario files and a `book.toml` by somebody who means harm.
pub(crate) fn hostile(trial: &mut Trial<'_>) {
    let good = include_str!("../../scenarios/plain.toml");
    let with = |from: &str, to: &str| good.replacen(from, to, 1);
    let scenarios = [
        ("empty", String::new()),
        ("binary", "\0\u{1}\u{feff}".repeat(1000)),
        (
            "nested",
            format!("a = {}1{}", "[".repeat(100_000), "]".repeat(100_000)),
        ),
        (
            "a name that leads out",
            with("name = \"plain\"", "name = \"../../../out\""),
        ),
        ("a rate beyond all", with("20/s", "1000000000000/s")),
        ("a rate of nothing", with("20/s", "0/s")),
        (
            "a year long",
            with("duration = \"2s\"", "duration = \"9000h\""),
        ),
        (
            "a negative length",
            with("duration = \"2s\"", "duration = \"-1s\""),
        ),
        (
            "a request of two lines",
            with("GET /cases/local", "GET /x\\r\\nHost: evil"),
        ),
        (
            "an edit point outside",
            with(
                "headline = \"good\"",
                "headline = \"good\"\nedit = [\"/etc/passwd\"]",
            ),
        ),
        (
            "an edit point above",
            with(
                "headline = \"good\"",
                "headline = \"good\"\nedit = [\"../../../../../../etc/passwd\"]",
            ),
        ),
    ];
    for (name, text) in scenarios {
        trial.case(&format!("a scenario: {name}"), move |world, _| {
            let file = world.tmp().join("hostile.toml");
            fs::write(&file, &text)?;
            let mut command = world.driver(&["run", "--scenario-file"]);
            command.arg(&file);
            world
                .start(&mut command)?
                .end()?
                .with(&[2])?
                .says("hostile.toml")?;
            ensure!(!world.root.join("out").exists(), "it wrote outside");
            Ok(())
        });
    }
    for (name, text) in [
        ("empty", ""),
        ("binary", "\0\0\0"),
        ("another source", "[book]\nsrc = \"/etc\"\n"),
        (
            "a table of the wrong kind",
            "[book]\nsrc = \"book\"\n[output.html]\nplayground = 3\n",
        ),
        (
            "a place outside for the pages",
            "[book]\nsrc = \"book\"\n[build]\nbuild-dir = \"/tmp/evil-book\"\n",
        ),
    ] {
        trial.case(&format!("a book.toml: {name}"), |world, _| {
            let file = world.root.join("book.toml");
            let good = fs::read(&file)?;
            fs::write(&file, text)?;
            let ended = world.start(&mut world.guide(&["check"]))?.end();
            fs::write(&file, good)?;
            ended?.with(&[0, 2])?;
            ensure!(!world.tmp().join("evil-book").exists(), "it wrote outside");
            Ok(())
        });
    }
}
