//! Sees what the book is made of change.

use std::{
    path::Path,
    sync::mpsc::{self, Receiver, RecvTimeoutError},
    time::{Duration, Instant},
};

use notify::{
    Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher,
    event::{AccessKind, AccessMode},
};

/// Folders that pages are made of or quote, with all below them.
const FOLDERS: &[&str] = &[
    "book",
    "lab-services/src/cases",
    "lab-services/examples",
    "driver/scenarios",
    "deploy/k8s",
    "mdbook-lab/assets",
];
/// Files at the root that pages are made of or name.
const FILES: &[&str] = &["book.toml", "Makefile"];
/// Editors write a file in several steps; a change is over when it was quiet for so long.
const QUIET: Duration = Duration::from_millis(100);
/// Who writes without a pause does not put the build off for longer.
const LONGEST: Duration = Duration::from_secs(1);

/// Changes below the watched folders, as long as this is held.
pub(crate) struct Changes {
    events: Receiver<()>,
    _watcher: RecommendedWatcher,
}

impl Changes {
    /// Watches below `root`. Folders that do not exist are left out.
    pub(crate) fn below(root: &Path) -> notify::Result<Self> {
        let (changed, events) = mpsc::channel();
        let home = root.to_owned();
        let mut watcher = notify::recommended_watcher(move |event: notify::Result<Event>| {
            // An error means that notices were lost: better build once too often.
            if event.map_or(true, |event| matters(&home, &event)) {
                let _ = changed.send(());
            }
        })?;
        for folder in FOLDERS {
            let folder = root.join(folder);
            if folder.is_dir() {
                watcher.watch(&folder, RecursiveMode::Recursive)?;
            }
        }
        watcher.watch(root, RecursiveMode::NonRecursive)?;
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

/// Whether a notice is of something that pages show. Building reads these files: reading must not
/// count as a change.
fn matters(root: &Path, event: &Event) -> bool {
    let written = match event.kind {
        EventKind::Access(kind) => kind == AccessKind::Close(AccessMode::Write),
        _ => true,
    };
    written
        && event.paths.iter().any(|path| {
            path.strip_prefix(root).is_ok_and(|inside| {
                FOLDERS.iter().any(|folder| inside.starts_with(folder))
                    || FILES.iter().any(|file| inside == Path::new(file))
            })
        })
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn changes_of_the_book_count_and_others_do_not() {
        let home = Path::new("/lab");
        let event = |kind, path: &str| Event::new(kind).add_path(home.join(path));
        let written = EventKind::Access(AccessKind::Close(AccessMode::Write));
        let read = EventKind::Access(AccessKind::Open(AccessMode::Any));
        assert!(matters(home, &event(written, "book/step1.md")));
        assert!(matters(home, &event(EventKind::Any, "Makefile")));
        assert!(!matters(home, &event(read, "book/step1.md")));
        assert!(!matters(home, &event(written, "Cargo.lock")));
        assert!(!matters(home, &event(written, "reports/tx/data.json")));
    }

    #[test]
    fn a_saved_page_is_seen() {
        let root = tempfile::tempdir().unwrap();
        let root = root.path().canonicalize().unwrap();
        fs::create_dir(root.join("book")).unwrap();
        let changes = Changes::below(&root).unwrap();
        fs::write(root.join("book/step1.md"), "hello").unwrap();
        assert!(changes.wait());
    }
}
