use proptest::prelude::*;

use super::*;

fn labels(pairs: &[(&str, &str)]) -> Labels {
    let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    pairs.iter().map(owned).collect()
}

fn sample(name: &str, pairs: &[(&str, &str)], value: f64) -> Sample {
    Sample {
        name: name.to_owned(),
        labels: labels(pairs),
        value,
        timestamp: None,
    }
}

/// The one sample of a line.
fn line(text: &str) -> Sample {
    let mut samples = read(text, Format::Prometheus).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(samples.len(), 1, "{text}");
    samples.remove(0)
}

fn problem(text: &str) -> String {
    read(text, Format::Prometheus).unwrap_err().to_string()
}

/// The example of the format's page, "Text format details".
const PROMETHEUS: &str = r#"# HELP http_requests_total The total number of HTTP requests.
# TYPE http_requests_total counter
http_requests_total{method="post",code="200"} 1027 1395066363000
http_requests_total{method="post",code="400"}    3 1395066363000

# Escaping in label values:
msdos_file_access_time_seconds{path="C:\\DIR\\FILE.TXT",error="Cannot find file:\n\"FILE.TXT\""} 1.458255915e9

# Minimalistic line:
metric_without_timestamp_and_labels 12.47

# A weird metric from before the epoch:
something_weird{problem="division by zero"} +Inf -3982045

# A histogram, which has a pretty complex representation in the text format:
# HELP http_request_duration_seconds A histogram of the request duration.
# TYPE http_request_duration_seconds histogram
http_request_duration_seconds_bucket{le="0.05"} 24054
http_request_duration_seconds_bucket{le="+Inf"} 144320
http_request_duration_seconds_sum 53423
http_request_duration_seconds_count 144320

# Finally a summary, which has a complex representation, too:
# TYPE telemetry_requests_metrics_latency_microseconds summary
telemetry_requests_metrics_latency_microseconds{quantile="0.01"} 3102
telemetry_requests_metrics_latency_microseconds_sum 1.7560473e+07
telemetry_requests_metrics_latency_microseconds_count 2693
"#;

#[test]
fn the_example_of_format_0_0_4_is_read() {
    let at = |timestamp, sample| Sample {
        timestamp: Some(timestamp),
        ..sample
    };
    let post = |code, value| {
        let sample = sample(
            "http_requests_total",
            &[("method", "post"), ("code", code)],
            value,
        );
        at(1_395_066_363_000.0, sample)
    };
    let duration = |suffix: &str, pairs: &[(&str, &str)], value| {
        sample(
            &format!("http_request_duration_seconds{suffix}"),
            pairs,
            value,
        )
    };
    let latency = |suffix: &str, pairs: &[(&str, &str)], value| {
        let name = format!("telemetry_requests_metrics_latency_microseconds{suffix}");
        sample(&name, pairs, value)
    };
    let weird = [("problem", "division by zero")];
    let file = [
        ("path", r"C:\DIR\FILE.TXT"),
        ("error", "Cannot find file:\n\"FILE.TXT\""),
    ];
    let expected = [
        post("200", 1027.0),
        post("400", 3.0),
        sample("msdos_file_access_time_seconds", &file, 1.458_255_915e9),
        sample("metric_without_timestamp_and_labels", &[], 12.47),
        at(
            -3_982_045.0,
            sample("something_weird", &weird, f64::INFINITY),
        ),
        duration("_bucket", &[("le", "0.05")], 24_054.0),
        duration("_bucket", &[("le", "+Inf")], 144_320.0),
        duration("_sum", &[], 53_423.0),
        duration("_count", &[], 144_320.0),
        latency("", &[("quantile", "0.01")], 3102.0),
        latency("_sum", &[], 1.756_047_3e7),
        latency("_count", &[], 2693.0),
    ];
    assert_eq!(read(PROMETHEUS, Format::Prometheus).unwrap(), expected);
    let windows = PROMETHEUS.replace('\n', "\r\n");
    assert_eq!(read(&windows, Format::Prometheus).unwrap(), expected);
    let unfinished = PROMETHEUS.trim_end();
    assert_eq!(read(unfinished, Format::Prometheus).unwrap(), expected);
}

