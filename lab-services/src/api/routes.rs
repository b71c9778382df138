//! The routes of `api`: those of its steps under the admission limit, and its own upkeep.

use axum::Router;
use axum::extract::State;
use axum::routing::{get, post};

use super::admission::Admission;
use crate::failure::Failure;
use crate::metrics::{self, Registry};
use crate::peers::{self, Peers};
use crate::steps::{self, ApiMeans};

pub(super) fn routes(means: ApiMeans, peers: Peers, slots: u32, crashable: bool) -> Router {
    let admission = Admission::new(slots, steps::paths_in_api());
    let mut registry = Registry::default();
    admission.register(&mut registry);
    let cases = steps::in_api(&means, &mut registry);
    let mut upkeep = Router::new()
        .route("/healthz", get("ok"))
        .route("/readyz", get(ready))
        .route("/debug/code", get(steps::sources))
        .with_state(means);
    if crashable {
        // No answer, no goodbye to anybody: what SIGKILL does.
        upkeep = upkeep.route(
            "/debug/crash",
            post(async || -> () { std::process::abort() }),
        );
    }
    admission
        .limit(cases)
        .merge(upkeep)
        .merge(peers::routes(peers))
        .merge(metrics::routes(registry))
}

async fn ready(State(means): State<ApiMeans>) -> Result<&'static str, Failure> {
    if !means.replica.is_ready() {
        return Err(Failure::Unavailable("this replica is leaving".into()));
    }
    if let Some(database) = means.database {
        database.ready()?;
    }
    Ok("ready")
}
