//! Lines for people. A reader who has gone, a closed terminal, a full disk behind a `>`: none of them ends
//! a run, as `println!` would by its panic. What can't be said is left unsaid, and [`unsaid`] tells of it. Too few threads
//! end a program, by name and before its runtime would panic ([`allow_threads`]).

use std::{
    error::Error,
    fmt,
    io::{self, Write},
    sync::{Mutex, PoisonError},
};

mod threads;

pub use threads::{TooFewThreads, allow_threads, limit_of_threads};

/// A line on standard output, for whoever asked; as `println!`, but it never panics.
#[macro_export]
macro_rules! say {
    ($($text:tt)*) => { $crate::on_stdout(format_args!($($text)*)) };
}

/// A line on standard error, beside what was asked for; as `eprintln!`, but it never panics.
#[macro_export]
macro_rules! note {
    ($($text:tt)*) => { $crate::on_stderr(format_args!($($text)*)) };
}

/// What [`unsaid`] gives.
static UNSAID: Mutex<Option<io::Error>> = Mutex::new(None);

/// What [`say!`] does.
#[doc(hidden)]
pub fn on_stdout(text: fmt::Arguments<'_>) {
    if let Err(error) = write_line(&mut io::stdout().lock(), text)
        // Who stops reading, as `head` does, has read enough.
        && error.kind() != io::ErrorKind::BrokenPipe
    {
        UNSAID
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get_or_insert(error);
    }
}

/// What [`note!`] does.
#[doc(hidden)]
pub fn on_stderr(text: fmt::Arguments<'_>) {
    // There is no third place to complain at.
    let _ = write_line(&mut io::stderr().lock(), text);
}

/// Why a line on standard output is missing there; none where nobody missed it. Asked once.
pub fn unsaid() -> Option<io::Error> {
    UNSAID.lock().unwrap_or_else(PoisonError::into_inner).take()
}

/// An error and its causes, as one sentence.
///
/// The rule for all error types of this workspace: a cause stands in the message (`Display`) or in `source()`, never in
/// both. In the message where the sentence goes on after it, as with what to do; then the field is called `why` and is
/// no source. Else in `source()`, from where it is said here. Errors of others keep no such rule: of theirs a cause that
/// is in what has been said already is not said again.
pub fn reason(error: &(dyn Error + 'static)) -> String {
    let mut said = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let text = cause.to_string();
        if !said.contains(&text) {
            said.push_str(": ");
            said.push_str(&text);
        }
        next = cause.source();
    }
    said
}

/// In one piece, so that the lines of two processes don't mix.
fn write_line(stream: &mut impl Write, text: fmt::Arguments<'_>) -> io::Result<()> {
    stream.write_all(format!("{text}\n").as_bytes())?;
    stream.flush()
}

#[cfg(test)]
mod tests {
    use std::{
        fs,
        path::{Path, PathBuf},
    };

    use super::*;

    #[derive(Debug)]
    struct Saying(&'static str, Option<Box<Saying>>);

    impl fmt::Display for Saying {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str(self.0)
        }
    }

    impl Error for Saying {
        fn source(&self) -> Option<&(dyn Error + 'static)> {
            self.1.as_deref().map(|cause| cause as _)
        }
    }

    /// Every Rust file below `folder`.
    fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(folder).unwrap().flatten() {
            let path = entry.path();
            if path.is_dir() && !path.ends_with("target") {
                sources(&path, found);
            } else if path.extension().is_some_and(|ending| ending == "rs") {
                found.push(path);
            }
        }
    }

    /// Names of the fields that `item` gives as its source; `0` for one without a name.
    fn sources_of(item: &str) -> Vec<&str> {
        let named = item.contains(" source: ").then_some("source");
        let marked = ["#[source]", "#[from]"].into_iter().flat_map(|mark| {
            item.split(mark).skip(1).map(|field| {
                let field = field.trim_start().trim_start_matches("pub ");
                let name = field.split_once(": ").map(|(name, _)| name);
                let is_name =
                    |name: &&str| name.chars().all(|c| c.is_ascii_lowercase() || c == '_');
                name.filter(is_name).unwrap_or("0")
            })
        });
        named.into_iter().chain(marked).collect()
    }

    /// The messages in `text` that quote what their error gives as its source, too.
    fn doubled(text: &str) -> Vec<&str> {
        let items = text.split("#[error(").skip(1);
        let doubled = items.filter_map(|item| {
            let (message, rest) = item.split_once(")]")?;
            let item = rest.split_once("\n}\n").map_or(rest, |(item, _)| item);
            let quotes = |name: &str| {
                let places = [
                    format!("{{{name}}}"),
                    format!("{{{name}:"),
                    format!(" .{name}."),
                    format!(" {name}."),
                ];
                places.iter().any(|place| message.contains(place))
            };
            sources_of(item).into_iter().any(quotes).then_some(message)
        });
        doubled.collect()
    }

    #[test]
    fn no_error_type_has_a_cause_in_its_message_and_in_its_source() {
        for bad in [
            "#[error(\"can't: {0}\")]\nA(#[from] io::Error),\n",
            "#[error(\"can't: {0}\")]\nA(#[source] io::Error),\n",
            "#[error(\"{path}: {source}\")]\nA {\n    source: io::Error,\n}\n",
            "#[error(\"{cause:?}\")]\nA {\n    #[source]\n    cause: io::Error,\n}\n",
        ] {
            assert_eq!(doubled(bad).len(), 1, "{bad}");
        }
        for good in [
            "#[error(transparent)]\nA(#[from] io::Error),\n",
            "#[error(\"can't\")]\nA(#[source] io::Error),\n#[error(\"{0}\")]\nB(String),\n",
            "#[error(\"{path}: {why}\")]\nA {\n    why: io::Error,\n}\n",
        ] {
            assert_eq!(doubled(good), [""; 0], "{good}");
        }
        let root = Path::new(env!("CARGO_MANIFEST_DIR"))
            .ancestors()
            .nth(2)
            .unwrap();
        let mut files = Vec::new();
        for member in ["chaos", "driver", "lab-services", "mdbook-lab"] {
            sources(&root.join(member), &mut files);
        }
        assert!(files.len() > 100, "the project is elsewhere");
        // Here the bad ones are examples.
        for file in files
            .iter()
            .filter(|file| !file.ends_with("driver/say/src/lib.rs"))
        {
            let text = fs::read_to_string(file).unwrap();
            assert_eq!(doubled(&text), [""; 0], "{}", file.display());
        }
    }

    #[test]
    fn each_cause_is_said_once() {
        let refused = || Some(Box::new(Saying("refused", None)));
        let quoting = Saying(
            "the server does not let us in: refused; check the URL",
            refused(),
        );
        assert_eq!(reason(&quoting), quoting.to_string());
        let silent = Saying(
            "no database",
            Some(Box::new(Saying("can't connect", refused()))),
        );
        assert_eq!(reason(&silent), "no database: can't connect: refused");
    }
}
