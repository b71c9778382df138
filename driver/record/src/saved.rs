//! The texts of participants that were taken from their edit points: where they lie, and since when.

use std::{
    collections::BTreeSet,
    fs, io,
    path::{Path, PathBuf},
};

use jiff::{Timestamp, civil::DateTime, tz::TimeZone};

/// How the folder of one time is named, UTC; `-2` and so on follow where there are several of one moment.
pub const TIME: &str = "%Y%m%dT%H%M%S%.3fZ";

/// What was taken from the edit point `file`, and when. It lies in the project's folder, or beside the edit point where
/// that is on another file system. The error names the folder that can't be read.
pub fn texts(root: &Path, file: &str) -> io::Result<Vec<(Timestamp, PathBuf)>> {
    let folders = [root.to_owned(), root.join(file).with_file_name("")];
    // Of an edit point in the project's own folder they are one.
    let bases: BTreeSet<PathBuf> = folders.map(|folder| folder.join(".lab/saved")).into();
    let mut found = Vec::new();
    for base in bases {
        for folder in entries(&base)? {
            let Some(at) = folder.file_name().and_then(|name| time(name.to_str()?)) else {
                continue;
            };
            let place = folder.join(file);
            let texts = entries(place.parent().unwrap_or(&folder))?.into_iter();
            let ours = texts.filter(|path| path.is_file() && is_of(path, &place));
            found.extend(ours.map(|path| (at, path)));
        }
    }
    Ok(found)
}

/// Whether it has that name, or that name and a number.
fn is_of(path: &Path, place: &Path) -> bool {
    let number = path
        .to_str()
        .zip(place.to_str())
        .and_then(|(path, place)| path.strip_prefix(place));
    number.is_some_and(|end| {
        end.is_empty()
            || end
                .strip_prefix('.')
                .is_some_and(|end| end.parse::<u32>().is_ok())
    })
}

/// What is in a folder; nothing where there is none.
fn entries(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let named = |error: io::Error| {
        io::Error::new(
            error.kind(),
            format!("can't read {}: {error}", folder.display()),
        )
    };
    match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        entries => entries
            .and_then(|entries| entries.map(|entry| Ok(entry?.path())).collect())
            .map_err(named),
    }
}

/// The time that a folder is named by; its number among those of one moment aside.
fn time(name: &str) -> Option<Timestamp> {
    let (time, _) = name.split_once('-').unwrap_or((name, ""));
    let time = DateTime::strptime(TIME, time).ok()?;
    Some(time.to_zoned(TimeZone::UTC).ok()?.timestamp())
}
