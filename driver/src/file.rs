//! Files that are never half-written.

use std::{
    fs,
    io::{self, Write},
    os::unix::fs::PermissionsExt,
    path::Path,
};

/// Writes beside the file and renames, so that a reader sees the old text or the new one, whole.
/// Folders on the way are made. As with any new file, others may read it where the user's umask lets them.
pub fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    persist(path, bytes, 0o666)
}

/// The same for what is this user's alone.
pub fn replace_private(path: &Path, bytes: &[u8]) -> io::Result<()> {
    persist(path, bytes, 0o600)
}

fn persist(path: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(folder)?;
    let mut file = tempfile::Builder::new()
        .prefix(".lab-")
        .suffix(".tmp")
        .permissions(fs::Permissions::from_mode(mode))
        .tempfile_in(folder)?;
    file.write_all(bytes)?;
    file.persist(path).map_err(|error| error.error)?;
    Ok(())
}
