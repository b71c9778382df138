//! The stage of a run at its worst moment, with the frames by which a script can move it through the run.

use std::collections::BTreeMap;

use base64::{Engine, prelude::BASE64_STANDARD};
use lab_record::{Frame, Run, Stage};
use maud::{Markup, PreEscaped, html};
use serde::Serialize;
use sha2::{Digest, Sha256};

/// What runs on a page with a stage, and nothing else.
const SCRIPTS: [&str; 2] = [lab_stage::SCRIPT, lab_stage::SCRUB];

/// Those scripts by their hashes, for a content security policy.
pub(super) fn sources() -> String {
    let hash = |script: &str| BASE64_STANDARD.encode(Sha256::digest(script));
    SCRIPTS
        .map(|script| format!("'sha256-{}'", hash(script)))
        .join(" ")
}

/// The scripts, for the end of a page that has a stage.
pub(super) fn scripts() -> Markup {
    html! { @for script in SCRIPTS { script { (PreEscaped(script)) } } }
}

/// What a script shows, a value of each id for each time.
#[derive(Serialize)]
struct Frames<'a> {
    t: Vec<f64>,
    values: BTreeMap<&'a str, Vec<Option<f64>>>,
    phases: Vec<(&'a str, f64)>,
    /// Which of the times is the worst moment.
    worst: usize,
}

/// What there is to see of a run's stage, and when it was worst.
struct Seen<'a> {
    run: &'a Run,
    stage: &'a Stage,
    frames: Vec<Frame>,
    worst: usize,
}

impl<'a> Seen<'a> {
    /// None where there is no stage or nothing was seen of it.
    fn of(run: &'a Run) -> Option<Self> {
        let (stage, frames) = (run.stage.as_ref()?, run.frames());
        let worst = stage.worst_of(&frames)?;
        Some(Self {
            run,
            stage,
            frames,
            worst,
        })
    }

    fn worst(&self) -> &Frame {
        &self.frames[self.worst]
    }

    fn headline(&self) -> String {
        lab_stage::headline(self.stage, self.worst())
    }

    /// At its worst, after `name`, where the page tells several.
    fn figure(&self, name: Option<&str>) -> Markup {
        let t_s = self.worst().t_s;
        let phase = self.run.phases.iter().rfind(|phase| phase.start_s <= t_s);
        html! {
            figure.stage {
                (lab_stage::picture(self.stage, self.worst()))
                figcaption {
                    @if let Some(name) = name { b { (name) } " · " }
                    span.when {
                        "At its worst " (format!("{t_s:.1}")) " s"
                        @if let Some(phase) = phase { ", phase " (phase.name) }
                    }
                }
                div.scrub hidden {
                    button type="button" { "Play" }
                    input type="range" min="0" max=(self.frames.len() - 1) value=(self.worst) aria-label="Moment of the run";
                }
                script type="application/json" { (PreEscaped(self.json())) }
            }
        }
    }

    /// Nothing in it can end the element that it is in.
    fn json(&self) -> String {
        let frames = &self.frames;
        let ids = frames.iter().flat_map(|frame| frame.values.keys());
        let of = |id: &str| {
            let values = frames.iter().map(|frame| frame.values.get(id));
            values.map(Option::<&f64>::copied).collect()
        };
        let all = Frames {
            t: frames.iter().map(|frame| frame.t_s).collect(),
            values: ids.map(|id| (id.as_str(), of(id))).collect(),
            phases: (self.run.phases.iter())
                .map(|phase| (phase.name.as_str(), phase.start_s))
                .collect(),
            worst: self.worst,
        };
        serde_json::to_string(&all)
            .unwrap_or_default()
            .replace('<', "\\u003c")
    }
}

/// The stage at its worst; none where there is none or nothing was seen of it.
pub(super) fn figure(run: &Run) -> Option<Markup> {
    Some(Seen::of(run)?.figure(None))
}

/// Two stages at their worst, beside each other.
pub(super) fn compared(a: &Run, b: &Run) -> Option<Markup> {
    let (a, b) = (Seen::of(a)?, Seen::of(b)?);
    let side = |letter: &str, seen: &Seen<'_>| {
        seen.figure(Some(&format!("{letter} · {}", seen.run.code_words())))
    };
    Some(html! {
        section #stage {
            h2 { "At its worst" }
            p.held { "A: " (a.headline()) ". B: " (b.headline()) "." }
            div.stages { (side("A", &a)) (side("B", &b)) }
        }
    })
}

#[cfg(test)]
mod tests {
    use lab_record::Points;
    use proptest::{collection::vec, prelude::*};

