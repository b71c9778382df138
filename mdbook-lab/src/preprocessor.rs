//! The preprocessor, as mdBook calls it: by itself as a command, or inside [`Guide`](crate::Guide).

use std::{
    borrow::Cow,
    cell::{LazyCell, RefCell},
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use lab_record::Reports;
use mdbook_preprocessor::{
    Preprocessor, PreprocessorContext,
    book::{Book, Chapter},
    config::Config,
};

use crate::{
    action::Action,
    flaw::{Flaw, Flaws},
    marks::Slip,
    options::{Options, is_inside},
    page::{Form, Writer},
    project::Project,
    status::Ways,
};

/// Puts the live parts into a book.
#[derive(Clone, Debug, Default)]
pub struct Lab {
    served: bool,
    actions: Arc<Mutex<BTreeSet<Action>>>,
}

impl Lab {
    /// For books that are read as files, or served by somebody else.
    pub fn new() -> Self {
        Self::default()
    }

    /// For `mdbook-lab serve`.
    pub(crate) fn served() -> Self {
        Self {
            served: true,
            ..Self::default()
        }
    }

    /// What the pages that went through let a reader run.
    pub(crate) fn take_actions(&self) -> BTreeSet<Action> {
        std::mem::take(&mut *self.actions.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn form(&self, context: &PreprocessorContext, options: &Options, chapter: &Path) -> Form {
        if context.renderer != "html" {
            Form::Plain {
                is_tested: context.renderer == "test",
            }
        } else if self.served {
            Form::Served
        } else {
            Form::Baked(ways(&context.config, options, chapter))
        }
    }
}

impl Preprocessor for Lab {
    fn name(&self) -> &'static str {
        "lab"
    }

    fn run(&self, context: &PreprocessorContext, mut book: Book) -> anyhow::Result<Book> {
        let flaws = |flaw| Flaws(vec![flaw]);
        let options = Options::of(&context.config, &context.root).map_err(flaws)?;
        let project = Project::at(&context.root);
        let reports = Reports::at(context.root.join(&options.reports));
        let writer = Writer {
            options: &options,
            project: &project,
            reports: &reports,
            latest: RefCell::default(),
        };
        let mut actions = BTreeSet::new();
        let mut found = Vec::new();
        book.for_each_chapter_mut(|chapter| {
            let path = chapter.path.clone().unwrap_or_default();
            let form = self.form(context, &options, &path);
            match page(&writer, context, chapter, &form, &mut actions) {
                Ok(written) => chapter.content = written,
                Err(flaws) => found.extend(flaws),
            }
        });
        if !found.is_empty() {
            return Err(Flaws(found).into());
        }
        self.actions
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .extend(actions);
        Ok(book)
    }
}

/// The page of a chapter, or every mistake in it.
fn page(
    writer: &Writer<'_>,
    context: &PreprocessorContext,
    chapter: &Chapter,
    form: &Form,
    actions: &mut BTreeSet<Action>,
) -> Result<String, Vec<Flaw>> {
    let text = &chapter.content;
    let here = chapter.path.as_deref().unwrap_or(Path::new(""));
    // Read where something is marked: most pages of most books have no mark.
    let source = LazyCell::new(|| Original::of(context, chapter));
    writer
        .write(text, here, form, |at| source.is_escaped(text, at), actions)
        .map_err(|slips| {
            let flaws = slips.into_iter().map(|slip| source.flaw(text, slip));
            flaws.collect()
        })
}

/// How the page of a chapter reaches the others, where it is read as a file.
fn ways(config: &Config, options: &Options, chapter: &Path) -> Ways {
    let up = |path: &Path| "../".repeat(path.components().count());
    let to_root = up(chapter.parent().unwrap_or(Path::new("")));
    // `mdbook serve` serves the book and nothing beside it.
    let is_alone = matches!(
        config.get::<String>("output.html.live-reload-endpoint"),
        Ok(Some(_))
    );
    let outputs = config.outputs::<toml::Value>();
    let several = outputs.is_ok_and(|outputs| outputs.len() > 1);
    let mut built = config.build.build_dir.clone();
    if several {
        built.push("html");
    }
    let reports = (!is_alone && is_inside(&built)).then(|| {
        let reports = options.reports.display();
        format!("{to_root}{}{reports}/", up(&built))
    });
    Ways {
        reports,
        folder: options.reports.clone(),
        pages: to_root,
    }
}

/// A chapter as it was written: other preprocessors may have put text into what we see.
pub(crate) struct Original {
    file: PathBuf,
    text: Option<String>,
}

impl Original {
    fn of(context: &PreprocessorContext, chapter: &Chapter) -> Self {
        Self::new(&context.root, &context.config.book.src, chapter)
    }

    pub(crate) fn new(root: &Path, src: &Path, chapter: &Chapter) -> Self {
        let path = chapter.source_path.as_ref().or(chapter.path.as_ref());
        let file = src.join(path.map_or(Path::new(&chapter.name), |path| path));
        let text = fs::read_to_string(root.join(&file)).ok();
        Self { file, text }
    }

    fn flaw(&self, content: &str, slip: Slip) -> Flaw {
        Flaw::at(&self.file, self.line(content, slip.at), slip.text)
    }

    /// The line in the file of what stands at `at` in `content`.
    fn line(&self, content: &str, at: usize) -> usize {
        let number = content[..at].matches('\n').count();
        self.found(content, number)
            .map_or(number, |(number, _)| number)
            + 1
    }

    /// Whether a backslash is before what stands at `at`: mdBook takes it away before we see the page, and it means us
    /// as well. Where other files are included only their own text could tell.
    fn is_escaped(&self, content: &str, at: usize) -> bool {
        let number = content[..at].matches('\n').count();
        self.found(content, number).is_some_and(|(_, is)| is)
    }

    /// Where a line of `content` is in the file, the same one among equal lines, and whether it lost a backslash.
    fn found(&self, content: &str, number: usize) -> Option<(usize, bool)> {
        let line = content.lines().nth(number)?;
        let is_it = |other: &str| other == line || unescaped(other) == line;
        let before = content
            .lines()
            .take(number)
            .filter(|other| is_it(other))
            .count();
        let lines = self.text.as_deref()?.lines().enumerate();
        let (number, other) = lines.filter(|(_, other)| is_it(other)).nth(before)?;
        Some((number, other != line))
    }
}

/// A line as mdBook's own preprocessor leaves it, which takes the backslash from `\{{#include a.md}}` and from all
/// that looks like it.
fn unescaped(line: &str) -> Cow<'_, str> {
    const ESCAPED: &str = r"\{{#";
    match line.split_once(ESCAPED) {
        Some((before, after)) if after.contains("}}") => {
            Cow::Owned(format!("{before}{}{after}", &ESCAPED[1..]))
        }
        _ => Cow::Borrowed(line),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_those_of_the_file_and_not_of_what_was_included() {
        let original = Original {
            file: PathBuf::from("book/a.md"),
            text: Some("a\n{{#include b.md}}\nx\nc\nx\n".to_owned()),
        };
        let content = "a\n1\n2\n3\nx\nc\nx\n";
        assert_eq!(original.line(content, content.find('x').unwrap()), 3);
        assert_eq!(original.line(content, content.rfind('x').unwrap()), 5);
        // Of included text there is only the place in the whole.
        assert_eq!(original.line(content, content.find('2').unwrap()), 3);
    }

    #[test]
    fn a_backslash_is_remembered() {
        let line = "{{#lab progress}}";
        let original = Original {
            file: PathBuf::from("book/a.md"),
            text: Some(format!("{line}\n\\{line}\n\n{line}\n")),
        };
        let content = format!("{line}\n{line}\n\n{line}\n");
        let escaped: Vec<_> = content
            .match_indices(line)
            .map(|(at, _)| {
                (
                    original.is_escaped(&content, at),
                    original.line(&content, at),
                )
            })
            .collect();
        assert_eq!(escaped, [(false, 1), (true, 2), (false, 4)]);
        // As it comes where ours is called before mdBook's own.
        let raw = original.text.clone().unwrap();
        assert!(
            raw.match_indices(line)
                .all(|(at, _)| !original.is_escaped(&raw, at))
        );
    }

    #[test]
    fn links_lead_from_the_built_page_to_the_reports() {
        let links = |config: &str, chapter: &str| {
            let table = "\n[preprocessor.lab]\nsteps = []\n";
            let config: Config = format!("{config}{table}").parse().unwrap();
            let options = Options::of(&config, Path::new("")).unwrap();
            ways(&config, &options, Path::new(chapter)).reports
        };
        let target = "[build]\nbuild-dir = 'target/book'\n";
        assert_eq!(links(target, "a.md").unwrap(), "../../reports/");
        assert_eq!(links(target, "b/a.md").unwrap(), "../../../reports/");
        let two = format!("{target}[output.html]\n[output.markdown]\n");
        assert_eq!(links(&two, "a.md").unwrap(), "../../../reports/");
        assert_eq!(links("[build]\nbuild-dir = '/tmp/x'\n", "a.md"), None);
        let served = format!("{target}[output.html]\nlive-reload-endpoint = '__livereload'\n");
        assert_eq!(links(&served, "a.md"), None);
    }
}
