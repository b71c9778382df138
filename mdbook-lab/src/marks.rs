//! Finds the guide's own marks in a page: directives like `{{#lab status tx}}` and code blocks
//! like ` ```sh,lab-run `. Everything else, above all other code blocks, is none of its business.

use std::{ops::Range, path::PathBuf};

use mdbook_markdown::{
    MarkdownOptions, new_cmark_parser,
    pulldown_cmark::{CodeBlockKind, Event, Tag},
};

use crate::action::{ExampleName, Target};

const OPENING: &str = "{{#lab";

/// A marked place of a page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Mark {
    /// Where it is in the page's text, to the end of its last line.
    pub(crate) range: Range<usize>,
    /// What it asks for.
    pub(crate) ask: Ask,
}

/// What a mark asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Ask {
    /// The status of a scenario's latest run.
    Status(String),
    /// The status of all steps.
    Progress,
    /// The text of a file, or of a part between `ANCHOR` and `ANCHOR_END`.
    Source {
        /// Relative to the project.
        path: PathBuf,
        /// The part.
        anchor: Option<String>,
    },
    /// A command to run.
    Command(Target),
    /// A program to show and run.
    Example(ExampleName),
    /// A text to copy for an agent.
    Prompt(String),
}

/// A mistake, and where in the text it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Slip {
    /// Offset in the page's text.
    pub(crate) at: usize,
    /// What is wrong.
    pub(crate) text: String,
}

/// The marks of a page in their order, and every mistake in it.
pub(crate) fn find(page: &str) -> (Vec<Mark>, Vec<Slip>) {
    let mut marks = Vec::new();
    let mut slips = Vec::new();
    let mut done = 0;
    for (event, range) in new_cmark_parser(page, &MarkdownOptions::default()).into_offset_iter() {
        if range.start < done {
            continue;
        }
        let text = &page[range.clone()];
        let found = match event {
            Event::Start(Tag::Paragraph) if text.starts_with(OPENING) => directive(text.trim_end()),
            Event::Start(Tag::CodeBlock(kind)) => {
                done = range.end;
                match marker(&kind) {
                    Some(marker) => block(&marker, text),
                    None => continue,
                }
            }
            // Inside anything that is no paragraph of its own. A backslash makes it plain text.
            Event::Text(_) | Event::Html(_) | Event::InlineHtml(_) => {
                if let Some(at) = text.find(OPENING)
                    && !page[..range.start + at].ends_with('\\')
                {
                    slips.push(Slip {
                        at: range.start + at,
                        text: ALONE.to_owned(),
                    });
                }
                continue;
            }
            _ => continue,
        };
        done = range.end;
        let line_start = page[..range.start].rfind('\n').map_or(0, |end| end + 1);
        let found = if line_start == range.start {
            found
        } else {
            Err("this stands in a list or a quote, or is indented; move it to the left edge".into())
        };
        match found {
            Ok(ask) => marks.push(Mark { range, ask }),
            Err(text) => slips.push(Slip {
                at: range.start,
                text,
            }),
        }
    }
    (marks, slips)
}

const ALONE: &str =
    "a directive must stand alone in its paragraph, on one line, with blank lines around it";

fn directive(text: &str) -> Result<Ask, String> {
    let inside = text
        .strip_prefix(OPENING)
        .ok_or("not a directive")?
        .strip_suffix("}}")
        .ok_or_else(|| {
            if text.contains("}}") {
                ALONE
            } else {
                "this directive is not closed: `}}` is missing"
            }
        })?;
    if inside.contains(['\n', '{', '}']) {
        return Err(ALONE.to_owned());
    }
    let words: Vec<_> = inside.split_whitespace().collect();
    match words[..] {
        ["status", scenario] => Ok(Ask::Status(scenario.to_owned())),
        ["progress"] => Ok(Ask::Progress),
        ["source", place] => Ok(source(place)),
        _ => Err(format!(
            "unknown directive `{}`; there are `status SCENARIO`, `progress` and \
             `source PATH` or `source PATH#ANCHOR`",
            words.join(" ")
        )),
    }
}

fn source(place: &str) -> Ask {
    let (path, anchor) = match place.split_once('#') {
        Some((path, anchor)) => (path, Some(anchor.to_owned())),
        None => (place, None),
    };
    Ask::Source {
        path: PathBuf::from(path),
        anchor,
    }
}

/// The `lab-…` words of a code block's info string; none where it has none.
fn marker(kind: &CodeBlockKind<'_>) -> Option<String> {
    let CodeBlockKind::Fenced(info) = kind else {
        return None;
    };
    let words: Vec<_> = info
        .split([',', ' ', '\t'])
        .filter(|word| word.starts_with("lab-"))
        .collect();
    (!words.is_empty()).then(|| words.join(","))
}

