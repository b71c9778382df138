//! Finds PostgreSQL's server programs: on the `PATH`, and where Debian, Fedora, openSUSE, Alpine,
//! Homebrew, MacPorts and Postgres.app put them without adding them to it.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

/// The oldest version that the scenarios are known to run on.
const OLDEST: u32 = 14;

/// How to get PostgreSQL here: the way of this system, by its `/etc/os-release`, where that says which one it is.
pub(super) fn remedy() -> String {
    let release = std::fs::read_to_string("/etc/os-release").unwrap_or_default();
    if cfg!(target_os = "macos") {
        "install PostgreSQL with `brew install postgresql@17` or from https://postgresapp.com"
            .to_owned()
    } else {
        format!("install PostgreSQL's server: {}", way_of(&release))
    }
}

/// How each family of systems installs the server's programs; the name of the system it is by `ID` or `ID_LIKE`, see
/// os-release(5).
const WAYS: &[(&str, &str, &str)] = &[
    ("debian", "Debian, Ubuntu", "sudo apt install postgresql"),
    ("fedora", "Fedora", "sudo dnf install postgresql-server"),
    ("rhel", "RHEL", "sudo dnf install postgresql-server"),
    ("arch", "Arch", "sudo pacman -S postgresql"),
    ("alpine", "Alpine", "sudo apk add postgresql"),
    ("suse", "openSUSE", "sudo zypper install postgresql-server"),
    ("nixos", "NixOS", "nix-shell -p postgresql"),
];

fn way_of(release: &str) -> String {
    let value = |key: &str| {
        let of_key = |line: &str| {
            Some(
                line.strip_prefix(key)?
                    .strip_prefix('=')?
                    .trim_matches(['"', '\''])
                    .to_owned(),
            )
        };
        release.lines().find_map(of_key).unwrap_or_default()
    };
    let names = format!("{} {}", value("ID"), value("ID_LIKE"));
    // openSUSE calls itself `opensuse-leap` and like `suse`.
    let its_own = names
        .split(' ')
        .find_map(|name| WAYS.iter().find(|(family, ..)| *family == name));
    if let Some((_, _, way)) = its_own {
        return format!("`{way}`");
    }
    let ways = WAYS.iter().filter(|(family, ..)| *family != "rhel");
    let ways: Vec<String> = ways
        .map(|(_, system, way)| format!("`{way}` ({system})"))
        .collect();
    ways.join(", ")
}

/// Folders of versions: the parent, how a version's name starts, and where its programs are.
const PLACES: &[(&str, &str, &str)] = &[
    ("usr/lib/postgresql", "", "bin"),
    ("usr", "pgsql-", "bin"),
    ("usr", "bin", ""),
    ("usr/lib", "postgresql", "bin"),
    ("usr/libexec", "postgresql", ""),
    ("opt/homebrew/opt", "postgresql", "bin"),
    ("usr/local/opt", "postgresql", "bin"),
    ("home/linuxbrew/.linuxbrew/opt", "postgresql", "bin"),
    ("opt/local/lib", "postgresql", "bin"),
    ("Applications/Postgres.app/Contents/Versions", "", "bin"),
];

/// A PostgreSQL that can be started.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::platform::local) struct Installation {
    /// Folder with `postgres` and `initdb`.
    pub(in crate::platform::local) bin: PathBuf,
    /// Its version, e.g. `15.18`.
    pub(in crate::platform::local) version: String,
}

/// Why no PostgreSQL can be started.
#[derive(Debug, thiserror::Error)]
pub enum FindError {
    /// There is none.
    #[error(
        "PostgreSQL is not installed: {}; or set DATABASE_URL to a server where you may \
         create databases. Only `tx` needs it",
        remedy()
    )]
    None,
    /// Only ones that are too old.
    #[error("{found} is too old, {OLDEST} or newer is needed: {}", remedy())]
    TooOld {
        /// The newest one.
        found: String,
    },
}

/// The installation of the `PATH` if it is new enough, else the newest of the known places.
pub(in crate::platform::local) fn find() -> Result<Installation, FindError> {
    let on_path = which::which("postgres").ok().into_iter();
    let on_path = on_path.filter_map(|program| {
        // A link in the PATH leads to the folder that has the other programs, too.
        let program = program.canonicalize().ok()?;
        Some(program.parent()?.to_owned())
    });
    let first = on_path.filter_map(|bin| installation(&bin)).collect();
    let others = || {
        candidates(Path::new("/"))
            .iter()
            .filter_map(|bin| installation(bin))
            .collect()
    };
    choose(first, others)
}

fn choose(
    on_path: Vec<Installation>,
    elsewhere: impl FnOnce() -> Vec<Installation>,
) -> Result<Installation, FindError> {
    if let Some(found) = on_path.iter().find(|found| major(&found.version) >= OLDEST) {
        return Ok(found.clone());
    }
    let all = on_path.into_iter().chain(elsewhere());
    match all.max_by_key(|found| numbers(&found.version)) {
        None => Err(FindError::None),
        Some(newest) if major(&newest.version) >= OLDEST => Ok(newest),
        Some(old) => Err(FindError::TooOld {
            found: format!("PostgreSQL {} in {}", old.version, old.bin.display()),
        }),
    }
}

