//! A project to quote from, and the program started in it.

use std::{
    fmt::Write as _,
    fs,
    io::Write as _,
    path::Path,
    process::{Command, Output, Stdio},
};

use mdbook_driver::MDBook;
use mdbook_preprocessor::{
    PreprocessorContext,
    book::{Book, BookItem},
};
use serde_json::{Value, json};
use tempfile::TempDir;

/// A copy of the fixture, to be changed at will.
pub(crate) struct Project(TempDir);

/// What the program said.
pub(crate) struct Said {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Said {
    /// What is wrong, where there is no book.
    #[track_caller]
    pub(crate) fn refused(self) -> String {
        let Self { code, out, err } = self;
        assert_eq!((code, out.as_str()), (Some(2), ""), "{err}");
        err
    }
}

impl Project {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/quoted");
        copy(&fixture, folder.path());
        Self(folder)
    }

    pub(crate) fn root(&self) -> &Path {
        self.0.path()
    }

    /// Replaces a text of a file, which must be there.
    pub(crate) fn change(self, file: &str, from: &str, to: &str) -> Self {
        let path = self.root().join(file);
        let text = fs::read_to_string(&path).expect(file);
        assert!(text.contains(from), "{file} has no {from:?}");
        fs::write(path, text.replacen(from, to, 1)).expect(file);
        self
    }

    /// Adds to the end of a file.
    pub(crate) fn append(self, file: &str, more: &str) -> Self {
        let path = self.root().join(file);
        let text = fs::read_to_string(&path).expect(file);
        fs::write(path, text + more).expect(file);
        self
    }

    pub(crate) fn remove(self, file: &str) -> Self {
        fs::remove_file(self.root().join(file)).expect(file);
        self
    }

    /// What mdBook hands to a preprocessor.
    pub(crate) fn input(&self, renderer: &str) -> (PreprocessorContext, Book) {
        let book = MDBook::load(self.root()).expect("the fixture is a book");
        let context =
            PreprocessorContext::new(self.root().to_owned(), book.config, renderer.to_owned());
        (context, book.book)
    }

    /// Runs the program as mdBook does for a renderer.
    pub(crate) fn preprocess(&self, renderer: &str) -> Said {
        let input = serde_json::to_string(&self.input(renderer)).expect("as JSON");
        self.run(&[], &input)
    }

    /// Runs the program in the project.
    pub(crate) fn run(&self, args: &[&str], input: &str) -> Said {
        let mut program = Command::new(env!("CARGO_BIN_EXE_mdbook-lab"))
            .args(args)
            .current_dir(self.root())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program starts");
        // A program that never reads its input ends before all of it is written.
        let _ = program
            .stdin
            .take()
            .expect("its input")
            .write_all(input.as_bytes());
        said(program.wait_with_output().expect("it ends"))
    }
}

/// Each page of a book under its path, as the program gave them back.
pub(crate) fn pages(said: &Said) -> String {
    assert_eq!((said.code, said.err.as_str()), (Some(0), ""));
    let book: Book = serde_json::from_str(&said.out).expect("a book");
    let mut pages = String::new();
    for item in book.iter() {
        if let BookItem::Chapter(chapter) = item {
            let path = chapter.path.as_deref().expect("a path").display();
            writeln!(pages, "──── {path}\n{}", chapter.content).expect("a string");
        }
    }
    pages
}

/// The least that is a context and a book: no page.
pub(crate) fn empty_book(root: &Path, version: &str) -> Value {
    json!([
        {
            "root": root,
            "config": {"preprocessor": {"lab": {"steps": []}}},
            "renderer": "html",
            "mdbook_version": version,
        },
        {"items": []},
    ])
}

fn said(output: Output) -> Said {
    let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
    Said {
        code: output.status.code(),
        out: text(output.stdout),
        err: text(output.stderr),
    }
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a folder");
    for entry in fs::read_dir(from).expect("a folder") {
        let entry = entry.expect("an entry");
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).expect("a file");
        }
    }
}
