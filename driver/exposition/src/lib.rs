//! The text in which services show their metrics, read and written: Prometheus' exposition format 0.0.4 and
//! OpenMetrics 1.0. Only samples: what a `HELP` or `TYPE` line says changes no value, so it is passed over as any comment.
//!
//! One grammar reads both, with blanks where 0.0.4 allows them and exemplars where OpenMetrics does, for what one of
//! them allows never means something else in the other. A page with a line that can't be read is refused whole, as
//! OpenMetrics demands ("Overall Structure"); a total without one of its parts would be a wrong number.
//!
//! Written by hand: what there is on crates.io for it lacks escapes or empty braces, brings a parser generator
//! along, or has a licence that this project can't take over.

use std::{collections::BTreeMap, fmt};

#[cfg(test)]
mod tests;

/// Labels by name. An empty value is as good as no label (OpenMetrics, "Label"), so there is none here.
pub type Labels = BTreeMap<String, String>;

/// One line with a value.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    /// Name, with the suffix that says what it is of its metric, as in `latency_seconds_count`.
    pub name: String,
    /// What tells it from others of that name.
    pub labels: Labels,
    /// NaN and the infinities are values like others.
    pub value: f64,
    /// When it was taken: since 1970 in milliseconds (0.0.4) or seconds (OpenMetrics). Few pages say.
    pub timestamp: Option<f64>,
}

/// Which rules a page follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Exposition format 0.0.4.
    Prometheus,
    /// OpenMetrics 1.0, where a page without its last line, `# EOF`, has been cut off.
    OpenMetrics,
}

impl Format {
    /// The one that a `content-type` names; what names none is taken for the older one.
    pub fn of(content_type: &str) -> Self {
        if content_type.starts_with("application/openmetrics-text") {
            Self::OpenMetrics
        } else {
            Self::Prometheus
        }
    }
}

/// A line that can't be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}, `{text}`: {problem}")]
pub struct LineError {
    /// Which, from 1.
    pub line: usize,
    /// Its beginning, fit for a terminal.
    pub text: String,
    /// What is wrong with it.
    pub problem: &'static str,
}

impl LineError {
    fn new(line: usize, text: &str, problem: &'static str) -> Self {
        const SHOWN: usize = 120;
        let shown = |c: char| if c.is_control() { '\u{fffd}' } else { c };
        let text = text.chars().take(SHOWN).map(shown).collect();
        Self {
            line,
            text,
            problem,
        }
    }
}

/// The samples of a page, in its order.
pub fn read(text: &str, format: Format) -> Result<Vec<Sample>, LineError> {
    let mut samples = Vec::new();
    let mut ended = false;
    let mut last = (1, "");
    for (number, line) in (1..).zip(text.split('\n')) {
        // A carriage return is none of a line, but what some servers end it with.
        let line = line.trim_matches([' ', '\t', '\r']);
        if line.is_empty() {
            continue;
        }
        last = (number, line);
        let problem = |problem| LineError::new(number, line, problem);
        if ended && format == Format::OpenMetrics {
            return Err(problem("after `# EOF` comes nothing more"));
        }
        match line.strip_prefix('#') {
            Some(comment) => ended = comment == " EOF",
            None => samples.push(Rest(line).sample().map_err(problem)?),
        }
    }
    if format == Format::OpenMetrics && !ended {
        let (number, line) = last;
        let cut_off = "the page ends here, without `# EOF`: it was cut off";
        return Err(LineError::new(number, line, cut_off));
    }
    Ok(samples)
}

/// Whether a metric can be called so: `metricname` of the grammar.
pub fn is_metric_name(text: &str) -> bool {
    let mut rest = Rest(text);
    rest.name(":").is_ok() && rest.0.is_empty()
}

/// Whether a label can be called so: `label-name` of the grammar.
pub fn is_label_name(text: &str) -> bool {
    let mut rest = Rest(text);
    rest.name("").is_ok() && rest.0.is_empty()
}

type Read<T> = Result<T, &'static str>;

/// What of a line has not been read yet. A method a rule of the grammar; each takes what it reads.
struct Rest<'a>(&'a str);

impl<'a> Rest<'a> {
    /// `sample = metricname [labels] number [timestamp] [exemplar]`
    fn sample(mut self) -> Read<Sample> {
        let name = self.name(":")?;
        let apart = self.blanks();
        let labels = self.labels()?;
        if labels.is_none() && !apart {
            return Err(
                "a name has letters, digits, `_` and `:`, then come labels in braces or a blank",
            );
        }
        self.blanks();
        let value = self.number()?;
        let timestamp = self.timestamp()?;
        self.exemplar()?;
        if !self.0.is_empty() {
            return Err("after the value comes a timestamp at most");
        }
        Ok(Sample {
            name: name.to_owned(),
            labels: labels.unwrap_or_default(),
            value,
            timestamp,
        })
    }

