//! Whether the hour fits: what is on the way of its pages, read at a stated speed, with the runs and the work on the code.

use std::time::Duration;

use mdbook_markdown::{
    MarkdownOptions, new_cmark_parser,
    pulldown_cmark::{CodeBlockKind, Event, Tag, TagEnd},
};

use crate::html;

/// Words a minute of somebody who reads slowly, or not in their first language: adults read non-fiction in English at 238 on
/// average, and most between 175 and 300 (Brysbaert 2019, "How many words do we read per minute?", Journal of Memory and
/// Language 109).
const SPEED: f64 = 150.0;

/// The starter, a first try, and the fix.
const RUNS: u32 = 3;

/// Of each run beside its load: the rebuild, the start of the services, the verdict.
const AROUND: Duration = Duration::from_secs(10);

/// To look at the code and the hints, think and type.
const EDIT: Duration = Duration::from_mins(4);

/// What all pages of the hour may take together, minutes.
pub(crate) const HOUR: u32 = 60;

/// How many minutes a page says that it takes, in a line of its own: `*12 minutes. …*`. None where it doesn't.
pub(crate) fn stated(page: &str) -> Option<u32> {
    let mut lines = page.lines().filter_map(|line| line.strip_prefix('*'));
    lines.find_map(|line| {
        let (number, rest) = line.split_once(' ')?;
        rest.starts_with("minute").then(|| number.parse().ok())?
    })
}

/// What is wrong with what a page says; `load` is how long a run of its step sends load, where it has one.
pub(crate) fn too_long(page: &str, minutes: u32, load: Option<Duration>) -> Option<String> {
    let words = words(page);
    let mut needed = words as f64 / SPEED;
    let mut with = String::new();
    if let Some(load) = load {
        let work = (load + AROUND) * RUNS + EDIT;
        needed += work.as_secs_f64() / 60.0;
        with = format!(
            ", with {RUNS} runs and {} minutes for the code",
            EDIT.as_secs() / 60
        );
    }
    (needed > f64::from(minutes)).then(|| {
        format!(
            "it says {minutes} minutes and takes {needed:.1}: {words} words at {SPEED:.0} a minute{with}; fold what can wait \
             into `<details class=\"lab-more\">`"
        )
    })
}

/// The words of a page that are on its way: not those that are folded, and not those of code, which is looked at with the
/// work on it.
pub(crate) fn words(page: &str) -> usize {
    let mut folded = 0_usize;
    let mut in_code = false;
    let mut count = 0;
    for event in new_cmark_parser(page, &MarkdownOptions::default()) {
        match event {
            Event::Html(text) | Event::InlineHtml(text) => {
                let text = html::without_comments(&text);
                folded += text.matches("<details").count();
                folded = folded.saturating_sub(text.matches("</details").count());
            }
            Event::Start(Tag::CodeBlock(kind)) => in_code = !is_prose(&kind),
            Event::End(TagEnd::CodeBlock) => in_code = false,
            Event::Text(text) | Event::Code(text) if folded == 0 && !in_code => {
                let words = text.split_whitespace();
                count += words
                    .filter(|word| word.contains(char::is_alphanumeric))
                    .count();
            }
            _ => {}
        }
    }
    count
}

/// Whether a block is read: a sum, and no program or command.
fn is_prose(kind: &CodeBlockKind<'_>) -> bool {
    matches!(kind, CodeBlockKind::Fenced(info) if &**info == "text")
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &str = "# A step\n\n*2 minutes. You edit `a.rs`.*\n\n{{#lab status x}}\n\none two, `three` – four\n\n\
                        <details class=\"lab-more\">\n<summary>More: five</summary>\n\nsix seven\n\n```text\neight\n```\n\n\
                        </details>\n\n| nine | ten |\n|---|---|\n| 11 | = |\n\n```text\n12 × 13\n```\n\n```rust\nnot this\n```\n";

    #[test]
    fn words_are_those_on_the_way() {
        // "A step", the seven of its line, the three of a directive, four, three of the table, two of the sum.
        assert_eq!(words(PAGE), 2 + 5 + 3 + 4 + 3 + 2);
    }

    #[test]
    fn a_page_says_how_long_it_takes() {
        assert_eq!(stated(PAGE), Some(2));
        assert_eq!(stated("*A few minutes.*\n"), None);
        assert_eq!(stated("It takes 12 minutes.\n"), None);
    }

    #[test]
    fn what_takes_longer_than_it_says_is_told() {
        let words = "word ".repeat(300);
        assert_eq!(too_long(&words, 2, None), None);
        assert!(
            too_long(&words, 1, None)
                .unwrap()
                .contains("takes 2.0: 300 words")
        );
        // Three of 20 + 10 s and four minutes are five and a half.
        let load = Some(Duration::from_secs(20));
        assert_eq!(too_long(&words, 8, load), None);
        let flaw = too_long(&words, 7, load).unwrap();
        assert!(
            flaw.contains("takes 7.5: 300 words at 150 a minute, with 3 runs"),
            "{flaw}"
        );
    }
}
