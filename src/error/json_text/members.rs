//! Iterates over the members of an object and the items of a list in JSON text. Nested values are skipped
//! without recursion, so that neither their depth nor their content matters.
//!
//! The text must be valid JSON: it was checked when the [`Json`](crate::Json) was made.

use std::borrow::Cow;

use memchr::{memchr, memchr2};

use super::decode::text_of;
use super::scan::{Scanner, Token};

/// Returns the members of the object `text`, each with the literal of its key and the text of its value.
/// Empty if `text` isn't an object.
pub(crate) fn members(text: &str) -> impl Iterator<Item = (&str, &str)> {
    let mut scanner = inside(text, '{');
    std::iter::from_fn(move || {
        let (key, value) = scanner.entry()?;
        Some((scanner.text(key), scanner.value(value)))
    })
}

/// Returns the texts of the items of the list `text`. Empty if `text` isn't a list.
pub(crate) fn items(text: &str) -> impl Iterator<Item = &str> {
    let mut scanner = inside(text, '[');
    std::iter::from_fn(move || {
        let item = scanner.next().filter(|lexeme| lexeme.token != Token::End)?;
        Some(scanner.value(item))
    })
}

/// Returns a scanner of what follows the bracket at the start of `text`; of nothing if another character is
/// there.
fn inside(text: &str, bracket: char) -> Scanner<'_> {
    Scanner::from(text, if text.starts_with(bracket) { 1 } else { text.len() })
}

/// Returns the value of `key` in the object `text`. If the key is repeated, the last value counts, as in
/// serde_json.
pub(crate) fn member<'t>(text: &'t str, key: &str) -> Option<&'t str> {
    members(text).filter(|(literal, _)| is_named(literal, key)).last().map(|(_, value)| value)
}

/// Returns the name of a key's literal.
pub(crate) fn name(literal: &str) -> Cow<'_, str> {
    plain(literal).map(Cow::Borrowed).or_else(|| text_of(literal)).unwrap_or_default()
}

fn is_named(literal: &str, key: &str) -> bool {
    // An escape is longer than the character it encodes.
    match literal.len().checked_sub(2) {
        Some(length) if length == key.len() => plain(literal) == Some(key),
        Some(length) if length > key.len() => {
            literal.contains('\\') && text_of(literal).is_some_and(|name| name == key)
        }
        _ => false,
    }
}

/// Returns the text between the quotes; `None` if it contains an escape.
fn plain(literal: &str) -> Option<&str> {
    literal.get(1..literal.len().saturating_sub(1)).filter(|name| !name.contains('\\'))
}

/// Returns the literals of all strings in `text`, keys and values, each with its position.
pub(crate) fn literals(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut at = 0;
    std::iter::from_fn(move || {
        let start = at + memchr(b'"', text.as_bytes().get(at..)?)?;
        at = string_end(text.as_bytes(), start);
        Some((start, text.get(start..at)?))
    })
}

/// Returns the end of the string that starts at `start`.
pub(crate) fn string_end(text: &[u8], start: usize) -> usize {
    behind_quote(text, start + 1).unwrap_or(text.len())
}

/// Returns the end of the string that contains `at`, after its closing quote; `None` if the string isn't
/// closed.
#[inline]
pub(crate) fn behind_quote(text: &[u8], mut at: usize) -> Option<usize> {
    loop {
        at += memchr2(b'"', b'\\', text.get(at..)?)?;
        match text.get(at) {
            Some(b'"') => return Some(at + 1),
            // A character after a backslash never ends the string.
            _ => at += 2,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{items, member, members};

    #[test]
    fn members_found_between_whitespace() {
        let list: Vec<_> = items(" [1]".trim())
            .chain(items("[ ]"))
            .chain(items(r#"[ -1e5 ,"a]\"\\",{"b" : [ { } , []]}, null]"#))
            .collect();
        assert_eq!(list, ["1", "-1e5", r#""a]\"\\""#, r#"{"b" : [ { } , []]}"#, "null"]);
        let object: Vec<_> = members(r#"{"a\"}":1 , "b" : {"a": "{" } ,"":[]}"#).collect();
        assert_eq!(object, [(r#""a\"}""#, "1"), (r#""b""#, r#"{"a": "{" }"#), (r#""""#, "[]")]);
        assert_eq!(member(r#"{"a":1, "\u0061" : 2,"b":3}"#, "a"), Some("2"));
        assert!(
            members("[1]").next().is_none() && items("{}").next().is_none() && items("null").next().is_none()
        );
    }

    #[test]
    fn invalid_json_ends_iteration() {
        for text in ["", "[", "{", "[[", r#"[""#, r#"["\"#, r#"{"a"#, r#"{"a":"#, "[1", "[,", "{]", "[}"] {
            assert!(items(text).count() + members(text).count() < 5, "{text}");
        }
    }
}
