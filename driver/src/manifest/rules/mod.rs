//! What an API server of Kubernetes 1.36 refuses of an object that has the right shape, in its order and after its
//! defaults: `pkg/apis/{core,apps,autoscaling}/validation` and `apimachinery/pkg/api/validation`. Of what the two kinds
//! of step 4 can hold, the kinds of volumes, user namespaces, Windows, claims of devices and the sums of a budget for
//! the whole pod are left to the cluster.

mod affinity;
mod autoscaler;
mod container;
mod deployment;
mod metadata;
mod name;
mod pod;
mod probe;
mod resources;
mod security;
mod selector;
mod volume;

// One line a rule.
#[cfg(test)]
#[rustfmt::skip]
mod tests;

pub(super) use autoscaler::check as autoscaler;
pub(super) use deployment::check as deployment;

use std::ops::RangeInclusive;

use super::FieldPath;

/// A rule that a field breaks.
#[derive(Debug)]
pub(super) struct Refusal {
    /// The field.
    pub field: FieldPath,
    /// The rule, as the rest of a sentence.
    pub rule: String,
}

/// Whether a rule holds.
pub(super) type Verdict = Result<(), Refusal>;

/// A refusal of `field`.
fn refuse(field: &FieldPath, rule: impl Into<String>) -> Verdict {
    Err(Refusal {
        field: field.clone(),
        rule: rule.into(),
    })
}

/// Text that must be there, and that is not empty.
fn required(field: &FieldPath, text: &str) -> Verdict {
    if text.is_empty() {
        return refuse(field, "is missing");
    }
    Ok(())
}

/// One of a few words; the empty one is a missing one, which has a default.
fn one_of(field: &FieldPath, word: Option<&str>, words: &[&str]) -> Verdict {
    match word {
        None | Some("") => Ok(()),
        Some(word) => word_of(field, word, words),
    }
}

/// The same without a default.
fn word_of(field: &FieldPath, word: &str, words: &[&str]) -> Verdict {
    required(field, word)?;
    if words.contains(&word) {
        return Ok(());
    }
    let last = words.last().copied().unwrap_or_default();
    let but_last = words[..words.len().saturating_sub(1)].join(", ");
    let known = if but_last.is_empty() {
        last.to_owned()
    } else {
        format!("{but_last} or {last}")
    };
    refuse(
        field,
        format!("is `{word}`, which Kubernetes does not know; use {known}"),
    )
}

/// A number within bounds, where there is one.
fn within(
    field: &FieldPath,
    number: Option<impl Into<i64>>,
    bounds: RangeInclusive<i64>,
) -> Verdict {
    let Some(number) = number.map(Into::into) else {
        return Ok(());
    };
    if bounds.contains(&number) {
        return Ok(());
    }
    let (least, most) = bounds.into_inner();
    let rule = match most {
        i64::MAX => format!("is {number}, but must be at least {least}"),
        most => format!("is {number}, but must be from {least} to {most}"),
    };
    refuse(field, rule)
}

/// A number that is not below zero, where there is one.
fn not_negative(field: &FieldPath, number: Option<impl Into<i64>>) -> Verdict {
    within(field, number, 0..=i64::MAX)
}

/// A rule for every entry of a list, where there is one.
fn each<T>(
    field: &FieldPath,
    list: Option<&Vec<T>>,
    rule: impl Fn(&FieldPath, &T) -> Verdict,
) -> Verdict {
    list.into_iter()
        .flatten()
        .enumerate()
        .try_for_each(|(index, entry)| rule(&field.index(index), entry))
}

/// Exactly one of several fields; gives its name.
fn exactly_one<'a>(
    field: &FieldPath,
    given: &[(&'a str, bool)],
    what: &str,
) -> Result<&'a str, Refusal> {
    let mut there = given
        .iter()
        .filter(|(_, there)| *there)
        .map(|(name, _)| *name);
    match (there.next(), there.next()) {
        (Some(name), None) => Ok(name),
        (Some(first), Some(second)) => Err(Refusal {
            field: field.keys(second),
            rule: format!("is one too many beside {first}; keep one of them"),
        }),
        (None, _) => {
            let names: Vec<_> = given.iter().map(|(name, _)| *name).collect();
            Err(Refusal {
                field: field.clone(),
                rule: format!("has no {what}; give it one of {}", names.join(", ")),
            })
        }
    }
}

/// An entry that nobody before it equals; `name` is of what must be unique.
fn unique<T: PartialEq>(field: &FieldPath, seen: &mut Vec<T>, value: T, what: &str) -> Verdict {
    if seen.contains(&value) {
        return refuse(field, format!("is {what}, which an earlier one has too"));
    }
    seen.push(value);
    Ok(())
}
