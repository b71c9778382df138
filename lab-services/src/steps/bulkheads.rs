//! Step 3: batches over HTTP. Each of their jobs goes to the lanes as a task of its own, which outlives the request.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use axum::extract::State as Shared;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::sync::{mpsc, oneshot};

use super::step::{Case, Routes, Running, Step, WorkerMeans, case};
use crate::cases;
use crate::code::Code;
use crate::job::{
    self, Counts, Done, Job, JobReport, Kind, LostUnlessSettled, Rejected, ServiceTimes, State,
    Ticket,
};
use crate::metrics::Registry;
use crate::refusal::refusal;
use crate::request::{InPath, JsonBody, Params};

pub(super) const STEP: Step = Step {
    routes: Routes::Worker(routes),
    paths: &[],
    case: Some(case!(bulkheads)),
    sizes: |_, sizes| sizes,
};

/// Batches that are remembered; the oldest are forgotten first.
const REMEMBERED: usize = 10_000;

/// Jobs in one batch.
const MOST_JOBS: usize = 1000;

#[derive(Clone)]
struct Worker {
    lanes: Arc<Lanes>,
    times: ServiceTimes,
    counts: Counts,
    next_id: Arc<AtomicU64>,
    batches: Arc<Mutex<BTreeMap<u64, Vec<Arc<Ticket>>>>>,
}

