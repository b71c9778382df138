//! Which nodes a pod goes to (`validateAffinity`).

use k8s_openapi::api::core::v1::{
    Affinity, NodeAffinity, NodeSelectorRequirement, NodeSelectorTerm, PodAffinityTerm,
    WeightedPodAffinityTerm,
};

use super::{FieldPath, Verdict, each, name, refuse, required, selector, within, word_of};

const REQUIRED: &str = "requiredDuringSchedulingIgnoredDuringExecution";
const PREFERRED: &str = "preferredDuringSchedulingIgnoredDuringExecution";
const WEIGHTS: std::ops::RangeInclusive<i64> = 1..=100;

/// Wishes about nodes and about other pods on them.
pub(super) fn check(at: &FieldPath, affinity: Option<&Affinity>) -> Verdict {
    let Some(affinity) = affinity else {
        return Ok(());
    };
    if let Some(nodes) = &affinity.node_affinity {
        self::nodes(&at.keys("nodeAffinity"), nodes)?;
    }
    let near = affinity.pod_affinity.as_ref().map(|near| {
        (
            &near.required_during_scheduling_ignored_during_execution,
            &near.preferred_during_scheduling_ignored_during_execution,
        )
    });
    let far = affinity.pod_anti_affinity.as_ref().map(|far| {
        (
            &far.required_during_scheduling_ignored_during_execution,
            &far.preferred_during_scheduling_ignored_during_execution,
        )
    });
    for (field, terms) in [("podAffinity", near), ("podAntiAffinity", far)] {
        if let Some((needed, wished)) = terms {
            pods(&at.keys(field), needed.as_ref(), wished.as_ref())?;
        }
    }
    Ok(())
}

fn nodes(at: &FieldPath, nodes: &NodeAffinity) -> Verdict {
    if let Some(needed) = &nodes.required_during_scheduling_ignored_during_execution {
        let at = at.keys(REQUIRED).keys("nodeSelectorTerms");
        if needed.node_selector_terms.is_empty() {
            return refuse(&at, "is missing or empty");
        }
        each(&at, Some(&needed.node_selector_terms), term)?;
    }
    let wishes = nodes
        .preferred_during_scheduling_ignored_during_execution
        .as_ref();
    each(&at.keys(PREFERRED), wishes, |at, wish| {
        within(&at.keys("weight"), Some(wish.weight), WEIGHTS)?;
        term(&at.keys("preference"), &wish.preference)
    })
}

fn term(at: &FieldPath, term: &NodeSelectorTerm) -> Verdict {
    each(
        &at.keys("matchExpressions"),
        term.match_expressions.as_ref(),
        |at, wanted| {
            requirement(at, wanted)?;
            name::qualified(&at.keys("key"), &wanted.key)
        },
    )?;
    each(
        &at.keys("matchFields"),
        term.match_fields.as_ref(),
        |at, wanted| {
            word_of(&at.keys("operator"), &wanted.operator, &["In", "NotIn"])?;
            word_of(&at.keys("key"), &wanted.key, &["metadata.name"])
        },
    )
}

fn requirement(at: &FieldPath, wanted: &NodeSelectorRequirement) -> Verdict {
    let operators = ["In", "NotIn", "Exists", "DoesNotExist", "Gt", "Lt"];
    word_of(&at.keys("operator"), &wanted.operator, &operators)?;
    let number = wanted.values.as_ref().map_or(0, Vec::len);
    if matches!(wanted.operator.as_str(), "Gt" | "Lt") && number != 1 {
        return refuse(
            &at.keys("values"),
            format!("must have one entry beside {}", wanted.operator),
        );
    }
    selector::values(at, &wanted.operator, wanted.values.as_ref())
}

fn pods(
    at: &FieldPath,
    needed: Option<&Vec<PodAffinityTerm>>,
    wished: Option<&Vec<WeightedPodAffinityTerm>>,
) -> Verdict {
    each(&at.keys(REQUIRED), needed, near)?;
    each(&at.keys(PREFERRED), wished, |at, wish| {
        within(&at.keys("weight"), Some(wish.weight), WEIGHTS)?;
        near(&at.keys("podAffinityTerm"), &wish.pod_affinity_term)
    })
}

fn near(at: &FieldPath, term: &PodAffinityTerm) -> Verdict {
    let [labels, namespaces] = [&term.label_selector, &term.namespace_selector];
    selector::check(&at.keys("labelSelector"), labels.as_ref())?;
    selector::check(&at.keys("namespaceSelector"), namespaces.as_ref())?;
    each(
        &at.keys("namespaces"),
        term.namespaces.as_ref(),
        |at, space| name::dns_label(at, space),
    )?;
    required(&at.keys("topologyKey"), &term.topology_key)?;
    name::qualified(&at.keys("topologyKey"), &term.topology_key)
}
