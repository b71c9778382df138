//! How far cargo is, as it draws it where it is asked to: `Building [=====>    ] 12/250: driver, lab-load`, then a
//! carriage return.

use serde::Serialize;

/// What cargo is to be told so that it draws, whoever reads.
pub(super) const ENV: [(&str, &str); 2] = [
    ("CARGO_TERM_PROGRESS_WHEN", "always"),
    ("CARGO_TERM_PROGRESS_WIDTH", "120"),
];

/// How far a build is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Building {
    /// Crates that are built.
    pub(crate) done: u32,
    /// All that the build is of.
    pub(crate) of: u32,
    /// Those under way, as far as they had room.
    pub(crate) crates: String,
}

/// What a line of output draws; none where it says something else.
pub(super) fn read(line: &str) -> Option<Building> {
    let bar = line.trim().strip_prefix("Building [")?;
    let (counted, crates) = bar.split_once("] ")?.1.split_once(": ")?;
    let (done, of) = counted.split_once('/')?;
    Some(Building {
        done: done.parse().ok()?,
        of: of.parse().ok()?,
        crates: crates.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_drawing_is_told_apart_from_what_is_said() {
        let building = Building {
            done: 4,
            of: 9,
            crates: "lab-load, driver".to_owned(),
        };
        let line = "    Building [==> ] 4/9: lab-load, driver      ";
        assert_eq!(read(line), Some(building));
        for line in [
            "",
            "  ",
            "   Compiling b v0.1.0",
            "Building [half",
            "Building [=] 1/x: a",
            "x: Building [=] 1/2: a",
        ] {
            assert_eq!(read(line), None, "{line:?}");
        }
    }
}
