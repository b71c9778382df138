//! The table of `make bench`: what was measured beside its bar, as a page, as Markdown and as data.

use std::{fmt::Write, io, path::Path};

use jiff::Timestamp;
use lab_record::{Host, file};
use maud::html;
use serde::{Deserialize, Serialize};

use super::{home, number::moment, page};

/// One figure of a benchmark.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// What it belongs to, e.g. `CPU per request`.
    pub group: String,
    /// What was measured.
    pub name: String,
    /// The figure with its unit and spread, for people.
    pub figure: String,
    /// What it should be, for people; none where it is only for comparison.
    pub bar: Option<String>,
    /// Whether it is; none without a bar.
    pub holds: Option<bool>,
}

impl Row {
    /// A figure for comparison.
    pub fn figure(group: &str, name: impl Into<String>, figure: impl Into<String>) -> Self {
        Self {
            group: group.to_owned(),
            name: name.into(),
            figure: figure.into(),
            bar: None,
            holds: None,
        }
    }

    /// The same with what it should be, and whether it is.
    #[must_use]
    pub fn bar(self, bar: impl Into<String>, holds: bool) -> Self {
        Self {
            bar: Some(bar.into()),
            holds: Some(holds),
            ..self
        }
    }

    fn result(&self) -> &'static str {
        match self.holds {
            Some(true) => "holds",
            Some(false) => "missed",
            None => "",
        }
    }
}

/// All figures of one benchmark.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Bench {
    /// When it was begun, UTC.
    pub started_at: Timestamp,
    /// The machine.
    pub host: Host,
    /// The figures; those of one group follow each other.
    pub rows: Vec<Row>,
}

impl Bench {
    /// Writes `index.html`, `table.md` and `data.json` to `folder`.
    pub fn write(&self, folder: &Path) -> io::Result<()> {
        file::replace(&folder.join("data.json"), &serde_json::to_vec_pretty(self)?)?;
        file::replace(&folder.join("table.md"), self.markdown().as_bytes())?;
        file::replace(&folder.join("index.html"), self.page().as_bytes())
    }

    fn groups(&self) -> impl Iterator<Item = &[Row]> {
        self.rows.chunk_by(|a, b| a.group == b.group)
    }

    fn machine(&self) -> String {
        let host = &self.host;
        format!("{} {}, {} cores", host.os, host.arch, host.cores)
    }

    /// The table in Markdown, for the README.
    pub fn markdown(&self) -> String {
        let mut text = String::from("| measured | figure | bar |\n|---|---|---|\n");
        for row in &self.rows {
            let bar = match (&row.bar, row.result()) {
                (Some(bar), result) => format!("{bar}: {result}"),
                (None, _) => String::new(),
            };
            // Writing to a string cannot fail.
            let _ = writeln!(
                text,
                "| {}: {} | {} | {bar} |",
                row.group, row.name, row.figure
            );
        }
        text + &format!("\n{}, {}\n", moment(self.started_at), self.machine())
    }

    fn page(&self) -> String {
        let body = html! {
            header.run {
                p.where { "Benchmark · " time datetime=(self.started_at) { (moment(self.started_at)) } " · " (self.machine()) }
                h1 { "What the driver measures with, measured" }
                p.held {
                    "Ratios within this one run on this one machine; in brackets the smallest and the largest of \
                     several rounds."
                }
            }
            div.scroll {
                table.bench {
                    thead {
                        tr {
                            th scope="col" { "Measured" } th.n scope="col" { "Figure" }
                            th.n scope="col" { "Bar" } th scope="col" { "Result" }
                        }
                    }
                    @for rows in self.groups() {
                        tbody {
                            tr.group { th colspan="4" scope="rowgroup" { (rows[0].group) } }
                            @for row in rows {
                                tr {
                                    th scope="row" { (row.name) }
                                    td.n { b { (row.figure) } }
                                    td.n { (row.bar.as_deref().unwrap_or_default()) }
                                    td {
                                        @if let Some(holds) = row.holds {
                                            span.badge.(if holds { "pass" } else { "fail" }) { (row.result()) }
                                        }
                                    }
                                }
                            }
                        }
                    }
                }
            }
        };
        page::page("Benchmark", Some(&home::ways("../index.html", None)), &body).into_string()
    }
}
