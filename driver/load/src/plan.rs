//! What a run will send, fixed before it starts.

use std::{num::NonZeroU32, time::Duration};

use http::{Method, uri::PathAndQuery};
use serde::{Deserialize, Serialize};

use super::{
    Service, Template,
    request::refused_field,
    schedule::{Schedule, Spacing, Stretch},
    summary::{Expectation, Span},
};

/// Everything that a run sends.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Plan {
    /// Start of every key. Unique to the run, e.g. its id, so that no key is ever used by two runs.
    pub run: String,
    /// The request classes.
    pub classes: Vec<ClassPlan>,
    /// Connections opened to each target before the clock starts, or as many of them as it takes. Enough for the
    /// requests in flight of a healthy run keeps connecting out of what is measured.
    pub connections_per_target: usize,
    /// How long to wait, after the last arrival, for requests in flight. Each has its own timeout,
    /// so only a limit below the longest of these cuts anything off.
    pub drain: Duration,
    /// The phases, for which the requests are counted apart by their intended send, in order.
    pub phases: Vec<Span>,
    /// Sends that leave later than this are counted as late.
    pub lateness: Duration,
    /// How many send loops an engine has; none for as many as its share wants ([`loops`](super::loops)).
    pub loops: Option<NonZeroU32>,
}

/// One class of requests.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ClassPlan {
    /// Name, part of every key, e.g. `quote`.
    pub name: String,
    /// Which service gets the requests.
    pub service: Service,
    /// Method.
    #[serde(with = "method")]
    pub method: Method,
    /// Path and query.
    pub path: Template,
    /// Header fields besides those that the engine writes; a `Host` among them takes the place of the target's name.
    pub headers: Vec<(String, Template)>,
    /// What the request carries.
    pub body: Option<Body>,
    /// Counted from the intended send; then the request is given up and its connection closed.
    pub timeout: Duration,
    /// Arrivals beyond this many requests in flight are dropped, and counted. It protects the
    /// machine; a scenario that reaches it measures the bound and not the service.
    pub max_in_flight: usize,
    /// Retries by the client, none where each request has a key of its own.
    pub repeat: Option<Repeat>,
    /// Which clients ask again; none where nobody does.
    pub again: Option<Again>,
    /// Whether what the answers say is wanted, as [`Told`](super::Told).
    pub keeps_answers: bool,
    /// Whether it is wanted which keys were asked for and which were answered as wished, for a bit or two a request.
    pub keeps_keys: bool,
    /// By what its answers are counted.
    pub expectation: Expectation,
    /// When requests arrive.
    pub schedule: Schedule,
}

/// What a request carries. A header field says of which type it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Body {
    /// A text with its places filled in.
    Filled(Template),
    /// The same bytes each time.
    Fixed(Vec<u8>),
}

/// A client that retries: every `every`th request is the one `lag` before it over again, with the
/// same key, number and account.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Repeat {
    /// Distance between retries, in requests.
    pub every: u64,
    /// Distance from a request to its retry, in requests.
    pub lag: u64,
}

/// A client that had no answer, or one that invites it, asks again with the same key, number and account. What it asks
/// then is one more arrival, beside the schedule, which no answer can move.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Again {
    /// From the end of an attempt to the next one, at least, and at most twice this: clients that a crash cut off
    /// together don't ask again together. None is made after the last arrival of the class.
    pub after: Duration,
    /// How often, at most.
    pub times: u8,
    /// Statuses that invite it; having no answer always does.
    pub statuses: Vec<u16>,
}

impl Again {
    /// How long the client of `key` waits. The same in each run, and spread evenly over the keys of a moment: their
    /// numbers times the golden ratio, as in Fibonacci hashing (Knuth, The Art of Computer Programming, 6.4).
    pub(super) fn wait(&self, key: u64) -> Duration {
        let spread = key.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32;
        self.after + self.after.mul_f64(spread as f64 / f64::from(u32::MAX))
    }
}

/// Which arrivals of a plan one of several engines sends. Each engine has the whole plan, so that numbers, keys,
/// repeats and the end of a class are the same in all of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Share {
    /// The engine's own number, from 0.
    pub index: u32,
    /// How many engines there are, 1 or more.
    pub of: u32,
}

