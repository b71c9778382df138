//! Requests from the templates of a class, as the text that is sent.

use http::Method;

use super::{ClassPlan, Endpoint, Template};

/// A request ready to go.
pub(super) struct Outgoing {
    pub(super) text: String,
    /// Its answer has no body, whatever the answer says.
    pub(super) is_head: bool,
    /// How many bytes of the answer's body somebody wants to read.
    pub(super) keeps: usize,
}

/// Makes the requests of a class.
pub(super) struct Requests {
    method: Method,
    path: Template,
    body: Option<Template>,
    key_prefix: String,
    keeps: usize,
}

/// As much of an answer as is kept where a class wants it.
const MOST_KEPT: usize = 4096;

impl Requests {
    pub(super) fn new(class: &ClassPlan, key_prefix: String) -> Self {
        Self {
            method: class.method.clone(),
            path: class.path.clone(),
            body: class.body.clone(),
            key_prefix,
            keeps: if class.keeps_answers { MOST_KEPT } else { 0 },
        }
    }

    /// The request of `key` to a target.
    pub(super) fn make(&self, key: u64, target: &Endpoint) -> Outgoing {
        // Enough for most, so that the text grows in place.
        let mut text = String::with_capacity(256);
        text.push_str(self.method.as_str());
        text.push(' ');
        text.push_str(target.base());
        self.path.fill(&self.key_prefix, key, &mut text);
        text.push_str(" HTTP/1.1\r\nhost: ");
        text.push_str(target.host());
        text.push_str("\r\n");
        if let Some(body) = &self.body {
            let mut content = String::new();
            body.fill(&self.key_prefix, key, &mut content);
            text.push_str("content-type: application/json\r\ncontent-length: ");
            text.push_str(&content.len().to_string());
            text.push_str("\r\n\r\n");
            text.push_str(&content);
        } else if matches!(self.method, Method::POST | Method::PUT | Method::PATCH) {
            // Where a body is usual, its absence is said (RFC 9110, section 8.6).
            text.push_str("content-length: 0\r\n\r\n");
        } else {
            text.push_str("\r\n");
        }
        Outgoing {
            text,
            is_head: self.method == Method::HEAD,
            keeps: self.keeps,
        }
    }
}
