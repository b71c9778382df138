//! Builds the services, the participant's code among them, with cargo. Only what this build made is
//! ever run: where it fails, there is no executable to return.

use std::{
    collections::BTreeMap,
    ffi::OsString,
    io::{self, Write},
    os::unix::process::ExitStatusExt,
    path::{Path, PathBuf},
    process::{ExitStatus, Stdio},
};

use lab_say::note;
use serde::Deserialize;
use tokio::process::Command;

use crate::limits::room;

/// Why there is no executable.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// The workspace is nowhere above the current folder.
    #[error(
        "no workspace with `lab-services` in {} or above; run this inside the workshop's folder",
        .0.display()
    )]
    NoWorkspace(PathBuf),
    /// Cargo itself can't be run.
    #[error("cannot run cargo: {0}; install Rust from https://rustup.rs and open a new terminal")]
    NoCargo(io::Error),
    /// The code does not compile.
    #[error(
        "the services do not compile ({0}); the compiler's message is above. Nothing was started: \
         fix the code and run again"
    )]
    DoesNotCompile(ExitStatus),
    /// No build has one text.
    #[error(
        "a file in {CASES} was saved during each of {BUILDS} builds in a row, so that nobody could say which text \
         was compiled; stop what saves it and run again"
    )]
    Restless,
    /// Cargo was ended by somebody.
    #[error(
        "the build was ended by signal {0}; nothing was started. If you didn't do it the machine lacks memory: \
         close something and run again"
    )]
    Stopped(i32),
    /// There is no place for what is built.
    #[error(
        "cannot write to {}, where the services are built: {why}; make it yours with `chown` or `chmod`, or make \
         room with `cargo clean`",
        folder.display()
    )]
    Unwritable {
        /// The folder.
        folder: PathBuf,
        /// What the system says.
        why: io::Error,
    },
    /// There is hardly any: a compiler or linker that finds none says anything, and leaves room when it is gone.
    #[error(
        "the services were not built ({status}). Look at the message above, and at the disk: {} has room for {} MiB \
         only, which may be all that is wrong; make room, with `cargo clean` if need be, and run again",
        folder.display(), room / MIB
    )]
    Cramped {
        /// The folder of what is built.
        folder: PathBuf,
        /// Bytes that can be written there.
        room: u64,
        /// How cargo ended.
        status: ExitStatus,
    },
    /// Cargo did not come to the code.
    #[error("cargo does not build the services ({0}); its message is above. Nothing was started")]
    NotBuilt(ExitStatus),
    /// Cargo said that it went well, but named no executable.
    #[error("cargo built the services but named no executable `{0}`; is the [[bin]] still there?")]
    NoExecutable(&'static str),
}

/// The part of cargo's messages that names an executable.
#[derive(Deserialize)]
struct Message {
    reason: String,
    target: Option<Target>,
    executable: Option<PathBuf>,
}

#[derive(Deserialize)]
struct Target {
    name: String,
    kind: Vec<String>,
}

/// What participants edit.
const CASES: &str = "lab-services/src/cases";

/// Builds after which nobody waits for a text that stays.
const BUILDS: usize = 3;

const MIB: u64 = 1 << 20;

/// A build of the services with the parts it makes on the way takes less.
const ENOUGH_ROOM: u64 = 100 * MIB;

/// Said after the last crate, whether or not it compiles.
const FINISHED: &str = "build-finished";

/// Name of the services' executable.
const BINARY: &str = "lab";

/// The folder of the workspace: the nearest one at or above the current folder, else where this
/// program was built.
pub fn workspace_root() -> Result<PathBuf, BuildError> {
    let here = std::env::current_dir().unwrap_or_default();
    let built = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.ancestors()
        .chain(built.ancestors())
        .find(|folder| folder.join("lab-services/Cargo.toml").is_file())
        .map(Path::to_owned)
        .ok_or(BuildError::NoWorkspace(here))
}

/// Builds the services of the workspace at `root` and returns their executable. Progress and the
/// compiler's messages go to the terminal, as cargo shows them.
///
/// A case that is saved while it is being compiled is compiled once more. So what runs is the text that was there
/// when the build ended, and what the services have compiled in as its text (`/debug/code`) is what was compiled: the
/// compiler reads a file once for each of the two.
pub async fn build(root: &Path, cheats: bool) -> Result<PathBuf, BuildError> {
    for _ in 0..BUILDS {
        let before = texts(root);
        let executable = compile(root, cheats).await?;
        if texts(root) == before {
            return Ok(executable);
        }
        note!("  A case was saved while it was being compiled: building once more.");
    }
    Err(BuildError::Restless)
}

