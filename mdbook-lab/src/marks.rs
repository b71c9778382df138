//! Finds the guide's own marks in a page: directives like `{{#lab status tx}}` and code blocks
//! like ` ```sh,lab-run `. Everything else is none of its business: code, comments, what a backslash
//! makes plain, and directives of others, of which there are some that resemble ours.
//!
//! mdBook itself replaces `{{#include a.md}}` wherever it stands, in code and comments as well. A
//! reader who finds ours there is being told about it, or it was taken out.

use std::{ops::Range, path::PathBuf};

use mdbook_markdown::{
    MarkdownOptions, new_cmark_parser,
    pulldown_cmark::{CodeBlockKind, Event, Tag},
};

use crate::{
    action::{ExampleName, Target},
    html,
    slot::Slot,
};

/// The word of our directives.
const WORD: &str = "#lab";
/// What the marks of code blocks begin with.
const MARK: &str = "lab-";

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
    /// A part that says what there is now.
    Slot(Slot),
    /// The one next thing to do.
    Next,
    /// A picture of the system that a scenario is about.
    System(String),
    /// A table of all steps.
    Steps,
    /// A table of all checks of all steps.
    Checks,
    /// A table of the variants that their scenarios are tried with.
    Variants,
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
    let openings = openings(page);
    if openings.is_empty() && !page.contains(MARK) {
        return Default::default();
    }
    let mut marks = Vec::new();
    let mut slips = Vec::new();
    let mut read = Read::default();
    let mut done = 0;
    for (event, range) in new_cmark_parser(page, &MarkdownOptions::default()).into_offset_iter() {
        if range.start < done {
            continue;
        }
        let text = &page[range.clone()];
        let found = match &event {
            Event::Start(Tag::Paragraph) if openings.contains(&range.start) => {
                directive(text.trim_end())
            }
            Event::Start(Tag::CodeBlock(kind)) => {
                done = range.end;
                match marker(kind) {
                    Some(marker) => block(&marker, text),
                    None => continue,
                }
            }
            _ => {
                if matches!(event, Event::Start(Tag::HtmlBlock)) {
                    done = range.end;
                }
                // Inside anything that is no paragraph of its own.
                let Some(literals) = read.literals(&event, text) else {
                    continue;
                };
                let is_read = |at: &usize| {
                    range.contains(at)
                        && !literals
                            .iter()
                            .any(|part| part.contains(&(at - range.start)))
                };
                slips.extend(openings.iter().copied().filter(is_read).map(|at| Slip {
                    at,
                    text: ALONE.to_owned(),
                }));
                continue;
            }
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

/// Follows what of a page is read as text, and what is shown or left out as it is.
#[derive(Default)]
struct Read {
    /// The element of code that a line is in.
    code: Option<html::Ends>,
}

impl Read {
    /// The parts of `text` that are not read; none where nothing of it is, or its parts come as events of their own.
    fn literals(&mut self, event: &Event<'_>, text: &str) -> Option<Vec<Range<usize>>> {
        match event {
            Event::Start(Tag::HtmlBlock) => return Some(html::literals(text)),
            Event::Start(Tag::Paragraph | Tag::Heading { .. } | Tag::Item | Tag::TableCell) => {
                self.code = None;
            }
            Event::InlineHtml(_) => match self.code {
                Some((_, closing)) if html::begins(text, closing) => self.code = None,
                Some(_) => {}
                None => match html::literal(text) {
                    Some(html::COMMENT) => {}
                    Some(code) => self.code = Some(code),
                    None => return Some(Vec::new()),
                },
            },
            Event::Text(_) if self.code.is_none() => return Some(Vec::new()),
            _ => {}
        }
        None
    }
}

/// Where our directives begin in a page: at `{{#lab` or, as mdBook's own may, at `{{ #lab`, as a word of its own.
/// `{{#label a}}` is somebody else's, and a backslash makes it plain text.
fn openings(page: &str) -> Vec<usize> {
    page.match_indices(WORD)
        .filter(|(at, _)| is_word(&page[at + WORD.len()..]))
        .filter_map(|(at, _)| page[..at].trim_end_matches([' ', '\t']).strip_suffix("{{"))
        .filter(|before| !before.ends_with('\\'))
        .map(str::len)
        .collect()
}

/// Whether a word ends before this.
fn is_word(rest: &str) -> bool {
    let next = rest.chars().next();
    next.is_none_or(|next| next.is_whitespace() || next == '}')
}

const ALONE: &str =
    "a directive must stand alone in its paragraph, on one line, with blank lines around it";

fn directive(text: &str) -> Result<Ask, String> {
    let inside = text
        .trim_start_matches('{')
        .trim_start()
        .strip_prefix(WORD)
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
        ["guess", scenario] => Ok(Ask::Slot(Slot::Guess(scenario.to_owned()))),
        ["measured", scenario] => Ok(Ask::Slot(Slot::Measured(scenario.to_owned()))),
        ["edit", path] => Ok(Ask::Slot(Slot::Edit(PathBuf::from(path)))),
        ["summary"] => Ok(Ask::Slot(Slot::Summary)),
        ["standing"] => Ok(Ask::Slot(Slot::Standing)),
        ["progress"] => Ok(Ask::Progress),
        ["next"] => Ok(Ask::Next),
        ["system", scenario] => Ok(Ask::System(scenario.to_owned())),
        ["steps"] => Ok(Ask::Steps),
        ["checks"] => Ok(Ask::Checks),
        ["variants"] => Ok(Ask::Variants),
        ["source", place] => Ok(source(place)),
        _ => Err(format!(
            "unknown directive `{}`; there are `status SCENARIO`, `system SCENARIO`, `guess SCENARIO`, `measured SCENARIO`, `edit PATH`, `summary`, `standing`, `progress`, `next`, `steps`, `checks`, `variants` and \
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

/// The `lab-…` words of a code block's info string; none where it has none. A language may be called like that, too.
fn marker(kind: &CodeBlockKind<'_>) -> Option<String> {
    let CodeBlockKind::Fenced(info) = kind else {
        return None;
    };
    let is_known = |word: &str| {
        let (name, _) = word.split_once('=').unwrap_or((word, ""));
        matches!(name, "lab-run" | "lab-example" | "lab-prompt")
    };
    let words: Vec<_> = info
        .split([',', ' ', '\t'])
        .enumerate()
        .filter(|(place, word)| word.starts_with(MARK) && (*place > 0 || is_known(word)))
        .map(|(_, word)| word)
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
        let page = "# One\n\n{{#lab status tx}}\n\ntext\n\n{{#lab progress}}\n\n{{#lab steps}}\n\n\
                    <details>\n\n{{#lab source a/b.rs#part}}\n\n</details>\n";
        assert_eq!(
            asks(page),
            [
                Ask::Status("tx".to_owned()),
                Ask::Progress,
                Ask::Steps,
                Ask::Source {
                    path: "a/b.rs".into(),
                    anchor: Some("part".to_owned()),
                },
            ]
        );
        assert_eq!(asks("{{ #lab progress }}\r\n"), [Ask::Progress]);
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
            "```lab-notebook\nx\n```\n",
            "{{#label x}}\n\n{{#labs}}\n\nsee {{#lab-run}} and {{#lab_x y}}\n",
            "<!-- {{#lab status tx}} -->\n",
            "<!--\n{{#lab nonsense}}\n\n{{#lab progress\n\n-->\n",
            "text <!-- {{#lab status tx}} --> text\n",
            "<div>\n<!-- {{#lab progress}} -->\n</div>\n",
            "<pre>\n{{#lab progress}}\n\n{{#lab progress}}\n</pre>\n",
            "a <code>{{#lab progress}}</code> and <CODE>*{{#lab x}}*</CODE>\n",
            "<p><code>{{#lab progress}}</code></p>\n",
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
            ("`<!--` {{#lab progress}}\n", 7, "alone"),
            ("<code>a</code> {{#lab progress}}\n", 15, "alone"),
            ("<!-- a -->\n<p>{{#lab progress}}\n", 14, "alone"),
            ("{{#lab}}\n", 0, "unknown directive ``"),
            ("{{ #lab nonsense }}\n", 0, "unknown directive `nonsense`"),
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
