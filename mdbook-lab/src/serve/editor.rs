//! Opens a file of the project in the participant's editor, where that has a window of its own.
//!
//! This is a door: a request starts a program. So the program is never the request's choice, but what `$VISUAL` or `$EDITOR`
//! names and a list here knows, with arguments of this list and no shell; the file is a text of the project, below no link and
//! nothing hidden; and the asking page has shown the token that starts runs ([`crate::guard::access`]). Where an editor listens to
//! links of its own, `vscode://file/…`, there is no door at all: the browser asks its user and hands the link on.

use std::{
    env,
    ffi::{OsStr, OsString},
    fs,
    path::{Path, PathBuf},
    process::Stdio,
    sync::Arc,
};

use serde::{Deserialize, Serialize};
use tokio::{process::Command, sync::Semaphore};

use super::files::{self, Found};
use crate::Guide;

/// Programs started for it that may be under way at once.
const OPEN: usize = 8;

/// The ends of what may be opened: texts.
const TEXTS: [&str; 5] = ["rs", "toml", "yaml", "yml", "md"];

/// How an editor is told the place in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// `--goto FILE:LINE:COLUMN`
    Goto,
    /// `FILE:LINE:COLUMN`
    Colons,
    /// `+LINE FILE`
    Plus,
    /// `--no-wait +LINE:COLUMN FILE`
    Client,
    /// `--line LINE FILE`
    Line,
}

/// Editors with a window of their own: the program, its name, and how it is told the place.
const EDITORS: &[(&str, &str, Place)] = &[
    ("code", "VS Code", Place::Goto),
    ("code-insiders", "VS Code Insiders", Place::Goto),
    ("codium", "VSCodium", Place::Goto),
    ("cursor", "Cursor", Place::Goto),
    ("windsurf", "Windsurf", Place::Goto),
    ("zed", "Zed", Place::Colons),
    ("zeditor", "Zed", Place::Colons),
    ("subl", "Sublime Text", Place::Colons),
    ("gvim", "gVim", Place::Plus),
    ("mvim", "MacVim", Place::Plus),
    ("gedit", "gedit", Place::Plus),
    ("gnome-text-editor", "Text Editor", Place::Plus),
    ("bbedit", "BBEdit", Place::Plus),
    ("geany", "Geany", Place::Plus),
    ("emacsclient", "Emacs", Place::Client),
    ("kate", "Kate", Place::Line),
    ("mate", "TextMate", Place::Line),
    ("idea", "IntelliJ IDEA", Place::Line),
    ("rustrover", "RustRover", Place::Line),
];

/// The participant's editor.
#[derive(Debug)]
pub(crate) struct Editor {
    name: &'static str,
    way: Way,
}

#[derive(Debug)]
enum Way {
    /// Links that begin so; the browser hands them on.
    Scheme(&'static str),
    /// A program, started here.
    Program {
        program: OsString,
        place: Place,
        under_way: Arc<Semaphore>,
    },
}

/// What a page is told of it.
#[derive(Debug, Serialize)]
pub(crate) struct Offer<'a> {
    name: &'static str,
    /// What links begin with, and the folder that they go on with; none where the server is to be asked.
    scheme: Option<&'static str>,
    root: Option<&'a Path>,
    edits: Vec<Edit<'a>>,
}

/// An edit point, and the line that its mark is in.
#[derive(Debug, Serialize)]
struct Edit<'a> {
    file: &'a Path,
    line: usize,
}

/// What a page asks for.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Wish {
    /// Relative to the project.
    file: String,
    /// From 1.
    line: Option<u32>,
    /// From 1.
    column: Option<u32>,
}

/// Why nothing was opened.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OpenError {
    /// There is no editor with a window, or it takes links.
    #[error(
        "there is no editor to start: name one with a window of its own in $VISUAL, and start `make book` again"
    )]
    NoEditor,
    /// The file is none that may be opened.
    #[error("this is no text of the project")]
    NoText,
    /// Many are open already.
    #[error("{OPEN} editors that were started from here are still open; close one")]
    TooMany,
    /// The program can't be started.
    #[error("{name} can't be started: {why}")]
    Spawn {
        /// Its name.
        name: &'static str,
        /// What the system says.
        why: std::io::Error,
    },
}

impl Editor {
    /// The one that this process's environment names; none where it has no window that its user would see.
    pub(crate) fn of_this_machine() -> Option<Self> {
        Self::of(&|name| env::var_os(name).filter(|value| !value.is_empty()))
    }

