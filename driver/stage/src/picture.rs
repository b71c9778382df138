//! The picture: a room with its places, a door, the line outside, those that are turned away, and gauges.
//!
//! What changes from one moment to the next has `data-kind`, and what it takes to draw it anew: see `stage.js`.

use std::iter::repeat_n;

use lab_record::{Frame, Gauge, Ink, Stage, StagePart};
use maud::{Markup, html};

use crate::{
    grid::{self, Grid, MOST},
    words,
};

/// Width of the picture; its height follows from what there is to show. A letter is 20 high, so that it can be read where
/// the picture is as narrow as a telephone, and from ten metres where it fills a wall.
pub(crate) const WIDTH: f64 = 640.0;
/// From one token to the next.
const TOKEN: f64 = 20.0;

/// Where the tokens of a row are, right of its label, and how many of them fit beside their number.
struct Tokens {
    left: f64,
    abreast: usize,
    most: usize,
    height: f64,
}

/// A line is two abreast.
const WAITING: Tokens = Tokens {
    left: 206.0,
    abreast: 2,
    most: 36,
    height: 48.0,
};
const REFUSED: Tokens = Tokens {
    left: 326.0,
    abreast: 1,
    most: 12,
    height: 38.0,
};

/// Heights of other rows.
const HEADING: f64 = 52.0;
const GAUGE: f64 = 62.0;
const KEY: f64 = 32.0;
/// Where a bar has its bound: it can go twice as far.
const BOUND_AT: f64 = WIDTH / 2.0;

pub(crate) fn picture(stage: &Stage, frame: &Frame) -> Markup {
    let mut below = Rows(grid::TOP + grid::HEIGHT + 6.0);
    let keys = below.keys(stage, frame);
    let line = below.line(stage, frame);
    let refused = stage.refused.iter().map(|part| below.refused(part, frame));
    let refused: Vec<Markup> = refused.collect();
    let gauges: Vec<Markup> = stage
        .gauges
        .iter()
        .map(|gauge| below.gauge(gauge, frame))
        .collect();
    let height = below.0 + 4.0;
    html! {
        svg.lab-stage viewBox=(format!("0 0 {WIDTH} {height}")) role="img" aria-label=(words::all(stage, frame)) {
            text.title x="0" y="22" { (stage.title) }
            text.headline x="0" y="64" data-kind="places" data-word=(stage.place) { (words::places(stage, frame)) }
            (room())
            (places(stage, frame))
            (keys)
            (line)
            @for part in refused { (part) }
            @for gauge in gauges { (gauge) }
        }
    }
}

/// Walls with a door to the line below.
fn room() -> Markup {
    let (top, bottom) = (grid::TOP, grid::TOP + grid::HEIGHT);
    let right = WIDTH - 2.0;
    let wall = format!(
        "M14 {bottom}A12 12 0 0 1 2 {0}V{1}A12 12 0 0 1 14 {top}H{2}A12 12 0 0 1 {right} {1}V{0}A12 12 0 0 1 {2} {bottom}Z",
        bottom - 12.0,
        top + 12.0,
        right - 12.0,
    );
    html! { path.wall d=(wall) {} }
}

fn places(stage: &Stage, frame: &Frame) -> Markup {
    let places = frame.values.get(Stage::PLACES).copied().unwrap_or(0.0);
    let places = (places.round() as usize).min(MOST);
    let taken = stage.taken.iter().flat_map(|part| {
        let count = words::of(frame, part).unwrap_or(0.0).round() as usize;
        repeat_n(Some(part.ink), count)
    });
    let grid = Grid::of(places.max(1));
    html! {
        g data-kind="cells" {
            @for (n, ink) in taken.chain(std::iter::repeat(None)).take(places).enumerate() {
                (cell(ink, grid.corner(n), grid.pitch))
            }
        }
    }
}

/// A place, or somebody who waits for one: a colour and a mark in a square of 40.
fn cell(ink: Option<Ink>, (x, y): (f64, f64), pitch: f64) -> Markup {
    let transform = format!(
        "translate({} {}) scale({})",
        short(x),
        short(y),
        short(pitch / 40.0)
    );
    html! {
        g.cell.(ink.map_or("free", Ink::name)) transform=(transform) {
            rect x="3" y="3" width="34" height="34" rx="8" {}
            path d=(ink.map_or("", mark)) {}
        }
    }
}

/// What is drawn on a cell of an ink, for who does not see colours.
fn mark(ink: Ink) -> &'static str {
    match ink {
        // An arrow: it goes on.
        Ink::Work => "M15 12L28 20L15 28Z",
        // Hatched: nothing moves here.
        Ink::Stuck => "M8 19L19 8M8 32L32 8M21 32L32 21",
        // Two bars: paused.
        Ink::Wait => "M15 13V27M25 13V27",
        // A ring: somebody who only stands by.
        Ink::Bystander => "M20 12A8 8 0 1 1 19.9 12Z",
        Ink::Refused => "M13 13L27 27M27 13L13 27",
        Ink::Starting => "M12 18L20 10L28 18M20 10V30",
        Ink::Leaving => "M12 22L20 30L28 22M20 30V10",
    }
}

