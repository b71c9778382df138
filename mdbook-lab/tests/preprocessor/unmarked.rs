//! Text that is not marked goes through unchanged, and no text makes the preprocessor fall over.

use mdbook_lab::Lab;
use mdbook_preprocessor::{
    Preprocessor,
    book::{Book, BookItem, Chapter},
};
use proptest::prelude::*;

use crate::project::Project;

/// The page after the preprocessor, or its mistakes.
fn page(project: &Project, text: &str) -> Result<String, String> {
    let (context, _) = project.input("html");
    let chapter = Chapter::new("A page", text.to_owned(), "page.md", Vec::new());
    let book = Book::new_with_items(vec![BookItem::Chapter(chapter)]);
    let book = Lab::new()
        .run(&context, book)
        .map_err(|error| error.to_string())?;
    let BookItem::Chapter(chapter) = book.items.into_iter().next().expect("the page") else {
        panic!("a chapter stays a chapter");
    };
    Ok(chapter.content)
}

/// Pieces of Markdown that open, nest, interrupt and resemble each other.
fn pieces(more: &'static [&'static str]) -> impl Strategy<Value = String> {
    const PLAIN: &[&str] = &[
        "word ",
        "\n",
        "\n\n",
        "# ",
        "- ",
        "  ",
        "    ",
        "> ",
        "`",
        "```",
        "~~~",
        "```sh\n",
        "<details>",
        "</p>",
        "{{",
        "}}",
        "{{#include a.md}}",
        "\\",
        "é",
        "🦀",
        "\r\n",
        "\0",
        "|",
        "[a](b.md)",
        "[^1]",
        "***",
        "<!--",
        "-->",
        "lab ",
        "#lab",
    ];
    let all: Vec<_> = PLAIN.iter().chain(more).copied().collect();
    prop::collection::vec(prop::sample::select(all), 0..40).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn unmarked_text_is_unchanged(text in pieces(&[])) {
        prop_assume!(!text.replace([' ', '\t'], "").contains("{{#lab"));
        let project = Project::new();
        prop_assert_eq!(page(&project, &text), Ok(text));
    }

    #[test]
    fn marks_anywhere_become_a_page_or_mistakes_in_its_lines(
        text in pieces(&["{{#lab progress}}", "{{#lab ", "lab-run", ",lab-example=deadline", "lab-prompt"])
    ) {
        let project = Project::new();
        if let Err(mistakes) = page(&project, &text) {
            let lines = text.lines().count();
            for mistake in mistakes.lines() {
                let line = mistake.strip_prefix("book/page.md:").and_then(|rest| rest.split_once(':'));
                let line = line.and_then(|(line, _)| line.parse::<usize>().ok());
                prop_assert!(line.is_some_and(|line| (1..=lines).contains(&line)), "{}", mistake);
            }
        }
    }
}
