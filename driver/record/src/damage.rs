//! Runs of which not all can be read.

use std::{
    fs::{self, File},
    io::{self, Read, Seek, SeekFrom},
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use crate::{Reports, RunId};

/// A journal that has not grown for so long belongs to a run that died; a living one grows a few times a second.
const DEAD_AFTER: Duration = Duration::from_secs(15);
/// More than the blanks at the end of a `data.json`.
const END: u64 = 64;

/// A run's folder, and what is wrong with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damaged {
    /// The folder.
    pub folder: PathBuf,
    /// What is wrong, a part of a sentence.
    pub why: String,
}

impl Reports {
    /// The runs of a scenario that left less than they should have, newest first: by the ends of their files, which costs
    /// microseconds, so a fault in the middle is for who reads all of it. What is under way at `now` is none, nor is a run
    /// whose services never started.
    pub fn damaged(&self, scenario: &str, now: SystemTime) -> Vec<Damaged> {
        let folder = self.root().join(scenario);
        let names = fs::read_dir(&folder).into_iter().flatten();
        let mut ids: Vec<RunId> = names
            .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
            .collect();
        ids.sort();
        let runs = ids.into_iter().rev().map(|id| folder.join(id.as_str()));
        runs.filter_map(|folder| {
            let why = wrong(&folder, now)?;
            Some(Damaged { folder, why })
        })
        .collect()
    }
}

fn wrong(folder: &Path, now: SystemTime) -> Option<String> {
    let [journal, data] = ["events.jsonl", "data.json"].map(|file| folder.join(file));
    match (journal.exists(), data.exists()) {
        (false, false) => None,
        (false, true) => Some("its events.jsonl is missing".to_owned()),
        (true, false) if is_under_way(&journal, now) => None,
        (true, false) => Some("it has no end: no data.json".to_owned()),
        (true, true) => match is_whole(&data) {
            Ok(true) if crate::brief::brief(&journal).is_some() => None,
            Ok(true) => Some("its events.jsonl is cut off or none".to_owned()),
            Ok(false) => Some("its data.json is cut off or none".to_owned()),
            Err(error) => Some(format!("its data.json can't be read: {error}")),
        },
    }
}

fn is_under_way(journal: &Path, now: SystemTime) -> bool {
    let written = fs::metadata(journal).and_then(|file| file.modified());
    // It may have been written since.
    let is_recent = |at| now.duration_since(at).map_or(true, |age| age < DEAD_AFTER);
    written.is_ok_and(is_recent)
}

/// Whether a file begins and ends as an object of JSON.
fn is_whole(path: &Path) -> io::Result<bool> {
    let mut file = File::open(path)?;
    let mut first = [0];
    let read = file.read(&mut first)?;
    let length = file.seek(SeekFrom::End(0))?;
    file.seek(SeekFrom::Start(length.saturating_sub(END)))?;
    let mut last = Vec::new();
    file.take(END).read_to_end(&mut last)?;
    Ok(read == 1 && first == *b"{" && last.trim_ascii_end().ends_with(b"}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_cut_off_is_named_and_what_goes_on_is_not() {
        let root = tempfile::tempdir().unwrap();
        let run = root.path().join("tx/20261123T151302Z-4f2a");
        let journal = "{\"line\":\"started\",\"run_id\":\"20261123T151302Z-4f2a\",\"scenario\":\"tx\",\"code\":\"mine\",\
                       \"planned_s\":4.0}\n{\"line\":\"finished\",\"outcome\":\"fail\",\"score\":41}\n";
        fs::create_dir_all(&run).unwrap();
        let why = |now| {
            let damaged = Reports::at(root.path()).damaged("tx", now);
            damaged.into_iter().map(|run| run.why).collect::<Vec<_>>()
        };
        let now = SystemTime::now();
        let later = now + 2 * DEAD_AFTER;
        assert!(why(later).is_empty());
        fs::write(run.join("events.jsonl"), &journal[..journal.len() / 2]).unwrap();
        assert!(why(now).is_empty());
        assert!(why(now - DEAD_AFTER).is_empty(), "written since");
        assert_eq!(why(later), ["it has no end: no data.json"]);
        fs::write(run.join("data.json"), "{\"schema\": 3}\n").unwrap();
        assert_eq!(why(later), ["its events.jsonl is cut off or none"]);
        fs::write(run.join("events.jsonl"), journal).unwrap();
        assert!(why(later).is_empty());
        for cut in ["", "{\"schema\": 3,", "schema}"] {
            fs::write(run.join("data.json"), cut).unwrap();
            assert_eq!(why(later), ["its data.json is cut off or none"], "{cut}");
        }
        fs::remove_file(run.join("events.jsonl")).unwrap();
        assert_eq!(why(later), ["its events.jsonl is missing"]);
    }
}
