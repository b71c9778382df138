//! What a run leaves behind, as types: `data.json` ([`Run`]), `events.jsonl` ([`Line`]) and the
//! folder that holds them ([`Reports`]); what a scenario says of itself as a step ([`Lesson`]), and where that stands
//! ([`Standing`]).
//!
//! The driver writes these ([`file`]), the guide and the reports read them. Nothing here measures, judges or
//! draws.

mod account;
mod bars;
mod baseline;
mod brief;
mod cause;
mod damage;
mod events;
pub mod file;
mod finite;
mod guess;
mod id;
mod judgement;
mod lesson;
mod load;
mod progress;
mod reports;
mod run;
pub mod saved;
#[cfg(test)]
mod schema;
mod share;
mod stage;
mod standing;
mod target;

pub use account::{Account, Latest};
pub use bars::Bars;
pub use baseline::Others;
pub use brief::Brief;
pub use cause::Cause;
pub use damage::Damaged;
pub use events::{EventKind, Line, PlannedClass, Tick};
pub use finite::{Finite, NotFinite, Points};
pub use guess::{Figure, Guess};
pub use id::{RunId, RunIdError};
pub use judgement::{Check, CheckKind, Finding, Outcome, SelfCheck, Validity, Verdict, is_figure};
pub use lesson::{Arrow, Lesson, Measured, Node, Part, System};
pub use load::{Class, Ends, Latency, LoadPod, PhaseStats, Quantile, SendLoop, Totals, called};
pub use progress::{Next, State};
pub use reports::{Entry, ReadError, Reports};
pub use run::{EndedEarly, Event, Host, Pause, Phase, Run, Scenario, Series, SourceFile};
pub use share::{NameError, ShareCode, ShareError, ShareName};
pub use stage::{Frame, Gauge, Ink, Level, Part as StagePart, Scaled, Stage};
pub use standing::{EditPoint, Standing, Text, beside};
pub use target::{Address, Handshakes, Target};

/// The version of the format that [`Run`] describes. Older ones are read too, newer ones refused.
pub const SCHEMA: u32 = 3;
