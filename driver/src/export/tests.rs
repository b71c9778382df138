use std::{
    io::Write,
    process::{Command, Stdio},
};

use lab_exposition::Sample;
use lab_report::sample::failing;

use super::*;

fn page(run: &Run) -> Vec<Sample> {
    let text = export(run, Format::Openmetrics);
    lab_exposition::read(&text, lab_exposition::Format::OpenMetrics).unwrap()
}

fn label<'a>(sample: &'a Sample, name: &str) -> &'a str {
    sample.labels.get(name).map_or("", String::as_str)
}

#[test]
fn the_openmetrics_page_has_every_count_percentile_and_point() {
    let run = failing();
    let samples = page(&run);
    let class = &run.classes[0];
    let requests = samples.iter().filter(|sample| {
        sample.name == "lab_requests_total" && label(sample, "class") == class.name
    });
    let offered: f64 = requests.map(|sample| sample.value).sum();
    let by_phase = class.by_phase.iter().map(|phase| phase.counts.offered);
    assert_eq!(offered as u64, by_phase.sum::<u64>());

    let p99 = class.total.latency.p99.unwrap();
    let found = samples.iter().find(|sample| {
        sample.name == "lab_latency_seconds"
            && [
                ("class", class.name.as_str()),
                ("phase", "all"),
                ("quantile", "0.99"),
            ]
            .iter()
            .all(|(name, value)| label(sample, name) == *value)
    });
    let found = found.unwrap();
    assert!((found.value * 1e3 - p99.ms).abs() < 1e-9);
    assert_eq!(label(found, "at_least") == "true", p99.censored);

    let points = samples.iter().filter(|sample| sample.name == "lab_series");
    let drawn: usize = run.series.iter().map(|series| series.points.len()).sum();
    assert_eq!(points.clone().count(), drawn);
    let start = run.started_at.as_microsecond() as f64 / 1e6;
    for (sample, (at, value)) in points.zip(run.series.iter().flat_map(|series| &series.points[..]))
    {
        assert_eq!(sample.value.to_bits(), value.to_bits());
        assert!((sample.timestamp.unwrap() - start - at).abs() < 1e-6);
    }
}

#[test]
fn a_csv_table_has_a_row_a_point_and_one_a_class_and_phase() {
    let mut run = failing();
    run.series[0].unit = "a \"b\", c".to_owned();
    let series = export(&run, Format::CsvSeries);
    let (at, value) = run.series[0].points[0];
    let begins = format!(
        "run_id,scenario,code,series,unit,time_s,value\n{},timeouts,mine,{},\"a \"\"b\"\", c\",{at},{value}\n",
        run.run_id, run.series[0].id
    );
    assert!(series.starts_with(&begins), "{begins}{}", &series[..300]);
    let drawn: usize = run.series.iter().map(|series| series.points.len()).sum();
    assert_eq!(series.lines().count(), drawn + 1);

    let classes = export(&run, Format::CsvClasses);
    let mut lines = classes.lines();
    let columns: Vec<&str> = lines.next().unwrap().split(',').collect();
    let first: Vec<&str> = lines.next().unwrap().split(',').collect();
    assert_eq!(columns.len(), first.len());
    let of = |column: &str| first[columns.iter().position(|name| *name == column).unwrap()];
    let total = &run.classes[0].total;
    assert_eq!(of("phase"), "all");
    assert_eq!(of("offered"), total.counts.offered.to_string());
    let p95 = total.latency.p95.unwrap();
    assert_eq!(of("latency_p95_ms"), p95.ms.to_string());
    assert_eq!(of("latency_p95_is_at_least"), p95.censored.to_string());
    assert_eq!(
        lines.count(),
        run.classes
            .iter()
            .map(|class| class.by_phase.len() + 1)
            .sum::<usize>()
            - 1
    );
}

/// By the strict parser of Prometheus' own client for Python, where it is installed.
#[test]
fn prometheus_own_client_reads_the_page() {
    const PARSE: &str = "import sys\n\
        try:\n from prometheus_client.openmetrics.parser import text_string_to_metric_families as read\n\
        except ImportError:\n sys.exit(77)\n\
        print(sum(len(family.samples) for family in read(sys.stdin.read())))\n";
    let python = Command::new("python3")
        .args(["-c", PARSE])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let Ok(mut python) = python else { return };
    let run = failing();
    let text = export(&run, Format::Openmetrics);
    // Who lacks the parser does not read.
    let _ = python.stdin.take().unwrap().write_all(text.as_bytes());
    let output = python.wait_with_output().unwrap();
    if output.status.code() != Some(77) {
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{said}");
        let count = String::from_utf8_lossy(&output.stdout);
        assert_eq!(count.trim(), page(&run).len().to_string());
    }
}
