//! From the events of the YAML parser to trees: tags, anchors, merges and keys.

use std::collections::BTreeMap;

use granit_parser::{Event, Parser, ScalarStyle, ScanError, Span, Tag};

use super::super::Problem;
use super::{Entry, Node, Number, Value, scalar};

/// More nodes than any manifest has, and few enough that aliases of aliases end soon.
const MOST_NODES: usize = 100_000;
/// Deeper than any manifest.
const DEEPEST: usize = 100;

/// What is wrong with a file as YAML.
#[derive(Debug)]
pub(in crate::manifest) struct YamlError {
    /// The line, from 1.
    pub line: u64,
    /// What is wrong.
    pub problem: Problem,
}

/// The documents of a file that hold something. An empty one, after a stray `---`, is passed over as `kubectl` does.
pub(in crate::manifest) fn documents(text: &str) -> Result<Vec<Node>, YamlError> {
    let options = granit_parser::options! {
        flow_nesting_limit: DEEPEST,
        block_nesting_limit: DEEPEST,
        emit_comments: false,
    };
    let builder = Builder::new(Parser::new_from_str_with_options(text, options));
    trees(builder).map_err(|error| at_the_tab(text, error))
}

/// The parser says where the text began that a tab ended; what is to be mended is the line with the tab.
fn at_the_tab(text: &str, error: YamlError) -> YamlError {
    let tab = matches!(&error.problem, Problem::Syntax(what) if what.contains("tab"));
    let lines = text
        .lines()
        .zip(1..)
        .skip_while(|(_, line)| *line < error.line);
    let indented = |(text, _): &(&str, u64)| text.trim_start_matches(' ').starts_with('\t');
    let found = lines.filter(|_| tab).find(indented);
    match found {
        Some((_, line)) => YamlError::at(line, "it begins with a tab, where YAML wants blanks"),
        None => error,
    }
}

fn trees<'text>(
    mut builder: Builder<'text, impl Iterator<Item = Result<(Event<'text>, Span), ScanError>>>,
) -> Result<Vec<Node>, YamlError> {
    let mut documents = Vec::new();
    while let Some((event, span)) = builder.next()? {
        if matches!(event, Event::DocumentStart(..)) {
            builder.anchors.clear();
        } else if event.is_node() {
            let document = builder.node(event, span)?;
            if document.value != Value::Null {
                documents.push(document);
            }
        }
    }
    Ok(documents)
}

struct Builder<'text, E> {
    events: E,
    anchors: BTreeMap<usize, Node>,
    nodes: usize,
    text: std::marker::PhantomData<&'text str>,
}

impl<'text, E: Iterator<Item = Result<(Event<'text>, Span), ScanError>>> Builder<'text, E> {
    fn new(events: E) -> Self {
        Self {
            events,
            anchors: BTreeMap::new(),
            nodes: 0,
            text: std::marker::PhantomData,
        }
    }

    fn next(&mut self) -> Result<Option<(Event<'text>, Span)>, YamlError> {
        self.events
            .next()
            .transpose()
            .map_err(|error| YamlError::at(error.marker().line() as u64, error.info()))
    }

    /// The next event within a collection; none where it ends.
    fn inner(&mut self) -> Result<Option<(Event<'text>, Span)>, YamlError> {
        let next = self.next()?;
        Ok(next.filter(|(event, _)| event.is_node()))
    }

    fn node(&mut self, event: Event<'text>, span: Span) -> Result<Node, YamlError> {
        let line = span.start.line() as u64;
        let anchor = event.anchor_id();
        let value = match event {
            Event::Alias(id) => return self.alias(id, line),
            Event::Scalar(text, style, _, tag) => {
                scalar(&text, style, tag.as_deref()).map_err(|what| YamlError::at(line, what))?
            }
            Event::SequenceStart(..) => {
                let mut nodes = Vec::new();
                while let Some((event, span)) = self.inner()? {
                    nodes.push(self.node(event, span)?);
                }
                Value::List(nodes)
            }
            _ => Value::Map(self.entries()?),
        };
        let node = Node { line, value };
        self.count(1, line)?;
        if let Some(id) = anchor {
            self.anchors.insert(id, node.clone());
        }
        Ok(node)
    }

    fn alias(&mut self, id: usize, line: u64) -> Result<Node, YamlError> {
        let Some(node) = self.anchors.get(&id).cloned() else {
            return Err(YamlError::at(line, "an alias stands within its own anchor"));
        };
        self.count(size(&node), line)?;
        Ok(node)
    }

    fn count(&mut self, more: usize, line: u64) -> Result<(), YamlError> {
        self.nodes += more;
        if self.nodes > MOST_NODES {
            return Err(YamlError::at(line, "its aliases make too much of it"));
        }
        Ok(())
    }

    fn entries(&mut self) -> Result<Vec<Entry>, YamlError> {
        let mut map = Mapping::default();
        while let Some((event, span)) = self.inner()? {
            let line = span.start.line() as u64;
            let merges =
                matches!(&event, Event::Scalar(text, ScalarStyle::Plain, _, None) if text == "<<");
            let key = self.node(event, span)?;
            let Some((event, span)) = self.inner()? else {
                return Err(YamlError::at(line, "a key has no value"));
            };
            let value = self.node(event, span)?;
            if merges {
                map.merge(value)?;
            } else {
                map.add(key, value)?;
            }
        }
        Ok(map.entries)
    }
}

