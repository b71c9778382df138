//! A run in one short line, to paste into any chat: see *Share codes* in the book's reference.
//!
//! It has a checksum against what chats do to lines, and no proof: who forges one cheats himself.

use std::{fmt, str::FromStr};

use jiff::{Timestamp, civil::DateTime, tz::TimeZone};

use crate::{Finite, Outcome, Run, Validity};

/// The version of the line that [`ShareCode`] describes. Others are refused by name.
const VERSION: u32 = 1;

/// How every code begins, before its version.
const HEAD: &str = "LAB";

/// Characters of a name, at most.
const LONGEST_NAME: usize = 40;

/// No code is longer, bytes: a name of 40 characters takes up to 480, all else less than 200.
const LONGEST: usize = 1024;

const TIME: &str = "%Y%m%dT%H%M%SZ";

/// What others learn of a run: nothing but this. No path, no host, no text of anybody's.
#[derive(Clone, Debug, PartialEq)]
pub struct ShareCode {
    /// The scenario, e.g. `timeouts`.
    pub scenario: String,
    /// [`Outcome::Pass`] or [`Outcome::Fail`]: other runs say nothing.
    pub outcome: Outcome,
    /// [`Validity::Suspect`] where the self-check casts a doubt on that, else [`Validity::Valid`].
    pub validity: Validity,
    /// 0 to 100.
    pub score: u8,
    /// The figure of the headline check, in its unit, to four digits; none where there was nothing to measure.
    pub headline: Option<f64>,
    /// What was guessed before the run, in the unit of the question; none where nothing was.
    pub guess: Option<f64>,
    /// Where the services ran: `local`, `k3d`, `kubernetes`.
    pub platform: String,
    /// When the load started, UTC, to the second.
    pub at: Timestamp,
    /// A digest (CRC-32) of the edit point's text, so that two runs of one text are told from two texts.
    pub edit: u32,
    /// Who ran it, as they call themselves.
    pub name: ShareName,
}

/// What somebody wants to be called, perhaps nothing. At most 40 characters, all of which show.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ShareName(String);

/// Why a name is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// Too long for a board.
    #[error("a name has at most {LONGEST_NAME} characters; this one has {0}")]
    Long(usize),
    /// It would change how the text around it looks.
    #[error(
        "a name can't have the character U+{0:04X}, which does not show or turns the text around it"
    )]
    Hidden(u32),
}

/// Why a text is no share code.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ShareError {
    /// It doesn't begin as one.
    #[error("no share code: one begins with {HEAD}{VERSION}/")]
    NoCode,
    /// Something else has written it.
    #[error("this share code is of version {0}; this workshop reads version {VERSION}")]
    Version(String),
    /// Its end is missing.
    #[error("this share code is cut off: its end is missing")]
    Cut,
    /// Its checksum is of another text.
    #[error("this share code was altered: its checksum does not fit")]
    Altered,
    /// It has a checksum that fits and a part that says nothing.
    #[error("this share code has no {0}")]
    Part(&'static str),
}

impl ShareName {
    /// For people, as it was chosen; may be empty.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for ShareName {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let text = text.trim();
        if let Some(hidden) = text.chars().find(|c| is_hidden(*c)) {
            return Err(NameError::Hidden(hidden.into()));
        }
        match text.chars().count() {
            count if count > LONGEST_NAME => Err(NameError::Long(count)),
            _ => Ok(Self(text.to_owned())),
        }
    }
}

/// Control characters, and those that turn the direction of text or have no width, but for the joiner of emoji: see
/// Unicode's UAX #9 and its property `Default_Ignorable_Code_Point`.
fn is_hidden(c: char) -> bool {
    c.is_control()
        || matches!(
            c,
            '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}' | '\u{200c}' | '\u{200e}' | '\u{200f}'
        )
        || matches!(c, '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{e0000}'..='\u{e0fff}')
}

impl ShareCode {
    const PARTS: usize = 11;

