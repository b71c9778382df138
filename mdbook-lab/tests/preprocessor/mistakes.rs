//! Mistakes in pages and in `book.toml`: where they are, all at once, and no book.

use crate::project::Project;

fn refused(project: &Project) -> String {
    project.preprocess("html").refused()
}

#[test]
fn mistakes_of_all_pages_are_told_at_once_with_file_and_line() {
    let project = Project::new()
        .append(
            "book/index.md",
            "\n{{#lab nonsense}}\n\n{{#lab status tea}}\n",
        )
        .append("book/step1.md", "\n```sh,lab-run\nmake tea\n```\n")
        .append("book/step1.md", "\n```sh,lab-run\nrm -rf /\n```\n")
        .append("book/step1.md", "\n```rust,lab-example=tea\n```\n")
        .append("book/step1.md", "\n```rust,lab-kettle\n```\n")
        .append("book/step1.md", "\nSee {{#lab progress}}.\n")
        .append("book/step2.md", "\n{{#lab source nowhere.rs}}\n")
        .append("book/step2.md", "\n{{#lab source Makefile#tea}}\n")
        .append("book/step2.md", "\n{{#lab source ../Makefile}}\n")
        .append("book/step2.md", "\n{{#lab progress\n")
        .append("book/more/sources.md", "\n```sh,lab-run\nmake step1\n");
    insta::assert_snapshot!(refused(&project));
}

#[test]
fn options_are_read_strictly() {
    for (from, to, said) in [
        ("after = ", "befor = ", "unknown field `befor`"),
        (
            "scenario = \"tx\"",
            "scenarios = \"tx\"",
            "unknown field `scenarios`",
        ),
        (
            "scenario = \"tx\"",
            "scenario = \"../tx\"",
            "no name of a scenario",
        ),
        (
            "command = ",
            "reports = \"/tmp\"\ncommand = ",
            "inside the project",
        ),
    ] {
        let err = refused(&Project::new().change("book.toml", from, to));
        assert!(err.starts_with("book.toml: [preprocessor.lab]"), "{err}");
        assert!(err.contains(said), "{err}");
    }
}

#[test]
fn without_a_makefile_there_is_nothing_to_run() {
    let err = refused(&Project::new().remove("Makefile"));
    assert_eq!(
        err,
        "book/step1.md:9: `make step1` needs a Makefile: there is none beside book.toml\n\
         book/step2.md:7: `make step2` needs a Makefile: there is none beside book.toml\n\
         book/more/sources.md:7: `Makefile` can't be read: No such file or directory (os error 2)\n"
    );
}
