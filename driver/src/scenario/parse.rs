//! Reading a scenario file, strictly: syntax and types here, then its [`sense`](super::sense). Each
//! error says the file, the line and what to write.

use std::path::Path;

use super::{Scenario, digest, sense::Place};

/// Why a scenario can't be used.
#[derive(Debug, thiserror::Error)]
pub enum ScenarioError {
    /// No step of the workshop has that name or number.
    #[error("unknown {wanted}; there are {known}{advice}")]
    Unknown {
        /// What was asked for.
        wanted: String,
        /// The steps.
        known: String,
        /// What else could be meant, as the end of the sentence.
        advice: &'static str,
    },
    /// The file can't be read.
    #[error("{file}: {why}; give the path of a scenario file")]
    Io {
        /// The file.
        file: String,
        /// What the system says.
        why: std::io::Error,
    },
    /// The file is not the TOML of a scenario. The message of the parser has line and column.
    #[error("{file}: {message}")]
    Syntax {
        /// The file.
        file: String,
        /// What was expected, with the line quoted.
        message: String,
    },
    /// It reads, but does not make sense.
    #[error("{file}, line {line}: {message}")]
    Sense {
        /// The file.
        file: String,
        /// Line, from 1.
        line: usize,
        /// What is wrong and what to write.
        message: String,
    },
}

impl Scenario {
    /// Reads the text of a scenario file; `file` is its name for messages.
    pub fn parse(file: &str, text: &str) -> Result<Self, ScenarioError> {
        let syntax = |error: toml::de::Error| ScenarioError::Syntax {
            file: file.to_owned(),
            message: error.to_string(),
        };
        let mut scenario: Self = toml::from_str(text).map_err(syntax)?;
        text.clone_into(&mut scenario.text);
        scenario.digest = digest::of(text).map_err(syntax)?;
        let complaint = |(place, message): (Place, String)| ScenarioError::Sense {
            file: file.to_owned(),
            line: place.line(text),
            message,
        };
        super::sense::check(&scenario).map_err(complaint)?;
        scenario.read_bodies(file.as_ref()).map_err(complaint)?;
        Ok(scenario)
    }

    /// Reads the files that classes send, and notes in the text which they were: runs with other ones are not alike.
    fn read_bodies(&mut self, file: &Path) -> Result<(), (Place, String)> {
        let folder = file.parent().unwrap_or(Path::new(""));
        for (index, class) in self.classes.iter_mut().enumerate() {
            let Some(body) = &mut class.body else {
                continue;
            };
            let read = body.read(folder).map_err(|problem| {
                let message = format!("class `{}`: {problem}", class.name);
                (Place::Entry("classes", index), message)
            })?;
            if let Some(note) = read {
                self.text.push_str(&note);
                self.digest = digest::with(&self.digest, &note);
            }
        }
        Ok(())
    }