#[test]
fn examples_of_openmetrics_are_read() {
    // "Overall Structure", "Exemplars", "StateSet", "Counter", "Labels".
    let text = r#"# TYPE acme_http_router_request_seconds summary
# UNIT acme_http_router_request_seconds seconds
# HELP acme_http_router_request_seconds Latency though all of ACME's HTTP request router.
acme_http_router_request_seconds_sum{path="/api/v1",method="GET"} 9036.32
acme_http_router_request_seconds_created{path="/api/v1",method="GET"} 1605281325.0
# TYPE go_goroutines gauge
go_goroutines 69
# TYPE foo histogram
foo_bucket{le="0.1"} 8 # {} 0.054
foo_bucket{le="1"} 11 # {trace_id="KOO5S4vxi0o"} 0.67
foo_bucket{le="10"} 17 # {trace_id="oHg5SJYRHA0"} 9.8 1520879607.789
foo_created  1520430000.123
# TYPE bar stateset
bar{entity="controller",bar="a"} 1.0
# TYPE baz counter
baz_total 17.0 1520879607.789
bar_seconds_count{a="x",b="escaping\" example \n "} 0
bar_seconds_count{} 0
# EOF
"#;
    let path = [("path", "/api/v1"), ("method", "GET")];
    let escaping = [("a", "x"), ("b", "escaping\" example \n ")];
    let expected = [
        sample("acme_http_router_request_seconds_sum", &path, 9036.32),
        sample(
            "acme_http_router_request_seconds_created",
            &path,
            1_605_281_325.0,
        ),
        sample("go_goroutines", &[], 69.0),
        sample("foo_bucket", &[("le", "0.1")], 8.0),
        sample("foo_bucket", &[("le", "1")], 11.0),
        sample("foo_bucket", &[("le", "10")], 17.0),
        sample("foo_created", &[], 1_520_430_000.123),
        sample("bar", &[("entity", "controller"), ("bar", "a")], 1.0),
        Sample {
            timestamp: Some(1_520_879_607.789),
            ..sample("baz_total", &[], 17.0)
        },
        sample("bar_seconds_count", &escaping, 0.0),
        sample("bar_seconds_count", &[], 0.0),
    ];
    assert_eq!(read(text, Format::OpenMetrics).unwrap(), expected);
}

#[test]
fn an_openmetrics_page_ends_with_its_mark() {
    let read = |text| read(text, Format::OpenMetrics).map_err(|error| error.to_string());
    assert_eq!(read("a 1\n# EOF").unwrap().len(), 1);
    assert_eq!(read("# EOF\n").unwrap(), []);
    let cut_off = "line 1, `a 1`: the page ends here, without `# EOF`: it was cut off";
    assert_eq!(read("a 1\n").unwrap_err(), cut_off);
    assert!(read("").unwrap_err().contains("cut off"));
    assert!(read("# EOF\na 1\n").unwrap_err().contains("nothing more"));
    // In 0.0.4 it is a comment.
    assert_eq!(
        super::read("# EOF\na 1\n", Format::Prometheus)
            .unwrap()
            .len(),
        1
    );
    let named = Format::of;
    assert_eq!(
        named("application/openmetrics-text; version=1.0.0; charset=utf-8"),
        Format::OpenMetrics
    );
    assert_eq!(named("text/plain; version=0.0.4"), Format::Prometheus);
}

