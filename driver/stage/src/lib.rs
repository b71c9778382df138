//! Draws a [`Stage`] at one moment: as a picture ([`picture`]), which [`SCRIPT`] can bring to another moment, and in words
//! ([`words`]). Reports have it inline, the guide and its wall draw it live; all three look the same.
//!
//! Geometry ([`grid`]) and wording are pure, and stand in the script a second time, since a picture that moves is made
//! by the browser: `mdbook-lab/tests/browser/` holds the two to the same letter.

mod grid;
mod picture;
#[cfg(test)]
mod tests;
mod words;

use lab_record::{Frame, Stage};
use maud::Markup;

/// How it looks, for the style sheet of a page: light and dark, in forced colours and printed.
pub const STYLE: &str = include_str!("stage.css");

/// Defines `labStage.show(svg, values)`, which brings a picture to the values of another [`Frame`].
pub const SCRIPT: &str = include_str!("stage.js");

/// Lets a reader move pictures through their runs, on a page that has the frames as well: after [`SCRIPT`].
pub const SCRUB: &str = include_str!("scrub.js");

/// The stage at a moment, as an `svg` element of the class `lab-stage`. It has a text alternative, the [`words`].
pub fn picture(stage: &Stage, frame: &Frame) -> Markup {
    picture::picture(stage, frame)
}

/// The same in a sentence for each part: "16 of 16 slots taken: 14 hanging, 2 working. 197 wait outside: …".
pub fn words(stage: &Stage, frame: &Frame) -> String {
    words::all(stage, frame)
}

/// The figures to compare stages by: "16 of 16 slots taken, 197 wait outside"; where nobody can wait, "4 of 6 replicas there,
/// 24 a second failed".
pub fn headline(stage: &Stage, frame: &Frame) -> String {
    words::headline(stage, frame)
}
