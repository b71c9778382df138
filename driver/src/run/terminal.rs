//! What a run shows in the terminal: a progress bar a phase where a person watches, plain lines
//! where none does, the lines of `events.jsonl` with `--json`.

use std::{io::IsTerminal, time::Duration};

use console::style;
use indicatif::{ProgressBar, ProgressStyle};
use lab_record::{Check, CheckKind, Outcome, Run, Tick, Validity};
use lab_say::note;

use lab_report::words::{failures, number::counted};

/// How to show a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Progress bars.
    Bars,
    /// A line a phase.
    Plain,
    /// `events.jsonl` on standard output, nothing else there.
    Json,
    /// Nothing but what goes wrong.
    Quiet,
}

impl Mode {
    /// JSON if asked for, else what fits the terminal.
    pub fn detect(json: bool) -> Self {
        match (json, std::io::stderr().is_terminal()) {
            (true, _) => Self::Json,
            (false, true) => Self::Bars,
            (false, false) => Self::Plain,
        }
    }
}

/// Shows one run as it goes.
#[derive(Debug)]
pub struct Terminal {
    mode: Mode,
    phase: Option<Phase>,
}

#[derive(Debug)]
struct Phase {
    name: String,
    start: f64,
    end: f64,
    bar: ProgressBar,
    /// The last one before its end: after that of the run nothing is offered any more.
    last: Option<Tick>,
    rates: Rates,
}

/// What the ticks of a phase say, added up, req/s.
#[derive(Debug, Default)]
struct Rates {
    ticks: f64,
    offered: f64,
    ok: f64,
    refused: f64,
    failed: f64,
}

impl Rates {
    fn add(&mut self, tick: &Tick) {
        self.ticks += 1.0;
        self.offered += tick.offered_per_s;
        self.ok += tick.ok_per_s;
        self.refused += tick.refused_per_s;
        self.failed += tick.failed_per_s;
    }

    /// The last tick of the phase, with the mean of the rates.
    fn mean(&self, last: &Tick) -> Tick {
        if self.ticks == 0.0 {
            return last.clone();
        }
        Tick {
            offered_per_s: self.offered / self.ticks,
            ok_per_s: self.ok / self.ticks,
            refused_per_s: self.refused / self.ticks,
            failed_per_s: self.failed / self.ticks,
            ..last.clone()
        }
    }
}

impl Terminal {
    /// Nothing shown yet.
    pub fn new(mode: Mode) -> Self {
        Self { mode, phase: None }
    }

    /// A sentence about what is going on.
    pub fn note(&self, text: &str) {
        match (self.mode, &self.phase) {
            (Mode::Bars, Some(phase)) => phase.bar.println(format!("  {text}")),
            (Mode::Bars | Mode::Plain, _) => note!("  {text}"),
            (Mode::Json | Mode::Quiet, _) => {}
        }
    }

    /// Whether the lines of `events.jsonl` go to standard output too.
    pub fn echoes(&self) -> bool {
        self.mode == Mode::Json
    }

    /// A phase begins; the one before it is over.
    pub fn phase(&mut self, name: &str, start: f64, duration: Duration) {
        self.end_phase();
        let bar = if self.mode == Mode::Bars {
            ProgressBar::new(duration.as_millis() as u64)
        } else {
            ProgressBar::hidden()
        };
        if let Ok(style) = ProgressStyle::with_template("  {prefix:10} {bar:24.cyan/dim} {msg}") {
            bar.set_style(style.progress_chars("━╸─"));
        }
        bar.set_prefix(name.to_owned());
        self.phase = Some(Phase {
            name: name.to_owned(),
            start,
            end: start + duration.as_secs_f64(),
            bar,
            last: None,
            rates: Rates::default(),
        });
    }

    /// How the run stands.
    pub fn tick(&mut self, tick: &Tick) {
        if let Some(phase) = &mut self.phase {
            phase
                .bar
                .set_position(((tick.t_s - phase.start).max(0.0) * 1e3) as u64);
            phase.bar.set_message(summary(tick, ""));
            if tick.t_s <= phase.end {
                phase.last = Some(tick.clone());
                // A tick is of the second before it.
                if tick.t_s >= phase.start + 1.0 {
                    phase.rates.add(tick);
                }
            }
        }
    }

    /// The last phase is over: what it was like on average, and how it stood at its end.
    pub fn end_phase(&mut self) {
        if let Some(phase) = self.phase.take() {
            if let Some(last) = &phase.last {
                let whole = summary(&phase.rates.mean(last), "at its end: ");
                phase.bar.set_message(whole.clone());
                if self.mode == Mode::Plain {
                    note!("  {:10} {whole}", phase.name);
                }
            }
            phase.bar.abandon();
        }
    }
}

