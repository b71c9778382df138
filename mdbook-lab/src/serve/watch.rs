//! Sees what the book is made of change.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    sync::mpsc::{self, Receiver, RecvTimeoutError},
    time::{Duration, Instant},
};

use notify::{
    Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher,
    event::{AccessKind, AccessMode},
};

/// Editors write a file in several steps; a change is over when it was quiet for so long.
const QUIET: Duration = Duration::from_millis(100);
/// Who writes without a pause does not put the build off for longer.
const LONGEST: Duration = Duration::from_secs(1);

/// Changes of what is watched, as long as this is held.
pub(crate) struct Changes {
    events: Receiver<()>,
    _watcher: RecommendedWatcher,
}

impl Changes {
    /// Watches files, and folders with all below them. A file is watched in its folder, since an editor may put another
    /// in its place; what is not there is seen when it comes, but a folder's files are not. What is in `reports` is no
    /// part of a book, even of one that is made of all that is around it.
    pub(crate) fn of(sources: &[PathBuf], reports: &Path) -> notify::Result<Self> {
        // As the system reports them.
        let sources: Vec<_> = sources.iter().map(|source| resolved(source)).collect();
        let folders: BTreeSet<_> = sources.iter().filter(|source| source.is_dir()).collect();
        let around: BTreeSet<_> = sources
            .iter()
            .filter_map(|source| source.parent())
            .filter(|around| around.is_dir())
            .filter(|around| !folders.iter().any(|folder| around.starts_with(folder)))
            .collect();

        let (changed, events) = mpsc::channel();
        let (meant, reports) = (sources.clone(), resolved(reports));
        let mut watcher = notify::recommended_watcher(move |event: notify::Result<Event>| {
            // An error means that notices were lost: better build once too often.
            if event.map_or(true, |event| matters(&meant, &reports, &event)) {
                let _ = changed.send(());
            }
        })?;
        for folder in &folders {
            watcher.watch(folder, RecursiveMode::Recursive)?;
        }
        for folder in around {
            watcher.watch(folder, RecursiveMode::NonRecursive)?;
        }
        Ok(Self {
            events,
            _watcher: watcher,
        })
    }

    /// Waits for a change and for its end. False when there will be none any more.
    pub(crate) fn wait(&self) -> bool {
        if self.events.recv().is_err() {
            return false;
        }
        let first = Instant::now();
        while first.elapsed() < LONGEST {
            match self.events.recv_timeout(QUIET) {
                Ok(()) => {}
                Err(RecvTimeoutError::Timeout) => return true,
                Err(RecvTimeoutError::Disconnected) => return false,
            }
        }
        true
    }
}

/// A path without links, as far as it leads to something.
fn resolved(path: &Path) -> PathBuf {
    let whole = path.canonicalize().ok();
    let in_folder = || Some(path.parent()?.canonicalize().ok()?.join(path.file_name()?));
    whole.or_else(in_folder).unwrap_or_else(|| path.to_owned())
}

/// Whether a notice is of something that pages show. Building reads these files: reading must not
/// count as a change.
fn matters(sources: &[PathBuf], reports: &Path, event: &Event) -> bool {
    let written = match event.kind {
        EventKind::Access(kind) => kind == AccessKind::Close(AccessMode::Write),
        _ => true,
    };
    let is_source = |path: &PathBuf| {
        !path.starts_with(reports) && sources.iter().any(|source| path.starts_with(source))
    };
    written && event.paths.iter().any(is_source)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn changes_of_the_book_count_and_others_do_not() {
        let sources = ["/lab/book", "/lab/Makefile"].map(PathBuf::from);
        let reports = Path::new("/lab/book/reports");
        let matters = |event: Event| matters(&sources, reports, &event);
        let event = |kind, path: &str| Event::new(kind).add_path(Path::new("/lab").join(path));
        let written = EventKind::Access(AccessKind::Close(AccessMode::Write));
        let read = EventKind::Access(AccessKind::Open(AccessMode::Any));
        assert!(matters(event(written, "book/step1.md")));
        assert!(matters(event(EventKind::Any, "Makefile")));
        assert!(!matters(event(read, "book/step1.md")));
        assert!(!matters(event(written, "Cargo.lock")));
        assert!(!matters(event(written, "bookmark")));
        assert!(!matters(event(written, "book/reports/tx/data.json")));
    }

    #[test]
    fn a_saved_page_and_a_new_file_are_seen() {
        let root = tempfile::tempdir().unwrap();
        let [book, makefile] = ["src", "Makefile"].map(|name| root.path().join(name));
        fs::create_dir(&book).unwrap();
        for file in [book.join("page.md"), makefile.clone()] {
            let changes = Changes::of(
                &[book.clone(), makefile.clone()],
                &root.path().join("reports"),
            )
            .unwrap();
            fs::write(file, "hello").unwrap();
            assert!(changes.wait());
        }
    }
}
