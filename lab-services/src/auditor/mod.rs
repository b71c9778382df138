//! The auditor: owns the ledger's tables and looks at what is done with them. It is a process of its own, so that
//! nothing which runs inside `api` can change what it sees.

mod ages;
mod dbstats;
mod payments;
mod schema;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::Result;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use clap::Args;
use sqlx::PgPool;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use tokio::sync::watch;

use crate::database::connect_options;
use crate::failure::Failure;
use crate::metrics::{self, Registry};
use crate::peers::{self, Peers};
use crate::refusal::refusal;
use crate::request::{InPath, Key};
use crate::serve::{ListenArgs, serve};
use ages::Ages;
use dbstats::DbStats;
use payments::Payment;
use schema::Client;

/// Connections of the auditor: one for the looks that are taken all the time, one for the questions in between.
const CONNECTIONS: u32 = 2;

/// How long the auditor waits between attempts while the database is out of reach.
const RETRY: Duration = Duration::from_millis(250);

/// Flags of `lab auditor`.
#[derive(Args, Debug)]
pub struct AuditorArgs {
    #[command(flatten)]
    listen: ListenArgs,
    /// The database as its owner sees it, who may create roles: `postgres://owner:password@host:5432/database`.
    #[arg(
        long,
        env = "LAB_DATABASE_URL",
        hide_env_values = true,
        value_name = "URL"
    )]
    database_url: String,
    #[command(flatten)]
    client: Client,
}

/// What keeps the ledger from being used, or nothing.
type Readiness = Option<String>;

#[derive(Clone)]
struct Auditor {
    owner: PgPool,
    readiness: watch::Receiver<Readiness>,
    ages: Arc<Mutex<Ages>>,
}

/// Serves until a signal.
pub async fn run(args: AuditorArgs) -> Result<()> {
    let owner = connect_options(&args.database_url)?;
    let peers = Peers::default().with_database(&owner);
    let (report, readiness) = watch::channel(Some("the ledger is not set up yet".to_owned()));
    let owner = pool(owner);
    tokio::spawn(set_up_until_done(owner.clone(), args.client, report));
    let auditor = Auditor {
        owner,
        readiness,
        ages: Arc::default(),
    };
    serve(&args.listen, 8083, routes(auditor, peers)).await
}

fn pool(owner: PgConnectOptions) -> PgPool {
    PgPoolOptions::new()
        .max_connections(CONNECTIONS)
        .acquire_timeout(Duration::from_secs(2))
        .connect_lazy_with(owner.application_name("lab-auditor"))
}

async fn set_up_until_done(owner: PgPool, client: Client, report: watch::Sender<Readiness>) {
    while let Err(error) = schema::set_up(&owner, &client).await {
        tracing::warn!(%error, "the ledger is not ready");
        report.send_replace(Some(format!("the ledger is not ready: {error}")));
        tokio::time::sleep(RETRY).await;
    }
    tracing::info!("ledger ready");
    report.send_replace(None);
}

fn routes(auditor: Auditor, peers: Peers) -> Router {
    Router::new()
        .route("/debug/dbstats", get(show_dbstats))
        .route("/payments", get(show_payments))
        .route("/payments/{key}", get(show_payment))
        .route("/healthz", get("ok"))
        .route("/readyz", get(ready))
        .with_state(auditor)
        .merge(peers::routes(peers))
        .merge(metrics::routes(Registry::default()))
}

async fn ready(State(auditor): State<Auditor>) -> Result<&'static str, Failure> {
    match auditor.readiness.borrow().clone() {
        None => Ok("ready"),
        Some(why) => Err(Failure::Unavailable(why)),
    }
}

async fn show_dbstats(State(auditor): State<Auditor>) -> Result<Json<DbStats>, Failure> {
    Ok(Json(dbstats::dbstats(&auditor.owner, &auditor.ages).await?))
}

async fn show_payments(State(auditor): State<Auditor>) -> Result<Json<Vec<Payment>>, Failure> {
    Ok(Json(payments::all(&auditor.owner).await?))
}

/// A payment as it is recorded at this moment, or 404.
async fn show_payment(
    State(auditor): State<Auditor>,
    InPath(Key(key)): InPath<Key>,
) -> Result<Response, Failure> {
    Ok(match payments::of(&auditor.owner, &key).await? {
        Some(payment) => Json(payment).into_response(),
        None => refusal(
            StatusCode::NOT_FOUND,
            format!("no payment of the key {key} is recorded"),
        ),
    })
}
