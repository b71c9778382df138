//! Requests from the templates of a class, as the text that is sent.

use std::sync::Arc;

use http::{HeaderName, HeaderValue, Method};

use super::{Body, ClassPlan, Endpoint, Template};

/// A request ready to go.
pub(super) struct Outgoing {
    /// All of it, or what comes before `content`.
    pub(super) text: String,
    /// A body that is the same in each request of its class.
    pub(super) content: Option<Arc<[u8]>>,
    /// Its answer has no body, whatever the answer says.
    pub(super) is_head: bool,
    /// To be sent twice is as good as once (RFC 9110, section 9.2.2).
    pub(super) is_idempotent: bool,
    /// How many bytes of the answer's body somebody wants to read.
    pub(super) keeps: usize,
}

/// Makes the requests of a class.
pub(super) struct Requests {
    method: Method,
    path: Template,
    /// In place of the endpoint's own.
    host: Option<Template>,
    /// The other header lines, whole.
    lines: Template,
    body: Option<Content>,
    key_prefix: String,
    keeps: usize,
}

enum Content {
    Filled(Template),
    Fixed(Arc<[u8]>),
}

/// As much of an answer as is kept where a class wants it.
const MOST_KEPT: usize = 4096;

impl Requests {
    pub(super) fn new(class: &ClassPlan, key_prefix: String) -> Self {
        let is_host = |name: &str| name.eq_ignore_ascii_case("host");
        let (host, others): (Vec<_>, Vec<_>) =
            class.headers.iter().partition(|(name, _)| is_host(name));
        let mut lines = String::new();
        for (name, value) in others {
            lines.extend([name.as_str(), ": ", value.source(), "\r\n"]);
        }
        Self {
            method: class.method.clone(),
            path: class.path.clone(),
            host: host.first().map(|(_, value)| value.clone()),
            lines: Template::new(lines),
            body: class.body.as_ref().map(|body| match body {
                Body::Filled(template) => Content::Filled(template.clone()),
                Body::Fixed(bytes) => Content::Fixed(bytes.as_slice().into()),
            }),
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
        match &self.host {
            Some(host) => host.fill(&self.key_prefix, key, &mut text),
            None => text.push_str(target.host()),
        }
        text.push_str("\r\n");
        self.lines.fill(&self.key_prefix, key, &mut text);
        let content = self.end(key, &mut text);
        Outgoing {
            text,
            content,
            is_head: self.method == Method::HEAD,
            is_idempotent: self.method.is_idempotent(),
            keeps: self.keeps,
        }
    }

    /// Ends the head and adds the body, or gives it where it is not a text of this request alone.
    fn end(&self, key: u64, text: &mut String) -> Option<Arc<[u8]>> {
        match &self.body {
            Some(Content::Filled(body)) => {
                let mut content = String::new();
                body.fill(&self.key_prefix, key, &mut content);
                push_length(text, content.len());
                text.push_str(&content);
            }
            Some(Content::Fixed(bytes)) => {
                push_length(text, bytes.len());
                return Some(Arc::clone(bytes));
            }
            // Where a body is usual, its absence is said (RFC 9110, section 8.6).
            None if matches!(self.method, Method::POST | Method::PUT | Method::PATCH) => {
                push_length(text, 0);
            }
            None => text.push_str("\r\n"),
        }
        None
    }
}

fn push_length(text: &mut String, length: usize) {
    text.push_str("content-length: ");
    text.push_str(&length.to_string());
    text.push_str("\r\n\r\n");
}

/// Header fields that say how a message is sent, which is the engine's to say (RFC 9110, sections 7.6.1, 8.6, 10.1.1).
const OWN_FIELDS: [&str; 9] = [
    "connection",
    "content-length",
    "expect",
    "keep-alive",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// Why a header field with this value is refused; none where it can be sent.
pub fn refused_field(name: &str, value: &str) -> Option<&'static str> {
    let own = OWN_FIELDS.iter().any(|own| name.eq_ignore_ascii_case(own));
    if HeaderName::from_bytes(name.as_bytes()).is_err() {
        Some("that is no name of a header")
    } else if own {
        Some("the engine says itself how a message is sent")
    } else if HeaderValue::from_str(value).is_err() {
        Some("its value has more than printable ASCII in it")
    } else {
        None
    }
}
