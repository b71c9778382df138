//! Which implementation of the cases runs, as named on the command line.

use std::fmt;

#[cfg(feature = "cheats")]
use crate::cases::cheats::{bulkheads, timeouts, tx};

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
        #[cfg(feature = "cheats")]
        let cheats = &[timeouts::NAMES, tx::NAMES];
        #[cfg(not(feature = "cheats"))]
        let cheats = &[];
        Self::named(name, cheats)
    }

    /// Reads the name of a variant for the case of `worker`.
    pub fn for_worker(name: &str) -> Result<Self, UnknownCode> {
        #[cfg(feature = "cheats")]
        let cheats = &[bulkheads::NAMES];
        #[cfg(not(feature = "cheats"))]
        let cheats = &[];
        Self::named(name, cheats)
    }

    fn named(name: &str, cheats: &[&[&'static str]]) -> Result<Self, UnknownCode> {
        match name {
            "mine" => return Ok(Self::Mine),
            "starter" => return Ok(Self::Starter),
            "solved" => return Ok(Self::Solved),
            _ => {}
        }
        #[cfg(feature = "cheats")]
        if let Some(wanted) = name.strip_prefix("cheat:")
            && let Some(cheat) = cheats
                .iter()
                .copied()
                .flatten()
                .find(|cheat| **cheat == wanted)
        {
            return Ok(Self::Cheat(cheat));
        }
        Err(UnknownCode {
            name: name.to_owned(),
            known: known(cheats),
            advice: advice(name),
        })
    }
}

fn known(cheats: &[&[&str]]) -> String {
    let mut names: Vec<String> = ["mine", "starter", "solved"].map(String::from).into();
    for cheat in cheats.iter().copied().flatten() {
        let name = format!("cheat:{cheat}");
        if !names.contains(&name) {
            names.push(name);
        }
    }
    names.join(", ")
}

fn advice(name: &str) -> &'static str {
    if name.starts_with("cheat:") && !cfg!(feature = "cheats") {
        ". Cheats need a build with `--features cheats`"
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
    fn a_cheat_belongs_to_its_service() {
        assert_eq!(
            Code::for_api("cheat:big-pool").unwrap(),
            Code::Cheat("big-pool")
        );
        assert!(Code::for_worker("cheat:big-pool").is_err());
    }

    #[cfg(not(feature = "cheats"))]
    #[test]
    fn a_normal_build_has_no_cheats_and_says_so() {
        let error = Code::for_api("cheat:big-pool").unwrap_err().to_string();
        assert!(
            error.ends_with("Cheats need a build with `--features cheats`"),
            "{error}"
        );
    }
}
