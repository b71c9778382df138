//! The one file that a board is kept in: written whole beside it and renamed, so that a board that was killed in the middle
//! finds its last state. What can't be read is kept under another name, and never written over.

use std::{
    fs::{self, File, TryLockError},
    io,
    path::{Path, PathBuf},
};

use jiff::Timestamp;
use lab_record::{ShareCode, file};
use serde::{Deserialize, Serialize};

use super::state::{Entry, State};
use crate::guard::secret::Secret;

/// In the project's folder for what is this machine's own.
const FILE: &str = ".lab/board.json";
/// Held by the board that writes the file.
const LOCK: &str = ".lab/board.lock";

const FORMAT: &str = "resilience-lab-board";
const VERSION: u32 = 1;

/// Where a board is kept. No other board writes there as long as this lives.
pub(crate) struct Store {
    root: PathBuf,
    _lock: File,
}

/// What was kept.
pub(crate) struct Kept {
    pub(crate) state: State,
    /// The key of the room: who has it reads the board and posts codes.
    pub(crate) key: Secret,
    /// Where what could not be read is now, and why it couldn't.
    pub(crate) aside: Option<(PathBuf, String)>,
}

/// Why a board can't be kept.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Somebody else writes there.
    #[error(
        "another board of this project is open; end it first, or open this one in another copy of the project"
    )]
    Open,
    /// The system refuses.
    #[error("can't keep the board in {path}: {why}", path = .0.display(), why = .1)]
    System(PathBuf, io::Error),
    /// The operating system gives no random numbers.
    #[error("the operating system gives no random numbers")]
    Random(#[from] getrandom::Error),
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Text<'a> {
    format: String,
    version: u32,
    key: String,
    codes: std::borrow::Cow<'a, [Entry]>,
}

/// What any version has.
#[derive(Deserialize)]
struct Head {
    format: String,
    version: u32,
}

impl Store {
    /// Takes hold of the board below a project's folder.
    pub(crate) fn open(root: &Path) -> Result<Self, StoreError> {
        let path = root.join(LOCK);
        let system = |error| StoreError::System(path.clone(), error);
        file::make_folder(&root.join(".lab")).map_err(system)?;
        let lock = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&path)
            .map_err(system)?;
        match lock.try_lock() {
            Err(TryLockError::WouldBlock) => return Err(StoreError::Open),
            // A file system without locks: then nobody can tell.
            Err(TryLockError::Error(_)) | Ok(()) => {}
        }
        Ok(Self {
            root: root.to_owned(),
            _lock: lock,
        })
    }

    /// Where it is.
    pub(crate) fn path(&self) -> PathBuf {
        self.root.join(FILE)
    }

    /// What is kept there; a new board where there is none, or none that can be read.
    pub(crate) fn load(&self) -> Result<Kept, StoreError> {
        let path = self.path();
        let system = |error| StoreError::System(path.clone(), error);
        let text = match fs::read(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return new(None),
            Err(error) => return Err(system(error)),
        };
        match read(&text) {
            Ok((state, key)) => Ok(Kept {
                state,
                key,
                aside: None,
            }),
            Err(why) => {
                let aside = self.free("unreadable");
                fs::rename(&path, &aside).map_err(system)?;
                file::sync_folder(&self.root.join(".lab"));
                new(Some((aside, why)))
            }
        }
    }

    /// Keeps what [`text`] gave.
    pub(crate) fn keep(&self, text: &[u8]) -> io::Result<()> {
        file::replace_private(&self.path(), text)
    }

    /// Keeps it under a name of its own, for good; gives the name.
    pub(crate) fn save_aside(&self, text: &[u8]) -> io::Result<PathBuf> {
        let path = self.free("saved");
        let file = file::beside(&path, text, 0o600)?;
        file.persist_noclobber(&path).map_err(|error| error.error)?;
        file::sync_folder(&self.root.join(".lab"));
        Ok(path)
    }

    /// A name beside the board's that nothing has.
    fn free(&self, what: &str) -> PathBuf {
        let now = Timestamp::now().strftime("%Y%m%dT%H%M%SZ").to_string();
        let numbered = (1..).map(|number| match number {
            1 => format!(".lab/board-{now}-{what}.json"),
            _ => format!(".lab/board-{now}-{what}-{number}.json"),
        });
        let mut paths = numbered.map(|name| self.root.join(name));
        paths
            .find(|path| fs::symlink_metadata(path).is_err())
            .unwrap_or_else(|| self.root.join(FILE))
    }
}

