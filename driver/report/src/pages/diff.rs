//! The unified diff of the edit point. Every changed line has its sign, so that colour is never
//! needed.

use maud::{Markup, html};

use super::number::counted;
use crate::compare::{DiffLine, LineTag, SourceDiff};

/// All files of the edit point.
pub(crate) fn diffs(sources: &[SourceDiff]) -> Markup {
    html! {
        @for source in sources {
            figure.source {
                figcaption {
                    code { (source.path) } " "
                    small { (summary(source)) }
                }
                @if !source.hunks.is_empty() {
                    div.scroll tabindex="0" {
                        table.diff {
                            @for hunk in &source.hunks {
                                tbody { @for line in hunk { (row(line)) } }
                            }
                        }
                    }
                }
            }
        }
        @if sources.is_empty() { p.note { "Neither run recorded its source." } }
    }
}

fn summary(source: &SourceDiff) -> String {
    if source.hunks.is_empty() {
        return if source.differs_from_start {
            "the same in both runs, and not as where you began".to_owned()
        } else {
            "the same in both runs".to_owned()
        };
    }
    format!(
        "{} added, {} removed",
        counted(source.added, "line", "lines"),
        source.removed
    )
}

fn row(line: &DiffLine) -> Markup {
    let (class, sign) = match line.tag {
        LineTag::Kept => ("kept", " "),
        LineTag::Removed => ("removed", "−"),
        LineTag::Added => ("added", "+"),
    };
    html! {
        tr.(class) {
            td.no { @if let Some(number) = line.old { (number) } }
            td.no { @if let Some(number) = line.new { (number) } }
            td.sign { (sign) }
            td.code { code { (line.text) } }
        }
    }
}
