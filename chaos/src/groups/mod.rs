//! What is tried, by kind.

mod clock;
mod disks;
mod edits;
mod environments;
mod guide;
mod hostile;
mod kills;
mod network;
mod output;
mod postgres;
mod power;
mod reports;
mod services;
mod signals;
mod stack;
mod users;

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
    ("power", power::power),
    ("clock", clock::clock),
    ("saves", edits::saves),
    ("files", edits::files),
    ("reports", reports::reports),
    ("up", stack::stack),
    ("users", users::users),
    ("environments", environments::environments),
    ("network", network::network),
    ("postgres", postgres::postgres),
    ("hostile-files", hostile::hostile),
    ("guide", guide::guide),
    ("requests", services::requests),
];

/// Their names, for people.
pub(crate) fn names() -> String {
    let names: Vec<&str> = ALL.iter().map(|(name, _)| *name).collect();
    names.join(", ")
}
