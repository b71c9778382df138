//! Damaged input: whatever becomes of a file, reading it ends in a value or in an error, never in a panic, and
//! what is read can be shown. Each case takes a good file of its kind and damages it in a few places.
//!
//! `PROPTEST_CASES=100000 cargo test --profile lab -p driver --test damaged` looks for longer.

use std::{fs, path::Path};

use driver::scenario::{Scenario, steps};
use lab_autoscale::manifest::read_objects;
use lab_exposition::Format;
use lab_record::{Line, Others, Reports, RunId};
use lab_report::compare::Comparison;
use proptest::prelude::*;

/// One place that is damaged: where, as a share of the text, and how.
type Wound = (f64, Damage);

#[derive(Clone, Debug)]
enum Damage {
    /// So many characters are gone.
    Cut(usize),
    /// So many characters are there twice.
    Double(usize),
    /// Something else stands there.
    Insert(String),
    /// The next number is another one.
    Number(&'static str),
}

const NUMBERS: [&str; 12] = [
    "0",
    "-1",
    "-0.0",
    "1e308",
    "-1e308",
    "5e-324",
    "18446744073709551615",
    "-9223372036854775808",
    "0.1",
    "99999999999999999999",
    "NaN",
    "null",
];

fn damage() -> impl Strategy<Value = Damage> {
    prop_oneof![
        (1usize..200).prop_map(Damage::Cut),
        (1usize..200).prop_map(Damage::Double),
        "\\PC{0,8}".prop_map(Damage::Insert),
        prop_oneof![
            Just("\n"),
            Just("\""),
            Just("{"),
            Just("}"),
            Just("["),
            Just("]"),
            Just(":"),
            Just("---\n"),
            Just("\t")
        ]
        .prop_map(|text: &str| Damage::Insert(text.to_owned())),
        proptest::sample::select(NUMBERS.to_vec()).prop_map(Damage::Number),
    ]
}

fn wounds() -> impl Strategy<Value = Vec<Wound>> {
    proptest::collection::vec((0.0..1.0, damage()), 1..5)
}

fn damaged(text: &str, wounds: &[Wound]) -> String {
    let mut text: Vec<char> = text.chars().collect();
    for (share, damage) in wounds {
        let at = (share * text.len() as f64) as usize;
        let until = |length: &usize| (at + length).min(text.len());
        match damage {
            Damage::Cut(length) => drop(text.drain(at..until(length))),
            Damage::Double(length) => {
                let again = text[at..until(length)].to_vec();
                text.splice(at..at, again);
            }
            Damage::Insert(other) => drop(text.splice(at..at, other.chars())),
            Damage::Number(other) => {
                let is_in = |c: &char| c.is_ascii_digit() || matches!(c, '.' | '-' | 'e');
                let from = text[at..]
                    .iter()
                    .position(char::is_ascii_digit)
                    .map(|n| at + n);
                if let Some(from) = from {
                    let length = text[from..].iter().take_while(|c| is_in(c)).count();
                    text.splice(from..from + length, other.chars());
                }
            }
        }
    }
    text.into_iter().collect()
}

fn read(path: &str) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    fs::read_to_string(root.join(path)).unwrap()
}

const RUN: &str = "20261124T120000Z-0001";

/// A folder of reports with one run, whose files have these texts.
fn reports(data: &str, journal: &str) -> (tempfile::TempDir, Reports) {
    let folder = tempfile::tempdir().unwrap();
    let run = folder.path().join("timeouts").join(RUN);
    fs::create_dir_all(&run).unwrap();
    fs::write(run.join("data.json"), data).unwrap();
    fs::write(run.join("events.jsonl"), journal).unwrap();
    let reports = Reports::at(folder.path());
    (folder, reports)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn scenarios(which in 0..steps().unwrap().len(), wounds in wounds()) {
        let text = &steps().unwrap()[which].text;
        let read = Scenario::parse("my.toml", &damaged(text, &wounds));
        if let Err(error) = read {
            prop_assert!(error.to_string().contains("my.toml"), "{error}");
        }
    }

    #[test]
    fn data_of_runs(wounds in wounds()) {
        let text = read("driver/record/schema/old/1.json");
        let (folder, reports) = reports(&damaged(&text, &wounds), "");
        let id: RunId = RUN.parse().unwrap();
        match reports.run("timeouts", &id) {
            Ok(mut run) => {
                // A damaged scenario's name is refused; the other pages are made.
                let _ = lab_report::write_run(&reports, &run, &Others::default());
                run.scenario.name = "timeouts".to_owned();
                run.run_id = id;
                lab_report::write_run(&reports, &run, &Others::default()).unwrap();
                lab_report::write_comparison(&reports, &run, &run).unwrap();
                prop_assert!(!Comparison::of(&run, &run).sentence().is_empty());
            }
            Err(error) => prop_assert!(error.to_string().contains("data.json"), "{error}"),
        }
        lab_report::write_index(&reports, &lab_report::Home::default()).unwrap();
        prop_assert!(folder.path().join("index.html").is_file());
    }

    #[test]
    fn journals(wounds in wounds()) {
        let journal = r#"{"line":"started","run_id":"20261124T120000Z-0001","scenario":"timeouts","code":"mine","planned_s":20.0}
{"line":"event","t_s":0.0,"kind":"phase","text":"healthy"}
{"line":"tick","t_s":0.5,"phase":"healthy","offered_per_s":40.0,"ok_per_s":39.0,"failed_per_s":0.0,"p95_ms":24.1,"in_flight":2,"replicas":1}
{"line":"finished","outcome":"fail","score":52}
"#;
        let text = damaged(journal, &wounds);
        let (_folder, reports) = reports("", &text);
        prop_assert!(reports.briefs("timeouts").count() <= 1);
        for line in text.lines() {
            let _ = serde_json::from_str::<Line>(line);
        }
    }

    #[test]
    fn manifests(which in 0..3usize, wounds in wounds()) {
        let name = ["api-deploy.yaml", "api-hpa.yaml", "postgres.yaml"][which];
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join(name);
        fs::write(&file, damaged(&read(&format!("deploy/k8s/{name}")), &wounds)).unwrap();
        if let Err(error) = read_objects(&file) {
            prop_assert!(error.to_string().contains(name), "{error}");
        }
    }

    #[test]
    fn metrics_pages(wounds in wounds()) {
        let page = "# HELP lab_http_requests_in_flight Requests.\n# TYPE lab_http_requests_in_flight gauge\n\
                    lab_http_requests_in_flight 3\n# TYPE lab_jobs_queued gauge\nlab_jobs_queued{kind=\"fast\"} 1\n\
                    # TYPE lab_latency histogram\nlab_latency_bucket{le=\"0.1\"} 4\nlab_latency_bucket{le=\"+Inf\"} 5\n\
                    lab_latency_sum 0.5\nlab_latency_count 5\n# EOF\n";
        let text = damaged(page, &wounds);
        for format in [Format::Prometheus, Format::OpenMetrics] {
            if let Err(error) = lab_exposition::read(&text, format) {
                prop_assert!(error.to_string().starts_with("line "), "{error}");
            }
        }
    }
}
