//! What of the participant's shell reaches which program. A run is the same whatever the shell says, but for what the
//! README and `--help` name.
//!
//! | variables | reach the driver | reach what builds, `kubectl`, scripts | reach services and PostgreSQL |
//! |---|---|---|---|
//! | `PG…` of PostgreSQL's clients, `TOKIO_…`, `MALLOC_…`, `GLIBC_TUNABLES` | no | no | no |
//! | `DATABASE_URL`, `PLATFORM`, `LAB_…` | yes, as `--help` says | yes | no, but for what the driver gives them |
//! | `…_PROXY` | not its own requests, which are to this machine or a port of it | yes: cargo and a cluster may need them | no |
//! | `CARGO…`, `RUST…` | `CARGO`, to use the same one | yes: how code is built is the participant's | no |
//! | `TZ`, `LANG`, `LC_…`, `OPENSSL_…` | yes: times are shown in the zone of the reader | yes | no; PostgreSQL speaks C and UTC |
//! | the rest, `PATH`, `HOME`, `TMPDIR`, `LD_PRELOAD` among them | yes | yes | yes |
//!
//! Libraries read some of these by themselves, and a process can't safely change its own environment: so a driver that
//! was started with such a variable [starts itself again](enter) without it. `~/.pgpass` is read where `DATABASE_URL`
//! has no password, and `~/.pg_service.conf` never.

use std::{
    ffi::{OsStr, OsString},
    io,
    os::unix::{ffi::OsStrExt, process::CommandExt},
    process::Command,
};

/// How variables begin that reach nobody here.
const FOR_NOBODY: [&str; 4] = ["PG", "TOKIO_", "MALLOC_", "GLIBC_TUNABLES"];

/// How variables begin that reach none of the programs that are measured.
const NOT_FOR_SERVICES: [&str; 8] = [
    "DATABASE_URL",
    "LAB_",
    "CARGO",
    "RUST",
    "TZ",
    "LANG",
    "LC_",
    "OPENSSL_",
];

/// Sees to it that nothing of [`FOR_NOBODY`] is in the environment of this process: where something is, the program
/// starts anew without it, as the same process. Returns where that was not needed, or does not work.
pub fn enter() -> io::Result<()> {
    let outside: Vec<OsString> = std::env::vars_os()
        .map(|(name, _)| name)
        .filter(|name| is_for_nobody(name))
        .collect();
    if outside.is_empty() {
        return Ok(());
    }
    let mut again = Command::new(std::env::current_exe()?);
    again.args(std::env::args_os().skip(1));
    for name in outside {
        again.env_remove(name);
    }
    Err(again.exec())
}

/// Keeps from a service, or from PostgreSQL, what is not for it. What the driver gives it comes after.
pub(crate) fn keep_outside(command: &mut tokio::process::Command) -> &mut tokio::process::Command {
    for (name, _) in std::env::vars_os() {
        if !is_for_services(&name) {
            command.env_remove(&name);
        }
    }
    command
}

fn is_for_nobody(name: &OsStr) -> bool {
    begins(name, &FOR_NOBODY)
}

fn is_for_services(name: &OsStr) -> bool {
    let proxy = name.as_bytes().to_ascii_lowercase().ends_with(b"_proxy");
    !(proxy || is_for_nobody(name) || begins(name, &NOT_FOR_SERVICES))
}

fn begins(name: &OsStr, with: &[&str]) -> bool {
    with.iter()
        .any(|with| name.as_bytes().starts_with(with.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_changes_a_run_stays_outside_and_what_programs_need_does_not() {
        for name in [
            "PGOPTIONS",
            "PGHOST",
            "PGSERVICE",
            "PGSYSCONFDIR",
            "PGDATA",
            "PG_COLOR",
            "TOKIO_WORKER_THREADS",
            "MALLOC_ARENA_MAX",
            "MALLOC_PERTURB_",
            "GLIBC_TUNABLES",
        ] {
            assert!(
                is_for_nobody(name.as_ref()) && !is_for_services(name.as_ref()),
                "{name}"
            );
        }
        for name in [
            "DATABASE_URL",
            "LAB_CODE",
            "http_proxy",
            "HTTPS_PROXY",
            "No_Proxy",
            "RUST_LOG",
            "RUST_BACKTRACE",
            "RUSTFLAGS",
            "CARGO",
            "CARGO_HOME",
            "TZ",
            "LANG",
            "LANGUAGE",
            "LC_ALL",
            "OPENSSL_CONF",
        ] {
            assert!(
                !is_for_nobody(name.as_ref()) && !is_for_services(name.as_ref()),
                "{name}"
            );
        }
        for name in [
            "PATH",
            "HOME",
            "TMPDIR",
            "LD_PRELOAD",
            "FAKETIME",
            "MY_PG",
            "pgrep",
        ] {
            assert!(is_for_services(name.as_ref()), "{name}");
        }
    }
}
