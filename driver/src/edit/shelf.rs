//! `.lab/saved/`: a folder for each time at which texts were taken away, and the last one of the project's own that
//! was, since an editor may have it open and still write to it.

use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use jiff::{Timestamp, tz::TimeZone};

use lab_record::{file, saved::TIME};

/// Where texts go that are taken away.
pub(super) struct Shelf {
    /// `.lab/saved`, on the file system of the edit points.
    base: PathBuf,
    /// This time's folder, once it is needed. Nobody else puts anything there.
    folder: Option<PathBuf>,
}

impl Shelf {
    pub(super) fn of(root: &Path) -> Self {
        Self {
            base: root.join(".lab/saved"),
            folder: None,
        }
    }

    /// Renames `target`, which no text that anybody writes to it can escape; none where it is missing.
    pub(super) fn take(&mut self, target: &Path, file: &str) -> Result<Option<PathBuf>> {
        let place = self.free(file)?;
        match fs::rename(target, &place) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                self.tidy(&place);
                Ok(None)
            }
            // Nothing can be renamed to another file system; beside the edit point is the same one.
            Err(error) if error.kind() == io::ErrorKind::CrossesDevices => {
                let beside = target.with_file_name(".lab").join("saved");
                if self.base == beside {
                    return Err(error)
                        .with_context(|| format!("can't rename {}", target.display()));
                }
                self.tidy(&place);
                *self = Self {
                    base: beside,
                    folder: None,
                };
                self.take(target, file)
            }
            renamed => {
                renamed.with_context(|| {
                    format!("can't rename {} to {}", target.display(), place.display())
                })?;
                sync(&place);
                Ok(Some(place))
            }
        }
    }

    /// Decides on a text that was taken away: one that is `known` is kept until the next one is, any other for good.
    /// Gives what is kept for good, also of the one before.
    pub(super) fn sort(
        &mut self,
        file: &str,
        taken: &Path,
        known: &[&[u8]],
    ) -> Result<Vec<PathBuf>> {
        let is_known = |path: &Path| {
            let text = fs::read(path).with_context(|| format!("can't read {}", path.display()))?;
            Ok::<_, anyhow::Error>(known.contains(&&*text))
        };
        if !is_known(taken)? {
            return Ok(vec![taken.to_owned()]);
        }
        let last = self.base.join("replaced").join(file);
        let mut kept = Vec::new();
        if last.exists() && !is_known(&last)? {
            // Somebody had it open when it was taken, and has saved since.
            let place = self.free(file)?;
            fs::rename(&last, &place)
                .with_context(|| format!("can't rename {}", last.display()))?;
            kept.push(place);
        }
        file::make_folder(last.parent().unwrap_or(&self.base))
            .and_then(|()| fs::rename(taken, &last))
            .with_context(|| format!("can't rename {} to {}", taken.display(), last.display()))?;
        self.tidy(taken);
        Ok(kept)
    }

    /// A name in this time's folder that nothing has.
    fn free(&mut self, file: &str) -> Result<PathBuf> {
        let folder = match &self.folder {
            Some(folder) => folder,
            None => self.folder.insert(fresh(&self.base)?),
        };
        let first = folder.join(file);
        let parent = first.parent().unwrap_or(folder);
        file::make_folder(parent).with_context(|| format!("can't create {}", parent.display()))?;
        let others = (2..).map(|number| folder.join(format!("{file}.{number}")));
        let mut places = std::iter::once(first.clone()).chain(others);
        Ok(places
            .find(|place| fs::symlink_metadata(place).is_err())
            .unwrap_or(first))
    }

    /// Removes the folders above `gone` that are empty, up to this time's.
    fn tidy(&mut self, gone: &Path) {
        let folders = gone.ancestors().skip(1);
        let emptied = folders
            .take_while(|folder| **folder != self.base)
            .try_for_each(fs::remove_dir);
        if emptied.is_ok() {
            self.folder = None;
        }
    }
}

/// A new folder, named by the time.
fn fresh(base: &Path) -> Result<PathBuf> {
    file::make_folder(base).with_context(|| format!("can't create {}", base.display()))?;
    let time = Timestamp::now()
        .to_zoned(TimeZone::UTC)
        .strftime(TIME)
        .to_string();
    for number in 1.. {
        let name = match number {
            1 => time.clone(),
            _ => format!("{time}-{number}"),
        };
        let folder = base.join(name);
        match fs::create_dir(&folder) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            made => {
                made.with_context(|| format!("can't create {}", folder.display()))?;
                file::sync_folder(base);
                return Ok(folder);
            }
        }
    }
    unreachable!("numbers don't end")
}

/// Sees to it that a text and its new name are on the disk.
fn sync(path: &Path) {
    // Whether or not: nothing better can be done for it.
    let _ = File::open(path).and_then(|file| file.sync_all());
    file::sync_folder(path.parent().unwrap_or(path));
}
