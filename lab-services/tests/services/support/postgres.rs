//! A private Postgres for tests, shared by those that run at the same time and stopped after the last of them.

use std::ffi::OsStr;
use std::fs;
use std::io::{self, Write};
use std::net::TcpListener;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use sqlx::{AssertSqlSafe, Connection, PgConnection};
use tempfile::TempDir;

use super::until;

/// A server on a free port, with its data in a folder that goes with it.
pub(crate) struct Postgres {
    child: Child,
    port: u16,
    _data: TempDir,
}

static SHARED: Mutex<Weak<Postgres>> = Mutex::new(Weak::new());

impl Postgres {
    /// The server, or nothing where its programs are not installed: the test `name` is skipped then.
    /// `LAB_REQUIRE_POSTGRES=1` makes that a failure.
    pub(crate) fn for_test(name: &str) -> Option<Arc<Self>> {
        let Some(programs) = programs() else {
            let required = std::env::var("LAB_REQUIRE_POSTGRES").is_ok_and(|value| value == "1");
            assert!(!required, "{name} needs the programs initdb and postgres");
            let _ = writeln!(io::stderr(), "SKIPPED {name}: no initdb and postgres found");
            return None;
        };
        let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
        let server = shared.upgrade().unwrap_or_else(|| {
            let server = Arc::new(Self::start(&programs));
            *shared = Arc::downgrade(&server);
            server
        });
        Some(server)
    }

    fn start(programs: &Path) -> Self {
        let data = tempfile::Builder::new()
            .prefix("lab-postgres-")
            .tempdir()
            .unwrap();
        let user = ServerUser::current_or_unprivileged();
        user.give(data.path());
        let cluster = data.path().join("cluster");
        let created = user
            .command(&programs.join("initdb"))
            .args([
                "--auth=trust",
                "--username=lab",
                "--encoding=UTF8",
                "--no-sync",
            ])
            .args([OsStr::new("--pgdata"), cluster.as_os_str()])
            .output()
            .unwrap();
        let complaint = String::from_utf8_lossy(&created.stderr);
        assert!(created.status.success(), "initdb failed: {complaint}");

        let port = free_port();
        let child = user
            .command(&programs.join("postgres"))
            .args([OsStr::new("-D"), cluster.as_os_str()])
            .args(["-p", &port.to_string(), "-h", "127.0.0.1", "-F"])
            .args(["-c", "unix_socket_directories="])
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        Self {
            child,
            port,
            _data: data,
        }
    }

    /// A new database. Waits until the server takes connections.
    pub(crate) async fn database(&self, name: &str) -> Database {
        let mut admin = None;
        until(
            async || {
                admin = PgConnection::connect(&self.url("lab", "postgres"))
                    .await
                    .ok();
                admin.is_some()
            },
            "postgres",
        )
        .await;
        let create = AssertSqlSafe(format!("CREATE DATABASE {name}"));
        sqlx::query(create)
            .execute(&mut admin.unwrap())
            .await
            .unwrap();
        self.later(name)
    }

    /// A database, existing or not. Roles belong to the whole server, so each database has one of its name.
    pub(crate) fn later(&self, name: &str) -> Database {
        Database {
            owner: self.url("lab", name),
            client: self.url(&format!("{name}:{PASSWORD}"), name),
            role: name.to_owned(),
        }
    }

    fn url(&self, user: &str, name: &str) -> String {
        format!("postgres://{user}@127.0.0.1:{}/{name}", self.port)
    }
}

/// The password of each database's role.
pub(crate) const PASSWORD: &str = "secret";

/// A database as its owner and as the api see it.
pub(crate) struct Database {
    pub(crate) owner: String,
    pub(crate) client: String,
    pub(crate) role: String,
}

impl Drop for Postgres {
    fn drop(&mut self) {
        // Its own children end in order, and it frees its shared memory.
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, rustix::process::Signal::INT).ok();
        self.child.wait().ok();
    }
}

/// The folder of `initdb` and `postgres`, on the path or where the common packages put them.
fn programs() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut folders: Vec<PathBuf> = std::env::split_paths(&path).collect();
    folders.extend(versions("/usr/lib/postgresql", "bin"));
    folders.extend(versions(
        "/Applications/Postgres.app/Contents/Versions",
        "bin",
    ));
    folders.extend(
        ["/opt/homebrew/opt", "/usr/local/opt"]
            .iter()
            .flat_map(|root| versions(root, "bin")),
    );
    folders.into_iter().find(|folder| {
        ["initdb", "postgres"]
            .iter()
            .all(|program| folder.join(program).is_file())
    })
}

fn versions(root: &str, folder: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(root).into_iter().flatten().flatten();
    entries.map(|entry| entry.path().join(folder)).collect()
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0")
        .and_then(|listener| listener.local_addr())
        .unwrap()
        .port()
}

/// Whom the server runs as: Postgres refuses root.
struct ServerUser(Option<(u32, u32)>);

impl ServerUser {
    fn current_or_unprivileged() -> Self {
        if !rustix::process::geteuid().is_root() {
            return Self(None);
        }
        let known = fs::read_to_string("/etc/passwd").unwrap();
        let ids_of = |name: &str| {
            let fields: Vec<&str> = known
                .lines()
                .find(|line| line.starts_with(&format!("{name}:")))?
                .split(':')
                .collect();
            Some((fields.get(2)?.parse().ok()?, fields.get(3)?.parse().ok()?))
        };
        Self(ids_of("postgres").or_else(|| ids_of("nobody")))
    }

    fn give(&self, folder: &Path) {
        if let Some((user, group)) = self.0 {
            std::os::unix::fs::chown(folder, Some(user), Some(group)).unwrap();
        }
    }

    fn command(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        command
            .current_dir("/")
            .stdin(Stdio::null())
            .stdout(Stdio::null());
        if let Some((user, group)) = self.0 {
            command.uid(user).gid(group);
        }
        command
    }
}