#[test]
fn odd_but_right_lines_are_read() {
    let odd = [
        ("a{} 3", sample("a", &[], 3.0)),
        ("a{}3", sample("a", &[], 3.0)),
        ("\t a \t 3 ", sample("a", &[], 3.0)),
        (
            "job:requests:rate1m 4",
            sample("job:requests:rate1m", &[], 4.0),
        ),
        (":a 4", sample(":a", &[], 4.0)),
        (
            r#"a{ b = "c" , d="e", } 5"#,
            sample("a", &[("b", "c"), ("d", "e")], 5.0),
        ),
        (r#"a {b="c"} 5"#, sample("a", &[("b", "c")], 5.0)),
        (
            r#"a{b="x,y=1}{#"} 5"#,
            sample("a", &[("b", "x,y=1}{#")], 5.0),
        ),
        (
            r#"a{b="/orders/{id}"} 5"#,
            sample("a", &[("b", "/orders/{id}")], 5.0),
        ),
        (r#"a{b="\d\\n"} 5"#, sample("a", &[("b", r"\d\n")], 5.0)),
        (r#"a{b="",c="ü🦀"} 5"#, sample("a", &[("c", "ü🦀")], 5.0)),
        ("a -inf", sample("a", &[], f64::NEG_INFINITY)),
        ("a +Infinity", sample("a", &[], f64::INFINITY)),
        ("a 0042", sample("a", &[], 42.0)),
        ("a .5e-1", sample("a", &[], 0.05)),
    ];
    for (text, expected) in odd {
        assert_eq!(line(text), expected, "{text}");
    }
    assert!(line("a Nan").value.is_nan());
    assert_eq!(
        read("\n \r\n#\n#anything\n # TYPE\n", Format::Prometheus).unwrap(),
        []
    );
}

#[test]
fn a_line_that_cannot_be_read_is_named_with_what_is_wrong() {
    assert_eq!(
        problem("a 1\n\nb{c=\"d} 2\n"),
        "line 3, `b{c=\"d} 2`: the value of a label has no double quote at its end"
    );
    for (text, says) in [
        ("a", "then come labels in braces or a blank"),
        ("a ", "then come labels in braces or a blank"),
        ("a-b 1", "then come labels in braces or a blank"),
        ("1a 1", "begins with a letter"),
        ("{} 1", "begins with a letter"),
        ("a{b=\"c\" d=\"e\"} 1", "after a label comes"),
        ("a{b=\"c\"", "after a label comes"),
        ("a{b=\"c\",", "begins with a letter"),
        ("a{,} 1", "begins with a letter"),
        ("a{b:c=\"d\"} 1", "comes `=`"),
        ("a{b=c} 1", "double quotes"),
        ("a{b=\"\\", "no double quote at its end"),
        ("a{b=\"c\",b=\"\"} 1", "twice"),
        ("a{}", "a value is a number"),
        ("a one", "a value is a number"),
        ("a 1e999", "larger than 64 bits"),
        ("a 1 soon", "a timestamp is a number"),
        ("a 1 NaN", "a timestamp is a number"),
        ("a 1 2 3", "a timestamp at most"),
        ("a 1 # 5", "an exemplar begins with labels"),
        ("a 1 # {b=\"c\"}", "a value is a number"),
        ("\u{feff}a 1", "begins with a letter"),
    ] {
        assert!(problem(text).contains(says), "{text}: {}", problem(text));
    }
    // Nothing of it can talk to a terminal.
    assert!(!problem("a\u{1b}[2J 1").contains('\u{1b}'));
}

fn label_value() -> impl Strategy<Value = String> {
    prop_oneof!["[a\\\\\"\n,{}=# ]{1,8}", ".{1,8}", "\\PC{1,4}"]
}

prop_compose! {
    fn any_sample()(
        name in "[a-zA-Z_:][a-zA-Z0-9_:]{0,8}",
        labels in proptest::collection::btree_map("[a-zA-Z_][a-zA-Z0-9_]{0,4}", label_value(), 0..4),
        value in proptest::num::f64::ANY,
        timestamp in proptest::option::of(proptest::num::f64::NORMAL | proptest::num::f64::ZERO),
    ) -> Sample {
        Sample { name, labels, value, timestamp }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_written_is_read_as_the_same(samples in proptest::collection::vec(any_sample(), 0..5)) {
        let lines: Vec<String> = samples.iter().map(|sample| format!("{sample}\n")).collect();
        let text = lines.concat() + "# EOF\n";
        for format in [Format::Prometheus, Format::OpenMetrics] {
            let again = read(&text, format).unwrap();
            prop_assert_eq!(again.len(), samples.len());
            for (read, written) in again.iter().zip(&samples) {
                prop_assert_eq!(&read.name, &written.name);
                prop_assert_eq!(&read.labels, &written.labels);
                prop_assert_eq!(read.timestamp, written.timestamp);
                let same = read.value.to_bits() == written.value.to_bits();
                prop_assert!(same || read.value.is_nan() && written.value.is_nan());
            }
        }
    }

    #[test]
    fn any_text_is_read_or_refused(text in "([a-c{}=,\"\\\\# \t\r\n0-9.+eNinf]|\\PC){0,60}") {
        for format in [Format::Prometheus, Format::OpenMetrics] {
            if let Err(error) = read(&text, format) {
                prop_assert!((1..=text.split('\n').count()).contains(&error.line));
            }
        }
    }
}
