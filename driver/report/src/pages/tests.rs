//! What a page says, and that it needs nothing but itself.

use std::{fs, path::Path};

use lab_record::{Others, Outcome, Reports, Run, RunId};

use super::{
    Home, StepPage, WriteError, write_comparison, write_comparisons, write_index, write_run,
};
use crate::{compare::Comparison, sample};

/// Saves a run as the driver does, and its report.
fn save(reports: &Reports, run: &Run) {
    let folder = reports.run_folder(&run.scenario.name, &run.run_id);
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("data.json"), serde_json::to_vec(run).unwrap()).unwrap();
    write_run(reports, run, &Others::default()).unwrap();
}

/// A folder with a failing, a passing and an invalid run, two comparisons, and what doesn't belong.
fn folder_of_runs(root: &Path) -> Reports {
    let reports = Reports::at(root);
    let (failing, passing, invalid) = (sample::failing(), sample::passing(), sample::invalid());
    for run in [&failing, &passing, &invalid] {
        save(&reports, run);
    }
    let before = [failing];
    let others = Others::among(&before, &passing);
    write_comparisons(&reports, &passing, &others).unwrap();
    write_run(&reports, &passing, &others).unwrap();
    write_comparison(&reports, &before[0], &invalid).unwrap();
    reports
}

fn read(path: impl AsRef<Path>) -> String {
    fs::read_to_string(path).unwrap()
}

/// The words of a page, a block a line.
fn text(html: &str) -> String {
    let html = &without_our_scripts(html);
    let mut text = String::new();
    let mut rest = html
        .split_once("</style>")
        .map_or(html.as_str(), |(_, body)| body);
    while let Some((before, tag)) = rest.split_once('<') {
        text.push_str(before);
        let (tag, after) = tag.split_once('>').unwrap();
        let name = tag
            .trim_start_matches('/')
            .split([' ', '>'])
            .next()
            .unwrap();
        if [
            "tr",
            "p",
            "h1",
            "h2",
            "h3",
            "li",
            "div",
            "section",
            "dt",
            "summary",
            "figcaption",
            "text",
        ]
        .contains(&name)
        {
            text.push('\n');
        } else if ["td", "th", "a", "dd"].contains(&name) && !tag.starts_with('/') {
            text.push_str(" | ");
        }
        rest = after;
    }
    let lines = text.lines().map(|line| {
        line.trim()
            .trim_start_matches("| ")
            .replace(['\u{a0}', '\u{202f}'], " ")
    });
    lines
        .filter(|line| !line.is_empty())
        .collect::<Vec<_>>()
        .join("\n")
}

/// The part of a page in a section.
fn section<'a>(html: &'a str, id: &str) -> &'a str {
    let (_, rest) = html.split_once(&format!("<section id=\"{id}\">")).unwrap();
    rest.split_once("</section>").unwrap().0
}

fn header(html: &str) -> &str {
    let (_, rest) = html.split_once("<header").unwrap();
    &rest[rest.find('>').unwrap() + 1..rest.find("</header>").unwrap()]
}

#[test]
fn the_first_screen_answers() {
    let page = |run: &Run| super::run::page(run, &Others::default()).into_string();
    let failing = page(&sample::failing());
    let mut before = sample::failing();
    before.starter = false;
    before.code = "solved".to_owned();
    before.run_id = "20261123T152000Z-0001".parse().unwrap();
    let before = [sample::failing(), before];
    let passing = sample::passing();
    let others = Others::among(&before, &passing);
    let passing = super::run::page(&passing, &others).into_string();
    insta::assert_snapshot!("failing_head", text(header(&failing)));
    insta::assert_snapshot!("passing_head", text(header(&passing)));
    insta::assert_snapshot!("invalid_head", text(header(&page(&sample::invalid()))));
    insta::assert_snapshot!("failing_checks", text(section(&failing, "checks")));
    insta::assert_snapshot!("failing_classes", text(section(&failing, "classes")));
    insta::assert_snapshot!("failing_events", text(section(&failing, "events")));
    insta::assert_snapshot!("failing_machine", text(section(&failing, "machine")));
}

#[test]
fn a_run_that_ended_early_says_what_it_decided_and_what_not() {
    let page = super::run::page(&sample::early(), &Others::default()).into_string();
    insta::assert_snapshot!("early_head", text(header(&page)));
    insta::assert_snapshot!("early_checks", text(section(&page, "checks")));
}

