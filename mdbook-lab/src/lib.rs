//! The guide of the workshop as a live book.
//!
//! - [`Lab`] is the mdBook preprocessor: it finds marks in pages (`marks`) and writes what they ask
//!   for (`page`): what runs say (`status`), commands, examples and source text (`project`).
//! - [`input`] reads the book that mdBook sends to it, and says which mdBook it wants otherwise.
//! - [`Guide`] builds the book of a project with it, and [`Guide::check`] holds the pages against
//!   the project, one to one.
//! - [`serve`] shows the book live and runs what its pages offer, and nothing else: [`Action`].

mod action;
mod check;
mod flaw;
mod guide;
mod html;
pub mod input;
mod marks;
mod options;
mod page;
mod preprocessor;
mod project;
pub mod serve;
mod status;

pub use action::{Action, ActionError, ExampleName, Target};
pub use flaw::{Flaw, Flaws};
pub use guide::{Declared, Guide, GuideError};
pub use input::InputError;
pub use preprocessor::Lab;