impl Share {
    /// All of the plan.
    pub const WHOLE: Self = Self { index: 0, of: 1 };

    /// The shares of so many loops that share this one. Together they are what it is, whatever their number.
    pub fn split(self, loops: u32) -> impl Iterator<Item = Self> {
        (0..loops).map(move |n| Self {
            index: self.index + n * self.of,
            of: self.of * loops,
        })
    }

    /// Whether arrival `n` of a class belongs to it. They take turns, so that each engine has the shape of the whole.
    pub fn has(self, n: u64) -> bool {
        n % u64::from(self.of) == u64::from(self.index)
    }

    /// How many of the first `total` arrivals of a class belong to it.
    pub fn count(self, total: u64) -> u64 {
        (total + u64::from(self.of - 1 - self.index)) / u64::from(self.of)
    }

    /// Its part of a bound on all engines; together they are no less.
    pub fn part(self, bound: usize) -> usize {
        bound.div_ceil(self.of as usize)
    }
}

/// A method as its name.
mod method {
    use http::Method;
    use serde::{Deserialize as _, Deserializer, Serializer, de::Error as _};

    pub(super) fn serialize<S: Serializer>(method: &Method, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(method.as_str())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Method, D::Error> {
        let name = String::deserialize(from)?;
        name.parse().map_err(D::Error::custom)
    }
}

/// A plan that can't be run.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    /// A path or run name with characters that a URL can't hold.
    #[error("class `{class}`: `{path}` is not a path of a URL; start it with / and escape blanks")]
    Path {
        /// The class.
        class: String,
        /// The path, filled in.
        path: String,
    },
    /// A header field that can't be sent, or is not the plan's to say.
    #[error("class `{class}`: header `{name}`: {problem}")]
    Header {
        /// The class.
        class: String,
        /// The field.
        name: String,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// A retry of itself, or one every zero requests.
    #[error("class `{0}`: `every` and `lag` of a repeat must be 1 or more")]
    Repeat(String),
    /// Two classes would share keys.
    #[error("two classes are called `{0}`; give each its own name, since keys are made from it")]
    Name(String),
}

impl Plan {
    /// Refuses what can't be sent.
    pub fn validate(&self) -> Result<(), PlanError> {
        for (index, class) in self.classes.iter().enumerate() {
            let name = || class.name.clone();
            if self.classes[..index]
                .iter()
                .any(|other| other.name == class.name)
            {
                return Err(PlanError::Name(name()));
            }
            if class
                .repeat
                .is_some_and(|repeat| repeat.every == 0 || repeat.lag == 0)
            {
                return Err(PlanError::Repeat(name()));
            }
            self.validate_head(class)?;
        }
        Ok(())
    }

    fn validate_head(&self, class: &ClassPlan) -> Result<(), PlanError> {
        let prefix = self.key_prefix(class);
        let path = class.path.text(&prefix, 0);
        if !is_path(&path) {
            return Err(PlanError::Path {
                class: class.name.clone(),
                path,
            });
        }
        for (name, value) in &class.headers {
            if let Some(problem) = refused_field(name, &value.text(&prefix, 0)) {
                return Err(PlanError::Header {
                    class: class.name.clone(),
                    name: name.clone(),
                    problem,
                });
            }
        }
        Ok(())
    }

    /// What every key of a class begins with; `-` and the key's number follow.
    pub fn key_prefix(&self, class: &ClassPlan) -> String {
        format!("{}-{}", self.run, class.name)
    }
}

/// A path and query as it is sent; a fragment, which no server is told, is none of it.
pub fn is_path(text: &str) -> bool {
    let parsed = text.parse::<PathAndQuery>();
    text.starts_with('/') && parsed.is_ok_and(|parsed| parsed.as_str() == text)
}

impl Plan {
    /// These classes in one phase without an end, with a connection when it is needed and no wait for the last answers.
    /// What is to be otherwise is set afterwards.
    pub fn of(run: &str, classes: Vec<ClassPlan>) -> Self {
        let all = Span {
            name: "all".to_owned(),
            from: Duration::ZERO,
            to: Duration::MAX,
        };
        Self {
            run: run.to_owned(),
            classes,
            connections_per_target: 0,
            drain: Duration::ZERO,
            phases: vec![all],
            lateness: Duration::from_millis(25),
            loops: None,
        }
    }
}

impl ClassPlan {
    /// Even requests like `GET path` to the api, each given up after 10 s, as many in flight as there are, and 200 the answer
    /// that is wished. What is to be otherwise is set afterwards.
    pub fn get(name: &str, path: &str, stretches: Vec<Stretch>) -> Self {
        Self {
            name: name.to_owned(),
            service: Service::Api,
            method: Method::GET,
            path: Template::new(path),
            headers: Vec::new(),
            body: None,
            timeout: Duration::from_secs(10),
            max_in_flight: usize::MAX,
            repeat: None,
            again: None,
            keeps_answers: false,
            keeps_keys: false,
            expectation: Expectation {
                ok: vec![200],
                ..Expectation::default()
            },
            schedule: Schedule {
                stretches,
                spacing: Spacing::Even,
            },
        }
    }

