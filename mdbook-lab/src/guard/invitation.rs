//! How the link gets to a browser: printed, for whoever sits at the terminal, and in a file that
//! only this user can read. The list of processes, which everybody can read, shows only the file's
//! name, and a link does not outlive its use.

use std::{
    fs,
    io::{self, Write},
    path::Path,
    sync::{Mutex, PoisonError},
};

use lab_say::say;
use tempfile::NamedTempFile;

use super::{
    access::{Door, Way},
    temporary,
};

/// Where browsers that are confined to the user's own files can read it.
const FOLDER: &str = ".lab";

/// What is to be opened, in words.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Opens {
    /// At the head of the line with the link: `The guide`.
    pub(crate) name: &'static str,
    /// What Ctrl-C does.
    pub(crate) ends: &'static str,
    /// What the name of the file begins with.
    pub(crate) prefix: &'static str,
}

/// The link, handed out.
pub(crate) struct Invitation {
    /// Gone once the browser has come in with it.
    file: Mutex<Option<NamedTempFile>>,
}

impl Invitation {
    /// Prints the link; where `open` is set, opens a browser with another.
    pub(crate) fn hand_out(opens: Opens, door: &Door, root: &Path, open: bool) -> Self {
        let Opens { name, ends, .. } = opens;
        say!("{name}: {}", door.link(Way::Printed));
        say!("The link is good once. Ctrl-C {ends}.");
        let file = (open && has_desktop()).then(|| browse(opens, door, root));
        let file = file.and_then(|opened| {
            if opened.is_err() {
                say!("No browser could be opened; open the link yourself.");
            }
            opened.ok()
        });
        Self {
            file: Mutex::new(file),
        }
    }

    /// A link was used.
    pub(crate) fn used(&self, way: Way, door: &Door) {
        match way {
            Way::Printed => say!("For another browser: {}", door.link(way)),
            Way::File => self.withdraw(),
        }
    }

    /// Removes the file, if it is there still.
    pub(crate) fn withdraw(&self) {
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        drop(file.take());
    }
}

/// Opens a browser at a file that leads it on.
fn browse(opens: Opens, door: &Door, root: &Path) -> io::Result<NamedTempFile> {
    let folder = root.join(FOLDER);
    fs::create_dir_all(&folder)?;
    let mut file = temporary::file(&folder, opens.prefix, ".html")?;
    // Of our own making: nothing in it wants escaping.
    let (link, name) = (door.link(Way::File), opens.name);
    writeln!(
        file,
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>{name}</title>\
         <meta http-equiv=\"refresh\" content=\"0; url={link}\"><p><a href=\"{link}\">{name}</a></p>"
    )?;
    file.flush()?;
    open::that_detached(file.path())?;
    Ok(file)
}

/// Whether a browser would open anywhere: not in CI, and on Linux only with a display.
fn has_desktop() -> bool {
    let set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    let display = !cfg!(target_os = "linux") || set("DISPLAY") || set("WAYLAND_DISPLAY");
    display && !set("CI") && !set("SSH_CONNECTION")
}
