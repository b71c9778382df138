//! Facts about this machine and the parts that ran, for reports.

use std::{
    collections::BTreeMap,
    io::Read,
    path::Path,
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use lab_record::Host;

/// This machine.
pub fn host() -> Host {
    let kernel = rustix::system::uname()
        .release()
        .to_string_lossy()
        .into_owned();
    Host {
        os: std::env::consts::OS.to_owned(),
        arch: std::env::consts::ARCH.to_owned(),
        kernel,
        cores: std::thread::available_parallelism().map_or(1, usize::from),
    }
}

/// A run that is measured is not kept waiting by a program that hangs.
const TELLS_WITHIN: Duration = Duration::from_secs(5);

/// Versions of the driver, the compiler and the project; what can't be told is missing.
pub fn versions(root: &Path) -> BTreeMap<String, String> {
    let mut versions = BTreeMap::new();
    versions.insert("driver".to_owned(), env!("CARGO_PKG_VERSION").to_owned());
    let found = [
        ("rustc", tell(root, "rustc", &["--version"])),
        (
            "commit",
            tell(root, "git", &["describe", "--always", "--dirty"]),
        ),
    ];
    versions.extend(
        found
            .into_iter()
            .filter_map(|(name, text)| Some((name.to_owned(), text?))),
    );
    versions
}

/// What a program says in a line or two.
fn tell(root: &Path, program: &str, arguments: &[&str]) -> Option<String> {
    let mut child = Command::new(program)
        .args(arguments)
        .current_dir(root)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .ok()?;
    let deadline = Instant::now() + TELLS_WITHIN;
    let status = loop {
        match child.try_wait() {
            Ok(Some(status)) => break status,
            Ok(None) if Instant::now() < deadline => thread::sleep(Duration::from_millis(5)),
            _ => {
                let _ = child.kill();
                let _ = child.wait();
                return None;
            }
        }
    };
    let mut text = String::new();
    child.stdout?.read_to_string(&mut text).ok()?;
    (status.success() && !text.trim().is_empty()).then(|| text.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_that_hangs_is_not_waited_for() {
        let here = Path::new(".");
        assert_eq!(tell(here, "echo", &["1.0"]).as_deref(), Some("1.0"));
        assert_eq!(tell(here, "no-such-program", &[]), None);
        let begun = Instant::now();
        assert_eq!(tell(here, "sleep", &["600"]), None);
        assert!(begun.elapsed() < Duration::from_mins(5));
    }
}
