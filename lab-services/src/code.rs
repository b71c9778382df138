//! Which implementation of the cases runs, as named on the command line.

use std::fmt;

/// One implementation of the cases.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Code {
    /// The participant's file.
    Mine,
    /// The file as it was at the start.
    Starter,
    /// The reference.
    Solved,
    /// A variant that must fail its scenario.
    #[cfg(feature = "cheats")]
    Cheat(&'static str),
    /// A variant that must pass its scenario.
    #[cfg(feature = "cheats")]
    Fix(&'static str),
}

/// A name that no implementation has.
#[derive(Debug, thiserror::Error)]
#[error("there is no code named `{name}`; this build has {known}{advice}")]
pub struct UnknownCode {
    name: String,
    known: String,
    advice: &'static str,
}

impl Code {
    const TAUGHT: [Self; 3] = [Self::Mine, Self::Starter, Self::Solved];

    /// Reads the name of one of those that are taught, or of a variant.
    pub(crate) fn named(
        name: &str,
        variants: impl Iterator<Item = Self>,
    ) -> Result<Self, UnknownCode> {
        let known: Vec<Self> = Self::TAUGHT.into_iter().chain(variants).collect();
        let mut names: Vec<String> = known.iter().map(Self::to_string).collect();
        if let Some(index) = names.iter().position(|known| known == name) {
            return Ok(known[index]);
        }
        // A cheat of two steps is listed once.
        let mut seen = std::collections::HashSet::new();
        names.retain(|name| seen.insert(name.clone()));
        Err(UnknownCode {
            name: name.to_owned(),
            known: names.join(", "),
            advice: advice(name),
        })
    }
}

fn advice(name: &str) -> &'static str {
    let variant = name.starts_with("cheat:") || name.starts_with("fix:");
    if variant && !cfg!(feature = "cheats") {
        ". Cheats and fixes need a build with `--features cheats`"
    } else {
        ""
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Mine => f.write_str("mine"),
            Self::Starter => f.write_str("starter"),
            Self::Solved => f.write_str("solved"),
            #[cfg(feature = "cheats")]
            Self::Cheat(name) => write!(f, "cheat:{name}"),
            #[cfg(feature = "cheats")]
            Self::Fix(name) => write!(f, "fix:{name}"),
        }
    }
}
