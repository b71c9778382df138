//! The stage of a run at its worst moment, with the frames by which a script can move it through the run.

use std::collections::BTreeMap;

use base64::{Engine, prelude::BASE64_STANDARD};
use lab_record::{Frame, Run};
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
    worst: Option<usize>,
}

/// The stage at its worst, after `name`, where the page tells several; none where there is none or nothing was seen of it.
pub(super) fn figure(run: &Run, name: Option<&str>) -> Option<Markup> {
    let (stage, worst) = (run.stage.as_ref()?, run.worst_moment()?);
    let frames = run.frames();
    let phase = run.phases.iter().rfind(|phase| phase.start_s <= worst.t_s);
    let last = frames.len().saturating_sub(1);
    let at = frames.iter().position(|frame| *frame == worst);
    Some(html! {
        figure.stage {
            (lab_stage::picture(stage, &worst))
            figcaption {
                @if let Some(name) = name { b { (name) } " · " }
                span.when {
                    "At its worst " (format!("{:.1}", worst.t_s)) " s"
                    @if let Some(phase) = phase { ", phase " (phase.name) }
                }
            }
            div.scrub hidden {
                button type="button" { "Play" }
                input type="range" min="0" max=(last) value=(at.unwrap_or(0)) aria-label="Moment of the run";
            }
            script type="application/json" { (PreEscaped(json(run, &frames, at))) }
        }
    })
}

/// Nothing in it can end the element that it is in.
fn json(run: &Run, frames: &[Frame], worst: Option<usize>) -> String {
    let rounded = |value: f64| (value * 100.0).round() / 100.0;
    let ids = frames.iter().flat_map(|frame| frame.values.keys());
    let of = |id: &str| {
        let values = frames.iter().map(|frame| frame.values.get(id));
        values.map(|value| value.copied().map(rounded)).collect()
    };
    let all = Frames {
        t: frames.iter().map(|frame| rounded(frame.t_s)).collect(),
        values: ids.map(|id| (id.as_str(), of(id))).collect(),
        phases: (run.phases.iter())
            .map(|phase| (phase.name.as_str(), phase.start_s))
            .collect(),
        worst,
    };
    serde_json::to_string(&all)
        .unwrap_or_default()
        .replace('<', "\\u003c")
}

/// Two stages at their worst, beside each other.
pub(super) fn compared(a: &Run, b: &Run) -> Option<Markup> {
    let said = |run: &Run| {
        let (stage, worst) = (run.stage.as_ref()?, run.worst_moment()?);
        Some(lab_stage::headline(stage, &worst))
    };
    let (before, after) = (said(a)?, said(b)?);
    let side = |letter: &str, run: &Run| figure(run, Some(&format!("{letter} · {}", run.code)));
    Some(html! {
        section #stage {
            h2 { "At its worst" }
            p.held { "A: " (before) ". B: " (after) "." }
            div.stages { (side("A", a)?) (side("B", b)?) }
        }
    })
}
