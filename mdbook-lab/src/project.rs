//! What the pages speak of: the Makefile's targets, source files and examples, as they are now.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use crate::{
    action::{ExampleName, Target},
    options::is_inside,
};

/// The project that the guide belongs to.
pub(crate) struct Project {
    root: PathBuf,
    /// What each target of the Makefile does: the lines of its recipe.
    pub(crate) targets: BTreeMap<Target, String>,
}

/// Where examples are, relative to the project.
const EXAMPLES: &str = "lab-services/examples";
/// The part of an example that pages show.
const SHOWN: &str = "show";

impl Project {
    /// The project at `root`.
    pub(crate) fn at(root: &Path) -> Result<Self, String> {
        let makefile = fs::read_to_string(root.join("Makefile"))
            .map_err(|error| format!("Makefile can't be read: {error}"))?;
        Ok(Self {
            root: root.to_owned(),
            targets: targets(&makefile),
        })
    }

    /// The text of a file, or of a part of it, without the lines that mark parts.
    pub(crate) fn source(&self, path: &Path, anchor: Option<&str>) -> Result<String, String> {
        let shown = path.display();
        if !is_inside(path) {
            return Err(format!("`{shown}` is not a path inside the project"));
        }
        let text = fs::read_to_string(self.root.join(path))
            .map_err(|error| format!("`{shown}` can't be read: {error}"))?;
        match anchor {
            None => Ok(whole(&text)),
            Some(name) => {
                part(&text, name).ok_or_else(|| format!("`{shown}` has no part `ANCHOR: {name}`"))
            }
        }
    }

    /// The part of an example that pages show.
    pub(crate) fn example(&self, name: &ExampleName) -> Result<String, String> {
        let path = Path::new(EXAMPLES).join(format!("{}.rs", name.as_str()));
        self.source(&path, Some(SHOWN))
    }

    /// The text of a file for a check; empty where there is none.
    pub(crate) fn text(&self, path: &Path) -> String {
        fs::read_to_string(self.root.join(path)).unwrap_or_default()
    }
}

/// The rules of a Makefile whose targets have plain names, with their recipes.
fn targets(makefile: &str) -> BTreeMap<Target, String> {
    let mut found: BTreeMap<Target, String> = BTreeMap::new();
    let mut current: Vec<Target> = Vec::new();
    for line in makefile.lines() {
        if let Some(step) = line.strip_prefix('\t') {
            for target in &current {
                let recipe = found.entry(target.clone()).or_default();
                recipe.push_str(step);
                recipe.push('\n');
            }
        } else if let Some((names, rest)) = line.split_once(':') {
            let names: Option<Vec<Target>> = names
                .split_whitespace()
                .map(|name| name.parse().ok())
                .collect();
            // `NAME := value` sets a variable.
            current = names.filter(|_| !rest.starts_with('=')).unwrap_or_default();
            for target in &current {
                found.entry(target.clone()).or_default();
            }
        }
    }
    found
}

fn is_marker(line: &str) -> bool {
    line.contains("ANCHOR: ") || line.contains("ANCHOR_END: ")
}

fn whole(text: &str) -> String {
    lines(text.lines())
}

/// Between `ANCHOR: name` and `ANCHOR_END: name`.
fn part(text: &str, name: &str) -> Option<String> {
    let marks = |line: &str, word: &str| {
        line.split_once(word)
            .is_some_and(|(_, rest)| rest.split_whitespace().next() == Some(name))
    };
    let mut inside = text
        .lines()
        .skip_while(|line| !marks(line, "ANCHOR: "))
        .skip(1)
        .peekable();
    inside.peek()?;
    let part: Vec<_> = inside
        .by_ref()
        .take_while(|line| !marks(line, "ANCHOR_END: "))
        .collect();
    let closed = text.lines().any(|line| marks(line, "ANCHOR_END: "));
    closed.then(|| lines(part.into_iter()))
}

/// Lines without markers, moved to the left as far as they go together.
fn lines<'a>(lines: impl Iterator<Item = &'a str>) -> String {
    let lines: Vec<_> = lines.filter(|line| !is_marker(line)).collect();
    let margin = lines
        .iter()
        .filter(|line| !line.trim().is_empty())
        .map(|line| line.len() - line.trim_start_matches(' ').len())
        .min()
        .unwrap_or(0);
    let mut text = String::new();
    for line in lines {
        text.push_str(line.get(margin..).unwrap_or_default());
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_are_those_of_the_rules() {
        let makefile = "A ?= b\nfirst = $(if x,,y:z)\n.PHONY: help\nhelp: ## text: more\n\t@echo a\n\
                        solve1 solve2: dep\n\t@one $@\n\t@two\nlist := a\n%.o: x\n";
        let found: Vec<_> = targets(makefile)
            .into_iter()
            .map(|(target, recipe)| format!("{} {recipe:?}", target.as_str()))
            .collect();
        assert_eq!(
            found,
            [
                r#"help "@echo a\n""#,
                r#"solve1 "@one $@\n@two\n""#,
                r#"solve2 "@one $@\n@two\n""#,
            ]
        );
    }

    #[test]
    fn a_part_is_shown_without_markers_and_margin() {
        let text = "a\n    // ANCHOR: one\n    b\n\n      c\n    // ANCHOR: two\n    d\n\
                    // ANCHOR_END: two\n    // ANCHOR_END: one\ne\n";
        assert_eq!(part(text, "one").unwrap(), "b\n\n  c\nd\n");
        assert_eq!(part(text, "two").unwrap(), "d\n");
        assert_eq!(part(text, "three"), None);
        assert_eq!(part("// ANCHOR: open\na\n", "open"), None);
        assert_eq!(whole("# ANCHOR: x\na: 1\n# ANCHOR_END: x\n"), "a: 1\n");
    }
}
