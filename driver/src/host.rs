//! Facts about this machine and the parts that ran, for reports.

use std::{collections::BTreeMap, path::Path, process::Command};

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

/// Versions of the driver, the compiler and the project; what can't be told is missing.
pub fn versions(root: &Path) -> BTreeMap<String, String> {
    let mut versions = BTreeMap::new();
    versions.insert("driver".to_owned(), env!("CARGO_PKG_VERSION").to_owned());
    let tell = |program: &str, arguments: &[&str]| {
        let output = Command::new(program)
            .args(arguments)
            .current_dir(root)
            .output()
            .ok()?;
        let text = String::from_utf8(output.stdout).ok()?;
        (output.status.success() && !text.trim().is_empty()).then(|| text.trim().to_owned())
    };
    let found = [
        ("rustc", tell("rustc", &["--version"])),
        ("commit", tell("git", &["describe", "--always", "--dirty"])),
    ];
    versions.extend(
        found
            .into_iter()
            .filter_map(|(name, text)| Some((name.to_owned(), text?))),
    );
    versions
}
