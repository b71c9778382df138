//! Requests from the templates of a class. What all of them share is made once.

use bytes::Bytes;
use http_body_util::Full;
use hyper::{
    Request, Uri,
    header::{CONTENT_TYPE, HOST, HeaderValue},
};

use super::{ClassPlan, Endpoint, Template, connection::Outgoing};

/// Makes the requests of a class.
pub(super) struct Requests {
    blank: Request<()>,
    path: Filling<Uri>,
    body: Filling<Bytes>,
    key_prefix: String,
}

/// The same for every request, or made for each.
enum Filling<T> {
    Fixed(T),
    Made(Template),
}

impl Requests {
    pub(super) fn new(class: &ClassPlan, key_prefix: String) -> Self {
        let mut blank = Request::new(());
        *blank.method_mut() = class.method.clone();
        if class.body.is_some() {
            let json = HeaderValue::from_static("application/json");
            blank.headers_mut().insert(CONTENT_TYPE, json);
        }
        let body = class.body.clone().unwrap_or_else(|| Template::new(""));
        Self {
            blank,
            path: Filling::new(class.path.clone(), uri),
            body: Filling::new(body, Bytes::from),
            key_prefix,
        }
    }

    /// The request of `key` to a target.
    pub(super) fn make(&self, key: u64, target: &Endpoint) -> Outgoing {
        let body = self.body.fill(&self.key_prefix, key, Bytes::from);
        let mut request = self.blank.clone().map(|()| Full::new(body));
        let path = self.path.fill(&self.key_prefix, key, uri);
        *request.uri_mut() = match target.base() {
            "" => path,
            base => uri(format!("{base}{path}")),
        };
        request.headers_mut().insert(HOST, target.host().clone());
        Box::new(request)
    }
}

fn uri(path: String) -> Uri {
    path.try_into()
        .expect("the paths of a plan are checked before it runs")
}

impl<T: Clone> Filling<T> {
    fn new(template: Template, from: fn(String) -> T) -> Self {
        if template.is_fixed() {
            Self::Fixed(from(template.fill("", 0)))
        } else {
            Self::Made(template)
        }
    }

    fn fill(&self, key_prefix: &str, key: u64, from: fn(String) -> T) -> T {
        match self {
            Self::Fixed(value) => value.clone(),
            Self::Made(template) => from(template.fill(key_prefix, key)),
        }
    }
}