#[test]
fn requests_that_the_end_of_a_run_cut_off_are_told() {
    let mut run = sample::early();
    let told = |run: &Run| {
        let page = super::run::page(run, &Others::default()).into_string();
        let told = text(section(&page, "classes"));
        told.matches("12 unfinished when the run ended").count()
    };
    assert_eq!(told(&run), 0);
    run.classes[0].total.counts.unfinished = 12;
    assert_eq!(told(&run), 1);
}

#[test]
fn a_comparison_shows_checks_code_and_latency() {
    let (a, b) = (sample::failing(), sample::passing());
    let page =
        super::compare::page(&Comparison::of(&a, &b), &a, &b, &Others::default()).into_string();
    insta::assert_snapshot!("comparison_head", text(header(&page)));
    insta::assert_snapshot!("comparison_checks", text(section(&page, "checks")));
    insta::assert_snapshot!("comparison_source", text(section(&page, "source")));
    insta::assert_snapshot!("comparison_classes", text(section(&page, "classes")));
    insta::assert_snapshot!("comparison_failures", text(section(&page, "failures")));
}

#[test]
fn the_index_lists_runs_and_what_it_cant_read() {
    let folder = tempfile::tempdir().unwrap();
    let reports = folder_of_runs(folder.path());
    let broken = folder.path().join("timeouts/20261123T120000Z-dead");
    fs::create_dir_all(&broken).unwrap();
    fs::write(broken.join("data.json"), "{\"schema\": 1, \"run_id\":").unwrap();
    let old = folder.path().join("tx/20251123T120000Z-0001");
    fs::create_dir_all(&old).unwrap();
    fs::write(old.join("data.json"), "{\"schema\": 0}").unwrap();
    fs::create_dir_all(folder.path().join("holiday/pictures")).unwrap();
    let moved = folder.path().join("elsewhere/20261123T151302Z-4f2b");
    fs::create_dir_all(&moved).unwrap();
    let mut run = sample::failing();
    run.run_id = "20261123T151302Z-4f2b".parse().unwrap();
    fs::write(moved.join("data.json"), serde_json::to_vec(&run).unwrap()).unwrap();

    let page = read(write_index(&reports, &Home::default()).unwrap());
    let body = page.split_once("<body>").unwrap().1;
    insta::assert_snapshot!("index", text(body));
}

#[test]
fn the_index_compares_nothing_across_a_change_of_the_scenario() {
    let folder = tempfile::tempdir().unwrap();
    let reports = Reports::at(folder.path());
    let (old, mut new) = (sample::failing(), sample::passing());
    new.scenario.digest = Some("fedcba9876543210".to_owned());
    save(&reports, &old);
    save(&reports, &new);
    // As if made before the scenario was changed.
    write_comparison(&reports, &old, &new).unwrap();
    let page = read(write_index(&reports, &Home::default()).unwrap());
    let body = text(&page);
    let line =
        "The scenario changed since 2026-11-23 15:13:02 UTC: no run is compared across this line.";
    assert_eq!(body.matches(line).count(), 1, "{body}");
    let (above, below) = body.split_once(line).unwrap();
    assert!(above.contains("| solved") && below.contains("| mine"));
    assert!(!body.contains("| compare"), "{body}");
    // The trend is that of the newest text alone.
    assert!(page.contains("Scores of the last 1 runs"), "{page}");
}

#[test]
fn a_run_that_ended_early_hides_no_figures_of_the_others() {
    let folder = tempfile::tempdir().unwrap();
    let reports = Reports::at(folder.path());
    let mut early = sample::early();
    early.run_id = sample::passing().run_id;
    save(&reports, &sample::failing());
    let heads = |page: &str| page.matches("n figure").count();
    let before = heads(&read(write_index(&reports, &Home::default()).unwrap()));
    save(&reports, &early);
    assert_eq!(
        heads(&read(write_index(&reports, &Home::default()).unwrap())),
        before
    );
    assert!(before > 1);
}

#[test]
fn an_empty_folder_has_an_index_too() {
    let folder = tempfile::tempdir().unwrap();
    let page =
        read(write_index(&Reports::at(folder.path().join("new")), &Home::default()).unwrap());
    assert!(text(&page).contains("No run yet"));
}

