//! The platform that needs nothing but this machine: the services as processes on free ports of the
//! loopback interface, with a PostgreSQL of their own.
//!
//! A stack leaves nothing behind, however its run ends: stopped in order by the supervisor; killed
//! when it is dropped; and when the driver is killed, the pipes to its children end and they with
//! them (`process`, `postgres::guard`). What code of a participant has started ends with its service (`orphans`).

use std::{
    collections::BTreeMap,
    io,
    net::{Ipv4Addr, TcpListener, TcpStream},
    path::{Path, PathBuf},
    time::Duration,
};

use super::{Platform, Stack, StackSpec, Starting};

mod build;
mod lock;
mod member;
mod orphans;
mod output;
mod postgres;
mod preflight;
mod process;
mod roll;
mod services;
mod supervisor;

pub(crate) use build::cargo;
pub use build::{BuildError, build, workspace_root};
pub use lock::{LockError, RunLock};
pub use postgres::{ConninfoError, FindError, GuardArgs, PostgresError, Source, guard_main};
pub use preflight::{Finding, State, preflight};
pub use process::{LastLines, ProcessError};

use postgres::{Database, External, Private, find::find};

/// For a service to be ready; it takes some tens of milliseconds on an idle machine.
const READY_WITHIN: Duration = Duration::from_secs(15);

/// For a connection of the machine with itself, which takes no time.
const LOOPBACK_WITHIN: Duration = Duration::from_secs(2);

/// Why a stack did not start or stop.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No database.
    #[error(transparent)]
    Postgres(#[from] PostgresError),
    /// A service is not ready.
    #[error(transparent)]
    Process(#[from] ProcessError),
    /// A service that has just got ready is gone again.
    #[error("{0}")]
    Crashed(String),
    /// A fixed port is in use.
    #[error(
        "port {port} for {service} is taken by another program (`lsof -i :{port}` names it); stop \
         that, or `make down` if it is a stack of ours"
    )]
    PortTaken {
        /// Which port.
        port: u16,
        /// For which service.
        service: &'static str,
    },
    /// The machine does not reach itself.
    #[error(
        "this machine does not reach itself at 127.0.0.1: {0}; the loopback interface is down, or something between \
         blocks it. As root: `ip link set lo up` (macOS: `ifconfig lo0 up`)"
    )]
    NoLoopback(io::Error),
    /// The driver's own program file is not known.
    #[error("cannot find the driver's own executable")]
    NoExecutable(#[source] io::Error),
    /// The folder of the database stayed.
    #[error("PostgreSQL's data was not removed: {0}; the next run tries again")]
    DataLeft(io::Error),
}

/// The local platform.
#[derive(Clone, Debug)]
pub struct LocalPlatform {
    /// The services' executable, see [`build`].
    pub services: PathBuf,
    /// An executable whose subcommand `postgres-guard` is [`guard_main`].
    pub guard: PathBuf,
    /// Where a database comes from.
    pub database: Source,
    /// The port that a private PostgreSQL tries first; 0 for a free one.
    pub postgres_port: u16,
    /// How long a service may take to be ready.
    pub ready_within: Duration,
    /// Folder for PostgreSQL's data; none for this user's usual one in the temporary folder.
    pub data: Option<PathBuf>,
}

impl LocalPlatform {
    /// Runs the services of `services` and guards PostgreSQL with this very program.
    pub fn new(services: PathBuf) -> Result<Self, Error> {
        Ok(Self {
            services,
            guard: std::env::current_exe().map_err(Error::NoExecutable)?,
            database: Source::default(),
            postgres_port: 0,
            ready_within: READY_WITHIN,
            data: None,
        })
    }

    async fn start_stack(&self, spec: &StackSpec) -> Result<Stack, Error> {
        loopback_works().map_err(Error::NoLoopback)?;
        for (service, port) in [
            ("dep", spec.dep_port),
            ("api", spec.api.as_ref().map_or(0, |api| api.port)),
            ("worker", spec.worker.as_ref().map_or(0, |w| w.port)),
        ] {
            if port != 0 && !is_free(port) {
                return Err(Error::PortTaken { port, service });
            }
        }
        let database = spec.api.as_ref().is_some_and(|api| api.database);
        let database = async {
            if database {
                self.start_database(spec.run_folder.as_deref())
                    .await
                    .map(Some)
            } else {
                Ok(None)
            }
        };
        supervisor::start(self, spec, database).await
    }

    async fn start_database(&self, run_folder: Option<&Path>) -> Result<Database, PostgresError> {
        if let Source::Server(url) = &self.database {
            return External::create(url).await.map(Database::External);
        }
        let installation = match (find(), &self.database, postgres::url_from_environment()) {
            (Ok(installation), ..) => installation,
            (Err(_), Source::Any, Some(url)) => {
                return External::create(&url).await.map(Database::External);
            }
            (Err(error), ..) => return Err(error.into()),
        };
        let start = postgres::Start {
            installation: &installation,
            guard: &self.guard,
            store: self.data.clone(),
            port: self.postgres_port,
            log: services::log(run_folder, "postgres"),
        };
        let server = Private::start(start).await?;
        Ok(Database::Private(Box::new(server)))
    }
}

impl Platform for LocalPlatform {
    fn name(&self) -> &'static str {
        "local"
    }

    fn versions(&self) -> BTreeMap<String, String> {
        let installed = find().map(|installation| ("postgres".to_owned(), installation.version));
        installed.into_iter().collect()
    }

    fn scaling(&self) -> String {
        "emulated here: the CPU limit by a quota in each replica, the autoscaler by its published algorithm".to_owned()
    }

    fn start<'a>(&'a self, spec: &'a StackSpec) -> Starting<'a> {
        Box::pin(async move { Ok(self.start_stack(spec).await?) })
    }
}

/// Whether a stack did not start because there is no PostgreSQL on this machine.
pub fn lacks_postgres(error: &anyhow::Error) -> bool {
    matches!(
        error.downcast_ref(),
        Some(super::Error::Local(Error::Postgres(
            PostgresError::NotFound(_)
        )))
    )
}

/// Whether this machine reaches itself; all of a stack does nothing else.
fn loopback_works() -> io::Result<()> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    TcpStream::connect_timeout(&listener.local_addr()?, LOOPBACK_WITHIN).map(drop)
}

/// Whether nobody listens on `port` of the loopback interface.
fn is_free(port: u16) -> bool {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok()
}
