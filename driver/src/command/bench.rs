//! `driver bench`: the bars, measured here and now: the load engine beside its peers, the pages, and what a
//! participant waits for, builds among it. The table goes to `reports/bench/`.

use std::{
    fs,
    path::Path,
    process::{Command, Stdio},
    time::Instant,
};

use anyhow::{Context, Result, bail, ensure};
use clap::Args;
use lab_record::file;
use lab_record::{Entry, Reports, RunId};
use lab_report::{Bench, Row};
use lab_say::{note, say};

mod builds;
mod identical;

use super::{Ended, Place, Session, Variants};
use crate::{
    edit, host,
    interrupt::Interrupted,
    platform::{ApiSpec, Platform, StackSpec, local::RunLock},
    scenario::steps,
};

/// The text in which a line is changed to see how long a participant waits.
const EDITED: &str = "lab-services/src/cases/timeouts.rs";

/// Edits that are timed; the median is shown.
const EDITS: usize = 5;

/// What to measure.
#[derive(Debug, Args)]
pub(super) struct Options {
    /// Also a load of ten million requests, for its memory, and identical runs for six minutes, to see how many are
    /// called different
    #[arg(long)]
    long: bool,
    /// Also builds from nothing, in a folder of their own; on two cores they take three minutes
    #[arg(long)]
    builds: bool,
    #[command(flatten)]
    place: Place,
}

pub(super) async fn bench(session: &Session, options: &Options) -> Result<Ended> {
    let root = session.root.as_path();
    let place = &options.place;
    place.check_platform()?;
    let _lock = RunLock::acquire(root, "bench")?;
    let mut bench = Bench {
        started_at: jiff::Timestamp::now(),
        host: host::host(),
        rows: Vec::new(),
    };
    bench.rows.extend(engine(session, options.long).await?);
    let reports = place.reports(root);
    bench.rows.extend(pages(&reports)?);
    if options.long {
        bench
            .rows
            .extend(identical::identical(session, place).await?);
    }
    bench.rows.extend(workshop(session, place).await?);
    // Last, since they leave the machine warm and its memory full of files.
    bench.rows.extend(builds::warm(session).await?);
    if options.builds {
        bench.rows.extend(builds::cold(session).await?);
    }

    let folder = reports.root().join("bench");
    bench
        .write(&folder)
        .with_context(|| format!("can't write to {}", folder.display()))?;
    say!("{}", bench.markdown().trim_end());
    say!("{}", folder.join("index.html").display());
    // A missed bar is said and is no failure: on a busy machine it is the machine's.
    Ok(Ended::Well)
}

/// The load engine beside its peers, by a program of its own: the peers' server and the engine are children of
/// it. It is built as what it measures is, in the profile of the workshop; not as a bench target, for which cargo
/// would replace the program that runs here.
async fn engine(session: &Session, long: bool) -> Result<Vec<Row>> {
    let mut command = tokio::process::Command::new("cargo");
    command
        .args([
            "run",
            "--quiet",
            "--profile",
            "lab",
            "--example",
            "engine",
            "--",
        ])
        .args(long.then_some("--long"))
        .current_dir(&session.root)
        .stdout(Stdio::piped())
        .kill_on_drop(true);
    let child = command.spawn().context("can't start cargo")?;
    let output = tokio::select! {
        output = child.wait_with_output() => output?,
        () = session.interrupt.cancelled() => bail!(Interrupted),
    };
    ensure!(
        output.status.success(),
        "the benchmark of the engine failed, see above"
    );
    let lines = String::from_utf8(output.stdout).context("its rows are text")?;
    let rows = lines.lines().map(serde_json::from_str);
    rows.collect::<Result<_, _>>()
        .context("its rows are JSON, one a line")
}

/// Time and size of the pages, made from the newest run and from five hundred copies of it.
fn pages(reports: &Reports) -> Result<Vec<Row>> {
    const GROUP: &str = "Reports";
    const RUNS: u64 = 500;
    let newest = reports
        .entries()
        .into_iter()
        .rev()
        .find_map(|entry| match entry {
            Entry::Run(run) => Some(*run),
            Entry::Unreadable { .. } => None,
        });
    let Some(mut run) = newest else {
        return Ok(vec![Row::figure(
            GROUP,
            "pages",
            "no run yet; make demo makes some",
        )]);
    };
    let folder = tempfile::tempdir().context("can't make a temporary folder")?;
    let many = Reports::at(folder.path());
    let mut seconds = Vec::new();
    for second in 0..RUNS {
        let at = run.started_at + jiff::SignedDuration::from_secs(second.cast_signed());
        run.run_id = RunId::new(at, second);
        lab_report::write_data(&many, &run)?;
        if second < EDITS as u64 {
            let begun = Instant::now();
            lab_report::write_run(&many, &run, &lab_record::Others::default())?;
            seconds.push(begun.elapsed().as_secs_f64());
        }
    }
    let size = largest_page(&many.root().join(&run.scenario.name))?;
    let begun = Instant::now();
    lab_report::write_index(&many, &lab_report::Home::default())?;
    let index = begun.elapsed().as_secs_f64();
    Ok(vec![
        Row::figure(
            GROUP,
            format!("a report of {}", run.scenario.name),
            millis(&seconds),
        )
        .bar("≤ 200 ms", median(&seconds) <= 0.2),
        Row::figure(
            GROUP,
            "its size, gzipped",
            format!("{:.0} KB", size as f64 / 1e3),
        )
        .bar("≤ 100 KB", size <= 100_000),
        Row::figure(GROUP, format!("the index of {RUNS} runs"), millis(&[index])),
    ])
}