/// What the index knows of the guide, before the book is built.
fn home() -> Home {
    Home {
        next: Some("Step 1, Timeouts: mend the marked place, then `make step1` again.".to_owned()),
        steps: vec![StepPage {
            scenario: "timeouts".to_owned(),
            name: "Step 1: Timeouts".to_owned(),
            page: None,
        }],
    }
}

#[test]
fn the_index_opens_with_the_newest_run_and_what_is_next() {
    let folder = tempfile::tempdir().unwrap();
    let reports = folder_of_runs(folder.path());
    let page = |home: &Home| {
        let page = read(write_index(&reports, home).unwrap());
        let (_, body) = page.split_once("<main>").unwrap();
        text(body.split_once("<section").unwrap().0)
    };
    let mut home = home();
    let without = page(&home);
    assert!(
        without.starts_with("Runs\nThe newest: step 1 · timeouts · mine · 2026-11-23 15:13:02 UTC"),
        "{without}"
    );
    assert!(
        without
            .contains("\nNext: Step 1, Timeouts: mend the marked place, then make step1 again.\n"),
        "{without}"
    );
    assert!(
        without.contains("The guide, which make book opens:Step 1: Timeouts"),
        "{without}"
    );
    home.steps[0].page = Some("../target/book/step1.html".to_owned());
    let with = page(&home);
    assert!(with.contains("The guide: | Step 1: Timeouts"), "{with}");
}

/// Links of all pages lead to files that exist, whatever the folder is called.
#[test]
fn links_are_relative_and_lead_somewhere() {
    let folder = tempfile::tempdir().unwrap();
    write_index(&folder_of_runs(&folder.path().join("before")), &home()).unwrap();
    fs::rename(folder.path().join("before"), folder.path().join("after")).unwrap();
    let root = folder.path().join("after");
    let mut pages = vec![root.join("index.html")];
    for entry in [
        "compare",
        "timeouts/20261123T151302Z-4f2a",
        "timeouts/20261123T153127Z-a01c",
    ] {
        let files = fs::read_dir(root.join(entry)).unwrap();
        pages.extend(files.map(|file| file.unwrap().path()));
    }
    let mut links = 0;
    for page in pages
        .iter()
        .filter(|page| page.extension().unwrap() == "html")
    {
        let html = read(page);
        for (_, rest) in html
            .match_indices("href=\"")
            .map(|(at, found)| html.split_at(at + found.len()))
        {
            let link = rest.split_once('"').unwrap().0;
            if !link.starts_with(['#']) && !link.starts_with("data:") {
                links += 1;
                let (file, place) = link.split_once('#').unwrap_or((link, ""));
                let target = page.parent().unwrap().join(file);
                assert!(target.is_file(), "{}: {link}", page.display());
                let is_there = || read(&target).contains(&format!("id=\"{place}\""));
                assert!(place.is_empty() || is_there(), "{}: {link}", page.display());
            }
        }
    }
    assert!(links > 10, "{links}");
}

#[test]
fn pages_need_nothing_but_themselves() {
    let folder = tempfile::tempdir().unwrap();
    let reports = folder_of_runs(folder.path());
    let run = sample::failing();
    let pages = [
        write_run(&reports, &run, &Others::default()).unwrap(),
        write_comparison(&reports, &run, &sample::passing()).unwrap(),
        write_index(&reports, &Home::default()).unwrap(),
    ];
    for page in pages {
        let html = without_our_scripts(&read(&page)).to_lowercase();
        let name = page.display();
        // A scenario may name its sources: an address as text is no request.
        for tag in html
            .split('<')
            .skip(1)
            .filter_map(|rest| rest.split('>').next())
        {
            for attribute in [
                "src=",
                "srcset=",
                "action=",
                "data=",
                " onload=",
                " onerror=",
                "href=\"http",
                "href=\"//",
            ] {
                assert!(!tag.contains(attribute), "{name}: <{tag}>");
            }
            let active = [
                "script", "img", "iframe", "object", "embed", "base", "use", "image",
            ];
            assert!(
                !active.contains(&tag.split(' ').next().unwrap()),
                "{name}: <{tag}>"
            );
        }
        let style = html
            .split_once("<style>")
            .unwrap()
            .1
            .split_once("</style>")
            .unwrap()
            .0;
        for request in ["url(", "@import", "http", "expression("] {
            assert!(!style.contains(request), "{name}: {request}");
        }
    }
}

