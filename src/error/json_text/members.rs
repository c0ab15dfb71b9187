//! Iterates over the members of an object and the items of a list in JSON text. Nested values are skipped
//! without recursion, so that neither their depth nor their content matters.
//!
//! The text must be valid JSON: it was checked when the [`Json`](crate::Json) was made.

use std::borrow::Cow;

use memchr::{memchr, memchr2};

use super::decode::text_of;

/// Returns the members of the object `text`, each with the literal of its key and the text of its value.
/// Empty if `text` isn't an object.
pub(crate) fn members(text: &str) -> impl Iterator<Item = (&str, &str)> {
    let mut walk = Walk::into(text, b'{');
    std::iter::from_fn(move || {
        let key = walk.next_part()?;
        Some((key, walk.next_part()?))
    })
}

/// Returns the texts of the items of the list `text`. Empty if `text` isn't a list.
pub(crate) fn items(text: &str) -> impl Iterator<Item = &str> {
    let mut walk = Walk::into(text, b'[');
    std::iter::from_fn(move || walk.next_part())
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

/// A position in a list or an object, between two of its parts.
struct Walk<'t> {
    text: &'t str,
    at: usize,
}

impl<'t> Walk<'t> {
    fn into(text: &'t str, bracket: u8) -> Self {
        let at = if text.as_bytes().first() == Some(&bracket) { 1 } else { text.len() };
        Walk { text, at }
    }

    /// Returns the next key, value or item; `None` at the end.
    fn next_part(&mut self) -> Option<&'t str> {
        let bytes = self.text.as_bytes();
        while matches!(bytes.get(self.at)?, b' ' | b'\t' | b'\n' | b'\r' | b',' | b':') {
            self.at += 1;
        }
        let start = self.at;
        self.at = match bytes.get(start)? {
            b'"' => string_end(bytes, start),
            b'[' | b'{' => brackets_end(bytes, start),
            b']' | b'}' => return None,
            _ => scalar_end(bytes, start),
        };
        self.text.get(start..self.at)
    }
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

/// Returns the end of the list or object that starts at `start`.
fn brackets_end(text: &[u8], start: usize) -> usize {
    let mut depth = 0_usize;
    let mut at = start;
    while let Some(byte) = text.get(at) {
        at += 1;
        match byte {
            b'"' => at = string_end(text, at - 1),
            b'[' | b'{' => depth += 1,
            b']' | b'}' if depth <= 1 => return at,
            b']' | b'}' => depth -= 1,
            _ => {}
        }
    }
    text.len()
}

fn scalar_end(text: &[u8], start: usize) -> usize {
    let ends = |byte: &u8| matches!(byte, b' ' | b'\t' | b'\n' | b'\r' | b',' | b']' | b'}');
    text.iter().skip(start).position(ends).map_or(text.len(), |length| start + length)
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