    /// Reads a scenario file.
    pub fn read(path: &Path) -> Result<Self, ScenarioError> {
        let file = path.display().to_string();
        match std::fs::read_to_string(path) {
            Ok(text) => Self::parse(&file, &text),
            Err(why) => Err(ScenarioError::Io { file, why }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::Arrivals;

    const GOOD: &str = include_str!("../../scenarios/timeouts.toml");

    /// The message for the good scenario with one text replaced.
    fn error(from: &str, to: &str) -> String {
        assert!(GOOD.contains(from), "the scenario no longer says {from}");
        let text = GOOD.replacen(from, to, 1);
        Scenario::parse("my.toml", &text)
            .expect_err("must be refused")
            .to_string()
    }

    #[test]
    fn mistakes_name_the_file_the_line_and_what_was_expected() {
        let cases = [
            error("weight = 3", "wait = 3"),
            error("rate = \"30/s\"", "rate = \"-30/s\""),
            error("rate = \"30/s\"", "rate = 30"),
            error(
                "rate = \"30/s\"",
                "rate = \"30/s\"\narrivals = { burst = 0 }",
            ),
            error("timeout = \"10s\"", "timeout = \"10 parsecs\""),
            error("class = \"bystander\"", "class = \"bystanders\""),
            error("at_least = \"99%\"", "at_least = \"500ms\""),
            error("at_least = \"99%\"", "more_than = \"99%\""),
            error("headline = \"bystander_p95\"", "headline = \"nothing\""),
            error("name = \"quote\"", "name = \"bystander\""),
            error("duration = \"12s\"", "duration = \"9000000s\""),
            error("value = 16", "value = \"some\""),
            error("part = \"hour\"", "part = \"noon\""),
            error("bound = \"", "bounds = \""),
            error("step = 1\n", ""),
            error(
                "stat = \"mean\", phases = [\"fault\"]",
                "stat = \"mean\", least_of = 3",
            ),
        ];
        insta::assert_snapshot!(cases.join("\n---\n"));
    }

    #[test]
    fn a_stage_names_what_is_measured_and_each_thing_once() {
        let places = "places = { series = \"slots\" }";
        let (header, last) = (
            "[[stage.taken]]\nid = \"working\"",
            "id = \"given_up\"\nlabel = \"given up\"",
        );
        let gauge = |bound: &str| {
            let series = "label = \"CPU\"\nunit = \"m\"\nseries = \"slots\"";
            format!("[[stage.gauges]]\nid = \"cpu\"\n{series}\nbound = {bound}\n\n{header}")
        };
        let cases = [
            error("series = \"quotes_waiting\"", "series = \"quote_waiting\""),
            error(places, "places = { series = \"slot\" }"),
            error(last, "id = \"hanging\"\nlabel = \"given up\""),
            error(last, "id = \"places\"\nlabel = \"given up\""),
            error(places, "places = {}"),
            error(places, "places = { value = 0 }"),
            error(&format!("{places}\n"), ""),
            error(places, "places = { value = \"most\" }"),
            error("ink = \"stuck\"", "ink = \"red\""),
            error(header, &gauge("{ label = \"limit\" }")),
            error(header, &gauge("{ label = \"limit\", series = \"limit\" }")),
            error("place = \"slots taken\"", "places_are = \"slots\""),
        ];
        insta::assert_snapshot!(cases.join("\n---\n"));
        let (start, end) = (
            GOOD.find("[[stage.taken]]").unwrap(),
            GOOD.find("[[stage.line]]").unwrap(),
        );
        let nothing = error(&GOOD[start..end], "");
        assert!(nothing.contains("no `[[stage.taken]]`"), "{nothing}");
        // A stage is optional.
        let (start, end) = (
            GOOD.find("[stage]").unwrap(),
            GOOD.find("[[checks]]").unwrap(),
        );
        let without = GOOD.replace(&GOOD[start..end], "");
        let without = Scenario::parse("my.toml", &without).unwrap();
        assert!(without.stage.is_none());
        // And no part of the experiment.
        assert_eq!(
            without.digest,
            Scenario::parse("my.toml", GOOD).unwrap().digest
        );
    }

    #[test]
    fn a_question_that_no_law_and_no_check_answers_is_refused() {
        let law = "law = { fill = { class = \"quote\", phase = \"fault\" } }";
        for (from, to, says) in [
            (
                "unit = \"%\"",
                "unit = \"s\"",
                "where the check measures a share",
            ),
            (
                "check = \"bystander_good\"\nlaw",
                "check = \"good\"\nlaw",
                "no check is called `good`",
            ),
            (
                "check = \"bystander_good\"\nlaw",
                "check = \"in_flight\"\nlaw",
                "and its check measures",
            ),
            (law, "law = { fall = {} }", "unknown variant `fall`"),
            (law, "law = 22", "wanted string or table"),
            (
                law,
                "law = { fill = { class = \"q\", phase = \"fault\" } }",
                "no class is called `q`",
            ),
            (
                law,
                "law = { fill = { class = \"quote\", phase = \"healthy\" } }",
                "no call hangs",
            ),
            (
                law,
                "law = { served = { class = \"quote\", phases = [] } }",
                "it needs `pool_size`",
            ),
            (
                law,
                "law = { line = { places = \"workers\", work = {}, phases = [\"fault\"] } }",
                "a percentile of latency",
            ),
            ("differs = \"", "differ = \"", "unknown field `differ`"),
            (
                "check = \"quotes_ok\"",
                "check = \"quotes\"",
                "`measured` of the `[lesson]`: no check is called `quotes`",
            ),
        ] {
            let error = error(from, to);
            assert!(
                error.starts_with("my.toml") && error.contains(says),
                "{to}: {error}"
            );
        }
    }

    #[test]
    fn failures_are_counted_of_what_is_sent_once() {
        let shutdown = include_str!("../../scenarios/shutdown.toml");
        Scenario::parse("my.toml", shutdown).unwrap();
        let get = shutdown.replacen("POST /cases/shutdown?", "GET /cases/shutdown?", 1);
        let error = Scenario::parse("my.toml", &get).unwrap_err().to_string();
        assert!(
            error.contains("sent again where a connection breaks"),
            "{error}"
        );
    }

    #[test]
    fn a_roll_needs_replicas_that_are_replaced_and_its_law_a_roll() {
        let shutdown = include_str!("../../scenarios/shutdown.toml");
        let error = |from: &str, to: &str| {
            assert!(
                shutdown.contains(from),
                "the scenario no longer says {from}"
            );
            let text = shutdown.replacen(from, to, 1);
            Scenario::parse("my.toml", &text).unwrap_err().to_string()
        };
        let unrolled = error("rolled = { listed_for = \"2s\" }\n", "");
        assert!(unrolled.contains("needs `rolled`"), "{unrolled}");
        let still = error("roll = { after = \"0s\" }\n", "");
        assert!(still.contains("no phase has a `roll`"), "{still}");
        let nobody = error("listed = 4", "listed = 0");
        assert!(nobody.contains("`listed` counts replicas"), "{nobody}");
    }

    #[test]
    fn an_edit_point_outside_of_the_project_is_refused() {
        let own = "\"lab-services/src/cases/timeouts.rs\"";
        for path in ["/etc/passwd", "../../etc/passwd", "a/../../b", "./x", ""] {
            let error = error(own, &format!("\"{path}\""));
            assert!(
                error.contains("not a path inside the project"),
                "{path}: {error}"
            );
        }
    }

    #[test]
    fn a_class_that_cannot_be_sent_or_sends_nothing_is_refused_before_anything_is_started() {
        for (from, to, says) in [
            (
                "GET /cases/local",
                "GET /cases/local\\r\\nhost: evil",
                "not a path of a URL",
            ),
            ("GET /cases/local", "GET /cases/a b", "not a path of a URL"),
            (
                "name = \"quote\"",
                "name = \"a quote\"",
                "in the name of the class",
            ),
            ("rate = \"30/s\"", "rate = \"0/s\"", "sends nothing"),
            ("rate = \"30/s\"", "rate = \"0/s..0/s\"", "sends nothing"),
        ] {
            let error = error(from, to);
            assert!(
                error.starts_with("my.toml, line") && error.contains(says),
                "{to}: {error}"
            );
        }
    }

    #[test]
    fn numbers_that_cannot_be_measured_with_and_series_that_no_page_can_have_are_refused() {
        let name = "name = \"lab_http_requests_in_flight\"";
        let top = "headline = \"bystander_p95\"";
        for (from, to, says) in [
            (
                name,
                "name = 'requests{a=\"b\"}'",
                "labels are apart from it",
            ),
            (name, "name = \"requests-now\"", "not the name of a metric"),
            (
                name,
                "name = \"requests\", labels = { \"a-b\" = \"c\" }",
                "`a-b` is not the name of a label",
            ),
            (
                name,
                "name = \"requests\", times = nan",
                "no number to measure with",
            ),
            ("value = 16", "value = inf", "a number, or \"max_replicas\""),
            ("weight = 3", "weight = inf", "no number to measure with"),
            ("weight = 3", "weight = 1e300", "1000 at most"),
            ("full = \"78%\"", "full = \"1e300%\"", "not a quantity"),
            (
                "series = { id = \"slots\", stat = \"max\" }",
                "value = nan",
                "no number to measure with",
            ),
            (
                top,
                &format!("metrics = \"/m\"\n{top}"),
                "the workshop's have theirs at /metrics",
            ),
            (
                top,
                &format!("metrics = \"m\"\n{top}"),
                "`metrics` is the path of a page",
            ),
            (top, &format!("loops = 0\n{top}"), "`loops` is from 1 to 64"),
            (
                top,
                &format!("loops = 65\n{top}"),
                "`loops` is from 1 to 64",
            ),
            (
                "connections = 48",
                "connections = 10001",
                "`connections` is at most",
            ),
        ] {
            let error = error(from, to);
            assert!(
                error.contains("my.toml") && error.contains(says),
                "{to}: {error}"
            );
        }
        // A service of one's own may have it elsewhere.
        let own = include_str!("../../scenarios/own-service.toml").replace("# metrics", "metrics");
        let own = Scenario::parse("my.toml", &own).unwrap();
        assert_eq!(own.metrics, "/actuator/prometheus");
    }

    #[test]
    fn what_no_request_can_be_is_refused_by_name() {
        let own = "request = \"GET /cases/local\"";
        let with = |line: &str| error(own, &format!("{own}\n{line}"));
        for (error, says) in [
            (
                error("GET /cases/local", "CONNECT /a"),
                "`CONNECT` is no method",
            ),
            (error("GET /cases/local", "get /a"), "in capitals"),
            (error("GET /cases/local", "/a"), "is a method and a path"),
            (
                error(own, "request = \"TRACE /a\"\nbody = \"x\""),
                "carries no `body`",
            ),
            (
                with(r#"headers = { Content-Length = "1" }"#),
                "header `Content-Length`: the engine",
            ),
            (
                with(r#"headers = { connection = "close" }"#),
                "header `connection`: the engine",
            ),
            (with(r#"headers = { "a b" = "1" }"#), "no name of a header"),
            (with(r#"headers = { a = "1\r\nb: 2" }"#), "printable ASCII"),
            (with(r#"headers = { a = "1", A = "2" }"#), "is there twice"),
            (with(r#"body = { yaml = "1" }"#), "{ file ="),
            (
                with(r#"body = { file = "no-such" }"#),
                "can't be read from the scenario's folder",
            ),
        ] {
            assert!(
                error.starts_with("my.toml") && error.contains(says),
                "{error}"
            );
        }
    }

    #[test]
    fn a_body_is_json_another_text_or_a_file_beside_the_scenario() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("my.toml");
        std::fs::write(folder.path().join("some.bin"), b"\0\xff").unwrap();
        let with = |body: &str| {
            let text = GOOD.replacen(
                "rate = \"30/s\"",
                &format!("rate = \"30/s\"\nbody = {body}"),
                1,
            );
            std::fs::write(&file, text).unwrap();
            let scenario = Scenario::read(&file).unwrap();
            let body = scenario.classes[0].body.clone().unwrap();
            (body.media_type(), body.to_sent(), scenario)
        };
        let filled = |text: &str| lab_load::Body::Filled(lab_load::Template::new(text));
        for (body, media_type, sent) in [
            ("'{\"n\":{n}}'", "application/json", filled("{\"n\":{n}}")),
            ("{ json = '{}' }", "application/json", filled("{}")),
            ("{ text = \"a\" }", "text/plain; charset=utf-8", filled("a")),
            (
                "{ file = \"some.bin\" }",
                "application/octet-stream",
                lab_load::Body::Fixed(b"\0\xff".to_vec()),
            ),
        ] {
            let (its_type, its_content, _) = with(body);
            assert_eq!((its_type, its_content), (media_type, sent), "{body}");
        }
        // Runs that sent other files have other scenarios, and are not compared.
        let before = with("{ file = \"some.bin\" }").2;
        let note = "the file \"some.bin\" had 2 bytes";
        assert!(before.text.contains(note), "{}", before.text);
        assert_eq!(with("{ file = \"some.bin\" }").2.digest, before.digest);
        std::fs::write(folder.path().join("some.bin"), b"\0\xfe").unwrap();
        let after = with("{ file = \"some.bin\" }").2;
        assert!(after.text != before.text && after.digest != before.digest);
    }

    #[test]
    fn arrivals_are_even_random_or_in_bursts() {
        // No law is about a ramp.
        let (unasked, _) = GOOD.split_once("[guess]").unwrap();
        let with = |line: &str| {
            let text = unasked.replacen(
                "rate = \"30/s\"",
                &format!("rate = \"10/s..30/s\"\n{line}"),
                1,
            );
            Scenario::parse("my.toml", &text).unwrap().classes[0].arrivals
        };
        assert_eq!(with(""), Arrivals::Constant);
        assert_eq!(with("arrivals = \"poisson\""), Arrivals::Poisson);
        let of = 20.try_into().unwrap();
        assert_eq!(with("arrivals = { burst = 20 }"), Arrivals::Burst(of));
    }

    #[test]
    fn a_missing_file_is_named() {
        let error = Scenario::read("/no/such.toml".as_ref()).unwrap_err();
        assert!(error.to_string().starts_with("/no/such.toml: "), "{error}");
    }
}
