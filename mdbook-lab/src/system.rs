//! A picture of the system that a step is about, laid out from its description: who calls whom, what is bounded, where the
//! fault sits, where the participant edits. Pure; the colours are those of the page's theme, by `assets/ways.css`.
//!
//! It goes from the top down, so that it is as readable on a phone: each part stands one row below the lowest of those that
//! lead to it.

use std::{collections::BTreeMap, path::PathBuf};

use lab_record::{Arrow, Node, System};
use maud::{Markup, html};

/// Width of the picture. Lengths are CSS pixels where it is drawn as large as it is made.
const WIDTH: f64 = 360.0;
/// Between two parts of a row.
const GAP: f64 = 14.0;
/// The widest that a part gets.
const WIDEST: f64 = 270.0;
/// Between two rows: room for an arrow and its label.
const ROWS: f64 = 50.0;
/// Between a part's edge and its text.
const PADDING: f64 = 10.0;
/// A mark in front of a line, with the space behind it.
const MARK: f64 = 18.0;
/// Heights of a line of a part's name and of what is said of it.
const NAME: f64 = 19.0;
const LINE: f64 = 17.0;
/// Widths of a letter of each, at most, on average over a line.
const NAME_LETTER: f64 = 7.7;
const LETTER: f64 = 6.3;

/// What contradicts itself in a description; `edit` are the step's edit points.
pub(crate) fn sense(system: &System, edit: &[PathBuf]) -> Result<(), String> {
    if system.nodes.is_empty() {
        return Err("it has no `nodes`".to_owned());
    }
    let ids: Vec<&str> = system.nodes.iter().map(|node| &*node.id).collect();
    if let Some(n) = (1..ids.len()).find(|n| ids[..*n].contains(&ids[*n])) {
        return Err(format!("two nodes have the id `{}`", ids[n]));
    }
    for Arrow { from, to, .. } in &system.arrows {
        let is_known = |id: &str| system.nodes.iter().any(|node| node.id == id);
        if let Some(id) = [from, to].into_iter().find(|id| !is_known(id)) {
            return Err(format!(
                "an arrow from `{from}` to `{to}`: there is no node `{id}`"
            ));
        }
    }
    for node in &system.nodes {
        let id = &node.id;
        let touches = |arrow: &Arrow| arrow.from == *id || arrow.to == *id;
        if system.nodes.len() > 1 && !system.arrows.iter().any(touches) {
            return Err(format!("no arrow leads to or from `{id}`"));
        }
        if let Some(file) = &node.edit
            && !edit
                .iter()
                .any(|path| path.file_name().is_some_and(|name| *name == **file))
        {
            return Err(format!("`{id}`: `{file}` is the name of no file in `edit`"));
        }
    }
    match rows(system) {
        Some(_) => Ok(()),
        None => {
            Err("its arrows lead round in a circle; the picture goes from the top down".to_owned())
        }
    }
}

/// The row of each node, from 0 at the top; none where arrows lead round in a circle.
fn rows(system: &System) -> Option<BTreeMap<&str, usize>> {
    let mut rows: BTreeMap<&str, usize> = system.nodes.iter().map(|node| (&*node.id, 0)).collect();
    // As many rounds as the longest way has arrows; one more moves nothing.
    for _ in 0..=system.nodes.len() {
        let before = rows.clone();
        for Arrow { from, to, .. } in &system.arrows {
            let below = rows.get(&**from).map_or(0, |row| row + 1);
            if let Some(row) = rows.get_mut(&**to) {
                *row = below.max(*row);
            }
        }
        if rows == before {
            return Some(rows);
        }
    }
    None
}

/// A node where it stands.
#[derive(Debug)]
struct Placed<'a> {
    node: &'a Node,
    x: f64,
    y: f64,
    width: f64,
    height: f64,
    name: Vec<String>,
    told: Vec<Told>,
}

/// What is said of a node: its kind, which is a class and has a mark of its own, and the lines.
#[derive(Debug)]
struct Told {
    kind: &'static str,
    lines: Vec<String>,
}

