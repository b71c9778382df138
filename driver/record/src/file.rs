//! Files that are never half-written, not even where the power goes.

use std::{
    fs::{self, File},
    io::{self, Write},
    os::unix::fs::PermissionsExt,
    path::Path,
};

use tempfile::NamedTempFile;

/// Writes beside the file and renames, so that a reader sees the old text or the new one, whole.
/// Folders on the way are made. As with any new file, others may read it where the user's umask lets them.
pub fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    rename(beside(path, bytes, 0o666)?, path)
}

/// The same for what is this user's alone.
pub fn replace_private(path: &Path, bytes: &[u8]) -> io::Result<()> {
    rename(beside(path, bytes, 0o600)?, path)
}

/// A file with these bytes, on the disk, that can be renamed to `path`.
pub fn beside(path: &Path, bytes: &[u8], mode: u32) -> io::Result<NamedTempFile> {
    let folder = parent(path);
    make_folder(folder)?;
    let mut file = tempfile::Builder::new()
        .prefix(".lab-")
        .suffix(".tmp")
        .permissions(fs::Permissions::from_mode(mode))
        .tempfile_in(folder)?;
    // What it says itself names the file that nobody will see.
    file.as_file_mut().write_all(bytes)?;
    // Before it gets its name: after a power cut the name would else be that of an empty file.
    file.as_file().sync_all()?;
    Ok(file)
}

fn rename(file: NamedTempFile, path: &Path) -> io::Result<()> {
    file.persist(path).map_err(|error| error.error)?;
    sync_folder(parent(path));
    Ok(())
}

/// Makes a folder and those above it, each on the disk.
pub fn make_folder(folder: &Path) -> io::Result<()> {
    if folder.as_os_str().is_empty() || folder.is_dir() {
        return Ok(());
    }
    make_folder(parent(folder))?;
    match fs::create_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && folder.is_dir() => Ok(()),
        made => {
            sync_folder(parent(folder));
            made
        }
    }
}

/// Sees to it that the names in a folder are on the disk, where the file system can.
pub fn sync_folder(folder: &Path) {
    // One that can't has its own way with names, or none.
    let _ = File::open(folder).and_then(|folder| folder.sync_all());
}

/// The folder of `path`; the current one for a mere name.
fn parent(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}
