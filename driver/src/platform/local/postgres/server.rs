//! A private PostgreSQL server of one run.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use super::{
    Access, Claim, PostgresError, account::Account, find::Installation, guard::GuardArgs,
    store::Store, template,
};
use crate::platform::local::process::{Ending, Process};

/// For a server to start and to answer; on a fresh copy it takes a tenth of a second.
const START_WITHIN: Duration = Duration::from_secs(30);

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
            password: copy.password,
        };
        let command = args.command(start.guard);
        let mut guard = Process::spawn("postgres", command, start.log, Ending::CloseStdin)?;
        let server = guard.listening(START_WITHIN).await?;
        Ok(Self {
            guard,
            claim: copy.claim,
            access: Access::private(server, &args.password)?,
        })
    }
}
