//! YAML as a cluster reads it: `kubectl` makes JSON of it by the rules of YAML 1.1 (`sigs.k8s.io/yaml` over go-yaml
//! v2), so that `010` is 8, `60.0` is 60, `yes` is a boolean and only what is quoted is text for certain. What comes
//! out is a tree with the line of every node, for the messages.

mod build;
mod scalar;

pub(super) use build::documents;
pub(super) use scalar::resolve;

use super::{FieldPath, Step};

/// A node of a document.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Node {
    /// The line that it starts on, from 1.
    pub line: u64,
    /// What it is.
    pub value: Value,
}

/// What a node is, as JSON has it.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Value {
    /// Nothing: `null`, `~`, or no value at all.
    Null,
    /// A boolean and how it is written.
    Bool(bool, String),
    /// A number and how it is written.
    Number(Number, String),
    /// Text.
    Text(String),
    /// A list.
    List(Vec<Node>),
    /// A mapping, in the order of the file.
    Map(Vec<Entry>),
}

/// A number of JSON: whole or not. A float without a fraction is whole there: `60.0` becomes `60`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Number {
    /// Without a fraction.
    Whole(i128),
    /// With one, or too large to count.
    Float(f64),
}

/// A key of a mapping with its value.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Entry {
    /// The key as text, whatever it is in YAML.
    pub key: String,
    /// The line that it is on.
    pub line: u64,
    /// The value.
    pub value: Node,
}

impl Node {
    /// The value of a key.
    pub(super) fn get(&self, key: &str) -> Option<&Entry> {
        match &self.value {
            Value::Map(entries) => entries.iter().find(|entry| entry.key == key),
            _ => None,
        }
    }

    /// The text of a key.
    pub(super) fn text(&self, key: &str) -> Option<&str> {
        match &self.get(key)?.value.value {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The line of a field, or of the nearest one above it that there is.
    pub(super) fn line_of(&self, path: &FieldPath) -> u64 {
        let (mut node, mut line) = (self, self.line);
        for step in &path.0 {
            let next = match (&node.value, step) {
                (Value::Map(_), Step::Key(key)) => {
                    node.get(key).map(|entry| (entry.line, &entry.value))
                }
                (Value::List(nodes), Step::Index(index)) => {
                    nodes.get(*index).map(|node| (node.line, node))
                }
                _ => None,
            };
            match next {
                Some((at, inner)) => (line, node) = (at, inner),
                None => break,
            }
        }
        line
    }
}

#[cfg(test)]
mod tests;
