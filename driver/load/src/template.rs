//! Texts with places for the key of a request.

use std::fmt::Write as _;

use serde::{Deserialize, Serialize};

/// Accounts that `{account}` goes round.
const ACCOUNTS: u64 = 1000;

/// A path or body with places for what differs between requests: `{key}`, a text that no other
/// request of any run has; `{n}`, its number within the class; `{account}`, the number modulo
/// 1000. Other braces stay as they are, so that JSON needs no escapes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub struct Template {
    source: String,
    pieces: Vec<Piece>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Text(String),
    Key,
    Number,
    Account,
}

const PLACES: [(&str, Piece); 3] = [
    ("{key}", Piece::Key),
    ("{n}", Piece::Number),
    ("{account}", Piece::Account),
];

impl From<String> for Template {
    fn from(source: String) -> Self {
        Self::new(source)
    }
}

impl From<Template> for String {
    fn from(template: Template) -> Self {
        template.source
    }
}

impl Template {
    /// Reads a template.
    pub fn new(source: impl Into<String>) -> Self {
        let source = source.into();
        let mut pieces = Vec::new();
        let mut rest = source.as_str();
        let next_place = |text: &str| {
            PLACES
                .iter()
                .filter_map(|(name, piece)| Some((text.find(name)?, name.len(), piece.clone())))
                .min_by_key(|(at, ..)| *at)
        };
        while let Some((at, length, piece)) = next_place(rest) {
            if at > 0 {
                pieces.push(Piece::Text(rest[..at].to_owned()));
            }
            pieces.push(piece);
            rest = &rest[at + length..];
        }
        if !rest.is_empty() {
            pieces.push(Piece::Text(rest.to_owned()));
        }
        Self { source, pieces }
    }

    /// The text that the template was read from.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// The text for request `n` of a class whose keys begin with `prefix`.
    pub fn text(&self, prefix: &str, n: u64) -> String {
        let mut text = String::new();
        self.fill(prefix, n, &mut text);
        text
    }

    /// Adds the text for request `n`, whose key is `prefix`, `-` and `n`.
    pub(super) fn fill(&self, prefix: &str, n: u64, text: &mut String) {
        for piece in &self.pieces {
            // Writing to a string cannot fail.
            let _ = match piece {
                Piece::Text(piece) => text.write_str(piece),
                Piece::Key => write!(text, "{prefix}-{n}"),
                Piece::Number => write!(text, "{n}"),
                Piece::Account => write!(text, "{}", n % ACCOUNTS),
            };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_filled_and_json_stays() {
        let template = Template::new(r#"{"key":"{key}","account":{account},"n":{n},"x":{}}"#);
        assert_eq!(
            template.text("run-buy", 12_034),
            r#"{"key":"run-buy-12034","account":34,"n":12034,"x":{}}"#
        );
    }

    #[test]
    fn a_text_without_places_is_always_the_same() {
        let template = Template::new(r#"{"fast":1}"#);
        assert_eq!(template.text("run", 3), r#"{"fast":1}"#);
    }
}
