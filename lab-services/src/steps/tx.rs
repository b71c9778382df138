//! Step 2: payments, and the pool of connections that they share.

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::{Json, Router};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::gauge::ConstGauge;

use super::step::{ApiMeans, Case, Routes, Running, Sizes, Step, case, panicked, start};
use crate::code::Code;
use crate::database::Database;
use crate::dep::Dep;
use crate::failure::Failure;
use crate::ledger::{Order, Paid};
use crate::metrics::Registry;
use crate::request::JsonBody;

pub(super) const STEP: Step = Step {
    routes: Routes::Api(routes),
    paths: &[PAYMENTS],
    case: Some(case!(tx)),
    sizes,
};

const PAYMENTS: &str = "/cases/tx";

fn routes(means: &ApiMeans, registry: &mut Registry) -> Router {
    if let Some(database) = &means.database {
        registry.register_collector(Box::new(PoolMetrics(database.clone())));
    }
    Router::new()
        .route(PAYMENTS, post(tx))
        .with_state(means.clone())
}

fn sizes(code: Code, sizes: Sizes) -> Sizes {
    match code {
        #[cfg(feature = "cheats")]
        Code::Cheat("big-pool") => Sizes {
            pool_size: 60,
            ..sizes
        },
        _ => sizes,
    }
}

async fn tx(
    State(means): State<ApiMeans>,
    JsonBody(order): JsonBody<Order>,
) -> Result<Response, Failure> {
    let database = means.database.ok_or_else(|| {
        Failure::Unavailable(
            "this api runs without a database: start it with --database-url for payments".into(),
        )
    })?;
    database.ready()?;
    let paid = pay(means.code, database, means.dep, order).await?;
    Ok(Json(paid).into_response())
}

/// Runs the case, as a task that runs to its end whatever becomes of the request: a transaction that is cancelled
/// half-way may stay open (launchbadge/sqlx issue 4385).
async fn pay(code: Code, db: Database, dep: Dep, order: Order) -> Result<Paid, Failure> {
    let task = tokio::spawn(async move { start(code, &db, &dep, &order).await });
    let joined = task.await;
    joined.unwrap_or_else(|error| Err(panicked("cases/tx.rs", error)))
}

fn start<'a>(
    code: Code,
    db: &'a Database,
    dep: &'a Dep,
    order: &'a Order,
) -> Running<'a, Result<Paid, Failure>> {
    start!(code, tx::pay(db, dep, order))
}

/// The pool of connections as metrics, read at the moment of the look.
#[derive(Debug)]
struct PoolMetrics(Database);

impl Collector for PoolMetrics {
    fn encode(&self, mut to: DescriptorEncoder) -> Result<(), std::fmt::Error> {
        let mut put = |name, help, value: i64| {
            let gauge = ConstGauge::new(value);
            gauge.encode(to.encode_descriptor(name, help, None, gauge.metric_type())?)
        };
        let pool = self.0.pool();
        let open = pool.size();
        let idle = (pool.num_idle() as u32).min(open);
        put(
            "lab_pool_connections_max",
            "Connections that the pool may open",
            pool.options().get_max_connections().into(),
        )?;
        put(
            "lab_pool_connections_in_use",
            "Connections of the pool in somebody's hands",
            (open - idle).into(),
        )?;
        put(
            "lab_pool_waiting",
            "Requests that wait for a connection",
            self.0.waiting(),
        )
    }
}
