//! The steps as their scenarios declare them: the driver's files, of which only this part is the guide's.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use jiff::SignedDuration;
use lab_record::{Lesson, Measured};
use serde::Deserialize;

use crate::{
    flaw::Flaw,
    step::{Asked, Rule, Step, Told},
    system,
};

/// What the guide reads of a scenario file.
#[derive(Deserialize)]
struct Declared {
    name: String,
    step: Option<usize>,
    lesson: Option<Lesson>,
    guess: Option<Asked>,
    #[serde(default)]
    headline: String,
    #[serde(default)]
    edit: Vec<PathBuf>,
    #[serde(default)]
    cheats: Vec<String>,
    #[serde(default)]
    fixes: Vec<String>,
    #[serde(default)]
    phases: Vec<DeclaredPhase>,
    #[serde(default)]
    checks: Vec<DeclaredCheck>,
}

#[derive(Deserialize)]
struct DeclaredPhase {
    duration: String,
}

#[derive(Deserialize)]
struct DeclaredCheck {
    id: String,
    title: String,
    kind: String,
    /// `at_least`, `at_most` or `exactly`, and the quantity.
    limit: BTreeMap<String, String>,
    full: Option<String>,
    weight: Option<toml::Value>,
}

/// The steps that the files of `folder` declare, in their order.
pub(crate) fn steps(root: &Path, folder: &Path) -> Result<Vec<Step>, Flaw> {
    let unreadable = |file: &Path, error| Flaw::of(file, format!("can't be read: {error}"));
    let entries = fs::read_dir(root.join(folder)).map_err(|error| unreadable(folder, error))?;
    let mut files = Vec::new();
    for entry in entries {
        let name = entry
            .map_err(|error| unreadable(folder, error))?
            .file_name();
        if Path::new(&name)
            .extension()
            .is_some_and(|ending| ending == "toml")
        {
            files.push(folder.join(name));
        }
    }
    files.sort();
    let mut steps = Vec::new();
    for file in files {
        let text =
            fs::read_to_string(root.join(&file)).map_err(|error| unreadable(&file, error))?;
        steps.extend(step(&file, &text)?);
    }
    steps.sort_by_key(|(number, ..)| *number);
    for (wanted, (number, file, _)) in (1..).zip(&steps) {
        if wanted != *number {
            return Err(Flaw::of(
                file,
                format!(
                    "`step = {number}`, and there is no other step {wanted}, or two of one number"
                ),
            ));
        }
    }
    Ok(steps.into_iter().map(|(.., step)| step).collect())
}

/// The step that a file declares, with its number; none where it declares none.
fn step(file: &Path, text: &str) -> Result<Option<(usize, PathBuf, Step)>, Flaw> {
    let flaw = |text: String| Flaw::of(file, text);
    let read: Declared =
        toml::from_str(text).map_err(|error| flaw(error.to_string().trim_end().to_owned()))?;
    let (number, lesson) = match (read.step, read.lesson) {
        (None, None) => return Ok(None),
        (Some(number), Some(lesson)) => (number, lesson),
        (Some(_), None) => {
            return Err(flaw(
                "it has a `step` and no `[lesson]`, which says what the guide has of it".to_owned(),
            ));
        }
        (None, Some(_)) => {
            return Err(flaw(
                "it has a `[lesson]` and no `step`, its number".to_owned(),
            ));
        }
    };
    if file.file_stem().is_none_or(|stem| *stem != *read.name) {
        return Err(flaw(format!(
            "its name is `{}`; the file of a scenario is called like it",
            read.name
        )));
    }
    if let Some(system) = &lesson.system {
        system::sense(system, &read.edit)
            .map_err(|text| flaw(format!("[lesson.system]: {text}")))?;
    }
    let told = lesson
        .measured
        .into_iter()
        .map(|measured| told(measured, &read.checks));
    let measured = told.collect::<Result<_, String>>().map_err(flaw)?;
    let load = load(&read.phases).map_err(flaw)?;
    let step = Step {
        measured,
        rules: read.checks.iter().map(DeclaredCheck::rule).collect(),
        headline: read.headline,
        load,
        scenario: read.name,
        title: lesson.title,
        chapter: lesson.chapter,
        edit: read.edit,
        part: lesson.part,
        wrong: lesson.wrong,
        bound: lesson.bound,
        guess: read.guess,
        system: lesson.system,
        cheats: read.cheats,
        fixes: read.fixes,
    };
    Ok(Some((number, file.to_owned(), step)))
}

/// A check with what the starter measures.
fn told(measured: Measured, checks: &[DeclaredCheck]) -> Result<Told, String> {
    let Measured { check: id, starter } = measured;
    let check = checks.iter().find(|check| check.id == id);
    let check = check.ok_or_else(|| format!("`measured`: no check is called `{id}`"))?;
    let Rule {
        check,
        title,
        kind,
        limit,
        ..
    } = check.rule();
    Ok(Told {
        check,
        title,
        kind,
        starter,
        limit,
    })
}

