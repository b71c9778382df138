//! What is tried, by kind.

mod disks;
mod edits;
mod environments;
mod kills;
mod output;
mod services;
mod signals;
mod stack;

use crate::trial::Trial;

/// Tries all of a kind.
pub(crate) type Group = fn(&mut Trial<'_>);

/// All groups, in their order.
pub(crate) const ALL: &[(&str, Group)] = &[
    ("kills", kills::kills),
    ("stops", kills::stops),
    ("signals", signals::signals),
    ("output", output::output),
    ("disks", disks::disks),
    ("power", disks::power),
    ("saves", edits::saves),
    ("files", edits::files),
    ("up", stack::stack),
    ("environments", environments::environments),
    ("network", environments::network),
    ("postgres", environments::postgres),
    ("hostile-files", environments::hostile),
    ("requests", services::requests),
];

/// Their names, for people.
pub(crate) fn names() -> String {
    let names: Vec<&str> = ALL.iter().map(|(name, _)| *name).collect();
    names.join(", ")
}
