//! `mdbook-lab`: the guide's preprocessor for mdBook, its check, its live server, and the board of a room.

use std::{
    io::{self, IsTerminal, Write},
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::{Context, Result};
use clap::{Parser, Subcommand};
use lab_say::{note, say};
use mdbook_lab::{Guide, InputError, Lab, board, input, serve, site};
use mdbook_preprocessor::{MDBOOK_VERSION, Preprocessor};

/// The live guide of the workshop. Without a command it is a preprocessor: mdBook starts it as such.
#[derive(Parser)]
#[command(version)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    /// Exit 0 if a renderer is supported; mdBook asks this.
    Supports {
        /// The renderer's name.
        renderer: String,
    },
    /// Hold the pages against the Makefile, the sources and each other.
    Check,
    /// Build the book and serve it on this machine, live.
    Serve {
        /// The port on 127.0.0.1; 0 takes any that is free.
        #[arg(long, default_value_t = 3000)]
        port: u16,
        /// Do not open a browser.
        #[arg(long)]
        no_open: bool,
    },
    /// Show what a room has shared of its runs, on one page for a projector.
    Board {
        /// An address of this machine and a port, as in 192.168.1.10:8090; one that is not 127.0.0.1 is open to the network.
        #[arg(long, value_parser = address, default_value = "127.0.0.1:8090")]
        listen: SocketAddr,
        /// The port on 127.0.0.1; 0 takes any that is free.
        #[arg(long, conflicts_with = "listen")]
        port: Option<u16>,
        /// Do not open a browser.
        #[arg(long)]
        no_open: bool,
    },
    /// Write the guide and a sample of this machine's reports as a static site. Exit 1 where it has dead links or
    /// names this machine.
    Site {
        /// The folder; one that is there is replaced if it is such a site.
        #[arg(long, default_value = "site")]
        out: PathBuf,
    },
}

fn address(text: &str) -> Result<SocketAddr, String> {
    let address = text.parse();
    address.map_err(|_| "it is no address with a port, as in 192.168.1.10:8090".to_owned())
}

fn main() -> ExitCode {
    let done = match Cli::parse().command {
        None => preprocess(),
        Some(Command::Supports { renderer }) => return supports(&renderer),
        Some(Command::Check) => check(),
        Some(Command::Serve { port, no_open }) => live(serve::Options {
            port,
            open: !no_open,
        }),
        Some(Command::Board {
            listen,
            port,
            no_open,
        }) => room(board::Options {
            listen: port.map_or(listen, |port| (Ipv4Addr::LOCALHOST, port).into()),
            open: !no_open,
        }),
        Some(Command::Site { out }) => site(&out),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            note!("{}", lab_say::reason(error.as_ref()));
            let is_flawed = matches!(error.downcast_ref(), Some(site::SiteError::Flaws(_)));
            ExitCode::from(if is_flawed { 1 } else { 2 })
        }
    }
}

fn supports(renderer: &str) -> ExitCode {
    match Lab::new().supports_renderer(renderer) {
        Ok(true) => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    }
}

/// The book from standard input, with the live parts in it, to standard output.
fn preprocess() -> Result<()> {
    if io::stdin().is_terminal() {
        return Err(InputError::Empty.into());
    }
    let (context, book) = input::read(io::stdin().lock())?;
    if !input::is_our_series(&context.mdbook_version) {
        note!(
            "mdbook-lab is made for mdBook {MDBOOK_VERSION} and was called by {}; \
             if the book comes out wrong, install that version",
            context.mdbook_version
        );
    }
    let book = Lab::new().run(&context, book)?;
    // In one piece: standard output would be flushed at every line.
    let book = serde_json::to_vec(&book).context("can't write the book as JSON")?;
    io::stdout()
        .lock()
        .write_all(&book)
        .context("can't give the book back to mdBook")
}

fn guide() -> Result<Guide> {
    let here = std::env::current_dir().context("the current folder is gone")?;
    Ok(Guide::find(&here)?)
}

fn check() -> Result<()> {
    guide()?.check()?;
    say!("The guide and the project agree.");
    Ok(())
}

fn site(out: &Path) -> Result<()> {
    let missing = site::write(&guide()?, out)?;
    say!(
        "The site is in {}: open its index.html, or publish the folder as it is.",
        out.display()
    );
    if !missing.is_empty() {
        note!(
            "It has no {}: `make demo ALL=1` measures all, and `make site` takes it up.",
            missing.join(", no ")
        );
    }
    Ok(())
}

fn live(options: serve::Options) -> Result<()> {
    let guide = guide()?;
    let root = guide.root().to_owned();
    serve::serve(guide, Path::new(&root), options)?;
    Ok(())
}

fn room(options: board::Options) -> Result<()> {
    board::show(&guide()?, options)?;
    Ok(())
}
