//! `driver join`: the board of a room, where later runs post their codes.

use std::{
    io::{self, BufRead},
    path::Path,
};

use anyhow::{Context, Result};
use clap::Args;
use lab_say::{note, say};

use super::Ended;
use crate::board::Room;

/// Which room.
#[derive(Debug, Args)]
pub(super) struct Options {
    /// The link that `make board` prints; empty to leave. Without one it is asked for: so it is in no list of processes
    #[arg(env = "LAB_BOARD", hide_env_values = true)]
    link: Option<String>,
}

pub(super) async fn join(project: &Path, options: Options) -> Result<Ended> {
    let link = match options.link {
        Some(link) if link.trim().is_empty() => return leave(project),
        Some(link) => link,
        None => {
            tell(project)?;
            say!("The link that make board prints, to join (nothing changes without one):");
            let mut line = String::new();
            let read = io::stdin().lock().read_line(&mut line);
            read.context("can't read the link from standard input")?;
            if line.trim().is_empty() {
                return Ok(Ended::Well);
            }
            line
        }
    };
    let mut room = Room::of(&link)?;
    // What waits for the board of before is for this one: a board that moved, most likely.
    if let Ok(Some(before)) = Room::joined(project) {
        room.waiting = before.waiting;
    }
    room.keep(project)?;
    say!(
        "Joined. The code of each run of a step that counts goes to {}, and nothing else.",
        room.address
    );
    say!("make join BOARD= leaves.");
    if let Err(error) = room.greet().await {
        note!("The board: {error}. Your runs go on as ever, and their codes wait for it.");
    }
    Ok(Ended::Well)
}

fn leave(project: &Path) -> Result<Ended> {
    let waiting = match Room::joined(project) {
        Ok(Some(room)) => room.waiting,
        _ => Vec::new(),
    };
    Room::leave(project)?;
    say!("You have joined no board: no code leaves this machine.");
    if !waiting.is_empty() {
        say!("These were not sent; paste them into the chat if you like:");
        for code in waiting {
            say!("  {code}");
        }
    }
    Ok(Ended::Well)
}

fn tell(project: &Path) -> Result<()> {
    match Room::joined(project)? {
        Some(room) => say!(
            "You have joined {}; {} codes wait for it.",
            room.address,
            room.waiting.len()
        ),
        None => say!("You have joined no board: no code leaves this machine."),
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_board_that_is_away_is_joined_all_the_same_and_what_waits_is_kept_until_one_leaves() {
        let folder = tempfile::tempdir().unwrap();
        let project = folder.path();
        let links =
            ["1", "2"].map(|port| format!("http://127.0.0.1:{port}/#key={}", "a1".repeat(32)));
        let order = |link: &str| Options {
            link: Some(link.to_owned()),
        };
        let [first, second] = &links;
        join(project, order(first)).await.unwrap();
        let mut joined = Room::joined(project).unwrap().unwrap();
        joined.waiting.push("LAB1/x".to_owned());
        joined.keep(project).unwrap();
        join(project, order(second)).await.unwrap();
        let joined = Room::joined(project).unwrap().unwrap();
        assert_eq!(
            (joined.address.as_str(), joined.waiting.len()),
            ("http://127.0.0.1:2", 1)
        );
        assert!(join(project, order("http://127.0.0.1:2/")).await.is_err());
        assert!(
            Room::joined(project).unwrap().is_some(),
            "a wrong link changes nothing"
        );
        join(project, order("")).await.unwrap();
        assert!(Room::joined(project).unwrap().is_none());
    }
}
