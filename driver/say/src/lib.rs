//! Lines for people. A reader who has gone, a closed terminal, a full disk behind a `>`: none of them ends
//! a run, as `println!` would by its panic. What can't be said is left unsaid, and [`unsaid`] tells of it.

use std::{
    error::Error,
    fmt,
    io::{self, Write},
    sync::{Mutex, PoisonError},
};

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

/// An error and its causes, as one sentence. A cause that is in what has been said already is not said again.
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