/// A marked code block, fences and all.
fn block(marker: &str, text: &str) -> Result<Ask, String> {
    let body = body(text).ok_or("this code block is not closed")?;
    match marker.split_once('=') {
        None if marker == "lab-run" => command(body).map(Ask::Command),
        None if marker == "lab-prompt" => Ok(Ask::Prompt(body.to_owned())),
        Some(("lab-example", name)) if body.trim().is_empty() => name
            .parse()
            .map(Ask::Example)
            .map_err(|error| format!("lab-example: {error}")),
        Some(("lab-example", name)) => Err(format!(
            "a `lab-example` block stays empty: its text is that of lab-services/examples/{name}.rs"
        )),
        _ => Err(format!(
            "unknown mark `{marker}`; there are `lab-run`, `lab-example=NAME` and `lab-prompt`"
        )),
    }
}

/// What is between the fences; none where the closing one is missing.
fn body(block: &str) -> Option<&str> {
    let (opening, rest) = block.split_once('\n')?;
    let fence = opening.chars().next()?;
    let rest = rest.trim_end();
    let start = rest.rfind('\n').map_or(0, |end| end + 1);
    let closing = rest[start..].trim_start();
    let closed = closing.len() >= 3 && closing.chars().all(|letter| letter == fence);
    closed.then(|| &rest[..start])
}

fn command(body: &str) -> Result<Target, String> {
    let words: Vec<_> = body.split_whitespace().collect();
    match words[..] {
        ["make", target] => target.parse().map_err(|error| format!("lab-run: {error}")),
        _ => Err("a `lab-run` block is one line, `make TARGET`".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asks(page: &str) -> Vec<Ask> {
        let (marks, slips) = find(page);
        assert_eq!(slips, [], "{page}");
        marks.into_iter().map(|mark| mark.ask).collect()
    }

    fn slip(page: &str) -> (usize, String) {
        let (_, mut slips) = find(page);
        assert_eq!(slips.len(), 1, "{slips:?}");
        let Slip { at, text } = slips.remove(0);
        (at, text)
    }

    #[test]
    fn directives_stand_in_paragraphs_of_their_own() {
        let page = "# One\n\n{{#lab status tx}}\n\ntext\n\n{{#lab progress}}\n\n\
                    <details>\n\n{{#lab source a/b.rs#part}}\n\n</details>\n";
        assert_eq!(
            asks(page),
            [
                Ask::Status("tx".to_owned()),
                Ask::Progress,
                Ask::Source {
                    path: "a/b.rs".into(),
                    anchor: Some("part".to_owned()),
                },
            ]
        );
        let mark = &find(page).0[0];
        assert_eq!(page[mark.range.clone()].trim_end(), "{{#lab status tx}}");
    }

    #[test]
    fn code_blocks_are_marked_in_their_info_string() {
        let page = "```sh,lab-run\nmake step1\n```\n\n```rust,lab-example=pool\n```\n\n\
                    ~~~text,lab-prompt\nRead it.\n\nThen write.\n~~~\n";
        assert_eq!(
            asks(page),
            [
                Ask::Command("step1".parse().unwrap()),
                Ask::Example("pool".parse().unwrap()),
                Ask::Prompt("Read it.\n\nThen write.\n".to_owned()),
            ]
        );
    }

    #[test]
    fn what_is_not_marked_is_left_alone() {
        for page in [
            "```sh\nmake step1\n{{#lab status tx}}\n```\n",
            "    {{#lab status tx}}\n",
            "`{{#lab status tx}}` shows it\n",
            "\\{{#lab status tx}}\n",
            "{{#include a.md}}\n",
            "```rust,ignore\nlab-run\n```\n",
        ] {
            assert_eq!(asks(page), [], "{page}");
        }
    }

    #[test]
    fn mistakes_are_found_where_they_are() {
        for (page, at, said) in [
            (
                "a\n\n{{#lab nonsense}}\n",
                3,
                "unknown directive `nonsense`",
            ),
            ("{{#lab status}}\n", 0, "unknown directive `status`"),
            ("{{#lab status tx\n", 0, "not closed"),
            ("{{#lab progress}} and more\n", 0, "alone"),
            ("see {{#lab progress}}\n", 4, "alone"),
            ("<p>\n{{#lab progress}}\n</p>\n", 4, "alone"),
            ("# {{#lab progress}}\n", 2, "alone"),
            ("> {{#lab progress}}\n", 2, "list or a quote"),
            ("```sh,lab-run\nmake step1\n", 0, "not closed"),
            ("```sh,lab-run\nls\n```\n", 0, "one line, `make TARGET`"),
            ("```sh,lab-run\nmake a;b\n```\n", 0, "no name of a command"),
            (
                "```sh,lab-walk\nmake a\n```\n",
                0,
                "unknown mark `lab-walk`",
            ),
            ("```rust,lab-example=a\nx\n```\n", 0, "stays empty"),
            ("- ```sh,lab-run\n  make a\n  ```\n", 2, "list or a quote"),
        ] {
            let (found, text) = slip(page);
            assert_eq!(found, at, "{page}: {text}");
            assert!(text.contains(said), "{page}: {text}");
        }
    }

    #[test]
    fn every_mistake_of_a_page_is_told_at_once() {
        let page = "{{#lab one}}\n\ntext\n\n{{#lab two}}\n";
        assert_eq!(find(page).1.len(), 2);
    }
}
