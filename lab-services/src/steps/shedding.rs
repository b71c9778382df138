//! Step 7: work over HTTP, which a client waits for. Each piece goes to the door as a task of its own, which outlives its
//! client: nothing tells the worker that a client has gone.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::extract::State as Shared;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::json;
use tokio::sync::oneshot;

use super::step::{Case, Routes, Running, Step, WorkerMeans, case, panicked};
use crate::cases;
use crate::code::Code;
use crate::cpu::thread_time;
use crate::job::{Done, Rejected};
use crate::metrics::Registry;
use crate::refusal::refusal;
use crate::request::Params;
use crate::work::{self, Books, Criticality, LostUnlessSettled, State, Ticket, Work};

pub(super) const STEP: Step = Step {
    routes: Routes::Worker(routes),
    paths: &[],
    case: Some(case!(shedding)),
    sizes: |_, sizes| sizes,
};

#[derive(Clone)]
struct Shop {
    door: Arc<Door>,
    books: Books,
}

fn routes(means: &WorkerMeans, registry: &mut Registry) -> Router {
    let shop = Shop {
        door: Arc::new(Door::new(means.code, means.workers)),
        books: Books::register(registry),
    };
    Router::new().route("/work", post(submit)).with_state(shop)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SubmitParams {
    criticality: Criticality,
}

async fn submit(Shared(shop): Shared<Shop>, Params(params): Params<SubmitParams>) -> Response {
    let (work, ticket, gone) = work::arrive(params.criticality, &shop.books);
    let end = tokio::spawn(async move {
        follow(&shop.door, work, &ticket, gone).await;
        ticket.state()
    });
    match end.await {
        Ok(State::Done) => Json(json!({ "criticality": params.criticality })).into_response(),
        Ok(State::Rejected) => refusal(
            StatusCode::SERVICE_UNAVAILABLE,
            "this can't be done in time; come back later",
        ),
        Ok(_) => refusal(
            StatusCode::INTERNAL_SERVER_ERROR,
            "the work was dropped without being done",
        ),
        Err(error) => panicked("cases/shedding.rs", error).into_response(),
    }
}

/// Brings work to the door and books how it ends, even if it is dropped there and nobody answers.
async fn follow(door: &Door, work: Work, ticket: &Arc<Ticket>, gone: oneshot::Receiver<()>) {
    let _settled = LostUnlessSettled(Arc::clone(ticket));
    let mut run = Metered {
        running: door.run(work),
        cpu: Duration::ZERO,
    };
    let answer = tokio::select! {
        biased;
        answer = &mut run => answer,
        _ = gone => match ticket.state() {
            State::Done => (&mut run).await,
            _ => return,
        },
    };
    if answer.is_err() {
        ticket.reject(run.cpu);
    }
}

/// A case under way, and the CPU time that it took of the threads that ran it: a busy machine adds nothing to it.
struct Metered<'a, T> {
    running: Running<'a, T>,
    cpu: Duration,
}

impl<T> Future for Metered<'_, T> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<T> {
        let before = thread_time();
        let polled = self.running.as_mut().poll(context);
        self.cpu += thread_time().saturating_sub(before);
        polled
    }
}

/// The door of the implementation that runs.
enum Door {
    Mine(cases::shedding::Door),
    Starter(cases::starter::shedding::Door),
    Solved(cases::solved::shedding::Door),
    #[cfg(feature = "cheats")]
    Cheat(cases::cheats::shedding::Door),
    #[cfg(feature = "cheats")]
    Fix(cases::fixes::shedding::Door),
}

impl Door {
    fn new(code: Code, workers: usize) -> Self {
        match code {
            Code::Mine => Self::Mine(cases::shedding::Door::new(workers)),
            Code::Starter => Self::Starter(cases::starter::shedding::Door::new(workers)),
            Code::Solved => Self::Solved(cases::solved::shedding::Door::new(workers)),
            #[cfg(feature = "cheats")]
            Code::Cheat(name) => Self::Cheat(cases::cheats::shedding::Door::new(name, workers)),
            #[cfg(feature = "cheats")]
            Code::Fix(name) => Self::Fix(cases::fixes::shedding::Door::new(name, workers)),
        }
    }

