//! Panels above each other on one axis of time, with the phases, faults and events of the run.

use lab_record::{Event, EventKind, Pause, Phase};
use maud::{Markup, html};

use super::{
    Panel, Sorted,
    scale::{TimeAxis, percent},
};
use crate::words::number::{counted, duration, quantity};

/// Labels beside a plot are cut to this many characters.
pub(super) const LONGEST_LABEL: usize = 24;

/// All charts of a report.
pub(crate) struct Stack<'a> {
    /// The charts, from the top down.
    pub(crate) panels: Sorted,
    /// Their common axis.
    pub(crate) axis: TimeAxis,
    /// What is drawn across all of them.
    pub(crate) marks: Marks<'a>,
}

/// What holds for every panel: phases and events.
pub(crate) struct Marks<'a> {
    /// The stretches of the run.
    pub(crate) phases: &'a [Phase],
    /// What happened when.
    pub(crate) events: &'a [Event],
    /// When the machine itself stood still.
    pub(crate) pauses: &'a [Pause],
}

impl Stack<'_> {
    /// The stack as HTML.
    pub(crate) fn markup(&self) -> Markup {
        let longest = self.panels().map(Panel::longest_label).max();
        let gutter = longest.unwrap_or(0).clamp(6, LONGEST_LABEL);
        html! {
            div.stack.compared[self.panels().any(Panel::compares)].(format!("g{}", gutter.div_ceil(6) * 6)) {
                (self.marks.pauses_note())
                (self.marks.strip(self.axis))
                @for (number, panel) in self.panels.open.iter().enumerate() {
                    (panel.markup(number, self.axis, &self.marks))
                }
                (self.folded())
            }
            (self.table())
        }
    }

    fn panels(&self) -> impl Iterator<Item = &Panel> {
        self.panels.open.iter().chain(&self.panels.folded)
    }

    /// The charts that tell little, each named: nobody has to open them to know that.
    fn folded(&self) -> Markup {
        let folded = &self.panels.folded;
        let names: Vec<String> = folded.iter().map(Panel::in_short).collect();
        let first = self.panels.open.len();
        html! {
            @if !folded.is_empty() {
                details.noise {
                    summary {
                        (counted(folded.len(), "more chart", "more charts")) ", by which nothing was decided"
                        span.quiet { ": " (names.join(", ")) }
                    }
                    @for (number, panel) in (first..).zip(folded) {
                        (panel.markup(number, self.axis, &self.marks))
                    }
                }
            }
        }
    }

    /// The same data as a table.
    fn table(&self) -> Markup {
        html! {
            details.data {
                summary { "The charts as a table" }
                div.scroll {
                    table {
                        caption { "At each time the measured value nearest to it." }
                        thead {
                            tr {
                                th rowspan="2" scope="col" { "Time" }
                                @for panel in self.panels() {
                                    @let (title, unit) = panel.heading(panel.scale());
                                    th colspan=(panel.heads().count()) scope="colgroup" {
                                        (title) " " small { (unit.trim_end_matches(", logarithmic")) }
                                    }
                                }
                            }
                            tr {
                                @for head in self.panels().flat_map(Panel::heads) {
                                    th scope="col" { (head) }
                                }
                            }
                        }
                        tbody {
                            @for slice in 0..self.axis.slices {
                                tr {
                                    th scope="row" { (quantity(self.axis.middle(slice), "s")) }
                                    @for cell in self.panels().flat_map(|panel| panel.cells(self.axis, slice)) {
                                        td { (cell) }
                                    }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

impl Marks<'_> {
    /// Names of the phases and ticks of the events, above the first panel.
    fn strip(&self, axis: TimeAxis) -> Markup {
        html! {
            div.strip {
                div.phases {
                    @for phase in self.phases {
                        @let (left, width) = span(axis, phase.start_s, phase.end_s);
                        @let text = phase.fault.as_deref().unwrap_or_default();
                        div.phase.fault[phase.fault.is_some()]
                            style={ "left:" (percent(left)) ";width:" (percent(width)) }
                            title={ (phase.name) " " (text) } {
                            b { (phase.name) }
                            @if phase.fault.is_some() { small { (text) } }
                        }
                    }
                }
                svg.events width="100%" height="14" role="img" aria-label="Events; the list is below" {
                    @for event in self.shown(axis) {
                        svg x=(percent(axis.place(event.t_s))) {
                            path.(name(event.kind)) d="M-5 2H5L0 12Z" {
                                title { (quantity(event.t_s, "s")) ": " (event.text) }
                            }
                        }
                    }
                }
            }
        }
    }

    /// What the bands of pauses are, where there are any.
    fn pauses_note(&self) -> Markup {
        let worst = self
            .pauses
            .iter()
            .map(|pause| pause.worst_ms)
            .fold(0.0, f64::max);
        let of_services = self.pauses.iter().any(|pause| pause.service.is_some());
        let who = if of_services {
            "the machine or a service"
        } else {
            "the machine itself"
        };
        html! {
            @if worst > 0.0 {
                p.pauses {
                    "Grey bands: " (who) " stood still, " (counted(self.pauses.len(), "time", "times"))
                    ", for " (duration(worst)) " at most. What is slow there may come from that."
                }
            }
        }
    }

    /// Shades the faults and the pauses of the machine, and marks where a phase begins.
    pub(super) fn bands(&self, axis: TimeAxis, height: f64) -> Markup {
        html! {
            @for (number, phase) in self.phases.iter().enumerate() {
                @let (left, width) = span(axis, phase.start_s, phase.end_s);
                @if phase.fault.is_some() {
                    rect.fault x=(percent(left)) width=(percent(width)) height=(height) {}
                }
                @if number > 0 {
                    line.phase x1=(percent(left)) x2=(percent(left)) y2=(height) {}
                }
            }
            @for pause in self.pauses {
                @let (left, width) = span(axis, pause.start_s, pause.end_s);
                rect.pause x=(percent(left)) width=(percent(width)) height=(height) {}
            }
        }
    }

    /// Thin lines at the events.
    pub(super) fn lines(&self, axis: TimeAxis, height: f64) -> Markup {
        html! {
            @for event in self.shown(axis) {
                @let x = percent(axis.place(event.t_s));
                line.event.(name(event.kind)) x1=(x) x2=(x) y2=(height) {}
            }
        }
    }

    /// Phases have their bands, notes their line in the list: neither needs a tick.
    fn shown(&self, axis: TimeAxis) -> impl Iterator<Item = &Event> {
        self.events.iter().filter(move |event| {
            !matches!(event.kind, EventKind::Phase | EventKind::Note)
                && (0.0..=axis.end).contains(&event.t_s)
        })
    }
}

fn span(axis: TimeAxis, start_s: f64, end_s: f64) -> (f64, f64) {
    let left = axis.place(start_s);
    (left, (axis.place(end_s) - left).max(0.0))
}

/// The kind as a word, also its class in the style sheet.
pub(crate) fn name(kind: EventKind) -> &'static str {
    match kind {
        EventKind::Phase => "phase",
        EventKind::Fault => "fault",
        EventKind::Scaling => "scaling",
        EventKind::Failure => "failure",
        EventKind::Note => "note",
    }
}