/// Rates, then, after `when`, what is of that moment.
fn summary(tick: &Tick, when: &str) -> String {
    // Where a scenario calls no refusal right there is none to show.
    let refused = if tick.refused_per_s > 0.0 {
        format!("  refused {:>3.0}", tick.refused_per_s)
    } else {
        String::new()
    };
    format!(
        "{:>3.0} req/s  ok {:>3.0}{refused}  failed {:>3.0}  {when}in flight {:>3}  p95 {}",
        tick.offered_per_s,
        tick.ok_per_s,
        tick.failed_per_s,
        tick.in_flight,
        p95(tick)
    )
}

/// Of each class: one of a class that waits and one that doesn't together would be that of neither.
fn p95(tick: &Tick) -> String {
    let by_class = &tick.p95_ms_by_class;
    let one = |(name, ms): (&String, &f64)| match by_class.len() {
        1 => milliseconds(*ms),
        _ => format!("{name} {}", milliseconds(*ms)),
    };
    if by_class.is_empty() {
        return "–".to_owned();
    }
    by_class.iter().map(one).collect::<Vec<_>>().join(", ")
}

fn milliseconds(ms: f64) -> String {
    match ms {
        ms if ms >= 1000.0 => format!("{:.1} s", ms / 1e3),
        ms if ms >= 10.0 => format!("{ms:.0} ms"),
        ms => format!("{ms:.1} ms"),
    }
}

/// The checks of a run and what its self-check found, for people.
pub fn print_checks(run: &Run) {
    if run.verdict.outcome == Outcome::Cancelled {
        return;
    }
    for check in &run.checks {
        let sign = if check.passed {
            style("✔ holds").green()
        } else {
            style("✘ fails").red()
        };
        note!("  {sign}  {:11} {}", kind(check), check.title);
        note!(
            "           {:11} {}  (limit {})",
            "",
            style(&check.seen).bold(),
            check.limit
        );
    }
    if let Some(early) = &run.ended_early {
        let others = counted(early.undecided.len(), "other check", "other checks");
        note!("  ended early; undecided: {others}");
    }
    for line in failures::lines(run) {
        note!("  {}    {line}", style("failed").red());
    }
    if run.self_check.validity != Validity::Valid {
        let stands = match run.self_check.validity {
            Validity::Suspect => {
                ": the verdict stands, with care; once more on a quieter machine is surer"
            }
            _ => "",
        };
        note!(
            "  {}{stands}",
            style(format!("measurement {}", run.self_check.validity.word())).yellow()
        );
        for finding in run
            .self_check
            .findings
            .iter()
            .filter(|f| f.validity != Validity::Valid)
        {
            note!("    {}: {}", finding.name, finding.text);
        }
    }
}

/// The one line made for sharing, e.g. `SCORE timeouts 96/100 PASS …`.
pub fn score_line(run: &Run) -> String {
    let score = run
        .verdict
        .score
        .map_or("--".to_owned(), |score| score.to_string());
    let headline = match (&run.ended_early, run.telling()) {
        (Some(early), _) => format!("  {}", early.text()),
        // A part of a run says nothing.
        (None, Some(check)) if run.verdict.outcome != Outcome::Cancelled => {
            format!("  {}: {}", check.title, check.seen)
        }
        (None, _) => String::new(),
    };
    format!(
        "SCORE {} {score}/100 {}{headline}  [{} on {}, {}]",
        run.scenario.name,
        run.verdict_words(),
        run.code,
        run.platform,
        run.run_id
    )
}

fn kind(check: &Check) -> &'static str {
    match check.kind {
        CheckKind::Effect => "effect",
        CheckKind::Mechanism => "mechanism",
        CheckKind::Correctness => "correctness",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tick(t_s: f64, failed_per_s: f64) -> Tick {
        Tick {
            t_s,
            phase: "roll".to_owned(),
            offered_per_s: 40.0,
            ok_per_s: 40.0 - failed_per_s,
            refused_per_s: 0.0,
            failed_per_s,
            p95_ms: None,
            p95_ms_by_class: std::collections::BTreeMap::new(),
            in_flight: 7,
            replicas: 0,
            stage: std::collections::BTreeMap::new(),
        }
    }

    /// The second before its first, and what comes when nothing is offered any more, are no part of a phase.
    #[test]
    fn a_phase_is_told_by_all_of_its_seconds() {
        let mut terminal = Terminal::new(Mode::Quiet);
        terminal.phase("roll", 10.0, Duration::from_secs(3));
        for (t_s, failed) in [(10.5, 9.0), (11.0, 4.0), (12.0, 2.0), (13.2, 40.0)] {
            terminal.tick(&tick(t_s, failed));
        }
        let phase = terminal.phase.unwrap();
        let told = phase.rates.mean(&phase.last.unwrap());
        assert_eq!(
            summary(&told, "at its end: "),
            " 40 req/s  ok  37  failed   3  at its end: in flight   7  p95 –"
        );
    }
}
