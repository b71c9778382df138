//! Keeps the books while the load goes: reads the receipt in each answer, looks a payment up right after its client was
//! told of it, and fetches what provider and ledger have when the load has ended.
//!
//! The look needs no clock: what a client was told before the look began must be there.

use std::{collections::HashMap, sync::Arc, time::Duration};

use lab_load::{Body, Endpoint, Plan, Targets, Template};
use serde::{Deserialize, de::DeserializeOwned};
use tokio::{
    sync::{Semaphore, mpsc, watch},
    task::JoinSet,
};

use super::{AtOnce, Books, KeysOf, Payment, Told};
use crate::scenario::{Class, Scenario};

/// Looks at a time: more would only queue up at the auditor.
const LOOKS: usize = 8;

/// For one look. A ledger that is busy for longer has other troubles.
const PATIENCE: Duration = Duration::from_secs(5);

/// For a whole book.
const READ_WITHIN: Duration = Duration::from_secs(10);

/// Keeps the books of one run.
#[derive(Debug)]
pub struct Bookkeeper {
    http: reqwest::Client,
    targets: watch::Receiver<Targets>,
    classes: Vec<Counted>,
    ledger: bool,
}

/// What is needed of a class to read its answers.
#[derive(Debug)]
struct Counted {
    name: String,
    ok: Vec<u16>,
    body: Option<Template>,
    receipts: bool,
    keys: KeysOf,
}

impl Bookkeeper {
    /// For the answers to `plan`.
    pub fn new(scenario: &Scenario, plan: &Plan, targets: watch::Receiver<Targets>) -> Self {
        let class = |(class, planned): (&Class, &lab_load::ClassPlan)| Counted {
            name: class.name.clone(),
            ok: class.ok.clone(),
            body: match &planned.body {
                Some(Body::Filled(body)) if class.receipts => Some(body.clone()),
                _ => None,
            },
            receipts: class.receipts,
            keys: KeysOf {
                prefix: plan.key_prefix(planned),
                count: planned.schedule.extent().0,
            },
        };
        let api = scenario.services.api.as_ref();
        Self {
            http: crate::http::client(),
            targets,
            classes: scenario
                .classes
                .iter()
                .zip(&plan.classes)
                .map(class)
                .collect(),
            ledger: api.is_some_and(|api| api.database),
        }
    }

    /// Takes in what clients are told until the load ends, then reads the other books.
    pub async fn keep(self, mut told: mpsc::UnboundedReceiver<lab_load::Told>) -> Books {
        let places = Arc::new(Semaphore::new(LOOKS));
        let mut looks = JoinSet::new();
        let mut books = Books::default();
        loop {
            tokio::select! {
                next = told.recv() => {
                    let Some(next) = next else { break };
                    let Some(told) = self.read(&next) else { continue };
                    let auditor = self.targets.borrow().auditor.first().cloned();
                    match auditor.filter(|_| self.ledger) {
                        Some(auditor) => {
                            let (http, places) = (self.http.clone(), Arc::clone(&places));
                            looks.spawn(look_up(http, places, auditor, told));
                        }
                        None => books.told.push(told),
                    }
                }
                Some(looked) = looks.join_next() => books.told.extend(looked.ok()),
            }
        }
        while let Some(looked) = looks.join_next().await {
            books.told.extend(looked.ok());
        }
        books.told.sort_by_key(|told| told.at);
        books.asked = self.classes.iter().flat_map(Counted::asked).collect();
        books.keys = self
            .classes
            .iter()
            .map(|class| class.keys.clone())
            .collect();
        let targets = self.targets.borrow().clone();
        // The ledger first: what is recorded by then must have been charged.
        books.payments = self.payments(targets.auditor.first()).await;
        books.given = self.given(targets.dep.first()).await;
        books
    }

    /// A wished answer; none where the answer is another.
    fn read(&self, told: &lab_load::Told) -> Option<Told> {
        #[derive(Deserialize)]
        struct Body {
            receipt: u64,
            replayed: Option<bool>,
        }
        let class = self.classes.get(usize::from(told.class))?;
        let body: Option<Body> = serde_json::from_slice(&told.body).ok();
        class.ok.contains(&told.status).then(|| Told {
            class: class.name.clone(),
            key: class.key(told.key),
            number: told.key,
            at: told.at,
            receipt: body.as_ref().map(|body| body.receipt),
            replayed: body.and_then(|body| body.replayed),
            at_once: AtOnce::Unseen,
        })
    }

    async fn payments(&self, auditor: Option<&Endpoint>) -> Option<HashMap<String, Payment>> {
        #[derive(Deserialize)]
        struct Row {
            key: String,
            #[serde(flatten)]
            payment: Payment,
        }
        let rows: Vec<Row> = self.fetch(auditor?, "/payments").await?;
        Some(rows.into_iter().map(|row| (row.key, row.payment)).collect())
    }

    async fn given(&self, dep: Option<&Endpoint>) -> Option<HashMap<String, u64>> {
        #[derive(Deserialize)]
        struct Page {
            complete: bool,
            receipts: Vec<Entry>,
        }
        #[derive(Deserialize)]
        struct Entry {
            key: String,
            receipt: u64,
        }
        let page: Page = self.fetch(dep?, "/books").await?;
        let entries = page.receipts.into_iter();
        page.complete
            .then(|| entries.map(|entry| (entry.key, entry.receipt)).collect())
    }

    async fn fetch<T: DeserializeOwned>(&self, endpoint: &Endpoint, path: &str) -> Option<T> {
        let request = self
            .http
            .get(format!("{endpoint}{path}"))
            .timeout(READ_WITHIN);
        let answer = request.send().await.ok()?.error_for_status().ok()?;
        answer.json().await.ok()
    }
}

impl Counted {
    fn key(&self, number: u64) -> String {
        format!("{}-{number}", self.keys.prefix)
    }

    /// The payments that requests of this class ask for, by key; nothing where their bodies are none.
    fn asked(&self) -> impl Iterator<Item = (String, Payment)> {
        let count = if self.receipts { self.keys.count } else { 0 };
        (0..count).filter_map(|number| {
            let body = self.body.as_ref()?.text(&self.keys.prefix, number);
            Some((self.key(number), serde_json::from_str(&body).ok()?))
        })
    }
}

async fn look_up(
    http: reqwest::Client,
    places: Arc<Semaphore>,
    auditor: Endpoint,
    mut told: Told,
) -> Told {
    let _place = places.acquire_owned().await;
    let request = http
        .get(format!("{auditor}/payments/{}", told.key))
        .timeout(PATIENCE);
    told.at_once = match request.send().await.map(|answer| answer.status().as_u16()) {
        Ok(200) => AtOnce::Recorded,
        Ok(404) => AtOnce::Missing,
        _ => AtOnce::Unseen,
    };
    told
}
