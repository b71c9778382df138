//! How the latency of each class is spread: a bar for each length of time, ten to a decade, on one axis for all classes.
//!
//! A percentile hides what a picture shows: two humps, one of those that got through and one of those that waited. Who got no
//! answer has no time to be drawn at, and stands apart at the right.

use std::fmt::Write;

use lab_record::{Class, PhaseStats, Run, Totals};
use maud::{Markup, html};

use super::{
    chart::{Scale, percent},
    number::{count, duration, quantile, share},
};
use crate::words::class_name;

/// Height of a plot, px, and of the part of it that the highest bar takes: above it stands its count.
const HEIGHT: f64 = 92.0;
const HIGHEST: f64 = 0.84;
/// The part of the width that the axis of time has.
const AXIS: f64 = 0.78;
/// Where who was refused and who got no answer stands, and how wide they are drawn.
const APART: [f64; 2] = [0.855, 0.955];
const WIDTH: f64 = 0.03;

/// The section; none of data from before answers were counted by their length.
pub(crate) fn section(run: &Run) -> Markup {
    let Some(scale) = scale(&[run]) else {
        return html! {};
    };
    html! {
        section #spread {
            h2 { "How long it took" }
            p.note { (note(&[run])) }
            @for class in &run.classes {
                @let drawn = Drawn::of(class, run);
                figure.spread {
                    figcaption { h3 { (class_name(class)) " " small { (in_short(class)) } } }
                    (drawn.plot(scale, drawn.most()))
                }
            }
        }
    }
}

/// The same of two runs, of each class one above the other: lengths and counts have one scale in both, so that what is
/// longer or higher is more. None where neither run has such data.
pub(crate) fn compared(a: &Run, b: &Run) -> Markup {
    let Some(scale) = scale(&[a, b]) else {
        return html! {};
    };
    html! {
        section #spread {
            h2 { "How long it took" }
            p.note { (note(&[a, b])) " A above, B below; both have the same scales." }
            @for class in &b.classes {
                @if let Some(before) = a.classes.iter().find(|before| before.name == class.name) {
                    (pair(&class_name(class), &[("A", Drawn::of(before, a)), ("B", Drawn::of(class, b))], scale))
                }
            }
        }
    }
}