    /// Method and path without the query, e.g. `GET /cases/timeouts`.
    pub fn request(&self) -> String {
        let path = self.path.source();
        format!(
            "{} {}",
            self.method,
            path.split_once('?').map_or(path, |(path, _)| path)
        )
    }

    /// The number that fills the templates of arrival `n`: its own, or that of the request it
    /// repeats.
    pub(super) fn key_of(&self, n: u64) -> u64 {
        match self.repeat {
            Some(Repeat { every, lag }) if n % every == every - 1 && n >= lag => {
                self.key_of(n - lag)
            }
            _ => n,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn class(path: &str) -> ClassPlan {
        ClassPlan::get("buy", path, Vec::new())
    }

    fn plan(classes: Vec<ClassPlan>) -> Plan {
        Plan::of("run", classes)
    }

    #[test]
    fn every_twentieth_request_repeats_an_earlier_one() {
        let mut class = class("/");
        class.repeat = Some(Repeat { every: 20, lag: 7 });
        let keys: Vec<u64> = (0..60).map(|n| class.key_of(n)).collect();
        assert_eq!((keys[19], keys[39], keys[59]), (12, 32, 52));
        let own = (0..60).filter(|n| keys[*n as usize] == *n).count();
        assert_eq!(own, 57);
    }

    #[test]
    fn shares_count_what_they_have() {
        for total in 0..20 {
            for index in 0..3 {
                let share = Share { index, of: 3 };
                let has = (0..total).filter(|n| share.has(*n)).count() as u64;
                assert_eq!(share.count(total), has, "{share:?} of {total}");
            }
        }
    }

    #[test]
    fn a_share_that_is_split_is_the_same_arrivals() {
        for (of, loops) in [(1, 1), (1, 3), (3, 2), (2, 4)] {
            for index in 0..of {
                let share = Share { index, of };
                for n in 0..50 {
                    let has = share.split(loops).filter(|part| part.has(n)).count();
                    assert_eq!(has, usize::from(share.has(n)), "{share:?} {n}");
                }
            }
        }
    }

    #[test]
    fn nothing_is_repeated_before_it_was_sent() {
        let mut class = class("/");
        class.repeat = Some(Repeat { every: 2, lag: 4 });
        assert_eq!(
            (0..8).map(|n| class.key_of(n)).collect::<Vec<_>>(),
            [0, 1, 2, 3, 4, 1, 6, 3]
        );
    }

    #[test]
    fn plans_that_cannot_be_sent_are_refused() {
        let refusal = |class: ClassPlan| plan(vec![class]).validate().unwrap_err().to_string();
        assert!(refusal(class("no-slash")).contains("`no-slash` is not a path"));
        assert!(refusal(class("/a b")).contains("`/a b`"));
        assert!(refusal(class("/a#b")).contains("`/a#b`"));
        let mut header = class("/");
        header.headers = vec![("x-key".into(), Template::new("{key}\r\nhost: other"))];
        assert!(refusal(header).contains("`x-key`"));
        let mut itself = class("/");
        itself.repeat = Some(Repeat { every: 1, lag: 0 });
        assert!(refusal(itself).contains("1 or more"));
        let twins = plan(vec![class("/"), class("/")]);
        assert!(matches!(twins.validate(), Err(PlanError::Name(_))));
    }

    #[test]
    fn a_class_names_its_request_without_the_query() {
        assert_eq!(class("/cases?key={key}").request(), "GET /cases");
    }
}