fn new(aside: Option<(PathBuf, String)>) -> Result<Kept, StoreError> {
    Ok(Kept {
        state: State::default(),
        key: Secret::random()?,
        aside,
    })
}

/// A board as its file has it.
pub(crate) fn text(state: &State, key: &Secret) -> Vec<u8> {
    let text = Text {
        format: FORMAT.to_owned(),
        version: VERSION,
        key: key.reveal().to_owned(),
        codes: state.entries().into(),
    };
    serde_json::to_vec(&text).unwrap_or_default()
}

/// What such a file says, or why it says nothing.
fn read(text: &[u8]) -> Result<(State, Secret), String> {
    let whole = |error: serde_json::Error| format!("it is no whole board: {error}");
    let head: Head = serde_json::from_slice(text).map_err(whole)?;
    if head.format != FORMAT {
        return Err(format!("it is no board: its format is `{}`", head.format));
    }
    if head.version != VERSION {
        let version = head.version;
        return Err(format!(
            "it is of version {version}; this workshop reads version {VERSION}"
        ));
    }
    let text: Text<'_> = serde_json::from_slice(text).map_err(whole)?;
    let key = Secret::kept(&text.key).ok_or("its key is none")?;
    let mut state = State::default();
    for Entry { code, heard } in text.codes.iter() {
        let code: ShareCode = code.parse().map_err(|error| format!("{code}: {error}"))?;
        state.take(&code, *heard);
    }
    Ok((state, key))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use lab_record::Outcome;

    use super::{super::state::tests::code, *};

    fn kept(store: &Store) -> Kept {
        store.load().unwrap()
    }

    /// A board with so many codes, in its file.
    fn with_codes(store: &Store, many: u8) -> Kept {
        let mut board = kept(store);
        for minute in 0..many {
            let code = code(minute, Outcome::Fail, 1, None, "ada");
            board.state.take(&code, code.at);
        }
        store.keep(&text(&board.state, &board.key)).unwrap();
        board
    }

    #[test]
    fn what_is_kept_is_read_again_and_is_this_users_alone() {
        let root = tempfile::tempdir().unwrap();
        let store = Store::open(root.path()).unwrap();
        let board = with_codes(&store, 5);
        let again = kept(&store);
        assert_eq!(again.state.entries(), board.state.entries());
        assert!(again.key.is(board.key.reveal()) && again.aside.is_none());
        let mode = fs::metadata(store.path()).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert!(matches!(Store::open(root.path()), Err(StoreError::Open)));
    }

    #[test]
    fn a_file_that_says_nothing_is_named_and_kept_to_the_last_byte() {
        let root = tempfile::tempdir().unwrap();
        let store = Store::open(root.path()).unwrap();
        with_codes(&store, 5);
        let whole = fs::read(store.path()).unwrap();
        let text = String::from_utf8(whole.clone()).unwrap();
        let damaged = [
            (whole[..whole.len() / 2].to_vec(), "no whole board"),
            (Vec::new(), "no whole board"),
            (b"\xff\xfe".to_vec(), "no whole board"),
            (
                text.replace("\"version\":1", "\"version\":9").into(),
                "of version 9",
            ),
            (text.replace(FORMAT, "cake").into(), "`cake`"),
            (
                text.replace("/52/", "/99/")
                    .replace("/1/4890", "/2/4890")
                    .into(),
                "altered",
            ),
            (text.replace("\"key\":\"", "\"key\":\"z").into(), "key"),
        ];
        let mut places = Vec::new();
        for (bytes, why) in damaged {
            fs::write(store.path(), &bytes).unwrap();
            let board = kept(&store);
            let (aside, told) = board.aside.unwrap();
            assert!(told.contains(why), "{told}");
            assert!(board.state.entries().is_empty());
            store.keep(&super::text(&board.state, &board.key)).unwrap();
            assert_eq!(fs::read(&aside).unwrap(), bytes, "not a byte is lost");
            places.push(aside);
        }
        places.sort();
        places.dedup();
        assert_eq!(places.len(), 7);
    }

    #[test]
    fn what_is_saved_aside_takes_nobodys_name() {
        let root = tempfile::tempdir().unwrap();
        let store = Store::open(root.path()).unwrap();
        let one = store.save_aside(b"one").unwrap();
        let two = store.save_aside(b"two").unwrap();
        assert_eq!(
            (fs::read(one).unwrap(), fs::read(two).unwrap()),
            (b"one".to_vec(), b"two".to_vec())
        );
    }
}
