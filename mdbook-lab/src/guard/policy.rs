//! What a browser may do with our answers: the headers on every response.

use axum::{
    http::{HeaderMap, HeaderName, HeaderValue, header},
    response::IntoResponse,
};
use base64::{Engine, prelude::BASE64_STANDARD};
use sha2::{Digest, Sha256};

/// Which sort of document a policy is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Document {
    /// A page of the book.
    Page,
    /// The table of contents, which a page without JavaScript shows in a frame.
    Contents,
    /// A report: no scripts but those that move a stage.
    Report,
}

/// The content security policy of a document.
pub(crate) fn content_security(document: Document, html: &str) -> HeaderValue {
    let scripts = match document {
        Document::Page | Document::Contents => format!("'self'{}", hashes(html)),
        // Ours, whatever the page has: it may be from anybody.
        Document::Report => [lab_stage::SCRIPT, lab_stage::SCRUB].map(hash).concat(),
    };
    let ancestors = match document {
        Document::Page | Document::Report => "'none'",
        Document::Contents => "'self'",
    };
    // Styles may be inline: mdBook's icons and the reports' charts have some, and they run nothing.
    let policy = format!(
        "default-src 'none'; script-src {scripts}; style-src 'self' 'unsafe-inline'; \
         img-src 'self' data:; font-src 'self'; connect-src 'self'; frame-src 'self'; \
         base-uri 'self'; form-action 'none'; frame-ancestors {ancestors}"
    );
    HeaderValue::from_str(&policy).unwrap_or_else(|_| NOTHING.clone())
}

/// A page of this program's own, as an answer.
pub(crate) fn page(html: &'static str) -> impl IntoResponse {
    let headers = [
        (
            header::CONTENT_SECURITY_POLICY,
            content_security(Document::Page, html),
        ),
        (
            header::CONTENT_TYPE,
            HeaderValue::from_static("text/html; charset=utf-8"),
        ),
    ];
    (headers, html)
}

/// For answers that are no documents.
static NOTHING: HeaderValue =
    HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'");

/// Puts on a response what every one of ours carries; a policy that is there already stays.
pub(crate) fn harden(headers: &mut HeaderMap) {
    headers
        .entry(header::CONTENT_SECURITY_POLICY)
        .or_insert_with(|| NOTHING.clone());
    for (name, value) in [
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (
            HeaderName::from_static("cross-origin-resource-policy"),
            "same-origin",
        ),
        (
            HeaderName::from_static("cross-origin-opener-policy"),
            "same-origin",
        ),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    headers
        .entry(header::CACHE_CONTROL)
        .or_insert(HeaderValue::from_static("no-cache"));
}

/// ` 'sha256-…'` for each inline script of a page that we built.
fn hashes(html: &str) -> String {
    inline_scripts(html).map(hash).collect()
}

fn hash(script: &str) -> String {
    let hash = BASE64_STANDARD.encode(Sha256::digest(script.as_bytes()));
    format!(" 'sha256-{hash}'")
}

/// The texts of `<script>…</script>` without a `src`.
fn inline_scripts(html: &str) -> impl Iterator<Item = &str> {
    let mut rest = html;
    std::iter::from_fn(move || {
        loop {
            let start = rest.find("<script")? + "<script".len();
            rest = &rest[start..];
            let tag_end = tag_end(rest)?;
            let (attributes, body) = (&rest[..tag_end], &rest[tag_end + 1..]);
            let body_end = body.find("</script")?;
            let script = &body[..body_end];
            rest = &body[body_end..];
            if !attributes.contains("src=") && !script.is_empty() {
                return Some(script);
            }
        }
    })
}

/// Where the `>` of a tag is that is not inside quotes.
fn tag_end(tag: &str) -> Option<usize> {
    let mut quote = None;
    tag.char_indices().find_map(|(at, letter)| {
        match (quote, letter) {
            (None, '>') => return Some(at),
            (None, '"' | '\'') => quote = Some(letter),
            (Some(open), _) if open == letter => quote = None,
            _ => {}
        }
        None
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inline_scripts_are_found_and_others_are_not() {
        let html = r#"<script src="a.js"></script><script>one()</script>
            <p>&lt;script&gt;</p><script data-x="a > b">two()</script><script></script>"#;
        assert_eq!(inline_scripts(html).collect::<Vec<_>>(), ["one()", "two()"]);
    }

    #[test]
    fn a_page_runs_its_own_inline_scripts_by_hash_alone() {
        let policy = content_security(Document::Page, "<script>alert('Hello, world.');</script>");
        let policy = policy.to_str().unwrap();
        // The example of the specification (Content Security Policy Level 3, section 2.3.1).
        assert!(
            policy.contains("'sha256-qznLcsROx4GACP2dm0UCKCzCG+HiZ1guq6ZZDob/Tng='"),
            "{policy}"
        );
        let scripts = policy
            .split("; ")
            .find(|part| part.starts_with("script-src"))
            .unwrap();
        assert!(!scripts.contains("unsafe"), "{scripts}");
        assert!(policy.ends_with("frame-ancestors 'none'"), "{policy}");
    }

    #[test]
    fn a_report_runs_what_moves_its_stage_and_nothing_else() {
        let html = format!(
            "<script>alert(1)</script><script>{}</script>",
            lab_stage::SCRIPT
        );
        let policy = content_security(Document::Report, &html);
        let policy = policy.to_str().unwrap();
        let (_, scripts) = policy.split_once("script-src ").unwrap();
        let (scripts, _) = scripts.split_once(';').unwrap();
        let ours = [lab_stage::SCRIPT, lab_stage::SCRUB].map(hash).concat();
        assert_eq!(scripts.trim(), ours.trim());
        assert!(!policy.contains(&hash("alert(1)")));
    }
}
