//! Comma-separated values as RFC 4180 has them, with a header and with line feeds alone, as everything here.

use lab_record::{Class, PhaseStats, Run};

use super::{ends, quantiles, times};

/// Counts and percentiles: a row for each class over the whole run, phase `all`, and for each of its phases.
pub(super) fn classes(run: &Run) -> String {
    let rows = run.classes.iter().flat_map(|class| {
        let phases = [&class.total].into_iter().chain(&class.by_phase);
        phases.map(move |stats| class_row(run, class, stats))
    });
    table(&rows.collect::<Vec<_>>())
}

/// The fields of a row, each with the name of its column.
fn class_row(run: &Run, class: &Class, stats: &PhaseStats) -> Vec<(String, String)> {
    let mut row = of_run(run);
    row.extend([
        field("class", &class.name),
        field("phase", &stats.phase),
        field("offered", &stats.counts.offered),
    ]);
    row.extend(ends(stats).map(|(name, count)| field(name, &count)));
    row.push(field("good_share", &stats.good_share));
    for (of, latency) in times(stats) {
        for (name, _, quantile) in quantiles(latency) {
            let ms = quantile.map_or_else(String::new, |quantile| quantile.ms.to_string());
            let bound = quantile.map_or_else(String::new, |quantile| quantile.censored.to_string());
            row.push(field(&format!("{of}_{name}_ms"), &ms));
            row.push(field(&format!("{of}_{name}_is_at_least"), &bound));
        }
    }
    row
}

/// Everything over time: a row a point.
pub(super) fn series(run: &Run) -> String {
    let rows = run.series.iter().flat_map(|series| {
        series.points.iter().map(move |(at, value)| {
            let mut row = of_run(run);
            row.extend([
                field("series", &series.id),
                field("unit", &series.unit),
                field("time_s", at),
                field("value", value),
            ]);
            row
        })
    });
    table(&rows.collect::<Vec<_>>())
}

/// What keeps the rows of several runs apart in one table.
fn of_run(run: &Run) -> Vec<(String, String)> {
    vec![
        field("run_id", &run.run_id),
        field("scenario", &run.scenario.name),
        field("code", &run.code),
    ]
}

fn field(column: &str, value: &impl ToString) -> (String, String) {
    (column.to_owned(), value.to_string())
}

/// Rows of the same columns, below their names; nothing where there is no row.
fn table(rows: &[Vec<(String, String)>]) -> String {
    let header = rows.first().map(|row| row.iter().map(|(column, _)| column));
    let mut text = header.map_or_else(String::new, line);
    for row in rows {
        text.push_str(&line(row.iter().map(|(_, value)| value)));
    }
    text
}

fn line<'a>(fields: impl Iterator<Item = &'a String>) -> String {
    let fields: Vec<String> = fields.map(|field| quoted(field)).collect();
    fields.join(",") + "\n"
}

/// A field, in quotes where it needs them.
fn quoted(field: &str) -> String {
    if field.contains([',', '"', '\n', '\r']) {
        format!("\"{}\"", field.replace('"', "\"\""))
    } else {
        field.to_owned()
    }
}