    use super::*;
    use crate::sample;

    fn with(calls: &[(f64, f64)], waiting: &[(f64, f64)]) -> Run {
        let mut run = sample::failing();
        for (id, points) in [("dep", calls), ("waiting", waiting)] {
            let series = run.series.iter_mut().find(|series| series.id == id);
            series.unwrap().points = points.iter().copied().collect::<Points>();
        }
        run
    }

    /// In order of time, as they are measured.
    fn points() -> impl Strategy<Value = Vec<(f64, f64)>> {
        let points = vec((0.0..20.0, 0.0..300.0), 0..40);
        points.prop_map(|mut points: Vec<(f64, f64)>| {
            points.sort_by(|a, b| a.0.total_cmp(&b.0));
            points
        })
    }

    proptest! {
        #[test]
        fn what_is_drawn_at_a_moment_is_what_the_series_have_there(
            calls in points(),
            waiting in points(),
            at in 0.0..22.0,
        ) {
            let run = with(&calls, &waiting);
            let frame = run.frame_at(at).unwrap();
            for (id, points) in [("calls", &calls), ("requests", &waiting)] {
                // The last that is not later, of the last second.
                let last = points.iter().rfind(|(t, _)| *t <= at && at - *t <= 1.0);
                prop_assert_eq!(frame.values.get(id).copied(), last.map(|(_, value)| *value));
            }
            let picture = lab_stage::picture(run.stage.as_ref().unwrap(), &frame).into_string();
            let drawn = |ink: &str| picture.matches(&format!("class=\"cell {ink}\"")).count() - 1;
            let counted = |id: &str| frame.values.get(id).map_or(0, |value| value.round() as usize);
            prop_assert_eq!(drawn("stuck"), counted("calls").min(16));
            prop_assert_eq!(drawn("free"), 16 - counted("calls").min(16));
            prop_assert_eq!(drawn("wait"), counted("requests").min(36));
        }

        #[test]
        fn no_moment_is_worse_than_the_worst(calls in points(), waiting in points()) {
            let run = with(&calls, &waiting);
            let value = |frame: &Frame, id: &str| frame.values.get(id).copied().unwrap_or(0.0);
            let worst = run.worst_moment();
            prop_assert_eq!(worst.is_none(), calls.is_empty() && waiting.is_empty());
            let moments = calls.iter().chain(&waiting).map(|(at, _)| *at);
            let frames: Vec<Frame> = moments.map(|at| run.frame_at(at).unwrap()).collect();
            let is_full = |frame: &Frame| value(frame, "calls") >= 0.9 * 16.0;
            let waits = |frame: &Frame| if is_full(frame) { value(frame, "requests") } else { 0.0 };
            let longest = frames.iter().map(waits).fold(0.0, f64::max);
            let refused: Vec<&str> = run.stage.iter().flat_map(|stage| &stage.refused).map(|part| &*part.id).collect();
            let unserved = |frame: &Frame| match longest {
                0.0 => refused.iter().map(|id| value(frame, id)).sum(),
                _ => waits(frame),
            };
            let most = frames.iter().map(unserved).fold(0.0, f64::max);
            let misery = |frame: &Frame| (value(frame, "calls"), unserved(frame));
            for frame in frames.iter().filter(|frame| unserved(frame) >= 0.9 * most) {
                prop_assert!(misery(frame) <= misery(worst.as_ref().unwrap()));
            }
            prop_assert!(worst.is_none_or(|worst| unserved(&worst) >= 0.9 * most));
        }
    }

    #[test]
    fn a_run_of_which_nothing_was_seen_has_no_stage() {
        assert!(figure(&with(&[], &[])).is_none());
        let mut run = sample::failing();
        run.stage = None;
        assert!(figure(&run).is_none() && compared(&run, &sample::passing()).is_none());
    }

    #[test]
    fn two_runs_are_compared_by_their_worst_moments() {
        let (starter, solved) = (
            with(&[(14.2, 16.0), (15.0, 16.0)], &[(14.2, 197.0), (15.0, 3.0)]),
            with(&[(9.0, 3.0)], &[(9.0, 0.0)]),
        );
        let page = compared(&starter, &solved).unwrap().into_string();
        let both =
            "A: 16 of 16 slots taken, 197 wait outside. B: 3 of 16 slots taken, 0 wait outside.";
        assert!(page.contains(both), "{page}");
        assert!(
            page.contains("At its worst 14.2 s, phase healthy"),
            "{page}"
        );
    }
}
