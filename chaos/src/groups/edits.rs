//! `solve` and `reset` on files as they come, and while an editor saves.

use std::{
    fs::{self, File, Permissions},
    io::Write,
    os::unix::fs::{PermissionsExt, symlink},
    path::Path,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Result, ensure};
use fastrand::Rng;

use crate::{
    trial::Trial,
    world::{EDITS, World},
};

/// A way in which editors save.
type Save = fn(&Path, &str) -> std::io::Result<()>;

const SAVES: [Save; 4] = [
    // Beside it, then renamed: most.
    |file, text| {
        let new = file.with_extension("new");
        fs::write(&new, text)?;
        fs::rename(new, file)
    },
    // Over it.
    |file, text| fs::write(file, text),
    // A backup first, by renaming; then anew.
    |file, text| {
        let _ = fs::rename(file, file.with_extension("bak"));
        fs::write(file, text)
    },
    // Opened as it is, shortened after the writing.
    |file, text| {
        let mut open = File::options()
            .write(true)
            .create(true)
            .truncate(false)
            .open(file)?;
        open.write_all(text.as_bytes())?;
        open.set_len(text.len() as u64)
    },
];

/// One save at a random moment of one `solve` or `reset`.
pub(crate) fn saves(trial: &mut Trial<'_>) {
    for number in 0..trial.times(60, 10_000) {
        trial.case("a save", |world, random| save(world, random, number));
    }
}

fn save(world: &World, random: &mut Rng, number: usize) -> Result<()> {
    let file = world.root.join(EDITS[0]);
    let before = fs::read_to_string(&file)?;
    let text = format!("// save {number}\n");
    let way = random.usize(..SAVES.len());
    // The program starts for some milliseconds before it comes to its work.
    let wait = Duration::from_micros(random.u64(..40_000));
    let mut command = world.driver(if random.bool() {
        &["solve", "1"]
    } else {
        &["reset"]
    });
    let begun = Instant::now();
    let mut program = world.start(&mut command)?;
    thread::sleep(wait.saturating_sub(begun.elapsed()));
    let stood = fs::read_to_string(&file).unwrap_or_default();
    SAVES[way](&file, &text)?;
    program.end()?.with(&[0, 2])?;
    if stood == before {
        // The editor's own save may have been over it.
        world.need_not_keep(&before);
    }
    world.must_keep(text);
    let _ = fs::remove_file(file.with_extension("bak"));
    Ok(())
}

/// What a file may be like.
type Odd = fn(&Path) -> std::io::Result<()>;

const ODD: [(&str, Odd, &[i32]); 8] = [
    ("missing", |file| fs::remove_file(file), &[0]),
    ("empty", |file| fs::write(file, ""), &[0]),
    (
        "with CRLF",
        |file| fs::write(file, "fn mine() {}\r\n"),
        &[0],
    ),
    ("not UTF-8", |file| fs::write(file, b"// \xff\xfe\n"), &[0]),
    (
        "read-only",
        |file| fs::set_permissions(file, Permissions::from_mode(0o400)),
        &[0],
    ),
    (
        "a link",
        |file| {
            fs::rename(file, file.with_extension("elsewhere"))?;
            symlink(file.with_extension("elsewhere"), file)
        },
        &[2],
    ),
    (
        "a link to nowhere",
        |file| {
            fs::remove_file(file)?;
            symlink("nowhere", file)
        },
        &[2],
    ),
    (
        "a folder",
        |file| {
            fs::remove_file(file)?;
            fs::create_dir(file)
        },
        &[2],
    ),
];

pub(crate) fn files(trial: &mut Trial<'_>) {
    for (what, make, codes) in ODD {
        for command in [&["solve", "1"][..], &["reset"]] {
            trial.case(
                &format!("{} on a file that is {what}", command[0]),
                |world, _| odd(world, command, make, codes),
            );
        }
    }
    let resets = trial.times(20, 200);
    trial.case(&format!("{resets} resets"), |world, _| {
        for _ in 0..resets {
            world
                .start(&mut world.driver(&["reset"]))?
                .end()?
                .with(&[0])?;
        }
        Ok(())
    });
}

fn odd(world: &World, command: &[&str], make: Odd, codes: &[i32]) -> Result<()> {
    let file = world.root.join(EDITS[0]);
    let before = fs::read_to_string(&file)?;
    make(&file)?;
    let odd = fs::read(&file).ok();
    if odd.as_deref() != Some(before.as_bytes()) {
        world.need_not_keep(&before);
    }
    if let Some(text) = odd
        .and_then(|odd| String::from_utf8(odd).ok())
        .filter(|text| !text.is_empty())
    {
        world.must_keep(text);
    }
    let ended = world.start(&mut world.driver(command))?.end()?;
    ended.with(codes)?;
    if codes == [2] {
        ended.says("timeouts.rs")?;
        ensure!(!fs::symlink_metadata(&file)?.is_file(), "it was replaced");
    }
    let elsewhere = file.with_extension("elsewhere");
    if elsewhere.exists() {
        fs::rename(elsewhere, &file)?;
    }
    Ok(())
}