    /// What is to be told of a run; none of one that says nothing, or is of no step.
    pub fn of(run: &Run, name: ShareName) -> Option<Self> {
        run.scenario.step?;
        if !run.is_comparable() {
            return None;
        }
        let headline = run.headline().and_then(|check| check.value);
        let guess = run.guess.as_ref().and_then(|guess| guess.guessed);
        let mut edit = crc32fast::Hasher::new();
        for source in &run.sources {
            edit.update(source.text.as_bytes());
            // Two files are not one.
            edit.update(&[0]);
        }
        Some(Self {
            scenario: run.scenario.name.clone(),
            outcome: run.verdict.outcome,
            validity: run.self_check.validity,
            score: run.verdict.score?,
            headline: headline.map(four_digits),
            guess: guess.map(four_digits),
            platform: run.platform.clone(),
            at: Timestamp::from_second(run.started_at.as_second()).ok()?,
            edit: edit.finalize(),
            name,
        })
    }

    /// Every code in a text such as a chat's whole log, and what looks like one and is none, in order, each with its
    /// text. What stands around a code (quotes, brackets, a full stop) does not belong to it.
    pub fn find(text: &str) -> impl Iterator<Item = (&str, Result<Self, ShareError>)> + '_ {
        let words = text.split(|c: char| !is_of_a_code(c));
        words.filter_map(|word| {
            let word = word.trim_end_matches(['.', '-', '=']);
            match word.parse() {
                Err(ShareError::NoCode) => None,
                found => Some((word, found)),
            }
        })
    }

    /// All but the checksum.
    fn body(&self) -> String {
        let doubt = if self.validity == Validity::Suspect {
            "-SUSPECT"
        } else {
            ""
        };
        let number =
            |number: Option<f64>| number.map_or("-".to_owned(), |number| number.to_string());
        format!(
            "{HEAD}{VERSION}/{}/{}{doubt}/{}/{}/{}/{}/{}/{:08x}/{}",
            self.scenario,
            self.outcome.word(),
            self.score,
            number(self.headline),
            number(self.guess),
            self.platform,
            self.at.to_zoned(TimeZone::UTC).strftime(TIME),
            self.edit,
            escaped(self.name.as_str()),
        )
    }
}

/// Four significant digits: more say nothing, and a line is to be short.
fn four_digits(value: Finite) -> f64 {
    value.rounded(4)
}

/// What a code consists of. Chats leave these alone, and none of them is markup.
fn is_of_a_code(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '/' | '.' | '-' | '=')
}

/// Letters, digits and `-` as they are, all other bytes as in quoted-printable (RFC 2045, 6.7). An empty name is `=`.
fn escaped(name: &str) -> String {
    if name.is_empty() {
        return "=".to_owned();
    }
    let escape = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' => char::from(byte).to_string(),
        _ => format!("={byte:02X}"),
    };
    name.bytes().map(escape).collect()
}

fn unescaped(text: &str) -> Option<String> {
    if text == "=" {
        return Some(String::new());
    }
    let (mut bytes, mut rest) = (Vec::new(), text.as_bytes());
    while let Some((first, more)) = rest.split_first() {
        rest = more;
        if *first == b'=' {
            let digits = std::str::from_utf8(rest.get(..2)?).ok()?;
            bytes.push(u8::from_str_radix(digits, 16).ok()?);
            rest = &rest[2..];
        } else {
            bytes.push(*first);
        }
    }
    String::from_utf8(bytes).ok()
}

impl fmt::Display for ShareCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let body = self.body();
        write!(f, "{body}/{:08x}", crc32fast::hash(body.as_bytes()))
    }
}

impl FromStr for ShareCode {
    type Err = ShareError;

