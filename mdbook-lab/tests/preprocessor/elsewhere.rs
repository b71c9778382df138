//! The preprocessor in books that are no workshop, built by mdBook itself, which starts the program.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use mdbook_driver::{MDBook, config::Config};
use mdbook_lab::Guide;
use tempfile::TempDir;

/// A book without a Makefile, runs or steps.
struct Book(TempDir);

/// The lines of a page that a book may have about us, and that are none of our marks.
const UNMARKED: &str = r"
{{#label x}}

{{#labs}} and {{#lab-x y}} and {{#katex \alpha}}

{{#include ../own.css}}

<!-- {{#lab status tx}} -->

<!--
{{#lab nonsense}}

{{#lab progress}} and more
-->

A line <!-- {{#lab progress}} --> with a comment, and <code>{{#lab progress}}</code>.

`{{#lab progress}}` is a directive, and so is \{{#lab progress}}, escaped.

\{{#lab progress}}

```text
{{#lab progress}}
```

```lab-notebook
x = 1
```

    {{#lab progress}}

<pre>
{{#lab progress}}
</pre>
";

impl Book {
    fn new() -> Self {
        let book = Self(tempfile::tempdir().expect("a folder"));
        let unmarked = format!("# Größe\n{UNMARKED}");
        let program = env!("CARGO_BIN_EXE_mdbook-lab");
        let config = format!(
            "[book]\ntitle = 'Anderswo'\nlanguage = 'de'\n\
             [output.html]\nsite-url = '/some/where/'\nadditional-css = ['own.css']\n\
             [preprocessor.lab]\ncommand = '{program}'\nafter = ['links']\n"
        );
        let summary = "# Summary\n\n[Vorwort](vorwort.md)\n\n# Erster Teil\n\n\
                       - [Größe](größe/README.md)\n  - [Mit Leerzeichen](<größe/ein blatt.md>)\n\
                       - [Entwurf]()\n\n---\n\n[Ende](ende.md)\n";
        for (file, text) in [
            ("book.toml", config.as_str()),
            ("own.css", "p { color: red }\n"),
            ("src/own.css", "p {}\n"),
            ("src/SUMMARY.md", summary),
            ("src/vorwort.md", &unmarked.replace('\n', "\r\n")),
            ("src/größe/README.md", &unmarked),
            (
                "src/größe/ein blatt.md",
                "\u{feff}# Blatt\n\n[^1] a\n\n[^1]: b",
            ),
            ("src/ende.md", ""),
            ("src/404.md", "# Nichts\n"),
        ] {
            book.write(file, text);
        }
        book
    }

    fn root(&self) -> &Path {
        self.0.path()
    }

    fn write(&self, file: &str, text: &str) {
        let path = self.root().join(file);
        fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        fs::write(path, text).expect(file);
    }

    /// Each file that mdBook builds, with the preprocessors of its book.toml or with mdBook's own alone.
    fn built(&self, is_ours: bool) -> BTreeMap<PathBuf, Vec<u8>> {
        let mut config = Config::from_disk(self.root().join("book.toml")).expect("book.toml");
        let folder = tempfile::tempdir().expect("a folder");
        folder.path().clone_into(&mut config.build.build_dir);
        if !is_ours {
            let none = toml::Table::new();
            config.set("preprocessor", none).expect("a table");
        }
        let book = MDBook::load_with_config(self.root(), config).expect("a book");
        book.build().expect("it builds");
        let mut files = BTreeMap::new();
        read(folder.path(), Path::new(""), &mut files);
        files
    }
}

fn read(root: &Path, inside: &Path, files: &mut BTreeMap<PathBuf, Vec<u8>>) {
    for entry in fs::read_dir(root.join(inside)).expect("a folder") {
        let path = inside.join(entry.expect("an entry").file_name());
        if root.join(&path).is_dir() {
            read(root, &path, files);
        } else {
            let bytes = fs::read(root.join(&path)).expect("a file");
            files.insert(path, bytes);
        }
    }
}

#[test]
fn what_is_not_ours_is_built_as_without_us() {
    let book = Book::new();
    let (with, without) = (book.built(true), book.built(false));
    assert!(with.contains_key(Path::new("größe/ein blatt.html")));
    let names = |built: &BTreeMap<PathBuf, _>| built.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(&with), names(&without));
    for (name, bytes) in with {
        let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
        assert_eq!(text(&bytes), text(&without[&name]), "{}", name.display());
    }
}

#[test]
fn a_source_needs_neither_steps_nor_a_makefile() {
    let book = Book::new();
    book.write("src/ende.md", "{{#lab source own.css}}\n");
    let built = book.built(true);
    let page = String::from_utf8_lossy(&built[Path::new("ende.html")]);
    assert!(page.contains("p { color: red }"), "{page}");
}

#[test]
fn who_runs_make_reads_what_make_reads() {
    let book = Book::new();
    book.write("src/ende.md", "```sh,lab-run\nmake all\n```\n");
    let guide = Guide::at(book.root()).expect("a guide");
    let built = tempfile::tempdir().expect("a folder");
    let tried = || guide.build(built.path()).map_err(|error| error.to_string());
    assert_eq!(
        tried().unwrap_err(),
        "src/ende.md:1: `make all` needs a Makefile: there is none beside book.toml"
    );
    book.write("makefile", "none:\n");
    assert_eq!(
        tried().unwrap_err(),
        "src/ende.md:1: the Makefile has no target `all`"
    );
    fs::write(book.root().join("GNUmakefile"), b"# gr\xf6\xdfe\nall:\n").expect("a Makefile");
    assert_eq!(tried().expect("a book").actions.len(), 1);
}

#[test]
fn who_tells_of_steps_needs_some() {
    let book = Book::new();
    book.write("src/ende.md", "{{#lab progress}}\n\n{{#lab status tx}}\n");
    let guide = Guide::at(book.root()).expect("a guide");
    let built = tempfile::tempdir().expect("a folder");
    let error = guide.build(built.path()).unwrap_err().to_string();
    let lines: Vec<_> = error.lines().collect();
    assert_eq!(lines.len(), 2, "{error}");
    for (line, text) in (1..).step_by(2).zip(lines) {
        let place = format!("src/ende.md:{line}: this tells of steps");
        assert!(text.starts_with(&place), "{error}");
    }
}

#[test]
fn a_server_has_the_book_at_its_root_and_no_other_output() {
    let book = Book::new();
    let config = fs::read_to_string(book.root().join("book.toml")).expect("book.toml");
    book.write(
        "book.toml",
        &format!("{config}[output.none-that-is-known]\n"),
    );
    let guide = Guide::at(book.root()).expect("a guide");
    guide.check().expect("nothing is wrong");
    let built = tempfile::tempdir().expect("a folder");
    let declared = guide.build(built.path()).expect("a book");
    let lost = declared.not_found.expect("a page");
    let lost = fs::read_to_string(built.path().join(lost)).expect("the page");
    assert!(lost.contains("<base href=\"/\">"), "{lost}");
    assert!(lost.contains("Nichts"), "{lost}");
}
