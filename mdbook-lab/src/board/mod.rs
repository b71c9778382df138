//! `mdbook-lab board`: what a room has shared of its runs, on one page for a projector.
//!
//! Codes come in by two doors: a text that somebody pastes ([`paste`]), and the posts of laptops that have joined
//! ([`routes`]). The state is pure ([`state`]), and so is what a page gets of it ([`table`], [`sheet`]); one file keeps it
//! ([`store`], [`keeper`]). Who is kept out, and how, is [`crate::guard`]'s, as for the guide.

mod keeper;
mod paste;
mod routes;
mod sheet;
mod state;
mod store;
mod table;

use std::{io, net::SocketAddr, sync::Arc};

use lab_say::{note, say};

pub use self::store::StoreError;
use self::{
    keeper::Keeper,
    routes::Parts,
    store::{Kept, Store},
};
use crate::{
    Guide,
    guard::{
        access::Door,
        connections,
        invitation::{Invitation, Opens},
        signals::Signals,
    },
};

/// How to show a board.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Where it is served; an address of this machine that is not loopback opens it to the network.
    pub listen: SocketAddr,
    /// Whether to open it in a browser.
    pub open: bool,
}

/// Why a board can't be shown.
#[derive(Debug, thiserror::Error)]
pub enum BoardError {
    /// It can't be kept.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The address is not of this machine, or taken.
    #[error(
        "can't listen on {address}: {why}; LISTEN names an address of this machine and a free port, PORT a port of \
         127.0.0.1"
    )]
    Bind {
        /// The address.
        address: SocketAddr,
        /// What the system says.
        why: io::Error,
    },
    /// It would be open to whatever network there is, and pages could not tell its name.
    #[error(
        "LISTEN={0} is every network of this machine; name the one address that laptops reach it by, as in \
         LISTEN=192.168.1.10:8090"
    )]
    Everywhere(SocketAddr),
    /// The book says nothing of steps.
    #[error("a board has a column a step, and book.toml names no steps")]
    NoSteps,
    /// The operating system gives no random numbers.
    #[error("the operating system gives no random numbers")]
    Random(#[from] getrandom::Error),
    /// Too few threads.
    #[error(transparent)]
    Threads(#[from] lab_say::TooFewThreads),
    /// Anything else that the system refuses.
    #[error("can't start the board")]
    System(#[from] io::Error),
}

/// The board, to who opens it.
const OPENS: Opens = Opens {
    name: "The board",
    ends: "ends the board; what it knows is kept",
    prefix: "open-board-",
};

/// Threads of the runtime.
const WORKERS: usize = 2;
/// The one that writes, and those that read what was pasted.
const THREADS_BESIDE: usize = 4;

/// Shows the board of the project until Ctrl-C.
pub fn show(guide: &Guide, options: Options) -> Result<(), BoardError> {
    lab_say::allow_threads(WORKERS + THREADS_BESIDE)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(WORKERS)
        .max_blocking_threads(THREADS_BESIDE - 1)
        .enable_all()
        .build()?;
    let shown = runtime.block_on(until_interrupted(guide, options));
    runtime.shutdown_background();
    shown
}

async fn until_interrupted(guide: &Guide, options: Options) -> Result<(), BoardError> {
    if options.listen.ip().is_unspecified() {
        return Err(BoardError::Everywhere(options.listen));
    }
    if guide.steps().is_empty() {
        return Err(BoardError::NoSteps);
    }
    let root = guide.root().canonicalize()?;
    let store = Store::open(&root)?;
    let bind = |why| BoardError::Bind {
        address: options.listen,
        why,
    };
    let listener = connections::bind(options.listen).map_err(bind)?;
    let address = listener.local_addr()?;
    let mut signals = Signals::new()?;

    let Kept { state, key, aside } = store.load()?;
    if let Some((place, why)) = aside {
        let board = store.path();
        note!(
            "{}: {why}. It is kept as {}, and the board begins empty, with a new key: laptops join again.",
            board.display(),
            place.display()
        );
    }
    let codes = state.entries().len();
    let keeper = Keeper::start(store, state, key);
    keeper.kept().await.map_err(io::Error::other)?;
    let door = Door::new(address)?;
    let invitation = Invitation::hand_out(OPENS, &door, &root, options.open);
    tell(&door, &keeper, address, codes);
    let parts = Arc::new(Parts::new(
        door,
        invitation,
        keeper,
        guide.steps(),
        address,
    )?);
    tokio::select! {
        () = connections::serve(listener, routes::app(Arc::clone(&parts))) => {}
        () = signals.any() => {}
    }
    parts.invitation.withdraw();
    // What came in with the last request.
    parts.keeper.kept().await.map_err(io::Error::other)?;
    Ok(())
}

fn tell(door: &Door, keeper: &Keeper, address: SocketAddr, codes: usize) {
    say!(
        "To join, on a laptop: make join BOARD='{}'",
        join_link(door, keeper)
    );
    if address.ip().is_loopback() {
        say!(
            "Nobody but this machine can reach it; LISTEN=192.168.1.10:8090 opens it to a network."
        );
    } else {
        say!(
            "OPEN TO THE NETWORK at {address}: who has that link reads the board, names and all, and posts codes. It is \
             not encrypted."
        );
    }
    if codes > 0 {
        say!("It goes on where it was; codes so far: {codes}.");
    }
}

/// The address of the board with the key of the room, in the part of an address that browsers send to nobody.
fn join_link(door: &Door, keeper: &Keeper) -> String {
    format!("{}/#key={}", door.origin(), keeper.key.reveal())
}
