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
