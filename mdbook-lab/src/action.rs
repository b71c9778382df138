//! What a page can do on the participant's machine. There is nothing else that it could ask for.

use std::{fmt, str::FromStr};

/// A command that a page declares.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Action {
    /// `make TARGET`.
    Make(Target),
    /// A program of `lab-services/examples/`.
    Example(ExampleName),
}

/// The name of a target of the Makefile.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Target(String);

/// The name of a program in `lab-services/examples/`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ExampleName(String);

/// A number that a page hands to a command, and nothing else: it is written anew.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Number(f64);

impl Number {
    /// A number from 0 to `most`; none for any other.
    pub(crate) fn new(number: f64, most: u32) -> Option<Self> {
        // Of a thousandth no text gets long.
        let number = (number * 1e3).round() / 1e3;
        (0.0..=f64::from(most))
            .contains(&number)
            .then_some(Self(number.abs()))
    }
}

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A text that names nothing that can be run.
#[derive(Debug, thiserror::Error)]
#[error("`{0}` is no name of a command: lower-case letters, digits, `-` and `_`")]
pub struct ActionError(String);

impl Target {
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it runs the step of that number.
    pub(crate) fn is_step(&self, number: usize) -> bool {
        self.0 == format!("step{number}")
    }
}

impl ExampleName {
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A name that can be an argument or part of a path and mean nothing else there.
fn name(text: &str) -> Result<String, ActionError> {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let fits = text.bytes().next().is_some_and(plain)
        && text
            .bytes()
            .all(|byte| plain(byte) || matches!(byte, b'-' | b'_'));
    if fits {
        Ok(text.to_owned())
    } else {
        Err(ActionError(text.to_owned()))
    }
}

impl FromStr for Target {
    type Err = ActionError;

    fn from_str(text: &str) -> Result<Self, ActionError> {
        name(text).map(Self)
    }
}

impl FromStr for ExampleName {
    type Err = ActionError;

    fn from_str(text: &str) -> Result<Self, ActionError> {
        name(text).map(Self)
    }
}

/// As in a page's `data-lab-action`: `step1`, `example:deadline`.
impl FromStr for Action {
    type Err = ActionError;

    fn from_str(text: &str) -> Result<Self, ActionError> {
        match text.strip_prefix("example:") {
            Some(example) => example.parse().map(Self::Example),
            None => text.parse().map(Self::Make),
        }
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Make(target) => f.write_str(&target.0),
            Self::Example(example) => write!(f, "example:{}", example.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn actions_are_read_as_they_are_written() {
        for text in ["step1", "example:deadline"] {
            assert_eq!(text.parse::<Action>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn a_number_is_digits_and_a_point_whatever_was_sent() {
        let text = |number: f64| Number::new(number, 1_000_000).map(|number| number.to_string());
        for (number, written) in [
            (80.0, "80"),
            (0.25, "0.25"),
            (-0.0, "0"),
            (1e-300, "0"),
            (5e5, "500000"),
            (1.0 / 3.0, "0.333"),
        ] {
            assert_eq!(text(number).as_deref(), Some(written));
        }
        for number in [-1.0, 1e7, f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            assert_eq!(text(number), None, "{number}");
        }
    }

    #[test]
    fn what_could_be_more_than_a_name_is_none() {
        for text in [
            "",
            "-f",
            "step1;id",
            "step1 CODE=x",
            "A=b",
            "../x",
            "example:",
            "example:../x",
            "example:--help",
            "example:a:b",
        ] {
            assert!(text.parse::<Action>().is_err(), "{text}");
        }
    }
}