    fn of(var: &dyn Fn(&str) -> Option<OsString>) -> Option<Self> {
        let named = ["VISUAL", "EDITOR"].into_iter().find_map(var);
        let has_window = !cfg!(target_os = "linux")
            || ["DISPLAY", "WAYLAND_DISPLAY"]
                .into_iter()
                .any(|name| var(name).is_some());
        if !has_window || var("SSH_CONNECTION").is_some() {
            return None;
        }
        if let Some(editor) = named.as_deref().and_then(Self::named) {
            return Some(editor);
        }
        let on_path = || {
            let path = var("PATH").unwrap_or_default();
            env::split_paths(&path).any(|folder| folder.join("code").is_file())
        };
        let is_installed = || Path::new("/Applications/Visual Studio Code.app").is_dir();
        let is_inside = var("TERM_PROGRAM").is_some_and(|program| program == "vscode");
        // There the link would ask for a file of the other system.
        let is_guest = var("WSL_DISTRO_NAME").is_some();
        match is_inside || on_path() || is_installed() {
            true if is_guest => Self::named(OsStr::new("code")),
            true => Some(Self {
                name: "VS Code",
                way: Way::Scheme("vscode://file"),
            }),
            false => None,
        }
    }

    /// The editor of such a variable: its first word is the program. What else stands there, as `--wait`, is for callers who
    /// wait for the end.
    fn named(value: &OsStr) -> Option<Self> {
        let program = value.to_str()?.split_whitespace().next()?;
        let called = Path::new(program).file_name()?.to_str()?;
        let (_, name, place) = EDITORS.iter().find(|(known, ..)| *known == called)?;
        Some(Self {
            name,
            way: Way::Program {
                program: program.into(),
                place: *place,
                under_way: Arc::new(Semaphore::new(OPEN)),
            },
        })
    }

    /// What pages are told of it, in the project at `root`.
    pub(crate) fn offer<'a>(&self, root: &'a Path, guide: &'a Guide) -> Offer<'a> {
        let scheme = match self.way {
            Way::Scheme(scheme) => Some(scheme),
            Way::Program { .. } => None,
        };
        let edits = guide.edits().map(|file| Edit {
            file,
            line: mark(&root.join(file)),
        });
        Offer {
            name: self.name,
            scheme,
            root: scheme.map(|_| root),
            edits: edits.collect(),
        }
    }

    /// Opens what a page wishes for.
    pub(crate) fn open(&self, root: &Path, wish: &Wish) -> Result<(), OpenError> {
        let Way::Program {
            program,
            place,
            under_way,
        } = &self.way
        else {
            return Err(OpenError::NoEditor);
        };
        let file = text_in(root, &wish.file).ok_or(OpenError::NoText)?;
        let seat = Arc::clone(under_way).try_acquire_owned();
        let seat = seat.map_err(|_| OpenError::TooMany)?;
        let spawned = Command::new(program)
            .args(arguments(*place, &file, wish.line, wish.column))
            .current_dir(root)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            // It outlives the guide: what is edited is not the guide's.
            .process_group(0)
            .spawn();
        let mut child = spawned.map_err(|why| OpenError::Spawn {
            name: self.name,
            why,
        })?;
        tokio::spawn(async move {
            // How it ends is its user's.
            let _ = child.wait().await;
            drop(seat);
        });
        Ok(())
    }
}

/// The path of a text in the project; none for what is elsewhere, hidden, built, below a link, or no text.
fn text_in(root: &Path, file: &str) -> Option<PathBuf> {
    // What means something else in an address than in a path is no name of ours.
    if file.starts_with('/') || file.ends_with('/') || file.contains('%') {
        return None;
    }
    let parts = files::parts(file)?;
    let (first, name) = (parts.first()?, parts.last()?);
    let is_text = name
        .rsplit_once('.')
        .is_some_and(|(_, end)| TEXTS.contains(&end));
    let is_ours = is_text && first != "target" && first != "reports";
    let is_there = is_ours && matches!(files::find(root, &parts), Found::File(_));
    is_there.then(|| {
        parts
            .iter()
            .fold(root.to_owned(), |path, part| path.join(part))
    })
}

/// The arguments by which an editor opens a file, of which the path is never taken for an option: it begins with `/`.
fn arguments(place: Place, file: &Path, line: Option<u32>, column: Option<u32>) -> Vec<OsString> {
    let (line, column) = (line.unwrap_or(1).max(1), column.unwrap_or(1).max(1));
    let file = file.as_os_str().to_owned();
    let placed = || {
        let mut placed = file.clone();
        placed.push(format!(":{line}:{column}"));
        placed
    };
    match place {
        Place::Goto => vec!["--goto".into(), placed()],
        Place::Colons => vec![placed()],
        Place::Plus => vec![format!("+{line}").into(), file],
        Place::Client => vec!["--no-wait".into(), format!("+{line}:{column}").into(), file],
        Place::Line => vec!["--line".into(), line.to_string().into(), file],
    }
}

