//! What the headers of a page say about its list: the next page and the number of items.

use std::borrow::Cow;

use reqwest::header::HeaderMap;

use super::page_text::Envelope;
use crate::error::json_text::decode::Problem;
use crate::generated::pagination::{PageValue, Pagination};

/// Returns what a page's headers say, as far as the list has it in headers.
///
/// # Errors
/// Returns a problem if such a header is malformed: the list would end without its other pages.
pub(super) fn envelope_in(headers: &HeaderMap, pagination: &Pagination) -> Result<Envelope, Problem> {
    let mut envelope = Envelope::default();
    if let PageValue::Header(name) = pagination.count
        && let Some(count) = values(headers, name).first().filter(|count| !count.trim().is_empty())
    {
        let count = count.trim().parse().map_err(|_| problem(name, "it isn't a number of items"))?;
        envelope.count = Some(count);
    }
    if let PageValue::Header(name) = pagination.next {
        let values = values(headers, name);
        envelope.next = match pagination.parameter {
            Some(_) => values.first().map(|value| value.trim().to_owned()).filter(|value| !value.is_empty()),
            None => {
                let values: Vec<&str> = values.iter().map(|value| &**value).collect();
                next_link(&values).map_err(|reason| problem(name, reason))?.map(str::to_owned)
            }
        };
    }
    Ok(envelope)
}

/// Returns the values of a header. A title may contain bytes that aren't UTF-8.
fn values<'h>(headers: &'h HeaderMap, name: &str) -> Vec<Cow<'h, str>> {
    headers.get_all(name).into_iter().map(|value| String::from_utf8_lossy(value.as_bytes())).collect()
}

fn problem(header: &str, reason: &str) -> Problem {
    Problem { path: format!("header {header}"), message: reason.to_owned(), is_truncated: false }
}

/// Returns the target of the link with the relation `next` (RFC 8288, section 3).
///
/// # Errors
/// Returns the reason if a value isn't a list of links.
fn next_link<'h>(values: &[&'h str]) -> Result<Option<&'h str>, &'static str> {
    for value in values {
        let mut rest = behind_commas(value);
        while !rest.is_empty() {
            let link = rest.strip_prefix('<').and_then(|rest| rest.split_once('>'));
            let (target, behind) = link.ok_or("a link isn't in angle brackets")?;
            let (relation, behind) = relation(behind)?;
            if relation.is_some_and(|names| names.split_whitespace().any(is_next)) {
                return Ok(Some(target));
            }
            rest = behind_commas(behind);
        }
    }
    Ok(None)
}

fn is_next(name: &str) -> bool {
    name.eq_ignore_ascii_case("next")
}

fn behind_commas(text: &str) -> &str {
    text.trim_start_matches([',', ' ', '\t'])
}

fn behind_space(text: &str) -> &str {
    text.trim_start_matches([' ', '\t'])
}

/// Reads a link's parameters. Returns the first `rel`, unless the link is another resource's (`anchor`), and the text
/// after the link.
fn relation(mut rest: &str) -> Result<(Option<&str>, &str), &'static str> {
    let (mut relation, mut is_own) = (None, true);
    loop {
        rest = behind_space(rest);
        match rest.as_bytes().first() {
            None | Some(b',') => return Ok((relation.filter(|_| is_own), rest)),
            Some(b';') => rest = behind_space(&rest[1..]),
            Some(_) => return Err("a link's parameters aren't separated by `;`"),
        }
        let end = rest.find(['=', ';', ',', ' ', '\t']).unwrap_or(rest.len());
        let (name, behind) = rest.split_at(end);
        rest = behind_space(behind);
        let Some(behind) = rest.strip_prefix('=') else { continue };
        let behind = behind_space(behind);
        let (value, after) = match behind.strip_prefix('"') {
            Some(quoted) => quoted_text(quoted).ok_or("a quoted text doesn't end")?,
            None => behind.split_at(behind.find([';', ',', ' ', '\t']).unwrap_or(behind.len())),
        };
        rest = after;
        if name.eq_ignore_ascii_case("rel") {
            relation = relation.or(Some(value));
        }
        is_own &= !name.eq_ignore_ascii_case("anchor");
    }
}

/// Returns a quoted text up to its end, with its escapes, and the text after it.
fn quoted_text(quoted: &str) -> Option<(&str, &str)> {
    let mut is_escaped = false;
    let end = quoted.bytes().position(|byte| {
        let is_end = byte == b'"' && !is_escaped;
        is_escaped = byte == b'\\' && !is_escaped;
        is_end
    })?;
    Some((&quoted[..end], &quoted[end + 1..]))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn headers(lines: &[(&'static str, &str)]) -> HeaderMap {
        lines.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect()
    }

    #[test]
    fn next_relation_is_found() {
        for (value, next) in [
            (
                r#"<https://h/?page=2>; rel="next", <https://h/?page=9>; rel="last""#,
                Some("https://h/?page=2"),
            ),
            (
                r#"<https://h/?page=9>; rel="last", <https://h/?a=1,2;3>; REL=Next"#,
                Some("https://h/?a=1,2;3"),
            ),
            (r#"<a>; title="x, <b>; rel=\"next\""; rel="prev next""#, Some("a")),
            (r#", , <a> ; rel = "up" ; rel="next" , <b>;rel=next;crossorigin"#, Some("b")),
            (r#"<a>; anchor="/other"; rel="next""#, None),
            (r#"<a>; rel="nextpage""#, None),
            ("<a>", None),
            ("", None),
        ] {
            assert_eq!(next_link(&[value]), Ok(next), "{value}");
        }
        assert_eq!(next_link(&["<a>; rel=prev", "<b>; rel=next"]), Ok(Some("b")));
        for value in ["a; rel=next", "<a; rel=next", "<a> rel=next", r#"<a>; rel="next"#, "<a>; rel=next x"] {
            assert!(next_link(&[value]).is_err(), "{value}");
        }
    }

    #[test]
    fn malformed_page_header_is_problem() {
        let pages = Pagination::new().items("").count_header("x-total-count").link_header();
        let read = |lines: &[(&'static str, &str)]| envelope_in(&headers(lines), &pages);
        let whole = Envelope { count: Some(7), next: Some("/x?page=2".to_owned()), ..Envelope::default() };
        assert_eq!(read(&[("link", "</x?page=2>; rel=next"), ("x-total-count", " 7")]), Ok(whole));
        assert_eq!(read(&[]), Ok(Envelope::default()));
        assert_eq!(read(&[("x-total-count", "-1")]).unwrap_err().path, "header x-total-count");
        assert_eq!(read(&[("link", "https://h/?page=2")]).unwrap_err().path, "header link");
        let title = Envelope { next: Some("/x".to_owned()), ..Envelope::default() };
        assert_eq!(read(&[("link", "</x>; title=\"\u{e9}\"; rel=next"), ("x-total-count", "")]), Ok(title));
        let numbers = Pagination::new().items("").no_count().next_header("x-next-page", "page");
        for (value, next) in [("3", Some("3")), ("", None)] {
            let read = envelope_in(&headers(&[("x-next-page", value)]), &numbers).unwrap();
            assert_eq!(read.next.as_deref(), next);
        }
    }

    proptest! {
        #[test]
        fn any_link_header_is_read(value in "[<>;,=\" \\\\a-c]{0,40}", title in "[ -~]{0,20}") {
            let _ = next_link(&[&value]);
            let title = title.replace('\\', "\\\\").replace('"', "\\\"");
            let line = format!("<u>; title=\"{title}\"; rel=\"x next\"");
            prop_assert_eq!(next_link(&[&line]), Ok(Some("u")));
        }
    }
}
