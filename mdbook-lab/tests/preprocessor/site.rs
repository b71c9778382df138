//! `mdbook-lab site`: the guide with a sample of reports, in a folder that can be put anywhere.

use std::{
    fs,
    path::{Path, PathBuf},
};

use lab_record::{Reports, Run};
use lab_report::sample;

use crate::project::{Project, Said};

/// Keeps a run as the driver leaves it, with what a site has no use for.
fn keep(project: &Project, mut run: Run, code: &str) -> Run {
    code.clone_into(&mut run.code);
    let reports = Reports::at(project.root().join("reports"));
    let data = lab_report::write_data(&reports, &run).expect("data");
    let folder = data.parent().expect("a folder");
    let events = format!(
        "{{\"line\":\"started\",\"run_id\":\"{}\",\"scenario\":\"{}\",\"code\":\"{code}\",\"planned_s\":40.0}}\n\
         {{\"line\":\"finished\",\"outcome\":\"{}\",\"score\":23}}\n",
        run.run_id,
        run.scenario.name,
        run.verdict.outcome.name(),
    );
    fs::write(folder.join("events.jsonl"), events).expect("events");
    fs::create_dir(folder.join("logs")).expect("logs");
    let log = format!("listening in {}", project.root().display());
    fs::write(folder.join("logs/api-1.log"), log).expect("a log");
    run
}

fn site(project: &Project) -> Said {
    project.run(&["site", "--out", "public/site"], "")
}

fn read(project: &Project, file: &str) -> String {
    let path = project.root().join("public/site").join(file);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{file}: {error}"))
}

/// Every file below a folder, relative to it.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(next).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else {
                files.push(path.strip_prefix(folder).expect("inside").to_owned());
            }
        }
    }
    files
}

#[test]
fn the_site_has_the_guide_and_a_sample_and_says_what_is_missing() {
    let project = Project::new();
    let mut own = sample::failing();
    own.run_id = "20261123T160102Z-0d4a".parse().expect("a run id");
    keep(&project, own, "mine");
    let starter = keep(&project, sample::failing(), "starter");
    let mut after = sample::failing();
    after.run_id = "20261123T170000Z-1a2b".parse().expect("a run id");
    keep(&project, after, "starter");
    let solved = keep(&project, sample::passing(), "solved");
    let said = site(&project);
    assert_eq!(said.code, Some(0), "{}", said.err);
    assert!(
        said.err.contains("no run of step 2: `make demo ALL=1`"),
        "{}",
        said.err
    );

    let report = format!("reports/timeouts/{}/report.html", solved.run_id);
    let compared = format!("reports/compare/{}--{}.html", starter.run_id, solved.run_id);
    let page = read(&project, "step1.html");
    for link in [&report, &compared] {
        assert!(page.contains(&format!("href=\"{link}\"")), "{page}");
        read(&project, link);
    }
    assert!(read(&project, &report).contains(&format!("../../compare/{}", starter.run_id)));
    assert!(read(&project, "reports/index.html").contains("href=\"../step1.html\""));
    assert!(read(&project, "step2.html").contains("No run of step 2 in this sample"));

    // Of the reader, who has run nothing yet, it says nothing; of the machine it has the two runs alone.
    let index = read(&project, "index.html") + &read(&project, "print.html");
    assert!(!index.contains("your code"), "{index}");
    let files = files(&project.root().join("public/site"));
    assert!(!files.iter().any(|file| file.ends_with("404.html")));
    let of_runs = |file: &&PathBuf| file.starts_with("reports/timeouts");
    assert_eq!(files.iter().filter(of_runs).count(), 4, "{files:?}");
    assert!(!files.iter().any(|file| file.starts_with("reports/tx")));
}

#[test]
fn a_site_has_nothing_of_what_its_maker_has_edited() {
    let file = "lab-services/src/cases/tx.rs";
    let quoting = format!("\n{{{{#lab edit {file}}}}}\n\n{{{{#lab standing}}}}\n");
    let project = Project::new()
        .append("book/step1.md", &quoting)
        .append(file, "// of its maker alone\n");
    let said = site(&project);
    assert_eq!(said.code, Some(0), "{}", said.err);
    let page = read(&project, "step1.html");
    assert!(page.contains("yours, as the step begins"), "{page}");
    assert!(!page.contains("of its maker alone"), "{page}");
    assert!(page.contains("<html data-lab-site "), "{page}");
}

#[test]
fn a_site_replaces_a_site_and_nothing_else() {
    let project = Project::new();
    assert_eq!(site(&project).code, Some(0));
    let old = project.root().join("public/site/old.txt");
    fs::write(&old, "of the old one").expect("a file");
    assert_eq!(site(&project).code, Some(0));
    assert!(!old.exists());

    let said = project.run(&["site", "--out", "book"], "");
    assert_eq!(said.code, Some(2));
    assert!(
        said.err.contains("book is there and is no site"),
        "{}",
        said.err
    );
    assert!(project.root().join("book/index.md").is_file());
    let left = fs::read_dir(project.root().join("public")).expect("a folder");
    assert_eq!(left.count(), 1, "nothing of the making is left");
}

#[test]
fn dead_links_and_the_machines_folders_are_named_and_the_old_site_stays() {
    let project = Project::new();
    assert_eq!(site(&project).code, Some(0));
    let before = read(&project, "step1.html");
    let home = format!(
        "\n[gone](none.html) [here](#nowhere)\n\n{}\n",
        project.root().display()
    );
    let project = project.append("book/step1.md", &home);
    let said = site(&project);
    assert_eq!((said.code, &*said.out), (Some(1), ""), "{}", said.err);
    for named in [
        "`none.html`: there is no such file",
        "`#nowhere`: that page has no `#nowhere`",
        "the project's folder of this machine",
    ] {
        let is_named = |line: &str| line.starts_with("step1.html:") && line.contains(named);
        assert!(said.err.lines().any(is_named), "{named}: {}", said.err);
    }
    assert_eq!(read(&project, "step1.html"), before);
}