/// The participants' files and what stands in them.
fn texts(root: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let entries = std::fs::read_dir(root.join(CASES)).into_iter().flatten();
    entries
        .filter_map(|entry| {
            let path = entry.ok()?.path();
            let text = std::fs::read(&path).ok()?;
            Some((path, text))
        })
        .collect()
}

async fn compile(root: &Path, cheats: bool) -> Result<PathBuf, BuildError> {
    let mut command = Command::new(cargo());
    command
        .current_dir(root)
        // Without `-p`, so that cargo unites the features of all members, as it does for the driver
        // itself: one build of each dependency serves both.
        .args(["build", "--profile", "lab", "--bin", BINARY])
        .arg("--message-format=json-render-diagnostics")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        .kill_on_drop(true);
    if cheats {
        command.args(["--features", "lab-services/cheats"]);
    }
    let cargo = command.spawn().map_err(BuildError::NoCargo)?;
    let output = cargo
        .wait_with_output()
        .await
        .map_err(BuildError::NoCargo)?;
    if !output.status.success() {
        return Err(failed(root, output.status, &output.stdout).await);
    }
    executable(&output.stdout).ok_or(BuildError::NoExecutable(BINARY))
}

/// Why cargo failed.
async fn failed(root: &Path, status: ExitStatus, messages: &[u8]) -> BuildError {
    if let Some(signal) = status.signal() {
        return BuildError::Stopped(signal);
    }
    if let Some(folder) = target_folder(root).await {
        if let Err(why) = writable(&folder) {
            return BuildError::Unwritable { folder, why };
        }
        if let Ok(room) = room(&folder)
            && room < ENOUGH_ROOM
        {
            return BuildError::Cramped {
                folder,
                room,
                status,
            };
        }
    }
    let compiled = |line| {
        serde_json::from_slice::<Message>(line).is_ok_and(|message| message.reason == FINISHED)
    };
    if messages.split(|byte| *byte == b'\n').any(compiled) {
        BuildError::DoesNotCompile(status)
    } else {
        BuildError::NotBuilt(status)
    }
}

/// Where cargo puts what it builds in this profile, or would make that folder.
async fn target_folder(root: &Path) -> Option<PathBuf> {
    #[derive(Deserialize)]
    struct Metadata {
        target_directory: PathBuf,
    }
    let mut command = Command::new(cargo());
    command
        .current_dir(root)
        .args([
            "metadata",
            "--no-deps",
            "--format-version",
            "1",
            "--offline",
        ])
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true);
    let output = command.output().await.ok()?;
    let metadata: Metadata = serde_json::from_slice(&output.stdout).ok()?;
    let folder = metadata.target_directory.join("lab");
    let there = folder.ancestors().find(|folder| folder.is_dir());
    there.map(Path::to_owned)
}

/// Whether something can be written to `folder`, and kept there.
fn writable(folder: &Path) -> io::Result<()> {
    let mut file = tempfile::tempfile_in(folder)?;
    file.write_all(&[0; 16 * 1024])?;
    file.sync_all()
}

/// The cargo that runs this program, so that both use one toolchain; else the one of the `PATH`.
pub(crate) fn cargo() -> OsString {
    std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into())
}