/// The line of an edit point's mark; the first where there is none any more.
fn mark(file: &Path) -> usize {
    let text = fs::read_to_string(file).unwrap_or_default();
    let at = text.lines().position(|line| line.contains("LAB: STEP"));
    at.map_or(1, |at| at + 1)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    /// The editor of an environment, as `NAME=VALUE`, in front of a screen.
    fn editor(set: &[(&str, &str)]) -> Option<String> {
        let var = |name: &str| {
            let set = set.iter().chain(&[("DISPLAY", ":0")]);
            let mut set = set.filter(|(known, _)| *known == name);
            set.next().map(|(_, value)| OsString::from(value))
        };
        Editor::of(&var).map(|editor| match editor.way {
            Way::Scheme(scheme) => scheme.to_owned(),
            Way::Program { program, .. } => program.to_str().unwrap().to_owned(),
        })
    }

    #[test]
    fn the_editor_is_the_one_with_a_window_that_is_named() {
        for (set, found) in [
            (
                &[("VISUAL", "code --wait"), ("EDITOR", "vi")][..],
                Some("code"),
            ),
            (&[("EDITOR", "/opt/x/gvim -f")], Some("/opt/x/gvim")),
            (&[("EDITOR", "vim")], None),
            (&[("EDITOR", "sh -c 'rm -rf /'")], None),
            (
                &[("VISUAL", "vim"), ("TERM_PROGRAM", "vscode")],
                Some("vscode://file"),
            ),
            (
                &[("TERM_PROGRAM", "vscode"), ("WSL_DISTRO_NAME", "Debian")],
                Some("code"),
            ),
            (&[("VISUAL", "code"), ("SSH_CONNECTION", "a b")], None),
        ] {
            assert_eq!(editor(set).as_deref(), found, "{set:?}");
        }
    }

    #[test]
    fn each_is_told_the_place_in_its_own_way() {
        let told = |place, line, column| {
            let arguments = arguments(place, Path::new("/p/a.rs"), line, column);
            let arguments = arguments.iter().map(|part| part.to_str().unwrap());
            arguments.collect::<Vec<_>>().join(" ")
        };
        assert_eq!(told(Place::Goto, Some(7), Some(3)), "--goto /p/a.rs:7:3");
        assert_eq!(told(Place::Colons, Some(7), None), "/p/a.rs:7:1");
        assert_eq!(told(Place::Plus, Some(0), None), "+1 /p/a.rs");
        assert_eq!(
            told(Place::Client, Some(7), Some(3)),
            "--no-wait +7:3 /p/a.rs"
        );
        assert_eq!(told(Place::Line, Some(7), Some(3)), "--line 7 /p/a.rs");
    }

    #[test]
    fn only_texts_of_the_project_are_opened() {
        let outside = tempfile::tempdir().unwrap();
        fs::write(outside.path().join("a.rs"), "").unwrap();
        let root = tempfile::tempdir().unwrap();
        for folder in ["src", ".lab", "target", "reports"] {
            fs::create_dir(root.path().join(folder)).unwrap();
            fs::write(root.path().join(folder).join("a.rs"), "").unwrap();
        }
        fs::write(root.path().join("src/run.sh"), "").unwrap();
        fs::create_dir(root.path().join("src/folder.rs")).unwrap();
        symlink(outside.path().join("a.rs"), root.path().join("src/link.rs")).unwrap();
        symlink(outside.path(), root.path().join("out")).unwrap();
        let inside = root.path().join("src/a.rs");
        assert_eq!(text_in(root.path(), "src/a.rs"), Some(inside.clone()));
        let absolute = inside.to_str().unwrap();
        for trick in [
            "",
            "/",
            "src",
            "src/",
            absolute,
            "//src/a.rs",
            "src//a.rs",
            "./src/a.rs",
            "src/../src/a.rs",
            "../a.rs",
            "src/%61.rs",
            "src%2fa.rs",
            "src\\a.rs",
            "src/a.rs\0",
            "src/a.rs:1",
            "src/run.sh",
            "src/none.rs",
            "src/folder.rs",
            "src/link.rs",
            "out/a.rs",
            ".lab/a.rs",
            "target/a.rs",
            "reports/a.rs",
            "--help.rs",
            "-a.rs",
        ] {
            assert_eq!(text_in(root.path(), trick), None, "{trick}");
        }
    }
}
