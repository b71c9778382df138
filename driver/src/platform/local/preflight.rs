//! What the local platform needs of the machine, looked at before anything is started.

use std::{fs, path::Path, process::Command};

use serde::Serialize;

use super::{
    Error,
    build::cargo,
    is_free, loopback_works,
    postgres::{Account, PostgresError, check_url, find::find, url_from_environment},
};
use crate::limits::room;

/// Free space for the compiled services, their logs and reports, bytes.
const FREE_SPACE: u64 = 2 << 30;

/// The ports of `make up`, with the service that gets each.
const PORTS: [(u16, &str); 2] = [(30080, "api"), (30081, "worker")];

/// What is thought of a thing that was looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// As needed.
    Ok,
    /// Good to know, before it is needed.
    Note,
    /// The workshop needs it.
    Lacks,
}

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What, in a word or two.
    pub name: &'static str,
    /// Whether it is as needed.
    pub state: State,
    /// What was found; where it is not as needed, what to do.
    pub text: String,
}

impl Finding {
    /// Of something that is as it is.
    pub fn new(name: &'static str, state: State, text: impl Into<String>) -> Self {
        let text = text.into();
        Self { name, state, text }
    }

    fn needed(name: &'static str, found: Result<String, String>) -> Self {
        let state = if found.is_ok() {
            State::Ok
        } else {
            State::Lacks
        };
        let (Ok(text) | Err(text)) = found;
        Self { name, state, text }
    }
}

/// Looks at everything that the local platform needs for the project at `root`.
pub fn preflight(root: &Path) -> Vec<Finding> {
    let mut findings = vec![
        Finding::needed("rust", rust(root)),
        Finding::needed("postgresql", postgresql()),
        Finding::needed("reports folder", writable(&root.join("reports"))),
        Finding::needed("free space", space(root)),
        Finding::needed("loopback", loopback()),
    ];
    findings.extend(PORTS.map(|(port, service)| Finding::needed("port", free(port, service))));
    findings
}

fn rust(root: &Path) -> Result<String, String> {
    let output = Command::new(cargo())
        .arg("--version")
        .current_dir(root)
        .output();
    let remedy = "install Rust from https://rustup.rs and open a new terminal";
    match output {
        Ok(output) if output.status.success() => {
            Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
        }
        Ok(output) => {
            let text = String::from_utf8_lossy(&output.stderr);
            Err(format!("cargo does not run: {}; {remedy}", text.trim()))
        }
        Err(error) => Err(format!("cargo is not there ({error}); {remedy}")),
    }
}

fn postgresql() -> Result<String, String> {
    match find() {
        Ok(found) => {
            let account = Account::for_postgres().map_err(|error| error.to_string())?;
            let runs_as = account.map_or(String::new(), |account| {
                format!(", to run as user {}", account.name)
            });
            let (version, bin) = (found.version, found.bin.display());
            Ok(format!("PostgreSQL {version} in {bin}{runs_as}"))
        }
        Err(error) => match url_from_environment() {
            Some(url) => check_url(&url)
                .map(|()| {
                    "the server of DATABASE_URL; each run creates a database and drops it"
                        .to_owned()
                })
                .map_err(|error| error.to_string()),
            None => Err(PostgresError::from(error).to_string()),
        },
    }
}

fn writable(folder: &Path) -> Result<String, String> {
    fs::create_dir_all(folder)
        .and_then(|()| tempfile::tempfile_in(folder))
        .map(|_| format!("{} is writable", folder.display()))
        .map_err(|error| {
            let folder = folder.display();
            format!("cannot write to {folder} ({error}); make it yours with `chown` or `chmod`")
        })
}

fn space(root: &Path) -> Result<String, String> {
    let free = room(root).map_err(|error| {
        format!(
            "cannot ask for the free space of {}: {error}",
            root.display()
        )
    })?;
    enough(free)
}

fn enough(free: u64) -> Result<String, String> {
    let gib = |bytes: u64| bytes as f64 / f64::from(1 << 30);
    let text = format!("{:.1} GiB", gib(free));
    if free >= FREE_SPACE {
        Ok(text)
    } else {
        let needed = gib(FREE_SPACE);
        Err(format!(
            "{text}, {needed:.0} GiB are needed; make room, e.g. with `cargo clean` in old projects"
        ))
    }
}

fn loopback() -> Result<String, String> {
    loopback_works()
        .map(|()| "this machine reaches itself at 127.0.0.1".to_owned())
        .map_err(|error| Error::NoLoopback(error).to_string())
}

fn free(port: u16, service: &str) -> Result<String, String> {
    if is_free(port) {
        Ok(format!("{port} is free for the {service} of `make up`"))
    } else {
        Err(format!(
            "{port}, where `make up` puts the {service}, is taken (`lsof -i :{port}` names the \
             program); if it is our stack, `make down` frees it. Scenario runs use other ports"
        ))
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn a_taken_port_is_named_with_the_way_to_its_owner() {
        let taken = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = taken.local_addr().unwrap().port();
        let text = free(port, "api").unwrap_err();
        assert!(text.contains(&format!("lsof -i :{port}")), "{text}");
        drop(taken);
        free(port, "api").unwrap();
    }

    #[test]
    fn too_little_space_is_refused() {
        assert_eq!(enough(5 << 30).unwrap(), "5.0 GiB");
        assert!(enough(1 << 30).unwrap_err().starts_with("1.0 GiB, 2 GiB"));
    }

    #[test]
    fn a_folder_is_made_to_see_whether_it_can_be_written() {
        let root = tempfile::tempdir().unwrap();
        writable(&root.path().join("reports")).unwrap();
        let file = root.path().join("file");
        fs::write(&file, "").unwrap();
        assert!(writable(&file).is_err());
    }
}