/// Folders below `root` that may have the programs.
fn candidates(root: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for (parent, prefix, bin) in PLACES {
        let Ok(versions) = root.join(parent).read_dir() else {
            continue;
        };
        let versions = versions.filter_map(Result::ok).filter(|version| {
            let name = version.file_name();
            name.to_string_lossy().starts_with(prefix)
        });
        found.extend(versions.map(|version| version.path().join(bin)));
    }
    found.retain(|bin| bin.join("postgres").is_file() && bin.join("initdb").is_file());
    found
}

/// What is in `bin`, if it runs.
fn installation(bin: &Path) -> Option<Installation> {
    if !bin.join("initdb").is_file() {
        return None;
    }
    let output = Command::new(bin.join("postgres"))
        .arg("--version")
        .output()
        .ok()?;
    let version = parse_version(&String::from_utf8_lossy(&output.stdout))?;
    Some(Installation {
        bin: bin.to_owned(),
        version,
    })
}

/// The version in a line like `postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)`.
fn parse_version(line: &str) -> Option<String> {
    let version = line.split_once("(PostgreSQL) ")?.1;
    let version = version.split_whitespace().next()?;
    (major(version) > 0).then(|| version.to_owned())
}

fn major(version: &str) -> u32 {
    numbers(version).first().copied().unwrap_or_default()
}

/// The numbers of a version, for comparing; `18beta1` counts as 18.
fn numbers(version: &str) -> Vec<u32> {
    version
        .split('.')
        .map(|part| {
            let end = part.find(|c: char| !c.is_ascii_digit());
            part[..end.unwrap_or(part.len())].parse().unwrap_or(0)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_as_each_packager_writes_them() {
        for (line, version) in [
            (
                "postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)\n",
                "15.18",
            ),
            ("postgres (PostgreSQL) 17.5 (Homebrew)\n", "17.5"),
            ("postgres (PostgreSQL) 18beta1\n", "18beta1"),
        ] {
            assert_eq!(parse_version(line).as_deref(), Some(version));
        }
        assert_eq!(parse_version("pg_ctl: no server"), None);
        assert_eq!(major("18beta1"), 18);
    }

    fn at(bin: &str, version: &str) -> Installation {
        Installation {
            bin: bin.into(),
            version: version.to_owned(),
        }
    }

    #[test]
    fn the_one_of_the_path_wins_unless_it_is_too_old() {
        let elsewhere = || vec![at("/b", "16.3"), at("/c", "9.6.24"), at("/d", "16.11")];
        let found = choose(vec![at("/a", "15.1")], elsewhere).unwrap();
        assert_eq!(found.bin, Path::new("/a"));
        let found = choose(vec![at("/a", "13.1")], elsewhere).unwrap();
        assert_eq!(found.bin, Path::new("/d"));
    }

    #[test]
    fn what_is_missing_is_named_with_the_remedy() {
        let none = choose(vec![], Vec::new).unwrap_err().to_string();
        assert!(none.contains("install") && none.contains("DATABASE_URL"));
        let old = choose(vec![at("/a", "9.6.24")], Vec::new).unwrap_err();
        let old = old.to_string();
        assert!(old.starts_with("PostgreSQL 9.6.24 in /a is too old, 14 or newer"));
    }

    #[test]
    fn the_remedy_is_that_of_the_system() {
        for (release, way) in [
            (
                "PRETTY_NAME=\"Debian\"\nID=debian\n",
                "`sudo apt install postgresql`",
            ),
            (
                "ID=linuxmint\nID_LIKE=\"ubuntu debian\"\n",
                "`sudo apt install postgresql`",
            ),
            (
                "ID=\"rocky\"\nID_LIKE=\"rhel centos fedora\"\n",
                "`sudo dnf install postgresql-server`",
            ),
            ("ID=manjaro\nID_LIKE=arch\n", "`sudo pacman -S postgresql`"),
            ("ID=alpine\n", "`sudo apk add postgresql`"),
            (
                "ID=\"opensuse-leap\"\nID_LIKE=\"suse opensuse\"\n",
                "`sudo zypper install postgresql-server`",
            ),
            ("ID=nixos\n", "`nix-shell -p postgresql`"),
        ] {
            assert_eq!(way_of(release), way, "{release}");
        }
        let all = way_of("ID=plan9\n");
        assert!(
            all.contains("(Debian, Ubuntu), ") && all.contains("(NixOS)"),
            "{all}"
        );
    }

    #[test]
    fn every_known_place_is_looked_at() {
        let root = tempfile::tempdir().unwrap();
        let places = [
            "usr/lib/postgresql/15/bin",
            "usr/pgsql-16/bin",
            "usr/bin",
            "usr/lib/postgresql16/bin",
            "usr/libexec/postgresql17",
            "opt/homebrew/opt/postgresql@17/bin",
            "usr/local/opt/postgresql@14/bin",
            "home/linuxbrew/.linuxbrew/opt/postgresql@17/bin",
            "opt/local/lib/postgresql16/bin",
            "Applications/Postgres.app/Contents/Versions/17/bin",
        ]
        .map(|place| root.path().join(place));
        for bin in &places {
            std::fs::create_dir_all(bin).unwrap();
            std::fs::write(bin.join("postgres"), "").unwrap();
            std::fs::write(bin.join("initdb"), "").unwrap();
        }
        let client_only = root.path().join("usr/lib/postgresql/16/bin");
        std::fs::create_dir_all(client_only).unwrap();
        let mut found = candidates(root.path());
        found.sort();
        let mut places = places.to_vec();
        places.sort();
        assert_eq!(found, places);
    }
}
