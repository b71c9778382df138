//! The shape of a YAML document with its line numbers, to say where a field is that an error names.
//! The typed reading that follows knows the fields but not the lines.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_saphyr::Spanned;

use super::{FieldPath, Step};

/// A node of the document.
pub(super) enum Outline {
    /// Keys with the lines that they are on.
    Map(Vec<(Spanned<String>, Outline)>),
    /// Entries with the lines that they start on.
    List(Vec<Spanned<Outline>>),
    /// Text, for the two fields that say what the document is.
    Text(String),
    /// Any other value.
    Other,
}

impl Outline {
    /// The text of a field at the top.
    pub(super) fn text(&self, key: &str) -> Option<&str> {
        let Self::Map(entries) = self else {
            return None;
        };
        entries.iter().find_map(|(name, value)| match value {
            Self::Text(text) if name.value == key => Some(text.as_str()),
            _ => None,
        })
    }

    /// The last field that starts on a line.
    pub(super) fn field_on(&self, line: u64) -> Option<FieldPath> {
        let mut found = None;
        self.walk(&FieldPath::default(), &mut |at, field| {
            if at == line {
                found = Some(field.clone());
            }
        });
        found
    }

    fn walk(&self, path: &FieldPath, visit: &mut impl FnMut(u64, &FieldPath)) {
        match self {
            Self::Map(entries) => {
                for (name, value) in entries {
                    let path = path.step(Step::Key(name.value.clone()));
                    visit(name.referenced.line(), &path);
                    value.walk(&path, visit);
                }
            }
            Self::List(entries) => {
                for (index, entry) in entries.iter().enumerate() {
                    entry.value.walk(&path.index(index), visit);
                }
            }
            Self::Text(_) | Self::Other => {}
        }
    }

    /// The line of a field, or of the nearest one above it that the document has.
    pub(super) fn line(&self, path: &FieldPath) -> Option<u64> {
        let mut node = self;
        let mut line = None;
        for step in &path.0 {
            let (at, next) = match (node, step) {
                (Self::Map(entries), Step::Key(key)) => {
                    match entries.iter().find(|(name, _)| name.value == *key) {
                        Some((name, value)) => (name.referenced.line(), value),
                        None => break,
                    }
                }
                (Self::List(entries), Step::Index(index)) => match entries.get(*index) {
                    Some(entry) => (entry.referenced.line(), &entry.value),
                    None => break,
                },
                _ => break,
            };
            (line, node) = (Some(at), next);
        }
        line
    }
}

impl<'de> Deserialize<'de> for Outline {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Shape)
    }
}

struct Shape;

impl<'de> Visitor<'de> for Shape {
    type Value = Outline;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a mapping, a list or a value")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Outline, A::Error> {
        let mut entries = Vec::new();
        while let Some(entry) = map.next_entry()? {
            entries.push(entry);
        }
        Ok(Outline::Map(entries))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Outline, A::Error> {
        let mut entries = Vec::new();
        while let Some(entry) = list.next_element()? {
            entries.push(entry);
        }
        Ok(Outline::List(entries))
    }

    fn visit_str<E>(self, text: &str) -> Result<Outline, E> {
        Ok(Outline::Text(text.to_owned()))
    }

    fn visit_bool<E>(self, _: bool) -> Result<Outline, E> {
        Ok(Outline::Other)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Outline, E> {
        Ok(Outline::Other)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Outline, E> {
        Ok(Outline::Other)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Outline, E> {
        Ok(Outline::Other)
    }

    fn visit_unit<E>(self) -> Result<Outline, E> {
        Ok(Outline::Other)
    }
}
