//! Which samples of a page a series is made of, and what they come to. Pure.

use std::collections::{BTreeMap, BTreeSet};

use lab_exposition::{Labels, Sample, series};

use crate::scenario::Metric;

/// Names that are shown in place of one that is not there.
const SHOWN: usize = 5;

/// How alike names must be to be taken for each other's misspelling, 0 to 1.
const ALIKE: f32 = 0.75;

/// Why a page has no value for a series.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Unseen {
    /// It is not on the page.
    Absent,
    /// It is, and is no number, or nobody can say which.
    Odd(String),
}

/// The value of a metric on the `pages` of all replicas: the sum of all samples that have its name and the labels asked
/// for, whatever other labels they have.
///
/// What would add up to nonsense is refused: buckets of several bounds, since each counts the smaller ones again, and
/// quantiles. A sample that is on one page twice counts once; with timestamps the later one, with two values neither.
pub(super) fn value(pages: &[Vec<Sample>], metric: &Metric) -> Result<f64, Unseen> {
    let mut samples = Vec::new();
    for page in pages {
        samples.extend(chosen(page, metric)?);
    }
    let bounds: BTreeSet<_> = samples.iter().map(|s| s.labels.get("le")).collect();
    if bounds.len() > 1 {
        return Err(Unseen::Odd(format!(
            "the buckets of {} count those below them again and can't be added up; choose one, as labels = {{ le = \"+Inf\" }}",
            metric.name
        )));
    }
    let is_quantile = |sample: &&Sample| sample.labels.contains_key("quantile");
    if samples.len() > 1 && samples.iter().any(is_quantile) {
        return Err(Unseen::Odd(format!(
            "quantiles of {} can't be added up; choose one by its labels, or a rate of {0}_count",
            metric.name
        )));
    }
    if let Some(sample) = samples.iter().find(|sample| !sample.value.is_finite()) {
        return Err(Unseen::Odd(format!("`{sample}` is no number")));
    }
    let sum = samples.iter().map(|sample| sample.value);
    let sum = sum.reduce(|sum, value| sum + value).ok_or(Unseen::Absent)?;
    let value = sum * metric.times;
    if value.is_finite() {
        Ok(value)
    } else {
        Err(Unseen::Odd(format!("{} adds up to {value}", metric.name)))
    }
}

/// The samples of one page that belong to a metric, each once.
fn chosen<'a>(page: &'a [Sample], metric: &Metric) -> Result<Vec<&'a Sample>, Unseen> {
    let mut chosen: BTreeMap<&Labels, &Sample> = BTreeMap::new();
    let of_metric = page.iter().filter(|sample| sample.name == metric.name);
    for sample in of_metric.filter(|sample| fits(&sample.labels, &metric.labels)) {
        let before = chosen.entry(&sample.labels).or_insert(sample);
        match (before.timestamp, sample.timestamp) {
            (Some(then), Some(now)) if then < now => *before = sample,
            (Some(then), Some(now)) if then > now => {}
            _ if before.value.total_cmp(&sample.value).is_eq() => {}
            _ => {
                return Err(Unseen::Odd(format!(
                    "`{}` is on the page twice, with different values",
                    sample.series()
                )));
            }
        }
    }
    Ok(chosen.into_values().collect())
}

/// Whether `labels` have all that are `wanted`; one that is wanted to be empty is not there.
fn fits(labels: &Labels, wanted: &Labels) -> bool {
    wanted.iter().all(|(name, wanted)| {
        let found = labels.get(name).map_or("", String::as_str);
        found == wanted || holds_a_number(name) && same_number(found, wanted)
    })
}

/// These labels hold numbers, which client libraries write differently: `1`, `1.0`, `1e+00`.
fn holds_a_number(label: &str) -> bool {
    matches!(label, "le" | "quantile")
}

fn same_number(a: &str, b: &str) -> bool {
    matches!((a.parse::<f64>(), b.parse::<f64>()), (Ok(a), Ok(b)) if a.total_cmp(&b).is_eq())
}

/// What `pages` have in place of a metric that is not on them: the same with other labels, or names like it.
pub(super) fn near(pages: &[Vec<Sample>], metric: &Metric) -> String {
    let samples = || pages.iter().flatten();
    let of_name = samples().filter(|sample| sample.name == metric.name);
    let others: BTreeSet<String> = of_name.map(Sample::series).collect();
    if !others.is_empty() {
        return format!("the page has {}", few(others.iter().map(String::as_str)));
    }
    let names: BTreeSet<&str> = samples().map(|sample| sample.name.as_str()).collect();
    if names.is_empty() {
        return "the page has no samples".to_owned();
    }
    let begins = |name: &&str| name.starts_with(metric.name.as_str());
    let mut alike: Vec<&str> = names.iter().copied().filter(begins).collect();
    let names: Vec<&str> = names.into_iter().collect();
    let misspelt = similar::get_close_matches(metric.name.as_str(), &names, SHOWN, ALIKE);
    alike.extend(misspelt.into_iter().filter(|name| !begins(name)));
    if alike.is_empty() {
        format!("the page has {}", few(names.into_iter()))
    } else {
        format!("the page has {}", few(alike.into_iter()))
    }
}

/// The first names, and how many more there are.
fn few<'a>(names: impl Iterator<Item = &'a str> + Clone) -> String {
    let shown: Vec<String> = names
        .clone()
        .take(SHOWN)
        .map(|name| format!("`{name}`"))
        .collect();
    match names.count() - shown.len() {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}

/// As a scenario asks for it.
pub(super) fn asked(metric: &Metric) -> String {
    series(&metric.name, &metric.labels)
}

#[cfg(test)]
mod tests;
