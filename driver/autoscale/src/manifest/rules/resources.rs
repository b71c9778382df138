//! What containers ask for and may have at most (`ValidateContainerResourceRequirements`).

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::ResourceRequirements;
use k8s_openapi::apimachinery::pkg::api::resource::Quantity as Given;

use super::{FieldPath, Refusal, Verdict, name, refuse};
use crate::manifest::Quantity;

type Amounts = BTreeMap<String, Given>;

/// Requests and limits: of things that there are, and no request over its limit.
pub(super) fn check(at: &FieldPath, wanted: &ResourceRequirements) -> Verdict {
    let (limits, requests) = (wanted.limits.as_ref(), wanted.requests.as_ref());
    amounts(&at.keys("limits"), limits)?;
    amounts(&at.keys("requests"), requests)?;
    let at = at.keys("requests");
    for (resource, request) in requests.into_iter().flatten() {
        let limit = limits.and_then(|limits| limits.get(resource));
        let field = at.key(resource);
        match limit {
            Some(limit) => under(&field, request, limit, overcommits(resource))?,
            None if overcommits(resource) => {}
            None => return refuse(&field, "needs the same limit, and there is none"),
        }
    }
    let all = || limits.into_iter().chain(requests).flat_map(BTreeMap::keys);
    if all().any(|resource| is_huge(resource))
        && !all().any(|resource| matches!(resource.as_str(), "cpu" | "memory"))
    {
        return refuse(&at, "ask for huge pages and for neither cpu nor memory");
    }
    Ok(())
}

fn amounts(at: &FieldPath, amounts: Option<&Amounts>) -> Verdict {
    for (resource, given) in amounts.into_iter().flatten() {
        let field = at.key(resource);
        name::qualified(&field, resource)?;
        let standard = matches!(resource.as_str(), "cpu" | "memory" | "ephemeral-storage");
        if !standard && !is_huge(resource) && !resource.contains('/') {
            let rule = "is nothing that a container can ask for; there are cpu, memory and \
                        ephemeral-storage";
            return refuse(&field, rule);
        }
        let amount = quantity(&field, given)?;
        if !overcommits(resource) && !amount.is_whole() {
            return refuse(
                &field,
                format!("is {}, but must be a whole number", given.0),
            );
        }
    }
    Ok(())
}

/// Some things can be promised to more than there is of them; the others are asked for as they are given.
fn overcommits(resource: &str) -> bool {
    !resource.contains('/') && !is_huge(resource)
}

fn is_huge(resource: &str) -> bool {
    resource.starts_with("hugepages-")
}

fn under(field: &FieldPath, request: &Given, limit: &Given, overcommits: bool) -> Verdict {
    let (asked, most) = (
        quantity(field, request)?.thousandths(),
        quantity(field, limit)?.thousandths(),
    );
    if asked > most {
        let rule = format!(
            "is {}, more than the limit of {}; a container can never get it",
            request.0, limit.0
        );
        return refuse(field, rule);
    }
    if asked != most && !overcommits {
        return refuse(
            field,
            format!("is {}, but must be its limit, {}", request.0, limit.0),
        );
    }
    Ok(())
}

/// An amount that the reading has already taken for one.
pub(super) fn quantity(field: &FieldPath, given: &Given) -> Result<Quantity, Refusal> {
    given.0.parse().map_err(|error| Refusal {
        field: field.clone(),
        rule: format!("is no amount: {error}"),
    })
}
