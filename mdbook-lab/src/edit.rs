//! The reader's own file, with what is different in it from the text that the step begins with.

use std::path::Path;

use maud::{Markup, html};
use similar::TextDiff;

use crate::{project::Project, step::starter};

/// Lines around a change.
const AROUND: usize = 3;

/// What goes into a page's `.lab-edit`; the error says what is not there.
pub(crate) fn html(path: &Path, language: &str, project: &Project) -> Result<Markup, String> {
    let own = project.source(path, None)?;
    let begun = project.source(&starter(path), None)?;
    let whole = html! { pre { code class={ "language-" (language) } { (own) } } };
    Ok(html! {
        figure.lab-source {
            figcaption {
                (path.display()) ": "
                @if own == begun { "yours, as the step begins" } @else { "yours, and what is different from where the step begins" }
            }
            @if own == begun { (whole) } @else {
                pre { code.language-diff { (difference(&begun, &own)) } }
                details { summary { "All of it" } (whole) }
            }
        }
    })
}

/// As a unified diff without its head, which would name two files.
fn difference(begun: &str, own: &str) -> String {
    let diff = TextDiff::from_lines(begun, own);
    diff.unified_diff().context_radius(AROUND).to_string()
}
