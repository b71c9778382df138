//! The text of what runs: manifests as they were read for this run, cases as they are compiled into its
//! services. What is saved in the folder meanwhile is another text, of another run.

use std::{collections::BTreeMap, fs, path::Path, time::Duration};

use anyhow::{Context, Result};
use lab_load::{Endpoint, Targets};
use lab_record::{EventKind, SourceFile};

use super::{Order, journal::Journal, terminal::Terminal};
use crate::code::Code;

/// A service answers this from memory; one that takes longer is not asked again.
const PATIENCE: Duration = Duration::from_secs(5);

/// The text of every edit point as it runs.
pub(super) struct Sources {
    /// Under the edit points' own paths, so that two codes can be compared.
    pub(super) files: Vec<SourceFile>,
    /// True where they have the text that the workshop begins with.
    pub(super) starter: bool,
    /// The edit points that have been saved since they were compiled.
    saved_since: Vec<String>,
    compiled: Compiled,
}

/// Every text that a service has compiled in, by its path in the project.
#[derive(Debug, Default, PartialEq, Eq)]
struct Compiled(BTreeMap<String, String>);

impl Sources {
    /// Of the services at `targets`, which have just been started for `order`; `manifest` has the text of an edit point that
    /// was read for it.
    pub(super) async fn of<'a>(
        order: &Order<'_>,
        manifest: impl Fn(&str) -> Option<&'a str>,
        targets: &Targets,
    ) -> Result<Self> {
        let http = crate::http::client();
        let compiled = match asked(targets).next() {
            Some(service) if has_cases(order) => Compiled::of(&http, service).await?,
            _ => Compiled::default(),
        };
        let text = |code: &Code, file: &str| {
            let own = (code == &order.code).then(|| manifest(file)).flatten();
            let path = code.path(order.root, order.scenario, file);
            own.or_else(|| compiled.text(path.strip_prefix(order.root).ok()?))
                .map_or_else(|| read(&path), |text| Ok(text.to_owned()))
        };
        let mut sources = Self {
            files: Vec::new(),
            starter: !order.scenario.edit.is_empty(),
            saved_since: Vec::new(),
            compiled: Compiled::default(),
        };
        for file in &order.scenario.edit {
            let ran = text(&order.code, file)?;
            let begun = text(&Code::Starter, file);
            sources.starter &= begun.is_ok_and(|begun| begun == ran);
            if order.code == Code::Mine
                && fs::read_to_string(order.root.join(file)).ok().as_ref() != Some(&ran)
            {
                sources.saved_since.push(file.clone());
            }
            sources.files.push(SourceFile {
                path: file.clone(),
                text: ran,
            });
        }
        sources.compiled = compiled;
        Ok(sources)
    }

    /// Says where the folder has another text than what runs.
    pub(super) fn tell(&self, journal: &mut Journal, terminal: &Terminal) -> Result<()> {
        for file in &self.saved_since {
            let text =
                format!("{file} was saved after this run began; the run has the text before");
            terminal.note(&text);
            journal.event(0.0, EventKind::Note, text)?;
        }
        Ok(())
    }

    /// Asks the services once more: a replica that was started later, or again, may come from a newer build.
    /// What does not answer any more says nothing.
    pub(super) async fn changed(&self, targets: &Targets) -> Option<String> {
        if self.compiled == Compiled::default() {
            return None;
        }
        let http = crate::http::client();
        for service in asked(targets) {
            let now = Compiled::of(&http, service).await;
            if now.is_ok_and(|now| now != self.compiled) {
                return Some(
                    "the services were built anew while they ran, so that two codes were measured; run again"
                        .to_owned(),
                );
            }
        }
        None
    }
}

/// The services that run cases. One binary has all of them.
fn asked(targets: &Targets) -> impl Iterator<Item = &Endpoint> {
    targets.api.iter().chain(&targets.worker)
}

/// Whether the services are the workshop's: somebody's own has none of its cases.
fn has_cases(order: &Order<'_>) -> bool {
    let services = &order.scenario.services;
    services.api.is_some() || services.worker.is_some()
}

fn read(path: &Path) -> Result<String> {
    fs::read_to_string(path).with_context(|| format!("can't read {}", path.display()))
}

impl Compiled {
    async fn of(http: &reqwest::Client, service: &Endpoint) -> Result<Self> {
        let request = http
            .get(format!("{service}/debug/code"))
            .timeout(PATIENCE)
            .send();
        let answer = request.await.and_then(reqwest::Response::error_for_status);
        let texts = match answer {
            Ok(answer) => answer.json().await,
            Err(error) => Err(error),
        };
        Ok(Self(texts.context(
            "a service does not say which code it runs, so no report could show it",
        )?))
    }

    fn text(&self, path: &Path) -> Option<&str> {
        Some(self.0.get(path.to_str()?)?)
    }
}
