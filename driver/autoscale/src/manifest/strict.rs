//! A manifest of one kind: read, held against that kind's fields, and able to say where in the file something is.

use std::path::Path;

use k8s_openapi::Resource;
use serde::de::DeserializeOwned;

use super::rules::Refusal;
use super::yaml::{self, Node};
use super::{FieldPath, ManifestError, Problem, shape};

/// A manifest that has the shape of `T`.
pub(super) struct Manifest<'a, T> {
    file: &'a Path,
    node: Node,
    /// The object as Kubernetes' type.
    pub object: T,
}

/// A file's text.
pub(super) fn read(file: &Path) -> Result<String, ManifestError> {
    std::fs::read_to_string(file).map_err(|error| ManifestError {
        file: file.to_owned(),
        line: None,
        problem: Problem::Unreadable(error),
    })
}

/// The objects in `text`; `file` is for the messages.
pub(super) fn documents(file: &Path, text: &str) -> Result<Vec<Node>, ManifestError> {
    yaml::documents(text).map_err(|error| ManifestError {
        file: file.to_owned(),
        line: Some(error.line),
        problem: error.problem,
    })
}

/// The one object in `text`.
pub(super) fn document(file: &Path, text: &str) -> Result<Node, ManifestError> {
    let mut documents = documents(file, text)?.into_iter();
    let (first, second) = (documents.next(), documents.next());
    let (line, problem) = match (first, second) {
        (Some(node), None) => return Ok(node),
        (Some(_), Some(second)) => (Some(second.line), Problem::SeveralDocuments),
        (None, _) => (None, Problem::Empty),
    };
    Err(ManifestError {
        file: file.to_owned(),
        line,
        problem,
    })
}

impl<'a, T: DeserializeOwned + Resource> Manifest<'a, T> {
    /// Reads an object of `file`.
    pub(super) fn of(file: &'a Path, node: Node) -> Result<Self, ManifestError> {
        let error = |(field, problem): (FieldPath, Problem)| ManifestError {
            file: file.to_owned(),
            line: Some(node.line_of(&field)),
            problem,
        };
        check_kind::<T>(&node).map_err(error)?;
        let object = shape::read(&node).map_err(error)?;
        Ok(Self { file, node, object })
    }
}

impl<'a, T> Manifest<'a, T> {
    /// The same file with the object as another type.
    pub(super) fn map<U>(self, change: impl FnOnce(T) -> U) -> Manifest<'a, U> {
        Manifest {
            file: self.file,
            node: self.node,
            object: change(self.object),
        }
    }

    fn error(&self, field: &FieldPath, problem: Problem) -> ManifestError {
        ManifestError {
            file: self.file.to_owned(),
            line: Some(self.node.line_of(field)),
            problem,
        }
    }

    /// What the API server refuses.
    pub(super) fn refused(&self, refusal: Refusal) -> ManifestError {
        let Refusal { field, rule } = refusal;
        self.error(&field.clone(), Problem::Refused { field, rule })
    }

    /// Something that only a cluster can do.
    pub(super) fn not_modelled(
        &self,
        field: FieldPath,
        what: impl Into<String>,
        instead: &'static str,
    ) -> ManifestError {
        let what = what.into();
        self.error(
            &field.clone(),
            Problem::NotModelled {
                field,
                what,
                instead,
            },
        )
    }
}

fn check_kind<T: Resource>(node: &Node) -> Result<(), (FieldPath, Problem)> {
    let (version, kind) = (node.text("apiVersion"), node.text("kind"));
    if (version, kind) == (Some(T::API_VERSION), Some(T::KIND)) {
        return Ok(());
    }
    let expected = format!("{} {}", T::API_VERSION, T::KIND);
    let found = format!(
        "{} {}",
        version.unwrap_or("no apiVersion"),
        kind.unwrap_or("and no kind")
    );
    // Where the version alone is wrong, that is the line to look at.
    let field = if kind == Some(T::KIND) {
        "apiVersion"
    } else {
        "kind"
    };
    Err((
        FieldPath::new(field),
        Problem::WrongKind { expected, found },
    ))
}
