//! A freshly initialised database folder, made once for each installation and copied for each run:
//! `initdb` takes one to two seconds, a copy less than a tenth of that.

use std::{fs, io, path::Path, process::Stdio};

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    process::Command,
};

use crate::{environment::keep_outside, platform::local::orphans, secret};

use super::{
    Claim, PostgresError,
    find::Installation,
    store::{Exclusive, Store},
};

/// The superuser of a private server.
pub(super) const USER: &str = "lab";

/// Name of the file with the superuser's password. It keeps other users of the machine out, who
/// can reach the port like anybody.
const PASSWORD: &str = "password";

/// Name of the file that says how large a whole template is; what cleans a temporary folder may
/// have removed some of its files.
const SIZE: &str = "size";

/// Several times what the template and a copy of it take: the rest is for what a run writes.
const ROOM: u64 = 128 << 20;

/// A run's own copy.
#[derive(Debug)]
pub(super) struct Copy {
    pub(super) claim: Claim,
    pub(super) password: String,
}

/// Sweeps the store and copies the template of `installation`, which is made if need be.
pub(super) async fn copy(
    store: &Store,
    installation: &Installation,
) -> Result<Copy, PostgresError> {
    let exclusive = {
        let store = store.clone();
        blocking(move || store.exclusive())
    };
    let exclusive = exclusive.await.map_err(|source| store.failed(source))?;
    store
        .sweep(&exclusive)
        .map_err(|source| store.failed(source))?;
    store.has_room(ROOM)?;
    let template = store.templates().join(name(installation));
    if !is_whole(&template) {
        initialise(store, &exclusive, installation, &template).await?;
    }
    let claim = store
        .claim(&exclusive)
        .map_err(|source| store.failed(source))?;
    let target = claim.folder.join("data");
    let copied = {
        let store = store.clone();
        blocking(move || {
            let password = fs::read_to_string(template.join(PASSWORD))?;
            copy_folder(&store, &template.join("data"), &target)?;
            Ok(password)
        })
    };
    let password = copied.await.map_err(|source| store.failed(source))?;
    Ok(Copy { claim, password })
}

/// A folder name for the template of `installation`.
fn name(installation: &Installation) -> String {
    let bin = installation.bin.to_string_lossy();
    let bin: String = bin
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() { c } else { '-' })
        .collect();
    format!("{}{bin}", installation.version)
}

async fn initialise(
    store: &Store,
    exclusive: &Exclusive,
    installation: &Installation,
    template: &Path,
) -> Result<(), PostgresError> {
    let failed = |source| store.failed(source);
    // In a claimed folder first, so that what a crash leaves of it is swept.
    let claim = store.claim(exclusive).map_err(failed)?;
    let password_file = claim.folder.join(PASSWORD);
    fs::write(&password_file, secret::password().map_err(failed)?).map_err(failed)?;
    store.give(&password_file).map_err(failed)?;
    initdb(store, installation, &claim.folder).await?;
    slim(store, installation, &claim.folder).await?;

    let size = size(&claim.folder.join("data")).map_err(failed)?;
    fs::write(claim.folder.join(SIZE), size).map_err(failed)?;
    match fs::remove_dir_all(template) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed(error)),
        _ => {}
    }
    fs::rename(&claim.folder, template).map_err(failed)?;
    claim.remove().map_err(failed)
}

async fn initdb(
    store: &Store,
    installation: &Installation,
    folder: &Path,
) -> Result<(), PostgresError> {
    let mut command = program(store, installation, "initdb", folder);
    command
        .arg("--pwfile")
        .arg(folder.join(PASSWORD))
        .args(["--username", USER, "--auth=password"])
        .args(["--encoding=UTF8", "--locale=C", "--wal-segsize=1"])
        .arg("--no-sync")
        .stdin(Stdio::null());
    run(command, b"")
        .await
        .map_err(|text| initdb_failed(installation, text))
}

/// Drops the two databases that only serve to create others: the copy then takes a third.
async fn slim(
    store: &Store,
    installation: &Installation,
    folder: &Path,
) -> Result<(), PostgresError> {
    let mut command = program(store, installation, "postgres", folder);
    command.arg("--single").args(["-c", "fsync=off"]);
    command.arg("postgres").stdin(Stdio::piped());
    let statements = b"UPDATE pg_database SET datistemplate = false;\n\
          DROP DATABASE template0;\n\
          DROP DATABASE template1;\n";
    run(command, statements)
        .await
        .map_err(|text| initdb_failed(installation, text))
}

/// A program of `installation` on the data in `folder`, run by the account.
fn program(store: &Store, installation: &Installation, name: &str, folder: &Path) -> Command {
    let mut command = Command::new(installation.bin.join(name));
    // `--single` must be first; a variable leaves the arguments alone.
    keep_outside(&mut command)
        .env("PGDATA", folder.join("data"))
        .env("LC_ALL", "C")
        .current_dir(folder)
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    if let Some(account) = store.account {
        command.uid(account.uid).gid(account.gid);
    }
    command
}

