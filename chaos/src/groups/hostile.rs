//! Scenario files and a `book.toml` by somebody who means harm.

use std::fs;

use anyhow::ensure;

use crate::trial::Trial;

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