/// A mapping in the making.
#[derive(Default)]
struct Mapping {
    entries: Vec<Entry>,
    /// The keys that a merge brought, which may be written again.
    merged: Vec<String>,
}

impl Mapping {
    fn add(&mut self, key: Node, value: Node) -> Result<(), YamlError> {
        let entry = Entry {
            line: key.line,
            key: key_text(key)?,
            value,
        };
        let merged = self.merged.iter().position(|key| *key == entry.key);
        if let Some(merged) = merged {
            self.merged.swap_remove(merged);
        } else if self.entries.iter().any(|there| there.key == entry.key) {
            return Err(YamlError {
                line: entry.line,
                problem: Problem::Twice(entry.key),
            });
        }
        self.set(entry);
        Ok(())
    }

    /// go-yaml v2 sets what is merged where the merge stands: over what came before, under what comes after. Of several
    /// mappings the first counts most.
    fn merge(&mut self, source: Node) -> Result<(), YamlError> {
        let line = source.line;
        let sources = match source.value {
            Value::List(nodes) => nodes,
            _ => vec![source],
        };
        for source in sources.into_iter().rev() {
            let Value::Map(entries) = source.value else {
                let what = "`<<` takes a mapping, or a list of mappings";
                return Err(YamlError::at(line, what));
            };
            for entry in entries {
                self.merged.push(entry.key.clone());
                self.set(entry);
            }
        }
        Ok(())
    }

    fn set(&mut self, entry: Entry) {
        self.entries.retain(|there| there.key != entry.key);
        self.entries.push(entry);
    }
}

impl YamlError {
    fn at(line: u64, what: impl Into<String>) -> Self {
        Self {
            line,
            problem: Problem::Syntax(what.into()),
        }
    }
}

/// A scalar by its style and tag; a tag that JSON has nothing for leaves the text.
fn scalar(text: &str, style: ScalarStyle, tag: Option<&Tag>) -> Result<Value, String> {
    let as_text = || Ok(Value::Text(text.to_owned()));
    let kind = match tag {
        None if style == ScalarStyle::Plain => "any",
        None => return as_text(),
        Some(tag) => tag.core_suffix().unwrap_or("str"),
    };
    let value = scalar::resolve(text);
    let fits = match (kind, &value) {
        ("str", _) => return as_text(),
        (_, Value::Number(Number::Float(value), _)) if !value.is_finite() => {
            return Err(format!("`{text}` is no number that JSON has"));
        }
        ("any", _)
        | ("bool", Value::Bool(..))
        | ("int", Value::Number(Number::Whole(_), _))
        | ("float", Value::Number(..))
        | ("null", Value::Null) => true,
        _ => false,
    };
    if fits {
        Ok(value)
    } else {
        Err(format!("`{text}` is not what its tag `!!{kind}` says"))
    }
}

/// A key as JSON has it, which knows only text there: `yes:` is `true:`.
fn key_text(key: Node) -> Result<String, YamlError> {
    Ok(match key.value {
        Value::Text(text) => text,
        Value::Bool(value, _) => value.to_string(),
        Value::Number(Number::Whole(value), _) => value.to_string(),
        Value::Number(Number::Float(value), _) => (value as f32).to_string(),
        Value::Null | Value::List(_) | Value::Map(_) => {
            return Err(YamlError::at(key.line, "a key must be text"));
        }
    })
}

fn size(node: &Node) -> usize {
    1 + match &node.value {
        Value::List(nodes) => nodes.iter().map(size).sum(),
        Value::Map(entries) => entries.iter().map(|entry| size(&entry.value)).sum(),
        _ => 0,
    }
}
