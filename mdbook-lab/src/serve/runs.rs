//! Follows the run that is under way, wherever it was started, by its `events.jsonl`.
//!
//! By looking a few times a second, not by file notices: they are late or missing on some systems
//! and on shared folders, and looking costs a handful of `stat` calls.

use std::{
    fs::{self, File},
    io::{self, Read, Seek, SeekFrom},
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use lab_record::{Line, RunId};

/// A journal that has not grown for so long belongs to a run that died; a living one grows a few
/// times a second.
const DEAD_AFTER: Duration = Duration::from_secs(15);
/// How long after its data a run's report may come.
const REPORT_AFTER: Duration = Duration::from_secs(3);
/// The most that is read of a journal at one look.
const READ_AT_ONCE: u64 = 1 << 20;

/// What a look brought.
#[derive(Debug, PartialEq)]
pub(crate) enum News {
    /// A line of the run under way.
    Line {
        /// The run.
        run_id: RunId,
        /// Its scenario.
        scenario: String,
        /// The line.
        line: Line,
    },
    /// The run is over and its report, if it makes one, is there.
    Over {
        /// The run.
        run_id: RunId,
        /// Its scenario.
        scenario: String,
    },
    /// Runs came or went.
    Changed,
}

/// The reports folder as it was at the last look.
pub(crate) struct Watch {
    reports: PathBuf,
    folders: Vec<(PathBuf, Option<SystemTime>)>,
    newest: Option<Folder>,
    /// The run whose end has been told: its journal is not followed again.
    done: Option<RunId>,
    journal: Option<Journal>,
}

/// A run's folder, by its name.
#[derive(Clone, Debug)]
struct Folder {
    run_id: RunId,
    scenario: String,
    path: PathBuf,
}

/// A journal as far as it has been read.
struct Journal {
    folder: Folder,
    offset: u64,
    /// The start of a line whose end is not written yet.
    partial: Vec<u8>,
    /// When data of the run were first seen.
    data_since: Option<SystemTime>,
}

impl Watch {
    /// Watches `reports`, which need not exist.
    pub(crate) fn new(reports: PathBuf) -> Self {
        Self {
            reports,
            folders: Vec::new(),
            newest: None,
            done: None,
            journal: None,
        }
    }

    /// Looks; `now` is the time.
    pub(crate) fn look(&mut self, now: SystemTime) -> Vec<News> {
        let mut news = Vec::new();
        let folders = folders(&self.reports);
        if folders != self.folders {
            self.folders = folders;
            self.newest = newest(&self.folders);
            news.push(News::Changed);
        }
        if let Some(folder) = self.next(now)
            && let Some(before) = self.journal.replace(Journal::new(folder))
        {
            news.push(before.folder.over());
        }
        if let Some(journal) = &mut self.journal {
            let (lines, over) = journal.look(now);
            news.extend(lines.into_iter().map(|line| News::Line {
                run_id: journal.folder.run_id.clone(),
                scenario: journal.folder.scenario.clone(),
                line,
            }));
            if over {
                news.push(journal.folder.over());
                self.done = Some(journal.folder.run_id.clone());
                self.journal = None;
            }
        }
        news
    }

    /// The newest run, if it is under way and not followed already.
    fn next(&self, now: SystemTime) -> Option<Folder> {
        let newest = self.newest.as_ref()?;
        let known = self.journal.as_ref().map(|journal| &journal.folder.run_id);
        let new = known != Some(&newest.run_id) && self.done.as_ref() != Some(&newest.run_id);
        (new && newest.is_under_way(now)).then(|| newest.clone())
    }
}

impl Folder {
    fn journal(&self) -> PathBuf {
        self.path.join("events.jsonl")
    }

    fn has_data(&self) -> bool {
        self.path.join("data.json").exists()
    }

    fn over(&self) -> News {
        News::Over {
            run_id: self.run_id.clone(),
            scenario: self.scenario.clone(),
        }
    }

    fn is_under_way(&self, now: SystemTime) -> bool {
        !self.has_data() && !is_dead(&self.journal(), now)
    }
}

impl Journal {
    fn new(folder: Folder) -> Self {
        Self {
            folder,
            offset: 0,
            partial: Vec::new(),
            data_since: None,
        }
    }

    /// The lines since the last look, and whether they were the last.
    fn look(&mut self, now: SystemTime) -> (Vec<Line>, bool) {
        if self.data_since.is_none() && self.folder.has_data() {
            self.data_since = Some(now);
        }
        let over = match self.data_since {
            Some(since) => {
                self.folder.path.join("report.html").exists()
                    || has_passed(since, REPORT_AFTER, now)
            }
            None => is_dead(&self.folder.journal(), now),
        };
        // Read after the look for the end: whatever was written before it is told.
        match self.read() {
            Ok(lines) => (lines, over),
            Err(_) => (Vec::new(), true),
        }
    }

    fn read(&mut self) -> io::Result<Vec<Line>> {
        let mut file = File::open(self.folder.journal())?;
        file.seek(SeekFrom::Start(self.offset))?;
        let read = file.take(READ_AT_ONCE).read_to_end(&mut self.partial)?;
        self.offset += read as u64;
        let whole = self.partial.iter().rposition(|byte| *byte == b'\n');
        let rest = self.partial.split_off(whole.map_or(0, |end| end + 1));
        let text = std::mem::replace(&mut self.partial, rest);
        // A line that a later version of the driver writes is passed over.
        Ok(text
            .split(|byte| *byte == b'\n')
            .filter_map(|line| serde_json::from_slice(line).ok())
            .collect())
    }
}

fn is_dead(journal: &Path, now: SystemTime) -> bool {
    fs::metadata(journal)
        .and_then(|metadata| metadata.modified())
        .map_or(true, |modified| has_passed(modified, DEAD_AFTER, now))
}

fn has_passed(since: SystemTime, time: Duration, now: SystemTime) -> bool {
    now.duration_since(since).is_ok_and(|passed| passed > time)
}

/// The folder of each scenario and when a run came or went there.
fn folders(reports: &Path) -> Vec<(PathBuf, Option<SystemTime>)> {
    let mut folders: Vec<_> = fs::read_dir(reports)
        .into_iter()
        .flatten()
        .filter_map(Result::ok)
        .map(|entry| entry.path())
        .filter_map(|path| {
            let metadata = fs::metadata(&path).ok().filter(fs::Metadata::is_dir)?;
            Some((path, metadata.modified().ok()))
        })
        .collect();
    folders.sort();
    folders
}

fn newest(scenarios: &[(PathBuf, Option<SystemTime>)]) -> Option<Folder> {
    scenarios
        .iter()
        .flat_map(|(scenario, _)| fs::read_dir(scenario).into_iter().flatten())
        .filter_map(Result::ok)
        .filter_map(|entry| {
            let path = entry.path();
            Some(Folder {
                run_id: entry.file_name().to_str()?.parse().ok()?,
                scenario: path.parent()?.file_name()?.to_str()?.to_owned(),
                path,
            })
        })
        .max_by(|one, other| one.run_id.cmp(&other.run_id))
}

#[cfg(test)]
mod tests {
    use super::*;

    const STARTED: &str = r#"{"line":"started","run_id":"20261123T151302Z-4f2a","scenario":"tx","code":"mine","planned_s":40.0}"#;
    const EVENT: &str = r#"{"line":"event","t_s":1.5,"kind":"fault","text":"dep hangs"}"#;

    struct Stage {
        reports: tempfile::TempDir,
        watch: Watch,
    }

    impl Stage {
        fn new() -> Self {
            let reports = tempfile::tempdir().unwrap();
            let watch = Watch::new(reports.path().to_owned());
            Self { reports, watch }
        }

        fn write(&self, run: &str, file: &str, text: &str) {
            let folder = self.reports.path().join("tx").join(run);
            fs::create_dir_all(&folder).unwrap();
            fs::write(folder.join(file), text).unwrap();
        }

        fn look(&mut self) -> Vec<String> {
            self.look_after(Duration::ZERO)
        }

        fn look_after(&mut self, later: Duration) -> Vec<String> {
            let news = self.watch.look(SystemTime::now() + later);
            news.into_iter()
                .map(|news| match news {
                    News::Line {
                        line: Line::Started { .. },
                        ..
                    } => "started".to_owned(),
                    News::Line {
                        line: Line::Event(event),
                        ..
                    } => event.text,
                    News::Line { line, .. } => format!("{line:?}"),
                    News::Over { .. } => "over".to_owned(),
                    News::Changed => "changed".to_owned(),
                })
                .collect()
        }
    }

    const RUN: &str = "20261123T151302Z-4f2a";

    #[test]
    fn a_run_is_followed_from_its_first_line_to_its_report() {
        let mut stage = Stage::new();
        assert!(stage.look().is_empty());
        stage.write(RUN, "api.log", "");
        assert_eq!(stage.look(), ["changed"]);
        stage.write(RUN, "events.jsonl", &format!("{STARTED}\n{}", &EVENT[..20]));
        assert_eq!(stage.look(), ["started"]);
        stage.write(RUN, "events.jsonl", &format!("{STARTED}\n{EVENT}\n"));
        assert_eq!(stage.look(), ["dep hangs"]);
        stage.write(RUN, "data.json", "{}");
        assert!(stage.look().is_empty(), "the report is not there yet");
        stage.write(RUN, "report.html", "");
        assert_eq!(stage.look(), ["over"]);
        assert!(stage.look().is_empty());
    }

    #[test]
    fn a_run_without_a_report_is_over_soon_after_its_data() {
        let mut stage = Stage::new();
        stage.write(RUN, "events.jsonl", "");
        stage.look();
        stage.write(RUN, "data.json", "{}");
        assert!(stage.look().is_empty());
        assert_eq!(stage.look_after(Duration::from_secs(4)), ["over"]);
    }

    #[test]
    fn a_run_that_died_is_not_under_way() {
        let mut stage = Stage::new();
        stage.write(RUN, "events.jsonl", &format!("{STARTED}\n"));
        assert_eq!(stage.look_after(Duration::from_secs(20)), ["changed"]);
        assert_eq!(stage.look(), ["started"]);
        assert_eq!(stage.look_after(Duration::from_secs(20)), ["over"]);
        assert!(stage.look().is_empty());
    }

    #[test]
    fn only_the_newest_is_followed_and_wiping_ends_it() {
        let mut stage = Stage::new();
        stage.write(
            "20261123T151300Z-0001",
            "events.jsonl",
            &format!("{EVENT}\n"),
        );
        stage.write(RUN, "events.jsonl", &format!("{STARTED}\n"));
        assert_eq!(stage.look(), ["changed", "started"]);
        fs::remove_dir_all(stage.reports.path().join("tx")).unwrap();
        assert_eq!(stage.look(), ["changed", "over"]);
        assert!(stage.look().is_empty());
    }
}