    fn from_str(text: &str) -> Result<Self, ShareError> {
        let parts: Vec<&str> = text.splitn(Self::PARTS + 1, '/').collect();
        let version = parts[0].strip_prefix(HEAD).ok_or(ShareError::NoCode)?;
        if version.is_empty()
            || !version.bytes().all(|byte| byte.is_ascii_digit())
            || parts.len() == 1
        {
            return Err(ShareError::NoCode);
        }
        if version != VERSION.to_string() {
            return Err(ShareError::Version(version.chars().take(12).collect()));
        }
        let &[
            _,
            scenario,
            verdict,
            score,
            headline,
            guess,
            platform,
            at,
            edit,
            name,
            sum,
        ] = &parts[..]
        else {
            return Err(match parts.len() {
                few if few < Self::PARTS => ShareError::Cut,
                _ => ShareError::Altered,
            });
        };
        if sum.len() < 8 {
            return Err(ShareError::Cut);
        }
        let body = &text[..text.len() - sum.len() - 1];
        if text.len() > LONGEST || sum != format!("{:08x}", crc32fast::hash(body.as_bytes())) {
            return Err(ShareError::Altered);
        }
        let (outcome, validity) = verdict_of(verdict).ok_or(ShareError::Part("verdict"))?;
        Ok(Self {
            scenario: word(scenario).ok_or(ShareError::Part("scenario"))?,
            outcome,
            validity,
            score: score
                .parse()
                .ok()
                .filter(|score| *score <= 100)
                .ok_or(ShareError::Part("score"))?,
            headline: number(headline, "headline")?,
            guess: number(guess, "guess")?,
            platform: word(platform).ok_or(ShareError::Part("platform"))?,
            at: time(at).ok_or(ShareError::Part("time"))?,
            edit: u32::from_str_radix(edit, 16)
                .map_err(|_| ShareError::Part("digest of the edit point"))?,
            name: unescaped(name)
                .and_then(|name| name.parse().ok())
                .ok_or(ShareError::Part("name"))?,
        })
    }
}

fn verdict_of(text: &str) -> Option<(Outcome, Validity)> {
    let (word, validity) = match text.strip_suffix("-SUSPECT") {
        Some(word) => (word, Validity::Suspect),
        None => (text, Validity::Valid),
    };
    let outcome = [Outcome::Pass, Outcome::Fail]
        .into_iter()
        .find(|outcome| outcome.word() == word)?;
    Some((outcome, validity))
}

fn word(text: &str) -> Option<String> {
    let fits = !text.is_empty()
        && text
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
    fits.then(|| text.to_owned())
}

/// A number, or `-` for none.
fn number(text: &str, part: &'static str) -> Result<Option<f64>, ShareError> {
    if text == "-" {
        return Ok(None);
    }
    let number: Option<f64> = text.parse().ok().filter(|number: &f64| number.is_finite());
    number.map(Some).ok_or(ShareError::Part(part))
}

