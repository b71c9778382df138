//! Words that a site must not hand on: where things are on the machine that wrote it, and that machine's name.

use std::{fs, io, path::Path};

use super::{files, flaw};
use crate::flaw::Flaw;

/// Those in any file of the site that was written in the project at `root`.
pub(super) fn found(site: &Path, root: &Path) -> io::Result<Vec<Flaw>> {
    let words = words(root);
    let mut flaws = Vec::new();
    for file in files(site)? {
        let bytes = fs::read(&file)?;
        let text = String::from_utf8_lossy(&bytes);
        for (word, what) in &words {
            if let Some(at) = place(&text, word) {
                let line = text[..at].matches('\n').count() as u64 + 1;
                let said = format!("has `{word}`, {what} of this machine");
                flaws.push(flaw(site, &file, Some(line), said));
            }
        }
    }
    Ok(flaws)
}

/// Each with what it is.
fn words(root: &Path) -> Vec<(String, &'static str)> {
    let root = fs::canonicalize(root).unwrap_or_else(|_| root.to_owned());
    let home = std::env::home_dir();
    let folders = [
        (Some(root), "the project's folder"),
        (home, "the home folder of who wrote the site"),
    ];
    let mut words: Vec<_> = folders
        .into_iter()
        .filter_map(|(folder, what)| Some((folder?, what)))
        .filter(|(folder, _)| folder.is_absolute() && folder.parent().is_some())
        .map(|(folder, what)| (folder.to_string_lossy().into_owned(), what))
        .collect();
    let uname = rustix::system::uname();
    let host = uname.nodename().to_string_lossy().into_owned();
    if is_telling(&host) {
        words.push((host, "the name"));
    }
    words
}

/// Whether a host's name is told apart from a word of the pages, as `vm` or `ubuntu` is not.
fn is_telling(host: &str) -> bool {
    host.len() >= 6
        && host.contains(|letter: char| letter == '-' || letter == '.' || letter.is_ascii_digit())
}

/// Where a text has a word that is not a part of a longer one.
fn place(text: &str, word: &str) -> Option<usize> {
    let is_part = |letter: Option<char>| {
        letter.is_some_and(|letter| letter.is_alphanumeric() || matches!(letter, '_' | '-'))
    };
    let mut places = text.match_indices(word).map(|(at, _)| at);
    places.find(|at| {
        let (before, after) = (&text[..*at], &text[at + word.len()..]);
        !is_part(before.chars().next_back()) && !is_part(after.chars().next())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_whole_ones() {
        assert_eq!(place("in /home/ada/lab: x", "/home/ada"), Some(3));
        assert_eq!(place("in /home/adam and our/home/ada", "/home/ada"), None);
        assert!(is_telling("fv-az12") && is_telling("adas.local") && !is_telling("ubuntu"));
    }

    #[test]
    fn the_projects_folder_is_found_in_any_file() {
        let folder = tempfile::tempdir().unwrap();
        let (site, root) = (folder.path().join("site"), folder.path().join("root"));
        fs::create_dir_all(site.join("a")).unwrap();
        fs::create_dir(&root).unwrap();
        let root = fs::canonicalize(root).unwrap();
        fs::write(
            site.join("a/data.json"),
            format!("{{\n\"{}/x\"", root.display()),
        )
        .unwrap();
        let found = found(&site, &root).unwrap();
        let said: Vec<String> = found.iter().map(ToString::to_string).collect();
        assert_eq!(said.len(), 1, "{said:?}");
        assert!(said[0].starts_with("a/data.json:2: has `"), "{said:?}");
    }
}