/// The executable that cargo's messages name.
fn executable(messages: &[u8]) -> Option<PathBuf> {
    messages
        .split(|byte| *byte == b'\n')
        .filter_map(|line| serde_json::from_slice::<Message>(line).ok())
        .filter(|message| {
            message
                .target
                .as_ref()
                .is_some_and(|target| target.name == BINARY && target.kind == ["bin"])
        })
        .find_map(|message| message.executable)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_executable_is_the_one_that_cargo_names() {
        let messages = concat!(
            r#"{"reason":"compiler-artifact","target":{"kind":["lib"],"name":"lab_services"},"executable":null}"#,
            "\n",
            r#"{"reason":"compiler-artifact","target":{"kind":["bin"],"name":"lab"},"executable":"/t/lab/lab"}"#,
            "\n",
            r#"{"reason":"build-finished","success":true}"#,
            "\n",
        );
        assert_eq!(
            executable(messages.as_bytes()),
            Some(PathBuf::from("/t/lab/lab"))
        );
        assert_eq!(executable(br#"{"reason":"build-finished"}"#), None);
    }

    /// A workspace of one package that looks like ours and has no dependencies.
    fn workspace(main: &str) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        let package = root.path().join("lab-services");
        std::fs::create_dir_all(package.join("src")).unwrap();
        std::fs::write(
            root.path().join("Cargo.toml"),
            "[workspace]\nmembers = [\"lab-services\"]\nresolver = \"3\"\n\
             [profile.lab]\ninherits = \"dev\"\n",
        )
        .unwrap();
        std::fs::write(
            package.join("Cargo.toml"),
            "[package]\nname = \"lab-services\"\nversion = \"0.0.0\"\nedition = \"2024\"\n\
             [[bin]]\nname = \"lab\"\npath = \"src/main.rs\"\n",
        )
        .unwrap();
        std::fs::write(package.join("src/main.rs"), main).unwrap();
        root
    }

    /// The same with a case, and a compiler that has it saved after it has read it, for so many builds.
    fn saved_meanwhile(builds: usize) -> tempfile::TempDir {
        let root = workspace("fn main() { print!(\"{}\", include_str!(\"cases/case.rs\")); }");
        let path = |name: &str| root.path().join(name);
        std::fs::create_dir(path("lab-services/src/cases")).unwrap();
        std::fs::write(path("lab-services/src/cases/case.rs"), "0").unwrap();
        let script = format!(
            "#!/bin/sh\n\"$@\" || exit\ncase \"$*\" in *'--crate-name lab '*)\n\
             case={0}/lab-services/src/cases/case.rs\n\
             read -r saves <\"$case\"\n[ \"$saves\" -lt {builds} ] && echo $((saves + 1)) >\"$case\"\n\
             esac\nexit 0\n",
            root.path().display()
        );
        std::fs::write(path("script"), script).unwrap();
        // By another process: what a test beside this one forks would hold it open, and such a file can't be run.
        let made = std::process::Command::new("sh")
            .args(["-c", "cp script rustc.sh && chmod +x rustc.sh"])
            .current_dir(root.path())
            .status();
        assert!(made.unwrap().success());
        std::fs::create_dir(path(".cargo")).unwrap();
        let wrapper = format!("build.rustc-wrapper = \"{}\"\n", path("rustc.sh").display());
        std::fs::write(path(".cargo/config.toml"), wrapper).unwrap();
        root
    }

    #[tokio::test]
    async fn a_case_saved_while_it_is_compiled_is_compiled_again() {
        let root = saved_meanwhile(1);
        let executable = build(root.path(), false).await.unwrap();
        let ran = Command::new(executable).output().await.unwrap();
        assert_eq!(String::from_utf8_lossy(&ran.stdout), "1\n");

        let error = build(saved_meanwhile(9).path(), false).await.unwrap_err();
        assert!(matches!(error, BuildError::Restless), "{error}");
    }

    #[tokio::test]
    async fn code_that_does_not_compile_gives_no_executable_not_even_the_last_one() {
        let root = workspace("fn main() {}");
        let built = build(root.path(), false).await.unwrap();
        assert!(built.is_file());
        std::fs::write(
            root.path().join("lab-services/src/main.rs"),
            "fn main() { let x: u8 = \"not a number\"; }",
        )
        .unwrap();
        let error = build(root.path(), false).await.unwrap_err();
        assert!(matches!(error, BuildError::DoesNotCompile(_)), "{error}");
    }

    #[tokio::test]
    async fn a_build_that_is_stopped_or_never_comes_to_the_code_does_not_blame_it() {
        use std::process::Command as Plain;
        let root = workspace("fn main() {}");
        let ended = |script: &str| Plain::new("sh").args(["-c", script]).status().unwrap();
        let error = failed(root.path(), ended("kill -TERM $$"), b"").await;
        assert!(matches!(error, BuildError::Stopped(15)), "{error}");
        let finished = br#"{"reason":"build-finished","success":false}"#;
        let error = failed(root.path(), ended("exit 101"), finished).await;
        assert!(matches!(error, BuildError::DoesNotCompile(_)), "{error}");

        std::fs::write(root.path().join("Cargo.toml"), "[workspace").unwrap();
        let error = build(root.path(), false).await.unwrap_err();
        assert!(matches!(error, BuildError::NotBuilt(_)), "{error}");
    }

    #[tokio::test]
    async fn a_place_that_takes_nothing_is_named() {
        let root = workspace("fn main() {}");
        // A file where the folder should be keeps root out, too.
        let folder = root.path().join("target");
        assert_eq!(
            target_folder(root.path()).await.unwrap(),
            root.path().canonicalize().unwrap()
        );
        std::fs::create_dir_all(folder.join("lab")).unwrap();
        assert!(
            target_folder(root.path())
                .await
                .unwrap()
                .ends_with("target/lab")
        );
        assert!(room(root.path()).is_ok_and(|room| room > 0));
        let error = writable(Path::new("/proc")).unwrap_err();
        let named = BuildError::Unwritable { folder, why: error }.to_string();
        assert!(named.contains("target"), "{named}");
    }
}