fn routes(means: &WorkerMeans, registry: &mut Registry) -> Router {
    let counts = Counts::new();
    counts.register(registry);
    let worker = Worker {
        lanes: Arc::new(Lanes::new(means.code, means.workers)),
        times: means.times,
        counts,
        next_id: Arc::new(AtomicU64::new(1)),
        batches: Arc::default(),
    };
    Router::new()
        .route("/batches", post(submit))
        .route("/batches/{id}", get(show))
        .with_state(worker)
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Batch {
    fast: usize,
    slow: usize,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SubmitParams {
    #[serde(default)]
    wait: bool,
}

#[derive(Serialize)]
struct BatchReport {
    id: u64,
    jobs: Vec<JobReport>,
}

async fn submit(
    Shared(worker): Shared<Worker>,
    Params(params): Params<SubmitParams>,
    JsonBody(batch): JsonBody<Batch>,
) -> Response {
    let jobs = batch.fast.saturating_add(batch.slow);
    if !(1..=MOST_JOBS).contains(&jobs) {
        return refusal(
            StatusCode::BAD_REQUEST,
            format!("a batch has 1 to {MOST_JOBS} jobs, not {jobs}"),
        );
    }
    let (id, mut ended) = worker.start(&batch);
    if !params.wait {
        return (StatusCode::ACCEPTED, Json(json!({ "id": id }))).into_response();
    }
    let mut lost = 0;
    while let Some(state) = ended.recv().await {
        match state {
            State::Rejected => {
                return refusal(
                    StatusCode::TOO_MANY_REQUESTS,
                    "there is no place for this job now",
                );
            }
            State::Done => {}
            _ => lost += 1,
        }
    }
    if lost > 0 {
        return refusal(
            StatusCode::INTERNAL_SERVER_ERROR,
            format!("{lost} of {jobs} jobs were dropped without being run"),
        );
    }
    worker.report(id)
}

async fn show(Shared(worker): Shared<Worker>, InPath(id): InPath<u64>) -> Response {
    worker.report(id)
}

impl Worker {
    /// Submits all jobs of a batch. The receiver gets the end of each, and closes after the last.
    fn start(&self, batch: &Batch) -> (u64, mpsc::UnboundedReceiver<State>) {
        let (tell, ended) = mpsc::unbounded_channel();
        let fast = std::iter::repeat_n(Kind::Fast, batch.fast);
        let slow = std::iter::repeat_n(Kind::Slow, batch.slow);
        let mut tickets = Vec::new();
        for kind in fast.chain(slow) {
            let (job, ticket, gone) = job::submit(kind, self.times.of(kind), &self.counts);
            tickets.push(Arc::clone(&ticket));
            let (lanes, tell) = (Arc::clone(&self.lanes), tell.clone());
            tokio::spawn(async move {
                let told = TellAtEnd {
                    ticket: Arc::clone(&ticket),
                    tell,
                };
                follow(&lanes, job, ticket, gone).await;
                drop(told);
            });
        }
        let id = self.next_id.fetch_add(1, Ordering::Relaxed);
        let mut batches = self.batches();
        batches.insert(id, tickets);
        if batches.len() > REMEMBERED {
            batches.pop_first();
        }
        (id, ended)
    }

    fn report(&self, id: u64) -> Response {
        let batches = self.batches();
        let Some(tickets) = batches.get(&id) else {
            return refusal(
                StatusCode::NOT_FOUND,
                format!("there is no batch {id}; the last {REMEMBERED} are kept"),
            );
        };
        Json(BatchReport {
            id,
            jobs: tickets.iter().map(|ticket| ticket.report()).collect(),
        })
        .into_response()
    }

    fn batches(&self) -> std::sync::MutexGuard<'_, BTreeMap<u64, Vec<Arc<Ticket>>>> {
        self.batches.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Hands the job to the lanes and books how it ends, even if they drop it and never answer.
async fn follow(lanes: &Lanes, job: Job, ticket: Arc<Ticket>, gone: oneshot::Receiver<()>) {
    let _settled = LostUnlessSettled(Arc::clone(&ticket));
    let mut run = std::pin::pin!(lanes.run(job));
    let answer = tokio::select! {
        biased;
        answer = &mut run => answer,
        _ = gone => match ticket.state() {
            State::Done => run.await,
            _ => return,
        },
    };
    if answer.is_err() {
        ticket.reject();
    }
}

/// Tells the end of a job to whoever waits for it, after a panic as well.
struct TellAtEnd {
    ticket: Arc<Ticket>,
    tell: mpsc::UnboundedSender<State>,
}

impl Drop for TellAtEnd {
    fn drop(&mut self) {
        self.tell.send(self.ticket.state()).ok(); // Nobody may be waiting.
    }
}

/// The lanes of the implementation that runs.
enum Lanes {
    Mine(cases::bulkheads::Lanes),
    Starter(cases::starter::bulkheads::Lanes),
    Solved(cases::solved::bulkheads::Lanes),
    #[cfg(feature = "cheats")]
    Cheat(cases::cheats::bulkheads::Lanes),
    #[cfg(feature = "cheats")]
    Fix(cases::fixes::bulkheads::Lanes),
}

impl Lanes {
    fn new(code: Code, workers: usize) -> Self {
        match code {
            Code::Mine => Self::Mine(cases::bulkheads::Lanes::new(workers)),
            Code::Starter => Self::Starter(cases::starter::bulkheads::Lanes::new(workers)),
            Code::Solved => Self::Solved(cases::solved::bulkheads::Lanes::new(workers)),
            #[cfg(feature = "cheats")]
            Code::Cheat(name) => Self::Cheat(cases::cheats::bulkheads::Lanes::new(name, workers)),
            #[cfg(feature = "cheats")]
            Code::Fix(name) => Self::Fix(cases::fixes::bulkheads::Lanes::new(name, workers)),
        }
    }

    fn run(&self, job: Job) -> Running<'_, Result<Done, Rejected>> {
        match self {
            Self::Mine(lanes) => Box::pin(lanes.run(job)),
            Self::Starter(lanes) => Box::pin(lanes.run(job)),
            Self::Solved(lanes) => Box::pin(lanes.run(job)),
            #[cfg(feature = "cheats")]
            Self::Cheat(lanes) => Box::pin(lanes.run(job)),
            #[cfg(feature = "cheats")]
            Self::Fix(lanes) => Box::pin(lanes.run(job)),
        }
    }
}
