//! The database of a stack: a private PostgreSQL of this run, or a database of its own on the
//! server that `DATABASE_URL` names.
//!
//! A private server's data is thrown away with the run, so it is started without any of what
//! protects data from a crash of the machine.

use std::{io, path::PathBuf};

mod access;
mod account;
mod conninfo;
mod external;
pub(super) mod find;
mod guard;
mod server;
mod store;
mod template;

pub use conninfo::ConninfoError;
pub use find::FindError;
pub use guard::{GuardArgs, guard_main};

pub(super) use access::Access;
pub(super) use account::Account;
pub(super) use external::External;
pub(super) use server::{Private, Start};
pub(super) use store::Claim;

use super::process::ProcessError;

/// Where a stack's database comes from.
#[derive(Clone, Debug, Default)]
pub enum Source {
    /// A private server where PostgreSQL is installed, else the server of `DATABASE_URL`.
    #[default]
    Any,
    /// A private server, whatever `DATABASE_URL` says.
    Private,
    /// The server of this URL.
    Server(String),
}

/// Why there is no database.
#[derive(Debug, thiserror::Error)]
pub enum PostgresError {
    /// No server programs.
    #[error(transparent)]
    NotFound(#[from] FindError),
    /// Started by root, and nobody else to run it.
    #[error(
        "PostgreSQL refuses to run as root and there is neither a user `postgres` nor `nobody` to \
         run it as; start this as an ordinary user"
    )]
    NoAccount,
    /// The folder for data is not safe to use.
    #[error(
        "{} is not a folder of this user alone; remove it, or set TMPDIR to a folder of your own",
        .0.display()
    )]
    UnsafeStore(PathBuf),
    /// The folder for data can't be used.
    #[error("cannot use {} for PostgreSQL's data", path.display())]
    Store {
        /// The folder.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The disk would be full in the middle of the run.
    #[error(
        "the disk of {} has room for {} MiB, and PostgreSQL's data of a run needs {} MiB; make room there, or set \
         TMPDIR to a folder of another disk (root uses /tmp)",
        path.display(), room >> 20, needed >> 20
    )]
    NoRoom {
        /// The folder.
        path: PathBuf,
        /// Bytes that can be written there.
        room: u64,
        /// Bytes that there should be.
        needed: u64,
    },
    /// Its programs fail on the template.
    #[error("PostgreSQL of {} makes no new database: {text}", bin.display())]
    Initdb {
        /// Folder of the programs.
        bin: PathBuf,
        /// How its programs ended and what they said.
        text: String,
    },
    /// No random numbers from the system.
    #[error("cannot make a password for the database")]
    Password(#[source] io::Error),
    /// The server did not start.
    #[error(transparent)]
    Process(#[from] ProcessError),
    /// `DATABASE_URL` is of no use.
    #[error("DATABASE_URL {0}. Correct it, or unset it and {install}", install = find::remedy())]
    Url(ConninfoError),
    /// The server of `DATABASE_URL` is not to be used.
    #[error(
        "the server of DATABASE_URL {doing}: {why}; check the URL, or unset it and {}",
        find::remedy()
    )]
    Server {
        /// What did not work.
        doing: &'static str,
        /// Why.
        why: sqlx::Error,
    },
}

/// The database of a running stack.
#[derive(Debug)]
pub(super) enum Database {
    Private(Box<Private>),
    External(External),
}

/// Whether `DATABASE_URL` can be read.
pub(super) fn check_url(url: &str) -> Result<(), PostgresError> {
    let read = conninfo::Conninfo::parse(url);
    read.map(drop).map_err(PostgresError::Url)
}

/// What `DATABASE_URL` says; an empty one says nothing.
pub(super) fn url_from_environment() -> Option<String> {
    std::env::var("DATABASE_URL")
        .ok()
        .filter(|url| !url.is_empty())
}

impl Database {
    /// How to reach it.
    pub(super) fn access(&self) -> &Access {
        match self {
            Self::Private(server) => &server.access,
            Self::External(database) => &database.access,
        }
    }
}