impl DeclaredCheck {
    fn rule(&self) -> Rule {
        let limits = self.limit.iter().map(|(bound, quantity)| {
            let sign = match bound.as_str() {
                "at_least" => "≥",
                "at_most" => "≤",
                _ => "=",
            };
            format!("{sign}\u{a0}{}", spaced(quantity))
        });
        Rule {
            check: self.id.clone(),
            title: self.title.clone(),
            kind: self.kind.clone(),
            limit: limits.collect(),
            full: self.full.as_deref().map(spaced).unwrap_or_default(),
            weight: match (&self.weight, self.kind.as_str()) {
                (_, "correctness") => String::new(),
                (None, _) => "1".to_owned(),
                (Some(weight), _) => weight.to_string(),
            },
        }
    }
}

/// `500ms` as people write it.
fn spaced(quantity: &str) -> String {
    let unit = quantity.find(|letter: char| letter.is_alphabetic() || letter == '%');
    let (number, unit) = quantity.split_at(unit.unwrap_or(quantity.len()));
    if unit.is_empty() {
        number.to_owned()
    } else {
        format!("{number}\u{a0}{unit}")
    }
}

/// How long all phases last; none where there are none.
fn load(phases: &[DeclaredPhase]) -> Result<Option<Duration>, String> {
    let mut all = Duration::ZERO;
    for DeclaredPhase { duration } in phases {
        let length = duration.parse::<SignedDuration>().ok();
        let length = length.and_then(|length| Duration::try_from(length).ok());
        all += length.ok_or_else(|| format!("`{duration}` is not a duration"))?;
    }
    Ok((!phases.is_empty()).then_some(all))
}

#[cfg(test)]
mod tests {
    use lab_record::Part;

    use super::*;

    const ONE: &str = "name = 'a'\nstep = 1\nedit = ['a.rs']\ncheats = ['c']\nfixes = ['f']\nheadline = 'x'\n[lesson]\n\
                       title = 'A'\nchapter = 'a.md'\npart = 'hour'\nwrong = 'w'\nbound = 'b'\n";

    /// What is read of a folder with these files.
    fn read(files: &[(&str, &str)]) -> Result<Vec<Step>, String> {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir(root.path().join("s")).unwrap();
        for (name, text) in files {
            fs::write(root.path().join("s").join(name), text).unwrap();
        }
        steps(root.path(), Path::new("s")).map_err(|flaw| flaw.to_string())
    }

    #[test]
    fn steps_come_in_their_order_and_what_is_none_is_left_out() {
        let two = ONE
            .replace("'a'", "'0'")
            .replace("= 1", "= 2")
            .replace("hour", "afterwards");
        let own = "name = 'own'\nrate = 3\n";
        let files = [
            ("0.toml", &*two),
            ("a.toml", ONE),
            ("own.toml", own),
            ("notes.md", "?"),
        ];
        let steps = read(&files).unwrap();
        let [a, b] = &steps[..] else {
            panic!("{steps:?}")
        };
        assert_eq!(
            (&*a.scenario, a.part, &*b.scenario, b.part),
            ("a", Part::Hour, "0", Part::Afterwards)
        );
        assert_eq!(a.edit, [PathBuf::from("a.rs")]);
        assert_eq!((&*a.cheats[0], &*a.fixes[0]), ("c", "f"));
    }

    #[test]
    fn what_contradicts_itself_is_named_with_its_file() {
        let refused = |file: &str, from: &str, to: &str, said: &str| {
            let text = ONE.replacen(from, to, 1);
            assert_ne!(text, ONE);
            let error = read(&[(file, &text)]).unwrap_err();
            assert!(
                error.starts_with(&format!("s/{file}: ")) && error.contains(said),
                "{error}"
            );
        };
        refused("a.toml", "step = 1\n", "", "no `step`");
        refused("a.toml", "step = 1", "step = 2", "no other step 1");
        refused(
            "a.toml",
            "'hour'",
            "'noon'",
            "expected `hour` or `afterwards`",
        );
        refused("a.toml", "wrong", "wrongs", "unknown field `wrongs`");
        refused("b.toml", "headline", "heading", "its name is `a`");
        let twice = ONE.replace("'a'", "'b'");
        assert!(
            read(&[("a.toml", ONE), ("b.toml", &twice)])
                .unwrap_err()
                .contains("two of one number")
        );
        let bare = ONE.split("[lesson]").next().unwrap();
        assert!(
            read(&[("a.toml", bare)])
                .unwrap_err()
                .contains("no `[lesson]`")
        );
    }
}
