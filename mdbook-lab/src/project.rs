//! What the pages speak of: the Makefile's targets, source files and examples, as they are now.

use std::{
    borrow::Cow,
    cell::OnceCell,
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
    makefile: OnceCell<Result<Makefile, String>>,
}

/// The rules of a Makefile.
#[derive(Debug, Default)]
pub(crate) struct Makefile {
    /// What each target does: the lines of its recipe.
    pub(crate) targets: BTreeMap<Target, String>,
    /// The rules for many targets, as `step%`, with their recipes.
    patterns: BTreeMap<String, String>,
    /// There may be more targets, which only make can tell: of included files and expansions.
    is_open: bool,
}

/// Where make looks for its rules, in this order (GNU make's manual, "What Name to Give Your Makefile").
pub(crate) const MAKEFILES: [&str; 3] = ["GNUmakefile", "makefile", "Makefile"];
/// Where examples are, relative to the project.
pub(crate) const EXAMPLES: &str = "lab-services/examples";
/// The part of an example that pages show.
const SHOWN: &str = "show";

impl Project {
    /// Its folder.
    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// The project at `root`.
    pub(crate) fn at(root: &Path) -> Self {
        Self {
            root: root.to_owned(),
            makefile: OnceCell::new(),
        }
    }

    /// The rules of its Makefile, or why there are none. It is read when it is first asked for: a book that runs
    /// nothing needs none.
    pub(crate) fn makefile(&self) -> Result<&Makefile, &str> {
        let read = self.makefile.get_or_init(|| {
            let name = MAKEFILES
                .into_iter()
                .find(|name| self.root.join(name).is_file())
                .ok_or("there is none beside book.toml")?;
            let text = fs::read(self.root.join(name))
                .map_err(|error| format!("{name} can't be read: {error}"))?;
            Ok(Makefile::of(&String::from_utf8_lossy(&text)))
        });
        read.as_ref().map_err(String::as_str)
    }

    /// What is wrong with running `make TARGET`.
    pub(crate) fn check_target(&self, target: &Target) -> Result<(), String> {
        let name = target.as_str();
        match self.makefile() {
            Ok(makefile) if makefile.may_have(target) => Ok(()),
            Ok(_) => Err(format!("the Makefile has no target `{name}`")),
            Err(why) => Err(format!("`make {name}` needs a Makefile: {why}")),
        }
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

impl Makefile {
    /// The rules whose targets have plain names, with their recipes.
    fn of(text: &str) -> Self {
        let mut makefile = Self::default();
        let mut current = Vec::new();
        for line in whole_lines(text) {
            if let Some(step) = line.strip_prefix('\t') {
                makefile.add(&current, step);
            } else {
                makefile.read(&line, &mut current);
            }
        }
        makefile
    }

    /// Reads a line that is no part of a recipe; `current` are the targets that the next ones belong to.
    fn read(&mut self, line: &str, current: &mut Vec<Name>) {
        let line = line.split('#').next().unwrap_or_default();
        let first = line.split_whitespace().next().unwrap_or_default();
        if matches!(first, "include" | "-include" | "sinclude") || first.starts_with('$') {
            self.is_open = true;
        }
        let Some((names, rest)) = line.split_once(':') else {
            return;
        };
        current.clear();
        // `NAME := value` and `NAME = a:b` set a variable.
        if names.contains('=') || rest.trim_start_matches(':').starts_with('=') {
            return;
        }
        // `a b &: c` makes both at once.
        for name in names.trim_end_matches('&').split_whitespace() {
            match name.parse() {
                Ok(target) => current.push(Name::Target(target)),
                Err(_) if is_pattern(name) => current.push(Name::Pattern(name.to_owned())),
                Err(_) => self.is_open |= name.contains('$'),
            }
        }
        self.add(current, "");
        if let Some((_, step)) = rest.split_once(';') {
            self.add(current, step);
        }
    }

    fn add(&mut self, names: &[Name], step: &str) {
        for name in names {
            let recipe = match name {
                Name::Target(target) => self.targets.entry(target.clone()).or_default(),
                Name::Pattern(pattern) => self.patterns.entry(pattern.clone()).or_default(),
            };
            if !step.is_empty() {
                recipe.push_str(step);
                recipe.push('\n');
            }
        }
    }

    /// Whether `make TARGET` may find a rule: false where it is sure that it won't.
    pub(crate) fn may_have(&self, target: &Target) -> bool {
        self.is_open || self.recipe(target).is_some()
    }

    /// What `make TARGET` does, as far as the text tells; of a rule for many with what `$*` is for this one.
    pub(crate) fn recipe(&self, target: &Target) -> Option<Cow<'_, str>> {
        if let Some(recipe) = self.targets.get(target) {
            return Some(Cow::Borrowed(recipe));
        }
        let stems = self.patterns.iter().filter_map(|(pattern, recipe)| {
            let (before, after) = pattern.split_once('%')?;
            let stem = target.as_str().strip_prefix(before)?;
            let stem = stem.strip_suffix(after).filter(|stem| !stem.is_empty())?;
            Some((stem, recipe))
        });
        // Make takes the rule of the shortest stem ("How Patterns Match").
        let (stem, recipe) = stems.min_by_key(|(stem, _)| stem.len())?;
        Some(Cow::Owned(recipe.replace("$*", stem)))
    }
}

/// What a rule is for.
enum Name {
    Target(Target),
    Pattern(String),
}

/// Whether a rule's name stands for others that are plain: `step%` does, `%.o` does not.
fn is_pattern(name: &str) -> bool {
    name.contains('%') && name.replace('%', "0").parse::<Target>().is_ok()
}

/// Lines, each with those that a backslash at its end continues it in.
fn whole_lines(text: &str) -> impl Iterator<Item = Cow<'_, str>> {
    let mut lines = text.lines();
    std::iter::from_fn(move || {
        let mut whole = Cow::Borrowed(lines.next()?);
        while let Some(begun) = whole.strip_suffix('\\') {
            whole = Cow::Owned(format!("{begun} {}", lines.next().unwrap_or_default()));
        }
        Some(whole)
    })
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
                        solve1 solve2: dep\n\t@one $@\n\t@two\nlist := a\nother ::= a\n%.o: x\n\
                        out/x pack:: x; @pack\r\na b &: c \\\r\n  d:\r\n\t@c \\\r\n\t  d\r\n";
        let makefile = Makefile::of(makefile);
        let found: Vec<_> = makefile
            .targets
            .iter()
            .map(|(target, recipe)| format!("{} {recipe:?}", target.as_str()))
            .collect();
        assert_eq!(
            found,
            [
                r#"a "@c  \t  d\n""#,
                r#"b "@c  \t  d\n""#,
                r#"help "@echo a\n""#,
                r#"pack " @pack\n""#,
                r#"solve1 "@one $@\n@two\n""#,
                r#"solve2 "@one $@\n@two\n""#,
            ]
        );
        let (help, tea) = ("help".parse().unwrap(), "tea".parse().unwrap());
        assert!(makefile.may_have(&help) && !makefile.may_have(&tea));
    }

    #[test]
    fn what_only_make_can_tell_is_not_denied() {
        let tea = "tea".parse().unwrap();
        for open in [
            "include common.mk",
            "-include $(FILES)",
            "$(eval $(call rules,tea))",
            "$(ALL): x",
            "t%: x",
            "%:\n\t@x",
        ] {
            assert!(Makefile::of(open).may_have(&tea), "{open}");
        }
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