/// Gzipped size of the report that was made in one of the folders in `scenario`.
fn largest_page(scenario: &Path) -> Result<usize> {
    let mut largest = 0;
    for entry in fs::read_dir(scenario)? {
        let page = entry?.path().join("report.html");
        if page.exists() {
            let output = Command::new("gzip").arg("-c").arg(&page).output();
            largest = largest.max(output.context("can't run gzip")?.stdout.len());
        }
    }
    Ok(largest)
}

/// What a participant waits for.
async fn workshop(session: &Session, place: &Place) -> Result<Vec<Row>> {
    const GROUP: &str = "The workshop";
    let platform = place.build(session, Variants::Taught).await?;
    start(session, platform.as_ref(), &spec(false)).await?;
    let edits = time_edits(session, place).await?;
    let (mut plain, mut database) = (Vec::new(), Vec::new());
    for _ in 0..EDITS {
        plain.push(start(session, platform.as_ref(), &spec(false)).await?);
        database.push(start(session, platform.as_ref(), &spec(true)).await?);
    }
    let times = median(&database) / median(&plain);
    let mut rows = vec![
        Row::figure(
            GROUP,
            "a one-line edit until it is rebuilt, started, ready",
            spread(&edits),
        )
        .bar("≤ 5 s", median(&edits) <= 5.0),
        Row::figure(GROUP, "start without a database", spread(&plain)),
        Row::figure(
            GROUP,
            "start with a fresh PostgreSQL",
            format!("{}, {times:.1} × without", spread(&database)),
        ),
    ];
    for scenario in steps()? {
        let length = scenario.duration().as_secs_f64();
        let name = format!("load of {}", scenario.name);
        let row = Row::figure(GROUP, name, format!("{length:.0} s"));
        rows.push(row.bar("≤ 30 s", length <= 30.0));
    }
    Ok(rows)
}

fn spec(database: bool) -> StackSpec {
    StackSpec {
        api: Some(ApiSpec {
            database,
            ..ApiSpec::default()
        }),
        ..StackSpec::new("mine")
    }
}

/// Starts a stack, stops it, and gives the seconds until it was ready.
async fn start(session: &Session, platform: &dyn Platform, spec: &StackSpec) -> Result<f64> {
    let begun = Instant::now();
    let stack = tokio::select! {
        stack = platform.start(spec) => stack?,
        () = session.interrupt.cancelled() => bail!(Interrupted),
    };
    let ready = begun.elapsed().as_secs_f64();
    stack.control.stop().await?;
    Ok(ready)
}

async fn time_edits(session: &Session, place: &Place) -> Result<Vec<f64>> {
    let mut edit = Edit::of(&session.root)?;
    let mut seconds = Vec::new();
    for round in 0..EDITS {
        edit.change(round)?;
        let begun = Instant::now();
        let platform = place.build(session, Variants::Taught).await?;
        let built = begun.elapsed().as_secs_f64();
        seconds.push(built + start(session, platform.as_ref(), &spec(false)).await?);
    }
    Ok(seconds)
}

/// A file that is changed for a while and has its own text again at the end, unless somebody else has changed it
/// meanwhile.
struct Edit<'a> {
    root: &'a Path,
    text: String,
    /// What has been put there, the last of which stands there now, if nobody else has been there.
    ours: Vec<String>,
}

impl<'a> Edit<'a> {
    fn of(root: &'a Path) -> Result<Self> {
        let path = root.join(EDITED);
        let text =
            fs::read_to_string(&path).with_context(|| format!("can't read {}", path.display()))?;
        // Whatever ends this process, the text is not lost.
        let copy = root.join(".lab/saved/bench").join(EDITED);
        file::replace(&copy, text.as_bytes())
            .with_context(|| format!("can't write {}", copy.display()))?;
        let ours = vec![text.clone()];
        Ok(Self { root, text, ours })
    }

    /// A statement more at the start of the first function's body: real work for the compiler,
    /// not a comment.
    fn change(&mut self, round: usize) -> Result<()> {
        let (head, body) = self
            .text
            .split_once("{\n    ")
            .context("no function to edit")?;
        let line = format!("let _bench = {round} + std::process::id() as usize;");
        let text = format!("{head}{{\n    {line}\n    {body}");
        self.put(text)
    }

    fn put(&mut self, text: String) -> Result<()> {
        let found = fs::read_to_string(self.root.join(EDITED)).unwrap_or_default();
        ensure!(
            self.ours.last() == Some(&found),
            "somebody else edits {EDITED}; the measurement of edits gives way"
        );
        let known: Vec<&[u8]> = self.ours.iter().map(String::as_bytes).collect();
        let placed = edit::put(self.root, EDITED, text.as_bytes(), &known)?;
        for copy in placed.saved {
            note!("a text of somebody else is saved as {}", copy.display());
        }
        self.ours.push(text);
        Ok(())
    }
}

impl Drop for Edit<'_> {
    fn drop(&mut self) {
        if let Err(error) = self.put(self.text.clone()) {
            note!(
                "{EDITED} was not restored: {}; its text is in .lab/saved/bench/",
                lab_say::reason(error.as_ref())
            );
        }
    }
}

fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted[sorted.len() / 2]
}

/// Median and range.
fn spread(values: &[f64]) -> String {
    let least = values.iter().copied().fold(f64::INFINITY, f64::min);
    let most = values.iter().copied().fold(0.0, f64::max);
    format!("{:.2} s ({least:.2}–{most:.2})", median(values))
}

fn millis(seconds: &[f64]) -> String {
    let least = seconds.iter().copied().fold(f64::INFINITY, f64::min) * 1e3;
    let most = seconds.iter().copied().fold(0.0, f64::max) * 1e3;
    let middle = median(seconds) * 1e3;
    match seconds {
        [_] => format!("{middle:.0} ms"),
        _ => format!("{middle:.1} ms ({least:.1}–{most:.1})"),
    }
}
