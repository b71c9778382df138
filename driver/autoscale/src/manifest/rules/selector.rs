//! Selectors of labels (`apimachinery/pkg/apis/meta/v1/validation`).

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, LabelSelectorRequirement};

use super::{FieldPath, Verdict, each, metadata, name, refuse, word_of};

type Labels = BTreeMap<String, String>;

/// A selector that can be understood, where there is one.
pub(super) fn check(at: &FieldPath, selector: Option<&LabelSelector>) -> Verdict {
    let Some(selector) = selector else {
        return Ok(());
    };
    metadata::labels(&at.keys("matchLabels"), selector.match_labels.as_ref())?;
    each(
        &at.keys("matchExpressions"),
        selector.match_expressions.as_ref(),
        requirement,
    )
}

/// Whether it asks for nothing, and so has everything.
pub(super) fn is_empty(selector: &LabelSelector) -> bool {
    selector
        .match_labels
        .as_ref()
        .is_none_or(BTreeMap::is_empty)
        && selector
            .match_expressions
            .as_ref()
            .is_none_or(Vec::is_empty)
}

/// What `labels` lack of it, as text; nothing where it selects them.
pub(super) fn lacks(selector: &LabelSelector, labels: Option<&Labels>) -> Option<String> {
    let has = |key: &str| labels.and_then(|labels| labels.get(key));
    let label = selector
        .match_labels
        .iter()
        .flatten()
        .find(|(key, value)| has(key) != Some(*value))
        .map(|(key, value)| format!("`{key}: {value}`"));
    label.or_else(|| {
        let expressions = selector.match_expressions.iter().flatten();
        expressions
            .filter(|wanted| !satisfied(wanted, has(&wanted.key)))
            .map(|wanted| {
                let values = wanted.values.as_deref().unwrap_or_default().join(", ");
                format!("`{} {} [{values}]`", wanted.key, wanted.operator)
            })
            .next()
    })
}

fn satisfied(wanted: &LabelSelectorRequirement, value: Option<&String>) -> bool {
    let among = |value| {
        wanted
            .values
            .as_ref()
            .is_some_and(|values| values.contains(value))
    };
    match wanted.operator.as_str() {
        "In" => value.is_some_and(among),
        "NotIn" => !value.is_some_and(among),
        "Exists" => value.is_some(),
        _ => value.is_none(),
    }
}

fn requirement(at: &FieldPath, wanted: &LabelSelectorRequirement) -> Verdict {
    let operators = ["In", "NotIn", "Exists", "DoesNotExist"];
    word_of(&at.keys("operator"), &wanted.operator, &operators)?;
    values(at, &wanted.operator, wanted.values.as_ref())?;
    name::qualified(&at.keys("key"), &wanted.key)?;
    each(&at.keys("values"), wanted.values.as_ref(), |at, value| {
        name::label_value(at, value)
    })
}

/// Values where the operator compares, and none where it does not.
pub(super) fn values(at: &FieldPath, operator: &str, values: Option<&Vec<String>>) -> Verdict {
    let at = at.keys("values");
    match (operator, values.map_or(0, Vec::len)) {
        ("In" | "NotIn", 0) => refuse(&at, format!("is missing; {operator} needs values")),
        ("Exists" | "DoesNotExist", 1..) => {
            refuse(&at, format!("must not be there beside {operator}"))
        }
        _ => Ok(()),
    }
}