/// Runs `command` with `input`; where it fails, what it said. Given up, it ends with what it has started: nobody goes
/// on writing to a folder that is not claimed any more.
async fn run(mut command: Command, input: &[u8]) -> Result<(), String> {
    let output = async {
        let mut child = orphans::spawn(&mut command)?;
        let mut group = Group(child.id().and_then(|id| Pid::from_raw(id.cast_signed())));
        if let Some(mut stdin) = child.stdin.take() {
            stdin.write_all(input).await?;
        }
        let mut said = Vec::new();
        if let Some(mut stderr) = child.stderr.take() {
            stderr.read_to_end(&mut said).await?;
        }
        let status = child.wait().await?;
        group.ended();
        Ok::<_, io::Error>((status, said))
    };
    let (status, said) = output.await.map_err(|error| error.to_string())?;
    if status.success() {
        return Ok(());
    }
    let text = String::from_utf8_lossy(&said);
    Err(format!("{status}\n{}", text.trim()))
}

/// A process group whose leader has not been waited for, so that its number is still its own. Killed when dropped.
struct Group(Option<Pid>);

impl Group {
    /// Its leader has been waited for.
    fn ended(&mut self) {
        if let Some(leader) = self.0.take() {
            orphans::forget(leader);
        }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(leader) = self.0 {
            // All of it may have ended.
            let _ = kill_process_group(leader, Signal::KILL);
            orphans::forget(leader);
        }
    }
}

fn initdb_failed(installation: &Installation, text: String) -> PostgresError {
    PostgresError::Initdb {
        bin: installation.bin.clone(),
        text,
    }
}

/// Whether `template` is as large as it was when it was made.
fn is_whole(template: &Path) -> bool {
    let expected = fs::read_to_string(template.join(SIZE));
    let actual = size(&template.join("data"));
    matches!((expected, actual), (Ok(expected), Ok(actual)) if expected == actual)
}

/// Entries and bytes in `folder`, as text.
fn size(folder: &Path) -> io::Result<String> {
    let (mut entries, mut bytes) = (0_u64, 0);
    walk(folder, &mut |_, metadata| {
        entries += 1;
        bytes += if metadata.is_file() {
            metadata.len()
        } else {
            0
        };
        Ok(())
    })?;
    Ok(format!("{entries} entries, {bytes} bytes"))
}

/// Copies `from` to `to` and gives the copy to the account.
fn copy_folder(store: &Store, from: &Path, to: &Path) -> io::Result<()> {
    walk(from, &mut |path, metadata| {
        let copy = path
            .strip_prefix(from)
            .map_or_else(|_| to.to_owned(), |path| to.join(path));
        if metadata.is_dir() {
            fs::create_dir(&copy)?;
            fs::set_permissions(&copy, metadata.permissions())?;
        } else {
            fs::copy(path, &copy)?;
        }
        store.give(&copy)
    })
}

/// Shows `folder` and all below it to `visit`, each folder before what is in it.
fn walk(
    folder: &Path,
    visit: &mut impl FnMut(&Path, &fs::Metadata) -> io::Result<()>,
) -> io::Result<()> {
    visit(folder, &fs::symlink_metadata(folder)?)?;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let metadata = entry.metadata()?;
        if metadata.is_dir() {
            walk(&entry.path(), visit)?;
        } else {
            visit(&entry.path(), &metadata)?;
        }
    }
    Ok(())
}

/// Runs `work`, which waits for the disk, where it holds up nobody.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    tokio::task::spawn_blocking(work)
        .await
        .unwrap_or_else(|gone| Err(io::Error::other(gone)))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    /// Whether a process runs; one that nobody waits for does not.
    fn runs(pid: &str) -> bool {
        let ps = std::process::Command::new("ps")
            .args(["-o", "stat=", "-p", pid])
            .output()
            .unwrap();
        let state = String::from_utf8_lossy(&ps.stdout).trim().to_owned();
        !state.is_empty() && !state.starts_with('Z')
    }

    #[tokio::test]
    async fn what_is_given_up_ends_with_what_it_has_started() {
        let folder = tempfile::tempdir().unwrap();
        let started = folder.path().join("started");
        let mut command = Command::new("sh");
        command
            .args(["-c", "sleep 600 & echo $! >part && mv part started; wait"])
            .current_dir(folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        let look = Duration::from_millis(10);
        let is_there = async {
            while !started.exists() {
                tokio::time::sleep(look).await;
            }
        };
        tokio::select! {
            ended = run(command, b"") => panic!("{ended:?}"),
            () = is_there => {}
        }
        let pid = fs::read_to_string(&started).unwrap();
        let mut looks = 0..3000;
        while runs(pid.trim()) {
            assert!(looks.next().is_some(), "it goes on");
            tokio::time::sleep(look).await;
        }
    }
}
