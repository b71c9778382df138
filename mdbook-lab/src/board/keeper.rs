//! Keeps the state on the disk, one writer for all who wait: who comes while a file is being written waits for the next one,
//! together with all others that came, so a crowd costs two files and not one each.

use std::{
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc},
    thread,
};

use lab_say::note;
use tokio::sync::watch;

use super::{
    state::State,
    store::{self, Store},
};
use crate::guard::secret::Secret;

/// The state, and the way to the disk.
pub(crate) struct Keeper {
    state: Mutex<State>,
    store: Store,
    pub(crate) key: Secret,
    /// Wakes the writer.
    wanted: mpsc::Sender<()>,
    written: watch::Sender<Written>,
}

/// The last attempt to write.
#[derive(Clone, Debug, Default)]
struct Written {
    attempts: u64,
    /// The version of the state that is on the disk.
    version: Option<u64>,
    /// Why the last attempt failed.
    failed: Option<String>,
}

impl Keeper {
    /// Starts the writer, which writes at once: a board's key is to be the same after a restart.
    pub(crate) fn start(store: Store, state: State, key: Secret) -> Arc<Self> {
        let (wanted, wishes) = mpsc::channel();
        let keeper = Arc::new(Self {
            state: Mutex::new(state),
            store,
            key,
            wanted,
            written: watch::Sender::new(Written::default()),
        });
        let writer = Arc::clone(&keeper);
        thread::spawn(move || {
            while wishes.recv().is_ok() {
                while wishes.try_recv().is_ok() {}
                writer.write();
            }
        });
        keeper
    }

    /// The state, to look at it or to change it.
    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until all that the state has now is on the disk; else why it is not.
    pub(crate) async fn kept(&self) -> Result<(), String> {
        let version = self.state().version();
        let mut written = self.written.subscribe();
        let before = written.borrow_and_update().clone();
        if before.version == Some(version) {
            return Ok(());
        }
        let _ = self.wanted.send(());
        // One may have begun before this version was there.
        let last = before.attempts + 2;
        let is_over = |now: &Written| {
            let there = now.version.is_some_and(|there| there >= version);
            there
                || now.attempts >= last
                || (now.attempts > before.attempts && now.failed.is_some())
        };
        let now = written
            .wait_for(is_over)
            .await
            .map_err(|error| error.to_string())?;
        match (&now.failed, now.version) {
            (None, Some(there)) if there >= version => Ok(()),
            (failed, _) => Err(failed.clone().unwrap_or_default()),
        }
    }

    /// Saves the state under a name of its own, then forgets it. The key stays: laptops stay joined.
    pub(crate) fn reset(&self) -> Result<PathBuf, String> {
        let mut state = self.state();
        let saved = self.store.save_aside(&store::text(&state, &self.key));
        let saved = saved.map_err(|error| self.cant(&error))?;
        state.clear();
        Ok(saved)
    }

    fn write(&self) {
        let (text, version) = {
            let state = self.state();
            (store::text(&state, &self.key), state.version())
        };
        let failed = self.store.keep(&text).err().map(|error| self.cant(&error));
        if let Some(why) = &failed {
            note!("{why}");
        }
        self.written.send_modify(|written| {
            written.attempts += 1;
            written.version = if failed.is_none() {
                Some(version)
            } else {
                written.version
            };
            written.failed = failed;
        });
    }

    fn cant(&self, error: &std::io::Error) -> String {
        format!(
            "can't keep the board in {}: {error}",
            self.store.path().display()
        )
    }
}

#[cfg(test)]
mod tests {
    use lab_record::Outcome;

    use super::{super::state::tests::code, *};

    fn keeper(root: &std::path::Path) -> Arc<Keeper> {
        let store = Store::open(root).unwrap();
        let kept = store.load().unwrap();
        Keeper::start(store, kept.state, kept.key)
    }

    #[tokio::test]
    async fn what_was_said_to_be_kept_is_in_the_file_and_a_failure_is_owned_up_to() {
        let root = tempfile::tempdir().unwrap();
        let keeper = keeper(root.path());
        keeper.kept().await.unwrap();
        let share = |minute| {
            let code = code(minute, Outcome::Fail, 1, None, "ada");
            keeper.state().take(&code, code.at);
        };
        share(1);
        keeper.kept().await.unwrap();
        assert_eq!(keeper.store.load().unwrap().state.entries().len(), 1);

        // A folder can't be replaced by a file.
        std::fs::remove_file(keeper.store.path()).unwrap();
        std::fs::create_dir(keeper.store.path()).unwrap();
        share(2);
        let why = keeper.kept().await.unwrap_err();
        assert!(why.contains("board.json"), "{why}");
        std::fs::remove_dir(keeper.store.path()).unwrap();
        keeper.kept().await.unwrap();
        assert_eq!(keeper.store.load().unwrap().state.entries().len(), 2);
    }

    #[tokio::test]
    async fn a_reset_saves_first_and_keeps_the_key() {
        let root = tempfile::tempdir().unwrap();
        let keeper = keeper(root.path());
        let code = code(1, Outcome::Fail, 1, None, "ada");
        keeper.state().take(&code, code.at);
        let saved = keeper.reset().unwrap();
        keeper.kept().await.unwrap();
        assert!(
            std::fs::read_to_string(saved)
                .unwrap()
                .contains(&code.to_string())
        );
        let now = keeper.store.load().unwrap();
        assert!(now.state.entries().is_empty() && now.key.is(keeper.key.reveal()));
    }
}