impl Placed<'_> {
    fn middle(&self) -> f64 {
        self.x + self.width / 2.0
    }

    /// Where the `n`th of so many arrows meets its edge.
    fn port(&self, n: usize, of: usize) -> f64 {
        self.x + self.width * (n + 1) as f64 / (of + 1) as f64
    }
}

fn place(system: &System) -> Vec<Placed<'_>> {
    let rows = rows(system).unwrap_or_default();
    let last = rows.values().max().copied().unwrap_or(0);
    let mut placed = Vec::new();
    let mut y = 1.0;
    for row in 0..=last {
        let nodes: Vec<&Node> = system
            .nodes
            .iter()
            .filter(|node| rows.get(&*node.id) == Some(&row))
            .collect();
        let count = nodes.len().max(1) as f64;
        let width = ((WIDTH - 2.0 - GAP * (count - 1.0)) / count).min(WIDEST);
        let left = (WIDTH - width * count - GAP * (count - 1.0)) / 2.0;
        let texts: Vec<_> = nodes.iter().map(|node| texts(node, width)).collect();
        let height = texts
            .iter()
            .map(|(name, told)| height(name, told))
            .fold(0.0, f64::max);
        for (n, (node, (name, told))) in nodes.into_iter().zip(texts).enumerate() {
            placed.push(Placed {
                node,
                x: left + n as f64 * (width + GAP),
                y,
                width,
                height,
                name,
                told,
            });
        }
        y += height + ROWS;
    }
    placed
}

fn texts(node: &Node, width: f64) -> (Vec<String>, Vec<Told>) {
    let edit = node.edit.as_ref().map(|file| format!("you edit {file}"));
    let fault = node.fault.as_ref().map(|fault| format!("fault: {fault}"));
    let told = [
        ("resource", node.resource.clone()),
        ("fault", fault),
        ("edit", edit),
    ];
    let told = told.into_iter().filter_map(|(kind, text)| {
        let lines = wrap(&text?, width - 2.0 * PADDING - MARK, LETTER);
        Some(Told { kind, lines })
    });
    (
        wrap(&node.label, width - 2.0 * PADDING, NAME_LETTER),
        told.collect(),
    )
}

fn height(name: &[String], told: &[Told]) -> f64 {
    let lines: usize = told.iter().map(|told| told.lines.len()).sum();
    2.0 * PADDING + name.len() as f64 * NAME + lines as f64 * LINE
}

/// Breaks a text at its blanks into lines that fit.
fn wrap(text: &str, width: f64, letter: f64) -> Vec<String> {
    let room = (width / letter).floor().max(1.0) as usize;
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= room => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

/// The picture of a scenario's system, as HTML on one line: no blank line may end the block that it is in a page.
pub(crate) fn picture(scenario: &str, system: &System) -> Markup {
    let placed = place(system);
    let bottom = placed
        .iter()
        .map(|node| node.y + node.height)
        .fold(0.0, f64::max);
    let head = format!("lab-arrow-{scenario}");
    html! {
        figure.lab-system {
            svg viewBox=(format!("0 0 {WIDTH} {:.0}", bottom + 1.0)) role="img" aria-label=(words(system)) {
                defs {
                    marker.lab-arrow id=(head) viewBox="0 0 8 8" refX="7" refY="4" markerWidth="8" markerHeight="8"
                        orient="auto" markerUnits="userSpaceOnUse" { path d="M0 0L8 4L0 8Z" {} }
                }
                @for node in &placed { (part(node)) }
                @for arrow in &system.arrows { (way(arrow, system, &placed, &head)) }
            }
        }
    }
}

fn part(placed: &Placed<'_>) -> Markup {
    let mut y = placed.y + PADDING + NAME * 0.72;
    let left = placed.x + PADDING;
    let mut at = |height: f64| {
        let now = y;
        y += height;
        format!("{now:.1}")
    };
    let kinds: Vec<&str> = placed.told.iter().map(|told| told.kind).collect();
    let has = |kind| kinds.contains(&kind);
    html! {
        rect.lab-node.lab-node-fault[has("fault")].lab-node-edit[has("edit")] rx="6"
            x=(short(placed.x)) y=(short(placed.y)) width=(short(placed.width)) height=(short(placed.height)) {}
        @for line in &placed.name {
            text.lab-node-name x=(short(left)) y=(at(NAME)) { (line) }
        }
        @for told in &placed.told {
            @for (n, line) in told.lines.iter().enumerate() {
                @let y = at(LINE);
                @if n == 0 {
                    path.{ "lab-sign lab-sign-" (told.kind) } transform=(format!("translate({} {y})", short(left))) d=(sign(told.kind)) {}
                }
                text.{ "lab-told lab-told-" (told.kind) } x=(short(left + MARK)) y=(y) { (line) }
            }
        }
    }
}

/// The mark of a kind, 12 px wide, that stands on the line: four places, a flash, a pencil.
fn sign(kind: &str) -> &'static str {
    match kind {
        "resource" => "M0 -10h5v5h-5zM7 -10h5v5h-5zM0 -3h5v5h-5zM7 -3h5v5h-5z",
        "fault" => "M7 -11L1 -3H5L3 3L11 -6H6Z",
        _ => "M0 2L1 -2L8 -9L11 -6L4 1Z",
    }
}