/// A page without what runs on it by intent, and without what that reads.
fn without_our_scripts(html: &str) -> String {
    let mut html = html.to_owned();
    for script in [lab_stage::SCRIPT, lab_stage::SCRUB] {
        html = html.replace(&format!("<script>{script}</script>"), "");
    }
    let data = "<script type=\"application/json\">";
    while let Some((before, after)) = html.split_once(data) {
        let (json, after) = after.split_once("</script>").unwrap();
        serde_json::from_str::<serde_json::Value>(json).unwrap();
        html = format!("{before}{after}");
    }
    html
}

#[test]
fn hostile_text_stays_text() {
    let hostile = "</style><script>alert(1)</script>\"' onclick=alert(1) x='<img src=x>&amp;";
    let mut run = sample::failing();
    run.code = hostile.to_owned();
    run.platform = hostile.to_owned();
    run.scenario.title = hostile.to_owned();
    run.scenario.summary = hostile.to_owned();
    run.scenario.toml = hostile.to_owned();
    run.sources[0].path = hostile.to_owned();
    run.sources[0].text = hostile.to_owned();
    run.phases[2].name = hostile.to_owned();
    run.phases[2].fault = Some(hostile.to_owned());
    run.events[1].text = hostile.to_owned();
    run.checks[0].title = hostile.to_owned();
    run.checks[0].seen = hostile.to_owned();
    run.classes[0].name = hostile.to_owned();
    run.self_check.findings[0].text = hostile.to_owned();
    run.host.kernel = hostile.to_owned();
    run.versions.insert(hostile.to_owned(), hostile.to_owned());
    let stage = run.stage.as_mut().unwrap();
    for text in [
        &mut stage.title,
        &mut stage.place,
        &mut stage.waiting,
        &mut stage.free,
    ] {
        *text = hostile.to_owned();
    }
    for part in stage.taken.iter_mut().chain(&mut stage.line) {
        part.id = format!("{hostile}{}", part.id);
        part.label = hostile.to_owned();
    }
    for series in &mut run.series {
        if ["dep", "waiting"].contains(&series.id.as_str()) {
            continue;
        }
        series.id = hostile.to_owned();
        series.label = hostile.to_owned();
        series.unit = hostile.to_owned();
        series.chart = Some(hostile.to_owned());
        series.limit = Some((hostile.to_owned(), 1.into()));
    }
    let folder = tempfile::tempdir().unwrap();
    let reports = Reports::at(folder.path());
    save(&reports, &run);
    let pages = [
        write_run(&reports, &run, &Others::default()).unwrap(),
        write_comparison(&reports, &run, &sample::passing()).unwrap(),
        write_index(&reports, &Home::default()).unwrap(),
    ];
    for page in pages {
        let html = without_our_scripts(&read(&page));
        assert!(!html.contains("<script"), "{}", page.display());
        assert!(!html.contains("<img"), "{}", page.display());
        assert_eq!(html.matches("</style>").count(), 1, "{}", page.display());
        // A quote that ended an attribute would let this begin one.
        assert!(!html.contains("\"' onclick"), "{}", page.display());
    }
}

#[test]
fn strange_data_still_makes_a_page() {
    let mut run = sample::failing();
    run.phases.clear();
    run.classes.clear();
    run.checks.clear();
    run.events.clear();
    run.sources.clear();
    run.versions.clear();
    run.duration_s = 0.0;
    run.complete = false;
    run.series.truncate(4);
    run.series[0].points = vec![].into();
    run.series[1].points = vec![(0.0, 3.0)].into();
    run.series[2].points = vec![(0.0, f64::MAX), (1.0, f64::MIN)].into();
    run.series[3].points = vec![(0.0, 0.0), (1.0, 0.0)].into();
    let html = super::run::page(&run, &Others::default()).into_string();
    for number in ["NaN", "inf", "-0\""] {
        assert!(
            !html.split_once("</style>").unwrap().1.contains(number),
            "{number}"
        );
    }
}

