//! What names, labels and the like may look like (`apimachinery/pkg/util/validation/validation.go`).

use super::{FieldPath, Verdict, refuse, required};

const LABEL: &str = "small letters, digits and `-`, with a letter or digit at both ends";
const SUBDOMAIN: &str = "small letters, digits, `-` and `.`, with a letter or digit at both ends";
const QUALIFIED: &str = "letters, digits, `-`, `_` and `.`, with a letter or digit at both ends";

/// A name of RFC 1123, as a container or a namespace has it.
pub(super) fn dns_label(field: &FieldPath, name: &str) -> Verdict {
    holds(field, name, is_dns_label(name), 63, LABEL)
}

/// Names of RFC 1123 joined by dots, as most objects have them.
pub(super) fn dns_subdomain(field: &FieldPath, name: &str) -> Verdict {
    let each = name.split('.').all(is_dns_label);
    holds(field, name, each, 253, SUBDOMAIN)
}

/// The key of a label or an annotation: `name`, or `prefix/name`.
pub(super) fn qualified(field: &FieldPath, key: &str) -> Verdict {
    let name = match key.split_once('/') {
        None => key,
        Some((prefix, name)) => {
            if name.contains('/') {
                return refuse(
                    field,
                    format!("has the key `{key}`; a key has at most one `/`"),
                );
            }
            dns_subdomain(field, prefix)?;
            name
        }
    };
    form(field, name, is_qualified(name), 63, QUALIFIED)
}

/// The value of a label, which may be empty.
pub(super) fn label_value(field: &FieldPath, value: &str) -> Verdict {
    let fits = value.is_empty() || is_qualified(value);
    form(field, value, fits, 63, QUALIFIED)
}

/// The name of a port of a container (`IsValidPortName`).
pub(super) fn port_name(field: &FieldPath, name: &str) -> Verdict {
    if !name.contains(|c: char| c.is_ascii_lowercase()) {
        let rule =
            format!("is `{name}`; the name of a port has a letter, a number stands without quotes");
        return refuse(field, rule);
    }
    holds(
        field,
        name,
        is_dns_label(name) && !name.contains("--"),
        15,
        LABEL,
    )
}

/// The name of a variable of the environment (`IsRelaxedEnvVarName`).
pub(super) fn variable(field: &FieldPath, name: &str) -> Verdict {
    let fits = name.chars().all(|c| (' '..='~').contains(&c) && c != '=');
    holds(
        field,
        name,
        fits,
        usize::MAX,
        "visible ASCII characters without `=`",
    )
}

/// The key of a `ConfigMap` or a `Secret` (`IsConfigMapKey`).
pub(super) fn map_key(field: &FieldPath, key: &str) -> Verdict {
    let fits = key
        .chars()
        .all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c));
    let fits = fits && key != "." && !key.starts_with("..");
    holds(field, key, fits, 253, "letters, digits, `-`, `_` and `.`")
}

/// A name that can stand in a path of the API (`IsValidPathSegmentName`).
pub(super) fn path_segment(field: &FieldPath, name: &str) -> Verdict {
    let fits = !matches!(name, "." | "..") && !name.contains(['/', '%']);
    holds(
        field,
        name,
        fits,
        usize::MAX,
        "no `/` and no `%`, and more than dots",
    )
}

/// The name of a header of HTTP (`IsHTTPHeaderName`).
pub(super) fn header(field: &FieldPath, name: &str) -> Verdict {
    let fits = name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
    holds(field, name, fits, usize::MAX, "letters, digits and `-`")
}

/// A name that must be there.
fn holds(field: &FieldPath, name: &str, fits: bool, most: usize, of: &str) -> Verdict {
    required(field, name)?;
    form(field, name, fits, most, of)
}

fn form(field: &FieldPath, name: &str, fits: bool, most: usize, of: &str) -> Verdict {
    if !fits {
        return refuse(field, format!("is `{name}`, but must be of {of}"));
    }
    if name.len() > most {
        return refuse(field, format!("is `{name}`, longer than {most} characters"));
    }
    Ok(())
}

fn is_dns_label(name: &str) -> bool {
    ends_and_middle(name, |c| c.is_ascii_lowercase() || c.is_ascii_digit(), "-")
}

fn is_qualified(name: &str) -> bool {
    ends_and_middle(name, |c| c.is_ascii_alphanumeric(), "-_.")
}

fn ends_and_middle(name: &str, end: impl Fn(char) -> bool + Copy, middle: &str) -> bool {
    name.starts_with(end)
        && name.ends_with(end)
        && name.chars().all(|c| end(c) || middle.contains(c))
}