fn time(text: &str) -> Option<Timestamp> {
    let time = DateTime::strptime(TIME, text).ok()?;
    Some(time.to_zoned(TimeZone::UTC).ok()?.timestamp())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(name: &str) -> ShareCode {
        ShareCode {
            scenario: "timeouts".to_owned(),
            outcome: Outcome::Fail,
            validity: Validity::Suspect,
            score: 52,
            headline: Some(4890.0),
            guess: Some(80.0),
            platform: "local".to_owned(),
            at: "2026-11-29T01:16:46Z".parse().unwrap(),
            edit: 0x9f3a_11c2,
            name: name.parse().unwrap(),
        }
    }

    const ADAS: &str = "LAB1/timeouts/FAIL-SUSPECT/52/4890/80/local/20261129T011646Z/9f3a11c2/ada/";

    #[test]
    fn it_is_one_short_line_and_is_read_as_it_was_written() {
        for name in [
            "ada",
            "",
            "Zoë",
            "李雷",
            "<b>Bob & Co</b>",
            "👩‍👩‍👧 team-1",
            "עדה",
            "a/b=c.",
            "=41",
        ] {
            let code = code(name);
            let text = code.to_string();
            assert_eq!(text.parse(), Ok(code), "{text}");
            assert!(text.chars().all(is_of_a_code), "{text}");
            assert!(text.len() < LONGEST);
        }
        assert!(code("ada").to_string().starts_with(ADAS), "{}", code("ada"));
        let sum = format!(
            "{:08x}",
            crc32fast::hash(&ADAS.as_bytes()[..ADAS.len() - 1])
        );
        assert_eq!(code("ada").to_string(), format!("{ADAS}{sum}"));
    }

    #[test]
    fn what_is_unknown_is_said() {
        let nothing = ShareCode {
            headline: None,
            guess: None,
            validity: Validity::Valid,
            ..code("")
        };
        let text = nothing.to_string();
        assert!(
            text.starts_with("LAB1/timeouts/FAIL/52/-/-/local/") && text.contains("/=/"),
            "{text}"
        );
        assert_eq!(text.parse(), Ok(nothing));
    }

    #[test]
    fn one_that_was_cut_or_altered_is_refused_by_name() {
        let whole = code("ada").to_string();
        for end in 0..whole.len() {
            let error = whole[..end].parse::<ShareCode>().unwrap_err();
            assert!(
                matches!(error, ShareError::NoCode | ShareError::Cut),
                "{end}: {error:?}"
            );
        }
        for place in ADAS.len() - 40..whole.len() {
            let mut altered = whole.clone().into_bytes();
            altered[place] = if altered[place] == b'1' { b'2' } else { b'1' };
            let altered = String::from_utf8(altered).unwrap();
            let error = altered.parse::<ShareCode>().unwrap_err();
            assert!(
                matches!(error, ShareError::Altered | ShareError::Cut),
                "{altered}: {error:?}"
            );
        }
        let other = whole.replacen("LAB1", "LAB7", 1).parse::<ShareCode>();
        assert_eq!(other, Err(ShareError::Version("7".to_owned())));
        assert_eq!(
            format!("{whole}/more").parse::<ShareCode>(),
            Err(ShareError::Altered)
        );
        for strange in ["", "LAB", "LABOR/1", "lab1/x", "LAB1", "laboratory"] {
            assert_eq!(
                strange.parse::<ShareCode>(),
                Err(ShareError::NoCode),
                "{strange}"
            );
        }
    }

    #[test]
    fn the_example_of_the_book_is_one() {
        let page = include_str!("../../../book/reference.md");
        let [(_, found)] = &ShareCode::find(page)
            .filter(|(_, found)| found != &Err(ShareError::Cut))
            .collect::<Vec<_>>()[..]
        else {
            panic!("one code in the reference");
        };
        let found = found.as_ref().unwrap();
        assert_eq!(
            (found.name.as_str(), found.score, found.guess),
            ("ada", 100, Some(80.0))
        );
    }

    /// With a checksum that fits, as somebody makes who plays with it.
    #[test]
    fn parts_that_say_nothing_are_refused_by_name() {
        for (from, to, part) in [
            ("FAIL-SUSPECT", "INVALID", "verdict"),
            ("/52/", "/520/", "score"),
            ("/4890/", "/inf/", "headline"),
            ("/80/", "/NaN/", "guess"),
            ("/local/", "/LOCAL/", "platform"),
            ("/timeouts/", "//", "scenario"),
            ("T011646Z", "T991646Z", "time"),
            ("9f3a11c2", "9f3a11c2f", "digest of the edit point"),
            ("/ada", "/=E2=80=AE", "name"),
            ("/ada", "/=ff", "name"),
            ("/ada", "/=4", "name"),
        ] {
            let body = ADAS.trim_end_matches('/').replacen(from, to, 1);
            let text = format!("{body}/{:08x}", crc32fast::hash(body.as_bytes()));
            assert_eq!(
                text.parse::<ShareCode>(),
                Err(ShareError::Part(part)),
                "{text}"
            );
        }
    }

    #[test]
    fn codes_are_found_in_a_chat() {
        let (ada, bob) = (code("ada"), code("<Bob>"));
        let log = format!(
            "[01:17] Ada: done! `{ada}`.\n[01:18] Bob: \"{bob}\" :-) see https://example.org/LAB1/x?y\n> LAB is fun/or not\n\
             [01:19] Cy: {}\u{2026}\n",
            &ada.to_string()[..60]
        );
        let (texts, found): (Vec<_>, Vec<_>) = ShareCode::find(&log).unzip();
        assert_eq!(texts[0], ada.to_string());
        assert_eq!(
            texts[2],
            &texts[0][..60],
            "as it stands there, without what stands around it"
        );
        assert_eq!(found, [Ok(ada), Ok(bob), Err(ShareError::Cut)], "{log}");
    }

    #[test]
    fn a_name_shows_and_is_short() {
        assert_eq!("  ada \n".parse::<ShareName>().unwrap().as_str(), "ada");
        assert_eq!(
            "x".repeat(10_000).parse::<ShareName>(),
            Err(NameError::Long(10_000))
        );
        assert_eq!(
            "a\u{202e}b".parse::<ShareName>(),
            Err(NameError::Hidden(0x202e))
        );
        assert_eq!("a\nb".parse::<ShareName>(), Err(NameError::Hidden(10)));
        assert!("é".repeat(40).parse::<ShareName>().is_ok());
    }
}
