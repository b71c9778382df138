//! What the runs of a step came to, with what of them can't be read.

use std::time::SystemTime;

use serde::Serialize;

use crate::{Brief, Damaged, Outcome, Reports, RunId};

/// The runs of a scenario that say something of the participant's code.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Account {
    /// How many there are.
    pub runs: usize,
    /// The newest.
    pub latest: Option<Latest>,
    /// The best score.
    pub best: Option<u8>,
    /// Runs that left less than they should have, whichever code ran, the newest first.
    pub damaged: Vec<Damaged>,
}

/// The newest run, in short.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Latest {
    /// The run.
    pub run_id: RunId,
    /// Pass or fail, invalid or cancelled.
    pub outcome: Outcome,
    /// Whether the self-check casts a doubt on that.
    pub suspect: bool,
    /// 0 to 100; none where nothing is said of the service.
    pub score: Option<u8>,
}

impl Account {
    /// That of a scenario at `now`. Of the newest run all is read, of others the ends of their files.
    pub fn of(reports: &Reports, scenario: &str, now: SystemTime) -> Self {
        let mut damaged = reports.damaged(scenario, now);
        let told: Vec<Brief> = reports.briefs(scenario).filter(Brief::is_told).collect();
        let latest = told.first().map(|brief| {
            let run = reports.run(scenario, &brief.run_id);
            let folder = reports.run_folder(scenario, &brief.run_id);
            if let Err(error) = &run
                && damaged.iter().all(|known| known.folder != folder)
            {
                let (said, data) = (error.to_string(), folder.join("data.json"));
                let why = said.strip_prefix(&format!("{}: ", data.display()));
                let why = format!("its data.json is {}", why.unwrap_or(&said));
                damaged.insert(0, Damaged { folder, why });
            }
            Latest {
                run_id: brief.run_id.clone(),
                outcome: brief.outcome,
                suspect: run.is_ok_and(|run| run.is_doubted()),
                score: brief.score,
            }
        });
        Self {
            runs: told.len(),
            latest,
            best: told.iter().filter_map(|brief| brief.score).max(),
            damaged,
        }
    }
}

impl Latest {
    /// For people: `PASS 100`, `FAIL SUSPECT 41`, `INVALID`.
    pub fn words(&self) -> String {
        let doubt = if self.suspect { " SUSPECT" } else { "" };
        let score = self
            .score
            .map_or_else(String::new, |score| format!(" {score}"));
        format!("{}{doubt}{score}", self.outcome.word())
    }
}