/// A realistic report, one of a run that was sampled far more finely than a screen can show, and a realistic comparison.
#[test]
fn a_report_is_small() {
    let mut fine = sample::failing();
    for series in &mut fine.series {
        series.points = (0..6200)
            .map(|n| (f64::from(n) * 0.01, f64::from(n * 7919 % 1009)))
            .collect();
    }
    let others = Others::default();
    for run in [sample::failing(), fine] {
        let html = super::run::page(&run, &others).into_string();
        let packed = gzip(html.as_bytes());
        assert!(packed <= 100_000, "{} bytes, {packed} packed", html.len());
    }
    let (a, b) = (sample::failing(), sample::passing());
    let html = super::compare::page(&Comparison::of(&a, &b), &a, &b, &others).into_string();
    let packed = gzip(html.as_bytes());
    assert!(packed <= 120_000, "{} bytes, {packed} packed", html.len());
}

/// The size after `gzip`.
fn gzip(bytes: &[u8]) -> usize {
    use std::{
        io::Write,
        process::{Command, Stdio},
    };
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(bytes).unwrap();
    let packed = Command::new("gzip")
        .args(["-c", "-9"])
        .stdin(Stdio::from(file.reopen().unwrap()))
        .output();
    packed.expect("gzip is everywhere").stdout.len()
}

#[test]
fn five_hundred_runs_fit_an_index() {
    let folder = tempfile::tempdir().unwrap();
    let reports = Reports::at(folder.path());
    let mut run = sample::passing();
    run.series.clear();
    for n in 0..500u64 {
        let second = i64::try_from(n).unwrap();
        run.started_at = jiff::Timestamp::new(1_795_000_000 + second * 90, 0).unwrap();
        run.run_id = RunId::new(run.started_at, n);
        run.verdict.score = (n % 7 != 0).then_some((n % 101) as u8);
        run.verdict.outcome = [Outcome::Pass, Outcome::Fail][(n % 2) as usize];
        save(&reports, &run);
    }
    let page = read(write_index(&reports, &Home::default()).unwrap());
    // The newest stands at the top, too.
    assert_eq!(page.matches(">report</a>").count(), 501);
    assert!(text(&page).contains("485 older runs"));
    assert!(gzip(page.as_bytes()) < 60_000);
}

#[test]
fn a_page_is_replaced_whole_and_nothing_is_left_behind() {
    let folder = tempfile::tempdir().unwrap();
    let reports = Reports::at(folder.path());
    let run = sample::failing();
    let path = write_run(&reports, &run, &Others::default()).unwrap();
    fs::write(&path, "old").unwrap();
    write_run(&reports, &run, &Others::default()).unwrap();
    assert!(read(&path).starts_with("<!DOCTYPE html>"));
    assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
}

#[test]
fn a_folder_that_refuses_is_named() {
    let folder = tempfile::tempdir().unwrap();
    // A file where a folder is needed refuses everybody, root too.
    fs::write(folder.path().join("timeouts"), "").unwrap();
    let error = write_run(
        &Reports::at(folder.path()),
        &sample::failing(),
        &Others::default(),
    )
    .unwrap_err();
    let text = error.to_string();
    assert!(matches!(error, WriteError::Io { .. }));
    assert!(text.contains("20261123T151302Z-4f2a/report.html"), "{text}");
}

#[test]
fn a_scenario_cant_lead_out_of_the_reports() {
    let folder = tempfile::tempdir().unwrap();
    let mut run = sample::failing();
    for name in ["..", "a/b", "", "C:\\x", "<b>"] {
        name.clone_into(&mut run.scenario.name);
        let error = write_run(&Reports::at(folder.path()), &run, &Others::default()).unwrap_err();
        assert!(matches!(error, WriteError::ScenarioName { .. }), "{name}");
    }
}

/// Leaves pages to look at: `LAB_LOOK=/some/folder cargo test look -- --ignored`.
#[test]
#[ignore = "for the eye: writes pages to the folder named in LAB_LOOK"]
fn look() {
    let folder = std::env::var("LAB_LOOK").unwrap();
    let reports = folder_of_runs(Path::new(&folder));
    let mut suspect = sample::passing();
    suspect.run_id = "20261123T160000Z-5005".parse().unwrap();
    "mine".clone_into(&mut suspect.code);
    suspect.verdict.score = Some(71);
    suspect.verdict.outcome = Outcome::Fail;
    save(&reports, &suspect);
    write_index(&reports, &Home::default()).unwrap();
}
