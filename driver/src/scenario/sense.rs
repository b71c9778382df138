//! What the types of a scenario can't say: that names point at something, that units fit and numbers
//! lie in their range.

use std::{
    collections::HashSet,
    ops::Range,
    path::{Component, Path},
};

use lab_exposition::{is_label_name, is_metric_name};
use lab_load::{Service, Template, is_path, refused_field};

use super::{
    BoundValue, Check, Class, Dimension, Guess, Limit, METRICS, Measure, Phase, Reference,
    Scenario, Series, Source,
    stage::{LevelOf, OF_THE_LOAD, Stage},
};

/// Where in the file something is wrong, and what.
type Complaint = (Place, String);

/// A place in the file.
#[derive(Debug)]
pub(super) enum Place {
    /// The file as a whole.
    Top,
    /// Bytes of the text.
    At(Range<usize>),
    /// A table like `[stage]`.
    Table(&'static str),
    /// The nth table of an array like `[[classes]]`.
    Entry(&'static str, usize),
}

impl Place {
    /// The line, from 1.
    pub(super) fn line(&self, text: &str) -> usize {
        let start = match self {
            Self::Top => 0,
            Self::At(span) => span.start,
            Self::Table(name) => {
                let header = format!("\n[{name}]");
                text.find(&header).map_or(0, |at| at + 1)
            }
            Self::Entry(array, index) => {
                let header = format!("\n[[{array}]]");
                let mut tables = text.match_indices(&header);
                tables.nth(*index).map_or(0, |(at, _)| at + 1)
            }
        };
        text[..start.min(text.len())].matches('\n').count() + 1
    }
}

/// Finds the first thing in a scenario that makes no sense.
pub(super) fn check(scenario: &Scenario) -> Result<(), Complaint> {
    check_top(scenario)?;
    unique("phases", scenario.phases.iter().map(|phase| &phase.name))?;
    unique("classes", scenario.classes.iter().map(|class| &class.name))?;
    unique("series", scenario.series.iter().map(|series| &series.id))?;
    unique("checks", scenario.checks.iter().map(|check| &check.id))?;
    let names = Names::of(scenario);
    for (index, series) in scenario.series.iter().enumerate() {
        check_series(scenario, series)
            .or_else(|message| complain(Place::Entry("series", index), message))?;
    }
    for (index, class) in scenario.classes.iter().enumerate() {
        check_class(class)
            .and_then(|()| sends_something(scenario, class))
            .or_else(|message| complain(Place::Entry("classes", index), message))?;
        class
            .rates
            .keys()
            .try_for_each(|phase| names.phase(phase))?;
    }
    for (index, check) in scenario.checks.iter().enumerate() {
        names.measure(check.measure.get_ref(), &check.measure.span())?;
        check_limit(check).or_else(|message| complain(Place::Entry("checks", index), message))?;
    }
    let rolled = scenario.services.api.as_ref().and_then(|api| api.rolled);
    if rolled.is_none()
        && let Some(index) = scenario
            .phases
            .iter()
            .position(|phase| phase.roll.is_some())
    {
        let message = "a phase with a `roll` needs `rolled` in `[services.api]`";
        return complain(Place::Entry("phases", index), message.to_owned());
    }
    if let Some(stage) = &scenario.stage {
        check_stage(stage, &names)?;
    }
    find("check", &scenario.headline, &names.checks)?;
    let lesson = scenario.lesson.iter();
    for measured in lesson.flat_map(|lesson| &lesson.measured) {
        if !names.checks.contains(&measured.check.as_str()) {
            let message = format!(
                "`measured` of the `[lesson]`: no check is called `{}`",
                measured.check
            );
            return complain(Place::Top, message);
        }
    }
    scenario
        .guess
        .as_ref()
        .map_or(Ok(()), |guess| check_guess(scenario, guess, &names))
}

/// A question has words, a check that answers it, and a law that computes the same kind of thing from what is there.
fn check_guess(scenario: &Scenario, guess: &Guess, names: &Names<'_>) -> Result<(), Complaint> {
    let span = guess.check.span();
    find("check", &guess.check, &names.checks)?;
    if guess.question.trim().is_empty() || guess.differs.trim().is_empty() {
        let message = "`[guess]`: `question` and `differs` are sentences for people";
        return complain(Place::At(span), message.to_owned());
    }
    guess
        .per_base_unit(scenario)
        .or_else(|problem| complain(Place::At(span), format!("`[guess]`: {problem}")))?;
    match guess.sum(scenario) {
        Ok(_) => Ok(()),
        Err(problem) => complain(
            Place::At(guess.law.span()),
            format!("the law of `[guess]`: {problem}; change that, or leave `[guess]` out"),
        ),
    }
}

/// A stage shows what is measured, each under a name of its own.
fn check_stage(stage: &Stage, names: &Names<'_>) -> Result<(), Complaint> {
    let shown: Vec<&str> = names.series.iter().copied().chain(OF_THE_LOAD).collect();
    let series = |name: &Reference| find("series", name, &shown);
    let mut seen = HashSet::from([lab_record::Stage::PLACES]);
    for (array, index, id) in stage.ids() {
        if !seen.insert(id) {
            let message = format!("two parts of the stage have the id `{id}`; ids must differ");
            return complain(Place::Entry(array, index), message);
        }
    }
    if stage.taken.is_empty() {
        let message = "the stage has no `[[stage.taken]]`: what occupies its places?".to_owned();
        return complain(Place::Table("stage"), message);
    }
    stage.series().try_for_each(series)?;
    for (index, gauge) in stage.gauges.iter().enumerate() {
        check_level(&gauge.bound.level(), "bound")
            .or_else(|message| complain(Place::Entry("stage.gauges", index), message))?;
    }
    check_level(&stage.places.level(), "places")
        .or_else(|message| complain(Place::Table("stage"), message))
}

/// A bound or a number of places is measured or known, and above 0 where it is known.
fn check_level(level: &LevelOf<'_>, key: &str) -> Result<(), String> {
    match level {
        (None, Some(BoundValue::Number(value))) if *value <= 0.0 => Err(format!(
            "`{key}` has the value {value}; a stage needs one above 0"
        )),
        (Some(_), None) | (None, Some(_)) => Ok(()),
        _ => Err(format!(
            "`{key}` is `{{ series = \"…\" }}` or `{{ value = … }}`, one of the two"
        )),
    }
}

/// Nearly three hours at 10,000 req/s. More than that is a slip, and would have the driver work through it before it
/// begins.
const MOST_REQUESTS: f64 = 1e8;

/// The driver asks the system for few more open files than this (`lab_load::raise_open_files`).
const MOST_CONNECTIONS: u32 = 10_000;

/// More than the cores of any machine that this is run on, so that a typo can't ask for thousands of threads.
const MOST_LOOPS: u32 = 64;

/// Some gigabytes of answers, each with what client, provider and ledger have on record of it.
const MOST_RECEIPTS: f64 = 2e7;

/// The classes that `counts` never send more than this.
fn most_requests(scenario: &Scenario, counts: fn(&Class) -> bool) -> f64 {
    let fastest = |class: &Class| {
        let rates = class.rates.values().chain([&class.rate]);
        rates.map(|rate| rate.from.max(rate.to)).fold(0.0, f64::max)
    };
    let classes = scenario.classes.iter().filter(|class| counts(class));
    let per_second: f64 = classes.map(fastest).sum();
    per_second * scenario.duration().as_secs_f64()
}

fn check_top(scenario: &Scenario) -> Result<(), Complaint> {
    // Their texts go into the report, which is shared.
    let is_inside = |file: &&String| {
        let parts = Path::new(file.as_str()).components();
        !file.is_empty()
            && parts
                .into_iter()
                .all(|part| matches!(part, Component::Normal(_)))
    };
    if let Some(file) = scenario.edit.iter().find(|file| !is_inside(file)) {
        return complain(
            Place::Top,
            format!("edit point `{file}` is not a path inside the project"),
        );
    }
    let has_own = scenario.services.api.is_some() || scenario.services.worker.is_some();
    let name = &scenario.name;
    let in_name = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    let problem = if name.is_empty() || !name.bytes().all(in_name) {
        format!("`name` is a folder name: lower-case letters, digits and `-`, not `{name}`")
    } else if scenario.lesson.is_some() && scenario.step.is_none_or(|step| step == 0) {
        "a scenario with a `[lesson]` is a step of the workshop, and says which by `step`, from 1"
            .to_owned()
    } else if scenario.duration().is_zero() {
        "a scenario needs a phase that lasts".to_owned()
    } else if scenario.classes.is_empty() || scenario.checks.is_empty() {
        "a scenario needs at least one class and one check".to_owned()
    } else if !is_path(&scenario.metrics) {
        format!(
            "`metrics` is the path of a page, like \"/actuator/prometheus\", not \"{}\"",
            scenario.metrics
        )
    } else if scenario.metrics != METRICS && has_own {
        "`metrics` names the page of a service of your own; the workshop's have theirs at /metrics"
            .to_owned()
    } else if scenario
        .connections
        .is_some_and(|count| count > MOST_CONNECTIONS)
    {
        format!("`connections` is at most {MOST_CONNECTIONS}: each is an open file of the driver")
    } else if scenario
        .loops
        .is_some_and(|count| !(1..=MOST_LOOPS).contains(&count))
    {
        format!(
            "`loops` is from 1 to {MOST_LOOPS}: each is a thread that sends its share of the schedule; without it there \
             are as many as the rates want"
        )
    } else if most_requests(scenario, |_| true) > MOST_REQUESTS {
        "its rates and durations make more than 100 million requests; give it lower rates or shorter phases".to_owned()
    } else if most_requests(scenario, |class| class.receipts) > MOST_RECEIPTS {
        "its classes with `receipts` make more than 20 million requests, each of which the driver keeps in memory"
            .to_owned()
    } else {
        return Ok(());
    };
    complain(Place::Top, problem)
}

fn check_class(class: &Class) -> Result<(), String> {
    let name = &class.name;
    check_request(class).map_err(|problem| format!("class `{name}`: {problem}"))?;
    if class.timeout.is_zero() || class.slo.is_zero() {
        return Err(format!(
            "class `{name}`: `timeout` and `slo` must be above 0"
        ));
    }
    if class
        .repeat
        .is_some_and(|repeat| repeat.every == 0 || repeat.lag == 0)
    {
        return Err(format!("class `{name}`: `repeat` counts requests, from 1"));
    }
    Ok(())
}

/// What it sends, as it is sent; keys begin with the run and the name of the class.
fn check_request(class: &Class) -> Result<(), String> {
    let words = class.request.split_once(' ');
    let Some((method, path)) = words.filter(|(_, path)| path.starts_with('/')) else {
        return Err(format!(
            "`request` is a method and a path, like \"GET /cases/local\", not \"{}\"",
            class.request
        ));
    };
    // Of any extension of HTTP; CONNECT asks for a tunnel, which is no answer.
    let is_method = |byte: u8| byte.is_ascii_uppercase() || byte == b'-';
    if method.is_empty() || !method.bytes().all(is_method) || method == "CONNECT" {
        return Err(format!(
            "`{method}` is no method that can be sent; write GET, POST or another one, in capitals, and not CONNECT"
        ));
    }
    if method == "TRACE" && class.body.is_some() {
        return Err("a TRACE carries no `body` (RFC 9110, section 9.3.8)".to_owned());
    }
    let filled = |text: &str| Template::new(text).text(&class.name, 0);
    let path = filled(path);
    if !is_path(&path) {
        return Err(format!(
            "{path:?} is not a path of a URL; escape blanks and the like, in the name of the class, too"
        ));
    }
    let mut names = HashSet::new();
    for (header, value) in &class.headers {
        if let Some(problem) = refused_field(header, &filled(value)) {
            return Err(format!("header `{header}`: {problem}"));
        }
        if !names.insert(header.to_ascii_lowercase()) {
            return Err(format!("header `{header}` is there twice"));
        }
    }
    Ok(())
}

/// Where a class never sends anything, nothing is measured and no code can do well.
fn sends_something(scenario: &Scenario, class: &Class) -> Result<(), String> {
    let sends = |phase: &Phase| {
        let rate = class.rate_in(phase);
        rate.from + rate.to > 0.0 && !phase.duration.is_zero()
    };
    if scenario.phases.iter().any(sends) {
        Ok(())
    } else {
        Err(format!(
            "class `{}` sends nothing in any phase; give it a `rate` above 0",
            class.name
        ))
    }
}

/// Metrics and labels have names that can be on a page; all else would never be found there.
fn check_series(scenario: &Scenario, series: &Series) -> Result<(), String> {
    let (Source::Metric(metric) | Source::Rate(metric)) = &series.source else {
        return Ok(());
    };
    let id = &series.id;
    if !is_metric_name(&metric.name) {
        return Err(format!(
            "series `{id}`: `{}` is not the name of a metric, which has letters, digits, `_` and `:`; labels are apart from \
             it, as labels = {{ route = \"/a\" }}",
            metric.name
        ));
    }
    if let Some(label) = metric.labels.keys().find(|label| !is_label_name(label)) {
        return Err(format!(
            "series `{id}`: `{label}` is not the name of a label, which has letters, digits and `_`"
        ));
    }
    if scenario.metrics != METRICS && metric.service != Service::Api {
        return Err(format!(
            "series `{id}`: `metrics` names the page of a service of your own, and {} is none",
            metric.service
        ));
    }
    Ok(())
}

/// The most that one check can weigh beside the others.
const HEAVIEST: f64 = 1000.0;

fn check_limit(check: &Check) -> Result<(), String> {
    let id = &check.id;
    let dimension = check.measure.get_ref().dimension();
    let mut quantities = [Some(check.limit.quantity()), check.full]
        .into_iter()
        .flatten();
    if quantities.any(|quantity| quantity.dimension != dimension) {
        return Err(format!(
            "check `{id}` measures {dimension}; its `limit` and `full` must be of that kind"
        ));
    }
    let beyond = check.full.is_none_or(|full| match check.limit {
        Limit::AtLeast(limit) => full.value > limit.value,
        Limit::AtMost(limit) => full.value < limit.value,
        Limit::Exactly(_) => false,
    });
    if !beyond {
        return Err(format!(
            "check `{id}`: `full` must lie on the good side of the limit"
        ));
    }
    if !(check.weight > 0.0 && check.weight <= HEAVIEST) {
        return Err(format!(
            "check `{id}`: `weight` must be above 0, and {HEAVIEST} at most"
        ));
    }
    Ok(())
}

/// The names that other parts of the file may point at.
struct Names<'a> {
    phases: Vec<&'a str>,
    classes: Vec<&'a str>,
    receipts: Vec<&'a str>,
    /// Classes whose requests may be sent twice.
    repeated: Vec<&'a str>,
    series: Vec<&'a str>,
    checks: Vec<&'a str>,
}

impl<'a> Names<'a> {
    fn of(scenario: &'a Scenario) -> Self {
        Self {
            phases: scenario
                .phases
                .iter()
                .map(|phase| phase.name.as_str())
                .collect(),
            classes: scenario
                .classes
                .iter()
                .map(|class| class.name.as_str())
                .collect(),
            receipts: scenario
                .classes
                .iter()
                .filter(|class| class.receipts)
                .map(|class| class.name.as_str())
                .collect(),
            repeated: scenario
                .classes
                .iter()
                .filter(|class| is_idempotent(class))
                .map(|class| class.name.as_str())
                .collect(),
            series: scenario
                .series
                .iter()
                .map(|series| series.id.as_str())
                .collect(),
            checks: scenario
                .checks
                .iter()
                .map(|check| check.id.as_str())
                .collect(),
        }
    }