    fn run(&self, work: Work) -> Running<'_, Result<Done, Rejected>> {
        match self {
            Self::Mine(door) => Box::pin(door.run(work)),
            Self::Starter(door) => Box::pin(door.run(work)),
            Self::Solved(door) => Box::pin(door.run(work)),
            #[cfg(feature = "cheats")]
            Self::Cheat(door) => Box::pin(door.run(work)),
            #[cfg(feature = "cheats")]
            Self::Fix(door) => Box::pin(door.run(work)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What becomes of so many critical and sheddable ones that come in the same moment, and the page of metrics then. One
    /// thread: all have come before any time has passed.
    async fn rush(code: Code, critical: usize, sheddable: usize) -> (Vec<State>, String) {
        let mut registry = Registry::default();
        let books = Books::register(&mut registry);
        let door = Arc::new(Door::new(code, 8));
        let critical = std::iter::repeat_n(Criticality::Critical, critical);
        let sheddable = std::iter::repeat_n(Criticality::Sheddable, sheddable);
        let mut all = Vec::new();
        for criticality in sheddable.chain(critical) {
            let (work, ticket, gone) = work::arrive(criticality, &books);
            let door = Arc::clone(&door);
            all.push(tokio::spawn(async move {
                follow(&door, work, &ticket, gone).await;
                ticket.state()
            }));
        }
        let mut ends = Vec::new();
        for end in all {
            ends.push(end.await.unwrap());
        }
        let mut page = String::new();
        prometheus_client::encoding::text::encode(&mut page, &registry).unwrap();
        (ends, page)
    }

    #[tokio::test]
    async fn the_starter_takes_whatever_comes() {
        let (ends, page) = rush(Code::Starter, 2, 10).await;
        assert_eq!(ends, [State::Done; 12]);
        assert!(page.contains("\nlab_work_running_most 8\n"), "{page}");
    }

    #[tokio::test]
    async fn the_reference_refuses_sheddable_work_that_has_no_place() {
        let (ends, page) = rush(Code::Solved, 2, 10).await;
        let places = [State::Done; 8].into_iter().chain([State::Rejected; 2]);
        let wanted: Vec<State> = places.chain([State::Done; 2]).collect();
        assert_eq!(ends, wanted);
        let refused = "\nlab_work_rejected_total{criticality=\"sheddable\"} 2\n";
        assert!(page.contains(refused), "{page}");
    }

    #[cfg(feature = "cheats")]
    #[tokio::test]
    async fn what_is_forgotten_or_only_said_to_be_done_is_lost() {
        for name in ["drop-accepted", "answer-unrun"] {
            let (ends, page) = rush(Code::Cheat(name), 0, 10).await;
            assert_eq!(ends[8..], [State::Lost; 2], "{name}");
            let lost = "\nlab_work_lost_total{criticality=\"sheddable\"} 2\n";
            assert!(page.contains(lost), "{name}: {page}");
        }
    }

    #[cfg(feature = "cheats")]
    #[tokio::test]
    async fn work_that_is_begun_and_kept_waiting_counts_as_begun() {
        let (_, page) = rush(Code::Cheat("early-start"), 4, 8).await;
        assert!(page.contains("\nlab_work_running_most 12\n"), "{page}");
    }

    #[cfg(feature = "cheats")]
    #[tokio::test]
    async fn a_refusal_that_is_work_shows_in_its_cpu_time() {
        let cpu = |page: &str| -> f64 {
            let name = "lab_work_rejection_cpu_seconds_total ";
            let line = page.lines().find_map(|line| line.strip_prefix(name));
            line.expect(name).parse().unwrap()
        };
        let (_, page) = rush(Code::Cheat("costly-refusal"), 0, 10).await;
        assert!(cpu(&page) >= 0.01, "two of 5 ms: {page}");
    }
}
