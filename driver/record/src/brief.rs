//! The least one needs to know of a run, to look through hundreds of them at once.

use std::{
    fs::File,
    io::{self, Read, Seek, SeekFrom},
    path::Path,
};

use crate::{Line, Outcome, Reports, Run, RunId};

/// Longer than the first or the last line of any journal.
const ENDS: u64 = 1024;

/// A run that came to its end, by the first and the last line of its `events.jsonl`. Reading these
/// costs microseconds, where the whole `data.json` costs a millisecond.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Brief {
    /// The run.
    pub run_id: RunId,
    /// Its scenario.
    pub scenario: String,
    /// Which code ran: `mine`, `starter`, `solved`.
    pub code: String,
    /// Pass or fail, invalid or cancelled.
    pub outcome: Outcome,
    /// 0 to 100; none where nothing is said of the service.
    pub score: Option<u8>,
}

impl Reports {
    /// The runs of a scenario that came to their end, newest first. Each is read when it is asked
    /// for; folders that can't be read are passed over.
    pub fn briefs(&self, scenario: &str) -> impl Iterator<Item = Brief> + use<> {
        let folder = self.root().join(scenario);
        let mut ids: Vec<RunId> = std::fs::read_dir(&folder)
            .into_iter()
            .flatten()
            .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
            .collect();
        ids.sort();
        ids.into_iter()
            .rev()
            .filter_map(move |id| brief(&folder.join(id.as_str()).join("events.jsonl")))
    }

    /// The whole data of a run.
    pub fn run(&self, scenario: &str, run: &RunId) -> Result<Run, crate::ReadError> {
        crate::reports::read(&self.run_folder(scenario, run).join("data.json"))
    }
}

/// A run by its journal; none where that has no end, or can't be read.
pub(crate) fn brief(journal: &Path) -> Option<Brief> {
    let (first, last) = ends(journal).ok()?;
    let Line::Started {
        run_id,
        scenario,
        code,
        ..
    } = serde_json::from_slice(&first).ok()?
    else {
        return None;
    };
    let Line::Finished { outcome, score, .. } = serde_json::from_slice(&last).ok()? else {
        return None;
    };
    Some(Brief {
        run_id,
        scenario,
        code,
        outcome,
        score,
    })
}

/// The first and the last line of a file.
fn ends(path: &Path) -> io::Result<(Vec<u8>, Vec<u8>)> {
    let mut file = File::open(path)?;
    let mut first = Vec::new();
    file.by_ref().take(ENDS).read_to_end(&mut first)?;
    let length = file.seek(SeekFrom::End(0))?;
    file.seek(SeekFrom::Start(length.saturating_sub(ENDS)))?;
    let mut last = Vec::new();
    file.take(ENDS).read_to_end(&mut last)?;

    let line_end = |byte: &u8| *byte == b'\n';
    if let Some(end) = first.iter().position(line_end) {
        first.truncate(end);
    }
    if last.last().is_some_and(line_end) {
        last.pop();
    }
    let start = last.iter().rposition(line_end).map_or(0, |end| end + 1);
    Ok((first, last.split_off(start)))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    const STARTED: &str = r#"{"line":"started","run_id":"20261123T151302Z-4f2a","scenario":"tx","code":"mine","planned_s":40.0}"#;
    const FINISHED: &str = r#"{"line":"finished","outcome":"fail","score":41}"#;

    fn briefs(journal: &str) -> Vec<Brief> {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join("tx/20261123T151302Z-4f2a");
        fs::create_dir_all(&folder).unwrap();
        fs::create_dir(root.path().join("tx/notes")).unwrap();
        fs::write(folder.join("events.jsonl"), journal).unwrap();
        Reports::at(root.path()).briefs("tx").collect()
    }

    #[test]
    fn the_ends_of_a_journal_tell_what_a_run_came_to() {
        let ticks = "{\"line\":\"note\"}\n".repeat(200);
        let found = briefs(&format!("{STARTED}\n{ticks}{FINISHED}\n"));
        let expected = Brief {
            run_id: "20261123T151302Z-4f2a".parse().unwrap(),
            scenario: "tx".to_owned(),
            code: "mine".to_owned(),
            outcome: Outcome::Fail,
            score: Some(41),
        };
        assert_eq!(found, [expected]);
    }

    #[test]
    fn a_run_without_an_end_has_none() {
        assert_eq!(briefs(&format!("{STARTED}\n")), []);
        assert_eq!(briefs(""), []);
        assert_eq!(briefs(&format!("{STARTED}\n{}", &FINISHED[..20])), []);
    }

    #[test]
    fn runs_come_newest_first() {
        let root = tempfile::tempdir().unwrap();
        for second in ["01", "03", "02"] {
            let id = format!("20261123T1513{second}Z-4f2a");
            let folder = root.path().join("tx").join(&id);
            fs::create_dir_all(&folder).unwrap();
            let started = STARTED.replace("20261123T151302Z-4f2a", &id);
            fs::write(
                folder.join("events.jsonl"),
                format!("{started}\n{FINISHED}\n"),
            )
            .unwrap();
        }
        let seconds: Vec<_> = Reports::at(root.path())
            .briefs("tx")
            .map(|brief| brief.run_id.as_str()[13..15].to_owned())
            .collect();
        assert_eq!(seconds, ["03", "02", "01"]);
        assert_eq!(Reports::at(root.path()).briefs("none").count(), 0);
    }
}
