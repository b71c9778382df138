//! Lists the scenarios of the workshop, so that a file in `scenarios/` is all that a new one takes.

use std::{
    env,
    error::Error,
    fmt::Write as _,
    fs,
    io::{self, Write as _},
    path::{Path, PathBuf},
};

fn main() -> Result<(), Box<dyn Error>> {
    let folder = Path::new(&env::var("CARGO_MANIFEST_DIR")?).join("scenarios");
    // The folder and what is in it.
    writeln!(io::stdout(), "cargo::rerun-if-changed=scenarios")?;
    let entries = fs::read_dir(&folder)?.collect::<io::Result<Vec<_>>>()?;
    let mut files: Vec<PathBuf> = entries.iter().map(fs::DirEntry::path).collect();
    files.retain(|file| file.extension().is_some_and(|ending| ending == "toml"));
    files.sort();

    let mut list = String::from("&[\n");
    for file in files {
        let name = file.file_name().unwrap_or_default().to_string_lossy();
        let shown = format!("driver/scenarios/{name}");
        // By a path that moves with the project: nothing runs this again when that happens.
        let there = format!("/scenarios/{name}");
        writeln!(
            list,
            "    ({shown:?}, include_str!(concat!(env!(\"CARGO_MANIFEST_DIR\"), {there:?}))),"
        )?;
    }
    list.push_str("]\n");
    fs::write(Path::new(&env::var("OUT_DIR")?).join("scenarios.rs"), list)?;
    Ok(())
}
