//! What a server keeps outside of the project for as long as it lives. It holds a lock on each, so
//! that a later one can tell what a killed one has left, and removes it.

use std::{
    fs::{self, File},
    io,
    os::unix::fs::{MetadataExt, PermissionsExt},
    path::Path,
};

use rustix::process::getuid;
use tempfile::{Builder, NamedTempFile, TempDir};

/// A folder of this server's own, which nobody else can open. It goes with this.
pub(crate) struct Folder {
    folder: TempDir,
    /// Unlocked by its end, or by the process's.
    _lock: File,
}

impl Folder {
    /// One below `place`, with a name that begins with `prefix`. First those that were left there
    /// are removed.
    pub(crate) fn below(place: &Path, prefix: &str) -> io::Result<Self> {
        sweep(place, prefix);
        loop {
            let folder = Builder::new()
                .prefix(prefix)
                .permissions(fs::Permissions::from_mode(0o700))
                .tempdir_in(place)?;
            // Another server that starts now may sweep it away before it is locked.
            let lock = match File::open(folder.path()) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                opened => opened?,
            };
            // Where the system can't lock, nothing is ever taken for left behind.
            let _ = lock.lock();
            if is_still(&lock, folder.path()) {
                return Ok(Self {
                    folder,
                    _lock: lock,
                });
            }
        }
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }
}

/// A file that only this user can read. It goes with this.
pub(crate) fn file(place: &Path, prefix: &str, suffix: &str) -> io::Result<NamedTempFile> {
    sweep(place, prefix);
    loop {
        let file = Builder::new()
            .prefix(prefix)
            .suffix(suffix)
            .tempfile_in(place)?;
        let _ = file.as_file().lock();
        if is_still(file.as_file(), file.path()) {
            return Ok(file);
        }
    }
}

/// Removes what servers that are gone have left below `place`. What can't be removed is left alone.
fn sweep(place: &Path, prefix: &str) {
    let entries = fs::read_dir(place).into_iter().flatten().flatten();
    for entry in entries {
        let name = entry.file_name();
        if name.as_encoded_bytes().starts_with(prefix.as_bytes()) {
            let _ = remove_if_left(&entry.path());
        }
    }
}

fn remove_if_left(path: &Path) -> io::Result<()> {
    let found = fs::symlink_metadata(path)?;
    let is_plain = found.is_dir() || found.is_file();
    // Anybody may put something of such a name into the system's folder.
    if !is_plain || found.uid() != getuid().as_raw() {
        return Ok(());
    }
    let lock = File::open(path)?;
    // Its server lives, or the system can't lock.
    lock.try_lock()?;
    if found.is_dir() {
        fs::remove_dir_all(path)
    } else {
        fs::remove_file(path)
    }
}

/// Whether `path` is what was opened.
fn is_still(opened: &File, path: &Path) -> bool {
    let known =
        |found: io::Result<fs::Metadata>| found.map(|found| (found.dev(), found.ino())).ok();
    let opened = known(opened.metadata());
    opened.is_some() && opened == known(fs::symlink_metadata(path))
}

#[cfg(test)]
mod tests {
    use std::{os::unix::fs::symlink, thread};

    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn nobody_else_can_open_it() {
        let place = tempfile::tempdir().unwrap();
        let folder = Folder::below(place.path(), "guide-").unwrap();
        assert_eq!(mode(folder.path()), 0o700);
        let file = file(place.path(), "open-", ".html").unwrap();
        assert_eq!(mode(file.path()), 0o600);
    }

    #[test]
    fn what_is_left_is_swept_and_what_is_in_use_is_not() {
        let place = tempfile::tempdir().unwrap();
        let used = Folder::below(place.path(), "guide-").unwrap();
        fs::create_dir_all(place.path().join("guide-left/book")).unwrap();
        fs::write(place.path().join("guide-left/book/index.html"), "").unwrap();
        fs::write(place.path().join("guide-file"), "").unwrap();
        fs::create_dir(place.path().join("other")).unwrap();
        let outside = tempfile::tempdir().unwrap();
        fs::write(outside.path().join("kept"), "").unwrap();
        symlink(outside.path(), place.path().join("guide-link")).unwrap();

        let new = Folder::below(place.path(), "guide-").unwrap();
        let mut left: Vec<_> = fs::read_dir(place.path())
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .collect();
        left.sort();
        let mut wanted = [used.path(), new.path()].map(Path::to_owned).to_vec();
        wanted.extend(["guide-link", "other"].map(|name| place.path().join(name)));
        wanted.sort();
        assert_eq!(left, wanted);
        assert!(outside.path().join("kept").exists());
    }

    #[test]
    fn servers_that_start_at_once_each_have_one() {
        let place = tempfile::tempdir().unwrap();
        thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    for _ in 0..100 {
                        let folder = Folder::below(place.path(), "guide-").unwrap();
                        assert!(folder.path().exists());
                    }
                });
            }
        });
    }

    #[test]
    fn it_goes_with_its_holder() {
        let place = tempfile::tempdir().unwrap();
        drop(Folder::below(place.path(), "guide-").unwrap());
        drop(file(place.path(), "open-", ".html").unwrap());
        assert_eq!(fs::read_dir(place.path()).unwrap().count(), 0);
    }
}
