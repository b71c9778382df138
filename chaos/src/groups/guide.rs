//! The real guide in use: killed, closed, opened twice, pressed at random, and a compiler that attacks its panel.

use std::{fs, net::TcpListener, thread, time::Duration};

use anyhow::{Context, Result, ensure};
use fastrand::Rng;
use lab_record::Outcome;
use rustix::process::Signal;

use super::{kills::only_run, signals::until_the_load};
use crate::{
    guide::Guide,
    process::{memory, until},
    trial::Trial,
    world::{World, works},
};

pub(crate) fn guide(trial: &mut Trial<'_>) {
    trial.case("killed during a run that it started", |world, _| {
        killed(world)
    });
    trial.case("Ctrl-C during a run that it started", |world, _| {
        interrupted(world)
    });
    trial.case("killed, and opened at the same port", |world, _| {
        again(world)
    });
    trial.case("opened at a port that is taken", |world, _| taken(world));
    trial.case("reports and pages go while it is open", |world, _| {
        removed(world)
    });
    for _ in 0..trial.times(1, 10) {
        trial.case("buttons pressed at random", buttons);
    }
    if works("rustc", &["--version"]) {
        trial.case("a compiler's message that would be a page", |world, _| {
            message(world)
        });
    } else {
        trial.skip("a compiler's message that would be a page", "no rustc");
    }
    for _ in 0..trial.times(1, 10) {
        trial.case("a compiler that says anything at all", flood);
    }
}

/// The run goes on to its end: it is nobody's output that makes it one.
fn killed(world: &World) -> Result<()> {
    let mut guide = Guide::open(world)?;
    guide.start("step1")?;
    until_the_load(world)?;
    guide.program.signal(Signal::KILL)?;
    guide.program.end()?.killed()?;
    let run = until("the run's data and report", || {
        let run = only_run(world).ok();
        Ok(run.filter(|run| run_folder(world, run).join("report.html").exists()))
    })?;
    ensure!(run.complete, "the run was cut off");
    ensure!(
        run.verdict.outcome != Outcome::Cancelled,
        "{:?}",
        run.verdict
    );
    Ok(())
}

fn run_folder(world: &World, run: &lab_record::Run) -> std::path::PathBuf {
    lab_record::Reports::at(world.reports()).run_folder(&run.scenario.name, &run.run_id)
}

/// The run ends with it, and what was measured is kept as what it is.
fn interrupted(world: &World) -> Result<()> {
    let guide = Guide::open(world)?;
    guide.start("step1")?;
    until_the_load(world)?;
    guide.close()?;
    ensure!(!only_run(world)?.complete, "the run counts as complete");
    Ok(())
}

fn again(world: &World) -> Result<()> {
    let mut first = Guide::open(world)?;
    let port = first.address.port().to_string();
    first.program.signal(Signal::KILL)?;
    first.program.end()?.killed()?;
    let arguments = ["serve", "--no-open", "--port", &port];
    let second = Guide::open_with(world, &mut world.guide(&arguments))?;
    second.answers()?;
    let left = temporary(world)?;
    ensure!(left == 1, "{left} folders of guides");
    second.close()?;
    let left = temporary(world)?;
    ensure!(left == 0, "{left} folders of guides that have ended");
    Ok(())
}

/// How many folders guides have for what they build.
fn temporary(world: &World) -> Result<usize> {
    let entries = fs::read_dir(world.tmp())?.flatten();
    Ok(entries
        .filter(|entry| {
            entry
                .file_name()
                .to_string_lossy()
                .starts_with("lab-guide-")
        })
        .count())
}

fn taken(world: &World) -> Result<()> {
    let thief = TcpListener::bind(("127.0.0.1", 0))?;
    let port = thief.local_addr()?.port().to_string();
    let mut guide = world.guide(&["serve", "--no-open", "--port", &port]);
    world
        .start(&mut guide)?
        .end()?
        .with(&[2])?
        .says("can't listen")?;
    Ok(())
}

/// What stood is served, or said to be missing, until it is back.
fn removed(world: &World) -> Result<()> {
    world.start(&mut world.run("plain"))?.end()?.measured()?;
    let guide = Guide::open(world)?;
    ensure!(guide.page("/reports/")?.0 == 200, "no reports");
    fs::remove_dir_all(world.reports())?;
    ensure!(guide.page("/reports/")?.0 == 404, "reports that are gone");
    let (book, away) = (world.root.join("book"), world.root.join("book-away"));
    let mut events = guide.follow()?;
    fs::rename(&book, &away)?;
    let told = wait_for(&mut events, |event| {
        event.name == "reload" && event.data["error"].is_string()
    });
    fs::rename(&away, &book)?;
    told?;
    guide.answers()?;
    guide.close()
}

