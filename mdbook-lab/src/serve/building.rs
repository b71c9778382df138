//! How far cargo is, as it draws it where it is asked to: `Building [=====>    ] 12/250: driver, lab-load`.

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

/// What a line says, and what was drawn in its place before: each drawing ends with a carriage return.
pub(super) fn read(line: &str) -> (Option<Building>, Option<&str>) {
    let parts = || line.split('\r');
    let Some(drawn) = parts().filter_map(building).next_back() else {
        return (None, Some(line));
    };
    let mut said = parts().filter(|part| building(part).is_none() && !part.trim().is_empty());
    (Some(drawn), said.next_back())
}

fn building(part: &str) -> Option<Building> {
    let bar = part.trim().strip_prefix("Building [")?;
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
    fn the_latest_drawing_is_told_apart_from_what_is_said() {
        let line = "    Building [>   ] 0/9: a      \r    Building [==> ] 4/9: lab-load, driver\r   Compiling b v0.1.0";
        let building = Building {
            done: 4,
            of: 9,
            crates: "lab-load, driver".to_owned(),
        };
        assert_eq!(read(line), (Some(building), Some("   Compiling b v0.1.0")));
    }

    #[test]
    fn what_is_no_drawing_is_said_as_it_is() {
        for line in [
            "",
            "  ",
            "one\rover another\r",
            "Building [half",
            "Building [=] 1/x: a",
            "x: Building [=] 1/2: a",
        ] {
            assert_eq!(read(line), (None, Some(line)));
        }
    }

    #[test]
    fn a_drawing_alone_says_nothing() {
        let (drawn, text) = read("    Building [==> ] 4/9: driver      \r");
        assert_eq!(drawn.map(|building| building.done), Some(4));
        assert_eq!(text, None);
    }
}
