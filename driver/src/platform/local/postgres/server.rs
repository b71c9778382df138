//! A private PostgreSQL server of one run.

use std::{
    path::{Path, PathBuf},
    str::FromStr as _,
    time::Duration,
};

use sqlx::{Connection, PgConnection, postgres::PgConnectOptions};
use tokio::time::{interval, timeout};

use super::{
    Access, Claim, PostgresError, account::Account, find::Installation, guard::GuardArgs,
    store::Store, template,
};
use crate::platform::local::process::{Ending, Process};

/// For a server to start; on a fresh copy it takes a tenth of a second.
const START_WITHIN: Duration = Duration::from_secs(30);

/// For a server that has started to answer.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);

/// The role of the api.
const CLIENT: &str = "api";

/// Between two attempts to connect.
const CONNECT_INTERVAL: Duration = Duration::from_millis(20);

/// A server, its guard and its data.
#[derive(Debug)]
pub(in crate::platform::local) struct Private {
    /// The guard, which ends when the server does.
    pub(in crate::platform::local) guard: Process,
    /// The data; the guard removes it, the stack makes sure.
    pub(in crate::platform::local) claim: Claim,
    pub(super) access: Access,
}

/// What a private server is started with.
#[derive(Clone, Debug)]
pub(in crate::platform::local) struct Start<'a> {
    pub(in crate::platform::local) installation: &'a Installation,
    /// Executable with the subcommand `postgres-guard`.
    pub(in crate::platform::local) guard: &'a Path,
    /// Where data is kept; none for this user's usual place.
    pub(in crate::platform::local) store: Option<PathBuf>,
    /// The port to try first; 0 for a free one.
    pub(in crate::platform::local) port: u16,
    pub(in crate::platform::local) log: Option<PathBuf>,
}

impl Private {
    /// Starts a server on a fresh copy of the template; done when it answers a query.
    pub(in crate::platform::local) async fn start(start: Start<'_>) -> Result<Self, PostgresError> {
        let store = Store::open(start.store, Account::for_postgres()?)?;
        let copy = template::copy(&store, start.installation).await?;
        let args = GuardArgs {
            postgres: start.installation.bin.join("postgres"),
            folder: copy.claim.folder.clone(),
            port: start.port,
            uid: store.account.map(|account| account.uid),
            gid: store.account.map(|account| account.gid),
        };
        let command = args.command(start.guard);
        let mut guard = Process::spawn("postgres", command, start.log, Ending::CloseStdin)?;
        let addr = guard.listening(START_WITHIN).await?;
        let (user, password) = (template::USER, copy.password);
        let url = format!("postgres://{user}:{password}@{addr}/postgres?sslmode=disable");
        let owner = PgConnectOptions::from_str(&url).map_err(|source| PostgresError::Server {
            doing: "has a URL that is not one",
            source,
        })?;
        let mut said = None;
        let answered = timeout(ANSWER_WITHIN, async {
            tokio::select! {
                biased;
                () = answers(&url, &mut said) => Ok(()),
                error = guard.fails(START_WITHIN, "it ends") => Err(error),
            }
        });
        if let Ok(answered) = answered.await {
            answered?;
        } else {
            let said = said.map_or("nothing".to_owned(), |error| error.to_string());
            let lacks = format!("`SELECT 1` gets no answer, but: {said}");
            return Err(guard.not_ready(ANSWER_WITHIN, &lacks).into());
        }
        Ok(Self {
            guard,
            claim: copy.claim,
            access: Access::new(&owner, CLIENT)?,
        })
    }
}

/// Returns once the server at `url` answers a query; `said` is what came of it before.
async fn answers(url: &str, said: &mut Option<sqlx::Error>) {
    let mut every = interval(CONNECT_INTERVAL);
    loop {
        every.tick().await;
        let answer = timeout(ANSWER_WITHIN, async {
            let mut connection = PgConnection::connect(url).await?;
            sqlx::query("SELECT 1").execute(&mut connection).await?;
            connection.close().await
        });
        match answer.await {
            Ok(Ok(())) => return,
            Ok(Err(error)) => *said = Some(error),
            Err(_) => {}
        }
    }
}
