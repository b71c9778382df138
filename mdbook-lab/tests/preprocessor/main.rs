//! The preprocessor as mdBook calls it, and `mdbook-lab check`, on a small project of their own.

mod check;
mod elsewhere;
mod mistakes;
mod own;
mod pages;
mod project;
mod protocol;
mod site;
mod unmarked;
mod workflows;