/// The first event of a kind.
fn wait_for(
    events: &mut crate::guide::Events,
    is: impl Fn(&crate::guide::Event) -> bool,
) -> Result<crate::guide::Event> {
    loop {
        let event = events.next()?.context("the events end")?;
        if is(&event) {
            return Ok(event);
        }
    }
}

/// As by children: nothing starts twice, nothing is lost, and it is there at the end.
fn buttons(world: &World, random: &mut Rng) -> Result<()> {
    let guide = Guide::open(world)?;
    for _ in 0..60 {
        let status = match random.u8(..6) {
            0 | 1 => guide.press("step1")?,
            2 => guide.press("solve1")?,
            3 => guide.press("reset")?,
            4 => guide.press("step9")?,
            _ => guide.cancel()?,
        };
        ensure!([202, 404, 409].contains(&status), "an answer is {status}");
        thread::sleep(Duration::from_millis(random.u64(..60)));
    }
    guide.cancel()?;
    until("nothing runs", || {
        let hello = wait_for(&mut guide.follow()?, |event| event.name == "hello")?;
        Ok(hello.data["running"].is_null().then_some(()))
    })?;
    guide.answers()?;
    guide.close()
}

/// Would be run, were it taken for part of a page; or end the command, were it taken for an event.
const POISON: &str = "</pre><script>hacked=1</script><img src=x onerror=hacked=1>";

/// The real compiler quotes the code, and the code is an attack.
fn message(world: &World) -> Result<()> {
    let code = world.tmp().join("hostile.rs");
    let text = format!(
        "compile_error!(\"{POISON}\\u{{1b}}[2J\\u{{202e}}\\n\\nevent: ended\\ndata: {{}}\\n\\n\");\n\
         fn main() {{ let x: u8 = \"{POISON}\"; }}\n"
    );
    fs::write(&code, text)?;
    let script = format!(
        "cd '{}' && exec rustc --edition 2024 hostile.rs",
        world.tmp().display()
    );
    let said = attack(world, &script)?;
    let quoted = said.iter().filter(|line| line.contains(POISON)).count();
    ensure!(quoted >= 2, "the message is not told as it is: {said:?}");
    Ok(())
}

/// Megabytes of any bytes, among them what would be events and lines that never end.
fn flood(world: &World, random: &mut Rng) -> Result<()> {
    let mut bytes = Vec::new();
    while bytes.len() < 4 << 20 {
        match random.u8(..5) {
            0 => bytes.extend(
                b"\n\nevent: ended\ndata: {\"id\":1,\"action\":\"step1\",\"code\":0}\n\nid: 7\nretry: 1\n",
            ),
            1 => bytes.extend(POISON.as_bytes()),
            2 => bytes.extend(std::iter::repeat_n(b'x', random.usize(..200_000))),
            3 => bytes.extend("\u{2028}\u{0}\u{1b}]0;title\u{7}\r\u{202e}\u{feff}".as_bytes()),
            _ => {
                let length = random.usize(..2000);
                bytes.extend(std::iter::repeat_with(|| random.u8(..)).take(length));
            }
        }
    }
    let place = world.tmp().join("bytes");
    fs::write(&place, bytes)?;
    let script = format!("cat '{0}' >&2; cat '{0}'; exit 101", place.display());
    let said = attack(world, &script)?;
    ensure!(!said.is_empty(), "nothing of it is told");
    Ok(())
}

/// Runs step 1 with `script` for its build, from the guide; what a page is told that it said.
fn attack(world: &World, script: &str) -> Result<Vec<String>> {
    let compiler = world.tmp().join("compiler");
    fs::write(&compiler, script)?;
    let mut command = world.guide(&["serve", "--no-open", "--port", "0"]);
    let guide = Guide::open_with(world, command.env("CHAOS_COMPILER", &compiler))?;
    let mut events = guide.follow()?;
    guide.start("step1")?;
    let mut said = Vec::new();
    let code = loop {
        let Some(event) = events.next()? else {
            // Too far behind; what stands is told anew.
            events = guide.follow()?;
            continue;
        };
        match &*event.name {
            "output" => said.extend(event.data["text"].as_str().map(str::to_owned)),
            "ended" => break event.data["code"].clone(),
            "hello" if event.data["running"].is_null() && event.data["last"].is_object() => {
                break event.data["last"]["code"].clone();
            }
            _ => {}
        }
    };
    ensure!(code == 2, "the command is said to have ended with {code}");
    guide.answers()?;
    let memory = memory(guide.program.pid())?;
    ensure!(memory < 400, "the guide takes {memory} MiB");
    guide.close()?;
    Ok(said)
}
