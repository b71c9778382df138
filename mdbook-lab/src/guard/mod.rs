//! What keeps a server of ours from being used by others: the same for the guide and for the board.
//!
//! Who may ask for what is in [`access`], how the right to it gets to a browser in [`invitation`], how much of the server
//! anybody can take up in [`seats`], [`connections`] and [`body`], what a browser may do with the answers in [`policy`].

pub(crate) mod access;
pub(crate) mod body;
pub(crate) mod codespace;
pub(crate) mod connections;
pub(crate) mod invitation;
pub(crate) mod policy;
pub(crate) mod seats;
pub(crate) mod secret;
pub(crate) mod signals;
pub(crate) mod temporary;
