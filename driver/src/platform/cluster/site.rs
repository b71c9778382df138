//! Where a run is: on which cluster, in which of its namespaces, with which image. Whatever a message tells
//! people to type says it again, so that it means the same.

use std::{fmt, str::FromStr};

/// The namespace of runs where nobody names another.
///
/// It is one for all, and not made from the user's name: a kubeconfig names its users as the tool that wrote it
/// does (`admin@k3d-lab`, `kind-kind`), on a shared cluster often all alike, and whoever gives rights for a namespace
/// has to know its name before the first run. Two runs at once on one cluster measure each other, too; so the
/// second is refused by the name of the first, unless somebody decides otherwise.
pub const NAMESPACE: &str = "lab-run";

/// A namespace that a run may have for itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Namespace(String);

/// Why a namespace can't be a run's.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum NamespaceError {
    /// Kubernetes has no such names.
    #[error(
        "`{0}` can't be the name of a namespace: at most 63 lower-case letters, digits and `-`, which begins and \
         ends with a letter or a digit"
    )]
    Malformed(String),
    /// Other things live there.
    #[error(
        "a run makes and removes objects in its namespace, and `{0}` has those of others; name another, such as lab-run-me"
    )]
    Taken(String),
}

impl FromStr for Namespace {
    type Err = NamespaceError;

    /// An empty name, as from an empty variable of `make`, is the usual one.
    fn from_str(text: &str) -> Result<Self, NamespaceError> {
        let text = if text.is_empty() { NAMESPACE } else { text };
        let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        if text.len() > 63
            || !text.chars().all(fits)
            || text.starts_with('-')
            || text.ends_with('-')
        {
            return Err(NamespaceError::Malformed(text.to_owned()));
        }
        if matches!(text, "lab" | "default") || text.starts_with("kube-") {
            return Err(NamespaceError::Taken(text.to_owned()));
        }
        Ok(Self(text.to_owned()))
    }
}

impl Default for Namespace {
    fn default() -> Self {
        Self(NAMESPACE.to_owned())
    }
}

impl fmt::Display for Namespace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A cluster, a namespace and an image.
#[derive(Clone, Debug)]
pub(super) struct Site {
    /// The context of the kubeconfig.
    pub(super) context: String,
    /// Where the run's objects are.
    pub(super) namespace: Namespace,
    /// The image that was named; none where one is built.
    pub(super) image: Option<String>,
}

impl Site {
    /// A command for people: `kubectl` about the run's namespace.
    pub(super) fn kubectl(&self, arguments: &str) -> String {
        let Self {
            context, namespace, ..
        } = self;
        format!("`kubectl --context={context} --namespace={namespace} {arguments}`")
    }

    /// The command that removes all that any run has left, for people.
    pub(super) fn kubectl_delete(&self) -> String {
        let Self {
            context, namespace, ..
        } = self;
        format!("`kubectl --context={context} delete namespace {namespace}`")
    }

    /// A `make` command for people, for this cluster.
    pub(super) fn make(&self, target: &str) -> String {
        let context = if self.context == super::K3D_CONTEXT {
            String::new()
        } else {
            format!(" CONTEXT={}", self.context)
        };
        format!("`make {target} PLATFORM=k3d{context}`")
    }

    /// What to do where the nodes don't have the image.
    pub(super) fn missing_image(&self) -> String {
        let make = self.make("image");
        match &self.image {
            Some(image) => {
                format!("push {image}, or leave IMAGE= out: {make} builds one and loads it")
            }
            None => format!("{make} builds and loads it, IMAGE=… names one in a registry"),
        }
    }

    /// What to do where the image is not of the code in the folder.
    pub(super) fn new_image(&self) -> String {
        let make = self.make("image");
        match &self.image {
            // Nodes that have a tag don't look whether the registry has another image under it.
            Some(image) => format!(
                "build and push it under a new tag and name that with IMAGE=, since nodes that have {image} look for \
                 no other; or leave IMAGE= out: {make} builds one and loads it"
            ),
            None => format!("{make} builds and loads another"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(text: &str) -> Result<String, NamespaceError> {
        Ok(text.parse::<Namespace>()?.to_string())
    }

    #[test]
    fn a_namespace_is_one_that_nobody_else_lives_in() {
        assert_eq!(named("lab-run-ada").unwrap(), "lab-run-ada");
        assert_eq!(named("").unwrap(), NAMESPACE);
        assert_eq!(named(""), Ok(Namespace::default().to_string()));
        for text in ["lab", "default", "kube-system"] {
            assert_eq!(named(text), Err(NamespaceError::Taken(text.to_owned())));
        }
        let long = "a".repeat(64);
        for text in ["Ada", "-a", "a-", "a.b", "a b", &long] {
            assert_eq!(named(text), Err(NamespaceError::Malformed(text.to_owned())));
        }
    }

    #[test]
    fn what_is_to_be_typed_names_cluster_and_image() {
        let mut site = Site {
            context: super::super::K3D_CONTEXT.to_owned(),
            namespace: Namespace::default(),
            image: None,
        };
        assert_eq!(site.make("image"), "`make image PLATFORM=k3d`");
        site.context = "kind-lab".to_owned();
        assert_eq!(
            site.make("image"),
            "`make image PLATFORM=k3d CONTEXT=kind-lab`"
        );
        assert_eq!(
            site.kubectl("get pods"),
            "`kubectl --context=kind-lab --namespace=lab-run get pods`"
        );
        site.image = Some("registry/lab:1".to_owned());
        let text = site.new_image();
        assert!(
            text.contains("under a new tag") && text.contains("registry/lab:1"),
            "{text}"
        );
        let text = site.missing_image();
        assert!(text.starts_with("push registry/lab:1"), "{text}");
    }
}