fn pair(name: &str, sides: &[(&str, Drawn<'_>); 2], scale: Scale) -> Markup {
    let most = sides.iter().map(|(_, drawn)| drawn.most()).max();
    html! {
        figure.spread.two {
            figcaption { h3 { (name) } }
            @for (side, drawn) in sides {
                p.of { b { (side) } " " small { (in_short(drawn.class)) } }
                @if drawn.bars.is_empty() && drawn.class.total.counts.ok > 0 {
                    p.note { "This run's data is older and does not have the answers by their length." }
                } @else {
                    (drawn.plot(scale, most.unwrap_or(1)))
                }
            }
        }
    }
}

fn note(runs: &[&Run]) -> Markup {
    let mut phases = runs.iter().flat_map(|run| &run.phases);
    html! {
        "Each bar counts the answers of one length, from the intended send, on a logarithmic axis. Beyond the \
         objective they are late. "
        @if phases.any(|phase| phase.fault.is_some()) {
            "Dark: due while something was wrong on purpose. Light: before and after. "
        }
        "Refused as is right, or without an answer: apart, at the right."
    }
}

/// The axis of time for all answers of these runs; none where they have none.
fn scale(runs: &[&Run]) -> Option<Scale> {
    let ends = runs.iter().map(|run| ends(run));
    let (shortest, longest) = ends.fold((f64::INFINITY, 0.0f64), |(low, high), (from, to)| {
        (low.min(from), high.max(to))
    });
    (longest > 0.0).then(|| Scale::Logarithmic {
        low: 10f64.powf(shortest.log10().floor()),
        high: 10f64.powf(longest.log10().ceil()),
    })
}

/// The ends of the axis in ms: all answers and objectives are between them.
fn ends(run: &Run) -> (f64, f64) {
    let bars = run.classes.iter().flat_map(|class| {
        let bars = class.total.answers.iter();
        bars.map(|(from, to, _)| (from, to.max(class.slo_ms)))
    });
    let (low, high) = bars.fold((f64::INFINITY, 0.0f64), |(low, high), (from, to)| {
        (low.min(from), high.max(to))
    });
    (low, high)
}

/// A count, and how much of it was due while something was wrong on purpose.
#[derive(Clone, Copy, Default)]
struct Part {
    all: u64,
    in_fault: u64,
}

/// A class of a run, counted for its picture.
struct Drawn<'a> {
    class: &'a Class,
    bars: Vec<(f64, f64, Part)>,
    /// Who has no length to stand at: kind, words, how many.
    apart: [(&'static str, &'static str, Part); 2],
}

impl<'a> Drawn<'a> {
    fn of(class: &'a Class, run: &Run) -> Self {
        let refused = apart(class, run, |counts| counts.expected);
        let failed = apart(class, run, without_answer);
        Self {
            class,
            bars: bars(class, run),
            apart: [
                ("refused", "refused", refused),
                ("failed", "no answer", failed),
            ],
        }
    }

    /// The highest count, at least 1.
    fn most(&self) -> u64 {
        let bars = self.bars.iter().map(|(.., part)| part.all);
        let apart = self.apart.iter().map(|(.., part)| part.all);
        bars.chain(apart).max().unwrap_or(0).max(1)
    }

    /// The picture, in which a bar of the count `most` is the highest that there is room for.
    fn plot(&self, scale: Scale, most: u64) -> Markup {
        let Self { class, bars, apart } = self;
        let top = |part: u64| HEIGHT * (1.0 - HIGHEST * part as f64 / most as f64);
        let along = |ms: f64| scale.place(ms) * AXIS;
        let objective = percent(along(class.slo_ms));
        html! {
            div.plot {
                svg width="100%" height=(HEIGHT) role="img" aria-label=(in_words(class)) {
                    line.base x1="0" x2=(percent(AXIS)) y1=(HEIGHT) y2=(HEIGHT) {}
                    @for (from, to, part) in bars {
                        @let late = *from >= class.slo_ms;
                        (column((along(*from), along(*to)), *part, if late { "late" } else { "intime" }, &top))
                    }
                    @for (place, (kind, _, part)) in APART.into_iter().zip(apart) {
                        (column((place - WIDTH, place + WIDTH), *part, kind, &top))
                        @if part.all > 0 {
                            text.much x=(percent(place)) y=(format!("{:.1}", top(part.all) - 4.0)) { (count(part.all)) }
                        }
                    }
                    line.limit x1=(objective) x2=(objective) y1="0" y2=(HEIGHT) {}
                    g.grid { text x="-8" y=(format!("{:.1}", top(most) + 4.0)) { (count(most)) } }
                    g.times {
                        @for tick in scale.ticks() {
                            text x=(percent(along(tick))) y=(HEIGHT + 15.0) { (duration(tick)) }
                        }
                        @for (place, (kind, name, _)) in APART.into_iter().zip(apart) {
                            text.below[*kind == "refused"] x=(percent(place)) y=(HEIGHT + 15.0) { (name) }
                        }
                    }
                }
            }
        }
    }
}

/// A bar from one place to another: what was due during the fault below, the rest above it.
fn column((from, to): (f64, f64), part: Part, kind: &str, top: &impl Fn(u64) -> f64) -> Markup {
    let rect = |class: &str, from_count: u64, to_count: u64| {
        let (high, low) = (top(to_count), top(from_count));
        html! {
            @if to_count > from_count {
                rect.(kind).(class) x=(percent(from)) width=(percent(to - from))
                    y=(format!("{high:.1}")) height=(format!("{:.1}", (low - high).max(1.0))) {}
            }
        }
    };
    html! {
        (rect("dark", 0, part.in_fault))
        (rect("light", part.in_fault, part.all))
    }
}

/// The phases in which something is wrong on purpose, as far as the class has them; of a run without such all of it counts as
/// one.
fn in_faults<'a>(class: &'a Class, run: &'a Run) -> Box<dyn Iterator<Item = &'a PhaseStats> + 'a> {
    if run.phases.iter().all(|phase| phase.fault.is_none()) {
        return Box::new(std::iter::once(&class.total));
    }
    let is_faulty = |stats: &&PhaseStats| {
        let mut phases = run.phases.iter();
        phases.any(|phase| phase.fault.is_some() && phase.name == stats.phase)
    };
    Box::new(class.by_phase.iter().filter(is_faulty))
}

fn bars(class: &Class, run: &Run) -> Vec<(f64, f64, Part)> {
    let mut in_fault = lab_record::Bars::default();
    for stats in in_faults(class, run) {
        in_fault.merge(&stats.answers);
    }
    let of = |from: f64| {
        let mut bars = in_fault.iter();
        bars.find(|bar| bar.0.total_cmp(&from).is_eq())
            .map_or(0, |bar| bar.2)
    };
    let bars = class.total.answers.iter();
    bars.map(|(from, to, all)| {
        (
            from,
            to,
            Part {
                all,
                in_fault: of(from),
            },
        )
    })
    .collect()
}

fn apart(class: &Class, run: &Run, of: fn(&Totals) -> u64) -> Part {
    Part {
        all: of(&class.total.counts),
        in_fault: in_faults(class, run).map(|stats| of(&stats.counts)).sum(),
    }
}

fn without_answer(counts: &Totals) -> u64 {
    counts.failed + counts.timed_out + counts.dropped
}

