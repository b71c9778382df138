//! The guide of the workshop as a live book.
//!
//! - [`Lab`] is the mdBook preprocessor: it finds marks in pages (`marks`) and writes what they ask
//!   for (`page`): what runs say (`status`), commands, examples and source text (`project`).
//! - [`input`] reads the book that mdBook sends to it, and says which mdBook it wants otherwise.
//! - [`Guide`] builds the book of a project with it, and [`Guide::check`] holds the pages against
//!   the project, one to one.
//! - [`board`] shows what a room has shared of its runs.
//! - [`serve`] shows the book live and runs what its pages offer, and nothing else: [`Action`].
//! - [`site`] writes it for publishing, with a sample of reports.
//!
//! The modules stand here in floors, the highest first: each needs only modules of the floors below its own.
//! `driver/tests/architecture.rs` holds that.

// Who shows it.
pub mod board;
pub mod serve;
pub mod site;

// Who is kept out.
mod guard;

// The book as a whole.
mod guide;

mod check;
mod preprocessor;

// A page.
mod page;

mod live;

mod edit;
mod guess;
mod home;
mod measured;
mod pace;
mod standing;
mod summary;

mod project;
mod prompt;
mod status;
mod table;

// What is asked for, in book.toml and on pages.
mod marks;
mod options;

mod scenarios;

// Alone: they need no other.
mod action;
mod flaw;
mod html;
pub mod input;
mod language;
mod slot;
mod step;
mod story;
mod system;

pub use action::{Action, ActionError, ExampleName, Target};
pub use flaw::{Flaw, Flaws};
pub use guide::{Declared, Guide, GuideError};
pub use input::InputError;
pub use preprocessor::Lab;
