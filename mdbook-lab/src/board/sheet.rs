//! The codes as CSV (RFC 4180), for a spreadsheet that must take none of it for a formula.

use std::borrow::Cow;

use lab_record::ShareCode;

use super::state::Entry;

const HEAD: &str =
    "name,scenario,verdict,self_check,score,headline,guess,platform,at,heard,edit,code\r\n";

/// A line a code, in the order in which they came.
pub(crate) fn sheet(entries: &[Entry]) -> String {
    let mut sheet = HEAD.to_owned();
    for Entry { code: text, heard } in entries {
        let Ok(code) = text.parse::<ShareCode>() else {
            continue;
        };
        let number =
            |number: Option<f64>| number.map_or(String::new(), |number| number.to_string());
        let fields = [
            quoted(code.name.as_str()),
            quoted(&code.scenario),
            code.outcome.word().to_owned(),
            code.validity.word().to_owned(),
            code.score.to_string(),
            number(code.headline),
            number(code.guess),
            quoted(&code.platform),
            code.at.to_string(),
            heard.to_string(),
            format!("{:08x}", code.edit),
            quoted(text),
        ];
        sheet.push_str(&fields.join(","));
        sheet.push_str("\r\n");
    }
    sheet
}

/// A text in quotes. One that a spreadsheet would compute gets an apostrophe before it, which spreadsheets take for "this
/// is text" (OWASP, CSV Injection).
fn quoted(text: &str) -> String {
    let computes = text.starts_with(['=', '+', '-', '@', '\t', '\r', '\n', '＝', '＋', '－', '＠']);
    let text: Cow<'_, str> = if computes {
        format!("'{text}").into()
    } else {
        text.into()
    };
    format!("\"{}\"", text.replace('"', "\"\""))
}

#[cfg(test)]
mod tests {
    use lab_record::Outcome;

    use super::{super::state::tests::code, *};

    #[test]
    fn no_name_is_a_formula_and_none_breaks_a_line() {
        for (name, field) in [
            ("ada", "\"ada\""),
            ("=1+2", "\"'=1+2\""),
            ("+1", "\"'+1\""),
            ("-1", "\"'-1\""),
            ("@SUM(A1)", "\"'@SUM(A1)\""),
            ("＝1", "\"'＝1\""),
            ("a,\"b\"", "\"a,\"\"b\"\"\""),
            ("", "\"\""),
        ] {
            let code = code(1, Outcome::Fail, 52, Some(80.0), name);
            let entry = Entry {
                code: code.to_string(),
                heard: code.at,
            };
            let sheet = sheet(&[entry]);
            let line = sheet.strip_prefix(HEAD).unwrap();
            let rest = ",\"timeouts\",FAIL,VALID,52,4890,80,\"local\",2026-11-29T10:01:00Z,2026-11-29T10:01:00Z,00000007,";
            assert!(line.starts_with(&format!("{field}{rest}")), "{line}");
            assert_eq!(line.matches("\r\n").count(), 1);
        }
    }
}
