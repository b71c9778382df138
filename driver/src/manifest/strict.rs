//! From a file to one of Kubernetes' own types, with nothing left over.

use std::path::Path;

use k8s_openapi::Resource;
use serde::de::DeserializeOwned;

use super::outline::Outline;
use super::quantity::Quantity;
use super::{FieldPath, ManifestError, Problem, Step};

/// A manifest that has the shape of `T`.
pub(super) struct Manifest<'a, T> {
    file: &'a Path,
    outline: Outline,
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

impl<'a, T: DeserializeOwned + Resource> Manifest<'a, T> {
    /// Reads `text`; `file` is for the messages.
    pub(super) fn parse(file: &'a Path, text: &str) -> Result<Self, ManifestError> {
        let outline: Outline =
            serde_saphyr::from_str(text).map_err(|error| in_yaml(file, &error, Problem::Syntax))?;
        check_kind::<T>(file, &outline)?;

        let mut unknown = Vec::new();
        let object = serde_saphyr::with_deserializer_from_str(text, |deserializer| {
            serde_ignored::deserialize(deserializer, |path| unknown.push(field_path(&path)))
        })
        .map_err(|error| {
            let near = line(&error).and_then(|line| outline.field_on(line));
            let near = near.map_or_else(String::new, |field| format!("{field} "));
            in_yaml(file, &error, |what| Problem::Shape { near, what })
        })?;

        let manifest = Self {
            file,
            outline,
            object,
        };
        match unknown.into_iter().next() {
            Some(field) => Err(manifest.error(&field.clone(), Problem::UnknownField { field })),
            None => Ok(manifest),
        }
    }
}

impl<T> Manifest<'_, T> {
    /// An error about a field.
    pub(super) fn error(&self, field: &FieldPath, problem: Problem) -> ManifestError {
        ManifestError {
            file: self.file.to_owned(),
            line: self.outline.line(field),
            problem,
        }
    }

    /// A value that the API server refuses; `rule` goes on after the field's name.
    pub(super) fn refused(&self, field: FieldPath, rule: impl Into<String>) -> ManifestError {
        self.error(
            &field.clone(),
            Problem::Refused {
                field,
                rule: rule.into(),
            },
        )
    }

    /// Something that only a cluster can do.
    pub(super) fn not_modelled(
        &self,
        field: FieldPath,
        what: impl Into<String>,
        instead: &'static str,
    ) -> ManifestError {
        self.error(
            &field.clone(),
            Problem::NotModelled {
                field,
                what: what.into(),
                instead,
            },
        )
    }

    /// The quantity at a field.
    pub(super) fn quantity(&self, field: FieldPath, text: &str) -> Result<Quantity, ManifestError> {
        text.parse()
            .map_err(|why| self.error(&field.clone(), Problem::Quantity { field, why }))
    }

    /// A whole number within bounds.
    pub(super) fn number(
        &self,
        field: &str,
        value: i32,
        bounds: std::ops::RangeInclusive<u32>,
    ) -> Result<u32, ManifestError> {
        self.number_at(FieldPath::new(field), value, bounds)
    }

    /// The same for a field within a list.
    pub(super) fn number_at(
        &self,
        field: FieldPath,
        value: i32,
        bounds: std::ops::RangeInclusive<u32>,
    ) -> Result<u32, ManifestError> {
        u32::try_from(value)
            .ok()
            .filter(|value| bounds.contains(value))
            .ok_or_else(|| {
                let (least, most) = bounds.into_inner();
                let rule = match most {
                    u32::MAX => format!("is {value}, but must be at least {least}"),
                    most => format!("is {value}, but must be from {least} to {most}"),
                };
                self.refused(field, rule)
            })
    }
}

fn check_kind<T: Resource>(file: &Path, outline: &Outline) -> Result<(), ManifestError> {
    let (version, kind) = (outline.text("apiVersion"), outline.text("kind"));
    if (version, kind) == (Some(T::API_VERSION), Some(T::KIND)) {
        return Ok(());
    }
    let expected = format!("{} {}", T::API_VERSION, T::KIND);
    let found = format!(
        "{} {}",
        version.unwrap_or("no apiVersion"),
        kind.unwrap_or("and no kind")
    );
    let line = outline.line(&FieldPath::new("kind"));
    Err(ManifestError {
        file: file.to_owned(),
        line,
        problem: Problem::WrongKind { expected, found },
    })
}

fn in_yaml(
    file: &Path,
    error: &serde_saphyr::Error,
    problem: impl FnOnce(String) -> Problem,
) -> ManifestError {
    let problem = match error.without_snippet() {
        serde_saphyr::Error::MultipleDocuments { .. } => Problem::SeveralDocuments,
        other => {
            let message = other.render_with_formatter(&serde_saphyr::UserMessageFormatter);
            // The line is said once, in front of the message.
            let what = message
                .split_once(" at line ")
                .map_or(message.as_str(), |(what, _)| what);
            problem(what.to_owned())
        }
    };
    ManifestError {
        file: file.to_owned(),
        line: line(error),
        problem,
    }
}

fn line(error: &serde_saphyr::Error) -> Option<u64> {
    error
        .location()
        .map(|location| location.line())
        .filter(|line| *line > 0)
}

fn field_path(path: &serde_ignored::Path<'_>) -> FieldPath {
    use serde_ignored::Path::{Map, NewtypeStruct, NewtypeVariant, Root, Seq, Some};
    match path {
        Root => FieldPath::default(),
        Seq { parent, index } => field_path(parent).index(*index),
        Map { parent, key } => field_path(parent).step(Step::Key(key.clone())),
        Some { parent } | NewtypeStruct { parent } | NewtypeVariant { parent } => {
            field_path(parent)
        }
    }
}