/// Two digits after the point are a hundredth of a letter's height.
fn short(number: f64) -> f64 {
    (number * 100.0).round() / 100.0
}

/// The rows below the room, from the top; how far they come so far.
struct Rows(f64);

impl Rows {
    fn take(&mut self, height: f64) -> f64 {
        self.0 += height;
        self.0 - height
    }

    /// What the places are taken by, with numbers: a legend that says something.
    fn keys(&mut self, stage: &Stage, frame: &Frame) -> Markup {
        let mut left = 0.0;
        let mut top = self.take(KEY);
        let taken = stage.taken.iter().map(|part| {
            let id = (part.id.as_str(), part.label.as_str());
            (Some(part.ink), id, words::counted(frame, part))
        });
        let free = (None, ("free", stage.free.as_str()), stage.free.clone());
        let keys: Vec<Markup> = taken
            .chain([free])
            .map(|(ink, (id, label), text)| {
                // With room for three digits, however many there are now.
                let width = 80.0 + 11.6 * label.chars().count() as f64;
                if left + width > WIDTH && left > 0.0 {
                    left = 0.0;
                    top = self.take(KEY);
                }
                let at = left;
                left += width;
                html! {
                    g data-kind=[ink.map(|_| "taken")] data-stage=[ink.map(|_| id)] data-word=[ink.map(|_| label)] {
                        (cell(ink, (at, top + 4.0), 26.0))
                        text x=(short(at + 32.0)) y=(top + 24.0) { (text) }
                    }
                }
            })
            .collect();
        html! { @for key in keys { (key) } }
    }

    fn line(&mut self, stage: &Stage, frame: &Frame) -> Markup {
        if stage.line.is_empty() {
            return html! {};
        }
        let top = self.take(HEADING);
        let rows: Vec<Markup> = stage
            .line
            .iter()
            .map(|part| {
                self.queue(
                    ("line", part),
                    &words::counted(frame, part),
                    frame,
                    &WAITING,
                )
            })
            .collect();
        html! {
            text.waiting x="0" y=(top + 40.0) data-kind="waiting" data-word=(stage.waiting) { (words::waiting(stage, frame)) }
            @for row in rows { (row) }
        }
    }

    fn refused(&mut self, part: &StagePart, frame: &Frame) -> Markup {
        self.queue(
            ("refused", part),
            &words::rate(frame, part),
            frame,
            &REFUSED,
        )
    }

    /// A row of tokens, one each up to a bound, and how many more there are.
    fn queue(
        &mut self,
        (kind, part): (&str, &StagePart),
        text: &str,
        frame: &Frame,
        tokens: &Tokens,
    ) -> Markup {
        let count = words::of(frame, part).unwrap_or(0.0).round() as usize;
        let middle = self.take(tokens.height) + tokens.height / 2.0;
        let first = middle - tokens.abreast as f64 * TOKEN / 2.0;
        let place = |n: usize| {
            let (column, row) = (n / tokens.abreast, n % tokens.abreast);
            (
                tokens.left + column as f64 * TOKEN,
                first + row as f64 * TOKEN,
            )
        };
        html! {
            g data-kind=(kind) data-stage=(part.id) data-word=(part.label) data-top=(first) {
                (cell(Some(part.ink), (0.0, middle - 13.0), 26.0))
                text x="32" y=(middle + 7.0) { (text) }
                g.tokens {
                    @for n in 0..count.min(tokens.most) { (cell(Some(part.ink), place(n), TOKEN)) }
                }
                text.more x=(WIDTH) y=(middle + 7.0) { @if count > tokens.most { "+" (count - tokens.most) } }
            }
        }
    }

    /// A bar whose middle is the bound.
    fn gauge(&mut self, gauge: &Gauge, frame: &Frame) -> Markup {
        let top = self.take(GAUGE);
        let value = frame.values.get(&gauge.id).copied();
        let bound = frame.values.get(&gauge.bound_id()).copied();
        let share = value.zip(bound).filter(|(_, bound)| *bound > 0.0);
        let share = share.map_or(0.0, |(value, bound)| value / bound);
        let over = if share > 1.0 { "over" } else { "within" };
        html! {
            g data-kind="gauge" data-stage=(gauge.id) data-word=(gauge.label) data-unit=(gauge.unit) data-bound=(gauge.bound_label) {
                text x="0" y=(top + 24.0) { (gauge.label) }
                text.level x=(BOUND_AT - 8.0) y=(top + 24.0) { (words::level(frame, gauge)) }
                text x=(BOUND_AT + 8.0) y=(top + 24.0) { (words::bound(frame, gauge)) }
                rect.track x="0" y=(top + 34.0) width=(WIDTH) height="20" rx="4" {}
                rect.(over) x="0" y=(top + 34.0) width=(short(share.min(2.0) * BOUND_AT)) height="20" rx="4" {}
                path.bound d=(format!("M{BOUND_AT} {}V{}", top + 8.0, top + 58.0)) {}
            }
        }
    }
}