    /// A class whose answers carry receipts.
    fn with_receipts(&self, name: &Reference) -> Result<(), Complaint> {
        find("class", name, &self.classes)?;
        if self.receipts.contains(&name.get_ref().as_str()) {
            return Ok(());
        }
        let message = format!(
            "the class `{}` needs `receipts = true` for this",
            name.get_ref()
        );
        complain(Place::At(name.span()), message)
    }

    /// A class whose requests the engine does not repeat on a new connection where an idle one breaks.
    fn sent_once(&self, name: &Reference) -> Result<(), Complaint> {
        find("class", name, &self.classes)?;
        if !self.repeated.contains(&name.get_ref().as_str()) {
            return Ok(());
        }
        let message = format!(
            "what fails of the class `{}` can't be counted: what is idempotent is sent again where a connection breaks \
             (RFC 9110, section 9.2.2); let it send a POST",
            name.get_ref()
        );
        complain(Place::At(name.span()), message)
    }

    fn phase(&self, name: &Reference) -> Result<(), Complaint> {
        find("phase", name, &self.phases)
    }

    /// Looks at a measure and the measures within it; `span` is where the check says it.
    fn measure(&self, measure: &Measure, span: &Range<usize>) -> Result<(), Complaint> {
        match measure {
            Measure::GoodShare(requests)
            | Measure::OkShare(requests)
            | Measure::OkCount(requests)
            | Measure::DistinctOk(requests)
            | Measure::SettledShare(requests) => {
                find("class", &requests.class, &self.classes)?;
                requests
                    .phases
                    .iter()
                    .try_for_each(|phase| self.phase(phase))
            }
            Measure::FailedCount(requests) => {
                self.sent_once(&requests.class)?;
                requests
                    .phases
                    .iter()
                    .try_for_each(|phase| self.phase(phase))
            }
            Measure::WrongReceipts(requests)
            | Measure::UnaskedReceipts(requests)
            | Measure::Undone(requests)
            | Measure::WrongReplays(requests) => {
                self.with_receipts(&requests.class)?;
                requests
                    .phases
                    .iter()
                    .try_for_each(|phase| self.phase(phase))
            }
            Measure::Ledger(comparison) => self.with_receipts(&comparison.class),
            Measure::Latency(latency) => {
                find("class", &latency.class, &self.classes)?;
                if !(1..=100).contains(&latency.percentile) {
                    let message = "`percentile` is a whole number from 1 to 100, e.g. 95";
                    return complain(Place::At(span.clone()), message.to_owned());
                }
                latency
                    .phases
                    .iter()
                    .try_for_each(|phase| self.phase(phase))
            }
            Measure::Recovery(recovery) => {
                find("class", &recovery.class, &self.classes)?;
                self.phase(&recovery.after)
            }
            Measure::Series(observed) => {
                find("series", &observed.id, &self.series)?;
                if observed.least_of.is_some() && observed.phases.is_empty() {
                    let message = "`least_of` cuts phases into parts; name them in `phases`";
                    return complain(Place::At(span.clone()), message.to_owned());
                }
                observed
                    .phases
                    .iter()
                    .try_for_each(|phase| self.phase(phase))
            }
            Measure::Ratio(pair) => self.parts(&[&pair.of, &pair.over], span),
            Measure::Difference(balance) => {
                let parts: Vec<&Measure> = balance.minus.iter().chain([&balance.of]).collect();
                self.parts(&parts, span)
            }
            Measure::Manifest(_) | Measure::Value(_) => Ok(()),
        }
    }

