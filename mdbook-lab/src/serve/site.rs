//! The book as it is served: built into a folder of its own, and swapped for the one before only
//! when it is whole.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
    sync::{Arc, PoisonError, RwLock},
};

use base64::{Engine, prelude::BASE64_STANDARD};
use sha2::{Digest, Sha256};
use tempfile::TempDir;

use crate::{Declared, Guide, GuideError, guard::temporary::Folder};

/// What the names of our folders in the system's temporary folder begin with.
const PREFIX: &str = "lab-guide-";

/// One built book. Its folder goes when the last reader is done with it.
pub(crate) struct Site {
    folder: TempDir,
    /// What its pages may do.
    pub(crate) declared: Declared,
    pages: BTreeMap<String, Fingerprint>,
}

type Fingerprint = [u8; 32];

/// Why there is no new book.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// The book has a mistake.
    #[error(transparent)]
    Guide(#[from] GuideError),
    /// The temporary folder can't be used.
    #[error("can't build the book into the system's temporary folder")]
    Folder(#[from] io::Error),
}

impl Site {
    /// Builds the book below `home`.
    pub(crate) fn build(guide: &Guide, home: &Folder) -> Result<Self, BuildError> {
        let folder = tempfile::tempdir_in(home.path())?;
        let declared = guide.build(folder.path())?;
        let pages = pages(folder.path())?;
        Ok(Self {
            folder,
            declared,
            pages,
        })
    }

    /// Where it is.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// A name for what is on its pages: the same pages, the same name.
    pub(crate) fn name(&self) -> String {
        let mut all = Sha256::new();
        for (page, print) in &self.pages {
            all.update(page);
            all.update(print);
        }
        BASE64_STANDARD.encode(all.finalize())
    }

    /// The pages that are not the same in `other`.
    fn changed(&self, other: &Self) -> Vec<String> {
        self.pages
            .iter()
            .filter(|(page, print)| other.pages.get(*page) != Some(print))
            .map(|(page, _)| page.clone())
            .collect()
    }
}

/// The place where the current book is.
pub(crate) struct Shelf {
    guide: Arc<Guide>,
    home: Folder,
    site: RwLock<Arc<Site>>,
}

impl Shelf {
    /// Builds the first book.
    pub(crate) fn new(guide: Arc<Guide>) -> Result<Self, BuildError> {
        let home = Folder::below(&std::env::temp_dir(), PREFIX)?;
        let site = RwLock::new(Arc::new(Site::build(&guide, &home)?));
        Ok(Self { guide, home, site })
    }

    /// The current book; it stays whole as long as this is held.
    pub(crate) fn site(&self) -> Arc<Site> {
        self.site
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Builds it again and gives the pages that changed. On a mistake the old one stays.
    pub(crate) fn rebuild(&self) -> Result<Vec<String>, BuildError> {
        let new = Arc::new(Site::build(&self.guide, &self.home)?);
        let mut site = self.site.write().unwrap_or_else(PoisonError::into_inner);
        let changed = new.changed(&site);
        *site = new;
        Ok(changed)
    }

    /// Removes all books from the temporary folder, when the program ends.
    pub(crate) fn clear(&self) {
        // What is left is the next server's to remove.
        let _ = fs::remove_dir_all(self.home.path());
    }
}

/// Each page below `folder`, by its path in a URL, with what it is made of.
fn pages(folder: &Path) -> io::Result<BTreeMap<String, Fingerprint>> {
    let mut pages = BTreeMap::new();
    let mut folders: Vec<PathBuf> = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(next)? {
            let path = entry?.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|end| end == "html") {
                let print = Sha256::digest(fs::read(&path)?).into();
                if let Ok(page) = path.strip_prefix(folder) {
                    pages.insert(page.to_string_lossy().into_owned(), print);
                }
            }
        }
    }
    Ok(pages)
}