fn way(arrow: &Arrow, system: &System, placed: &[Placed<'_>], head: &str) -> Markup {
    let find = |id: &str| placed.iter().find(|node| node.node.id == id);
    let (Some(from), Some(to)) = (find(&arrow.from), find(&arrow.to)) else {
        return html! {};
    };
    // Side by side in the order of where they come from, or go to, so that none crosses another.
    let order = |of: &dyn Fn(&Arrow) -> Option<f64>| {
        let mine = of(arrow).unwrap_or_default();
        let all = system.arrows.iter().filter_map(of);
        let before = all.clone().filter(|other| *other < mine).count();
        (before, all.count())
    };
    let middle = |id: &str| find(id).map(Placed::middle);
    let (n, of) = order(&|other| (other.from == arrow.from).then(|| middle(&other.to))?);
    let start = from.port(n, of);
    let (n, of) = order(&|other| (other.to == arrow.to).then(|| middle(&other.from))?);
    let end = to.port(n, of);
    let (top, bottom) = (from.y + from.height + 2.0, to.y - 2.0);
    let (x, y) = (f64::midpoint(start, end), f64::midpoint(top, bottom) + 4.0);
    html! {
        path.lab-way marker-end=(format!("url(#{head})"))
            d=(format!("M{} {}L{} {}", short(start), short(top), short(end), short(bottom))) {}
        @if let Some(label) = &arrow.label {
            text.lab-way-label x=(short(within(x, label))) y=(short(y)) { (label) }
        }
    }
}

/// Where the middle of a label stands so that none of it is cut off.
fn within(x: f64, label: &str) -> f64 {
    let half = label.chars().count() as f64 * LETTER / 2.0;
    if half * 2.0 >= WIDTH {
        WIDTH / 2.0
    } else {
        x.clamp(half, WIDTH - half)
    }
}

fn short(number: f64) -> String {
    let text = format!("{number:.1}");
    text.strip_suffix(".0").map_or(text.clone(), str::to_owned)
}

/// The picture in words.
pub(crate) fn words(system: &System) -> String {
    let label = |id: &str| {
        let node = system.nodes.iter().find(|node| node.id == id);
        node.map_or(id.to_owned(), |node| node.label.clone())
    };
    let sentence = |node: &Node| {
        let marks = [
            node.resource.clone(),
            node.fault.as_ref().map(|fault| format!("fault: {fault}")),
            node.edit.as_ref().map(|file| format!("you edit {file}")),
        ];
        let mut text = node.label.clone();
        let marks: Vec<String> = marks.into_iter().flatten().collect();
        if !marks.is_empty() {
            text = format!("{text} ({})", marks.join("; "));
        }
        let ways = system.arrows.iter().filter(|arrow| arrow.from == node.id);
        let ways: Vec<String> = ways
            .map(|arrow| match &arrow.label {
                Some(what) => format!("{} ({what})", label(&arrow.to)),
                None => label(&arrow.to),
            })
            .collect();
        if !ways.is_empty() {
            text = format!("{text} → {}", ways.join(", "));
        }
        text
    };
    let sentences: Vec<String> = system.nodes.iter().map(sentence).collect();
    format!("The system: {}.", sentences.join(". "))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SYSTEM: &str = "nodes = [{ id = 'a', label = 'users' }, { id = 'b', label = 'others' },\n\
        { id = 'c', label = 'api', resource = '16 slots', edit = 'a.rs' }, { id = 'd', label = 'dep', fault = 'hangs' }]\n\
        arrows = [{ from = 'a', to = 'c' }, { from = 'b', to = 'c' }, { from = 'c', to = 'd', label = 'a call' }]";

    fn system(text: &str) -> System {
        toml::from_str(text).unwrap()
    }

    fn edit() -> Vec<PathBuf> {
        vec!["src/a.rs".into()]
    }

    #[test]
    fn a_mistake_in_a_description_is_told() {
        assert_eq!(sense(&system(SYSTEM), &edit()), Ok(()));
        for (from, to, said) in [
            ("id = 'b'", "id = 'a'", "two nodes have the id `a`"),
            ("to = 'd'", "to = 'x'", "there is no node `x`"),
            (
                "from = 'b', to = 'c'",
                "from = 'a', to = 'c'",
                "no arrow leads to or from `b`",
            ),
            (
                "from = 'b', to = 'c'",
                "from = 'd', to = 'b' }, { from = 'b', to = 'c'",
                "in a circle",
            ),
            (
                "'a.rs'",
                "'b.rs'",
                "`b.rs` is the name of no file in `edit`",
            ),
        ] {
            let text = SYSTEM.replacen(from, to, 1);
            assert_ne!(text, SYSTEM);
            let error = sense(&system(&text), &edit()).unwrap_err();
            assert!(error.contains(said), "{error}");
        }
        let none = system("nodes = []\narrows = []");
        assert_eq!(sense(&none, &[]).unwrap_err(), "it has no `nodes`");
        let error = toml::from_str::<System>(&SYSTEM.replace("fault", "faults")).unwrap_err();
        assert!(
            error.to_string().contains("unknown field `faults`"),
            "{error}"
        );
    }

    #[test]
    fn who_is_called_stands_below_and_nothing_overlaps_or_is_cut_off() {
        let system = system(SYSTEM);
        let placed = place(&system);
        let at = |id: &str| placed.iter().find(|node| node.node.id == id).unwrap();
        assert!(at("a").x + at("a").width + GAP <= at("b").x + 0.01);
        for (above, below) in [("a", "c"), ("b", "c"), ("c", "d")] {
            assert!(at(above).y + at(above).height + ROWS <= at(below).y + 0.01);
        }
        for node in &placed {
            assert!(node.x >= 0.0 && node.x + node.width <= WIDTH, "{node:?}");
        }
    }

    #[test]
    fn a_text_is_broken_where_it_does_not_fit() {
        assert_eq!(
            wrap("one two three", 7.0 * LETTER, LETTER),
            ["one two", "three"]
        );
        assert_eq!(wrap("unbreakable", 3.0 * LETTER, LETTER), ["unbreakable"]);
        assert!(wrap("", 9.0, LETTER).is_empty());
    }

    #[test]
    fn it_says_in_words_what_it_shows() {
        let system = system(SYSTEM);
        assert_eq!(
            words(&system),
            "The system: users → api. others → api. api (16 slots; you edit a.rs) → dep (a call). dep (fault: hangs)."
        );
        let drawn = picture("x", &system).into_string();
        assert!(
            !drawn.contains('\n') && drawn.contains("role=\"img\""),
            "{drawn}"
        );
        for text in ["you edit a.rs", "fault: hangs", "16 slots", "a call"] {
            assert!(
                drawn.contains(&format!(">{text}</text>")),
                "{text}: {drawn}"
            );
        }
        assert_eq!(drawn.matches("marker-end").count(), 3);
    }

    #[test]
    fn what_a_description_says_is_text() {
        let text = SYSTEM.replace("'users'", "'<b onclick=x>\"'");
        let drawn = picture("x", &system(&text)).into_string();
        assert!(!drawn.contains("<b ") && !drawn.contains("\"\""), "{drawn}");
    }
}