/// The counts behind the picture.
fn in_short(class: &Class) -> String {
    let counts = &class.total.counts;
    let parts = [
        (counts.ok, "answered"),
        (counts.expected, "refused as is right"),
        (counts.failed, "failed"),
        (counts.timed_out, "timed out"),
        (counts.dropped, "dropped"),
        (counts.unfinished, "unfinished"),
    ];
    let told = parts.into_iter().filter(|(n, _)| *n > 0);
    let told: Vec<String> = told
        .map(|(n, words)| format!("{} {words}", count(n)))
        .collect();
    format!("{} · objective {}", told.join(", "), duration(class.slo_ms))
}

/// The picture for who can't see it. The table of the classes has the percentiles of each phase.
fn in_words(class: &Class) -> String {
    let mut text = format!("{}: {}.", class_name(class), in_short(class));
    let mut bars = class.total.answers.iter();
    if let Some((from, ..)) = bars.next() {
        let to = bars.last().map_or(from, |(_, to, _)| to);
        let _ = write!(
            text,
            " Answers took from about {} to {}.",
            duration(from),
            duration(to)
        );
    }
    let latency = &class.total.latency;
    let _ = write!(
        text,
        " With those that got none, half took at most {}, 95 in a hundred at most {}. {} went well within the objective.",
        quantile(latency.p50),
        quantile(latency.p95),
        share(class.total.good_share)
    );
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample;

    #[test]
    fn every_request_is_in_the_picture_once() {
        let run = sample::failing();
        for class in &run.classes {
            let counts = &class.total.counts;
            let drawn: u64 = bars(class, &run).iter().map(|(.., part)| part.all).sum();
            let apart = without_answer(counts) + counts.expected;
            assert_eq!(
                drawn + apart + counts.unfinished,
                counts.offered,
                "{}",
                class.name
            );
        }
    }

    #[test]
    fn what_was_due_in_the_fault_is_told_from_the_rest() {
        let mut run = sample::failing();
        let class = &mut run.classes[0];
        for stats in &mut class.by_phase {
            if stats.phase != "fault" {
                stats.answers = lab_record::Bars::default();
            }
        }
        let all = bars(&run.classes[0], &run);
        assert!(all.iter().all(|(.., part)| part.in_fault == part.all));
        for phase in &mut run.phases {
            phase.fault = (phase.name == "healthy").then(|| "x".to_owned());
        }
        let none = bars(&run.classes[0], &run);
        assert!(none.iter().all(|(.., part)| part.in_fault == 0));
        let drawn = section(&run).into_string();
        let first = drawn.split("</figure>").next().unwrap();
        assert!(
            !first.contains("intime dark") && first.contains("intime light"),
            "{first}"
        );
    }

    #[test]
    fn older_data_has_no_such_section_and_odd_data_no_nan() {
        let mut run = sample::failing();
        for class in &mut run.classes {
            class.total.answers = lab_record::Bars::default();
        }
        assert_eq!(section(&run).into_string(), "");
        let mut run = sample::passing();
        run.phases.clear();
        run.classes[0].by_phase.clear();
        run.classes[0].slo_ms = 0.0;
        let drawn = section(&run).into_string();
        assert!(
            !drawn.contains("NaN") && !drawn.contains("inf\""),
            "{drawn}"
        );
    }

    #[test]
    fn two_runs_stand_one_above_the_other_on_the_same_scales() {
        let (a, b) = (sample::failing(), sample::passing());
        let drawn = compared(&a, &b).into_string();
        let plots: Vec<&str> = drawn.split("<div class=\"plot\">").skip(1).collect();
        assert_eq!(plots.len(), 2 * b.classes.len(), "{drawn}");
        for pair in plots.chunks(2) {
            let axes = |plot: &str| {
                let grid = plot.split("<g class=\"grid\">").nth(1).unwrap();
                grid.split("</svg>").next().unwrap().to_owned()
            };
            assert_eq!(axes(pair[0]), axes(pair[1]));
        }
        // Of each run what is its own.
        assert!(
            plots[0].contains(&in_words(&a.classes[0]))
                && plots[1].contains(&in_words(&b.classes[0]))
        );
    }

    #[test]
    fn a_run_of_older_data_is_said_to_have_no_bars() {
        let bare = |mut run: Run| {
            for class in &mut run.classes {
                class.total.answers = lab_record::Bars::default();
            }
            run
        };
        let (a, b) = (bare(sample::failing()), sample::passing());
        let drawn = compared(&a, &b).into_string();
        assert!(drawn.contains("older and does not have") && drawn.contains("class=\"plot\""));
        assert_eq!(compared(&a, &bare(b)).into_string(), "");
    }

    #[test]
    fn it_is_told_in_words() {
        let run = sample::failing();
        let text = in_words(&run.classes[1]).replace(['\u{a0}', '\u{202f}'], " ");
        assert!(
            text.starts_with("local (bystander): 401 answered, 219 timed out · objective 500 ms. Answers took from about"),
            "{text}"
        );
    }
}
