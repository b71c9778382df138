//! Which implementation of the cases runs, as named on the command line.

use std::fmt;

#[cfg(feature = "cheats")]
use crate::cases::{cheats, fixes};

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

/// A case's path in the project, and its text as it was compiled into this build.
macro_rules! compiled {
    ($file:literal) => {
        (
            concat!("lab-services/src/cases/", $file),
            include_str!(concat!("cases/", $file)),
        )
    };
}

const COMPILED: &[(&str, &str)] = &[
    compiled!("timeouts.rs"),
    compiled!("tx.rs"),
    compiled!("bulkheads.rs"),
    compiled!("starter/timeouts.rs"),
    compiled!("starter/tx.rs"),
    compiled!("starter/bulkheads.rs"),
    compiled!("solved/timeouts.rs"),
    compiled!("solved/tx.rs"),
    compiled!("solved/bulkheads.rs"),
    #[cfg(feature = "cheats")]
    compiled!("cheats/timeouts.rs"),
    #[cfg(feature = "cheats")]
    compiled!("cheats/tx.rs"),
    #[cfg(feature = "cheats")]
    compiled!("cheats/bulkheads.rs"),
    #[cfg(feature = "cheats")]
    compiled!("fixes/timeouts.rs"),
    #[cfg(feature = "cheats")]
    compiled!("fixes/tx.rs"),
    #[cfg(feature = "cheats")]
    compiled!("fixes/bulkheads.rs"),
];

/// `GET /debug/code`: the text of every case that this build can run, by its path in the project. A report shows what
/// ran by it, whatever is in the folder meanwhile; whoever runs an image learns whether it has today's code.
pub(crate) async fn sources() -> axum::Json<std::collections::BTreeMap<&'static str, &'static str>>
{
    axum::Json(COMPILED.iter().copied().collect())
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
    /// Reads the name of a variant for the cases of `api`.
    pub fn for_api(name: &str) -> Result<Self, UnknownCode> {
        let known = Self::TAUGHT.into_iter();
        #[cfg(feature = "cheats")]
        let known = known
            .chain(Self::cheats(cheats::timeouts::NAMES))
            .chain(Self::cheats(cheats::tx::NAMES))
            .chain(Self::fixes(fixes::timeouts::NAMES))
            .chain(Self::fixes(fixes::tx::NAMES));
        Self::named(name, &known.collect::<Vec<_>>())
    }

    /// Reads the name of a variant for the case of `worker`.
    pub fn for_worker(name: &str) -> Result<Self, UnknownCode> {
        let known = Self::TAUGHT.into_iter();
        #[cfg(feature = "cheats")]
        let known = known
            .chain(Self::cheats(cheats::bulkheads::NAMES))
            .chain(Self::fixes(fixes::bulkheads::NAMES));
        Self::named(name, &known.collect::<Vec<_>>())
    }

    const TAUGHT: [Self; 3] = [Self::Mine, Self::Starter, Self::Solved];

    #[cfg(feature = "cheats")]
    fn cheats(names: &'static [&'static str]) -> impl Iterator<Item = Self> {
        names.iter().copied().map(Self::Cheat)
    }

    #[cfg(feature = "cheats")]
    fn fixes(names: &'static [&'static str]) -> impl Iterator<Item = Self> {
        names.iter().copied().map(Self::Fix)
    }

    fn named(name: &str, known: &[Self]) -> Result<Self, UnknownCode> {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_read_back() {
        for name in ["mine", "starter", "solved"] {
            assert_eq!(Code::for_api(name).unwrap().to_string(), name);
        }
    }

    #[test]
    fn an_unknown_name_lists_what_there_is() {
        let error = Code::for_worker("mien").unwrap_err().to_string();
        assert!(
            error
                .starts_with("there is no code named `mien`; this build has mine, starter, solved"),
            "{error}"
        );
    }

    #[cfg(feature = "cheats")]
    #[test]
    fn a_cheat_or_a_fix_belongs_to_its_service() {
        assert_eq!(
            Code::for_api("cheat:big-pool").unwrap(),
            Code::Cheat("big-pool")
        );
        assert!(Code::for_worker("cheat:big-pool").is_err());
        assert_eq!(
            Code::for_worker("fix:no-queue").unwrap(),
            Code::Fix("no-queue")
        );
        assert!(Code::for_api("fix:no-queue").is_err());
    }

    #[cfg(not(feature = "cheats"))]
    #[test]
    fn a_normal_build_has_no_cheats_and_says_so() {
        let error = Code::for_api("cheat:big-pool").unwrap_err().to_string();
        assert!(
            error.ends_with("Cheats and fixes need a build with `--features cheats`"),
            "{error}"
        );
    }
}
