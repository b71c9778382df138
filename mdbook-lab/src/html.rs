//! Which parts of raw HTML are not read as text of the page: comments, and what an element shows as it is.

use std::ops::Range;

/// How a part begins and ends, in lower case.
pub(crate) type Ends = (&'static str, &'static str);

/// A comment, which shows nothing.
pub(crate) const COMMENT: Ends = ("<!--", "-->");
/// Elements whose text is code.
pub(crate) const CODE: [Ends; 5] = [
    ("<pre", "</pre"),
    ("<code", "</code"),
    ("<script", "</script"),
    ("<style", "</style"),
    ("<textarea", "</textarea"),
];

/// A comment or code, whichever a piece of HTML begins with.
pub(crate) fn literal(html: &str) -> Option<Ends> {
    let mut all = CODE.iter().chain([&COMMENT]).copied();
    all.find(|(opening, _)| begins(html, opening))
}

/// Whether `html` begins with `with`, in capitals or not.
pub(crate) fn begins(html: &str, with: &str) -> bool {
    let head = html.as_bytes().get(..with.len());
    head.is_some_and(|head| head.eq_ignore_ascii_case(with.as_bytes()))
}

/// The comments of a block of HTML, and its code.
pub(crate) fn literals(html: &str) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let mut from = 0;
    while let Some(start) = html[from..].find('<').map(|at| from + at) {
        from = start + 1;
        if let Some((_, closing)) = literal(&html[start..]) {
            // `<!-->` is a whole comment.
            let inside = start + 2;
            from = end_of(html, inside, closing);
            found.push(start..from);
        }
    }
    found
}

/// A block of HTML without its comments, each byte of which becomes a blank: what is left stays where it is.
pub(crate) fn without_comments(html: &str) -> String {
    let mut left = String::with_capacity(html.len());
    while let Some(start) = html[left.len()..].find(COMMENT.0) {
        let start = left.len() + start;
        left.push_str(&html[left.len()..start]);
        let end = end_of(html, start + 2, COMMENT.1);
        left.push_str(&" ".repeat(end - start));
    }
    left.push_str(&html[left.len()..]);
    left
}

/// Where `closing` ends, from `from` on; without it, where the HTML ends.
fn end_of(html: &str, from: usize, closing: &str) -> usize {
    html[from..]
        .char_indices()
        .map(|(at, _)| from + at)
        .find(|at| begins(&html[*at..], closing))
        .map_or(html.len(), |at| at + closing.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_and_code_are_found_in_html() {
        let html = "<p>a<!-- <pre> -->b<PRE class='c'>é</Pre>c<!-->d<code>e";
        let found: Vec<_> = literals(html)
            .into_iter()
            .map(|range| &html[range])
            .collect();
        assert_eq!(
            found,
            [
                "<!-- <pre> -->",
                "<PRE class='c'>é</Pre",
                "<!-->",
                "<code>e"
            ]
        );
    }

    #[test]
    fn without_comments_all_else_stays_in_its_place() {
        let blank = |count| " ".repeat(count);
        let left = format!("a{}b{}", blank("<!--é-->".len()), blank("<!--c".len()));
        assert_eq!(without_comments("a<!--é-->b<!--c"), left);
        assert_eq!(without_comments("<a href=b>"), "<a href=b>");
    }
}