    /// `metricname` and `label-name`: letters, digits but not first, `_` and what is `also` allowed.
    fn name(&mut self, also: &str) -> Read<&'a str> {
        let other = |c: char| !(c.is_ascii_alphanumeric() || c == '_' || also.contains(c));
        let name = self.until(self.0.find(other));
        if name.is_empty() || name.starts_with(|c: char| c.is_ascii_digit()) {
            return Err("a name begins with a letter or `_`");
        }
        Ok(name)
    }

    /// `labels = "{" [label *("," label) [","]] "}"`; none where no brace opens.
    fn labels(&mut self) -> Read<Option<Labels>> {
        if !self.takes('{') {
            return Ok(None);
        }
        let mut labels = Labels::new();
        self.blanks();
        while !self.takes('}') {
            let (name, value) = self.label()?;
            if labels.insert(name.to_owned(), value).is_some() {
                return Err("a label is there twice");
            }
            self.blanks();
            let more = self.takes(',');
            self.blanks();
            if !more && !self.0.starts_with('}') {
                return Err("after a label comes `,` or `}`");
            }
        }
        labels.retain(|_, value| !value.is_empty());
        Ok(Some(labels))
    }

    /// `label = label-name "=" DQUOTE escaped-string DQUOTE`
    fn label(&mut self) -> Read<(&'a str, String)> {
        let name = self.name("")?;
        self.blanks();
        if !self.takes('=') {
            return Err("after the name of a label comes `=`");
        }
        self.blanks();
        if !self.takes('"') {
            return Err("the value of a label is in double quotes");
        }
        Ok((name, self.escaped_string()?))
    }

    /// `escaped-string` and the quote after it. A backslash before any other character stands for itself.
    fn escaped_string(&mut self) -> Read<String> {
        const OPEN: &str = "the value of a label has no double quote at its end";
        let mut text = String::new();
        loop {
            let special = self.0.find(['"', '\\']).ok_or(OPEN)?;
            text.push_str(self.until(Some(special)));
            if self.takes('"') {
                return Ok(text);
            }
            self.takes('\\');
            let escaped = self.0.chars().next().ok_or(OPEN)?;
            self.takes(escaped);
            match escaped {
                'n' => text.push('\n'),
                '"' | '\\' => text.push(escaped),
                other => text.extend(['\\', other]),
            }
        }
    }

    /// `number`, as both Go's `ParseFloat` and OpenMetrics have it but for hexadecimal ones, which nobody writes.
    fn number(&mut self) -> Read<f64> {
        let token = self.token();
        let named = token.contains(['i', 'I']);
        match token.parse::<f64>() {
            Ok(value) if value.is_infinite() && !named => {
                Err("a number is larger than 64 bits can hold")
            }
            Ok(value) => Ok(value),
            Err(_) => Err("a value is a number, NaN, +Inf or -Inf"),
        }
    }

    fn timestamp(&mut self) -> Read<Option<f64>> {
        if self.0.is_empty() || self.0.starts_with('#') {
            return Ok(None);
        }
        let at = self.number().ok().filter(|at| at.is_finite());
        at.map(Some).ok_or("a timestamp is a number")
    }

    /// `exemplar = "#" labels number [timestamp]`, which is read to see that it is one.
    fn exemplar(&mut self) -> Read<()> {
        if !self.takes('#') {
            return Ok(());
        }
        self.blanks();
        self.labels()?
            .ok_or("an exemplar begins with labels in braces")?;
        self.blanks();
        self.number()?;
        self.timestamp()?;
        Ok(())
    }

    /// What comes before the next blank, and the blanks after it.
    fn token(&mut self) -> &'a str {
        let token = self.until(self.0.find([' ', '\t']));
        self.blanks();
        token
    }

    /// What comes before a place, or all.
    fn until(&mut self, end: Option<usize>) -> &'a str {
        let (before, after) = self.0.split_at(end.unwrap_or(self.0.len()));
        self.0 = after;
        before
    }

    /// Takes a character, if it comes next.
    fn takes(&mut self, wanted: char) -> bool {
        let after = self.0.strip_prefix(wanted);
        self.0 = after.unwrap_or(self.0);
        after.is_some()
    }

    /// Takes blanks, if any come next.
    fn blanks(&mut self) -> bool {
        let after = self.0.trim_start_matches([' ', '\t']);
        let any = after.len() < self.0.len();
        self.0 = after;
        any
    }
}

/// A line without its end, that [`read`] reads as the same sample.
impl fmt::Display for Sample {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.series())?;
        write!(f, " {}", Number(self.value))?;
        match self.timestamp {
            Some(at) => write!(f, " {}", Number(at)),
            None => Ok(()),
        }
    }
}

impl Sample {
    /// Its name and labels, as on the page.
    pub fn series(&self) -> String {
        series(&self.name, &self.labels)
    }
}

/// A name and labels as they stand on a page: `name{a="b"}`.
pub fn series(name: &str, labels: &Labels) -> String {
    if labels.is_empty() {
        return name.to_owned();
    }
    let label = |(name, value): (&String, &String)| {
        let value = value
            .replace('\\', "\\\\")
            .replace('"', "\\\"")
            .replace('\n', "\\n");
        format!("{name}=\"{value}\"")
    };
    let labels: Vec<String> = labels.iter().map(label).collect();
    format!("{name}{{{}}}", labels.join(","))
}

/// A number as both formats have it: all digits that it needs, a point or an exponent.
struct Number(f64);

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            value if value.is_finite() => write!(f, "{value:?}"),
            value if value.is_nan() => f.write_str("NaN"),
            value if value > 0.0 => f.write_str("+Inf"),
            _ => f.write_str("-Inf"),
        }
    }
}
