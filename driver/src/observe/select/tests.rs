use lab_exposition::{Format, read};
use lab_load::Service;

use super::*;

/// Names of labels with their values.
type Pairs<'a> = &'a [(&'a str, &'a str)];

const PAGE: &str = r#"plain_total{route="/a"} 10
plain_total{route="/b"} 20
template_total{route="/a"} 10
template_total{route="/orders/{id}"} 20
comma_total{what="x,y",code="200"} 5
comma_total{what="z",code="200"} 7
equals_total{query="a=1",code="200"} 5
space_total{ what="z", code="200" } 7
escaped_total{what="say \"hi\"",code="200"} 7
empty_braces{} 3
job:requests:rate1m 4
nan_gauge{a="1"} NaN
nan_gauge{a="2"} 5
inf_gauge +Inf
exem_total{code="200"} 9 # {trace_id="abc"} 1 1700000000.123
lat_seconds_bucket{le="0.1"} 4
lat_seconds_bucket{le="+Inf"} 6
lat_seconds_sum 1.5
lat_seconds_count 6
sum_seconds{quantile="0.5"} 0.2
sum_seconds{quantile="0.9"} 0.3
sum_seconds_sum 3
sum_seconds_count 8
# EOF
"#;

fn pages(texts: &[&str]) -> Vec<Vec<Sample>> {
    let read = |text: &&str| read(text, Format::Prometheus).unwrap();
    texts.iter().map(read).collect()
}

fn metric(name: &str, labels: &[(&str, &str)]) -> Metric {
    let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    Metric {
        labels: labels.iter().map(owned).collect(),
        ..Metric::named(Service::Api, name)
    }
}

fn of(name: &str, labels: &[(&str, &str)]) -> Result<f64, Unseen> {
    value(&pages(&[PAGE]), &metric(name, labels))
}

fn odd(name: &str, labels: &[(&str, &str)]) -> String {
    match of(name, labels) {
        Err(Unseen::Odd(words)) => words,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_metric_is_the_sum_of_the_samples_with_its_labels() {
    let right: [(&str, Pairs, f64); 18] = [
        ("plain_total", &[], 30.0),
        ("template_total", &[], 30.0),
        ("template_total", &[("route", "/orders/{id}")], 20.0),
        ("comma_total", &[], 12.0),
        ("comma_total", &[("what", "x,y")], 5.0),
        ("equals_total", &[("query", "a=1")], 5.0),
        ("space_total", &[("what", "z"), ("code", "200")], 7.0),
        ("escaped_total", &[("what", "say \"hi\"")], 7.0),
        ("empty_braces", &[], 3.0),
        ("empty_braces", &[("none", "")], 3.0),
        ("job:requests:rate1m", &[], 4.0),
        ("nan_gauge", &[("a", "2")], 5.0),
        ("exem_total", &[], 9.0),
        ("lat_seconds_bucket", &[("le", "0.10")], 4.0),
        ("lat_seconds_bucket", &[("le", "+Inf")], 6.0),
        ("lat_seconds_sum", &[], 1.5),
        ("lat_seconds_count", &[], 6.0),
        ("sum_seconds", &[("quantile", "0.5")], 0.2),
    ];
    for (name, labels, expected) in right {
        assert_eq!(of(name, labels), Ok(expected), "{name} {labels:?}");
    }
    let two = pages(&[PAGE, "plain_total 12\n"]);
    assert_eq!(value(&two, &metric("plain_total", &[])), Ok(42.0));
    assert_eq!(of("plain_total", &[("route", "/c")]), Err(Unseen::Absent));
}

#[test]
fn what_is_no_number_or_adds_up_to_nonsense_is_refused() {
    assert_eq!(
        odd("nan_gauge", &[]),
        "`nan_gauge{a=\"1\"} NaN` is no number"
    );
    assert_eq!(odd("inf_gauge", &[]), "`inf_gauge +Inf` is no number");
    assert!(odd("lat_seconds_bucket", &[]).contains("choose one, as labels = { le = \"+Inf\" }"));
    assert!(odd("sum_seconds", &[]).contains("can't be added up"));
    let half = pages(&["a 1e308\n", "a 1e308\n"]);
    let over = value(&half, &metric("a", &[]));
    assert_eq!(over, Err(Unseen::Odd("a adds up to inf".to_owned())));
    // Buckets of one bound are counts, which can be added up.
    let two = pages(&["a_bucket{le=\"1\",r=\"x\"} 1\na_bucket{le=\"1\",r=\"y\"} 2\n"]);
    assert_eq!(value(&two, &metric("a_bucket", &[("le", "1.0")])), Ok(3.0));
}

#[test]
fn a_sample_that_is_there_twice_counts_once() {
    let on = |text| value(&pages(&[text]), &metric("a", &[]));
    assert_eq!(on("a{b=\"c\"} 2\na{b=\"c\",d=\"\"} 2\n"), Ok(2.0));
    assert_eq!(on("a 17 123\na 18 456\n"), Ok(18.0));
    assert_eq!(on("a 18 456\na 17 123\n"), Ok(18.0));
    let twice = Unseen::Odd("`a` is on the page twice, with different values".to_owned());
    assert_eq!(on("a 1\na 2\n"), Err(twice));
}

#[test]
fn in_place_of_what_is_not_there_stands_what_is_like_it() {
    let near = |name, labels: &[(&str, &str)]| near(&pages(&[PAGE]), &metric(name, labels));
    assert_eq!(near("plain_totl", &[]), "the page has `plain_total`");
    assert_eq!(
        near("lat_seconds", &[]),
        "the page has `lat_seconds_bucket`, `lat_seconds_count`, `lat_seconds_sum`"
    );
    assert_eq!(
        near("plain_total", &[("route", "/c")]),
        "the page has `plain_total{route=\"/a\"}`, `plain_total{route=\"/b\"}`"
    );
    let other = near("zzz", &[]);
    assert!(
        other.contains("`comma_total`") && other.ends_with(" more"),
        "{other}"
    );
    assert_eq!(
        super::near(&[], &metric("a", &[])),
        "the page has no samples"
    );
}
