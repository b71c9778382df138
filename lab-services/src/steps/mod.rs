//! The steps, a room each: what it answers to, which implementation of its case answers there, and what it counts.
//! Nothing of a step is anywhere else in the services, but its case.

mod autoscale;
mod bulkheads;
mod retries;
mod shedding;
mod shutdown;
mod step;
mod timeouts;
mod tx;

use std::collections::BTreeMap;

use axum::{Json, Router};

use crate::code::{Code, UnknownCode};
use crate::metrics::Registry;
pub(crate) use shutdown::leave;
pub(crate) use step::{ApiMeans, Sizes, WorkerMeans};
use step::{Case, Routes, Step};

/// All of them.
const STEPS: &[Step] = &[
    timeouts::STEP,
    tx::STEP,
    bulkheads::STEP,
    autoscale::STEP,
    retries::STEP,
    shutdown::STEP,
    shedding::STEP,
];

/// The routes of the steps that are in `api`.
pub(crate) fn in_api(means: &ApiMeans, registry: &mut Registry) -> Router {
    STEPS
        .iter()
        .fold(Router::new(), |routes, step| match step.routes {
            Routes::Api(make) => routes.merge(make(means, registry)),
            Routes::Worker(_) => routes,
        })
}

/// The paths of those routes.
pub(crate) fn paths_in_api() -> impl Iterator<Item = &'static str> {
    STEPS.iter().flat_map(|step| step.paths.iter().copied())
}

/// The routes of the steps that are in `worker`.
pub(crate) fn in_worker(means: &WorkerMeans, registry: &mut Registry) -> Router {
    STEPS
        .iter()
        .fold(Router::new(), |routes, step| match step.routes {
            Routes::Worker(make) => routes.merge(make(means, registry)),
            Routes::Api(_) => routes,
        })
}

/// The sizes with which `api` runs `code`. Only cheats change them.
pub(crate) fn sizes(code: Code, sizes: Sizes) -> Sizes {
    STEPS
        .iter()
        .fold(sizes, |sizes, step| (step.sizes)(code, sizes))
}

/// Reads the name of an implementation of the cases in `api`.
pub(crate) fn api_code(name: &str) -> Result<Code, UnknownCode> {
    Code::named(name, variants(|routes| matches!(routes, Routes::Api(_))))
}

/// Reads the name of an implementation of the cases in `worker`.
pub(crate) fn worker_code(name: &str) -> Result<Code, UnknownCode> {
    Code::named(name, variants(|routes| matches!(routes, Routes::Worker(_))))
}

/// The cases of the steps that are where `is_there` says.
fn cases(is_there: fn(&Routes) -> bool) -> impl Iterator<Item = &'static Case> {
    STEPS
        .iter()
        .filter(move |step| is_there(&step.routes))
        .filter_map(|step| step.case.as_ref())
}

#[cfg(feature = "cheats")]
fn variants(is_there: fn(&Routes) -> bool) -> impl Iterator<Item = Code> {
    let cheats = cases(is_there).flat_map(|case| case.cheats.iter().copied().map(Code::Cheat));
    let fixes = cases(is_there).flat_map(|case| case.fixes.iter().copied().map(Code::Fix));
    cheats.chain(fixes)
}

#[cfg(not(feature = "cheats"))]
fn variants(_: fn(&Routes) -> bool) -> impl Iterator<Item = Code> {
    std::iter::empty()
}

/// `GET /debug/code`: the text of every case that this build can run, by its path in the project. A report shows what
/// ran by it, whatever is in the folder meanwhile; whoever runs an image learns whether it has today's code.
pub(crate) async fn sources() -> Json<BTreeMap<&'static str, &'static str>> {
    let compiled = cases(|_| true).flat_map(|case| case.compiled);
    Json(compiled.copied().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_read_back() {
        for name in ["mine", "starter", "solved"] {
            assert_eq!(api_code(name).unwrap().to_string(), name);
        }
    }

    #[test]
    fn an_unknown_name_lists_what_there_is() {
        let error = worker_code("mien").unwrap_err().to_string();
        assert!(
            error
                .starts_with("there is no code named `mien`; this build has mine, starter, solved"),
            "{error}"
        );
    }

    #[cfg(feature = "cheats")]
    #[test]
    fn a_cheat_or_a_fix_belongs_to_its_service() {
        assert_eq!(api_code("cheat:big-pool").unwrap(), Code::Cheat("big-pool"));
        assert!(worker_code("cheat:big-pool").is_err());
        assert_eq!(worker_code("fix:no-queue").unwrap(), Code::Fix("no-queue"));
        assert!(api_code("fix:no-queue").is_err());
    }

    #[cfg(not(feature = "cheats"))]
    #[test]
    fn a_normal_build_has_no_cheats_and_says_so() {
        let error = api_code("cheat:big-pool").unwrap_err().to_string();
        assert!(
            error.ends_with("Cheats and fixes need a build with `--features cheats`"),
            "{error}"
        );
    }
}
