//! `driver restore`: texts that `solve`, `catchup`, `reset` and itself have taken away, listed and put back.

use std::{fs, path::Path};

use anyhow::{Context, Result};
use clap::Args;
use jiff::{Timestamp, tz::TimeZone};
use lab_say::say;
use similar::{ChangeTag, TextDiff};

use super::{Ended, edits};
use crate::{
    edit::{Saved, State, Variant, put_back, saved, source_path},
    scenario::{Scenario, steps},
};

/// Which text.
#[derive(Debug, Args)]
pub(super) struct Options {
    /// Its number in the list, which comes without one
    number: Option<usize>,
    /// Show how it differs from what stands at the edit point, and change nothing
    #[arg(long, requires = "number")]
    diff: bool,
}

pub(super) fn restore(root: &Path, options: &Options) -> Result<Ended> {
    let steps = steps()?;
    let all = saved(root, &steps)?;
    let Some(number) = options.number else {
        list(root, &steps, &all);
        return Ok(Ended::Well);
    };
    let chosen = number.checked_sub(1).and_then(|index| all.get(index));
    let chosen = chosen.with_context(|| match all.len() {
        0 => "no text is saved: `make solve1`, `make reset` and the like save what they replace"
            .to_owned(),
        count => format!(
            "no saved text has the number {number}; there are 1 to {count}: make restore lists them"
        ),
    })?;
    if options.diff {
        say!("{}", difference(root, chosen)?.trim_end());
        return Ok(Ended::Well);
    }
    let placed = put_back(root, chosen)?;
    edits::tell_one(&placed, &format!("your text of {}", moment(chosen.at)));
    if placed.state != State::Overtaken
        && let Some(step) = step_of(&steps, chosen)
    {
        say!("Next: make step{step}");
    }
    Ok(Ended::Well)
}

fn list(root: &Path, steps: &[Scenario], all: &[Saved]) {
    if all.is_empty() {
        say!("No text is saved: make solve1, make reset and the like save what they replace.");
        return;
    }
    let now = Timestamp::now();
    for (index, one) in all.iter().enumerate() {
        let step = step_of(steps, one).map_or(String::new(), |step| format!("step {step}"));
        say!(
            "{:>3}  {}, {:<12}  {step}  {}  {}",
            index + 1,
            moment(one.at),
            ago(now, one.at),
            one.file,
            changed(root, one)
        );
    }
    say!(
        "Look at one: make restore N=1 DIFF=1. Put it back, what is there is saved first: make restore N=1"
    );
}

fn step_of(steps: &[Scenario], saved: &Saved) -> Option<u8> {
    steps.iter().find(|step| step.name == saved.scenario)?.step
}

fn moment(at: Timestamp) -> String {
    at.to_zoned(TimeZone::UTC)
        .strftime("%Y-%m-%d %H:%M:%S UTC")
        .to_string()
}

/// In the one unit that tells it best.
fn ago(now: Timestamp, at: Timestamp) -> String {
    let minutes = now.duration_since(at).as_mins().max(0);
    match minutes {
        0 => "just now".to_owned(),
        1..=99 => format!("{minutes} min ago"),
        100..=2879 => format!("{} h ago", minutes / 60),
        _ => format!("{} days ago", minutes / 1440),
    }
}

/// How far a text is from what the workshop begins with.
fn changed(root: &Path, saved: &Saved) -> String {
    let starter = fs::read_to_string(source_path(root, &saved.file, Some(Variant::Starter)));
    let text = fs::read_to_string(&saved.path);
    let (Ok(starter), Ok(text)) = (starter, text) else {
        return "can't be compared with the starter".to_owned();
    };
    let diff = TextDiff::from_lines(&starter, &text);
    let count = |tag| {
        diff.iter_all_changes()
            .filter(|change| change.tag() == tag)
            .count()
    };
    let (added, removed) = (count(ChangeTag::Insert), count(ChangeTag::Delete));
    format!("+{added} −{removed} lines beside the starter")
}

/// From what stands at the edit point to the saved text.
fn difference(root: &Path, saved: &Saved) -> Result<String> {
    let target = root.join(&saved.file);
    let read = |path: &Path| {
        fs::read_to_string(path).with_context(|| format!("can't read {}", path.display()))
    };
    let here = if target.exists() {
        read(&target)?
    } else {
        String::new()
    };
    let text = read(&saved.path)?;
    if here == text {
        return Ok(format!("{} has that text already.", saved.file));
    }
    let diff = TextDiff::from_lines(&here, &text);
    let then = format!("your text of {}", moment(saved.at));
    Ok(diff.unified_diff().header(&saved.file, &then).to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn how_long_ago_is_told_in_one_unit() {
        let now = Timestamp::from_second(1_000_000_000).unwrap();
        let before = |seconds: i64| {
            ago(
                now,
                Timestamp::from_second(1_000_000_000 - seconds).unwrap(),
            )
        };
        assert_eq!(before(59), "just now");
        assert_eq!(before(99 * 60), "99 min ago");
        assert_eq!(before(100 * 60), "1 h ago");
        assert_eq!(before(3 * 86400), "3 days ago");
        // A clock that was set back.
        assert_eq!(before(-86400), "just now");
    }
}
