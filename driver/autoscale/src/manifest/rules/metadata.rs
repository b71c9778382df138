//! Names, labels and annotations of an object (`ValidateObjectMeta`).

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};

use super::{FieldPath, Verdict, each, given, name, not_negative, refuse, required};

/// All annotations of an object together, in bytes.
const MOST_ANNOTATIONS: usize = 256 * 1024;

/// The metadata of an object with a name of its own.
pub(super) fn of_object(at: &FieldPath, metadata: &ObjectMeta) -> Verdict {
    let own = metadata.name.as_deref().unwrap_or_default();
    name::dns_subdomain(&at.keys("name"), own)?;
    if let Some(namespace) = given(metadata.namespace.as_ref()) {
        name::dns_label(&at.keys("namespace"), namespace)?;
    }
    not_negative(&at.keys("generation"), metadata.generation)?;
    of_template(at, metadata)?;
    each(
        &at.keys("ownerReferences"),
        metadata.owner_references.as_ref(),
        owner,
    )?;
    each(
        &at.keys("finalizers"),
        metadata.finalizers.as_ref(),
        |at, finalizer| {
            name::qualified(at, finalizer)?;
            let standard = ["kubernetes", "orphan", "foregroundDeletion"];
            if finalizer.contains('/') || standard.contains(&finalizer.as_str()) {
                return Ok(());
            }
            refuse(
                at,
                format!("is `{finalizer}`, but needs a prefix, such as example.org/{finalizer}"),
            )
        },
    )
}

/// The metadata of the pods of a template.
pub(super) fn of_template(at: &FieldPath, metadata: &ObjectMeta) -> Verdict {
    labels(&at.keys("labels"), metadata.labels.as_ref())?;
    annotations(&at.keys("annotations"), metadata.annotations.as_ref())
}

/// Labels, or what is written like them.
pub(super) fn labels(at: &FieldPath, labels: Option<&BTreeMap<String, String>>) -> Verdict {
    labels.into_iter().flatten().try_for_each(|(key, value)| {
        name::qualified(&at.key(key), key)?;
        name::label_value(&at.key(key), value)
    })
}

fn annotations(at: &FieldPath, annotations: Option<&BTreeMap<String, String>>) -> Verdict {
    let mut size = 0;
    for (key, value) in annotations.into_iter().flatten() {
        name::qualified(&at.key(key), &key.to_ascii_lowercase())?;
        size += key.len() + value.len();
    }
    if size > MOST_ANNOTATIONS {
        return refuse(
            at,
            format!("take {size} bytes, but {MOST_ANNOTATIONS} at most"),
        );
    }
    Ok(())
}

fn owner(at: &FieldPath, owner: &OwnerReference) -> Verdict {
    required(&at.keys("apiVersion"), &owner.api_version)?;
    required(&at.keys("kind"), &owner.kind)?;
    required(&at.keys("name"), &owner.name)?;
    required(&at.keys("uid"), &owner.uid)
}
