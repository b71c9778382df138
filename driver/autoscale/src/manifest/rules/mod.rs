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

/// Text, where there is any.
fn given(text: Option<&String>) -> Option<&str> {
    text.map(String::as_str).filter(|text| !text.is_empty())
}

/// Fields that hold one of a few words each; the empty word is a missing one, which has a default.
fn words(at: &FieldPath, fields: &[(&str, &Option<String>, &[&str])]) -> Verdict {
    fields.iter().try_for_each(|(field, word, words)| {
        given(word.as_ref()).map_or(Ok(()), |word| word_of(&at.keys(field), word, words))
    })
}

/// One of a few words, without a default.
fn word_of(field: &FieldPath, word: &str, words: &[&str]) -> Verdict {
    required(field, word)?;
    if words.contains(&word) {
        return Ok(());
    }
    let known = match words {
        [only] => (*only).to_owned(),
        [some @ .., last] => format!("{} or {last}", some.join(", ")),
        [] => String::new(),
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

/// The same of several fields.
fn all_within<N: Into<i64> + Copy>(
    at: &FieldPath,
    fields: &[(&str, Option<N>)],
    bounds: &RangeInclusive<i64>,
) -> Verdict {
    fields
        .iter()
        .try_for_each(|(field, number)| within(&at.keys(field), *number, bounds.clone()))
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

/// Exactly one of several fields.
fn exactly_one(field: &FieldPath, fields: &[(&str, bool)], what: &str) -> Verdict {
    let there = fields.iter().filter(|(_, there)| *there);
    if !at_most_one(field, there.map(|(name, _)| *name))? {
        let names: Vec<_> = fields.iter().map(|(name, _)| *name).collect();
        let rule = format!("has no {what}; give it one of {}", names.join(", "));
        return refuse(field, rule);
    }
    Ok(())
}

/// At most one of the fields that are `there`; says whether there is one.
fn at_most_one<'a>(
    field: &FieldPath,
    there: impl IntoIterator<Item = &'a str>,
) -> Result<bool, Refusal> {
    let mut there = there.into_iter();
    let (first, second) = (there.next(), there.next());
    if let (Some(first), Some(second)) = (first, second) {
        let rule = format!("is one too many beside {first}; keep one of them");
        refuse(&field.keys(second), rule)?;
    }
    Ok(first.is_some())
}

/// A name that nobody before it has.
fn distinct(field: &FieldPath, seen: &mut Vec<String>, name: &str) -> Verdict {
    if seen.iter().any(|earlier| earlier == name) {
        return refuse(field, format!("is `{name}`, which an earlier one has too"));
    }
    seen.push(name.to_owned());
    Ok(())
}
