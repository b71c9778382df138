//! What changed in the code: a unified diff, file by file.

use std::collections::BTreeMap;

use lab_record::SourceFile;
use similar::{ChangeTag, TextDiff};

/// Lines of unchanged code around a change.
const CONTEXT: usize = 3;

/// What changed in one file.
#[derive(Clone, Debug, PartialEq)]
pub struct SourceDiff {
    /// Its path, relative to the project.
    pub path: String,
    /// Stretches with changes and some lines around them; none where the texts are equal.
    pub hunks: Vec<Vec<DiffLine>>,
    /// Lines that only the second run has.
    pub added: usize,
    /// Lines that only the first run has.
    pub removed: usize,
    /// True where the second run is known to have another text than the workshop begins with.
    pub differs_from_start: bool,
}

/// One line of a diff.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DiffLine {
    /// Kept, removed or added.
    pub tag: LineTag,
    /// Its number in the first run's file, from 1.
    pub old: Option<usize>,
    /// Its number in the second run's file, from 1.
    pub new: Option<usize>,
    /// Its text, without the end of line.
    pub text: String,
}

/// What became of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LineTag {
    /// In both.
    Kept,
    /// Only in the first run.
    Removed,
    /// Only in the second run.
    Added,
}

/// Every file of either run, by path.
pub(super) fn diffs(a: &[SourceFile], b: &[SourceFile]) -> Vec<SourceDiff> {
    let mut texts: BTreeMap<&str, (&str, &str)> = BTreeMap::new();
    for file in a {
        texts.entry(&file.path).or_default().0 = &file.text;
    }
    for file in b {
        texts.entry(&file.path).or_default().1 = &file.text;
    }
    texts
        .into_iter()
        .map(|(path, (old, new))| diff(path, old, new))
        .collect()
}

fn diff(path: &str, old: &str, new: &str) -> SourceDiff {
    let diff = TextDiff::from_lines(old, new);
    let hunks: Vec<Vec<DiffLine>> = diff
        .grouped_ops(CONTEXT)
        .iter()
        .map(|group| {
            group
                .iter()
                .flat_map(|op| diff.iter_changes(op))
                .map(|change| DiffLine {
                    tag: match change.tag() {
                        ChangeTag::Equal => LineTag::Kept,
                        ChangeTag::Delete => LineTag::Removed,
                        ChangeTag::Insert => LineTag::Added,
                    },
                    old: change.old_index().map(|index| index + 1),
                    new: change.new_index().map(|index| index + 1),
                    text: change.value().trim_end_matches(['\r', '\n']).to_owned(),
                })
                .collect()
        })
        .collect();
    let lines = |tag| {
        hunks
            .iter()
            .flatten()
            .filter(|line: &&DiffLine| line.tag == tag)
            .count()
    };
    SourceDiff {
        path: path.to_owned(),
        added: lines(LineTag::Added),
        removed: lines(LineTag::Removed),
        differs_from_start: false,
        hunks,
    }
}