    fn parts(&self, parts: &[&Measure], span: &Range<usize>) -> Result<(), Complaint> {
        parts.iter().try_for_each(|part| self.measure(part, span))?;
        let dimensions: Vec<Dimension> = parts.iter().map(|part| part.dimension()).collect();
        if dimensions.windows(2).all(|pair| pair[0] == pair[1]) {
            return Ok(());
        }
        let message = "the parts of a ratio or a difference must be of one kind";
        complain(Place::At(span.clone()), message.to_owned())
    }
}

/// Whether what a class sends does the same if it is done twice (RFC 9110, section 9.2.2).
fn is_idempotent(class: &Class) -> bool {
    let method = class
        .request
        .split_once(' ')
        .map_or("", |(method, _)| method);
    ["GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE"].contains(&method)
}

fn unique<'a>(
    array: &'static str,
    names: impl Iterator<Item = &'a String>,
) -> Result<(), Complaint> {
    let mut seen = HashSet::new();
    for (index, name) in names.enumerate() {
        if !seen.insert(name) {
            let message = format!("two of the {array} are called `{name}`; names must differ");
            return complain(Place::Entry(array, index), message);
        }
    }
    Ok(())
}

fn find(what: &str, name: &Reference, known: &[&str]) -> Result<(), Complaint> {
    let wanted = name.get_ref();
    if known.contains(&wanted.as_str()) {
        return Ok(());
    }
    let message = format!(
        "no {what} is called `{wanted}`; there are {}",
        known.join(", ")
    );
    complain(Place::At(name.span()), message)
}

fn complain<T>(place: Place, message: String) -> Result<T, Complaint> {
    Err((place, message))
}
